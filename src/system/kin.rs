//! Parents and children, and what is handed down between them.

use std::io;

use super::{System, has_ended, platform, read_record};
use crate::model::{Pid, State};

/// The names of threads that only wait, look or listen for others: they never let go of a lock. Only
/// whoever calls this library does.
const HELPERS: [&[u8]; 5] = [b"lock wait", b"lock watch", b"lock files", b"look-up", b"signals"];

/// The name of a program that runs commands under locks, and waits for them as below.
const OURS: &[u8] = b"locktop";

/// Where a thread sleeps until a child ends.
const FOR_CHILDREN: &str = "do_wait";

/// Where a thread sleeps until a signal comes.
const FOR_SIGNALS: &str = "do_sigtimedwait";

impl System {
    /// The children that a thread has started, those included that have ended and were not waited
    /// for. Kernels can be built without telling.
    pub(crate) fn children(&self, pid: Pid, tid: Pid) -> io::Result<Vec<Pid>> {
        let text = read_record(&self.thread_path(pid, tid, "children"))?;
        let numbers = text.split(|byte| *byte == b' ').filter_map(|word| str::from_utf8(word).ok());
        Ok(numbers.filter_map(|word| word.parse().ok()).collect())
    }

    /// The children of all threads of a process, which may wait for each other's; `None` where not all
    /// are told.
    pub(crate) fn children_of_all(&self, pid: Pid) -> Option<Vec<Pid>> {
        let tids = self.tids(pid).ok()?;
        let children = tids.into_iter().map(|tid| self.children(pid, tid).ok());
        children.collect::<Option<Vec<_>>>().map(|children| children.concat())
    }

    /// Whether a thread that sleeps there can wait for the end of a child.
    pub(crate) fn waits_for_somebody(wchan: &str) -> bool {
        matches!(function(wchan), FOR_CHILDREN | FOR_SIGNALS)
    }

    /// The child whose end a process waits for, if it can do nothing else until then.
    pub(crate) fn awaited_child(&self, pid: Pid) -> Option<Pid> {
        let actors = self.actors(pid)?;
        let [(tid, command)] = actors.as_slice() else { return None };
        let waits = || {
            self.wchan(pid, *tid).is_some_and(|wchan| match function(&wchan) {
                FOR_CHILDREN => true,
                // That its command has ended, or that it is to pass on.
                FOR_SIGNALS => command == OURS,
                _ => false,
            })
        };
        let pulse = || self.pulse(pid, std::iter::once(*tid));
        let before = pulse();
        if !waits() {
            return None;
        }
        let mut children = self.children_of_all(pid)?;
        // Which of several it waits for, cannot be told.
        children.retain(|&child| self.may_live(child));
        // One that ended while we looked is not among them: whoever waited for it has woken up.
        if !waits() || pulse() != before {
            return None;
        }
        <[Pid; 1]>::try_from(children).ok().map(|[child]| child)
    }

    /// The threads of a process that could let go of a lock, and their names.
    pub(crate) fn actors(&self, pid: Pid) -> Option<Vec<(Pid, Vec<u8>)>> {
        let mut actors = Vec::new();
        for tid in self.tids(pid).ok()? {
            match self.thread_stat(pid, tid) {
                Ok(stat) if HELPERS.contains(&stat.command.as_slice()) => {}
                Ok(stat) => actors.push((tid, stat.command)),
                Err(error) if has_ended(&error) => {}
                Err(_) => return None,
            }
        }
        Some(actors)
    }

    /// One of whom nothing can be learnt counts: then it is not certain who is waited for.
    fn may_live(&self, pid: Pid) -> bool {
        let state = self.stat(pid).ok().and_then(|stat| stat.state);
        !matches!(state, Some(State::Zombie | State::Dead))
    }

    /// Whether a descriptor of this process is closed when it becomes another program: what it has
    /// inherited is not.
    pub(crate) fn is_closed_on_exec(&self, fd: i32) -> io::Result<bool> {
        let text = read_record(&self.proc.join(format!("self/fdinfo/{fd}")))?;
        let flags = text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"flags:"));
        let flags = flags.and_then(|flags| {
            let octal = str::from_utf8(flags.trim_ascii()).ok()?;
            i32::from_str_radix(octal, 8).ok()
        });
        let missing = || io::Error::new(io::ErrorKind::InvalidData, "no flags of a descriptor");
        Ok(flags.ok_or_else(missing)? & platform::CLOSED_ON_EXEC != 0)
    }
}

/// The kernel's function, without the suffix that compilers add behind a dot.
fn function(wchan: &str) -> &str {
    wchan.split_once('.').map_or(wchan, |(function, _)| function)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::os::fd::AsRawFd as _;

    use super::*;
    use crate::system::children::hand_down;

    #[test]
    fn what_is_handed_down_is_told_from_what_is_kept() {
        let system = System::new();
        let file = tempfile::tempfile().unwrap();
        assert!(system.is_closed_on_exec(file.as_raw_fd()).unwrap());
        hand_down(&file).unwrap();
        assert!(!system.is_closed_on_exec(file.as_raw_fd()).unwrap());
    }
}
