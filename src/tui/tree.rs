//! Who waits for whom: locks, their waiters, the locks that those hold, and so on.

use std::collections::{BTreeSet, HashMap, HashSet};

use locktop::model::{Pid, Snapshot};

/// A chain of waiting that is longer than this is cut.
const DEEPEST: usize = 64;

/// One line of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    /// The lock, as an index into the snapshot.
    pub(super) lock: usize,
    /// Its waiter, if the line is about one.
    pub(super) waiter: Option<usize>,
    /// For each level above and this one: whether it is the last of its siblings.
    pub(super) last: Vec<bool>,
    pub(super) kind: Kind,
}

/// What is special about a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    /// The lock stands above on the same branch: a circle.
    Circle,
    /// The lock and what hangs on it stand elsewhere.
    Elsewhere,
}

/// The trees that have one of `locks` in them, in that order.
pub(super) fn forest(snapshot: &Snapshot, locks: impl Iterator<Item = usize>) -> Vec<Node> {
    let mut walk = Walk::new(snapshot);
    for at in locks {
        if walk.is_contended(at) && !walk.done.contains(&at) {
            walk.visit(walk.root_of(at), &[]);
        }
    }
    walk.nodes
}

struct Walk<'a> {
    snapshot: &'a Snapshot,
    /// The contended locks that are held by a process, or by those who wait for its end.
    held: HashMap<Pid, Vec<usize>>,
    /// The lock that a process waits for; where its threads wait for several, one of them.
    wanted: HashMap<Pid, usize>,
    branch: Vec<usize>,
    done: HashSet<usize>,
    nodes: Vec<Node>,
}

impl<'a> Walk<'a> {
    fn new(snapshot: &'a Snapshot) -> Self {
        let mut held: HashMap<Pid, Vec<usize>> = HashMap::new();
        let mut wanted = HashMap::new();
        for (at, lock) in snapshot.locks.iter().enumerate() {
            let waiting = lock.waiters.iter().filter_map(|waiter| waiter.process.pid);
            wanted.extend(waiting.map(|pid| (pid, at)));
            if !lock.waiters.is_empty() {
                let pids = lock.holders.iter().filter_map(|holder| holder.process.pid);
                let pids: BTreeSet<_> = pids.map(|pid| snapshot.waits_as(pid)).collect();
                for pid in pids {
                    held.entry(pid).or_default().push(at);
                }
            }
        }
        let (branch, done, nodes) = (Vec::new(), HashSet::new(), Vec::new());
        Self { snapshot, held, wanted, branch, done, nodes }
    }

    fn is_contended(&self, at: usize) -> bool {
        self.snapshot.locks.get(at).is_some_and(|lock| !lock.waiters.is_empty())
    }

    /// Where the chain of waiting ends that a lock hangs on; in a circle, where that is entered.
    fn root_of(&self, at: usize) -> usize {
        let mut chain = vec![at];
        let mut root = at;
        loop {
            let mut holders = self.snapshot.locks[root].holders.iter();
            let next = holders.find_map(|holder| {
                let asker = self.snapshot.waits_as(holder.process.pid?);
                self.wanted.get(&asker)
            });
            match next {
                None => return root,
                Some(next) if chain.contains(next) => return *next,
                Some(next) => root = *next,
            }
            chain.push(root);
        }
    }

    fn visit(&mut self, at: usize, last: &[bool]) {
        let kind = if self.branch.contains(&at) {
            Kind::Circle
        } else if self.done.contains(&at) || last.len() > DEEPEST {
            Kind::Elsewhere
        } else {
            Kind::Plain
        };
        self.nodes.push(Node { lock: at, waiter: None, last: last.to_vec(), kind });
        if kind != Kind::Plain {
            return;
        }
        self.done.insert(at);
        self.branch.push(at);
        let locks = &self.snapshot.locks;
        let count = locks[at].waiters.len();
        for (place, waiter) in locks[at].waiters.iter().enumerate() {
            let last: Vec<bool> = last.iter().copied().chain([place + 1 == count]).collect();
            let (waiter_at, kind) = (Some(place), Kind::Plain);
            self.nodes.push(Node { lock: at, waiter: waiter_at, last: last.clone(), kind });
            let held = waiter.process.pid.and_then(|pid| self.held.get(&pid)).cloned();
            let held = held.unwrap_or_default();
            for (nth, lock) in held.iter().enumerate() {
                let last: Vec<bool> = last.iter().copied().chain([nth + 1 == held.len()]).collect();
                self.visit(*lock, &last);
            }
        }
        self.branch.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::samples;

    /// A line a node: its depth, and the lock or the waiter.
    fn told(snapshot: &Snapshot) -> Vec<String> {
        let nodes = forest(snapshot, 0..snapshot.locks.len());
        let line = |node: &Node| {
            let lock = &snapshot.locks[node.lock];
            let what = match node.waiter {
                Some(at) => format!("{:?}", lock.waiters[at].process.pid.unwrap_or_default()),
                None => lock.label(),
            };
            format!("{} {what} {:?}", node.last.len(), node.kind)
        };
        nodes.iter().map(line).collect()
    }

    #[test]
    fn a_circle_is_told_once_and_ends() {
        let snapshot = samples::busy_machine();
        let lines = told(&snapshot);
        let circle: Vec<_> = lines.iter().filter(|line| line.contains("/srv/app")).collect();
        assert_eq!(
            circle,
            [
                "0 /srv/app/stock.lock Plain",
                "2 /srv/app/orders.lock Plain",
                "4 /srv/app/stock.lock Circle"
            ]
        );
    }

    #[test]
    fn waiters_hang_on_their_lock() {
        let lines = told(&samples::busy_machine());
        let at = lines.iter().position(|line| line.contains("dpkg")).unwrap();
        assert_eq!(
            lines[at..at + 3],
            [
                "0 /var/lib/dpkg/lock-frontend Plain".to_owned(),
                "1 1203 Plain".to_owned(),
                "1 1377 Plain".to_owned(),
            ]
        );
    }

    #[test]
    fn locks_without_a_queue_are_left_out() {
        assert!(told(&samples::busy_machine()).iter().all(|line| !line.contains("index.lock")));
    }
}
