//! Whether a lock that is there at two looks was held all the time between them.

use std::time::Duration;

use crate::model::{Facts, FileId, Grant, LockFacts, Mechanism, Mode, Pid, ProcessId, Taker};

/// Where a lock is, by whatever name it goes: the file as the kernel's table numbers it.
pub(super) type Spot = (FileId, Mechanism);

/// Where a lock is; `None` where the table does not tell.
pub(super) fn spot(lock: &LockFacts) -> Option<Spot> {
    Some((lock.table_file?, lock.mechanism))
}

/// What can have happened between two looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gap {
    /// It was held all the time.
    None,
    /// It may have been released and retaken.
    Possible,
    /// It was released and retaken.
    Certain,
}

/// What one look showed of a lock: enough to compare it with the next look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glimpse {
    pub(super) grants: Vec<GrantGlimpse>,
    pub(super) mode: Mode,
    /// Whether one record is the whole lock: of one that is shared or made of bytes, a part can go
    /// and come back while the rest stays.
    pub(super) undivided: bool,
    /// Where the foremost of its records stood in the table.
    pub(super) place: usize,
    pub(super) spot: Option<Spot>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GrantGlimpse {
    pub(super) mode: Mode,
    pub(super) recorded: Option<Pid>,
    /// The process that is recorded, if it is alive.
    pub(super) taker: Option<Actor>,
    pub(super) taker_is_gone: bool,
    /// All that keep it, if all are known. Only where nobody is recorded: else others cannot renew it.
    pub(super) sharers: Option<Vec<Actor>>,
}

/// Somebody who could release and retake a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Actor {
    pub(super) id: ProcessId,
    /// How long none of its threads has run.
    pub(super) idle: Option<Duration>,
    /// How many those are.
    pub(super) threads: Option<u32>,
}

impl Glimpse {
    pub(super) fn of(lock: &LockFacts, facts: &Facts) -> Self {
        Self {
            grants: lock.grants.iter().map(|grant| GrantGlimpse::of(grant, facts)).collect(),
            mode: lock.mode(),
            undivided: lock.mode() == Mode::Exclusive && !super::is_of_bytes(lock),
            place: lock.grants.iter().map(|grant| grant.place).min().unwrap_or_default(),
            spot: spot(lock),
        }
    }

    /// The table has it at another place by now, since others came and went.
    pub(super) fn moves_to(&mut self, place: usize) {
        self.place = place;
    }

    /// Whether it must be the same lock for as long as nobody in it runs. `complete`: whether all
    /// processes can be seen.
    pub(super) fn lasts(&self, complete: bool) -> bool {
        self.grants.iter().any(|grant| match grant.recorded {
            Some(_) => grant.taker.is_some() || grant.taker_is_gone,
            None => complete && grant.sharers.as_ref().is_some_and(|all| !all.is_empty()),
        })
    }
}

impl GrantGlimpse {
    fn of(grant: &Grant, facts: &Facts) -> Self {
        let actor = |pid: Pid| {
            let process = facts.processes.get(&pid)?;
            Some(Actor {
                id: process.id()?,
                idle: process.idle(facts.at),
                threads: process.threads,
            })
        };
        Self {
            mode: grant.mode,
            recorded: grant.recorded_pid,
            taker: grant.recorded_pid.and_then(actor),
            taker_is_gone: grant.taker == Taker::Gone,
            sharers: match grant.recorded_pid {
                Some(_) => None,
                None => grant.sharers.iter().map(|sharer| actor(sharer.pid)).collect(),
            },
        }
    }
}

/// The rules of continuity between two looks.
#[derive(Debug)]
pub(super) struct Continuity {
    /// How long somebody must have slept to have done nothing since the last look.
    pub(super) since_last: Option<Duration>,
    /// Whether all processes could be seen, at both looks.
    pub(super) complete: bool,
}

impl Continuity {
    pub(super) fn judge(&self, before: &Glimpse, now: &Glimpse) -> Gap {
        let kept = now
            .grants
            .iter()
            .any(|grant| before.grants.iter().any(|old| self.is_the_same(old, grant)));
        if kept {
            return Gap::None;
        }
        // Of an exclusive lock there is only one record: another taker has another record.
        let exclusive = before.mode == Mode::Exclusive && now.mode == Mode::Exclusive;
        let recorded = |glimpse: &Glimpse| glimpse.grants.first().and_then(|grant| grant.recorded);
        match (recorded(before), recorded(now)) {
            (Some(old), Some(new)) if exclusive && old != new => Gap::Certain,
            _ => Gap::Possible,
        }
    }

    /// Whether it must be the same record: nobody who could have made another one ran in between.
    fn is_the_same(&self, before: &GrantGlimpse, now: &GrantGlimpse) -> bool {
        if before.mode != now.mode || before.recorded != now.recorded {
            return false;
        }
        if now.recorded.is_some() {
            // Only a process of that number makes records of that number.
            return match (before.taker, now.taker) {
                (Some(old), Some(new)) => self.slept(old, new),
                _ => before.taker_is_gone && now.taker_is_gone,
            };
        }
        let (Some(old), Some(new)) = (&before.sharers, &now.sharers) else { return false };
        let all = || old.iter().zip(new).all(|(old, new)| self.slept(*old, *new));
        self.complete && !new.is_empty() && old.len() == new.len() && all()
    }

    /// Whether it is the same process, and did nothing. A thread less, and that may have run before
    /// it ended; what a new one ran, it shows.
    fn slept(&self, old: Actor, new: Actor) -> bool {
        let idle = new.idle.zip(self.since_last).is_some_and(|(idle, since)| idle >= since);
        old.id == new.id && old.threads == new.threads && idle
    }
}

/// Finds locks that were certainly retaken: the table lists the newest first, so one that moved
/// ahead of another which was held all the time has a new record.
/// `unmoved` are the places, then and now, of others that were held all the time.
pub(super) fn find_retaken(
    gaps: &mut [Gap],
    before: &[Option<&Glimpse>],
    now: &[Glimpse],
    mut unmoved: Vec<(usize, usize)>,
) {
    let mut order: Vec<usize> = (0..now.len()).filter(|&index| before[index].is_some()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(now[index].place));
    unmoved.sort_by_key(|&(_, place)| place);
    // From the table's end: the foremost old place of those that stand behind and have not moved.
    let mut foremost = usize::MAX;
    for index in order {
        let Some(old) = before[index] else { continue };
        while let Some((place, _)) = unmoved.pop_if(|(_, place)| *place > now[index].place) {
            foremost = foremost.min(place);
        }
        match gaps[index] {
            // Of several records it is not known which one stayed.
            Gap::None if old.undivided && now[index].undivided => {
                foremost = foremost.min(old.place);
            }
            Gap::Possible if old.place > foremost && old.undivided && now[index].undivided => {
                gaps[index] = Gap::Certain;
            }
            Gap::None | Gap::Possible | Gap::Certain => {}
        }
    }
}
