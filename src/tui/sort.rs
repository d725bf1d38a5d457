//! The order of the rows.

use std::cmp::{Ordering, Reverse};
use std::time::Duration;

use locktop::model::{Lock, Verdict};

/// A column to sort by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Column {
    /// The most serious first, as `ls` does.
    #[default]
    Verdict,
    /// By path.
    Lock,
    /// By family and mode.
    Kind,
    /// By the holder's command and pid.
    Holder,
    /// Those held longest first.
    Held,
    /// The longest queues first.
    Queue,
}

impl Column {
    /// All of them, from left to right.
    pub(super) const ALL: [Self; 6] =
        [Self::Verdict, Self::Lock, Self::Kind, Self::Holder, Self::Held, Self::Queue];

    /// Its head.
    pub(super) fn head(self) -> &'static str {
        match self {
            Self::Verdict => "VERDICT",
            Self::Lock => "LOCK",
            Self::Kind => "KIND",
            Self::Holder => "HOLDER",
            Self::Held => "HELD",
            Self::Queue => "QUEUE",
        }
    }

    /// The order that it makes.
    pub(super) fn order(self) -> &'static str {
        match self {
            Self::Verdict => "worst first",
            Self::Lock => "by path",
            Self::Kind => "by kind",
            Self::Holder => "by holder",
            Self::Held => "held longest first",
            Self::Queue => "longest queue first",
        }
    }
}

/// The chosen order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sort {
    pub(super) column: Column,
    pub(super) reversed: bool,
}

impl Sort {
    /// Sorts by a column; by the one that is in use: the other way round.
    pub(super) fn by(self, column: Column) -> Self {
        Self { column, reversed: column == self.column && !self.reversed }
    }

    /// Compares two locks with their ranks; ids decide where all else is equal.
    pub(super) fn compare(self, (a, x): (&Lock, &Rank), (b, y): (&Lock, &Rank)) -> Ordering {
        let worst = || x.worst().cmp(&y.worst());
        let order = match self.column {
            Column::Verdict => worst(),
            Column::Lock => a.label().cmp(&b.label()),
            Column::Kind => (&a.family, Reverse(a.mode)).cmp(&(&b.family, Reverse(b.mode))),
            Column::Holder => holder(a).cmp(&holder(b)),
            Column::Held => x.held_since.known_first().cmp(&y.held_since.known_first()),
            Column::Queue => Reverse(x.waiters).cmp(&Reverse(y.waiters)),
        };
        let order = order.then_with(worst).then_with(|| a.id.cmp(&b.id));
        if self.reversed { order.reverse() } else { order }
    }
}

/// First those that somebody holds, by name.
fn holder(lock: &Lock) -> (bool, Option<&str>, Option<i32>) {
    let first = lock.holders.first().map(|holder| &*holder.process);
    let command = first.and_then(|process| process.command.as_deref());
    (first.is_none(), command, first.and_then(|process| process.pid))
}

/// What a row's place rests on, kept steady: measured times jitter, and rows are not to jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rank {
    verdict: Verdict,
    waiters: usize,
    /// The uptime at which the longest wait began.
    waiting_since: Option<Duration>,
    /// The uptime at which it was taken, or later.
    held_since: Option<Duration>,
}

impl Rank {
    /// The rank of a lock seen at `uptime`, which had the rank `before`.
    pub(super) fn of(lock: &Lock, uptime: Duration, before: Option<&Self>) -> Self {
        let since = |min: Duration| uptime.saturating_sub(min);
        let waiting = lock.longest_wait().map(|wait| since(wait.min));
        let held = (!lock.age.min.is_zero()).then(|| since(lock.age.min));
        Self {
            verdict: lock.verdict,
            waiters: lock.waiters.len(),
            waiting_since: steady(before.and_then(|rank| rank.waiting_since), waiting),
            held_since: steady(before.and_then(|rank| rank.held_since), held),
        }
    }

    fn worst(&self) -> (bool, Verdict, (bool, Option<Duration>)) {
        (self.waiters == 0, self.verdict, self.waiting_since.known_first())
    }
}

fn steady(before: Option<Duration>, now: Option<Duration>) -> Option<Duration> {
    const JITTER: Duration = Duration::from_secs(2);
    match (before, now) {
        (Some(before), Some(now)) if before.abs_diff(now) < JITTER => Some(before),
        _ => now,
    }
}

trait KnownFirst: Sized {
    /// A sort key that puts what is unknown behind everything.
    fn known_first(self) -> (bool, Self);
}

impl<T> KnownFirst for Option<T> {
    fn known_first(self) -> (bool, Self) {
        (self.is_none(), self)
    }
}
