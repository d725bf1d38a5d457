//! Whether threads have run, told at the price of one short file each.

use std::fs::File;
use std::io::Read as _;

use super::System;
use super::procfs::schedstat;
use crate::model::Pid;

/// What the scheduler has counted of the threads of a process. It grows whenever one of them runs,
/// so two that are equal are of threads that have not run in between. A stranger that got the
/// process's number would have to have run as often, and as long to the nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pulse {
    ran: u64,
    waited: u64,
    times: u64,
}

impl Pulse {
    /// How often one of the threads was given a CPU.
    pub(super) fn times(self) -> u64 {
        self.times
    }
}

impl System {
    /// The pulse of these threads of a process. `None` where one of them has ended, or where the
    /// kernel does not count.
    pub(crate) fn pulse(&self, pid: Pid, tids: impl Iterator<Item = Pid>) -> Option<Pulse> {
        let mut pulse = Pulse { ran: 0, waited: 0, times: 0 };
        let mut text = [0; 128];
        for tid in tids {
            let path = if tid == pid {
                self.path(pid, "schedstat")
            } else {
                self.thread_path(pid, tid, "schedstat")
            };
            let length = File::open(path).ok()?.read(&mut text).ok()?;
            let [ran, waited, times] = schedstat::parse(text.get(..length)?)?;
            pulse.ran = pulse.ran.wrapping_add(ran);
            pulse.waited = pulse.waited.wrapping_add(waited);
            pulse.times = pulse.times.wrapping_add(times);
        }
        // A kernel that does not count prints zeros.
        (pulse.times > 0).then_some(pulse)
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::model::State;

    fn at_last<T>(mut find: impl FnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = find() {
                return found;
            }
            assert!(begun.elapsed() < Duration::from_mins(5));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The pulse of a thread that is about to sleep, once it does. It is called asleep before that:
    /// when it has yet to wait for a processor to do so, or sleeps for something else.
    fn asleep(tid: Pid) -> Option<Pulse> {
        let system = System::new();
        let pid = std::process::id() as Pid;
        let mut last = None;
        at_last(|| {
            let is_asleep = system.thread_stat(pid, tid).unwrap().state == Some(State::Sleeping);
            let now = is_asleep.then(|| system.pulse(pid, [tid].into_iter()));
            let before = std::mem::replace(&mut last, now);
            now.filter(|_| now == before)
        })
    }

    #[test]
    fn it_grows_when_a_thread_runs_and_only_then() {
        let (wake, sleeps) = std::sync::mpsc::channel();
        let (told, tid) = std::sync::mpsc::channel();
        let sleeper = std::thread::spawn(move || {
            told.send(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
            while sleeps.recv().is_ok() {
                told.send(0).unwrap();
            }
        });
        let id = tid.recv().unwrap();
        // Two that are equal.
        let Some(before) = asleep(id) else { return };
        wake.send(()).unwrap();
        tid.recv().unwrap();
        assert_ne!(asleep(id), Some(before));
        drop(wake);
        sleeper.join().unwrap();
        // Whoever joined it may be told before the kernel has forgotten it.
        let pid = std::process::id() as Pid;
        at_last(|| System::new().pulse(pid, [id].into_iter()).is_none().then_some(()));
    }
}
