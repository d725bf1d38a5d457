//! Locks that were held before the trace began: looks tell of their end, and the trace when it was.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::machine::{Machine, Transition, Unlock};
use super::telling::{Index, Told, covers};
use super::{Shared, Trace, lock};
use crate::model::{
    Event, EventKind, Evidence, FileId, Lock, LockId, Mechanism, PathBytes, Pid, Range, Snapshot,
    Span,
};

/// What the last look showed.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// Of locks whose taking was not traced.
    untraced: HashMap<LockId, Untraced>,
    last: Option<Arc<Snapshot>>,
    /// When that look began.
    began: Duration,
}

#[derive(Debug, Clone)]
struct Untraced {
    file: FileId,
    mechanism: Mechanism,
    range: Range,
    /// Who has it, the one first whom the kernel names.
    pids: Vec<Pid>,
    command: Option<Arc<str>>,
    path: Option<PathBytes>,
    age: Span,
    seen: Duration,
}

impl Untraced {
    fn of(lock: &Lock, at: Duration) -> Option<Self> {
        let holder = lock.holders.first();
        let command = holder.and_then(|holder| holder.process.command.as_deref());
        let holders = lock.holders.iter().filter_map(|holder| holder.process.pid);
        Some(Self {
            file: lock.table_file?,
            mechanism: lock.mechanism,
            range: lock.range?,
            pids: lock.recorded_pid.into_iter().chain(holders).collect(),
            command: command.map(Into::into),
            path: lock.path.clone(),
            age: lock.age.clone(),
            seen: at,
        })
    }

    /// Its end, between two moments; sharper where the trace knows of unlocking, by whomever, in its
    /// file.
    fn released(&self, unlocks: &[Unlock], began: Duration, at: Duration) -> Told {
        let is_it = |unlock: &&Unlock| {
            let by = unlock.pid.unwrap_or(unlock.tid);
            unlock.at >= began && (self.pids.is_empty() || self.pids.contains(&by))
        };
        let mut fitting: Vec<&Unlock> = unlocks.iter().filter(is_it).collect();
        fitting.sort_by_key(|unlock| unlock.at);
        let (not_before, at, evidence) = match (fitting.first(), fitting.last()) {
            (Some(first), Some(last)) => (first.at, last.at, Evidence::Traced),
            _ => (began, at, Evidence::Observed),
        };
        let by = match fitting[..] {
            [only] => Some(only.pid.unwrap_or(only.tid)),
            _ => self.pids.first().copied(),
        };
        let min = self.age.min + not_before.saturating_sub(self.seen);
        let max = self.age.max.map(|max| max + at.saturating_sub(self.seen));
        let transition = Transition {
            kind: EventKind::Released,
            at,
            not_before,
            file: self.file,
            mechanism: self.mechanism,
            range: self.range,
            tid: by.unwrap_or_default(),
            pid: by,
            lasted: None,
        };
        let lasted = Span { min, max, evidence: self.age.evidence.clone() };
        Told::new(transition, self.command.clone(), self.path.clone(), evidence).lasted(lasted)
    }
}

impl Trace {
    /// What has happened since it was asked last, in order. `snapshot` is a look that was made just now
    /// and began at `began`; `whole`: what it does not show was not there.
    pub(crate) fn take(
        &mut self,
        snapshot: &Arc<Snapshot>,
        began: Duration,
        whole: bool,
    ) -> Vec<Event> {
        let mut shared = lock(&self.shared);
        let shared = &mut *shared;
        let now = snapshot.at;
        let shown = Index::of(snapshot);
        let last = self.past.last.take();
        let before = last.as_deref().map(Index::of).unwrap_or_default();
        if whole {
            shared.find_who_gave_up(snapshot, began);
            self.past.find_released(shared, snapshot, &shown);
        }
        self.past.note_untraced(&shared.machine, snapshot, whole);
        shared.onlooker.learn(snapshot);
        shared.machine.looked(began);
        let mut told = std::mem::take(&mut shared.told);
        told.sort_by_key(|told| told.transition.at);
        let event = |told: Told| told.event(now, [&shown, &before], &shared.onlooker);
        let events = told.into_iter().map(event).collect();
        self.past.last = Some(Arc::clone(snapshot));
        self.past.began = began;
        events
    }
}

impl Shared {
    fn find_who_gave_up(&mut self, snapshot: &Snapshot, began: Duration) {
        let waiters = || snapshot.locks.iter().flat_map(|lock| &lock.waiters);
        let tids: HashSet<Pid> = waiters().filter_map(|waiter| waiter.tid).collect();
        let pids: HashSet<Pid> = waiters()
            .filter(|waiter| waiter.tid.is_none())
            .filter_map(|waiter| waiter.process.pid)
            .collect();
        // Who waits, and cannot be told by his number, may be anybody.
        let is_anybody = waiters().any(|waiter| waiter.process.pid.is_none());
        let system = &self.onlooker.system;
        let is_shown = |tid: Pid| {
            let of = || system.process_of(tid).is_some_and(|pid| pids.contains(&pid));
            is_anybody || tids.contains(&tid) || !pids.is_empty() && of()
        };
        let gone = self.machine.seen_waiting(began, snapshot.at.uptime, &is_shown);
        for transition in gone {
            let told = self.onlooker.tell(transition);
            self.told.push(Told { evidence: Evidence::Observed, ..told });
        }
    }
}

impl Past {
    fn find_released(&mut self, shared: &mut Shared, snapshot: &Snapshot, shown: &Index<'_>) {
        let is_gone = |was: &&Untraced| !shown.has(was.file, was.mechanism, was.range);
        let gone: Vec<&Untraced> = self.untraced.values().filter(is_gone).collect();
        if gone.is_empty() {
            return;
        }
        let mut of_file: HashMap<FileId, Vec<&Lock>> = HashMap::new();
        for lock in &snapshot.locks {
            if let Some(file) = lock.table_file {
                of_file.entry(file).or_default().push(lock);
            }
        }
        for was in gone {
            let there = of_file.get(&was.file).map_or(&[][..], Vec::as_slice);
            if !is_other_part(was, there) {
                let unlocks =
                    shared.machine.unlocks_seen(was.file, was.mechanism == Mechanism::Flock);
                shared.told.push(was.released(unlocks, self.began, snapshot.at.uptime));
            }
        }
    }

    fn note_untraced(&mut self, machine: &Machine, snapshot: &Snapshot, whole: bool) {
        let before = std::mem::take(&mut self.untraced);
        let is_untraced = |lock: &&Lock| {
            let key = lock.table_file.zip(lock.range);
            let key = key.filter(|_| covers(lock.mechanism));
            key.is_some_and(|(file, range)| !machine.knows(file, lock.mechanism, range))
        };
        for lock in snapshot.locks.iter().filter(is_untraced) {
            if let Some(of) = Untraced::of(lock, snapshot.at.uptime) {
                self.untraced.insert(lock.id.clone(), of);
            }
        }
        if !whole {
            // What a look in pieces did not show may be there all the same.
            for (id, of) in before {
                self.untraced.entry(id).or_insert(of);
            }
        }
    }
}

/// Whether some of its bytes are still held, by what is locked in its file: then it was not released, but is another one by now.
fn is_other_part(was: &Untraced, there: &[&Lock]) -> bool {
    let is_of_bytes = matches!(was.mechanism, Mechanism::Posix | Mechanism::Ofd);
    is_of_bytes
        && there.iter().any(|lock| {
            lock.mechanism == was.mechanism
                && lock.range.is_some_and(|range| range.overlaps(&was.range))
                && lock
                    .holders
                    .iter()
                    .any(|by| by.process.pid.is_some_and(|pid| was.pids.contains(&pid)))
        })
}

impl Told {
    /// With what is known of how long it was held.
    fn lasted(self, lasted: Span) -> Self {
        Self { span: Some(lasted), ..self }
    }
}
