//! Watches a wait of ours from outside: whether the lock file is still the one, who has the lock,
//! and where we stand.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::handshake::Stop;
use super::manners;
use super::pending::{Place, Want};
use crate::error::Error;
use crate::inspect::{Folders, Inspector, Meter};
use crate::ledger::Memory;
use crate::model::{Lock, Pid, Target};
use crate::system::locking;

/// How often the path is looked up.
const BEAT: Duration = Duration::from_secs(1);

/// When our request cannot be seen in its queue yet, the next look is so soon.
const SOON: Duration = Duration::from_millis(100);

/// The pause between looks grows to this; after the slowest look, too, it is worth something to know
/// where we stand.
const LONGEST: Duration = Duration::from_secs(30);

/// Looks may take one part in so many of the time: reading the lock table slows all locks.
const SHARE: u32 = 100;

/// Which lock is waited for now: another one once the lock file was replaced.
pub(super) type Whereabouts = Arc<Mutex<Place>>;

/// What a look saw of the lock that we wait for.
#[derive(Debug)]
pub(super) struct Sight {
    pub(super) lock: Option<Box<Lock>>,
    pub(super) position: Option<u32>,
    /// The circle that our wait closes, in words.
    pub(super) circle: Option<String>,
    /// Why nothing could be seen.
    pub(super) blind: Option<String>,
}

/// Looks, in a thread of its own, until it is dropped.
#[derive(Debug)]
pub(super) struct Observer {
    over: Arc<Stop>,
}

/// What there is to watch.
pub(super) struct Watch {
    pub(super) whereabouts: Whereabouts,
    pub(super) want: Want,
    /// Somebody is told who has the lock; else two looks see that our wait closes no circle.
    pub(super) is_told: bool,
    pub(super) insists: bool,
    /// The thread that waits.
    pub(super) thread: Option<Pid>,
    /// Of the waiting thread.
    pub(super) stop: Arc<Stop>,
    /// Whom to tell; `false`: nobody listens any more.
    pub(super) tell: Box<dyn Fn(Sight) -> bool + Send>,
}

impl Observer {
    /// Begins to look.
    pub(super) fn start(watch: Watch) -> Result<Self, Error> {
        let over = Arc::new(Stop::default());
        let until = Arc::clone(&over);
        let started = thread::Builder::new().name("lock watch".into()).spawn(move || {
            let looks = watch.is_told || !watch.insists;
            let since = Instant::now();
            let next = looks.then_some(since);
            Watcher { watch, inspector: None, since, next, pause: BEAT }.run(&until);
        });
        match started {
            Ok(_) => Ok(Self { over }),
            Err(error) => {
                Err(Error::unreachable(format!("cannot start a thread to watch a lock: {error}")))
            }
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.over.set(locking::Thread::wake);
    }
}

struct Watcher {
    watch: Watch,
    inspector: Option<Inspector>,
    since: Instant,
    /// When to look next.
    next: Option<Instant>,
    pause: Duration,
}

impl Watcher {
    fn run(mut self, over: &Stop) {
        while !over.is_set() {
            if self.next.is_some_and(|next| next <= Instant::now()) {
                let (meter, before) = (Meter::start(), self.stalled());
                let sight = self.look();
                let cost = meter.cost(self.stalled().saturating_sub(before));
                self.next = self.next_look(&sight, cost);
                if !(self.watch.tell)(sight) {
                    return;
                }
            }
            let until =
                self.next.map_or(BEAT, |next| next.saturating_duration_since(Instant::now()));
            over.pause(until.min(BEAT));
            // Again and again, until the waiting thread has another file open.
            if self.is_replaced() {
                self.watch.stop.interrupt(locking::Thread::wake);
                self.next = self.next.map(|_| Instant::now() + SOON);
            }
        }
    }

    fn place(&self) -> Place {
        self.watch.whereabouts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the path names another file than the one that is waited for.
    fn is_replaced(&self) -> bool {
        let place = self.place();
        let Some(file) = place.file else { return false };
        match locking::number_of(&place.path) {
            Ok(now) => now != file,
            // What cannot be looked up is left as it is: the lock decides.
            Err(error) => locking::is_absent(&error),
        }
    }

    fn next_look(&mut self, sight: &Sight, cost: Duration) -> Option<Instant> {
        // Who started us may only be about to wait for us: a second look sees that.
        let is_last = !self.watch.is_told && self.pause > BEAT;
        if is_last {
            return None;
        }
        // Once, whatever it costs: else a busy machine would not tell our place for long.
        let is_early = sight.position.is_none() && sight.blind.is_none() && self.pause == BEAT;
        let pause = if is_early { SOON } else { self.pause.max(cost * SHARE).min(LONGEST) };
        self.pause = (self.pause * 2).min(LONGEST);
        Some(Instant::now() + pause)
    }

    /// For how long looking has held up lockers so far.
    fn stalled(&self) -> Duration {
        self.inspector.as_ref().map_or(Duration::ZERO, Inspector::stalled)
    }

    fn look(&mut self) -> Sight {
        match self.try_look() {
            Ok(sight) => sight,
            Err(error) => {
                Sight { lock: None, position: None, circle: None, blind: Some(error.to_string()) }
            }
        }
    }

    fn try_look(&mut self) -> Result<Sight, Error> {
        let place = self.place();
        let inspector = match &mut self.inspector {
            Some(inspector) => inspector,
            none => {
                let mut inspector = Inspector::new()?;
                let path = place.path.clone();
                let target = match place.mechanism {
                    Some(_) => Target::Path(path),
                    None => Target::Family { family: place.family, path },
                };
                inspector.expect_at(&[target], Folders::Themselves);
                // Without it, less is said of since when.
                let _ = inspector.recall(&mut Memory::usual());
                none.insert(inspector)
            }
        };
        let mut snapshot = inspector.snapshot()?;
        let circle = if self.watch.insists {
            None
        } else {
            manners::check(&snapshot, &place, &self.watch.want, self.since.elapsed())
        };
        let thread = self.watch.thread;
        let us = |lock: &Lock| {
            let mut waiters = lock.waiters.iter();
            let us = waiters.find(|waiter| waiter.tid.is_some() && waiter.tid == thread);
            us.map(|us| us.position)
        };
        // Where several are in the way, we wait for one.
        let mut locks = snapshot.locks.iter();
        let at = locks.position(|lock| us(lock).is_some());
        let at = at.or_else(|| snapshot.locks.iter().position(|lock| place.meets(lock)));
        let lock = at.map(|at| Box::new(snapshot.locks.swap_remove(at)));
        let position = lock.as_deref().and_then(us).flatten();
        Ok(Sight { lock, position, circle, blind: None })
    }
}
