//! What `--progress json` prints: an object a line.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::time::Duration;

use jiff::Timestamp;
use locktop::Snapshot;
use locktop::acquire::Waiting;
use locktop::model::{Holder, LockId, Reason, Span, Verdict};
use serde::Serialize;

/// One thing that happened to a wait.
#[derive(Debug, Serialize)]
pub(super) struct Message<'a> {
    schema: u32,
    at: Timestamp,
    event: &'static str,
    /// As the user wrote it.
    target: Cow<'a, str>,
    waited_s: Option<f64>,
    position: Option<u32>,
    ahead: Option<u32>,
    id: Option<&'a LockId>,
    age: Option<&'a Span>,
    verdict: Option<Verdict>,
    why: Option<&'a Reason>,
    /// `null` where nobody has looked, or could.
    holders: Option<&'a [Holder]>,
}

impl<'a> Message<'a> {
    pub(super) fn waiting(target: &'a OsStr, waiting: &'a Waiting) -> Self {
        let lock = waiting.lock.as_deref();
        Self {
            position: waiting.position,
            ahead: waiting.ahead(),
            age: lock.map(|lock| &lock.age),
            verdict: lock.map(|lock| lock.verdict),
            why: lock.and_then(|lock| lock.why.as_ref()),
            holders: lock.map(|lock| &lock.holders[..]),
            ..Self::of("waiting", target, Some(waiting.waited), Some(waiting))
        }
    }

    pub(super) fn replaced(target: &'a OsStr, latest: Option<&'a Waiting>) -> Self {
        Self { id: None, ..Self::of("replaced", target, latest.map(|latest| latest.waited), None) }
    }

    pub(super) fn taken(target: &'a OsStr, waited: Duration, latest: Option<&'a Waiting>) -> Self {
        Self::of("taken", target, Some(waited), latest)
    }

    fn of(
        event: &'static str,
        target: &'a OsStr,
        waited: Option<Duration>,
        latest: Option<&'a Waiting>,
    ) -> Self {
        Self {
            schema: Snapshot::SCHEMA,
            at: Timestamp::now(),
            event,
            target: target.to_string_lossy(),
            waited_s: waited.map(|waited| waited.as_millis() as f64 / 1000.0),
            position: None,
            ahead: None,
            id: latest.and_then(|latest| latest.lock.as_ref()).map(|lock| &lock.id),
            age: None,
            verdict: None,
            why: None,
            holders: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{json, sample};
    use super::*;

    #[test]
    fn a_wait_is_a_line() {
        let waiting = Waiting {
            name: "/run/backup.lock".into(),
            waited: Duration::from_millis(12_345),
            lock: Some(Box::new(sample::orphan())),
            position: Some(3),
            blind: None,
            looked: true,
            changed: false,
        };
        let line = json::line(&Message::waiting("backup.lock".as_ref(), &waiting));
        assert!(!line.contains('\n'));
        let told: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(told["event"], "waiting");
        assert_eq!(told["target"], "backup.lock");
        assert_eq!(told["waited_s"], 12.345);
        assert_eq!((&told["position"], &told["ahead"]), (&3.into(), &2.into()));
        assert_eq!(told["id"], "@flock:fe:00:10010699:~");
        assert_eq!(told["holders"][0]["pid"], 3244);
        assert_eq!(told["verdict"], "orphaned");
    }
}
