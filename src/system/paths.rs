//! Where paths lead: mounts, file trees and names.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use super::procfs::mounts::Mount;
use super::{
    Answer, Ask, Discovery, FileStat, Resolved, Search, System, discovery, on_disk, places,
};
use crate::model::{FileId, Pid};

impl System {
    /// The mounts that a process sees; `None` for ourselves.
    pub(crate) fn mounts(&self, pid: Option<Pid>) -> Vec<Mount> {
        let path = match pid {
            Some(pid) => self.path(pid, "mountinfo"),
            None => self.proc.join("self/mountinfo"),
        };
        std::fs::read(path).map(|text| Mount::parse_table(&text)).unwrap_or_default()
    }

    /// How lock tables number a file of ours.
    pub(crate) fn number_in_table(&self, stat: &FileStat) -> FileId {
        let mounts = self.mounts(None);
        Mount::number_in_table(&mounts, stat)
    }

    /// Whether paths of a process's descriptors are of our file tree, whatever root the process has;
    /// else they are of its own. `None` where that may not be known.
    pub(crate) fn shares_our_tree(&self, pid: Pid) -> Option<bool> {
        let link = |path: PathBuf| std::fs::read_link(path).ok();
        let ours = self.own_tree.get_or_init(|| link(self.proc.join("self/ns/mnt"))).as_ref()?;
        if link(self.path(pid, "ns/mnt"))? == *ours {
            return Some(true);
        }
        // Paths begin at the root of its namespace, which only then can be reached.
        (link(self.path(pid, "root"))? == Path::new("/")).then_some(false)
    }

    /// The folder through which the file tree of another process can be reached.
    pub(crate) fn root_of(&self, pid: Pid) -> PathBuf {
        self.path(pid, "root")
    }

    /// What paths name now, without waiting for a file system that hangs.
    pub(crate) fn look_up(&self, asks: Vec<Ask>) -> Vec<Answer> {
        self.lookups.look_up(asks)
    }

    /// Where a path that a user named leads: absolute and without links. Waits for a file system
    /// that hangs no longer than a person would.
    pub(crate) fn resolve(&self, path: &Path) -> Resolved {
        self.places.resolve(path)
    }

    /// Whether something is at a path, wherever links lead.
    ///
    /// # Errors
    /// When that cannot be looked up; `TimedOut` for a file system that hangs.
    pub(crate) fn is_there(&self, path: &Path) -> io::Result<bool> {
        match self.resolve(path) {
            Resolved::Found { .. } => Ok(true),
            Resolved::Missing { .. } => Ok(false),
            Resolved::Failed(error) => Err(error),
            Resolved::Hangs => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "its file system does not answer"))
            }
        }
    }

    /// The same for a name that can itself be a link, and is not followed.
    pub(crate) fn resolve_name(&self, path: &Path) -> Resolved {
        self.places.resolve_name(path)
    }

    /// What lies at paths, in no order.
    pub(crate) fn examine(&self, asks: Vec<on_disk::Ask>) -> Vec<(PathBuf, on_disk::Found)> {
        self.disks.examine(asks, &self.mounts(None))
    }

    /// Begins to look for places that somebody is interested in: all that match patterns, on no file
    /// system that could wait for others, and all below folders that are wanted.
    ///
    /// # Errors
    /// When no thread can be had.
    pub(crate) fn discover(&self, quest: discovery::Quest) -> io::Result<Discovery> {
        Discovery::begin(quest, self.mounts(None))
    }

    /// What matches a pattern, on no file system that could wait for others; as far as that was found in
    /// the time that a person would wait.
    pub(crate) fn matching(&self, pattern: String) -> BTreeSet<PathBuf> {
        discovery::matching(pattern, self.mounts(None))
    }

    /// Those of these folders that lie on no file system that could wait for others.
    pub(crate) fn near(&self, folders: Vec<&Path>) -> Vec<PathBuf> {
        let mounts = if folders.is_empty() { Vec::new() } else { self.mounts(None) };
        let is_near =
            |folder: &&Path| !Mount::of_path(&mounts, folder).is_some_and(Mount::may_hang);
        folders.into_iter().filter(is_near).map(Path::to_owned).collect()
    }

    /// Whether the entries of a folder may be read.
    #[expect(clippy::unused_self, reason = "asks the file systems")]
    pub(crate) fn may_list(&self, folder: &Path) -> io::Result<()> {
        places::may_list(folder.to_path_buf())
    }

    /// Begins to look below folders for files with these inode numbers.
    ///
    /// # Errors
    /// When no thread can be had.
    #[expect(clippy::unused_self, reason = "asks the file systems")]
    pub(crate) fn search(
        &self,
        folders: Vec<PathBuf>,
        inodes: HashSet<u64>,
        bell: Option<discovery::Bell>,
    ) -> io::Result<Search> {
        Search::begin(folders, inodes, bell)
    }
}
