//! What is asked and done only where a lock is to be freed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::procfs::cgroup::Cgroup;
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

/// A control group that keeps processes frozen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Freezer {
    /// The file that thaws it.
    pub(crate) file: PathBuf,
    /// What to write there.
    pub(crate) order: &'static str,
    /// Whether we may.
    pub(crate) is_ours: bool,
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

    /// What keeps a process frozen: its control group, or those above it, or several of them.
    pub(crate) fn freezers(&self, pid: Pid) -> Vec<Freezer> {
        let Ok(text) = fs::read(self.path(pid, "cgroup")) else { return Vec::new() };
        let cgroup = Cgroup::parse(&text);
        let mut freezers = Vec::new();
        // Both files tell what the group itself was told, not what it has from above.
        let unified = groups(self.cgroup_roots.unified.as_deref(), cgroup.unified.as_deref());
        for group in unified.filter(|group| says(group, "cgroup.freeze", "1")) {
            freezers.push(Freezer::new(group.join("cgroup.freeze"), "0"));
        }
        let older = groups(self.cgroup_roots.freezer.as_deref(), cgroup.freezer.as_deref());
        for group in older.filter(|group| says(group, "freezer.self_freezing", "1")) {
            freezers.push(Freezer::new(group.join("freezer.state"), "THAWED"));
        }
        freezers
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

impl Freezer {
    fn new(file: PathBuf, order: &'static str) -> Self {
        let is_ours = platform::may_write(&file);
        Self { file, order, is_ours }
    }

    /// Thaws it.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn thaw(&self) -> io::Result<()> {
        fs::write(&self.file, self.order)
    }
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

/// The folder of a control group, and those above it.
fn groups(root: Option<&Path>, group: Option<&str>) -> impl Iterator<Item = PathBuf> {
    let first = root.zip(group).map(|(root, group)| root.join(group.trim_start_matches('/')));
    let root = root.map(Path::to_path_buf);
    std::iter::successors(first, move |folder| {
        let parent = folder.parent()?;
        parent.starts_with(root.as_ref()?).then(|| parent.to_path_buf())
    })
}

fn says(group: &Path, file: &str, word: &str) -> bool {
    fs::read_to_string(group.join(file)).is_ok_and(|text| text.trim() == word)
}
