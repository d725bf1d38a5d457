//! Processes that cannot go on by themselves.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use crate::model::{Deadlock, Facts, Member, Moment, Pid, Process, State, short};

use super::graph::Graph;
use super::phrase;

/// In uninterruptible sleep for at least so long is stuck; shorter is everyday work of a disk.
const LONG_SLEEP: Duration = Duration::from_secs(10);

/// Why a process cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// By its own state.
    Halted,
    /// All its threads wait in a circle.
    Deadlocked,
    /// All its threads wait for processes that cannot go on.
    Waits {
        /// What for, as index in the facts.
        lock: usize,
        /// Who has that.
        holder: Pid,
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
        spread(graph, &mut causes);
        Self { causes }
    }

    /// Whether the process cannot go on.
    pub(super) fn has(&self, pid: Pid) -> bool {
        self.causes.contains_key(&pid)
    }

    /// What keeps the process from going on: `is stopped by a signal`.
    pub(super) fn reason(&self, pid: Pid, facts: &Facts) -> Option<String> {
        Some(match *self.causes.get(&pid)? {
            Cause::Waits { lock, holder } => {
                let lock = phrase::label(&facts.locks[lock]);
                let root = self.root_of(holder);
                let behind = if root == holder {
                    String::new()
                } else {
                    format!("waits in turn for {}, which ", phrase::who(facts, root))
                };
                format!(
                    "itself waits for {lock}, held by {}, which {behind}{}",
                    phrase::who(facts, holder),
                    self.own_reason(root, facts)
                )
            }
            _ => self.own_reason(pid, facts),
        })
    }

    /// The process at the end of the chain: one that waits for nobody else.
    fn root_of(&self, mut pid: Pid) -> Pid {
        // Ends: whoever waits was added after the one that it waits for.
        while let Some(Cause::Waits { holder, .. }) = self.causes.get(&pid) {
            pid = *holder;
        }
        pid
    }

    fn own_reason(&self, pid: Pid, facts: &Facts) -> String {
        match self.causes.get(&pid) {
            Some(Cause::Deadlocked) => "is in a deadlock".into(),
            _ => facts
                .processes
                .get(&pid)
                .and_then(|process| halt(process, facts.at))
                .unwrap_or_else(|| "cannot go on".into()),
        }
    }
}

/// How the process's own state keeps it from going on: `is stopped by a signal`.
pub(super) fn halt(process: &Process, at: Moment) -> Option<String> {
    Some(match (process.state?, process.idle(at)) {
        (State::Stopped, _) => "is stopped by a signal".into(),
        (State::Traced, _) => "is stopped by a debugger".into(),
        (State::Frozen, _) => "is frozen (its control group)".into(),
        (State::Uninterruptible, Some(slept)) if slept >= LONG_SLEEP => {
            format!("is in uninterruptible sleep{} for {}", phrase::place(process), short(slept))
        }
        _ => return None,
    })
}

/// Adds those all of whose threads wait for grants that are shared by stuck processes alone.
fn spread(graph: &Graph, causes: &mut HashMap<Pid, Cause>) {
    let mut sharers_left: Vec<_> = graph.grants.iter().map(|grant| grant.sharers.len()).collect();
    let mut threads_left: Vec<_> =
        graph.processes.iter().map(|node| node.threads.unwrap_or(usize::MAX).max(1)).collect();
    let mut immovable = vec![false; graph.wants.len()];
    let is_stuck = |process: &usize| causes.contains_key(&graph.processes[*process].pid);
    let mut queue: VecDeque<_> = (0..graph.processes.len()).filter(is_stuck).collect();
    while let Some(process) = queue.pop_front() {
        for &grant in &graph.processes[process].shares {
            sharers_left[grant] -= 1;
            let grant = (sharers_left[grant] == 0).then(|| &graph.grants[grant]);
            let Some(grant) = grant.filter(|grant| !grant.runs_out) else { continue };
            let cause = Cause::Waits { lock: grant.lock, holder: graph.processes[process].pid };
            for &want in &grant.wanted {
                if std::mem::replace(&mut immovable[want], true) {
                    continue;
                }
                let asks = graph.wants[want].asks.iter().map(|&ask| &graph.asks[ask]);
                for asker in asks.filter(|ask| ask.asleep).filter_map(|ask| ask.process) {
                    threads_left[asker] = threads_left[asker].saturating_sub(1);
                    let pid = graph.processes[asker].pid;
                    if threads_left[asker] == 0 && !causes.contains_key(&pid) {
                        causes.insert(pid, cause);
                        queue.push_back(asker);
                    }
                }
            }
        }
    }
}
