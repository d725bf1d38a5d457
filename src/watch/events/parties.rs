//! Who has a lock, and who has it instead at the next look.

use std::sync::Arc;

use crate::model::{
    Holder, Lock, Mechanism, Mode, Pid, Process, ProcessId, Range, Record, Snapshot,
};

/// Those who have a lock by one record of it: who shares an open file goes together.
#[derive(Debug, Clone)]
pub(super) struct Party<'a> {
    pub(super) record: Record,
    pub(super) members: Vec<&'a Holder>,
}

/// What has changed about who has a lock.
#[derive(Debug, Default)]
pub(super) struct Exchange<'a> {
    pub(super) left: Vec<Left<'a>>,
    pub(super) came: Vec<Came<'a>>,
}

/// One that has it no more.
#[derive(Debug)]
pub(super) struct Left<'a> {
    pub(super) party: Party<'a>,
    /// Whether it can have handed its open file on instead.
    pub(super) may_be_handed_on: bool,
}

/// One that has it now.
#[derive(Debug)]
pub(super) struct Came<'a> {
    pub(super) party: Party<'a>,
    /// How it had the lock before, if it did.
    pub(super) had: Option<Mode>,
    pub(super) may_be_handed_on: bool,
}

impl<'a> Party<'a> {
    pub(super) fn all(lock: &'a Lock) -> Vec<Self> {
        let members = |record: &Record| {
            lock.holders.iter().filter(|holder| holder.grant == record.grant).collect()
        };
        lock.records
            .iter()
            .map(|record| Self { record: *record, members: members(record) })
            .collect()
    }

    /// The one to name: who took it, if that is known to have it.
    pub(super) fn spokesman(&self) -> Option<&'a Arc<Process>> {
        let taker = self.members.iter().find(|holder| {
            holder.process.pid.is_some() && holder.process.pid == self.record.taken_by
        });
        taker.or(self.members.first()).map(|holder| &holder.process)
    }

    /// The number of the one to name.
    pub(super) fn pid(&self) -> Option<Pid> {
        self.spokesman().and_then(|process| process.pid).or(self.record.taken_by)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = ProcessId> + '_ {
        self.members.iter().filter_map(|holder| holder.process.id())
    }

    pub(super) fn has(&self, process: ProcessId) -> bool {
        self.ids().any(|id| id == process)
    }

    /// Whether it is the same record, as far as that can be told.
    fn is(&self, other: &Self) -> bool {
        match (self.record.taken_by, other.record.taken_by) {
            (Some(one), Some(another)) => one == another && !self.is_reused(other),
            // Nobody who can be seen, or somebody who is there still.
            _ => {
                self.members.is_empty()
                    || other.members.is_empty()
                    || self.ids().any(|id| other.has(id))
                    || self.is_child_of(other)
            }
        }
    }

    /// Whether the number of the one who took it belongs to another process by now.
    fn is_reused(&self, other: &Self) -> bool {
        let taker = |party: &Self| party.ids().find(|id| Some(id.pid) == party.record.taken_by);
        matches!((taker(self), taker(other)), (Some(one), Some(another)) if one != another)
    }

    /// Whether somebody of it was started by somebody of another, and can have got an open file so.
    fn is_child_of(&self, other: &Self) -> bool {
        let parents = self.members.iter().filter_map(|holder| holder.process.parent.as_ref());
        parents
            .into_iter()
            .any(|parent| other.members.iter().any(|holder| holder.process.pid == Some(parent.pid)))
    }

    /// Whether its open file can have come to it, or gone from it, without the lock being released:
    /// nobody is recorded as the one who took it.
    fn may_be_handed_on(&self, lock: &Lock) -> bool {
        self.record.taken_by.is_none() && lock.mechanism == Mechanism::Ofd
    }
}

impl<'a> Exchange<'a> {
    /// What has changed from one look to the next; `retaken`: and it was certainly released.
    pub(super) fn between(before: &'a Lock, now: &'a Lock, retaken: bool) -> Self {
        let mut exchange = Self::default();
        let is_another = is_replaced(before, now);
        let mut old = Party::all(before);
        for party in Party::all(now) {
            let same = old.iter().position(|past| !is_another && party.is(past));
            let past = same.map(|at| old.swap_remove(at));
            match past {
                Some(past) if retaken => {
                    exchange.left.push(Left { party: past, may_be_handed_on: false });
                    exchange.came.push(Came { party, had: None, may_be_handed_on: false });
                }
                Some(past) if past.record.mode != party.record.mode => {
                    let had = Some(past.record.mode);
                    exchange.came.push(Came { party, had, may_be_handed_on: false });
                }
                Some(_) => {}
                None => {
                    let may_be_handed_on = party.may_be_handed_on(now);
                    exchange.came.push(Came { party, had: None, may_be_handed_on });
                }
            }
        }
        exchange.left.extend(old.into_iter().map(|party| {
            let may_be_handed_on = party.may_be_handed_on(before);
            Left { party, may_be_handed_on }
        }));
        // Without one that came there is nobody to whom it can have been handed.
        let came_by_hand = exchange.came.iter().any(|came| came.may_be_handed_on);
        let left_by_hand = exchange.left.iter().any(|left| left.may_be_handed_on);
        exchange.left.iter_mut().for_each(|left| left.may_be_handed_on &= came_by_hand);
        exchange.came.iter_mut().for_each(|came| came.may_be_handed_on &= left_by_hand);
        exchange
    }

    /// All who have a lock that the look before did not show.
    pub(super) fn arrival(now: &'a Lock) -> Self {
        let came = |party| Came { party, had: None, may_be_handed_on: false };
        Self { left: Vec::new(), came: Party::all(now).into_iter().map(came).collect() }
    }

    /// All who had a lock that is gone.
    pub(super) fn departure(before: &'a Lock) -> Self {
        let left = |party| Left { party, may_be_handed_on: false };
        Self { left: Party::all(before).into_iter().map(left).collect(), came: Vec::new() }
    }
}

/// Whether what lies on disk was removed and made anew.
fn is_replaced(before: &Lock, now: &Lock) -> bool {
    let (Some(before), Some(now)) = (&before.on_disk, &now.on_disk) else { return false };
    before.file != now.file || before.birth != now.birth
}

/// Whether parts of a lock can be unlocked.
pub(super) fn is_of_bytes(lock: &Lock) -> bool {
    matches!(lock.mechanism, Mechanism::Posix | Mechanism::Ofd)
}

/// The bytes within `range` that a party has by other locks of the same file, first to last.
pub(super) fn bytes_within(range: Range, party: &Party<'_>, locks: &[&Lock]) -> Vec<Range> {
    let is_theirs = |lock: &&&Lock| {
        lock.range.is_some_and(|other| other.overlaps(&range))
            && Party::all(lock).iter().any(|other| {
                other.record.mode == party.record.mode && (party.is(other) || other.is(party))
            })
    };
    let mut ranges: Vec<Range> =
        locks.iter().filter(is_theirs).filter_map(|lock| lock.range).collect();
    ranges.sort_by_key(|range| range.start);
    ranges
}

/// Whether all who had a lock of bytes have them still, by other locks of the same file.
pub(super) fn is_within_others(lock: &Lock, now: &Snapshot) -> bool {
    let (Some(range), Some(file)) = (lock.range.filter(|_| is_of_bytes(lock)), lock.table_file)
    else {
        return false;
    };
    let is_there = |other: &&Lock| other.table_file == Some(file) && is_of_bytes(other);
    let locks: Vec<&Lock> = now.locks.iter().filter(is_there).collect();
    let keeps = |party: &Party<'_>| cover(&bytes_within(range, party, &locks), range);
    !locks.is_empty() && Party::all(lock).iter().all(keeps)
}

/// Whether `ranges`, sorted, leave no gap in `whole`.
pub(super) fn cover(ranges: &[Range], whole: Range) -> bool {
    let mut next = whole.start;
    for range in ranges {
        if range.start > next {
            return false;
        }
        match range.end {
            None => return true,
            Some(end) if end >= whole.end.unwrap_or(u64::MAX) => return true,
            Some(end) => next = next.max(end.saturating_add(1)),
        }
    }
    false
}
