//! What we wait for and what we hold.

use std::time::{Duration, Instant};

use locktop::acquire::Waiting;
use locktop::model::{Lock, LockId};

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
    pub(super) order: Order,
    pub(super) stage: Stage,
    /// What was last told of the wait.
    waiting: Option<Box<Waiting>>,
    /// The lock's id, once that is known.
    lock: Option<LockId>,
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
    /// It is over.
    Over(End),
}

/// How many entries are how far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) held: usize,
    pub(super) waiting: usize,
    pub(super) free: usize,
    pub(super) failed: usize,
}

impl Counts {
    /// Whether something would end if the dashboard did.
    pub(super) fn is_active(self) -> bool {
        self.held + self.waiting > 0
    }
}

impl Mine {
    /// Begins something, and chooses it. `Err`: that is under way already.
    pub(super) fn begin(&mut self, order: Order, now: Instant) -> Result<Number, &'static str> {
        let same = self.entries.iter().filter(|entry| entry.order.is_for(&order));
        for stage in same.map(|entry| (&entry.stage, entry.order.purpose)) {
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
        self.last += 1;
        self.chosen = Some(self.last);
        self.entries.push(Entry {
            number: self.last,
            lock: order.lock.clone(),
            order,
            stage: Stage::Waiting { since: now },
            waiting: None,
        });
        Ok(self.last)
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
                Stage::Over { end: End::Free, .. } => counts.free += 1,
                Stage::Over { end: End::Returned | End::Cancelled, .. } => {}
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
            News::Over(end) => self.stage = Stage::Over { end, lasted: self.lasted(now) },
        }
    }

    /// For how long we have waited or held it, or did.
    pub(super) fn lasted(&self, now: Instant) -> Duration {
        match &self.stage {
            Stage::Waiting { since }
            | Stage::Cancelling { since }
            | Stage::Held { since }
            | Stage::Returning { since } => now.saturating_duration_since(*since),
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
            Stage::Over { end, .. } => match end {
                End::Free => "free now",
                End::Returned => "given back",
                End::Cancelled => "cancelled",
                End::Lost(_) => "lost",
                End::Refused(_) => "refused",
                End::Failed(_) => "failed",
            },
        }
    }

    /// What went wrong, if anything did; harmless to print.
    pub(super) fn trouble(&self) -> Option<&str> {
        match &self.stage {
            Stage::Over { end: End::Lost(why) | End::Refused(why) | End::Failed(why), .. } => {
                Some(why)
            }
            _ => None,
        }
    }
}
