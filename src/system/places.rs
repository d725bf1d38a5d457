//! Places that a user named: where they lead, and what lies below them.
//!
//! Their file systems can hang too, so each question has a thread of its own, which is left behind
//! when it takes longer than a person would wait.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::aside::{Questions, aside};
use super::discovery::Bell;
use super::locking::is_absent;
use super::{FileStat, platform};

/// A user who names a path waits so long for its file system.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where a path leads.
#[derive(Debug)]
pub(crate) enum Resolved {
    /// Something is there; the path is absolute and without links.
    Found {
        path: PathBuf,
        stat: FileStat,
        is_folder: bool,
    },
    /// Nothing is there; the path as it would be if something were.
    Missing {
        path: PathBuf,
    },
    Failed(io::Error),
    Hangs,
}

/// Look-ups of named places, with those that have not been answered yet.
#[derive(Debug, Default)]
pub(super) struct Places(Questions<Resolved>);

impl Places {
    /// Where a path leads. What hung before is not waited for again.
    pub(super) fn resolve(&self, path: &Path) -> Resolved {
        let asked = path.to_path_buf();
        match self.0.ask(path, PATIENCE, move || resolve_now(&asked)) {
            Ok(Some(answer)) => answer,
            Ok(None) => Resolved::Hangs,
            Err(error) => Resolved::Failed(error),
        }
    }
}

impl Places {
    /// The same for a name that can itself be a link: it is not followed.
    pub(super) fn resolve_name(&self, path: &Path) -> Resolved {
        let asked = path.to_path_buf();
        // Another question than where the link leads.
        match self.0.ask(&path.join("."), PATIENCE, move || resolve_name_now(&asked)) {
            Ok(Some(answer)) => answer,
            Ok(None) => Resolved::Hangs,
            Err(error) => Resolved::Failed(error),
        }
    }
}

fn resolve_name_now(path: &Path) -> Resolved {
    let Some(name) = path.file_name() else { return resolve_now(path) };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let path = match folder.unwrap_or(Path::new(".")).canonicalize() {
        Ok(folder) => folder.join(name),
        Err(error) => return Resolved::Failed(error),
    };
    match platform::stat_path(&path) {
        Ok(stat) => Resolved::Found { is_folder: false, path, stat },
        Err(error) if is_absent(&error) => Resolved::Missing { path },
        Err(error) => Resolved::Failed(error),
    }
}

fn resolve_now(path: &Path) -> Resolved {
    match path.canonicalize() {
        Ok(path) => match platform::stat_path(&path) {
            Ok(stat) => Resolved::Found { is_folder: path.is_dir(), path, stat },
            Err(error) => Resolved::Failed(error),
        },
        Err(error) if is_absent(&error) => {
            Resolved::Missing { path: resolve_folder(path).unwrap_or_else(|| path.to_path_buf()) }
        }
        Err(error) => Resolved::Failed(error),
    }
}

/// The path of something missing, with the links of the folder that it would be in resolved.
fn resolve_folder(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize().ok()?;
    Some(folder.join(path.file_name()?))
}

/// Whether the entries of a folder may be read. Does not read them.
pub(super) fn may_list(folder: PathBuf) -> io::Result<()> {
    let (done, answer) = channel();
    aside(move || drop(done.send(platform::may_list(&folder))))?;
    answer.recv_timeout(PATIENCE).unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// A search below folders, in a thread of its own.
#[derive(Debug)]
pub(crate) struct Search {
    /// What has been taken in of what it found.
    pub(crate) found: Vec<(PathBuf, FileStat)>,
    /// Whether everything below was seen; `None`: it is under way.
    pub(crate) complete: Option<bool>,
    steps: Receiver<Step>,
}

impl Search {
    /// Begins to look below folders for files with these inode numbers, on the same mount only;
    /// `bell` is rung at its end.
    pub(super) fn begin(
        folders: Vec<PathBuf>,
        inodes: HashSet<u64>,
        bell: Option<Bell>,
    ) -> io::Result<Self> {
        let (sender, steps) = channel();
        aside(move || {
            let mut complete = true;
            for folder in folders {
                complete &= walk(folder, &inodes, &sender).unwrap_or(false);
            }
            // Nobody may be left to listen.
            let _ = sender.send(Step::Done { complete });
            if let Some(bell) = bell {
                bell.ring();
            }
        })?;
        Ok(Self { found: Vec::new(), complete: None, steps })
    }

    /// Takes in what is there by then, or until it has ended.
    pub(crate) fn gather(&mut self, until: Instant) {
        while self.complete.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            match self.steps.recv_timeout(left) {
                Ok(Step::Found(path, stat)) => self.found.push((path, stat)),
                Ok(Step::Done { complete }) => self.complete = Some(complete),
                Err(RecvTimeoutError::Timeout) => return,
                // It ended without a word.
                Err(RecvTimeoutError::Disconnected) => self.complete = Some(false),
            }
        }
    }
}

/// What a walk tells on its way.
#[derive(Debug)]
enum Step {
    Found(PathBuf, FileStat),
    Done { complete: bool },
}

/// Whether everything could be read. Ends early when nobody listens any more.
fn walk(folder: PathBuf, inodes: &HashSet<u64>, found: &Sender<Step>) -> io::Result<bool> {
    let mount = platform::stat_path(&folder)?.mount;
    let mut complete = true;
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            complete = false;
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let is_wanted =
                platform::entry_inode(&entry).is_none_or(|inode| inodes.contains(&inode));
            if !is_folder && !is_wanted {
                continue;
            }
            // What vanishes meanwhile is not there.
            let Ok(stat) = platform::stat_path(&path) else { continue };
            if inodes.contains(&stat.file.inode)
                && found.send(Step::Found(path.clone(), stat)).is_err()
            {
                return Ok(false);
            }
            if is_folder && stat.mount == mount {
                folders.push(path);
            }
        }
    }
    Ok(complete)
}
