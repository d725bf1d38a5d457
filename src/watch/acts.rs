//! What was released by force, as the audit logs tell that this user may read.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::events::Act;
use crate::model::{LockId, Pid};
use crate::release::{AuditLog, Entry, Stage};

/// An act of which no end is written down was cut short, and is long over.
const LONGEST: Duration = Duration::from_mins(1);

/// The acts of late.
#[derive(Debug, Default)]
pub(super) struct Acts {
    logs: Vec<Log>,
}

#[derive(Debug)]
struct Log {
    audit: AuditLog,
    /// Its length and when it was written, at the last reading.
    read: Option<(u64, SystemTime)>,
    acts: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    lock: LockId,
    begun: Timestamp,
    ended: Option<Timestamp>,
    act: Act,
}

impl Acts {
    /// Those that our own log and the administrator's tell of.
    pub(super) fn usual() -> Self {
        let mut logs: Vec<AuditLog> = AuditLog::usual().into_iter().collect();
        let root = AuditLog::of_root();
        if logs.iter().all(|log| log.path() != root.path()) {
            logs.push(root);
        }
        let log = |audit| Log { audit, read: None, acts: Vec::new() };
        Self { logs: logs.into_iter().map(log).collect() }
    }

    /// The acts on a lock at some time between these.
    pub(super) fn on(&mut self, lock: &LockId, from: Timestamp, until: Timestamp) -> Vec<Act> {
        self.logs.iter_mut().for_each(Log::refresh);
        let acts = self.logs.iter().flat_map(|log| &log.acts);
        let at_that_time = acts.filter(|act| act.lock == *lock && act.overlaps(from, until));
        at_that_time.map(|act| act.act.clone()).collect()
    }
}

impl Known {
    fn overlaps(&self, from: Timestamp, until: Timestamp) -> bool {
        let ended = self.ended.or_else(|| self.begun.checked_add(LONGEST).ok());
        self.begun <= until && ended.is_none_or(|ended| ended >= from)
    }
}

impl Log {
    /// Reads it again if something was written. One that cannot be read tells nothing: then a
    /// release is a release, by whomever.
    fn refresh(&mut self) {
        let state = state_of(self.audit.path());
        if state.is_some() && state != self.read {
            self.read = state;
            self.acts = self.audit.recent().map(|entries| acts(&entries)).unwrap_or_default();
        }
    }
}

fn state_of(path: &Path) -> Option<(u64, SystemTime)> {
    let found = std::fs::symlink_metadata(path).ok()?;
    Some((found.len(), found.modified().ok()?))
}

/// What was carried out, or may have been.
fn acts(entries: &[Entry]) -> Vec<Known> {
    let mut ends: HashMap<&str, &Entry> = HashMap::new();
    for entry in entries.iter().filter(|entry| entry.stage != Stage::Begun) {
        ends.insert(&entry.act, entry);
    }
    let begun = entries.iter().filter(|entry| entry.stage == Stage::Begun);
    let known = begun.filter_map(|entry| {
        let end = ends.get(entry.act.as_str());
        if end.is_some_and(|end| end.stage != Stage::Done) {
            return None;
        }
        let victims = entry.plan["victims"].as_array().map_or(&[][..], Vec::as_slice);
        let pids = victims.iter().filter_map(|victim| Pid::try_from(victim["pid"].as_i64()?).ok());
        Some(Known {
            lock: LockId::from_text(entry.plan["lock"].as_str()?),
            begun: entry.at,
            ended: end.map(|end| end.at),
            act: Act {
                method: entry.plan["method"].as_str()?.parse().ok()?,
                uid: entry.by.uid,
                victims: pids.collect(),
            },
        })
    });
    known.collect()
}
