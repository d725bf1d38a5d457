//! Chains of waiting.

use std::time::Duration;

use serde::Serialize;

use super::Span;

/// All who wait behind a lock: for it, for what those who wait for it hold, and so on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Behind {
    /// How many they are, each process once; requests of whom nobody knows count one each.
    pub waiters: usize,
    /// For how long they wait in all, each process as long as its longest wait.
    pub waited: Span,
    /// Whether the chains end here: nobody who has the lock was seen to wait for another.
    pub root: bool,
}

impl Behind {
    /// Lets so much time pass: each has waited that bit longer.
    pub fn pass(&mut self, time: Duration) {
        let waiters = u32::try_from(self.waiters).unwrap_or(u32::MAX);
        self.waited.pass(time.saturating_mul(waiters));
    }
}
