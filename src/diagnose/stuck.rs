//! Processes that cannot go on by themselves.
//!
//! Who is halted cannot: stopped, traced, frozen, long in uninterruptible sleep. Who is in a circle
//! cannot. And who waits, with all threads, for nothing but those who cannot: for their locks, for the
//! other end of a pipe or socket, for a child, for the server of a file system. Who only sleeps can.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use crate::model::{Deadlock, Facts, Member, Moment, Pid, Process, State, Wait, Wake, What, short};

use super::graph::Graph;
use super::{phrase, waits};

/// In uninterruptible sleep for at least so long is stuck; shorter is everyday work of a disk.
const LONG_SLEEP: Duration = Duration::from_secs(10);

/// Why a process cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// By its own state.
    Halted,
    /// All its threads wait in a circle.
    Deadlocked,
    /// All its threads wait for processes that cannot go on. One of them for a lock:
    Waits {
        /// What for, as index in the facts.
        lock: usize,
        /// Who has that.
        holder: Pid,
    },
    /// Or for something else:
    Awaits {
        /// Which wait of the process.
        wait: usize,
        /// Which of the things that would end it.
        thing: usize,
        /// Who cannot bring it about; nobody can, where that is nobody.
        peer: Option<Pid>,
    },
}

/// All processes that cannot go on.
#[derive(Debug)]
pub(super) struct Stuck {
    causes: HashMap<Pid, Cause>,
}

impl Stuck {
    /// Begins with the halted and the deadlocked, and adds whoever waits for them alone.
    pub(super) fn of(facts: &Facts, graph: &Graph, deadlocks: &[Deadlock]) -> Self {
        let mut causes: HashMap<_, _> = facts
            .processes
            .iter()
            .filter(|(_, process)| halt(process, facts.at).is_some())
            .map(|(&pid, _)| (pid, Cause::Halted))
            .collect();
        let members: HashSet<_> =
            deadlocks.iter().flat_map(|circle| &circle.members).map(Member::waits).collect();
        for node in graph.processes.iter().filter(|node| members.contains(&node.pid)) {
            if node.threads.is_some_and(|threads| threads <= node.asks.len()) {
                causes.entry(node.pid).or_insert(Cause::Deadlocked);
            }
        }
        Self { causes: Spread::new(facts, graph, causes).run() }
    }

    /// Whether the process cannot go on.
    pub(super) fn has(&self, pid: Pid) -> bool {
        self.causes.contains_key(&pid)
    }

    /// What keeps the process from going on: `is stopped by a signal`.
    pub(super) fn reason(&self, pid: Pid, facts: &Facts) -> Option<String> {
        let further = |next: Pid| {
            let root = self.root_of(next);
            let behind = if root == next {
                String::new()
            } else {
                format!("waits in turn for {}, which ", phrase::who(facts, root))
            };
            format!("which {behind}{}", self.own_reason(root, facts))
        };
        Some(match *self.causes.get(&pid)? {
            Cause::Waits { lock, holder } => format!(
                "itself waits for {}, held by {}, {}",
                phrase::label(&facts.locks[lock]),
                phrase::who(facts, holder),
                further(holder)
            ),
            Cause::Awaits { wait, thing, peer } => {
                let awaited = awaited(facts, pid, wait, thing)?;
                let told = format!("waits for {}", waits::thing(awaited));
                let unsure = if awaited.by_all { "" } else { UNSURE };
                match peer {
                    Some(peer) => format!("{told}, {}{unsure}", further(peer)),
                    None => told,
                }
            }
            Cause::Halted | Cause::Deadlocked => self.own_reason(pid, facts),
        })
    }

    /// The process at the end of the chain: one that waits for nobody else.
    fn root_of(&self, mut pid: Pid) -> Pid {
        // Ends: whoever waits was added after the one that it waits for.
        while let Some(Cause::Waits { holder: next, .. } | Cause::Awaits { peer: Some(next), .. }) =
            self.causes.get(&pid)
        {
            pid = *next;
        }
        pid
    }

    fn own_reason(&self, pid: Pid, facts: &Facts) -> String {
        let told = match self.causes.get(&pid) {
            Some(Cause::Deadlocked) => Some("is in a deadlock".into()),
            Some(&Cause::Awaits { wait, thing, .. }) => awaited(facts, pid, wait, thing)
                .map(|thing| format!("waits for {}", waits::thing(thing))),
            _ => facts.processes.get(&pid).and_then(|process| halt(process, facts.at)),
        };
        told.unwrap_or_else(|| "cannot go on".into())
    }
}

/// Said where not everybody could be asked who has the other end.
const UNSURE: &str = "; not certain: a process that may not be read could have that end open, too";

fn awaited(facts: &Facts, pid: Pid, wait: usize, thing: usize) -> Option<&Wake> {
    facts.processes.get(&pid)?.waits_for.as_ref()?.get(wait)?.any_of.get(thing)
}

/// How the process's own state keeps it from going on: `is stopped by a signal`.
pub(super) fn halt(process: &Process, at: Moment) -> Option<String> {
    Some(match (process.state?, process.idle(at)) {
        (State::Stopped, _) => "is stopped by a signal".into(),
        (State::Traced, _) => format!("is stopped by {}", phrase::debugger(process)),
        (State::Frozen, _) => "is frozen (its control group)".into(),
        (State::Uninterruptible, Some(slept)) if slept >= LONG_SLEEP => {
            phrase::asleep(process, Some(&short(slept)))
        }
        _ => return None,
    })
}

/// How being stuck goes from one process to those who wait for it.
struct Spread<'a> {
    facts: &'a Facts,
    graph: &'a Graph,
    causes: HashMap<Pid, Cause>,
    /// The place of each process in the graph.
    nodes: HashMap<Pid, usize>,
    /// Of each grant, how many sharers could let go of it.
    sharers_left: Vec<usize>,
    /// Of each process that waits, how many threads could go on.
    threads_left: HashMap<Pid, usize>,
    /// The wants that are known not to come true.
    immovable: Vec<bool>,
    /// Who waits for a process otherwise than for a lock, and which wait that is.
    watchers: HashMap<Pid, Vec<(Pid, usize)>>,
    /// The waits that are known not to end.
    endless: HashSet<(Pid, usize)>,
    queue: VecDeque<Pid>,
}

impl<'a> Spread<'a> {
    fn new(facts: &'a Facts, graph: &'a Graph, causes: HashMap<Pid, Cause>) -> Self {
        let nodes = graph.processes.iter().enumerate();
        let mut spread = Self {
            facts,
            graph,
            nodes: nodes.map(|(index, node)| (node.pid, index)).collect(),
            sharers_left: graph.grants.iter().map(|grant| grant.sharers.len()).collect(),
            threads_left: HashMap::new(),
            immovable: vec![false; graph.wants.len()],
            watchers: HashMap::new(),
            endless: HashSet::new(),
            queue: causes.keys().copied().collect(),
            causes,
        };
        for node in &graph.processes {
            spread.threads_left.insert(node.pid, node.threads.unwrap_or(usize::MAX).max(1));
        }
        for (&pid, process) in &facts.processes {
            spread.enter(pid, process);
        }
        spread
    }

    /// Enters what a process waits for.
    fn enter(&mut self, pid: Pid, process: &Process) {
        let Some(waits) = process.waits_for.as_deref() else { return };
        // Threads that wait for other threads of the process go on when one of those does.
        let for_each_other = waits.iter().filter(|wait| is_for_another_thread(wait)).count();
        let threads = process.threads.map_or(usize::MAX, |threads| threads as usize);
        if for_each_other < threads {
            self.threads_left.insert(pid, threads - for_each_other);
        } else {
            // What else wakes them cannot be seen, such as a signal.
            self.threads_left.insert(pid, usize::MAX);
        }
        for (index, wait) in waits.iter().enumerate() {
            for peer in wait.any_of.iter().flat_map(|thing| &thing.by) {
                self.watchers.entry(peer.pid).or_default().push((pid, index));
            }
        }
    }

    /// Adds those all of whose threads wait for stuck processes alone.
    fn run(mut self) -> HashMap<Pid, Cause> {
        let waits = self.facts.processes.iter().flat_map(|(&pid, process)| {
            let count = process.waits_for.as_ref().map_or(0, Vec::len);
            (0..count).map(move |wait| (pid, wait))
        });
        // Some wait for what nobody can bring about.
        for (pid, wait) in waits.collect::<Vec<_>>() {
            self.try_end(pid, wait);
        }
        while let Some(pid) = self.queue.pop_front() {
            if let Some(&node) = self.nodes.get(&pid) {
                self.spread_by_locks(node);
            }
            for (watcher, wait) in self.watchers.remove(&pid).unwrap_or_default() {
                self.try_end(watcher, wait);
            }
        }
        self.causes
    }

    /// Who waits for what a stuck process keeps, and nobody who could go on.
    fn spread_by_locks(&mut self, node: usize) {
        let graph = self.graph;
        let holder = graph.processes[node].pid;
        for &grant in &graph.processes[node].shares {
            self.sharers_left[grant] -= 1;
            let grant = (self.sharers_left[grant] == 0).then(|| &graph.grants[grant]);
            let Some(grant) = grant.filter(|grant| !grant.runs_out) else { continue };
            let cause = Cause::Waits { lock: grant.lock, holder };
            for &want in &grant.wanted {
                if std::mem::replace(&mut self.immovable[want], true) {
                    continue;
                }
                let asks = graph.wants[want].asks.iter().map(|&ask| &graph.asks[ask]);
                for asker in asks.filter(|ask| ask.asleep).filter_map(|ask| ask.process) {
                    self.lose_thread(graph.processes[asker].pid, cause);
                }
            }
        }
    }

    /// Notes a wait of which it is known by now that it does not end.
    fn try_end(&mut self, pid: Pid, index: usize) {
        let process = self.facts.processes.get(&pid);
        let Some(wait) = process.and_then(|process| process.waits_for.as_ref()?.get(index)) else {
            return;
        };
        let is_stuck = |pid: Pid| self.causes.contains_key(&pid);
        if !is_endless(wait, is_stuck) || !self.endless.insert((pid, index)) {
            return;
        }
        // Told by the first thing that somebody is to bring about.
        let by = |thing: &Wake| thing.by.first().map(|peer| peer.pid);
        let thing = wait.any_of.iter().position(|thing| by(thing).is_some()).unwrap_or(0);
        let peer = wait.any_of.get(thing).and_then(by);
        self.lose_thread(pid, Cause::Awaits { wait: index, thing, peer });
    }

    /// One more thread of a process cannot go on.
    fn lose_thread(&mut self, pid: Pid, cause: Cause) {
        let Some(left) = self.threads_left.get_mut(&pid) else { return };
        *left = left.saturating_sub(1);
        if *left == 0 && !self.causes.contains_key(&pid) {
            self.causes.insert(pid, cause);
            self.queue.push_back(pid);
        }
    }
}

/// Whether a thread waits, for as long as it takes, for another one of its process.
fn is_for_another_thread(wait: &Wait) -> bool {
    let is_private = |thing: &Wake| thing.what == What::Thread && thing.by_all;
    !wait.timed && !wait.any_of.is_empty() && wait.any_of.iter().all(is_private)
}

/// Whether nothing can end a wait, when those cannot go on.
fn is_endless(wait: &Wait, is_stuck: impl Fn(Pid) -> bool) -> bool {
    let never = |thing: &Wake| {
        let can_be_told = match thing.what {
            What::Pipe | What::FullPipe => thing.by_all || !thing.by.is_empty(),
            What::Socket | What::FullSocket | What::Child | What::Process | What::FileSystem => {
                !thing.by.is_empty()
            }
            _ => false,
        };
        can_be_told && thing.by.iter().all(|peer| is_stuck(peer.pid))
    };
    wait.complete && !wait.timed && !wait.any_of.is_empty() && wait.any_of.iter().all(never)
}

#[cfg(test)]
mod tests;
