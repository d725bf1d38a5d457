//! How a blocked wait is told to stop, and never misses it.
//!
//! The waiting thread may be inside a system call that only a signal ends, just before it, or just
//! behind it. A signal that comes just before is lost, so the one who stops repeats it until the
//! waiting thread has answered; and since the thread says under a mutex when it goes in and comes
//! out, no signal ever hits a thread that is elsewhere or gone.

use std::time::Duration;

use super::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Says to one waiting thread, once and for good, that it is to stop.
#[derive(Debug)]
pub(crate) struct Stop<T = crate::system::locking::Thread> {
    state: Mutex<State<T>>,
    told: Condvar,
}

#[derive(Debug)]
struct State<T> {
    stopped: bool,
    /// Something has happened for which a pause is to end.
    nudged: bool,
    /// The thread that is inside a system call.
    inside: Option<T>,
}

impl<T> Default for Stop<T> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State { stopped: false, nudged: false, inside: None }),
            told: Condvar::new(),
        }
    }
}

impl<T> Stop<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Nobody panics while holding it; if somebody did, the state would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is time to stop.
    pub(crate) fn is_set(&self) -> bool {
        self.state().stopped
    }

    /// Runs a system call that a signal to `thread`, which is this one, ends early; `None`: it is
    /// time to stop, and the call was not made.
    pub(crate) fn interruptible<R>(&self, thread: T, call: impl FnOnce() -> R) -> Option<R> {
        {
            let mut state = self.state();
            if state.stopped {
                return None;
            }
            state.inside = Some(thread);
        }
        let result = call();
        self.state().inside = None;
        Some(result)
    }

    /// Sleeps for so long, or until it is time to stop, or until there was a [`Stop::nudge`] since
    /// the last pause; whether there was one.
    pub(crate) fn pause(&self, time: Duration) -> bool {
        let mut state = self.state();
        if !state.stopped && !state.nudged {
            let woken = self.told.wait_timeout(state, time);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        std::mem::take(&mut state.nudged)
    }

    /// Ends a pause, or the next one at once.
    pub(crate) fn nudge(&self) {
        self.state().nudged = true;
        self.told.notify_all();
    }

    /// Ends a system call early that the waiting thread is inside, though it is not time to stop.
    /// That can come too early for a call that is about to be made.
    pub(crate) fn interrupt(&self, wake: impl FnOnce(&T)) {
        if let Some(thread) = &self.state().inside {
            wake(thread);
        }
    }

    /// Says that it is time to stop. Again and again, until the waiting thread has answered: `wake`
    /// sends the signal to a thread that is inside a system call.
    pub(crate) fn set(&self, wake: impl FnOnce(&T)) {
        let mut state = self.state();
        state.stopped = true;
        self.told.notify_all();
        if let Some(thread) = &state.inside {
            wake(thread);
        }
    }
}
