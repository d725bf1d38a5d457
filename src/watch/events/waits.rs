//! Whose wait has begun or ended between two looks.

use std::collections::HashMap;
use std::time::Duration;

use super::Place;
use crate::model::{Lock, Mode, ProcessId, Range, Waiter};

/// A wait, and the look that showed it last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wait<'a> {
    pub(super) lock: &'a Lock,
    pub(super) waiter: &'a Waiter,
    /// When that look began, and when it ended, as time since boot.
    pub(super) began: Duration,
    pub(super) at: Duration,
    /// Whether somebody wants to hear of it.
    pub(super) wanted: bool,
    /// Whether a look since has not shown it.
    pub(super) missed: bool,
}

/// What tells one wait from another, but for the thread.
type Key = (Place, Option<ProcessId>, Mode, Option<(u64, Option<u64>)>);

impl Wait<'_> {
    pub(super) fn place(&self) -> Place {
        Place::of(self.lock)
    }

    fn key(&self) -> Key {
        let range = self.waiter.range.map(|Range { start, end }| (start, end));
        (self.place(), self.waiter.process.id(), self.waiter.mode, range)
    }

    fn is_nameless(&self) -> bool {
        self.waiter.process.id().is_none()
    }
}

/// The waits that only one of two looks shows.
#[derive(Debug, Default)]
pub(super) struct Turnover<'a> {
    pub(super) ended: Vec<Wait<'a>>,
    pub(super) begun: Vec<Wait<'a>>,
}

impl<'a> Turnover<'a> {
    pub(super) fn between(before: Vec<Wait<'a>>, now: Vec<Wait<'a>>) -> Self {
        let mut keyed: HashMap<Key, (Vec<Wait<'a>>, Vec<Wait<'a>>)> = HashMap::new();
        for wait in before {
            keyed.entry(wait.key()).or_default().0.push(wait);
        }
        for wait in now {
            keyed.entry(wait.key()).or_default().1.push(wait);
        }
        let mut turnover = Self::default();
        for (mut old, mut new) in keyed.into_values() {
            drop_like(&mut old, &mut new, |one, other| one.waiter.tid == other.waiter.tid);
            // A thread that is not known can be any of them.
            drop_like(&mut old, &mut new, |one, other| {
                one.waiter.tid.is_none() || other.waiter.tid.is_none()
            });
            turnover.ended.extend(old);
            turnover.begun.extend(new);
        }
        // Who could not be seen at one look and is named at the other may be the same.
        drop_like(&mut turnover.ended, &mut turnover.begun, |one, other| {
            one.is_nameless() != other.is_nameless() && one.place() == other.place()
        });
        let order = |wait: &Wait<'_>| (wait.lock.id.clone(), wait.waiter.place, wait.waiter.tid);
        turnover.ended.sort_by_key(order);
        turnover.begun.sort_by_key(order);
        turnover
    }
}

/// Drops one of each for every two that are alike.
fn drop_like<'a>(
    old: &mut Vec<Wait<'a>>,
    new: &mut Vec<Wait<'a>>,
    alike: impl Fn(&Wait<'a>, &Wait<'a>) -> bool,
) {
    new.retain(|wait| {
        let same = old.iter().position(|past| alike(past, wait));
        same.map(|at| old.swap_remove(at)).is_none()
    });
}
