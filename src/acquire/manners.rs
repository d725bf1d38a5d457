//! Deadlock manners: no wait of ours closes a circle unasked.

use std::time::Duration;

use super::pending::{Place, Want};
use crate::diagnose::{Kin, Wish, circle};
use crate::model::{Pid, Snapshot};
use crate::system::System;

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
        let is_alone = system.actors(us).is_some_and(|tids| tids.len() == 1);
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
        self.system.awaited_child(pid)
    }

    fn threads(&self, pid: Pid) -> Option<usize> {
        // Another that waits through this library has its request in a thread of its own, and the one
        // that asked for it waits for that.
        self.system.actors(pid).map(|tids| tids.len())
    }
}
