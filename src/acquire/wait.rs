//! The wait itself: try, and if somebody else has the lock, queue up in a thread of its own until
//! it is ours, time is up, or nobody wants it any more.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::aim::{Aim, Stood};
use super::cancel::Cancel;
use super::handshake::Stop;
use super::observer::{Observer, Sight, Watch, Whereabouts};
use super::pending::{Pending, Want};
use super::progress::{Progress, Waiting};
use crate::error::Error;
use crate::model::{Pid, short};
use crate::system::locking;
use crate::system::wait_mark::Mark;

/// How often progress is told, at least.
const TICK: Duration = Duration::from_secs(1);

/// For how long a wait that has to end is given to leave its queue: one that hangs in the system is
/// left behind, and gives the lock back should it ever come.
const FAREWELL: Duration = Duration::from_secs(5);

/// On what terms somebody waits.
pub(super) struct Terms<'a> {
    pub(super) want: Want,
    pub(super) deadline: Deadline,
    pub(super) insists: bool,
    pub(super) cancel: &'a Cancel,
    pub(super) on_progress: Option<&'a mut (dyn FnMut(&Progress) + Send + 'static)>,
}

/// Until when somebody waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deadline {
    /// As long as it takes.
    Never,
    /// Not at all.
    AtOnce,
    At(Instant),
}

impl Deadline {
    fn is_over(self) -> bool {
        matches!(self, Self::At(time) if time <= Instant::now())
    }

    fn left(self) -> Duration {
        match self {
            Self::At(time) => time.saturating_duration_since(Instant::now()),
            Self::Never | Self::AtOnce => Duration::MAX,
        }
    }
}

/// Waits for it as the terms say; tells also for how long that was.
///
/// # Errors
/// Of the request, and those that say that the wait was ended.
pub(super) fn wait<A: Aim>(
    mut pending: Box<dyn Pending>,
    terms: Terms<'_>,
) -> Result<(A::Got, Duration), Error> {
    if terms.cancel.is_cancelled() {
        return Err(cancelled(&pending.place().name()));
    }
    if let Some(got) = A::attempt(&mut *pending)? {
        return Ok((got, Duration::ZERO));
    }
    if terms.deadline == Deadline::AtOnce {
        let name = pending.place().name();
        return Err(Error::would_block(format!("{name} {}", A::NOT_YET[0])));
    }
    Queue::<A>::enter(pending, terms)?.stand()
}

fn cancelled(name: &str) -> Error {
    Error::cancelled(format!("waiting for {name} was cancelled"))
}

/// What those who wait on our behalf report.
pub(super) enum News<T> {
    /// The waiting thread has this number, and is about to queue up.
    Queueing(Option<Pid>),
    /// It has ended: with what was wanted, or without because it was told to stop.
    Ended(Result<Option<T>, Error>),
    /// The observer looked.
    Seen(Box<Sight>),
    /// The lock file was replaced: we stand in the queue of another now.
    Moved,
    /// Somebody has cancelled.
    Cancelled,
}

/// A wait in progress.
struct Queue<'a, A: Aim> {
    terms: Terms<'a>,
    name: String,
    since: Instant,
    stop: Arc<Stop>,
    whereabouts: Whereabouts,
    tell: Sender<News<A::Got>>,
    news: Receiver<News<A::Got>>,
    observer: Option<Observer>,
    waiting: Waiting,
    /// The waiting thread has answered, or been left behind.
    is_over: bool,
}

impl<'a, A: Aim> Queue<'a, A> {
    fn enter(pending: Box<dyn Pending>, terms: Terms<'a>) -> Result<Self, Error> {
        let place = pending.place();
        let name = place.name();
        let (tell, news) = channel();
        let stop = Arc::new(Stop::default());
        let whereabouts = Arc::new(Mutex::new(place));
        let line = Line::<A> {
            pending,
            stop: Arc::clone(&stop),
            whereabouts: Arc::clone(&whereabouts),
            tell: tell.clone(),
        };
        line.start()?;
        let waiting = Waiting {
            name: name.clone(),
            waited: Duration::ZERO,
            lock: None,
            position: None,
            blind: None,
            looked: false,
            changed: false,
        };
        let since = Instant::now();
        Ok(Self {
            terms,
            name,
            since,
            stop,
            whereabouts,
            tell,
            news,
            observer: None,
            waiting,
            is_over: false,
        })
    }

    fn stand(mut self) -> Result<(A::Got, Duration), Error> {
        let tell = self.tell.clone();
        let _listening = self.terms.cancel.subscribe(move || drop(tell.send(News::Cancelled)));
        self.report();
        let mut next = Instant::now() + TICK;
        loop {
            let tick = next.saturating_duration_since(Instant::now());
            match self.news.recv_timeout(tick.min(self.terms.deadline.left())) {
                Ok(News::Ended(result)) => return self.ended(result),
                Ok(News::Cancelled) => return Err(self.leave(cancelled(&self.name))),
                Ok(News::Queueing(thread)) => match self.observe(thread) {
                    Ok(observer) => self.observer = Some(observer),
                    Err(error) => return Err(self.leave(error)),
                },
                Ok(News::Moved) => self.tell(&Progress::Replaced { name: self.name.clone() }),
                Ok(News::Seen(sight)) => {
                    if let Some(circle) = sight.circle.filter(|_| !self.terms.insists) {
                        return Err(self.leave(Error::deadlock(circle)));
                    }
                    let lock = sight.lock.as_deref();
                    self.waiting.changed |= self.waiting.differs(lock, sight.position);
                    self.waiting.looked = true;
                    self.waiting.lock = sight.lock;
                    self.waiting.position = sight.position;
                    self.waiting.blind = sight.blind;
                    self.report();
                    next = Instant::now() + TICK;
                }
                // It cannot be disconnected: one end is ours.
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            if self.terms.deadline.is_over() {
                let error = Error::timeout(self.gave_up());
                return Err(self.leave(error));
            }
            if next <= Instant::now() {
                self.report();
                next += TICK;
            }
        }
    }

    fn observe(&self, thread: Option<Pid>) -> Result<Observer, Error> {
        Observer::start(Watch {
            whereabouts: Arc::clone(&self.whereabouts),
            want: self.terms.want.clone(),
            is_told: self.terms.on_progress.is_some(),
            insists: self.terms.insists,
            thread,
            stop: Arc::clone(&self.stop),
            tell: {
                let tell = self.tell.clone();
                Box::new(move |sight| tell.send(News::Seen(Box::new(sight))).is_ok())
            },
        })
    }

    fn ended(
        &mut self,
        result: Result<Option<A::Got>, Error>,
    ) -> Result<(A::Got, Duration), Error> {
        self.is_over = true;
        let waited = self.since.elapsed();
        let got = match result {
            Ok(Some(got)) => got,
            Ok(None) => {
                return Err(Error::unreachable(format!("the wait for {} broke off", self.name)));
            }
            Err(error) if error.is_gone() => A::without_file(error)?,
            Err(error) => return Err(error),
        };
        self.tell(&Progress::Taken { name: self.name.clone(), waited });
        Ok((got, waited))
    }

    /// Leaves the queue. What comes in this instant is given back.
    fn leave(&mut self, reason: Error) -> Error {
        self.is_over = true;
        let begun = Instant::now();
        let mut patience = Duration::from_millis(1);
        while begun.elapsed() < FAREWELL {
            self.stop.set(locking::Thread::wake);
            match self.news.recv_timeout(patience) {
                Ok(News::Ended(Ok(Some(got)))) => return A::undo(got).err().unwrap_or(reason),
                Ok(News::Ended(_)) | Err(RecvTimeoutError::Disconnected) => return reason,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => {
                    patience = (patience * 2).min(Duration::from_millis(50));
                }
            }
        }
        // Left behind: when it wakes up, nobody hears its report, and what it has is dropped.
        reason
    }

    fn gave_up(&self) -> String {
        let waited = short(self.since.elapsed());
        match self.waiting.has_it() {
            Some(has_it) => format!("gave up waiting for {} after {waited}: {has_it}", self.name),
            None => format!("gave up waiting for {} after {waited}: {}", self.name, A::NOT_YET[1]),
        }
    }

    fn report(&mut self) {
        self.waiting.waited = self.since.elapsed();
        let progress = Progress::Waiting(self.waiting.clone());
        self.tell(&progress);
        self.waiting.looked = false;
        self.waiting.changed = false;
    }

    fn tell(&mut self, progress: &Progress) {
        if let Some(tell) = &mut self.terms.on_progress {
            tell(progress);
        }
    }
}

/// When whom we tell panics.
impl<A: Aim> Drop for Queue<'_, A> {
    fn drop(&mut self) {
        if !self.is_over {
            self.leave(cancelled(&self.name));
        }
    }
}

/// A thread that stands in line for us, and reports how that ended.
struct Line<A: Aim> {
    pending: Box<dyn Pending>,
    stop: Arc<Stop>,
    whereabouts: Whereabouts,
    tell: Sender<News<A::Got>>,
}

impl<A: Aim> Line<A> {
    fn start(mut self) -> Result<(), Error> {
        let name = self.pending.place().name();
        let wait = move || {
            // Who does not hear it any more does not want the lock either: it is dropped.
            let _ = self.tell.send(News::Queueing(locking::thread_number()));
            let result = self.stand();
            let Self { pending, tell, .. } = self;
            // Whoever hears of the end finds nothing of the request left open.
            drop(pending);
            let _ = tell.send(News::Ended(result));
        };
        let started = thread::Builder::new().name("lock wait".into()).spawn(wait);
        started.map(drop).map_err(|error| {
            Error::unreachable(format!("cannot start a thread to wait for {name}: {error}"))
        })
    }

    fn stand(&mut self) -> Result<Option<A::Got>, Error> {
        // Where it cannot be shown, others do not know that we wait: we do all the same.
        let _shown = self.pending.waits().and_then(|waits| Mark::set(&waits).ok());
        while !self.stop.is_set() {
            match A::stand(&mut *self.pending, &self.stop)? {
                Stood::Got(got) => return Ok(Some(got)),
                Stood::Changed => self.say_where(),
                Stood::Stopped => break,
            }
            if let Some(got) = A::attempt(&mut *self.pending)? {
                return Ok(Some(got));
            }
        }
        Ok(None)
    }

    fn say_where(&self) {
        let place = self.pending.place();
        let mut whereabouts = self.whereabouts.lock().unwrap_or_else(PoisonError::into_inner);
        if *whereabouts != place {
            // A file that comes where there was none replaces nothing.
            let is_replaced = whereabouts.file.is_some();
            *whereabouts = place;
            drop(whereabouts);
            if is_replaced {
                let _ = self.tell.send(News::Moved);
            }
        }
    }
}
