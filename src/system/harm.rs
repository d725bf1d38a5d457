//! What is asked and done only where a lock is to be freed.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use super::procfs::cgroup::Cgroup;
use super::procfs::fdinfo::FdInfo;
use super::procfs::locks::Record;
use super::{System, platform};
use crate::model::{Mechanism, Pid, Range};

/// A lock that an open file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OwnLock {
    pub(crate) mechanism: Mechanism,
    pub(crate) range: Range,
}

impl System {
    /// The locks that an open file of ours has, whoever took them.
    pub(crate) fn locks_of(&self, file: &File) -> io::Result<Vec<OwnLock>> {
        let path = self.proc.join(format!("self/fdinfo/{}", platform::number_of(file)?));
        let info = FdInfo::parse(&fs::read(path)?);
        let own =
            |record: &Record| OwnLock { mechanism: record.kind.mechanism(), range: record.range };
        Ok(info.locks.iter().map(own).collect())
    }

    /// Thaws the control group that keeps a process frozen: its own, or the nearest one above it
    /// that was.
    ///
    /// # Errors
    /// `NotFound` when none is frozen; the system's.
    pub(crate) fn thaw(&self, pid: Pid) -> io::Result<()> {
        let cgroup = Cgroup::parse(&fs::read(self.path(pid, "cgroup"))?);
        let unified = self.frozen_above(
            self.cgroup_roots.unified.as_ref(),
            cgroup.unified.as_deref(),
            ("cgroup.freeze", "1"),
        );
        if let Some(file) = unified {
            return fs::write(file, "0");
        }
        let older = self.frozen_above(
            self.cgroup_roots.freezer.as_ref(),
            cgroup.freezer.as_deref(),
            ("freezer.state", "FROZEN"),
        );
        match older {
            Some(file) => fs::write(file, "THAWED"),
            None => {
                Err(io::Error::new(io::ErrorKind::NotFound, "no control group of it is frozen"))
            }
        }
    }

    #[expect(clippy::unused_self, reason = "the hierarchy belongs to the system")]
    fn frozen_above(
        &self,
        root: Option<&PathBuf>,
        group: Option<&str>,
        (name, frozen): (&str, &str),
    ) -> Option<PathBuf> {
        let root = root?;
        let mut folder = root.join(group?.trim_start_matches('/'));
        loop {
            let file = folder.join(name);
            if fs::read_to_string(&file).is_ok_and(|text| text.trim() == frozen) {
                return Some(file);
            }
            if folder == *root || !folder.pop() {
                return None;
            }
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
