//! The locking core's eyes: looks at everything and judges it.

use crate::error::Error;
use crate::model::{Lock, Snapshot, Target};

/// Whether a bare folder names itself or everything below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folders {
    /// The folder itself.
    Themselves,
    /// Everything below.
    Below,
}

/// Looks at the machine's locks, and remembers between looks what narrows their ages.
///
/// Only ever reads: no lock is taken and no file is written.
#[derive(Debug)]
pub struct Inspector {}

impl Inspector {
    /// An inspector of this machine.
    ///
    /// # Errors
    /// When the system's lock table cannot be read at all.
    pub fn new() -> Result<Self, Error> {
        Ok(Self {})
    }

    /// Looks once.
    ///
    /// # Errors
    /// When the system's lock table cannot be read.
    pub fn snapshot(&mut self) -> Result<Snapshot, Error> {
        todo!()
    }

    /// What the targets mean now: turns paths into the files that they name, without ever blocking
    /// on a file system that hangs.
    ///
    /// # Errors
    /// When a bare path does not exist and is no lock's last name in `snapshot`, or when an id or
    /// pid names nothing there.
    pub fn select(
        &mut self,
        _snapshot: &Snapshot,
        _targets: &[Target],
        _folders: Folders,
    ) -> Result<Selection, Error> {
        todo!()
    }
}

/// Which locks the user asked for.
#[derive(Debug, Clone, Default)]
pub struct Selection {}

impl Selection {
    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self {}
    }

    /// Whether the lock was asked for.
    #[must_use]
    pub fn contains(&self, _lock: &Lock) -> bool {
        todo!()
    }
}
