//! One process, held so that no other can be mistaken for it, however soon its number is reused.

use std::fs::File;
use std::io;
use std::time::Duration;

use super::System;
use crate::model::{Pid, ProcessId};

/// What a process can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// SIGTERM: end, and clean up.
    Terminate,
    /// SIGKILL: end as you are.
    Kill,
    /// SIGCONT: go on.
    Continue,
}

/// A process that we have a hold of.
#[derive(Debug)]
pub(crate) struct Grip {
    process: platform::Process,
}

impl Grip {
    /// Takes hold of a process; `None`: it has ended, whoever has its number now.
    ///
    /// # Errors
    /// `Unsupported` where the system has no such thing (before Linux 5.3); the system's.
    pub(crate) fn on(system: &System, id: ProcessId) -> io::Result<Option<Self>> {
        let Some(process) = platform::Process::open(id.pid)? else { return Ok(None) };
        let start = match system.stat(id.pid) {
            Ok(stat) => stat.start,
            Err(error) if super::has_ended(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let grip = Self { process };
        // Alive, so the number was still its own when its start was read.
        Ok((start == id.start && !grip.ends_within(Duration::ZERO)?).then_some(grip))
    }

    /// Tells it something.
    ///
    /// # Errors
    /// `PermissionDenied`; `NotFound` when it has ended.
    pub(crate) fn tell(&self, told: Told) -> io::Result<()> {
        self.process.tell(told)
    }

    /// Waits for its end, for so long; whether it has ended.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn ends_within(&self, time: Duration) -> io::Result<bool> {
        self.process.ends_within(time)
    }

    /// Its open file, with a descriptor of our own: what is done to it is done to the process's.
    ///
    /// # Errors
    /// `PermissionDenied` without the right to trace it; `Unsupported` before Linux 5.6.
    pub(crate) fn open_file(&self, fd: i32) -> io::Result<File> {
        self.process.open_file(fd)
    }
}

/// Whether we may send a process signals.
///
/// # Errors
/// `PermissionDenied`, or `NotFound` when there is no such process.
pub(crate) fn may_signal(pid: Pid) -> io::Result<()> {
    platform::may_signal(pid)
}

#[cfg(target_os = "linux")]
mod platform {
    use std::fs::File;
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::{Duration, Instant};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::Errno;
    use rustix::process::{
        Pid as RawPid, PidfdFlags, PidfdGetfdFlags, Signal, pidfd_getfd, pidfd_open,
        pidfd_send_signal, test_kill_process,
    };

    use super::Told;
    use crate::model::Pid;

    #[derive(Debug)]
    pub(super) struct Process(OwnedFd);

    impl Process {
        pub(super) fn open(pid: Pid) -> io::Result<Option<Self>> {
            let pid = RawPid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
            match pidfd_open(pid, PidfdFlags::empty()) {
                Ok(process) => Ok(Some(Self(process))),
                // Before Linux 6.15 the latter where its number is still that of a process group.
                Err(Errno::SRCH | Errno::INVAL) => Ok(None),
                Err(error) => Err(error.into()),
            }
        }

        pub(super) fn tell(&self, told: Told) -> io::Result<()> {
            let signal = match told {
                Told::Terminate => Signal::TERM,
                Told::Kill => Signal::KILL,
                Told::Continue => Signal::CONT,
            };
            match pidfd_send_signal(&self.0, signal) {
                Err(Errno::SRCH) => Err(io::ErrorKind::NotFound.into()),
                result => Ok(result?),
            }
        }

        pub(super) fn ends_within(&self, time: Duration) -> io::Result<bool> {
            let begun = Instant::now();
            loop {
                let left = time.saturating_sub(begun.elapsed());
                let left = Timespec {
                    tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                    tv_nsec: left.subsec_nanos().into(),
                };
                match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&left)) {
                    Ok(ready) => return Ok(ready > 0),
                    Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }

        pub(super) fn open_file(&self, fd: i32) -> io::Result<File> {
            match pidfd_getfd(&self.0, fd, PidfdGetfdFlags::empty()) {
                Ok(file) => Ok(file.into()),
                Err(Errno::SRCH | Errno::BADF) => Err(io::ErrorKind::NotFound.into()),
                Err(error) => Err(error.into()),
            }
        }
    }

    pub(super) fn may_signal(pid: Pid) -> io::Result<()> {
        let pid = RawPid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
        match test_kill_process(pid) {
            Err(Errno::SRCH) => Err(io::ErrorKind::NotFound.into()),
            result => Ok(result?),
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use std::fs::File;
    use std::io;
    use std::time::Duration;

    use super::Told;
    use crate::model::Pid;

    #[derive(Debug)]
    pub(super) enum Process {}

    impl Process {
        pub(super) fn open(_pid: Pid) -> io::Result<Option<Self>> {
            Err(unsupported())
        }

        pub(super) fn tell(&self, _told: Told) -> io::Result<()> {
            match *self {}
        }

        pub(super) fn ends_within(&self, _time: Duration) -> io::Result<bool> {
            match *self {}
        }

        pub(super) fn open_file(&self, _fd: i32) -> io::Result<File> {
            match *self {}
        }
    }

    pub(super) fn may_signal(_pid: Pid) -> io::Result<()> {
        Err(unsupported())
    }

    fn unsupported() -> io::Error {
        io::Error::new(io::ErrorKind::Unsupported, "this system gives no hold of a process")
    }
}
