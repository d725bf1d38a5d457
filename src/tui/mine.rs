//! What we wait for, what we hold, and what we free.

use std::time::{Duration, Instant};

use locktop::acquire::Waiting;
use locktop::model::{Lock, LockId};
use locktop::release::{Plan, Progress};

use super::action::Step;
use super::order::Order;

/// Names an entry for as long as the dashboard runs.
pub(super) type Number = u64;

/// Everything that was asked for here and not dismissed, oldest first.
#[derive(Debug, Default)]
pub(super) struct Mine {
    entries: Vec<Entry>,
    last: Number,
    chosen: Option<Number>,
    /// Whether it stands in the place of the list.
    pub(super) shown: bool,
}

/// One thing that was asked for.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) number: Number,
    pub(super) task: Task,
    pub(super) stage: Stage,
    /// What was last told of the wait.
    waiting: Option<Box<Waiting>>,
    /// The lock's id, once that is known.
    lock: Option<LockId>,
    /// What came of freeing it.
    came: Option<Box<Came>>,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Task {
    /// To wait for a lock, or to take it.
    Ask(Order),
    /// To free one that somebody else has.
    Free(Box<Plan>),
}

impl Task {
    /// The path with its range, or what else was named; harmless to print.
    pub(super) fn place(&self) -> &str {
        match self {
            Self::Ask(order) => order.place(),
            Self::Free(plan) => &plan.name,
        }
    }

    /// The same with the kind of lock, if it was named.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Ask(order) => order.name(),
            Self::Free(plan) => plan.name.clone(),
        }
    }
}

/// What came of freeing a lock; harmless to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Came {
    /// Whether that is what it was for.
    pub(super) freed: bool,
    /// In sentences.
    pub(super) text: String,
    /// Who has the lock now.
    pub(super) now: String,
    /// What can be done next.
    pub(super) next: Option<String>,
    /// Whether the lock is in our keeping.
    pub(super) kept: bool,
    /// Why the log does not say what came of it.
    pub(super) unlogged: Option<String>,
}

/// How far freeing a lock has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Doing {
    /// Others come first.
    Queued,
    /// It is looked whether everything is as it was seen.
    Checking,
    /// It is being done; since when.
    Step(Progress, Instant),
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// We wait.
    Waiting { since: Instant },
    /// We were told to stop waiting, and have not left the queue yet.
    Cancelling { since: Instant },
    /// It is ours.
    Held { since: Instant },
    /// It is being given back.
    Returning { since: Instant },
    /// It is being freed.
    Freeing { since: Instant, doing: Doing },
    /// Its holder has ended, and we keep it.
    Kept { since: Instant },
    /// The next one gets it.
    HandingOver { since: Instant },
    /// It is over, and this is how; it lasted so long.
    Over { end: End, lasted: Duration },
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// It was free.
    Free,
    /// It was ours, and was given back.
    Returned,
    /// We stopped waiting.
    Cancelled,
    /// It was ours, and was lost.
    Lost(String),
    /// Waiting would have made a circle.
    Refused(String),
    /// Freeing it did what it was for.
    Freed,
    /// Freeing it did not do what it was for.
    NotFreed,
    /// We kept it, and whoever was next has it.
    HandedOver(String),
    /// It is not as it was seen, and was not touched.
    Untouched(String),
    /// It did not work.
    Failed(String),
}

/// What the thread behind an entry has to tell.
#[derive(Debug)]
pub(super) enum News {
    /// How the wait stands.
    Waiting(Box<Waiting>),
    /// The file was replaced, and we queue for the new one.
    Replaced,
    /// The lock is ours.
    Held(Option<LockId>),
    /// Freeing it goes on.
    Doing(Doing),
    /// It was carried out.
    Came(Box<Came>),
    /// It is over.
    Over(End),
}

/// How many entries are how far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) held: usize,
    pub(super) waiting: usize,
    pub(super) freeing: usize,
    pub(super) kept: usize,
    pub(super) free: usize,
    pub(super) failed: usize,
}

impl Counts {
    /// Whether something would end if the dashboard did.
    pub(super) fn is_active(self) -> bool {
        self.held + self.waiting + self.freeing + self.kept > 0
    }
}

impl Mine {
    /// Begins something, and chooses it. `Err`: that is under way already.
    pub(super) fn begin(&mut self, order: Order, now: Instant) -> Result<Number, &'static str> {
        let orders = self.entries.iter().filter_map(|entry| Some((&entry.stage, entry.order()?)));
        let same = orders.filter(|(_, known)| known.is_for(&order));
        for stage in same.map(|(stage, known)| (stage, known.purpose)) {
            match stage {
                (Stage::Held { .. } | Stage::Returning { .. }, _) => {
                    return Err("this dashboard has it already");
                }
                (Stage::Waiting { .. } | Stage::Cancelling { .. }, purpose)
                    if purpose == order.purpose =>
                {
                    return Err("this dashboard waits for it already");
                }
                _ => {}
            }
        }
        let lock = order.lock.clone();
        Ok(self.add(Task::Ask(order), lock, Stage::Waiting { since: now }))
    }

    /// Begins to free a lock, and chooses that.
    pub(super) fn free(&mut self, plan: Plan, now: Instant) -> Number {
        let lock = plan.lock.clone();
        let stage = Stage::Freeing { since: now, doing: Doing::Queued };
        self.add(Task::Free(Box::new(plan)), Some(lock), stage)
    }

    fn add(&mut self, task: Task, lock: Option<LockId>, stage: Stage) -> Number {
        let number = self.number();
        self.chosen = Some(number);
        self.entries.push(Entry { number, task, stage, waiting: None, lock, came: None });
        number
    }

    /// A number that nothing has.
    pub(super) fn number(&mut self) -> Number {
        self.last += 1;
        self.last
    }

    /// Whether a lock is being freed.
    pub(super) fn frees(&self, lock: &LockId) -> bool {
        self.with(lock).any(|entry| matches!(entry.stage, Stage::Freeing { .. }))
    }

    /// Whether a lock is in our keeping.
    pub(super) fn keeps(&self, lock: &LockId) -> bool {
        self.with(lock)
            .any(|entry| matches!(entry.stage, Stage::Kept { .. } | Stage::HandingOver { .. }))
    }

    fn with(&self, lock: &LockId) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.lock() == Some(lock))
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, at: usize) -> Option<&Entry> {
        self.entries.get(at)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    pub(super) fn entry(&mut self, number: Number) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.number == number)
    }

    /// The place of the chosen entry; of the last one if that is gone.
    pub(super) fn place(&self) -> Option<usize> {
        let chosen = |entry: &Entry| Some(entry.number) == self.chosen;
        self.entries.iter().position(chosen).or(self.entries.len().checked_sub(1))
    }

    pub(super) fn chosen(&self) -> Option<&Entry> {
        self.entries.get(self.place()?)
    }

    pub(super) fn choose(&mut self, number: Number) {
        self.chosen = Some(number);
    }

    pub(super) fn step(&mut self, step: Step, page: usize) {
        let at = step.from(self.place().unwrap_or_default(), self.entries.len(), page);
        self.chosen = self.entries.get(at).map(|entry| entry.number);
    }

    /// Lets go of entries that are over: the chosen one, or all.
    pub(super) fn dismiss(&mut self, all: bool) {
        let at = self.place().unwrap_or_default();
        let chosen = self.chosen().map(|entry| entry.number);
        self.entries.retain(|entry| !entry.is_over() || !(all || Some(entry.number) == chosen));
        if self.entries.iter().all(|entry| Some(entry.number) != chosen) {
            let at = at.min(self.entries.len().saturating_sub(1));
            self.chosen = self.entries.get(at).map(|entry| entry.number);
        }
    }

    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for entry in &self.entries {
            match &entry.stage {
                Stage::Waiting { .. } | Stage::Cancelling { .. } => counts.waiting += 1,
                Stage::Held { .. } | Stage::Returning { .. } => counts.held += 1,
                Stage::Freeing { .. } => counts.freeing += 1,
                Stage::Kept { .. } | Stage::HandingOver { .. } => counts.kept += 1,
                Stage::Over { end: End::Free, .. } => counts.free += 1,
                Stage::Over {
                    end: End::Returned | End::Cancelled | End::Freed | End::HandedOver(_),
                    ..
                } => {}
                Stage::Over { .. } => counts.failed += 1,
            }
        }
        counts
    }
}

impl Entry {
    /// Takes in what its thread tells. What comes when it is over is too late.
    pub(super) fn hear(&mut self, news: News, now: Instant) {
        if self.is_over() {
            return;
        }
        match news {
            News::Waiting(waiting) => {
                if let Some(lock) = &waiting.lock {
                    self.lock = Some(lock.id.clone());
                }
                self.waiting = Some(waiting);
            }
            News::Replaced => self.lock = None,
            News::Held(lock) => {
                self.lock = lock.or(self.lock.take());
                self.stage = Stage::Held { since: now };
            }
            News::Doing(doing) => {
                if let Stage::Freeing { since, .. } = self.stage {
                    self.stage = Stage::Freeing { since, doing };
                }
            }
            News::Came(came) => {
                self.stage = match *came {
                    Came { kept: true, .. } => Stage::Kept { since: now },
                    Came { freed: true, .. } => self.over(End::Freed, now),
                    Came { .. } => self.over(End::NotFreed, now),
                };
                self.came = Some(came);
            }
            News::Over(end) => self.stage = self.over(end, now),
        }
    }

    fn over(&self, end: End, now: Instant) -> Stage {
        Stage::Over { end, lasted: self.lasted(now) }
    }

    /// For how long we have waited or held it, or did.
    pub(super) fn lasted(&self, now: Instant) -> Duration {
        match &self.stage {
            Stage::Waiting { since }
            | Stage::Cancelling { since }
            | Stage::Held { since }
            | Stage::Returning { since }
            | Stage::Freeing { since, .. }
            | Stage::Kept { since }
            | Stage::HandingOver { since } => now.saturating_duration_since(*since),
            Stage::Over { lasted, .. } => *lasted,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over { .. })
    }

    /// Whether it is in a queue, or tries to be.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Waiting { .. } | Stage::Cancelling { .. })
    }

    /// The lock's id, once that is known.
    pub(super) fn lock(&self) -> Option<&LockId> {
        self.lock.as_ref()
    }

    /// What was asked for, unless that was to free a lock.
    pub(super) fn order(&self) -> Option<&Order> {
        if let Task::Ask(order) = &self.task { Some(order) } else { None }
    }

    /// How a lock is freed.
    pub(super) fn plan(&self) -> Option<&Plan> {
        if let Task::Free(plan) = &self.task { Some(plan) } else { None }
    }

    /// What came of freeing it.
    pub(super) fn came(&self) -> Option<&Came> {
        self.came.as_deref()
    }

    /// The lock as the wait itself last saw it.
    pub(super) fn seen(&self) -> Option<&Lock> {
        self.waiting.as_ref()?.lock.as_deref()
    }

    /// Our place in the queue, as the wait itself last saw it.
    pub(super) fn position(&self) -> Option<u32> {
        self.waiting.as_ref()?.position
    }

    /// The word for how far it is.
    pub(super) fn word(&self) -> &'static str {
        match &self.stage {
            Stage::Waiting { .. } => "waiting",
            Stage::Cancelling { .. } => "cancelling",
            Stage::Held { .. } => "held",
            Stage::Returning { .. } => "giving back",
            Stage::Freeing { .. } => "freeing",
            Stage::Kept { .. } => "kept",
            Stage::HandingOver { .. } => "handing on",
            Stage::Over { end, .. } => match end {
                End::Free => "free now",
                End::Returned => "given back",
                End::Cancelled => "cancelled",
                End::Lost(_) => "lost",
                End::Refused(_) => "refused",
                End::Freed => "done",
                End::NotFreed => "not freed",
                End::HandedOver(_) => "handed over",
                End::Untouched(_) => "untouched",
                End::Failed(_) => "failed",
            },
        }
    }

    /// What went wrong, if anything did; harmless to print.
    pub(super) fn trouble(&self) -> Option<&str> {
        match &self.stage {
            Stage::Over {
                end: End::Lost(why) | End::Refused(why) | End::Untouched(why) | End::Failed(why),
                ..
            } => Some(why),
            Stage::Over { end: End::NotFreed, .. } => self.came().map(|came| &*came.text),
            _ => None,
        }
    }
}
