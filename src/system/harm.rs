//! What is asked and done only where a lock is to be freed.

use std::fs::{self, File};
use std::io;

use super::procfs::fdinfo::FdInfo;
use super::{System, has_ended, platform};
use crate::model::{FileId, Mechanism, Pid, Range};

/// A lock that an open file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OwnLock {
    pub(crate) mechanism: Mechanism,
    pub(crate) range: Range,
    /// As the lock table numbers it.
    pub(crate) file: Option<FileId>,
}

impl System {
    /// The locks that an open file of ours has, whoever took them.
    pub(crate) fn locks_of(&self, file: &File) -> io::Result<Vec<OwnLock>> {
        let path = self.proc.join(format!("self/fdinfo/{}", platform::number_of(file)?));
        Ok(locks_in(&fs::read(path)?))
    }

    /// The locks that a process has through a descriptor; through several, where its threads have
    /// descriptors of their own.
    pub(crate) fn locks_through(&self, pid: Pid, fd: i32) -> io::Result<Vec<OwnLock>> {
        let of_thread = |tid| fs::read(self.thread_path(pid, tid, &format!("fdinfo/{fd}")));
        match fs::read(self.path(pid, &format!("fdinfo/{fd}"))) {
            Ok(text) => Ok(locks_in(&text)),
            Err(error) if has_ended(&error) => {
                let texts = self.tids(pid)?.into_iter().filter_map(|tid| of_thread(tid).ok());
                Ok(texts.flat_map(|text| locks_in(&text)).collect())
            }
            Err(error) => Err(error),
        }
    }

    /// What this process may do, as a set of the kernel's capabilities.
    pub(crate) fn own_capabilities(&self) -> Option<u64> {
        let status = fs::read_to_string(self.proc.join("self/status")).ok()?;
        let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
        u64::from_str_radix(set.trim(), 16).ok()
    }

    /// `kernel.yama.ptrace_scope`, where there is Yama.
    pub(crate) fn yama(&self) -> Option<u32> {
        let scope = fs::read_to_string(self.proc.join("sys/kernel/yama/ptrace_scope")).ok()?;
        scope.trim().parse().ok()
    }

    /// The terminal of this process.
    pub(crate) fn own_terminal(&self) -> Option<String> {
        self.stat(std::process::id().cast_signed()).ok()?.tty_name()
    }
}

/// Our effective user.
pub(crate) fn own_user() -> Option<u32> {
    platform::own_user()
}

fn locks_in(information: &[u8]) -> Vec<OwnLock> {
    let locks = FdInfo::parse(information).locks.into_iter();
    let own = locks.map(|record| OwnLock {
        mechanism: record.kind.mechanism(),
        range: record.range,
        file: record.file,
    });
    own.collect()
}
