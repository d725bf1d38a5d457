//! What happens to locks: the lines of `watch`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::{LockId, Moment, PathBytes, Pid, Span, Verdict, harmless};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// Somebody took a lock without waiting, or it is not known that it waited.
    Acquired,
    /// Somebody began to wait.
    Queued,
    /// Somebody who waited has got it.
    Granted,
    /// Somebody has let go.
    Released,
    /// Somebody waits no longer, and has not got it.
    GaveUp,
    /// It was force-released.
    Forced,
    /// The judgement on the lock is another one.
    VerdictChanged,
    /// Its holder has lost it without letting go: a lease ran out or was revoked, a file was removed.
    Lost,
}

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Acquired,
        Self::Queued,
        Self::Granted,
        Self::Released,
        Self::GaveUp,
        Self::Forced,
        Self::VerdictChanged,
        Self::Lost,
    ];

    /// The word as in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Acquired => "acquired",
            Self::Queued => "queued",
            Self::Granted => "granted",
            Self::Released => "released",
            Self::GaveUp => "gave-up",
            Self::Forced => "forced",
            Self::VerdictChanged => "verdict-changed",
            Self::Lost => "lost",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Something that happened to a lock.
///
/// Between two looks it is only known that it happened, not when: then `not_before` and `at` are the
/// two looks. What was traced, or what a file tells, has one instant, and both are that.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// When, at the latest.
    pub at: Moment,
    /// When, at the earliest; unknown where no look came before.
    pub not_before: Option<Moment>,
    /// The lock.
    pub id: LockId,
    /// The file, if it is one and known.
    pub path: Option<PathBytes>,
    /// Who did it, or whom it befell.
    pub pid: Option<Pid>,
    /// Its command name: make it harmless to print.
    pub command: Option<Arc<str>>,
    /// What has ended with it: how long it was held (`released`, `lost`, `forced`), waited for
    /// (`granted`, `gave-up`), or judged as before (`verdict-changed`).
    pub duration: Option<Span>,
    /// The verdict before and after, where that is what changed.
    pub verdicts: Option<(Verdict, Verdict)>,
    /// What else is to be said: a sentence without its full stop, harmless to print.
    pub remark: Option<String>,
    /// What it rests on: [`Traced`](super::Evidence::Traced), [`Observed`](super::Evidence::Observed)
    /// between two looks, or what the file tells.
    pub evidence: Vec<super::Evidence>,
}

impl Event {
    /// The version of the JSON document.
    pub const SCHEMA: u32 = 1;

    /// What happened within so short a time has one moment for a person.
    const INSTANT: Duration = Duration::from_millis(50);

    /// Whether its moment is known well enough to be printed as one.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.uncertainty().is_some_and(|time| time <= Self::INSTANT)
    }

    /// How far apart the moments are between which it happened, if both are known.
    #[must_use]
    pub fn uncertainty(&self) -> Option<Duration> {
        let from = self.not_before?;
        Some(self.at.uptime.saturating_sub(from.uptime))
    }

    /// What is to be said beside what happened to which lock, and who it was: how long it took, what
    /// has changed, and the remark. Harmless to print; empty where there is nothing.
    #[must_use]
    pub fn story(&self) -> String {
        let duration = self.duration.as_ref().and_then(Span::sentence);
        let first = match (self.kind, self.verdicts, duration) {
            (_, Some((before, now)), None) => Some(format!("{} to {}", before.word(), now.word())),
            (_, Some((before, now)), Some(time)) => {
                Some(format!("{} to {}, after {time}", before.word(), now.word()))
            }
            (_, None, None) => None,
            (EventKind::Granted | EventKind::GaveUp, None, Some(time)) => {
                Some(format!("waited {time}"))
            }
            (_, None, Some(time)) => Some(format!("held {time}")),
        };
        let remark = self.remark.as_deref().map(|remark| harmless(remark).into_owned());
        let parts: Vec<String> = first.into_iter().chain(remark).collect();
        parts.join("; ")
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut event = serializer.serialize_struct("Event", 14)?;
        event.serialize_field("schema", &Self::SCHEMA)?;
        event.serialize_field("at", &self.at.wall)?;
        event.serialize_field("not_before", &self.not_before.map(|at| at.wall))?;
        event.serialize_field("event", self.kind.word())?;
        event.serialize_field("id", &self.id)?;
        event.serialize_field("path", &self.path)?;
        event.serialize_field("path_base64", &self.path.as_ref().and_then(PathBytes::base64))?;
        event.serialize_field("pid", &self.pid)?;
        event.serialize_field("command", &self.command.as_deref())?;
        event.serialize_field("duration", &self.duration)?;
        event.serialize_field("verdict", &self.verdicts.map(|(_, now)| now))?;
        event.serialize_field("verdict_before", &self.verdicts.map(|(before, _)| before))?;
        event.serialize_field("remark", &self.remark)?;
        event.serialize_field("evidence", &self.evidence)?;
        event.end()
    }
}
