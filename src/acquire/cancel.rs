//! Ending a wait from another thread.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Ends waits, from any thread: one for as many as it was given to.
///
/// Clones are the same. Once cancelled it stays so: waits that begin later end at once.
#[derive(Clone, Default)]
pub struct Cancel(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    cancelled: bool,
    listeners: Vec<(u64, Listener)>,
    next: u64,
}

type Listener = Box<dyn Fn() + Send>;

impl Cancel {
    /// One that nobody has cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the waits, now and later. Returns at once; the waits do as soon as they have left their
    /// queues, with an error that [`is_cancelled`](crate::Error::is_cancelled).
    pub fn cancel(&self) {
        let mut state = self.state();
        state.cancelled = true;
        for (_, listener) in &state.listeners {
            listener();
        }
    }

    /// Whether somebody has cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.state().cancelled
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has it called when somebody cancels, at once if somebody has, until the subscription is
    /// dropped. It must not block.
    pub(super) fn subscribe(&self, listener: impl Fn() + Send + 'static) -> Subscription {
        let mut state = self.state();
        if state.cancelled {
            listener();
        }
        let number = state.next;
        state.next += 1;
        state.listeners.push((number, Box::new(listener)));
        drop(state);
        Subscription { cancel: self.clone(), number }
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancel").field(&self.is_cancelled()).finish()
    }
}

/// Until it is dropped, the listener is called.
#[derive(Debug)]
pub(super) struct Subscription {
    cancel: Cancel,
    number: u64,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.cancel.state().listeners.retain(|(number, _)| *number != self.number);
    }
}
