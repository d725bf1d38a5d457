//! A lock of ours.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use super::pending::{Held, Place};
use crate::error::Error;
use crate::model::{LockId, Mode};

/// A lock that is ours until this is dropped or released.
#[derive(Debug)]
pub struct Guard {
    /// `None` once it is given back.
    held: Option<Box<dyn Held>>,
    place: Place,
    mode: Mode,
    waited: Duration,
}

impl Guard {
    pub(super) fn new(held: Box<dyn Held>, mode: Mode, waited: Duration) -> Self {
        Self { place: held.place(), held: Some(held), mode, waited }
    }

    /// As `ls` prints it; `None` where the lock has no id.
    #[must_use]
    pub fn id(&self) -> Option<&LockId> {
        self.place.id.as_ref()
    }

    /// The kind of lock that was taken: `flock`, `ofd`, `lockfile`.
    #[must_use]
    pub fn family(&self) -> &'static str {
        self.place.family
    }

    /// The lock file, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.place.path
    }

    /// How it is held.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// For how long it was waited for.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// The open file that has the lock: a process that inherits its descriptor shares the lock.
    /// `None` where the lock belongs to no open file.
    #[must_use]
    pub fn file(&self) -> Option<&File> {
        self.held.as_ref().and_then(|held| held.file())
    }

    /// The number that orders grants, where the lock has one.
    #[must_use]
    pub fn fencing(&self) -> Option<String> {
        self.held.as_ref().and_then(|held| held.fencing())
    }

    /// Gives the lock back: also for those who inherited the open file.
    ///
    /// # Errors
    /// When that fails.
    pub fn release(mut self) -> Result<(), Error> {
        self.held.take().map_or(Ok(()), Held::give_back)
    }

    /// Lets go of it without giving it back: it stays with those who inherited the open file.
    /// A lock that locks by existing stays until somebody removes it.
    pub fn leave(mut self) {
        if let Some(held) = self.held.take() {
            held.leave();
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            // Who wants to hear of a failure releases it.
            let _ = held.give_back();
        }
    }
}
