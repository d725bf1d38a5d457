//! Who can do nothing until a child ends: a shell, or flock(1), that holds a lock while its command
//! waits for another.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::model::{AwaitedEnd, Facts, FileId, LockFacts, Pid, Process};
use crate::system::System;

/// A line of ends that are waited for is not followed farther than this.
const LONGEST: usize = 64;

/// What was seen of those who wait for the ends of others.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Who holds what somebody waits for.
    holders: Vec<Pid>,
    /// Who asks for a lock: waits for nothing else.
    askers: HashSet<Pid>,
    awaited: BTreeMap<Pid, AwaitedEnd>,
}

impl Watch {
    /// Enters who waits for whose end, as far as it matters for who waits for whom.
    pub(super) fn begin(facts: &mut Facts, system: &System) -> Self {
        let requests = facts.locks.iter().flat_map(|lock| &lock.requests);
        let askers: HashSet<Pid> = requests.filter_map(|request| request.pid).collect();
        let asked_for: HashSet<_> =
            facts.locks.iter().filter(|lock| !lock.requests.is_empty()).map(file).collect();
        let held_up = facts.locks.iter().filter(|lock| asked_for.contains(&file(lock)));
        let sharers = held_up.flat_map(|lock| &lock.grants).flat_map(|grant| &grant.sharers);
        let mut holders: Vec<Pid> = sharers
            .map(|sharer| sharer.pid)
            .filter(|pid| !askers.contains(pid))
            .filter(|pid| facts.processes.get(pid).is_some_and(seems_to_wait))
            .collect();
        holders.sort_unstable();
        holders.dedup();
        let awaited = follow(&holders, &askers, system);
        let strangers: Vec<Pid> = awaited
            .values()
            .map(|awaited| awaited.child)
            .filter(|child| !facts.processes.contains_key(child))
            .collect();
        if !strangers.is_empty() {
            facts.processes.extend(system.portraits(&strangers));
        }
        facts.awaited.clone_from(&awaited);
        Self { holders, askers, awaited }
    }

    /// Whether the same wait for the same still, provided that the holders have not run since.
    pub(super) fn holds(&self, system: &System) -> bool {
        follow(&self.holders, &self.askers, system) == self.awaited
    }
}

/// What locks can be in each other's way on.
fn file(lock: &LockFacts) -> (Option<FileId>, Option<&str>) {
    let file = lock.file.or(lock.table_file);
    (file, file.is_none().then(|| lock.id.as_str()))
}

/// Whether it is worth asking for whom it waits.
fn seems_to_wait(process: &Arc<Process>) -> bool {
    process.wchan.as_deref().is_some_and(System::waits_for_somebody)
}

fn follow(holders: &[Pid], askers: &HashSet<Pid>, system: &System) -> BTreeMap<Pid, AwaitedEnd> {
    let mut awaited = BTreeMap::new();
    for &holder in holders {
        let mut at = holder;
        for _ in 0..LONGEST {
            if askers.contains(&at) || awaited.contains_key(&at) {
                break;
            }
            let Some(child) = system.awaited_child(at) else { break };
            awaited.insert(at, AwaitedEnd { child, timed: system.has_timer(at) });
            at = child;
        }
    }
    awaited
}
