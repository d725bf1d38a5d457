//! Readers who take a lock while somebody waits to have it alone: new readers pass a writer who waits.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::WaitKey;
use crate::model::{Facts, LockFacts, Mode, ProcessId};

/// The readers that each writer was seen to wait for, and how many have come since.
#[derive(Debug, Default)]
pub(super) struct Readers {
    before: HashMap<WaitKey, Passing>,
}

#[derive(Debug)]
struct Passing {
    readers: HashSet<ProcessId>,
    passed: u32,
}

impl Readers {
    /// Counts those who were not there at the last look, for writers that have waited all the time
    /// since: for longer than `since_last`.
    pub(super) fn count(&mut self, facts: &mut Facts, since_last: Option<Duration>) {
        let mut now = HashMap::new();
        let processes = &facts.processes;
        for lock in facts.locks.iter_mut().filter(|lock| is_read(lock)) {
            let id = |pid| processes.get(&pid)?.id();
            let sharers = lock.grants.iter().flat_map(|grant| &grant.sharers);
            let readers: HashSet<ProcessId> = sharers.filter_map(|by| id(by.pid)).collect();
            for request in lock.requests.iter_mut().filter(|of| of.mode == Mode::Exclusive) {
                let Some((process, tid)) = request.pid.and_then(id).zip(request.tid) else {
                    continue;
                };
                let key = (lock.table_file, process, tid);
                let has_waited =
                    request.last_ran.zip(since_last).is_some_and(|(ran, since)| ran >= since);
                let before = self.before.remove(&key).filter(|_| has_waited);
                let passed = before.map_or(0, |before| {
                    before.passed + readers.difference(&before.readers).count() as u32
                });
                request.passed_by = passed;
                now.insert(key, Passing { readers: readers.clone(), passed });
            }
        }
        self.before = now;
    }
}

/// Whether only readers have it, and somebody waits.
fn is_read(lock: &LockFacts) -> bool {
    !lock.requests.is_empty() && lock.mode() == Mode::Shared
}
