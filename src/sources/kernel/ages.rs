//! What one look alone tells of how long locks have been held.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::Sighting;
use crate::model::{Evidence, Moment, Pid, Span, Taker};
use crate::system::{Anatomy, System};

/// File systems note times as coarsely as their clock ticks.
const CLOCK_TICK: Duration = Duration::from_millis(20);

/// Bounds the age of every lock: it is as old as the oldest of its grants.
pub(super) fn bound(
    system: &System,
    anatomy: &BTreeMap<Pid, Arc<Anatomy>>,
    at: Moment,
    locks: &mut [Sighting],
) {
    // A process with many locks is asked once.
    let mut spans: HashMap<Pid, Span> = HashMap::new();
    for lock in locks {
        let of_grants: Vec<Span> = lock
            .facts
            .grants
            .iter()
            .map(|grant| {
                let taker = grant.recorded_pid.filter(|_| grant.taker == Taker::Holds);
                let Some((pid, taker)) = taker.and_then(|pid| Some((pid, anatomy.get(&pid)?)))
                else {
                    return Span::default();
                };
                spans.entry(pid).or_insert_with(|| of_taker(system, taker, at)).clone()
            })
            .collect();
        let mut age = oldest(&of_grants);
        if let Some(since_birth) =
            lock.birth.and_then(|birth| Duration::try_from(at.wall.duration_since(birth)).ok())
        {
            age.at_most(since_birth + CLOCK_TICK, Evidence::FileTimes);
        }
        lock.facts.age = age;
    }
}

/// A thread must run to lock: whoever took a lock did so before its threads last ran, and after it
/// started.
fn of_taker(system: &System, taker: &Anatomy, at: Moment) -> Span {
    let mut span = Span::default();
    if let Some(start) = taker.process.start {
        let age = at.uptime.saturating_sub(system.since_boot(start));
        span.at_most(age + CLOCK_TICK, Evidence::ProcessStart);
    }
    // A thread that has ended can have locked after all the living ones ran.
    if let Some(ran) = taker.process.idle(at).filter(|_| !taker.has_ended_threads) {
        span.at_least(ran, Evidence::Scheduler);
    }
    span
}

fn oldest(spans: &[Span]) -> Span {
    let mut age = Span::default();
    if let Some(longest) = spans.iter().max_by_key(|span| span.min) {
        age = longest.clone();
    }
    age.max = spans
        .iter()
        .map(|span| span.max)
        .collect::<Option<Vec<_>>>()
        .and_then(|all| all.into_iter().max());
    if age.max.is_none() {
        age.evidence.retain(|evidence| *evidence != Evidence::ProcessStart);
    }
    age
}
