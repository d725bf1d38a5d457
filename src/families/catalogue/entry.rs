//! What the catalogue says of a lock.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::super::owner::Reader;
use crate::model::{Form, Range};

/// One well-known kind of lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Entry {
    /// What people call it.
    pub name: Arc<str>,
    /// How those who use it lock it.
    pub family: Family,
    /// Where it is: absolute paths, or patterns in which `*` stands for a part of a name and `**` for
    /// any number of folders.
    pub path: Vec<Arc<str>>,
    /// Last names that those patterns do not mean.
    pub except: Vec<Arc<str>>,
    /// How its content names its owner, where it lies on disk.
    pub owner: Option<Reader>,
    /// The name of the file beside it that names its owner in its place, `*` being the lock's name
    /// without its `.lock`.
    pub beside: Option<Arc<str>>,
    /// The names of the programs that make it.
    pub programs: Vec<Arc<str>>,
    /// Words in the command line of such a program by which it is known not to make the lock.
    pub idle: Vec<Arc<str>>,
    /// Commands of such a program with which it makes no other lock than that of the folder around it,
    /// unless it roams; empty: that is not known of any.
    pub stays: Vec<Arc<str>>,
    /// Variables and options with which it works on another folder all the same.
    pub roams: Vec<Arc<str>>,
    /// Whether such programs at work there need it still when the one that it names has ended.
    pub heirs: bool,
    /// Which folders those programs work in.
    pub worktree: Vec<Worktree>,
    /// Whether being held for long is how it is meant to be.
    pub normal: bool,
    /// What it is made as, where it locks by existing.
    #[serde(serialize_with = "form")]
    pub take: Form,
    /// What to know before breaking it, in sentences.
    pub breaking: Option<Arc<str>>,
    /// Where more is said of it.
    pub link: Option<Arc<str>>,
    /// Where the catalogue says so.
    pub origin: Origin,
}

/// Serde hands over references.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn form<S: Serializer>(form: &Form, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(key_of(*form))
}

/// A path that is no UTF-8 is as near to it as that can be.
#[expect(clippy::ref_option, reason = "serde's signature")]
fn lossy<S: Serializer>(path: &Option<Arc<Path>>, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.to_string_lossy()).serialize(serializer)
}

/// The word for it in the catalogue.
pub(super) fn key_of(form: Form) -> &'static str {
    match form {
        Form::File => "file",
        Form::Link => "link",
        Form::Folder => "folder",
    }
}

/// How those who use a lock take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Family {
    /// flock(2): what is taken where nothing else is said.
    Flock,
    /// Record locks.
    Posix,
    /// By existing.
    Lockfile,
    /// A file that names a live process.
    Pidfile,
    /// An IPFS repository: a record lock.
    Ipfs,
    /// A lock of nerdctl: flock(2) of a folder.
    Nerdctl,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Flock, Self::Posix, Self::Lockfile, Self::Pidfile, Self::Ipfs, Self::Nerdctl];

    /// The word as in targets.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Flock => "flock",
            Self::Posix => "posix",
            Self::Lockfile => "lockfile",
            Self::Pidfile => "pidfile",
            Self::Ipfs => "ipfs",
            Self::Nerdctl => "nerdctl",
        }
    }

    /// Whether the lock is what lies on disk, rather than something that the kernel knows of.
    #[must_use]
    pub fn is_on_disk(self) -> bool {
        matches!(self, Self::Lockfile | Self::Pidfile)
    }

    /// Whether something of it can lie on disk that keeps others out.
    pub(crate) fn may_lie_on_disk(self) -> bool {
        self.is_on_disk() || self == Self::Ipfs
    }
}

/// A folder, as seen from a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Worktree {
    /// So many folders above the one that the lock is in.
    Up(usize),
    /// The folder that has the nearest folder of this name in it that the lock is below.
    Around(Arc<str>),
    /// The folder of what a file of this name says, which lies in the lock's folder or nearest above.
    Named(Arc<str>),
}

impl Worktree {
    /// As the catalogue writes it: `.`, `..`, `../..`, `NAME/..`, or `@NAME`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text == "." {
            return Some(Self::Up(0));
        }
        let is_name = |name: &str| !matches!(name, "" | "." | "..") && !name.contains('/');
        if let Some(name) = text.strip_prefix('@') {
            return is_name(name).then(|| Self::Named(name.into()));
        }
        let parts: Vec<&str> = text.split('/').collect();
        match parts[..] {
            [name, ".."] if is_name(name) => Some(Self::Around(name.into())),
            _ => parts.iter().all(|part| *part == "..").then_some(Self::Up(parts.len())),
        }
    }

    /// The name of the folder that the programs look for, from the one that they work in upwards.
    pub(in crate::families) fn anchor(&self) -> Option<&str> {
        match self {
            Self::Around(name) => Some(name),
            _ => None,
        }
    }

    /// The folder, for the lock at `path`; `None` where there is none, or where a file would have to
    /// be read to tell.
    #[must_use]
    pub fn of<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        // The first of a path's ancestors is itself.
        let mut folders = path.ancestors().skip(1);
        match self {
            Self::Up(steps) => folders.nth(*steps),
            Self::Around(name) => {
                folders.find(|folder| folder.file_name() == Some(OsStr::new(&**name)))?.parent()
            }
            Self::Named(_) => None,
        }
    }
}

impl Serialize for Worktree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Up(0) => serializer.serialize_str("."),
            Self::Up(steps) => serializer.serialize_str(&vec![".."; *steps].join("/")),
            Self::Around(name) => serializer.collect_str(&format_args!("{name}/..")),
            Self::Named(name) => serializer.collect_str(&format_args!("@{name}")),
        }
    }
}

/// Where an entry stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The file; `None` for what comes with the program.
    #[serde(serialize_with = "lossy")]
    pub file: Option<Arc<Path>>,
    /// The line in it, from 1.
    pub line: usize,
}

/// Bytes of a file that have a meaning, whatever the file is called or in files of some names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Bytes {
    /// What people call a lock of them, or of a part of them.
    pub name: Arc<str>,
    /// The first.
    pub start: u64,
    /// The last.
    pub end: u64,
    /// Where the file has to be; nothing: anywhere.
    pub path: Vec<Arc<str>>,
    /// Where more is said of it.
    pub link: Option<Arc<str>>,
    /// Where the catalogue says so.
    pub origin: Origin,
}

impl Bytes {
    /// Whether all of a range is among them.
    pub(super) fn contain(&self, range: Range) -> bool {
        range.start >= self.start && range.end.is_some_and(|end| end <= self.end)
    }

    /// How many they are, less one.
    pub(super) fn extent(&self) -> u64 {
        self.end - self.start
    }
}

impl Entry {
    /// The file beside the lock at `path` that names its owner, where this kind of lock has one.
    #[must_use]
    pub fn beside(&self, path: &Path) -> Option<PathBuf> {
        let name = path.file_name()?.to_str()?;
        let stem = name.strip_suffix(".lock").unwrap_or(name);
        Some(path.with_file_name(self.beside.as_ref()?.replace('*', stem)))
    }

    /// What reads its owner: where the catalogue does not say, what makes the best of any text.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.owner.unwrap_or(Reader::Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worktrees_are_found_from_the_lock() {
        let of = |text: &str, path: &'static str| {
            Worktree::parse(text).unwrap().of(Path::new(path)).map(|path| path.to_str().unwrap())
        };
        assert_eq!(of(".", "/srv/r.git/index.lock"), Some("/srv/r.git"));
        assert_eq!(of("..", "/srv/r/.git/index.lock"), Some("/srv/r"));
        assert_eq!(of("../..", "/srv/r/.git/logs/HEAD.lock"), Some("/srv/r"));
        assert_eq!(of(".git/..", "/srv/r/.git/refs/heads/a/b.lock"), Some("/srv/r"));
        assert_eq!(of(".git/..", "/a/.git/b/.git/index.lock"), Some("/a/.git/b"));
        assert_eq!(of("../..", "/a.lock"), None);
        assert_eq!(of(".git/..", "/srv/x.lock"), None);
        assert_eq!(of("@gitdir", "/srv/r/.git/worktrees/a/index.lock"), None);
        for text in ["", "/", "/..", "a", "../a", "./..", "a/b/..", "@", "@..", "@a/b"] {
            assert_eq!(Worktree::parse(text), None, "{text}");
        }
    }

    #[test]
    fn worktrees_are_written_as_they_are_read() {
        for text in [".", "..", "../..", ".git/..", "@gitdir"] {
            let json = serde_json::to_value(Worktree::parse(text).unwrap()).unwrap();
            assert_eq!(json, text);
        }
    }
}
