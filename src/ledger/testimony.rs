//! What was told of locks while nobody looked: by whoever is told of each change at its instant.

use std::collections::HashMap;
use std::time::Duration;

use crate::model::{Evidence, FileId, LockId, Moment, Pid, Span};

/// What is known of the locks of one look besides what it showed. Moments are times since boot.
#[derive(Debug, Default)]
pub(crate) struct Testimony {
    /// Of locks: since when.
    pub(crate) held: HashMap<LockId, Since>,
    /// Of waits, by the file and the thread: since when.
    pub(crate) waiting: HashMap<(FileId, Pid), Duration>,
}

/// Since when a lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Since {
    /// At the latest.
    pub(crate) by: Duration,
    /// At the earliest, where that was told too.
    pub(crate) not_before: Option<Duration>,
}

impl Since {
    /// What that means for how long something has lasted.
    pub(super) fn narrow(self, span: &mut Span, at: Moment) {
        let min = at.uptime.saturating_sub(self.by);
        if let Some(not_before) = self.not_before {
            // Whatever else is known rests on coarser clocks.
            let max = Some(at.uptime.saturating_sub(not_before));
            *span = Span { min, max, evidence: vec![Evidence::Traced] };
        } else {
            span.at_least(min, Evidence::Traced);
        }
    }
}
