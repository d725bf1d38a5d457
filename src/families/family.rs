//! What a kind of lock means, and the list of all kinds that this version knows.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ipfs::Ipfs;
use super::kernel::{Flock, Ofd, Posix};
use super::lockfile::Lockfile;
use super::nerdctl::Nerdctl;
use super::pidfile::Pidfile;
use crate::acquire::{Pending, Want};
use crate::error::Error;
use crate::model::{Content, LockFacts, Mechanism, Moment, OnDisk, Pid, Process};
use crate::system::System;

/// What a kind of lock means: where it is, how it is taken, and what there is to say of it. Adding one
/// is a file, a line in the list, perhaps entries in the catalogue, and tests.
pub(crate) trait Family: Debug + Sync {
    /// Its name in targets, `NAME:PATH`.
    fn word(&self) -> &'static str;

    /// Where its locks are if somebody names this path: a repository has its lock inside.
    fn place(&self, path: PathBuf) -> Territory {
        Territory::At(path)
    }

    /// Whether the lock is what lies there, and not something that the kernel keeps.
    fn lies_on_disk(&self) -> bool {
        false
    }

    /// What makes the kernel's locks exclusive that are of this kind where the catalogue knows them as
    /// such. Their ids name it.
    fn mechanisms(&self) -> &'static [Mechanism] {
        &[]
    }

    /// Whether a path that is named without a family is a repository of this kind.
    fn is_repository(&self, _path: &Path, _is_there: IsThere<'_>) -> bool {
        false
    }

    /// Whether what is to be there for its locks is there, if somebody names this path. `is_there` looks
    /// whether something is at a path.
    ///
    /// # Errors
    /// `is_usage` when it is not; when that cannot be looked up.
    fn check(&self, _path: &Path, _is_there: IsThere<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// Whether a lock of the kernel's is free when its file is not there.
    fn makes_its_file(&self) -> bool {
        false
    }

    /// Whether the lock at a path that the catalogue does not know is of this kind.
    fn knows(&self, _path: &Path, _is_there: IsThere<'_>) -> bool {
        false
    }

    /// A request for the lock at a place of its own, as [`Family::place`] gives it; at a folder that
    /// has several, for the folder's own.
    ///
    /// # Errors
    /// When it cannot be had so.
    fn open(&self, at: PathBuf, want: Want) -> Result<Box<dyn Pending>, Error>;

    /// What is free as soon as somebody has the lock and is ready to serve others.
    ///
    /// # Errors
    /// `is_usage` where those who have such locks serve nobody; as [`Family::open`].
    fn await_ready(&self, _at: PathBuf, _want: Want) -> Result<Box<dyn Pending>, Error> {
        Err(Error::usage(format!(
            "nobody gets ready who has a '{}:' lock: '--ready' waits for the daemon of an IPFS \
             repository, 'ipfs:PATH'",
            self.word()
        )))
    }

    /// Whether what lies at a path is no lock, though one of this kind could lie there.
    fn is_no_lock(&self, _lock: &LockFacts, _beside: &Beside<'_>) -> bool {
        false
    }

    /// The file that says more of the lock at a path, where there may be one: it is read for
    /// [`Family::enrich`].
    fn beside(&self, _path: &Path) -> Option<PathBuf> {
        None
    }

    /// Says what there is to say of a lock of this kind.
    fn enrich(&self, _lock: &mut LockFacts, _beside: &Beside<'_>) {}

    /// Whether what there is to say of its locks changes without those who have them.
    fn is_restless(&self) -> bool {
        false
    }
}

/// Looks whether something is at a path.
pub(crate) type IsThere<'a> = &'a dyn Fn(&Path) -> io::Result<bool>;

/// What else there is to know of a lock.
#[derive(Debug)]
pub(crate) struct Beside<'a> {
    pub(crate) system: &'a System,
    /// When it was looked.
    pub(crate) at: Moment,
    /// Those who hold and wait.
    pub(crate) processes: &'a BTreeMap<Pid, Arc<Process>>,
    /// What lies at the paths that [`Family::beside`] named.
    pub(super) files: &'a HashMap<PathBuf, Arc<OnDisk>>,
}

impl Beside<'_> {
    /// What is there to be read, if anything is.
    pub(super) fn content(&self, path: &Path) -> Option<&Content> {
        self.files.get(path).map(|there| &there.content)
    }
}

/// Where locks are that somebody means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Territory {
    /// One place.
    At(PathBuf),
    /// All that is below a folder, the folder itself, and what belongs to it elsewhere.
    Below { folder: PathBuf, elsewhere: Vec<PathBuf> },
}

static ALL: [&dyn Family; 7] = [&Flock, &Posix, &Ofd, &Lockfile, &Pidfile, &Ipfs, &Nerdctl];

/// The family of that name.
pub(crate) fn named(word: &str) -> Option<&'static dyn Family> {
    ALL.into_iter().find(|family| family.word() == word)
}

/// The family of the repository at a path.
pub(crate) fn of_repository(path: &Path, is_there: IsThere<'_>) -> Option<&'static dyn Family> {
    ALL.into_iter().find(|family| family.is_repository(path, is_there))
}

/// The family that the lock at a path is of, though the catalogue does not know the path.
pub(super) fn of_unknown(path: &Path, is_there: IsThere<'_>) -> Option<&'static dyn Family> {
    ALL.into_iter().find(|family| family.knows(path, is_there))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FAMILIES;

    #[test]
    fn those_that_can_be_named_are_there() {
        for (word, is_known) in FAMILIES {
            assert_eq!(named(word).is_some(), is_known, "{word}");
        }
    }
}
