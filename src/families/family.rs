//! What a kind of lock means, and the list of all kinds that this version knows.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::kernel::{Flock, Ofd, Posix};
use super::lockfile::{Lockfile, Pidfile};
use super::nerdctl::Nerdctl;
use crate::acquire::{Pending, Want};
use crate::error::Error;
use crate::model::{Content, LockFacts, Mechanism, OnDisk, Pid, Process};
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
    fn is_repository(&self, _path: &Path) -> bool {
        false
    }

    /// A request for the lock at a place of its own, as [`Family::place`] gives it.
    ///
    /// # Errors
    /// When it cannot be had so.
    fn open(&self, at: PathBuf, want: Want) -> Result<Box<dyn Pending>, Error>;

    /// The file that says more of the lock at a path, where there may be one: it is read for
    /// [`Family::enrich`].
    fn beside(&self, _path: &Path) -> Option<PathBuf> {
        None
    }

    /// Says what there is to say of a lock that the catalogue knows as one of this kind.
    fn enrich(&self, _lock: &mut LockFacts, _beside: &Beside<'_>) {}
}

/// What else there is to know of a lock.
#[derive(Debug)]
pub(crate) struct Beside<'a> {
    #[expect(dead_code, reason = "for families that ask more of it")]
    pub(crate) system: &'a System,
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

static ALL: [&dyn Family; 6] = [&Flock, &Posix, &Ofd, &Lockfile, &Pidfile, &Nerdctl];

/// The family of that name.
pub(crate) fn named(word: &str) -> Option<&'static dyn Family> {
    ALL.into_iter().find(|family| family.word() == word)
}

/// The family of the repository at a path.
pub(super) fn of_repository(path: &Path) -> Option<&'static dyn Family> {
    ALL.into_iter().find(|family| family.is_repository(path))
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
