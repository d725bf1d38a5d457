//! Asking for a lock: the builder.

use std::fmt;
use std::time::{Duration, Instant};

use super::aim::{BeFree, BeReady, Take};
use super::cancel::Cancel;
use super::guard::Guard;
use super::pending::{Pending, Want};
use super::progress::Progress;
use super::wait::{Deadline, Terms, wait};
use crate::error::Error;
use crate::families;
use crate::model::{Form, Mode, Range, Target};

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

impl Patience {
    fn deadline(self) -> Deadline {
        match self {
            Self::Endless => Deadline::Never,
            Self::None => Deadline::AtOnce,
            // Further than the clock goes.
            Self::For(time) => {
                Instant::now().checked_add(time).map_or(Deadline::Never, Deadline::At)
            }
            Self::Until(time) => Deadline::At(time),
        }
    }
}

/// Whom to tell how it goes.
type Tell = Box<dyn FnMut(&Progress) + Send>;

/// A request for a lock, to be made by [`Acquire::take`]; see [`Target::acquire`].
#[must_use = "nothing is taken before `take`"]
pub struct Acquire {
    pub(super) target: Target,
    pub(super) mode: Mode,
    pub(super) range: Option<Range>,
    pub(super) create_mode: Option<u32>,
    pub(super) form: Option<Form>,
    pub(super) text: Option<Vec<u8>>,
    pub(super) patience: Patience,
    pub(super) pauses: Pauses,
    pub(super) insists: bool,
    pub(super) cancel: Cancel,
    pub(super) on_progress: Option<Tell>,
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
            form: None,
            text: None,
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

    /// What is made, for `lockfile:`; unless said, it is of the form of what is there, or a file.
    pub fn form(mut self, form: Form) -> Self {
        self.form = Some(form);
        self
    }

    /// What the file that is made for `lockfile:` says, or what the symbolic link points to. Unless
    /// said, that is `PID` and a line feed, or `HOST:PID`.
    pub fn text(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.text = Some(text.into());
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
        let deadline = self.patience.deadline();
        let pending = self.open(self.create_mode)?;
        self.take_from(pending, deadline)
    }

    /// Waits until the lock could be had, without keeping it. A flock(2) lock is taken and given
    /// back in the same instant, since the kernel tells in no other way; others are never taken.
    /// Creates nothing: a lock file that is not there is an error that [`is_gone`](Error::is_gone),
    /// and one that goes away meanwhile is free.
    ///
    /// # Errors
    /// As [`Acquire::take`].
    pub fn wait_until_free(mut self) -> Result<(), Error> {
        let deadline = self.patience.deadline();
        let pending = self.open(None)?;
        wait::<BeFree>(pending, self.terms(deadline)).map(drop)
    }

    /// Waits until somebody has the lock and is ready to serve others, as the daemon of an IPFS
    /// repository is that answers on its API address. Takes and creates nothing.
    ///
    /// # Errors
    /// `is_usage` when those who have such locks serve nobody; `is_unsupported` when a daemon is
    /// reached at an address that is not surely one of this machine; as [`Acquire::take`].
    pub fn wait_until_ready(mut self) -> Result<(), Error> {
        let deadline = self.patience.deadline();
        let pending = families::await_ready(&self.target, Want { create: None, ..self.want() })?;
        wait::<BeReady>(pending, self.terms(deadline)).map(drop)
    }

    fn open(&self, create: Option<u32>) -> Result<Box<dyn Pending>, Error> {
        families::open(&self.target, Want { create, ..self.want() })
    }

    fn want(&self) -> Want {
        Want {
            mode: self.mode,
            range: self.range,
            create: self.create_mode,
            form: self.form,
            text: self.text.clone(),
            pauses: self.pauses,
        }
    }

    fn take_from(mut self, pending: Box<dyn Pending>, deadline: Deadline) -> Result<Guard, Error> {
        let (held, waited) = wait::<Take>(pending, self.terms(deadline))?;
        Guard::new(held, self.mode, waited)
    }

    fn terms(&mut self, deadline: Deadline) -> Terms<'_> {
        Terms {
            want: self.want(),
            deadline,
            insists: self.insists,
            cancel: &self.cancel,
            on_progress: self.on_progress.as_deref_mut(),
        }
    }
}

/// Takes several locks in the one order that all who use this library take them in, so that no two
/// of them ever wait for each other. The guards come in the order of the requests.
///
/// # Errors
/// Of the first request that fails, after all that were taken have been given back; `is_usage` when
/// two requests exclude each other.
pub fn take_all(requests: Vec<Acquire>) -> Result<Vec<Guard>, Error> {
    let mut opened = Vec::with_capacity(requests.len());
    for request in requests {
        let deadline = request.patience.deadline();
        let pending = request.open(request.create_mode)?;
        opened.push((opened.len(), pending.place(), request, pending, deadline));
    }
    opened.sort_by_key(|(_, place, ..)| place.order());
    for pair in opened.windows(2) {
        let (first, second) = (&pair[0].1, &pair[1].1);
        if first.overlaps(second) {
            return Err(Error::usage(format!(
                "{} and {} are the same lock: name it once",
                first.name(),
                second.name()
            )));
        }
    }
    let mut guards = Vec::with_capacity(opened.len());
    for (at, _, request, pending, deadline) in opened {
        guards.push((at, request.take_from(pending, deadline)?));
    }
    guards.sort_by_key(|(at, _)| *at);
    Ok(guards.into_iter().map(|(_, guard)| guard).collect())
}

impl fmt::Debug for Acquire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire")
            .field("target", &self.target)
            .field("mode", &self.mode)
            .field("range", &self.range)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}
