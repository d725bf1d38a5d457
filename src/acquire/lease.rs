//! Locks that run out: renewed from a thread of their own, and watched over by another, since a
//! renewal can hang for longer than the lock lives.
//!
//! A lease that may have run out counts as lost, and stays so. It is prolonged from the moment
//! *before* a renewal is asked for, and measured by two clocks, of which one goes on while the
//! machine is suspended.

use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::pending::{Held, Life, Place};
use crate::error::Error;
use crate::system::clock::{Clock, Reading};

/// A lease is renewed when one part in so many of its life is over.
const RENEWED_AT: u32 = 3;

/// A renewal that failed is tried again after one part in so many of the life, within these bounds.
const AGAIN_AT: u32 = 30;
const SOONEST_AGAIN: Duration = Duration::from_millis(10);
const LATEST_AGAIN: Duration = Duration::from_secs(1);

/// A lock of ours that runs out unless it is renewed.
#[derive(Debug)]
pub(super) struct Leased {
    orders: Sender<Order>,
    fate: Arc<Fate>,
    fencing: Option<String>,
}

/// What is to become of the lock.
#[derive(Debug)]
enum Order {
    /// Give it back, and say how that went.
    GiveBack(Sender<Result<(), Error>>),
    /// Leave it.
    Leave,
}

impl Leased {
    /// Begins to renew it. `held` is given back when the threads for that cannot be started.
    ///
    /// # Errors
    /// Only then.
    pub(super) fn new(
        held: Box<dyn Held>,
        life: Life,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let fencing = held.fencing();
        let fate = Arc::new(Fate::new(&held.place(), life, clock));
        let (orders, receiver) = channel();
        let watched = Arc::clone(&fate);
        let watch = move || watched.watch();
        let kept = Arc::clone(&fate);
        let keep = move || Keeper { held, fate: kept }.keep(&receiver);
        // What a thread that is not started was to own is dropped, and so given back.
        let started = spawn("lease watch", watch).and_then(|()| spawn("lease", keep));
        if let Err(error) = started {
            fate.close();
            let name = &fate.name;
            return Err(Error::unreachable(format!(
                "cannot start a thread to renew {name}: {error}"
            )));
        }
        Ok(Self { orders, fate, fencing })
    }

    pub(super) fn fencing(&self) -> Option<String> {
        self.fencing.clone()
    }

    pub(super) fn is_lost(&self) -> bool {
        self.fate.is_lost()
    }

    /// At once if it is lost already; never if it was given back before.
    pub(super) fn on_lost(&self, tell: impl FnOnce() + Send + 'static) {
        self.fate.on_lost(Box::new(tell));
    }

    /// Waits for a renewal that is under way.
    ///
    /// # Errors
    /// `is_lost` when it had been lost: what was left of it has been given back all the same.
    pub(super) fn give_back(self) -> Result<(), Error> {
        let (reply, answer) = channel();
        let given = match self.orders.send(Order::GiveBack(reply)) {
            Ok(()) => answer.recv().ok(),
            Err(_) => None,
        };
        match (self.fate.lost(), given) {
            (Some(why), _) => Err(Error::lost(why)),
            (None, Some(given)) => given,
            (None, None) => {
                let name = &self.fate.name;
                Err(Error::unreachable(format!("the thread that renewed {name} broke off")))
            }
        }
    }

    /// It runs out by itself.
    pub(super) fn leave(self) {
        // Where nobody listens any more, nobody renews it either.
        let _ = self.orders.send(Order::Leave);
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    thread::Builder::new().name(name.into()).spawn(work).map(drop)
}

/// Owns the lock, and renews it.
struct Keeper {
    held: Box<dyn Held>,
    fate: Arc<Fate>,
}

impl Keeper {
    fn keep(mut self, orders: &Receiver<Order>) {
        loop {
            let order = match self.fate.until_due() {
                Some(Duration::ZERO) => {
                    self.renew();
                    continue;
                }
                Some(pause) => orders.recv_timeout(pause.min(self.fate.clock.beat())),
                None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match order {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Order::GiveBack(reply)) => {
                    self.fate.close();
                    let _ = reply.send(self.held.give_back());
                    return;
                }
                Ok(Order::Leave) => {
                    self.fate.close();
                    self.held.leave();
                    return;
                }
                Err(RecvTimeoutError::Disconnected) => {
                    self.fate.close();
                    return;
                }
            }
        }
    }

    fn renew(&mut self) {
        let from = self.fate.clock.now();
        match self.held.renew() {
            Ok(life) => self.fate.prolong(from, life),
            Err(error) if error.is_gone() => self.fate.lose(&error.to_string()),
            Err(error) => self.fate.failed(&error),
        }
    }
}

/// What becomes of a lease, as all who have to do with it see it.
struct Fate {
    name: String,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// `None`: it does not run out any more.
    term: Option<Term>,
    /// Why it is lost, once it is.
    lost: Option<String>,
    /// Why the last renewal failed, if it did.
    trouble: Option<String>,
    /// Whom to tell when it is lost.
    tell: Vec<Box<dyn FnOnce() + Send>>,
    /// Nobody has it any more.
    is_over: bool,
}

/// One life of a lease.
#[derive(Debug, Clone, Copy)]
struct Term {
    from: Reading,
    life: Duration,
    /// For how long it is left alone.
    rest: Duration,
}

impl Term {
    fn new(from: Reading, Life(life): Life) -> Self {
        Self { from, life, rest: life / RENEWED_AT }
    }

    /// How much of it is over: all of it, where that cannot be told.
    fn spent(&self, now: Reading) -> Duration {
        now.since(self.from).unwrap_or(self.life)
    }

    /// Nothing: it may have run out.
    fn left(&self, now: Reading) -> Duration {
        self.life.saturating_sub(self.spent(now))
    }
}

impl State {
    fn settle(&mut self, name: &str, now: Reading) {
        let ran_out = self.term.is_some_and(|term| term.left(now).is_zero());
        if ran_out && self.lost.is_none() && !self.is_over {
            let why = match &self.trouble {
                Some(trouble) => format!("it could not be renewed: {trouble}"),
                None => "it was not renewed in time, as when the machine was suspended".into(),
            };
            self.lost = Some(format!("{name} may have run out: {why}"));
        }
    }
}

impl Fate {
    fn new(place: &Place, life: Life, clock: Arc<dyn Clock>) -> Self {
        let state = State {
            term: Some(Term::new(clock.now(), life)),
            lost: None,
            trouble: None,
            tell: Vec::new(),
            is_over: false,
        };
        Self { name: place.name(), clock, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Up to date: what has run out is lost.
    fn state(&self) -> MutexGuard<'_, State> {
        // Nobody panics while holding it; if somebody did, the state would still be whole.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.settle(&self.name, self.clock.now());
        state
    }

    fn is_lost(&self) -> bool {
        self.state().lost.is_some()
    }

    fn lost(&self) -> Option<String> {
        self.state().lost.clone()
    }

    fn on_lost(&self, tell: Box<dyn FnOnce() + Send>) {
        let mut state = self.state();
        if state.lost.is_none() {
            state.tell.push(tell);
            return;
        }
        drop(state);
        tell();
    }

    /// How long until it is to be renewed; `None`: it is not any more.
    fn until_due(&self) -> Option<Duration> {
        let state = self.state();
        let term = state.term.filter(|_| state.lost.is_none())?;
        Some(term.rest.saturating_sub(term.spent(self.clock.now())))
    }

    /// What was lost in the meantime stays so.
    fn prolong(&self, from: Reading, life: Option<Life>) {
        let mut state = self.state();
        if state.lost.is_none() {
            state.term = life.map(|life| Term::new(from, life));
            state.trouble = None;
        }
    }

    /// A renewal that failed is tried again soon.
    fn failed(&self, error: &Error) {
        let mut state = self.state();
        state.trouble = Some(error.to_string());
        let now = self.clock.now();
        if let Some(term) = &mut state.term {
            let again = (term.life / AGAIN_AT).clamp(SOONEST_AGAIN, LATEST_AGAIN);
            term.rest = term.spent(now) + again;
        }
    }

    fn lose(&self, why: &str) {
        let mut state = self.state();
        let text = format!("{} is ours no more: {why}", self.name);
        state.lost.get_or_insert(text);
        self.changed.notify_all();
    }

    /// From now on it can no longer be lost.
    fn close(&self) {
        self.state().is_over = true;
        self.changed.notify_all();
    }

    /// Tells of its loss, however long a renewal takes.
    fn watch(&self) {
        let mut state = self.state();
        while state.lost.is_none() && !state.is_over {
            let left = state.term.map(|term| term.left(self.clock.now()));
            let beat = self.clock.beat();
            let pause = left.map_or(beat, |left| left.min(beat));
            let woken = self.changed.wait_timeout(state, pause);
            drop(woken.unwrap_or_else(PoisonError::into_inner));
            state = self.state();
        }
        let tell = std::mem::take(&mut state.tell);
        let is_lost = state.lost.is_some();
        drop(state);
        for tell in tell.into_iter().filter(|_| is_lost) {
            tell();
        }
    }
}

impl fmt::Debug for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fate").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
