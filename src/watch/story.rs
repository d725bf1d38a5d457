//! One story of two: what looks prove, and what the kernel has told meanwhile.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::inspect::{Selection, Traced};
use crate::model::{Event, EventKind, How, Lock, LockId, Mechanism, Snapshot};

/// Remembers the look before.
#[derive(Debug, Default)]
pub(super) struct Story {
    last: Option<Arc<Snapshot>>,
}

impl Story {
    /// Joins what two looks prove with what was traced between them, in order. What the trace tells
    /// from beginning to end is left to it; everything else is the looks'.
    pub(super) fn join(
        &mut self,
        mut by_looks: Vec<Event>,
        traced: Traced,
        selection: &Selection,
        now: &Arc<Snapshot>,
    ) -> Vec<Event> {
        let last = self.last.replace(Arc::clone(now));
        if traced.since.is_none() && traced.events.is_empty() {
            return by_looks;
        }
        let began = last.as_ref().map(|last| last.at.uptime.saturating_sub(last.cost));
        let mechanisms = Mechanisms::of(last.as_deref().into_iter().chain([&**now]), &by_looks);
        by_looks.retain(|event| {
            let then = event.not_before.map(|then| then.uptime).or(began).unwrap_or_default();
            let mechanism = mechanisms.of_lock(&event.id);
            !mechanism.is_some_and(|mechanism| traced.tells(event.kind, mechanism, then))
        });
        let mut told = traced.events;
        told.retain(|event| selection.covers(event));
        queued_once(&mut told, last.as_deref());
        for event in &mut by_looks {
            sharpen(event, &mut told);
        }
        by_looks.extend(told);
        by_looks.sort_by_key(|event| event.at);
        by_looks
    }
}

/// The kernel wakes those who wait when others do not get out of their way after all, and they queue
/// anew: whoever was seen to wait before has waited all along.
fn queued_once(told: &mut Vec<Event>, last: Option<&Snapshot>) {
    let mut acted = HashSet::new();
    told.retain(|event| {
        let is_first = acted.insert((event.id.clone(), event.pid));
        let waits = |lock: &Lock| {
            let queued = lock.waiters.iter().filter(|waiter| waiter.how == How::Kernel);
            let mut pids = queued.map(|waiter| waiter.process.pid);
            event.pid.is_some() && pids.any(|pid| pid == event.pid)
        };
        let waited = || last.and_then(|last| last.lock(&event.id)).is_some_and(waits);
        !(event.kind == EventKind::Queued && is_first && waited())
    });
}

/// Who was made to let go has let go: that is one event, with the time of the one and the words of the
/// other.
fn sharpen(event: &mut Event, told: &mut Vec<Event>) {
    if !matches!(event.kind, EventKind::Forced | EventKind::Lost) {
        return;
    }
    let from = event.not_before.map_or(Duration::ZERO, |then| then.uptime);
    let place = told.iter().position(|other| {
        other.kind == EventKind::Released
            && other.id.is_of_same(&event.id)
            && (from..=event.at.uptime).contains(&other.at.uptime)
    });
    if let Some(place) = place {
        let release = told.remove(place);
        (event.at, event.not_before) = (release.at, release.not_before);
        event.duration = release.duration.or(event.duration.take());
        event.evidence = release.evidence;
    }
}

/// What makes the locks of events exclusive.
struct Mechanisms(HashMap<LockId, Mechanism>);

impl Mechanisms {
    fn of<'a>(looks: impl Iterator<Item = &'a Snapshot>, events: &[Event]) -> Self {
        if events.is_empty() {
            return Self(HashMap::new());
        }
        let shown = looks.flat_map(|look| &look.locks);
        Self(shown.map(|lock| (lock.id.clone(), lock.mechanism)).collect())
    }

    fn of_lock(&self, id: &LockId) -> Option<Mechanism> {
        let named = || Mechanism::ALL.into_iter().find(|of| of.word() == id.family());
        self.0.get(id).copied().or_else(named)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::{Device, Evidence, FileId, Moment, Range};

    fn moment(second: u64) -> Moment {
        let wall = Timestamp::from_second(second as i64).unwrap();
        Moment { wall, uptime: Duration::from_secs(second) }
    }

    fn event(kind: EventKind, mechanism: &str, from: u64, at: u64) -> Event {
        let file = FileId { device: Device { major: 8, minor: 1 }, inode: 5 };
        Event {
            kind,
            at: moment(at),
            not_before: Some(moment(from)),
            id: LockId::of_file(mechanism, file, Range::WHOLE),
            path: None,
            pid: Some(7),
            command: None,
            duration: None,
            verdicts: None,
            remark: None,
            evidence: vec![if from == at { Evidence::Traced } else { Evidence::Observed }],
        }
    }

    fn joined(by_looks: Vec<Event>, events: Vec<Event>, since: Option<u64>) -> Vec<String> {
        let traced = Traced { events, since: since.map(Duration::from_secs) };
        let now = Arc::new(crate::diagnose::diagnose(crate::model::Facts {
            host: crate::model::Host { name: "here".into(), boot_id: None },
            at: moment(100),
            cost: Duration::ZERO,
            complete: true,
            at_once: true,
            retaken: Vec::new(),
            notes: Vec::new(),
            locks: Vec::new(),
            processes: std::collections::BTreeMap::default(),
            awaited: std::collections::BTreeMap::default(),
        }));
        let story = Story::default().join(by_looks, traced, &Selection::all(), &now);
        let words = story.iter().map(|event| {
            let (from, at) = (event.not_before.unwrap().uptime, event.at.uptime);
            format!("{} {} {}-{}", event.kind, event.id.family(), from.as_secs(), at.as_secs())
        });
        words.collect()
    }

    #[test]
    fn what_is_traced_is_told_once() {
        let by_looks = vec![
            event(EventKind::Released, "flock", 10, 20),
            event(EventKind::Released, "lease", 10, 20),
            event(EventKind::VerdictChanged, "flock", 10, 20),
        ];
        let traced = vec![event(EventKind::Released, "flock", 15, 15)];
        let story = joined(by_looks.clone(), traced, Some(5));
        assert_eq!(
            story,
            ["released flock 15-15", "released lease 10-20", "verdict-changed flock 10-20"]
        );
        assert_eq!(joined(by_looks, Vec::new(), None).len(), 3);
    }

    #[test]
    fn what_was_before_the_trace_is_told_by_looks() {
        let by_looks = vec![event(EventKind::Released, "flock", 10, 20)];
        assert_eq!(joined(by_looks, Vec::new(), Some(15)), ["released flock 10-20"]);
    }

    #[test]
    fn a_release_by_force_is_one_event() {
        let by_looks = vec![event(EventKind::Forced, "flock", 10, 20)];
        let traced = vec![event(EventKind::Released, "flock", 15, 15)];
        assert_eq!(joined(by_looks, traced, Some(5)), ["forced flock 15-15"]);
    }
}
