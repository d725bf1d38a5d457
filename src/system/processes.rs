//! What `/proc` tells of processes and threads: which there are, what they do, what they have open and
//! ask for.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::procfs;
use super::procfs::fdinfo::FdInfo;
use super::procfs::stat::Stat;
use super::procfs::syscall::{self, LockCall};
use super::scheduler::{self, Account};
use super::{Descriptors, FileStat, System, platform, read_record};
use crate::model::{Mechanism, Mode, Pid, Range, State};

/// What a thread in a lock's queue asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) fd: i32,
    pub(crate) mechanism: Mechanism,
    pub(crate) mode: Option<Mode>,
    pub(crate) range: Option<Range>,
}

impl System {
    /// All processes, by number.
    pub(crate) fn pids(&self) -> io::Result<Vec<Pid>> {
        let mut pids: Vec<Pid> = std::fs::read_dir(&self.proc)?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        pids.sort_unstable();
        Ok(pids)
    }

    /// The threads of a process.
    pub(crate) fn tids(&self, pid: Pid) -> io::Result<Vec<Pid>> {
        let mut tids: Vec<Pid> = std::fs::read_dir(self.path(pid, "task"))?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        tids.sort_unstable();
        Ok(tids)
    }

    pub(super) fn path(&self, pid: Pid, name: &str) -> PathBuf {
        self.proc.join(format!("{pid}/{name}"))
    }

    pub(super) fn thread_path(&self, pid: Pid, tid: Pid, name: &str) -> PathBuf {
        self.proc.join(format!("{pid}/task/{tid}/{name}"))
    }

    /// The open descriptors of a process.
    pub(crate) fn descriptors(&self, pid: Pid) -> io::Result<Descriptors> {
        Descriptors::open(self.proc.join(pid.to_string()))
    }

    /// The open descriptors of a thread, which can have a table of its own.
    pub(crate) fn thread_descriptors(&self, pid: Pid, tid: Pid) -> io::Result<Descriptors> {
        Descriptors::open(self.proc.join(format!("{pid}/task/{tid}")))
    }

    /// The file that one descriptor of a thread has open: asks no other machine.
    pub(crate) fn descriptor(&self, pid: Pid, tid: Pid, fd: i32) -> io::Result<FileStat> {
        platform::stat_following(&self.thread_path(pid, tid, &format!("fd/{fd}")))
    }

    /// The scheduler's and the process table's view of a process.
    pub(crate) fn stat(&self, pid: Pid) -> io::Result<Stat> {
        parse_stat(&read_record(&self.path(pid, "stat"))?)
    }

    /// The same of one of its threads.
    pub(crate) fn thread_stat(&self, pid: Pid, tid: Pid) -> io::Result<Stat> {
        parse_stat(&read_record(&self.thread_path(pid, tid, "stat"))?)
    }

    /// The process that a thread belongs to.
    pub(crate) fn process_of(&self, tid: Pid) -> Option<Pid> {
        let text = read_record(&self.path(tid, "status")).ok()?;
        Some(procfs::status::Status::parse(&text)?.process)
    }

    /// The kernel function in which a thread sleeps; `None` where it does not or may not be known.
    pub(crate) fn wchan(&self, pid: Pid, tid: Pid) -> Option<String> {
        let name = read_record(&self.thread_path(pid, tid, "wchan")).ok()?;
        let name = String::from_utf8(name).ok()?;
        (name != "0" && !name.is_empty()).then_some(name)
    }

    /// The system call that a thread sleeps in, if that waits for a lock.
    pub(crate) fn lock_call(&self, pid: Pid, tid: Pid) -> io::Result<Option<LockCall>> {
        let text = read_record(&self.thread_path(pid, tid, "syscall"))?;
        Ok(platform::LOCK_CALLS.and_then(|numbers| LockCall::parse(&text, numbers)))
    }

    /// What threads `(pid, tid)` ask for in such calls, in their order.
    pub(crate) fn wanted(&self, callers: &[(Pid, Pid, LockCall)]) -> Vec<Wanted> {
        let in_memory = |(pid, tid, call): &(Pid, Pid, LockCall)| {
            Some(self.memory_piece(*pid, *tid, call.flock_at?, syscall::STRUCT_FLOCK))
        };
        let pieces: Vec<_> = callers.iter().filter_map(in_memory).collect();
        // What may not be read, or does not answer, is not known.
        let mut read = self.read_memories(&pieces).into_iter().map(|bytes| {
            syscall::parse_struct_flock(bytes.ok()?.first_chunk::<{ syscall::STRUCT_FLOCK }>()?)
        });
        let wanted = |(_, _, call): &(Pid, Pid, LockCall)| {
            let asked = call.flock_at.and_then(|_| read.next().flatten());
            Wanted {
                fd: call.fd,
                mechanism: call.mechanism,
                mode: call.mode.or(asked.map(|(mode, _)| mode)),
                range: match call.mechanism {
                    Mechanism::Flock => Some(Range::WHOLE),
                    _ => asked.and_then(|(_, range)| range),
                },
            }
        };
        callers.iter().map(wanted).collect()
    }

    /// Whether a process has set itself a time limit: it has a timer, or expects the signal of one.
    pub(crate) fn has_timer(&self, pid: Pid) -> bool {
        const SIGALRM: u32 = 14;
        let timers = read_record(&self.path(pid, "timers"));
        let expects = || {
            let status = read_record(&self.path(pid, "status")).ok()?;
            let mut lines = status.split(|byte| *byte == b'\n');
            let caught = lines.find_map(|line| line.strip_prefix(b"SigCgt:"))?.trim_ascii();
            let caught = u64::from_str_radix(str::from_utf8(caught).ok()?, 16).ok()?;
            Some(caught >> (SIGALRM - 1) & 1 == 1)
        };
        // What cannot be read tells of none.
        timers.is_ok_and(|timers| !timers.is_empty()) || expects().unwrap_or(false)
    }

    /// Whether a process of that number is alive, even where `/proc` hides it.
    pub(crate) fn is_alive(&self, pid: Pid) -> bool {
        match self.stat(pid) {
            Ok(stat) => {
                !matches!(stat.state, Some(State::Zombie | State::Dead)) || stat.threads > 1
            }
            Err(_) => self.is_this_machine() && platform::answers_signals(pid),
        }
    }

    /// Orders two descriptors by their open file; equal means that they share it.
    /// `None` where that may not be known.
    #[expect(clippy::unused_self, reason = "asks the kernel")]
    pub(crate) fn compare_open_files(
        &self,
        a: (Pid, i32),
        b: (Pid, i32),
    ) -> Option<std::cmp::Ordering> {
        if a == b { Some(std::cmp::Ordering::Equal) } else { platform::compare_open_files(a, b) }
    }

    /// The scheduler's account of each thread `(pid, tid, CPU that it ran on last)`, by its tid.
    pub(super) fn accounts(&self, threads: &[(Pid, Pid, usize)]) -> HashMap<Pid, Account> {
        scheduler::accounts(self, threads)
    }

    /// How long all threads of a process have run, those included that have ended.
    pub(super) fn run_time(&self, pid: Pid) -> Option<Duration> {
        if self.is_this_machine() { platform::run_time(pid) } else { None }
    }

    /// Clock ticks a second, in which processes' starts are counted.
    #[expect(clippy::unused_self, reason = "a property of the system")]
    pub(crate) fn ticks_per_second(&self) -> u64 {
        platform::ticks_per_second()
    }

    /// A process's start as time since boot.
    pub(crate) fn since_boot(&self, ticks: u64) -> Duration {
        let per_second = self.ticks_per_second();
        Duration::from_secs(ticks / per_second)
            + Duration::from_nanos(ticks % per_second * (1_000_000_000 / per_second))
    }
}

impl Descriptors {
    /// What one descriptor says of locks.
    pub(crate) fn information_of(&self, fd: i32, buffer: &mut Vec<u8>) -> io::Result<FdInfo> {
        Ok(FdInfo::parse(self.information(fd, buffer)?))
    }
}

pub(super) fn parse_stat(text: &[u8]) -> io::Result<Stat> {
    Stat::parse(text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a stat line"))
}
