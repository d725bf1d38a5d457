//! What every kind of lock does for us: a request of ours, and a lock of ours.

use std::fmt::Debug;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::handshake::Stop;
use super::request::Pauses;
use crate::error::Error;
use crate::model::{FileId, Form, Lock, LockId, Mechanism, Mode, PathBytes, Range, harmless_bytes};
use crate::system::wait_mark::Waits;

/// What is wanted of a lock.
#[derive(Debug, Clone)]
pub(crate) struct Want {
    pub(crate) mode: Mode,
    /// `None`: all of it.
    pub(crate) range: Option<Range>,
    /// The mode of a lock file that has to be created, less the umask; `None`: none is created.
    pub(crate) create: Option<u32>,
    /// What is made, for a lock that locks by existing.
    pub(crate) form: Option<Form>,
    /// What that says.
    pub(crate) text: Option<Vec<u8>>,
    /// Between tries, where there is no queue.
    pub(crate) pauses: Pauses,
}

/// Which lock a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The word before the colon: `flock`, `ofd`, `lockfile`.
    pub(crate) family: &'static str,
    /// What makes it exclusive, for those that looks can see.
    pub(crate) mechanism: Option<Mechanism>,
    /// The lock file, absolute.
    pub(crate) path: PathBuf,
    /// As `ls` prints it; `None` where it is not there yet.
    pub(crate) id: Option<LockId>,
    /// The lock file as `stat` numbers it, where that is what is locked.
    pub(crate) file: Option<FileId>,
    /// The bytes of it.
    pub(crate) range: Range,
}

impl Place {
    /// For a person's eyes: harmless to print.
    pub(crate) fn name(&self) -> String {
        harmless_bytes(self.path.as_os_str().as_encoded_bytes()).into_owned()
    }

    /// Where it stands in the one order in which several locks are taken, so that no two who take
    /// them in this order ever wait for each other.
    pub(crate) fn order(&self) -> impl Ord + use<> {
        let path = if self.file.is_none() { self.path.clone() } else { PathBuf::new() };
        (self.file, path, self.mechanism, self.range)
    }

    /// Whether a lock that a look saw is this one, or can be in its way.
    pub(crate) fn meets(&self, lock: &Lock) -> bool {
        if lock.mechanism == Mechanism::Exists {
            // Whatever lies there is the lock.
            let is_there = |path: &PathBytes| path.as_path() == self.path;
            return self.mechanism.is_none() && lock.path.as_ref().is_some_and(is_there);
        }
        let same_file = self.file.is_some() && lock.file == self.file;
        same_file
            && self.mechanism.is_some_and(|mechanism| mechanism.conflicts_with(lock.mechanism))
            && lock.range.is_some_and(|range| range.overlaps(&self.range))
    }

    /// Whether having the one keeps out the other.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let same = match (self.file, other.file) {
            (Some(file), other) => Some(file) == other,
            (None, _) => self.path == other.path,
        };
        same && self.mechanism == other.mechanism && self.range.overlaps(&other.range)
    }
}

/// A request of ours: owns the open file or the connection, and the place in the queue.
pub(crate) trait Pending: Send + Debug {
    /// Which lock it is for.
    fn place(&self) -> Place;

    /// Takes the lock if that can be done at once; what is returned has been verified: the path
    /// still names what is locked.
    ///
    /// # Errors
    /// When it can never be had so: no permission, a file system without locks.
    fn try_take(&mut self) -> Result<Option<Box<dyn Held>>, Error>;

    /// Waits in the queue, in this thread, until the lock is ours or `stop` is set. Where there is
    /// no queue: until it is worth another try.
    ///
    /// # Errors
    /// As [`Pending::try_take`].
    fn block(&mut self, stop: &Arc<Stop>) -> Result<Blocked, Error>;

    /// Whether nobody has it in a way that excludes us, without taking it; `None` where that cannot
    /// be told.
    ///
    /// # Errors
    /// As [`Pending::try_take`].
    fn is_free(&mut self) -> Result<Option<bool>, Error>;

    /// Waits, without taking anything, until it is worth asking [`Pending::is_free`] again or `stop`
    /// is set.
    ///
    /// # Errors
    /// As [`Pending::try_take`].
    fn linger(&mut self, stop: &Arc<Stop>) -> Result<(), Error>;

    /// What others are shown that it waits for, where no queue shows it.
    fn waits(&self) -> Option<Waits> {
        None
    }
}

/// How a wait in a queue ended.
#[derive(Debug)]
pub(crate) enum Blocked {
    /// The lock is ours, and verified.
    Taken(Box<dyn Held>),
    /// Something has changed: try again, and wait again if that fails.
    Changed,
    /// `stop` was set.
    Stopped,
}

/// For how long a lock is ours, unless it is renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life(pub(crate) Duration);

/// A lock of ours. Dropping it gives it back as well as that can be done without a word on success.
pub(crate) trait Held: Send + Debug {
    /// Gives it back: an explicit unlock, not only a close, so that nobody who inherited the open
    /// file keeps it.
    ///
    /// # Errors
    /// When that fails.
    fn give_back(self: Box<Self>) -> Result<(), Error>;

    /// Which lock it is.
    fn place(&self) -> Place;

    /// Lets go of our own part of it only: whoever inherited the open file keeps the lock. Where
    /// nothing can be inherited, the lock stays until somebody removes it.
    fn leave(self: Box<Self>);

    /// The open file that has the lock, where it belongs to one.
    fn file(&self) -> Option<&File> {
        None
    }

    /// For how long from now it is ours without being renewed; `None`: it does not run out.
    fn life(&self) -> Option<Life> {
        None
    }

    /// Prolongs its life: it is as long as is returned, counted from the moment of the call; `None`:
    /// it does not run out any more.
    ///
    /// # Errors
    /// `is_gone` when it is ours no more; anything else may pass.
    fn renew(&mut self) -> Result<Option<Life>, Error> {
        Ok(None)
    }

    /// The number that orders grants.
    fn fencing(&self) -> Option<String> {
        None
    }
}
