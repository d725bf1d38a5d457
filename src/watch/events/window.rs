//! When, who, and for how long: what events are made of.

use std::sync::Arc;
use std::time::Duration;

use super::parties::Party;
use crate::model::{Evidence, Pid, Process, Span};

/// Between which moments something happened, as time since boot, and how that is known.
#[derive(Debug, Clone)]
pub(super) struct Window {
    pub(super) from: Option<Duration>,
    pub(super) to: Duration,
    pub(super) evidence: Vec<Evidence>,
}

/// Whom an event is about.
#[derive(Debug, Default)]
pub(super) struct Who {
    pub(super) pid: Option<Pid>,
    pub(super) command: Option<Arc<str>>,
}

impl Window {
    /// Something that has lasted so long began in between.
    pub(super) fn narrow(&mut self, lasted: &Span, now: Duration) {
        let is_bound =
            |evidence: &&Evidence| !matches!(evidence, Evidence::Seen(_) | Evidence::Observed);
        let to = now.saturating_sub(lasted.min);
        let from = lasted.max.map(|max| now.saturating_sub(max));
        if to < self.to || from > self.from {
            self.evidence.extend(lasted.evidence.iter().filter(is_bound));
        }
        self.to = self.to.min(to);
        self.from = self.from.max(from);
    }
}

impl Who {
    pub(super) fn of(process: &Process) -> Self {
        Self { pid: process.pid, command: process.command.as_deref().map(Arc::from) }
    }

    pub(super) fn of_party(party: &Party<'_>) -> Self {
        let command = party.spokesman().and_then(|process| process.command.as_deref());
        Self { pid: party.pid(), command: command.map(Arc::from) }
    }
}

/// How long something lasted that a look showed, which began and ended then, and that was over by
/// `to` at the latest: it may have ended while that look was under way.
pub(super) fn lasted(seen: &Span, began: Duration, at: Duration, to: Duration) -> Span {
    let mut span = Span {
        min: seen.min.saturating_sub(at.saturating_sub(began)),
        max: seen.max.map(|max| max + to.saturating_sub(at)),
        evidence: seen.evidence.clone(),
    };
    span.note(Evidence::Observed);
    span
}
