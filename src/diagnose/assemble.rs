//! Puts facts, verdicts and circles together.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{
    Behind, Blocker, Certainty, Deadlock, Facts, Grant, Holder, Lock, LockFacts, Mechanism, Method,
    Naming, PathBytes, Pid, Process, Reason, Record, Request, Snapshot, Verdict, Waiter,
};

use super::graph::Graph;

/// What was found of a lock.
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    pub(super) why: Reason,
    pub(super) behind: Option<Behind>,
}

/// The snapshot of these facts; `judged` has one for each lock, in the order of the facts.
pub(super) fn snapshot(
    facts: Facts,
    graph: &Graph,
    judged: Vec<Judged>,
    deadlocks: Vec<Deadlock>,
) -> Snapshot {
    let blockers = graph.blockers(&facts);
    // The graph has one ask for each request, in the same order.
    let mut asked = graph.asks.iter().map(|ask| Arc::clone(&blockers[ask.want]));
    let Facts { host, at, cost, complete, at_once, notes, locks, retaken, processes, awaited } =
        facts;
    let awaited = awaited.into_iter().map(|(pid, end)| (pid, end.child)).collect();
    let people = People { processes, host: Arc::clone(&host.name), stranger: Arc::default() };
    let locks = locks
        .into_iter()
        .zip(judged)
        .map(|(lock, judged)| people.lock(lock, judged, &mut asked))
        .collect();
    let mut snapshot =
        Snapshot { host, at, cost, complete, at_once, notes, locks, deadlocks, awaited, retaken };
    snapshot.sort();
    snapshot
}

/// Who the pids are.
struct People {
    processes: BTreeMap<Pid, Arc<Process>>,
    host: Arc<str>,
    /// Somebody of whom nothing is known.
    stranger: Arc<Process>,
}

impl People {
    fn lock(
        &self,
        lock: LockFacts,
        Judged { verdict, why, behind }: Judged,
        blockers: &mut impl Iterator<Item = Arc<[Blocker]>>,
    ) -> Lock {
        let mode = lock.mode();
        let has_range = !matches!(lock.mechanism, Mechanism::Exists | Mechanism::Server);
        let mut details = lock.details;
        if lock.queue_cut {
            details.insert("queue_cut", true.into());
        }
        let recorded_pid = lock.grants.first().and_then(|grant| grant.recorded_pid);
        let records = lock.grants.iter().map(Record::of).collect();
        let holders: Arc<[Holder]> =
            lock.grants.into_iter().flat_map(|grant| self.holders(grant)).collect();
        Lock {
            id: lock.id,
            as_seen: lock.as_seen,
            family: lock.family,
            mechanism: lock.mechanism,
            name: lock.name,
            path_base64: lock.path.as_ref().and_then(PathBytes::base64),
            path: lock.path,
            url: None,
            deleted: matches!(lock.naming, Naming::Another | Naming::Nothing),
            mode,
            range: has_range.then_some(lock.range),
            verdict,
            normal: lock.normal,
            why: Some(why),
            age: lock.age,
            recorded_pid,
            methods: Method::fitting(lock.mechanism, &holders),
            holders,
            records,
            waiters: self.waiters(lock.requests, has_range, blockers),
            behind,
            lease: None,
            fencing: None,
            details,
            on_disk: lock.on_disk,
            file: lock.file,
            table_file: lock.table_file,
        }
    }

    fn holders(&self, grant: Grant) -> impl Iterator<Item = Holder> {
        let elsewhere = grant.elsewhere.map(|other| Holder {
            process: Arc::new(Process {
                pid: other.pid,
                user: other.user.map(|user| user.as_ref().to_owned()),
                ..Process::default()
            }),
            host: Some(other.host),
            certainty: Certainty::Recorded,
            grant: grant.number,
            fds: Vec::new(),
            token: None,
        });
        let here = grant.sharers.into_iter().map(move |sharer| Holder {
            process: self.process(Some(sharer.pid)),
            host: Some(Arc::clone(&self.host)),
            certainty: sharer.certainty,
            grant: grant.number,
            fds: sharer.fds,
            token: None,
        });
        here.chain(elsewhere)
    }

    fn waiters(
        &self,
        requests: Vec<Request>,
        has_range: bool,
        blockers: &mut impl Iterator<Item = Arc<[Blocker]>>,
    ) -> Vec<Waiter> {
        let tree = requests.into_iter().zip(blockers).zip(0..);
        let mut waiters: Vec<Waiter> = tree
            .map(|((request, blockers), place)| self.waiter(request, place, has_range, blockers))
            .collect();
        waiters.sort_by_key(|waiter| waiter.position.unwrap_or(u32::MAX));
        waiters
    }

    fn waiter(
        &self,
        request: Request,
        place: u32,
        has_range: bool,
        blocked_by: Arc<[Blocker]>,
    ) -> Waiter {
        Waiter {
            process: self.process(request.pid),
            host: Some(Arc::clone(&self.host)),
            position: request.position,
            tid: request.tid,
            token: None,
            mode: request.mode,
            range: has_range.then_some(request.range),
            waited: request.waited,
            how: request.how,
            tries: request.tries,
            pause: request.pause,
            blocked_by,
            endless: !request.inferred && !request.timed,
            depth: request.depth,
            place,
        }
    }

    fn process(&self, pid: Option<Pid>) -> Arc<Process> {
        let Some(pid) = pid else { return Arc::clone(&self.stranger) };
        self.processes
            .get(&pid)
            .map_or_else(|| Arc::new(Process { pid: Some(pid), ..Process::default() }), Arc::clone)
    }
}
