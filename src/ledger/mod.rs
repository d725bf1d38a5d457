//! The only memory: what earlier looks prove about how long a lock has been held or waited for.
//!
//! A lock that is there at two looks may have been released and retaken in between. It was not if
//! whoever could have done that did not run, or is not alive. Everything else is counted, not
//! claimed: `seen N times`.

mod continuity;
mod memory;
mod readers;
mod samples;
mod saved;
mod testimony;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMapExt as _;

use crate::model::{
    AsSeen, Evidence, Facts, FileId, Host, How, Kept, Lock, LockFacts, LockId, Look, Mechanism,
    Mode, Moment, Pid, Process, ProcessId, Snapshot, Span,
};
use continuity::{Continuity, Gap, Glimpse, Spot, spot};
pub use memory::Memory;
use readers::Readers;
pub(crate) use samples::Samples;
pub(crate) use testimony::{Since, Testimony};

/// Remembers what looks said.
#[derive(Debug)]
pub(crate) struct Ledger {
    host: Host,
    last: Option<LastLook>,
    held: foldhash::HashMap<LockId, Tenure>,
    waiting: HashMap<WaitKey, Tenure>,
    readers: Readers,
    /// Whether of any lock a gap could not be ruled out.
    any_interrupted: bool,
}

/// When the look before was, and whether what it did not show was not there.
#[derive(Debug, Clone)]
struct LastLook {
    /// As time since boot: its table was read after this.
    began: Duration,
    absence_is_proof: bool,
    /// Whether all processes could be seen.
    complete: bool,
    /// Files for which somebody waited whose thread was not known.
    nameless_waits: HashSet<Option<FileId>>,
}

/// A wait is told from all others by the file, the process with its start, and the thread: which
/// lock of a file is in its way can change while it waits.
type WaitKey = (Option<FileId>, ProcessId, Pid);

/// A time during which something lasted, as far as it is proven. Moments are times since boot.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tenure {
    /// It has lasted without a gap since this moment at the latest.
    since: Duration,
    /// It began after this moment.
    after: Option<Duration>,
    /// When it was seen first.
    first_seen: Duration,
    /// At how many looks it was seen.
    seen: u32,
    /// Whether a gap between two looks could not be ruled out.
    interrupted: bool,
    /// What the last look showed of the lock.
    glimpse: Option<Glimpse>,
}

impl Ledger {
    pub(crate) fn new(host: Host) -> Self {
        Self {
            host,
            last: None,
            held: foldhash::HashMap::default(),
            waiting: HashMap::new(),
            readers: Readers::default(),
            any_interrupted: false,
        }
    }

    /// Enters a look of every source, all made just now, and returns all that is known.
    /// `testimony`: what was told of the same locks meanwhile.
    pub(crate) fn enter(
        &mut self,
        at: Moment,
        mut looks: Vec<Look>,
        testimony: &Testimony,
    ) -> Facts {
        let at = looks.iter().map(|look| look.at).max().unwrap_or(at);
        let began = looks.iter().map(|look| look.at.uptime.saturating_sub(look.cost)).min();
        let kept: Vec<Kept> =
            looks.iter_mut().flat_map(|look| std::mem::take(&mut look.kept)).collect();
        let mut facts = join(self.host.clone(), at, looks);
        let this = LastLook::of(&facts, began.unwrap_or(at.uptime));
        for lock in &mut facts.locks {
            lock.as_seen = as_seen(lock, &facts.processes);
        }
        self.narrow_ages(&mut facts, &kept, testimony);
        self.narrow_waits(&mut facts, testimony);
        let since_last = self.since_last(&facts);
        self.readers.count(&mut facts, since_last);
        self.last = Some(this);
        facts
    }

    /// Enters a look that showed what the last one did, since nobody who holds or waits has run:
    /// all has lasted that bit longer. `began` is when that look did, as time since boot.
    pub(crate) fn pass(&mut self, began: Duration, snapshot: &mut Snapshot, at: Moment) {
        let passed = at.uptime.saturating_sub(snapshot.at.uptime);
        for tenure in self.held.values_mut() {
            tenure.pass(snapshot.complete);
        }
        for tenure in self.waiting.values_mut() {
            tenure.seen += 1;
        }
        self.any_interrupted = self.held.values().any(|tenure| tenure.interrupted);
        for lock in &mut snapshot.locks {
            self.age(lock, passed, at);
            if let Some(behind) = &mut lock.behind {
                behind.pass(passed);
            }
            for waiter in &mut lock.waiters {
                waiter.waited.pass(passed);
                let key = waiter.process.id().zip(waiter.tid);
                let key = key.map(|(process, tid)| (lock.table_file, process, tid));
                if let Some(tenure) = key.and_then(|key| self.waiting.get(&key)) {
                    tenure.renew(&mut waiter.waited, at);
                }
            }
        }
        if let Some(last) = &mut self.last {
            last.began = began;
        }
        snapshot.at = at;
        snapshot.retaken.clear();
    }

    /// Makes a lock older of which all still holds that the last look said.
    pub(crate) fn age(&self, lock: &mut Lock, passed: Duration, at: Moment) {
        lock.age.pass(passed);
        if self.any_interrupted
            && let Some(tenure) = self.held.get(&lock.id)
        {
            tenure.renew(&mut lock.age, at);
        }
    }

    fn narrow_ages(&mut self, facts: &mut Facts, kept: &[Kept], testimony: &Testimony) {
        let glimpses: Vec<Glimpse> =
            facts.locks.iter().map(|lock| Glimpse::of(lock, facts)).collect();
        let continuity = Continuity {
            since_last: self.since_last(facts),
            complete: facts.complete && self.last.as_ref().is_some_and(|last| last.complete),
        };
        let before = |lock: &LockFacts| self.held.get(&lock.id)?.glimpse.as_ref();
        let mut gaps: Vec<Gap> = facts
            .locks
            .iter()
            .zip(&glimpses)
            .map(|(lock, now)| match before(lock) {
                _ if self.is_unbroken(testimony.held.get(&lock.id)) => Gap::None,
                Some(before) => continuity.judge(before, now),
                None => Gap::Possible,
            })
            .collect();
        let places = kept.iter().filter_map(|kept| {
            Some((self.held.get(&kept.id)?.glimpse.as_ref()?.place, kept.place))
        });
        continuity::find_retaken(
            &mut gaps,
            &facts.locks.iter().map(before).collect::<Vec<_>>(),
            &glimpses,
            places.collect(),
        );

        let certainly = facts.locks.iter().zip(&gaps).filter(|(_, gap)| **gap == Gap::Certain);
        facts.retaken = certainly.map(|(lock, _)| lock.id.clone()).collect();

        let taken_before = self.spots_before(facts);
        let mut held = foldhash::HashMap::with_capacity(facts.locks.len() + kept.len());
        for Kept { id, place } in kept {
            if let Some((id, mut tenure)) = self.held.remove_entry(id) {
                tenure.pass(facts.complete);
                if let Some(glimpse) = &mut tenure.glimpse {
                    glimpse.moves_to(*place);
                }
                held.insert(id, tenure);
            }
        }
        for ((lock, glimpse), gap) in facts.locks.iter_mut().zip(glimpses).zip(gaps) {
            if lock.mechanism == Mechanism::Exists {
                // How long it has been there its file tells.
                continue;
            }
            let before = self.held.remove(&lock.id);
            let absent = self.last.as_ref().is_some_and(|last| last.absence_is_proof)
                && spot(lock).is_some_and(|spot| !taken_before.contains(&spot));
            let told = testimony.held.get(&lock.id).copied();
            if let Some(told) = told {
                told.narrow(&mut lock.age, facts.at);
            }
            let mut tenure = self.continue_tenure(before, gap, facts.at, &lock.age, absent);
            if let Some(Since { by, not_before: Some(not_before) }) = told {
                let first_seen = tenure.first_seen;
                tenure = Tenure::new(by.min(tenure.since), Some(not_before), first_seen);
            }
            tenure.narrow(&mut lock.age, facts.at);
            tenure.glimpse = Some(glimpse);
            held.insert(lock.id.clone(), tenure);
        }
        self.held = held;
        self.any_interrupted = self.held.values().any(|tenure| tenure.interrupted);
    }

    /// Whether it was told to be held since before the last look, which showed it too.
    fn is_unbroken(&self, told: Option<&Since>) -> bool {
        told.zip(self.last.as_ref()).is_some_and(|(told, last)| told.by <= last.began)
    }

    /// Where locks were at the last look, if any is new: one that goes by another name now, or has
    /// other bounds, can be the same.
    fn spots_before(&self, facts: &Facts) -> HashSet<Spot> {
        if facts.locks.iter().all(|lock| self.held.contains_key(&lock.id)) {
            return HashSet::new();
        }
        self.held.values().filter_map(|tenure| tenure.glimpse.as_ref()?.spot).collect()
    }

    fn narrow_waits(&mut self, facts: &mut Facts, testimony: &Testimony) {
        let since_last = self.since_last(facts);
        let processes = &facts.processes;
        let mut waiting = HashMap::new();
        for lock in &mut facts.locks {
            let absent = self.last.as_ref().is_some_and(|last| {
                last.absence_is_proof && !last.nameless_waits.contains(&lock.table_file)
            });
            for request in &mut lock.requests {
                let process = request.pid.and_then(|pid| processes.get(&pid)?.id());
                let (Some(process), Some(tid)) = (process, request.tid) else { continue };
                let key = (lock.table_file, process, tid);
                let told = lock.table_file.and_then(|file| testimony.waiting.get(&(file, tid)));
                if let Some(since) = told {
                    let since = Since { by: *since, not_before: Some(*since) };
                    since.narrow(&mut request.waited, facts.at);
                }
                let before = self.waiting.remove(&key);
                let slept =
                    request.last_ran.zip(since_last).is_some_and(|(ran, since)| ran >= since);
                let gap = if slept { Gap::None } else { Gap::Possible };
                let tenure = self.continue_tenure(before, gap, facts.at, &request.waited, absent);
                tenure.narrow(&mut request.waited, facts.at);
                waiting.insert(key, tenure);
            }
        }
        self.waiting = waiting;
    }

    /// How long a process must have slept to have done nothing since the last look began.
    fn since_last(&self, facts: &Facts) -> Option<Duration> {
        self.last.as_ref().map(|last| facts.at.uptime.saturating_sub(last.began))
    }

    /// `absent` tells that what the last look did not show was not there.
    fn continue_tenure(
        &self,
        before: Option<Tenure>,
        gap: Gap,
        at: Moment,
        span: &Span,
        absent: bool,
    ) -> Tenure {
        let since = at.uptime.saturating_sub(span.min);
        let last = self.last.as_ref();
        match (before, gap) {
            (Some(before), Gap::None) => {
                Tenure { since: before.since.min(since), seen: before.seen + 1, ..before }
            }
            (Some(before), Gap::Possible) => {
                Tenure { since, seen: before.seen + 1, interrupted: true, ..before }
            }
            (Some(_), Gap::Certain) => Tenure::new(since, last.map(|last| last.began), at.uptime),
            (None, _) => {
                let last = last.filter(|_| absent);
                Tenure::new(since, last.map(|last| last.began), at.uptime)
            }
        }
    }
}

impl LastLook {
    fn of(facts: &Facts, began: Duration) -> Self {
        let is_nameless = |lock: &&LockFacts| {
            let mut queued = lock.requests.iter().filter(|request| request.how != How::Polling);
            queued.any(|request| request.tid.is_none())
        };
        let nameless = facts.locks.iter().filter(is_nameless);
        Self {
            began,
            absence_is_proof: facts.at_once,
            complete: facts.complete,
            nameless_waits: nameless.map(|lock| lock.table_file).collect(),
        }
    }
}

/// Whether parts of it can be unlocked.
fn is_of_bytes(lock: &LockFacts) -> bool {
    matches!(lock.mechanism, Mechanism::Posix | Mechanism::Ofd)
}

impl Tenure {
    fn new(since: Duration, after: Option<Duration>, first_seen: Duration) -> Self {
        Self { since, after, first_seen, seen: 1, interrupted: false, glimpse: None }
    }

    /// Nobody has run who has to do with it.
    fn pass(&mut self, complete: bool) {
        let lasts = self.glimpse.as_ref().is_some_and(|glimpse| glimpse.lasts(complete));
        self.seen += 1;
        self.interrupted |= !lasts;
    }

    /// The same for a span that was narrowed before.
    fn renew(&self, span: &mut Span, at: Moment) {
        span.evidence.retain(|evidence| !matches!(evidence, Evidence::Seen(_)));
        self.narrow(span, at);
    }

    fn narrow(&self, span: &mut Span, at: Moment) {
        span.at_least(at.uptime.saturating_sub(self.since), Evidence::Observed);
        if let Some(after) = self.after {
            span.at_most(at.uptime.saturating_sub(after), Evidence::Observed);
        }
        // Once most of what was seen is proven to be one tenure, the rest tells nothing.
        let observed = at.uptime.saturating_sub(self.first_seen);
        if self.interrupted && at.uptime.saturating_sub(self.since) < observed / 2 {
            span.note(Evidence::Seen(self.seen));
        }
    }
}

fn join(host: Host, at: Moment, looks: Vec<Look>) -> Facts {
    let mut facts = Facts {
        host,
        at,
        cost: Duration::ZERO,
        complete: true,
        at_once: true,
        notes: Vec::new(),
        locks: Vec::new(),
        retaken: Vec::new(),
        processes: BTreeMap::new(),
        awaited: BTreeMap::new(),
    };
    for look in looks {
        facts.cost += look.cost;
        facts.complete &= look.complete;
        facts.at_once &= look.absence_is_proof;
        facts.notes.extend(look.notes);
        facts.locks.extend(look.locks);
        for (pid, process) in look.processes {
            facts.processes.entry(pid).or_insert(process);
        }
    }
    facts
}

/// The fingerprint of a lock's holders: who they are, with their starts, and how they hold it.
fn as_seen(lock: &LockFacts, processes: &BTreeMap<Pid, Arc<Process>>) -> AsSeen {
    let mut words: Vec<[u64; 3]> = Vec::new();
    for grant in &lock.grants {
        let mode = u64::from(grant.mode == Mode::Exclusive);
        let word = |pid: Pid| {
            let start = processes.get(&pid).and_then(|process| process.start);
            [u64::from(pid.cast_unsigned()), start.unwrap_or_default(), mode]
        };
        words.extend(grant.sharers.iter().map(|sharer| word(sharer.pid)));
        if grant.sharers.is_empty() {
            words.push(word(grant.recorded_pid.unwrap_or_default()));
        }
    }
    // What lies on disk is what it was as long as nothing about it has changed.
    words.extend(lock.on_disk.iter().map(|there| {
        let changed = there.changed.as_nanosecond() as u64;
        [there.file.inode, changed, there.size]
    }));
    words.sort_unstable();
    AsSeen::of(words.into_iter().flatten())
}

#[cfg(test)]
mod tests;
