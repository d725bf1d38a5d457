//! A lock of ours.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::lease::Leased;
use super::pending::{Held, Place};
use crate::error::Error;
use crate::model::{LockId, Mode};
use crate::system::clock::MachineClock;

/// A lock that is ours until this is dropped or released. One that runs out is renewed meanwhile,
/// from a thread of its own.
#[derive(Debug)]
pub struct Guard {
    /// `None` once it is given back.
    kept: Option<Kept>,
    place: Place,
    mode: Mode,
    waited: Duration,
}

/// How we have it.
#[derive(Debug)]
enum Kept {
    /// Until it is given back.
    Plain(Box<dyn Held>),
    /// As long as it is renewed.
    Leased(Leased),
}

impl Kept {
    fn new(held: Box<dyn Held>) -> Result<Self, Error> {
        match held.life() {
            None => Ok(Self::Plain(held)),
            Some(life) => Leased::new(held, life, Arc::new(MachineClock)).map(Self::Leased),
        }
    }

    fn give_back(self) -> Result<(), Error> {
        match self {
            Self::Plain(held) => held.give_back(),
            Self::Leased(leased) => leased.give_back(),
        }
    }

    fn leave(self) {
        match self {
            Self::Plain(held) => held.leave(),
            Self::Leased(leased) => leased.leave(),
        }
    }
}

impl Guard {
    /// # Errors
    /// When it runs out, and no thread can be started to renew it: it has been given back.
    pub(super) fn new(held: Box<dyn Held>, mode: Mode, waited: Duration) -> Result<Self, Error> {
        Ok(Self { place: held.place(), kept: Some(Kept::new(held)?), mode, waited })
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
        match &self.kept {
            Some(Kept::Plain(held)) => held.file(),
            Some(Kept::Leased(_)) | None => None,
        }
    }

    /// The number that orders grants, where the lock has one.
    #[must_use]
    pub fn fencing(&self) -> Option<String> {
        match self.kept.as_ref()? {
            Kept::Plain(held) => held.fencing(),
            Kept::Leased(leased) => leased.fencing(),
        }
    }

    fn leased(&self) -> Option<&Leased> {
        match &self.kept {
            Some(Kept::Leased(leased)) => Some(leased),
            Some(Kept::Plain(_)) | None => None,
        }
    }

    /// Whether the lock may be ours no more, as when one that runs out could not be renewed in time.
    /// That stays so. Never for locks that do not run out.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.leased().is_some_and(Leased::is_lost)
    }

    /// Has it called when [`Guard::is_lost`], from a thread of its own; at once, in this one, if it
    /// is already. Never for locks that do not run out, and never once the lock has been released.
    pub fn on_lost(&self, tell: impl FnOnce() + Send + 'static) {
        if let Some(leased) = self.leased() {
            leased.on_lost(tell);
        }
    }

    /// Gives the lock back: also for those who inherited the open file. Waits for a renewal that is
    /// under way.
    ///
    /// # Errors
    /// When that fails; [`is_lost`](Error::is_lost) when the lock was ours no more.
    pub fn release(mut self) -> Result<(), Error> {
        self.kept.take().map_or(Ok(()), Kept::give_back)
    }

    /// Lets go of it without giving it back: it stays with those who inherited the open file.
    /// A lock that locks by existing stays until somebody removes it, and one that runs out does
    /// that.
    pub fn leave(mut self) {
        if let Some(kept) = self.kept.take() {
            kept.leave();
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(kept) = self.kept.take() {
            // Who wants to hear of a failure releases it.
            let _ = kept.give_back();
        }
    }
}
