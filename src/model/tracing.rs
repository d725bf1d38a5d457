//! Whether and how locks are traced.

use std::time::Duration;

use super::{Moment, Note};

/// The state of tracing: of the kernel telling each request, grant and release at its instant.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tracing {
    /// Since when, if locks are traced.
    pub since: Option<Moment>,
    /// Since when nothing has been missed: `since`, unless events were lost.
    pub unbroken_since: Option<Moment>,
    /// How many events the kernel has told.
    pub events: u64,
    /// How many events came too fast and were lost, at least.
    pub lost: u64,
    /// The processor time that reading them has cost so far.
    pub cost: Duration,
    /// Why locks are not traced although that was wanted; or what tracing does without.
    pub declined: Option<Note>,
}

impl Tracing {
    /// Whether locks are traced.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.since.is_some()
    }
}
