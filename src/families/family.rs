//! What a kind of lock means, and the list of all kinds that this version knows.

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use super::kernel::{Flock, Ofd, Posix};
use super::lockfile::Lockfile;
use super::pidfile::Pidfile;
use crate::acquire::{Pending, Want};
use crate::error::Error;
use crate::model::{LockFacts, Mechanism};
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

    /// Says what there is to say of a lock that the catalogue knows as one of this kind.
    fn enrich(&self, _lock: &mut LockFacts, _system: &System) {}
}

/// Where locks are that somebody means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Territory {
    /// One place.
    At(PathBuf),
    /// All that is below a folder, and the folder itself.
    Below(PathBuf),
}

static ALL: [&dyn Family; 5] = [&Flock, &Posix, &Ofd, &Lockfile, &Pidfile];

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
