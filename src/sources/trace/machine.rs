//! What the trace's records mean for locks: who has them since when, and who waits. No I/O.
//!
//! The kernel prints a record after it has let go of its own locks, so two records of different
//! threads can be in the wrong order by some microseconds. Nothing here rests on their order: each
//! owner's locks, and each thread's wait, is followed by itself.

mod asking;
mod lately;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::ranges;
use crate::model::{EventKind, FileId, Mechanism, Mode, Pid, Range};
use crate::system::trace::{Answer, Asked, Loss, Record, What};
use lately::Lately;

/// Something that happened to a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Transition {
    pub(super) kind: EventKind,
    /// When, as time since boot: at the latest,
    pub(super) at: Duration,
    /// and at the earliest.
    pub(super) not_before: Duration,
    pub(super) file: FileId,
    pub(super) mechanism: Mechanism,
    pub(super) range: Range,
    /// The thread, and its process as far as the kernel says.
    pub(super) tid: Pid,
    pub(super) pid: Option<Pid>,
    /// For how long it was held or waited for: at least, at most.
    pub(super) lasted: Option<(Duration, Duration)>,
}

/// Some bytes of a file that somebody has locked, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) mechanism: Mechanism,
    pub(super) mode: Mode,
    pub(super) range: Range,
    /// Who took them.
    pub(super) tid: Pid,
    pub(super) pid: Option<Pid>,
    /// All of them since then,
    pub(super) all_since: Duration,
    /// and none of them before.
    pub(super) any_since: Duration,
}

/// Bytes that were held, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ended {
    held: Held,
    at: Duration,
}

/// A thread that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) file: FileId,
    pub(super) since: Duration,
    owner: u64,
    mechanism: Mechanism,
    mode: Mode,
    range: Range,
    pid: Option<Pid>,
    /// It was still waiting then.
    seen: Duration,
    /// A look did not show it, which ended then: whoever is being woken is in no queue for a moment.
    missed: Option<Duration>,
}

/// Whoever unlocked something that nobody was known to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unlock {
    pub(super) at: Duration,
    pub(super) tid: Pid,
    pub(super) pid: Option<Pid>,
}

/// A try that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Try {
    pub(super) at: Duration,
    pub(super) tid: Pid,
    pub(super) asked: Asked,
}

/// What one record has led to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) transitions: Vec<Transition>,
    pub(super) failed: Option<Try>,
}

/// An open file or a process, and what it locks in a file: flock or bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Owner {
    file: FileId,
    is_flock: bool,
    address: u64,
}

/// Limits of what is remembered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// So many owners, waiting threads, and ended locks between two looks, of each.
    pub(super) states: usize,
    /// So many separate ranges of one owner.
    pub(super) ranges: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { states: 1 << 16, ranges: 1 << 12 }
    }
}

/// All that is held and waited for, as far as it was traced.
#[derive(Debug)]
pub(super) struct Machine {
    limits: Limits,
    /// All that happened since then has been told.
    since: Duration,
    held: BTreeMap<Owner, Vec<Held>>,
    waiting: HashMap<Pid, Waiting>,
    /// Since the last look: what was given back,
    ended: Lately<(FileId, Mechanism, Range), Ended>,
    /// what was unlocked that nobody was known to have: of a file, a flock or bytes,
    unlocks: Lately<(FileId, bool), Unlock>,
    /// and when who holds something of a file changed last.
    changed: HashMap<FileId, Duration>,
    /// Whatever is not in there may have changed until then.
    unknown_until: Duration,
    /// How many states were dropped for want of room.
    dropped: u64,
}

impl Machine {
    pub(super) fn new(since: Duration, limits: Limits) -> Self {
        Self {
            limits,
            since,
            held: BTreeMap::new(),
            waiting: HashMap::new(),
            ended: Lately::new(limits.states),
            unlocks: Lately::new(limits.states),
            changed: HashMap::new(),
            unknown_until: since,
            dropped: 0,
        }
    }

    /// Since when nothing has been missed.
    pub(super) fn since(&self) -> Duration {
        self.since
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Events are missing: what was held before may not be held any more.
    pub(super) fn lose(&mut self, loss: Loss) {
        self.forget(loss.before);
    }

    /// All that is known begins now.
    pub(super) fn forget(&mut self, now: Duration) {
        self.held.clear();
        self.waiting.clear();
        self.ended.clear();
        self.unlocks.clear();
        self.changed.clear();
        self.since = self.since.max(now);
        self.unknown_until = self.since;
    }

    pub(super) fn enter(&mut self, record: Record) -> Outcome {
        let mut outcome = Outcome::default();
        // It was read late: what came after it is missing, and with it perhaps its end.
        if record.at < self.since {
            return outcome;
        }
        match record.what {
            What::Lock(asked) => self.answered(record, asked, &mut outcome),
            What::BreakBegins(file) => self.begins_to_break(record, file, &mut outcome),
            What::BreakEnds(_) => {
                // Whether it got what it wanted is not said.
                self.waiting.remove(&record.tid);
            }
            What::Lease(_) | What::Fork { .. } => {}
        }
        outcome
    }

    fn answered(&mut self, Record { at, tid, .. }: Record, asked: Asked, outcome: &mut Outcome) {
        let waited = self.stops_waiting(at, tid, &asked, outcome);
        let owner = Owner {
            file: asked.file,
            is_flock: asked.mechanism == Mechanism::Flock,
            address: asked.owner,
        };
        let mut told = Telling { at, tid, asked, outcome };
        match (asked.mode, asked.answer) {
            (None, Answer::Yes) => self.unlocks(owner, &mut told),
            (Some(mode), Answer::Yes) => self.takes(owner, mode, waited, &mut told),
            (Some(mode), Answer::Wait) => {
                self.loses_by_asking(owner, mode, &mut told);
                if waited.is_none() {
                    told.tell(EventKind::Queued, asked.range, None);
                }
                self.waits(at, tid, asked, mode, waited);
            }
            (Some(mode), Answer::No) => {
                self.loses_by_asking(owner, mode, &mut told);
                told.outcome.failed = Some(Try { at, tid, asked });
            }
            (_, Answer::Error) | (None, Answer::Wait | Answer::No) => {}
        }
    }

    /// A thread waits for one lock at a time: whatever else it does, it waits no longer. Returns its
    /// wait if this is about that.
    fn stops_waiting(
        &mut self,
        at: Duration,
        tid: Pid,
        asked: &Asked,
        outcome: &mut Outcome,
    ) -> Option<Waiting> {
        let waiting = self.waiting.remove(&tid)?;
        let is_same = waiting.file == asked.file
            && waiting.owner == asked.owner
            && Some(waiting.mode) == asked.mode
            && waiting.range == asked.range
            && matches!(asked.answer, Answer::Yes | Answer::Wait);
        if is_same {
            return Some(waiting);
        }
        outcome.transitions.push(waiting.gave_up(tid, waiting.seen, at));
        None
    }

    fn waits(&mut self, at: Duration, tid: Pid, asked: Asked, mode: Mode, before: Option<Waiting>) {
        if self.waiting.len() >= self.limits.states {
            self.drop_oldest_waits();
        }
        let new = Waiting {
            file: asked.file,
            since: at,
            owner: asked.owner,
            mechanism: asked.mechanism,
            mode,
            range: asked.range,
            pid: asked.pid,
            seen: at,
            missed: None,
        };
        // Stopped and continued, it queues anew, and has waited all the time.
        let since = before.map_or(at, |before| before.since);
        self.waiting.insert(tid, Waiting { since, ..new });
    }

    fn begins_to_break(
        &mut self,
        Record { at, tid, .. }: Record,
        file: FileId,
        outcome: &mut Outcome,
    ) {
        let asked = Asked {
            file,
            owner: 0,
            pid: None,
            mechanism: Mechanism::Lease,
            mode: Some(Mode::Exclusive),
            range: Range::WHOLE,
            answer: Answer::Wait,
        };
        let before = self.stops_waiting(at, tid, &asked, outcome);
        self.waits(at, tid, asked, Mode::Exclusive, before);
    }

    fn takes(&mut self, owner: Owner, mode: Mode, waited: Option<Waiting>, told: &mut Telling<'_>) {
        let Asked { range, mechanism, pid, .. } = told.asked;
        let new = Held {
            mechanism,
            mode,
            range,
            tid: told.tid,
            pid,
            all_since: told.at,
            any_since: told.at,
        };
        let held = self.held.entry(owner).or_default();
        let Some(taken) = ranges::take(held, new) else { return };
        for part in taken.converted {
            self.release(owner, part, told);
        }
        let kind = if waited.is_some() { EventKind::Granted } else { EventKind::Acquired };
        let waited = waited.map(|waiting| told.at.saturating_sub(waiting.since));
        told.tell(kind, range, waited.map(|waited| (waited, waited)));
        self.touch(owner.file, told.at);
        self.keep_within_limits(owner);
    }

    fn unlocks(&mut self, owner: Owner, told: &mut Telling<'_>) {
        let held = self.held.get_mut(&owner);
        let gone = held.map(|held| ranges::cut(held, told.asked.range)).unwrap_or_default();
        if gone.is_empty() {
            // It never had any, or had it before we listened.
            let Telling { at, tid, asked, .. } = *told;
            self.unlocks.note((owner.file, owner.is_flock), Unlock { at, tid, pid: asked.pid });
            self.touch(owner.file, told.at);
        }
        for part in gone {
            self.release(owner, part, told);
        }
        if self.held.get(&owner).is_some_and(Vec::is_empty) {
            self.held.remove(&owner);
        }
    }

    /// Whoever asks flock(2) for another mode than he has, has lost that by asking.
    fn loses_by_asking(&mut self, owner: Owner, mode: Mode, told: &mut Telling<'_>) {
        if !owner.is_flock {
            return;
        }
        let lost = self.held.get(&owner).is_some_and(|held| held.iter().any(|of| of.mode != mode));
        if lost {
            for part in self.held.remove(&owner).unwrap_or_default() {
                self.release(owner, part, told);
            }
        }
    }

    /// Tells that bytes are no longer held as they were.
    fn release(&mut self, owner: Owner, part: Held, told: &mut Telling<'_>) {
        let at_least = told.at.saturating_sub(part.all_since);
        let at_most = told.at.saturating_sub(part.any_since);
        told.outcome.transitions.push(Transition {
            mechanism: part.mechanism,
            lasted: Some((at_least, at_most)),
            ..told.transition(EventKind::Released, part.range)
        });
        let key = (owner.file, part.mechanism, part.range);
        self.ended.note(key, Ended { held: part, at: told.at });
        self.touch(owner.file, told.at);
    }

    fn touch(&mut self, file: FileId, at: Duration) {
        if self.changed.len() >= self.limits.states {
            let newest = self.changed.values().max().copied().unwrap_or_default();
            self.unknown_until = self.unknown_until.max(newest);
            self.changed.clear();
        }
        let changed = self.changed.entry(file).or_default();
        *changed = at.max(*changed);
    }

    fn keep_within_limits(&mut self, owner: Owner) {
        if self.held.get(&owner).is_some_and(|held| held.len() > self.limits.ranges) {
            self.dropped += self.held.remove(&owner).map_or(0, |held| held.len() as u64);
        }
        if self.held.len() > self.limits.states {
            let since = |held: &Vec<Held>| held.iter().map(|held| held.any_since).min();
            let mut all: Vec<_> = self.held.iter().map(|(of, held)| (since(held), *of)).collect();
            all.sort_unstable();
            // A quarter at once, so that this is seldom.
            for (_, owner) in all.into_iter().take(self.limits.states / 4 + 1) {
                self.dropped += self.held.remove(&owner).map_or(0, |held| held.len() as u64);
            }
        }
    }

    fn drop_oldest_waits(&mut self) {
        let mut all: Vec<_> = self.waiting.iter().map(|(tid, wait)| (wait.since, *tid)).collect();
        all.sort_unstable();
        for (_, tid) in all.into_iter().take(self.limits.states / 4 + 1) {
            self.waiting.remove(&tid);
            self.dropped += 1;
        }
    }
}

impl Waiting {
    fn gave_up(self, tid: Pid, not_before: Duration, at: Duration) -> Transition {
        let waited = |until: Duration| until.saturating_sub(self.since);
        Transition {
            kind: EventKind::GaveUp,
            at,
            not_before,
            file: self.file,
            mechanism: self.mechanism,
            range: self.range,
            tid,
            pid: self.pid,
            lasted: Some((waited(not_before), waited(at))),
        }
    }
}

/// What is told of one record.
struct Telling<'a> {
    at: Duration,
    tid: Pid,
    asked: Asked,
    outcome: &'a mut Outcome,
}

impl Telling<'_> {
    fn transition(&self, kind: EventKind, range: Range) -> Transition {
        Transition {
            kind,
            at: self.at,
            not_before: self.at,
            file: self.asked.file,
            mechanism: self.asked.mechanism,
            range,
            tid: self.tid,
            pid: self.asked.pid,
            lasted: None,
        }
    }

    fn tell(&mut self, kind: EventKind, range: Range, lasted: Option<(Duration, Duration)>) {
        let told = Transition { lasted, ..self.transition(kind, range) };
        self.outcome.transitions.push(told);
    }
}
