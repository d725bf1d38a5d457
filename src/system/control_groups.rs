//! Control groups: which one a process is in, and what freezes and thaws it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::procfs::cgroup::Cgroup;
use super::procfs::mounts::Mount;
use super::{System, platform, read_record};
use crate::model::Pid;

/// Where control groups are mounted.
#[derive(Debug, Default)]
pub(super) struct CgroupRoots {
    unified: Option<PathBuf>,
    freezer: Option<PathBuf>,
}

impl CgroupRoots {
    /// As this process sees them.
    pub(super) fn of(proc: &Path) -> Self {
        let mounts = fs::read(proc.join("self/mountinfo")).unwrap_or_default();
        let mounts = Mount::parse_table(&mounts);
        let root = |wanted: &dyn Fn(&Mount) -> bool| {
            mounts.iter().find(|mount| wanted(mount)).map(|mount| mount.point.clone())
        };
        Self {
            unified: root(&|mount| mount.filesystem == "cgroup2"),
            freezer: root(&|mount| {
                mount.filesystem == "cgroup"
                    && mount.super_options.split(',').any(|option| option == "freezer")
            }),
        }
    }
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
    /// The control group of a process.
    pub(super) fn cgroup(&self, pid: Pid) -> Option<Cgroup> {
        read_record(&self.path(pid, "cgroup")).ok().map(|text| Cgroup::parse(&text))
    }

    /// Whether tasks can be frozen without running: by the older freezer.
    pub(super) fn freezes_in_place(&self) -> bool {
        self.cgroup_roots.freezer.is_some()
    }

    /// Whether the control group, or one above it, is frozen.
    pub(super) fn is_frozen(&self, cgroup: &Cgroup) -> bool {
        let reads = |root: Option<&PathBuf>, path: Option<&String>, file: &str| {
            let folder = root?.join(path?.trim_start_matches('/'));
            fs::read_to_string(folder.join(file)).ok()
        };
        // Both files tell the effective state, inherited from above.
        let unified =
            reads(self.cgroup_roots.unified.as_ref(), cgroup.unified.as_ref(), "cgroup.events");
        let freezer =
            reads(self.cgroup_roots.freezer.as_ref(), cgroup.freezer.as_ref(), "freezer.state");
        unified.is_some_and(|text| text.lines().any(|line| line == "frozen 1"))
            || freezer.is_some_and(|text| text.trim() == "FROZEN")
    }

    /// What keeps a process frozen: its control group, or those above it, or several of them.
    pub(crate) fn freezers(&self, pid: Pid) -> Vec<Freezer> {
        let Some(cgroup) = self.cgroup(pid) else { return Vec::new() };
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
