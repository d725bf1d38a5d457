//! Who is in whose way: what is asked for, and the grants that conflict with it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::model::{
    Blocker, Certainty, Facts, FileId, Grant, How, LockFacts, Mechanism, Mode, Pid, Range, Request,
};

/// Requests, wants, grants and processes, joined by their indices in these lists.
///
/// Requests that ask for the same share one [`Want`], so a thousand waiters behind a thousand
/// holders are a thousand edges on either side and not a million.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// Those who ask, and those who share a grant that somebody could want.
    pub(super) processes: Vec<Node>,
    /// One for each request, in the order of the facts.
    pub(super) asks: Vec<Ask>,
    /// What is asked for, each told once.
    pub(super) wants: Vec<Want>,
    /// The grants on all files that somebody asks for.
    pub(super) grants: Vec<Granted>,
}

/// A process.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) pid: Pid,
    /// How many threads it has, if that is known.
    pub(super) threads: Option<usize>,
    /// What its threads ask for, as indices.
    pub(super) asks: Vec<usize>,
    /// The grants that it shares, as indices.
    pub(super) shares: Vec<usize>,
    /// The child for whose end it waits and can do nothing else, as index.
    pub(super) awaits: Option<usize>,
    /// Those who wait so for its own end, as indices.
    pub(super) awaited_by: Vec<usize>,
    /// Whether it has stood still all the while that we looked, and has set itself no limit.
    pub(super) still: bool,
}

/// One thread's request.
#[derive(Debug)]
pub(super) struct Ask {
    /// Index of its process, if that is known.
    pub(super) process: Option<usize>,
    /// Index of what it wants.
    pub(super) want: usize,
    /// Whether its thread waits until it gets it: in the kernel, or as it says itself.
    pub(super) asleep: bool,
    /// Whether it is certain that this thread waits, did all the while that we looked, and has set
    /// itself no limit.
    pub(super) sure: bool,
}

/// What one or many ask for.
#[derive(Debug)]
pub(super) struct Want {
    /// The grants that have to go first, as indices.
    pub(super) in_the_way: Vec<usize>,
    /// Who asks, as indices.
    pub(super) asks: Vec<usize>,
}

/// A grant that somebody could want.
#[derive(Debug)]
pub(super) struct Granted {
    /// Index of its lock in the facts.
    pub(super) lock: usize,
    /// Indices of the processes that share it.
    pub(super) sharers: Vec<usize>,
    /// Indices of the wants that it is in the way of.
    pub(super) wanted: Vec<usize>,
    /// Whether every sharer was seen to keep it.
    pub(super) proven: bool,
    /// Whether the kernel takes it away by itself, as it does with leases.
    pub(super) runs_out: bool,
}

impl Graph {
    /// The graph of these facts.
    pub(super) fn of(facts: &Facts) -> Self {
        let mut builder = Builder::new(facts);
        for (index, lock) in facts.locks.iter().enumerate() {
            builder.enter_grants(index, lock);
        }
        for (index, lock) in facts.locks.iter().enumerate() {
            for request in &lock.requests {
                builder.enter_request(index, lock, request);
            }
        }
        builder.enter_awaited();
        builder.graph
    }

    /// For each want, everyone who has to let go first.
    pub(super) fn blockers(&self, facts: &Facts) -> Vec<Arc<[Blocker]>> {
        self.wants.iter().map(|want| self.blockers_of(want, facts)).collect()
    }

    /// The child for whose end a process waits, the one for whose end that waits, and so on.
    pub(super) fn line_from(&self, process: usize) -> impl Iterator<Item = usize> {
        let child = |at: &usize| self.processes[*at].awaits;
        // As the system never shows it, it could lead back.
        std::iter::successors(child(&process), child).take(self.processes.len())
    }

    fn blockers_of(&self, want: &Want, facts: &Facts) -> Arc<[Blocker]> {
        let mut told = HashSet::new();
        let mut blockers = Vec::new();
        for grant in want.in_the_way.iter().map(|&grant| &self.grants[grant]) {
            let nobody = grant.sharers.is_empty().then_some(None);
            let pids = grant.sharers.iter().map(|&sharer| Some(self.processes[sharer].pid));
            for pid in pids.chain(nobody) {
                if told.insert((grant.lock, pid)) {
                    blockers.push(Blocker { id: facts.locks[grant.lock].id.clone(), pid });
                }
            }
        }
        blockers.into()
    }
}

/// What locks can exclude each other on: a file, or a lock whose file is unknown, by its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Resource {
    File(FileId),
    Alone(usize),
}

impl Resource {
    fn of(index: usize, lock: &LockFacts) -> Self {
        lock.file.or(lock.table_file).map_or(Self::Alone(index), Self::File)
    }
}

/// The grants on one file: index in the graph, and where they are in the facts.
#[derive(Debug, Default)]
struct Held<'a> {
    grants: Vec<(usize, &'a LockFacts, &'a Grant)>,
    /// Who has record locks there.
    recorders: HashSet<Pid>,
}

/// Equal for requests that the same grants are in the way of.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    resource: Resource,
    mechanism: Mechanism,
    mode: Mode,
    range: Range,
    /// Who asks and through which descriptor, where its own locks make a difference.
    own: Option<(Pid, Option<i32>)>,
}

struct Builder<'a> {
    facts: &'a Facts,
    graph: Graph,
    nodes: HashMap<Pid, usize>,
    /// Only files that somebody asks for.
    files: HashMap<Resource, Held<'a>>,
    wants: HashMap<Key, usize>,
    /// The threads that ask.
    threads: HashSet<Pid>,
}

impl<'a> Builder<'a> {
    fn new(facts: &'a Facts) -> Self {
        let asked_for =
            facts.locks.iter().enumerate().filter(|(_, lock)| !lock.requests.is_empty());
        Self {
            facts,
            graph: Graph::default(),
            nodes: HashMap::new(),
            files: asked_for
                .map(|(index, lock)| (Resource::of(index, lock), Held::default()))
                .collect(),
            wants: HashMap::new(),
            threads: HashSet::new(),
        }
    }

    fn enter_grants(&mut self, index: usize, lock: &'a LockFacts) {
        let resource = Resource::of(index, lock);
        if !self.files.contains_key(&resource) {
            return;
        }
        for grant in &lock.grants {
            let sharers: Vec<_> =
                grant.sharers.iter().map(|sharer| self.node(sharer.pid)).collect();
            let number = self.graph.grants.len();
            for &sharer in &sharers {
                self.graph.processes[sharer].shares.push(number);
            }
            self.graph.grants.push(Granted {
                lock: index,
                sharers,
                wanted: Vec::new(),
                proven: grant.sharers.iter().all(|by| by.certainty == Certainty::Proven),
                runs_out: lock.mechanism == Mechanism::Lease,
            });
            let held = self.files.entry(resource).or_default();
            held.grants.push((number, lock, grant));
            if lock.mechanism.conflicts_with(Mechanism::Posix) {
                held.recorders.extend(grant.recorded_pid);
                held.recorders.extend(grant.sharers.iter().map(|sharer| sharer.pid));
            }
        }
    }

    fn enter_request(&mut self, index: usize, lock: &LockFacts, request: &Request) {
        let want = self.want(Resource::of(index, lock), request);
        let process = request.pid.map(|pid| self.node(pid));
        let ask = self.graph.asks.len();
        self.graph.wants[want].asks.push(ask);
        if let Some(process) = process {
            self.graph.processes[process].asks.push(ask);
        }
        // A lock table that is read in pieces can show a thread that runs meanwhile with what it never
        // had at one moment.
        let asks_once = request.tid.is_none_or(|tid| self.threads.insert(tid));
        let slept = request.last_ran.unwrap_or_default().max(request.waited.min);
        let stood_still = self.facts.at_once || slept >= self.facts.cost;
        self.graph.asks.push(Ask {
            process,
            want,
            asleep: request.how == How::Kernel || request.declared,
            sure: !request.inferred && !request.timed && asks_once && stood_still,
        });
    }

    /// Adds for whose ends those wait who are there by now, and for whose ends these.
    fn enter_awaited(&mut self) {
        let facts = self.facts;
        let mut at = 0;
        while let Some(node) = self.graph.processes.get(at) {
            let awaited = facts.awaited.get(&node.pid).filter(|_| node.asks.is_empty());
            if let Some(awaited) = awaited {
                let child = self.node(awaited.child);
                self.graph.processes[at].awaits = Some(child);
                self.graph.processes[at].still &= !awaited.timed;
                self.graph.processes[child].awaited_by.push(at);
            }
            at += 1;
        }
    }

    fn want(&mut self, resource: Resource, request: &Request) -> usize {
        let Self { graph, files, wants, .. } = self;
        let held = files.entry(resource).or_default();
        let own = request.pid.filter(|pid| {
            request.mechanism.conflicts_with(Mechanism::Posix) && held.recorders.contains(pid)
        });
        let key = Key {
            resource,
            mechanism: request.mechanism,
            mode: request.mode,
            range: request.range,
            own: own.map(|pid| (pid, request.fd)),
        };
        *wants.entry(key).or_insert_with(|| {
            let number = graph.wants.len();
            let in_the_way: Vec<_> = held
                .grants
                .iter()
                .filter(|(_, lock, grant)| is_in_the_way(lock, grant, request))
                .map(|(grant, ..)| *grant)
                .collect();
            for &grant in &in_the_way {
                graph.grants[grant].wanted.push(number);
            }
            graph.wants.push(Want { in_the_way, asks: Vec::new() });
            number
        })
    }

    fn node(&mut self, pid: Pid) -> usize {
        let Self { facts, graph, nodes, .. } = self;
        *nodes.entry(pid).or_insert_with(|| {
            let process = facts.processes.get(&pid);
            let threads = process.and_then(|process| process.threads);
            let idle = process.and_then(|process| process.idle(facts.at));
            graph.processes.push(Node {
                pid,
                threads: threads.map(|threads| threads as usize),
                asks: Vec::new(),
                shares: Vec::new(),
                awaits: None,
                awaited_by: Vec::new(),
                still: idle.is_some_and(|idle| idle >= facts.cost),
            });
            graph.processes.len() - 1
        })
    }
}

/// Whether a grant on the same file has to go before the request can be granted.
fn is_in_the_way(lock: &LockFacts, grant: &Grant, request: &Request) -> bool {
    lock.mechanism.conflicts_with(request.mechanism)
        && grant.mode.conflicts_with(request.mode)
        && lock.range.overlaps(&request.range)
        && !is_own(lock.mechanism, grant, request)
}

/// Whether the grant belongs to the one who asks, so that the request would only alter it: POSIX
/// locks belong to the process, the others to the open file.
///
/// A flock that is being altered is let go before its thread sleeps, so what its process still
/// keeps was locked through another open file. Where nothing tells through which open file an OFD
/// lock is asked for, its process is not accused of blocking itself.
fn is_own(mechanism: Mechanism, grant: &Grant, request: &Request) -> bool {
    let Some(pid) = request.pid else { return false };
    let sharer = grant.sharers.iter().find(|sharer| sharer.pid == pid);
    match (mechanism, request.mechanism, sharer) {
        (Mechanism::Posix, Mechanism::Posix, Some(_)) => true,
        (Mechanism::Posix, Mechanism::Posix, None) => {
            grant.sharers.is_empty() && grant.recorded_pid == Some(pid)
        }
        (Mechanism::Ofd, Mechanism::Ofd, Some(sharer)) => {
            request.fd.is_none_or(|fd| sharer.fds.contains(&fd))
        }
        _ => false,
    }
}
