//! Snapshots to events: what has happened between two looks, as far as they prove it.
//!
//! What can have happened unseen is not made up: a lock that is there at both looks may have been
//! released and retaken, and of that nothing is told unless it is certain. What a look did not show
//! may only have been missed by it, where the table did not come in one piece: then the next look
//! decides.

mod pairs;
mod parties;
mod telling;
mod waits;
mod window;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::inspect::Selection;
use crate::model::{
    Event, FileId, How, Lock, LockId, Mechanism, Method, Moment, OnDisk, PathBytes, Pid, Process,
    Snapshot, Waiter,
};
use pairs::Pairs;
use telling::{Telling, Turn};
use waits::{Turnover, Wait};

/// What the differ asks where two looks leave something open.
pub(crate) trait Witness {
    /// What a process that a look showed so has done since that moment, as time since boot.
    fn life(&self, process: &Process, since: Duration) -> Life;

    /// What lies at the path of a lock on disk that no look shows any more.
    fn lies_at(&self, path: &PathBytes) -> Lies;

    /// What was done to free a lock by force, at a time within these.
    fn acts_on(&mut self, lock: &LockId, from: Timestamp, until: Timestamp) -> Vec<Act>;
}

/// What became of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// It has ended.
    Gone,
    /// It lives, and none of its threads has run.
    Slept,
    /// It lives, and may have run.
    Lives,
}

/// What lies at a path.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Lies {
    /// Nothing.
    Nothing,
    /// This.
    There(Arc<OnDisk>),
    /// It cannot be told.
    Unknown,
}

/// A release by force, as it was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Act {
    /// By which method.
    pub(crate) method: Method,
    /// By the user of this number.
    pub(crate) uid: Option<u32>,
    /// Whom it touched.
    pub(crate) victims: Vec<Pid>,
}

/// Remembers the look before, and tells what has happened since.
#[derive(Debug, Default)]
pub(crate) struct Chronicle {
    last: Option<Last>,
    /// Locks that the last look did not show, without proving that they were not held.
    missing: HashMap<LockId, Missing>,
    /// Waits that the last look did not show; whoever is being woken is in no queue for a moment.
    missed: Vec<MissedWait>,
    /// Since when locks are judged as they are, where that was seen to begin.
    judged: HashMap<LockId, Since>,
    /// Locks that several had at a time: how old such a lock is does not tell how long one of them has
    /// had it.
    shared: HashSet<LockId>,
    /// When the first look began.
    first: Option<Moment>,
}

/// The look before.
#[derive(Debug)]
struct Last {
    snapshot: Arc<Snapshot>,
    selection: Selection,
    /// What neither it nor the look before it showed was not there at this time since boot.
    absent_at: Option<Duration>,
}

/// When something began: not before `from`, if that is known, and not after `by`; as time since boot.
#[derive(Debug, Clone, Copy)]
struct Since {
    from: Option<Duration>,
    by: Duration,
}

#[derive(Debug)]
struct Missing {
    lock: Lock,
    began: Duration,
    at: Duration,
    wanted: bool,
}

#[derive(Debug)]
struct MissedWait {
    lock: Lock,
    waiter: Waiter,
    began: Duration,
    at: Duration,
    wanted: bool,
}

/// A lock as an earlier look showed it.
#[derive(Debug, Clone, Copy)]
struct Before<'a> {
    lock: &'a Lock,
    /// When that look began, and when it ended, as time since boot.
    began: Duration,
    at: Duration,
}

impl Missing {
    fn before(&self) -> Before<'_> {
        Before { lock: &self.lock, began: self.began, at: self.at }
    }
}

impl MissedWait {
    fn wait(&self) -> Wait<'_> {
        let Self { lock, waiter, began, at, wanted } = self;
        Wait { lock, waiter, began: *began, at: *at, wanted: *wanted, missed: true }
    }
}

/// What locks are on, as far as they keep each other out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    File(FileId),
    Path(PathBytes),
    Id(LockId),
}

impl Place {
    fn of(lock: &Lock) -> Self {
        match (lock.mechanism, &lock.path, lock.table_file) {
            (Mechanism::Exists, Some(path), _) => Self::Path(path.clone()),
            (_, _, Some(file)) => Self::File(file),
            _ => Self::Id(lock.id.clone()),
        }
    }
}

/// When a look began, as time since boot.
fn began(snapshot: &Snapshot) -> Duration {
    snapshot.at.uptime.saturating_sub(snapshot.cost)
}

impl Chronicle {
    /// What has happened since the last look to locks that are, or were then, in the selection, in
    /// order. Of the first look there is nothing to tell.
    pub(crate) fn tell(
        &mut self,
        now: &Arc<Snapshot>,
        selection: &Selection,
        witness: &mut dyn Witness,
    ) -> Vec<Event> {
        let absent_at = if now.at_once {
            Some(began(now))
        } else {
            self.last.as_ref().map(|last| began(&last.snapshot))
        };
        let this = Last { snapshot: Arc::clone(now), selection: selection.clone(), absent_at };
        let Some(last) = self.last.replace(this) else {
            let looked = Moment { uptime: began(now), ..now.at };
            self.first = Some(looked);
            return Vec::new();
        };
        if Arc::ptr_eq(&last.snapshot, now) {
            return Vec::new();
        }
        self.compare(&last, now, selection, witness)
    }

    /// The same for a look that has found that only time has passed: that costs nothing.
    pub(crate) fn pass(
        &mut self,
        now: &Arc<Snapshot>,
        selection: &Selection,
        witness: &mut dyn Witness,
    ) -> Vec<Event> {
        match &mut self.last {
            Some(last) if self.missing.is_empty() && self.missed.is_empty() => {
                last.absent_at = Some(began(now)).filter(|_| now.at_once).or(last.absent_at);
                last.snapshot = Arc::clone(now);
                last.selection = selection.clone();
                Vec::new()
            }
            _ => self.tell(now, selection, witness),
        }
    }

    fn compare(
        &mut self,
        last: &Last,
        now: &Snapshot,
        selection: &Selection,
        witness: &mut dyn Witness,
    ) -> Vec<Event> {
        let missing = std::mem::take(&mut self.missing);
        let missed = std::mem::take(&mut self.missed);
        let pairs = Pairs::of(&last.snapshot, now);
        let seen_before = |lock: &Lock| last.selection.contains(lock);
        let wanted = |lock: &Lock| selection.contains(lock);
        let (began, at) = (began(&last.snapshot), last.snapshot.at.uptime);
        let before = |lock| Before { lock, began, at };

        let mut turns: Vec<Turn<'_>> = Vec::new();
        for (old, new) in pairs.changed {
            turns.push(Turn::between(before(old), new, now, seen_before(old) || wanted(new)));
        }
        for new in pairs.come {
            turns.push(match missing.get(&new.id) {
                Some(old) => Turn::between(old.before(), new, now, old.wanted || wanted(new)),
                None => Turn::arrival(new, wanted(new)),
            });
        }
        let there: HashSet<&LockId> = turns.iter().filter_map(|turn| Some(&turn.now?.id)).collect();
        let seen_last = pairs.gone.into_iter().map(|old| (before(old), seen_before(old), false));
        let seen_earlier = missing
            .values()
            .filter(|old| !there.contains(&old.lock.id))
            .map(|old| (old.before(), old.wanted, true));
        let mut departed = Vec::new();
        for (old, is_wanted, is_missing) in seen_last.chain(seen_earlier) {
            let Before { lock, began, at } = old;
            let is_gone = is_gone(lock, now, is_missing, witness).or_else(|| {
                // Its bytes are locked with others by now.
                parties::is_within_others(lock, now).then_some(false)
            });
            if let Some(is_gone) = is_gone {
                departed.push(&lock.id);
                turns.extend(is_gone.then(|| Turn::departure(old, is_wanted)));
            } else {
                let missing = Missing { lock: lock.clone(), began, at, wanted: is_wanted };
                self.missing.insert(lock.id.clone(), missing);
            }
        }

        let waits_before =
            waits(&last.snapshot, &seen_before).chain(missed.iter().map(MissedWait::wait));
        let turnover = Turnover::between(waits_before.collect(), waits(now, &wanted).collect());

        let locks = turns.iter().flat_map(Turn::locks);
        let shared = locks.filter(|lock| lock.records.len() > 1).map(|lock| lock.id.clone());
        self.shared.extend(shared);
        let mut telling = Telling::new(last, now, self.first, &self.shared, witness);
        telling.of_locks(&turns, &turnover, &mut self.missed);
        telling.of_verdicts(&turns, &mut self.judged);
        let events = telling.end();
        for id in departed {
            self.judged.remove(id);
            self.shared.remove(id);
        }
        events
    }
}

/// All waits that a look shows.
fn waits<'a>(
    snapshot: &'a Snapshot,
    wanted: &'a impl Fn(&Lock) -> bool,
) -> impl Iterator<Item = Wait<'a>> {
    let (began, at) = (began(snapshot), snapshot.at.uptime);
    snapshot.locks.iter().filter(|lock| !lock.waiters.is_empty()).flat_map(move |lock| {
        let wanted = wanted(lock);
        // Whoever tries again and again is seen only while that is traced: its going means nothing.
        let queued = lock.waiters.iter().filter(|waiter| waiter.how != How::Polling);
        queued.map(move |waiter| Wait { lock, waiter, began, at, wanted, missed: false })
    })
}

/// Whether a lock that a look did not show is not held any more; `None`: the next look decides.
fn is_gone(
    lock: &Lock,
    now: &Snapshot,
    is_missing: bool,
    witness: &mut dyn Witness,
) -> Option<bool> {
    let (Some(before), Some(path)) = (&lock.on_disk, &lock.path) else {
        return (now.at_once || is_missing).then_some(true);
    };
    match witness.lies_at(path) {
        Lies::Nothing => Some(true),
        Lies::There(there) => Some(there.file != before.file || there.birth != before.birth),
        // What cannot be looked at any more has not ended.
        Lies::Unknown => Some(false),
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;
