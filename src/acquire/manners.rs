//! Deadlock manners: no wait of ours closes a circle unasked.

use std::time::Duration;

use super::pending::{Place, Want};
use crate::diagnose::{Kin, Wish, circle};
use crate::model::{Pid, Snapshot, State};
use crate::system::{System, has_ended};

/// The names of threads that only wait, look or listen for others: they never let go of a lock. Only
/// whoever calls this library does.
const HELPERS: [&[u8]; 5] = [b"lock wait", b"lock watch", b"lock files", b"look-up", b"signals"];

/// The name of a program that runs commands under locks, and waits for them as below.
const OURS: &[u8] = b"locktop";

/// The circle that waiting for the lock closes with locks that this process and those above it have,
/// in words; `None` also where that is not certain.
///
/// Of two who close a circle the later one is told, by what it has waited when the look was over.
/// What is seen of parents is a little younger than the look.
pub(super) fn check(
    snapshot: &Snapshot,
    place: &Place,
    want: &Want,
    waited: Duration,
) -> Option<String> {
    let mechanism = place.mechanism?;
    let wish = Wish { file: place.file?, mechanism, mode: want.mode, range: place.range, waited };
    circle(snapshot, &wish, &Relatives::new()).map(|circle| circle.to_string())
}

/// This process and others, asked when they matter.
struct Relatives {
    system: System,
    us: Pid,
    /// Whether our only thread that could let go of something is the one that waits.
    is_alone: bool,
}

impl Relatives {
    fn new() -> Self {
        let system = System::new();
        let us = std::process::id().cast_signed();
        let is_alone = actors(&system, us).is_some_and(|tids| tids.len() == 1);
        Self { system, us, is_alone }
    }
}

impl Kin for Relatives {
    fn us(&self) -> Pid {
        self.us
    }

    /// What other threads of ours have taken, they can give back. What was inherited, nobody here
    /// knows of.
    fn keeps(&self, fd: i32) -> bool {
        self.is_alone || self.system.is_closed_on_exec(fd).is_ok_and(|closed| !closed)
    }

    fn awaited_child(&self, pid: Pid) -> Option<Pid> {
        let actors = actors(&self.system, pid)?;
        let [(tid, command)] = actors.as_slice() else { return None };
        // Compilers add a suffix behind a dot.
        match self.system.wchan(pid, *tid)?.split('.').next()? {
            "do_wait" => {}
            // For signals: that its command has ended, or that it is to pass on.
            "do_sigtimedwait" if command == OURS => {}
            _ => return None,
        }
        let mut children = Vec::new();
        for tid in self.system.tids(pid).ok()? {
            children.extend(self.system.children(pid, tid).ok()?);
        }
        // Which of several it waits for, cannot be told.
        children.retain(|&child| lives(&self.system, child));
        <[Pid; 1]>::try_from(children).ok().map(|[child]| child)
    }

    fn threads(&self, pid: Pid) -> Option<usize> {
        // Another that waits through this library has its request in a thread of its own, and the one
        // that asked for it waits for that.
        actors(&self.system, pid).map(|tids| tids.len())
    }
}

/// The threads of a process that could let go of a lock, and their names.
fn actors(system: &System, pid: Pid) -> Option<Vec<(Pid, Vec<u8>)>> {
    let mut actors = Vec::new();
    for tid in system.tids(pid).ok()? {
        match system.thread_stat(pid, tid) {
            Ok(stat) if HELPERS.contains(&stat.command.as_slice()) => {}
            Ok(stat) => actors.push((tid, stat.command)),
            Err(error) if has_ended(&error) => {}
            Err(_) => return None,
        }
    }
    Some(actors)
}

fn lives(system: &System, pid: Pid) -> bool {
    // One of whom nothing can be learnt counts: then it is not certain who is waited for.
    let state = system.stat(pid).ok().and_then(|stat| stat.state);
    !matches!(state, Some(State::Zombie | State::Dead))
}
