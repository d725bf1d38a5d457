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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn own() -> Option<Pulse> {
        let pid = std::process::id() as Pid;
        let system = System::new();
        system.pulse(pid, system.tids(pid).unwrap().into_iter())
    }
}
