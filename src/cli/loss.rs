//! Whether a lock that was ours is ours no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use locktop::acquire::Guard;
use locktop::command;

/// What is said of it.
pub(crate) const LOCK_LOST: &str = "lock lost";

/// Learns when one of several locks is lost, and then has a wait for signals end.
pub(crate) struct Loss(Arc<AtomicBool>);

impl Loss {
    /// Watches those that can be lost.
    pub(crate) fn watch(guards: &[Guard]) -> Self {
        let lost = Arc::new(AtomicBool::new(false));
        for guard in guards {
            let lost = Arc::clone(&lost);
            guard.on_lost(move || {
                lost.store(true, Ordering::Release);
                command::nudge();
            });
        }
        Self(lost)
    }

    /// Whether that has happened.
    pub(crate) fn is_known(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
