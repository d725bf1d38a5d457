//! Asking for a lock: the builder.

use std::time::{Duration, Instant};

use super::cancel::Cancel;
use super::guard::Guard;
use super::progress::Progress;
use crate::error::Error;
use crate::model::{Mode, Range, Target};

/// The mode of lock files that have to be created, less the umask: as flock(1) creates them.
const CREATE_MODE: u32 = 0o666;

/// The pauses between tries for a lock that has no queue: growing, and jittered so that those who
/// wait do not try in step. Changes that the system reports end a pause early.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pauses {
    /// The first.
    pub first: Duration,
    /// Each is so many times the one before; at least 1.
    pub growth: f64,
    /// None is longer.
    pub longest: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { first: Duration::from_millis(50), growth: 1.5, longest: Duration::from_secs(2) }
    }
}

/// When a request gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Never.
    Endless,
    /// At once.
    None,
    /// After so long, counted from the first try.
    For(Duration),
    /// At this time.
    Until(Instant),
}

/// A request for a lock, to be made by [`Acquire::take`]; see [`Target::acquire`].
#[must_use = "nothing is taken before `take`"]
pub struct Acquire {
    pub(super) target: Target,
    pub(super) mode: Mode,
    pub(super) range: Option<Range>,
    pub(super) create_mode: Option<u32>,
    pub(super) patience: Patience,
    pub(super) pauses: Pauses,
    pub(super) insists: bool,
    pub(super) cancel: Cancel,
    pub(super) on_progress: Option<Box<dyn FnMut(&Progress) + Send>>,
}

impl Target {
    /// A request for the lock that this names: exclusive, all of it, with patience without end.
    ///
    /// A bare path is the record lock that somebody has on it now, or that it is known for (dpkg's
    /// lock files), else flock(2); never a lock file that locks by existing.
    pub fn acquire(&self) -> Acquire {
        Acquire {
            target: self.clone(),
            mode: Mode::Exclusive,
            range: None,
            create_mode: Some(CREATE_MODE),
            patience: Patience::Endless,
            pauses: Pauses::default(),
            insists: false,
            cancel: Cancel::new(),
            on_progress: None,
        }
    }
}

impl Acquire {
    /// With others who share it.
    pub fn shared(mut self) -> Self {
        self.mode = Mode::Shared;
        self
    }

    /// Only these bytes: a record lock.
    pub fn range(mut self, range: Range) -> Self {
        self.range = Some(range);
        self
    }

    /// The mode of a lock file that has to be created, less the umask; 0666 unless said.
    pub fn create_mode(mut self, mode: u32) -> Self {
        self.create_mode = Some(mode);
        self
    }

    /// Creates no lock file.
    pub fn create_nothing(mut self) -> Self {
        self.create_mode = None;
        self
    }

    /// Gives up after so long, with an error that [`is_timeout`](Error::is_timeout): one limit for
    /// the whole of it.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.patience = Patience::For(time);
        self
    }

    /// Gives up at this time; as [`Acquire::timeout`].
    pub fn deadline(mut self, time: Instant) -> Self {
        self.patience = Patience::Until(time);
        self
    }

    /// Gives up at once when it cannot be had, with an error that
    /// [`is_would_block`](Error::is_would_block).
    pub fn no_wait(mut self) -> Self {
        self.patience = Patience::None;
        self
    }

    /// The pauses between tries, for locks that have no queue.
    pub fn pauses(mut self, pauses: Pauses) -> Self {
        self.pauses = pauses;
        self
    }

    /// Waits even where that closes a circle with locks that this process or those above it have;
    /// else that is an error that [`is_deadlock`](Error::is_deadlock).
    pub fn insist(mut self) -> Self {
        self.insists = true;
        self
    }

    /// What can end the wait early.
    pub fn cancel(mut self, cancel: &Cancel) -> Self {
        self.cancel = cancel.clone();
        self
    }

    /// Whom to tell how it goes, in this thread. Only who has somebody to tell pays for looking who
    /// has the lock; those looks are in a thread of their own and grow rare.
    pub fn on_progress(mut self, tell: impl FnMut(&Progress) + Send + 'static) -> Self {
        self.on_progress = Some(Box::new(tell));
        self
    }

    /// Takes the lock, waiting for it as long as was said.
    ///
    /// # Errors
    /// `is_timeout`, `is_would_block`, `is_cancelled`, `is_deadlock` when it was not to be had so;
    /// `is_usage` when the target names no lock that can be taken, `is_permission`, `is_gone`,
    /// `is_unsupported`, `is_unreachable` when the system refuses it.
    pub fn take(self) -> Result<Guard, Error> {
        todo!()
    }

    /// Waits until the lock could be had, without keeping it. A flock(2) lock is taken and given
    /// back in the same instant, since the kernel tells in no other way; others are never taken.
    ///
    /// # Errors
    /// As [`Acquire::take`].
    pub fn wait_until_free(self) -> Result<(), Error> {
        todo!()
    }
}

/// Takes several locks in the one order that all who use this library take them in, so that no two
/// of them ever wait for each other. The guards come in the order of the requests.
///
/// # Errors
/// Of the first request that fails, after all that were taken have been given back; `is_usage` when
/// two requests exclude each other.
pub fn take_all(requests: Vec<Acquire>) -> Result<Vec<Guard>, Error> {
    let _ = requests;
    todo!()
}
