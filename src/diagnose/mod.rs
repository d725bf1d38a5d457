//! Facts to judgement: who waits for whom, which verdict, and why. Pure functions.

mod advice;
mod assemble;
mod chains;
mod deadlock;
mod explain;
mod foresee;
mod graph;
#[cfg(test)]
mod naive;
pub(crate) mod phrase;
mod portrait;
mod processes;
#[cfg(test)]
mod sketch;
mod stuck;
mod verdict;
mod waits;

pub use advice::Advice;
pub(crate) use advice::release_of;
pub use explain::{Explanation, QueueLine, explain};
pub(crate) use foresee::{Kin, Wish, circle};
pub(crate) use phrase::doing;
pub use processes::explain_process;

use crate::model::{Certainty, Facts, Sharer, Snapshot, Taker};

/// Judges what was seen.
#[must_use]
pub fn diagnose(mut facts: Facts) -> Snapshot {
    believe_the_record(&mut facts);
    let graph = graph::Graph::of(&facts);
    let deadlocks = deadlock::circles(&facts, &graph);
    let stuck = stuck::Stuck::of(&facts, &graph, &deadlocks);
    let judge = verdict::Judge::new(&facts, &deadlocks, &stuck);
    let behind = chains::behind(&facts, &graph);
    let judged = facts.locks.iter().zip(behind).map(|(lock, behind)| {
        let (verdict, why) = judge.judge(lock);
        assemble::Judged { verdict, why, behind }
    });
    let judged = judged.collect();
    assemble::snapshot(facts, &graph, judged, deadlocks)
}

/// Whether the judgement stays the same for as long as nobody who holds or waits runs: that a circle
/// is certain can turn out with time.
#[must_use]
pub(crate) fn lasts(snapshot: &Snapshot) -> bool {
    snapshot.deadlocks.iter().all(|circle| circle.certain)
}

/// Where the process that the kernel names lives and nothing speaks against it, it is the holder,
/// though only by the record.
fn believe_the_record(facts: &mut Facts) {
    let grants = facts.locks.iter_mut().flat_map(|lock| &mut lock.grants);
    for grant in grants.filter(|grant| grant.sharers.is_empty()) {
        if let (Taker::Unreadable | Taker::Holds, Some(pid)) = (grant.taker, grant.recorded_pid) {
            grant.sharers.push(Sharer {
                pid,
                fds: Vec::new(),
                certainty: Certainty::Recorded,
                is_escrow: false,
            });
        }
    }
}
