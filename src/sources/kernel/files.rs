//! Where locked files are, and what their paths name by now.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};

use super::Sighting;
use crate::model::{Detail, Device, FileId, Naming, PathBytes, Pid};
use crate::system::procfs::mounts::{Mount, Reach};
use crate::system::{Answer, Ask, FileStat, System};

/// What the kernel puts behind the path of a file whose name is gone.
const DELETED: &str = " (deleted)";

/// The file systems as we see them.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) mounts: Vec<Mount>,
}

impl Files {
    pub(super) fn of(system: &System) -> Self {
        Self { mounts: system.mounts(None) }
    }

    /// How the lock table numbers a file.
    pub(super) fn in_table(&self, stat: &FileStat) -> FileId {
        Mount::number_in_table(&self.mounts, stat)
    }

    pub(super) fn mount_of(&self, device: Device) -> Option<&Mount> {
        self.mounts.iter().find(|mount| mount.device == device)
    }

    /// Whether `stat` numbers files there as lock tables do.
    pub(super) fn has_plain_inodes(&self, device: Device) -> bool {
        self.mount_of(device).is_some_and(Mount::has_plain_inodes)
    }

    /// Whether a file there was really made when it says: a file that an overlay copies up is born
    /// anew, and the clock of another machine is not ours.
    pub(super) fn tells_births(&self, device: Device) -> bool {
        self.has_plain_inodes(device)
    }

    /// The number that tells a file from all others: where one superblock has several trees with
    /// inode numbers of their own, the device that `stat` reports; else as the lock table says.
    pub(super) fn identity(&self, in_table: FileId, stat: Option<&FileStat>) -> FileId {
        let has_subvolumes =
            self.mount_of(in_table.device).is_none_or(|mount| mount.filesystem == "btrfs");
        match stat {
            Some(stat) if has_subvolumes && stat.file.inode == in_table.inode => stat.file,
            _ => in_table,
        }
    }
}

/// How a process's paths are to be looked up.
#[derive(Debug)]
enum Tree {
    Ours,
    Theirs { root: PathBuf, mounts: Vec<Mount> },
    Unknown,
}

/// A question on the way.
#[derive(Debug)]
struct Pending {
    lock: usize,
    /// The path without the kernel's suffix.
    path: Arc<Path>,
    stat: FileStat,
    suffixed: bool,
}

/// The names that had to be looked up, since others can change them without a trace.
#[derive(Debug)]
pub(super) struct LookedUp {
    asks: Vec<Ask>,
    /// Which lock's name each is, and what came of it.
    names: Vec<(Pending, Naming)>,
}

impl LookedUp {
    /// The locks, as indices.
    pub(super) fn locks(&self) -> impl Iterator<Item = usize> {
        self.names.iter().map(|(question, _)| question.lock)
    }

    /// Whether the same would come of it now.
    pub(super) fn is_so_now(&self, system: &System) -> bool {
        self.asks.is_empty()
            || system
                .look_up(self.asks.clone())
                .iter()
                .zip(&self.names)
                .all(|(answer, (question, naming))| judge(question, answer) == *naming)
    }
}

/// The mount that a folder lies on.
struct Lies {
    /// What look-ups know it by.
    key: PathBuf,
    id: u64,
    may_hang: bool,
}

impl Lies {
    /// `root` leads to the file tree that the mounts and the path are of, if that is not ours.
    fn of(mounts: &[Mount], path: &Path, root: Option<&Path>) -> Option<Self> {
        let mount = Mount::of_path(mounts, path)?;
        let point = mount.point.strip_prefix("/").unwrap_or(&mount.point);
        let key = root.map_or_else(|| mount.point.clone(), |root| root.join(point));
        Some(Self { key, id: mount.id, may_hang: mount.may_hang() })
    }
}

/// A file system as a lock's details tell it.
struct FileSystem {
    device: Arc<str>,
    /// Its kind, and whether it is remote.
    kind: Option<(Arc<str>, bool)>,
    /// If it is, what is mounted.
    source: Option<Arc<str>>,
}

impl FileSystem {
    fn of(files: &Files, device: Device) -> Self {
        let kind = |mount: &Mount| (mount.filesystem.as_str().into(), mount.may_hang());
        let mount = files.mount_of(device);
        let source = |mount: &Mount| mount.source.to_string_lossy().into();
        Self {
            device: device.to_string().into(),
            kind: mount.map(kind),
            source: mount.filter(|mount| mount.may_hang()).map(source),
        }
    }
}

/// Gives every lock the path of its file, and finds out what that path names now.
pub(super) fn name(system: &System, files: &Files, locks: &mut [Sighting]) -> LookedUp {
    let mut trees: HashMap<Pid, Tree> = HashMap::new();
    let mut folders: HashMap<Option<Pid>, HashMap<PathBuf, Option<Lies>>> = HashMap::new();
    let mut systems = HashMap::new();
    let (mut pending, mut asks) = (Vec::new(), Vec::new());
    for (index, lock) in locks.iter_mut().enumerate() {
        note_file_system(files, &mut systems, lock);
        let Some(keeper) = &lock.keeper else { continue };
        let Some(path) = &keeper.path else { continue };
        let tree = trees.entry(keeper.pid).or_insert_with(|| tree_of(system, keeper.pid));
        let (path, suffixed) = without_suffix(path);
        lock.facts.path = Some(Arc::clone(&path).into());
        if !path.is_absolute() {
            lock.facts.naming = Naming::Unknown("it never had a name".into());
            continue;
        }
        let (root, owner, mounts) = match tree {
            Tree::Ours => (None, None, files.mounts.as_slice()),
            Tree::Theirs { root, mounts } => (Some(root.clone()), Some(keeper.pid), &**mounts),
            Tree::Unknown => {
                lock.facts.naming =
                    Naming::Unknown("the file tree of its holder may not be read".into());
                continue;
            }
        };
        let folder = path.parent().unwrap_or(&path);
        let folders = folders.entry(owner).or_default();
        let lies = match folders.get(folder) {
            Some(lies) => lies,
            None => folders
                .entry(folder.to_path_buf())
                .or_insert_with(|| Lies::of(mounts, &path, root.as_deref())),
        };
        let Some(lies) = lies else {
            lock.facts.naming = Naming::Unknown("its file system is not mounted here".into());
            continue;
        };
        // The kernel says when a name is gone. Only where another machine can change it, or where
        // another mount may cover it, does it need a look-up.
        let covered = keeper.stat.mount.is_none_or(|mount| mount != lies.id);
        if !suffixed && !covered && !lies.may_hang {
            lock.facts.naming = Naming::Same;
            continue;
        }
        asks.push(Ask { path: path.to_path_buf(), root, mount: lies.key.clone() });
        pending.push(Pending { lock: index, path, stat: keeper.stat, suffixed });
    }
    let answers = system.look_up(asks.clone());
    let judged = |(question, answer): (Pending, &Answer)| {
        let naming = judge(&question, answer);
        (question, naming)
    };
    let names: Vec<_> = pending.into_iter().zip(&answers).map(judged).collect();
    for (question, naming) in &names {
        locks[question.lock].facts.naming = naming.clone();
    }
    let questions = names.iter().map(|(question, _)| question);
    for question in questions.filter(|question| question.suffixed && question.stat.links > 0) {
        keep_real_suffix(system, files, question, locks);
    }
    LookedUp { asks, names }
}

fn note_file_system(files: &Files, systems: &mut HashMap<Device, FileSystem>, lock: &mut Sighting) {
    let Some(file) = lock.facts.table_file else { return };
    let system = systems.entry(file.device).or_insert_with(|| FileSystem::of(files, file.device));
    let details = &mut lock.facts.details;
    details.insert("device", Arc::clone(&system.device).into());
    details.insert("inode", file.inode.into());
    if let Some((kind, remote)) = &system.kind {
        details.insert("filesystem", Arc::clone(kind).into());
        details.insert("remote", (*remote).into());
    }
    if let Some(source) = &system.source {
        details.insert("source", Arc::clone(source).into());
        let mechanism = lock.facts.mechanism;
        let reach = files.mount_of(file.device).map(|mount| mount.locks_reach(mechanism));
        details.insert(
            "locks_reach",
            match reach {
                Some(Reach::Machine) => Detail::Text("machine".into()),
                Some(Reach::Server) => Detail::Text("server".into()),
                Some(Reach::Unknown) | None => Detail::Unknown,
            },
        );
    }
}

fn tree_of(system: &System, pid: Pid) -> Tree {
    match system.shares_our_tree(pid) {
        Some(true) => Tree::Ours,
        Some(false) => Tree::Theirs { root: system.root_of(pid), mounts: system.mounts(Some(pid)) },
        None => Tree::Unknown,
    }
}

fn without_suffix(path: &Arc<Path>) -> (Arc<Path>, bool) {
    let bytes = path.as_os_str().as_encoded_bytes();
    match bytes.strip_suffix(DELETED.as_bytes()) {
        Some(bare) if !bare.is_empty() => {
            (crate::system::path_from_bytes(bare.to_vec()).into(), true)
        }
        _ => (Arc::clone(path), false),
    }
}

fn judge(question: &Pending, answer: &Answer) -> Naming {
    match answer {
        Answer::Found(found) if found.file == question.stat.file => Naming::Same,
        // Replaced, or covered by another mount: whoever opens the path now locks another file.
        Answer::Found(_) => Naming::Another,
        Answer::Failed(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Naming::Nothing,
            io::ErrorKind::PermissionDenied => Naming::Unknown("its folder may not be read".into()),
            _ => Naming::Unknown(format!("its path cannot be looked up: {error}")),
        },
        Answer::Hangs => Naming::Unknown("its file system does not answer".into()),
    }
}

/// A path that the kernel told of a descriptor of our file tree, without what it puts behind one that
/// is gone.
pub(in crate::sources) fn as_it_was(
    system: &System,
    mounts: &[Mount],
    path: Arc<Path>,
    stat: &FileStat,
) -> Arc<Path> {
    let (bare, suffixed) = without_suffix(&path);
    let is_real = suffixed && stat.links > 0 && leads_to(system, mounts, &path, stat);
    if is_real { path } else { bare }
}

fn leads_to(system: &System, mounts: &[Mount], path: &Path, stat: &FileStat) -> bool {
    let Some(mount) = Mount::of_path(mounts, path) else { return false };
    let ask = Ask { path: path.to_path_buf(), root: None, mount: mount.point.clone() };
    let same = |answer: &Answer| matches!(answer, Answer::Found(found) if found.file == stat.file);
    system.look_up(vec![ask]).first().is_some_and(same)
}

/// A file can really be called `x (deleted)`: its name is looked up as it stands.
fn keep_real_suffix(system: &System, files: &Files, question: &Pending, locks: &mut [Sighting]) {
    let mut name = question.path.to_path_buf().into_os_string();
    name.push(DELETED);
    let path = PathBuf::from(name);
    if leads_to(system, &files.mounts, &path, &question.stat) {
        let facts = &mut locks[question.lock].facts;
        facts.path = Some(PathBytes::new(path));
        facts.naming = Naming::Same;
    }
}
