//! Everything that one lock has to do with: the locks that its holders and waiters hold and wait for,
//! and so on.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use locktop::model::{Lock, LockId, Member, Pid, Snapshot};

/// Locks that hang together, those first that others wait behind. They are numbered from 1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Graph {
    pub(super) blocks: Vec<Block>,
    /// The circles among them, as the numbers of the locks, the first one again at the end: who has
    /// one waits for the next.
    pub(super) circles: Vec<Vec<usize>>,
}

/// A lock with those who wait for it and those who have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// As an index into the snapshot.
    pub(super) lock: usize,
    pub(super) id: LockId,
    /// For each waiter, in the order of the queue: the numbers of what it holds up.
    pub(super) waiters: Vec<Vec<usize>>,
    /// For each holder: what it waits for.
    pub(super) holders: Vec<Wants>,
}

/// What a holder waits for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wants {
    /// The numbers of the locks.
    pub(super) locks: Vec<usize>,
    /// Whether that leads back to what it holds.
    pub(super) circle: bool,
}

impl Graph {
    /// The locks that hang together with one of the snapshot.
    pub(super) fn around(snapshot: &Snapshot, lock: usize) -> Self {
        let ties = Ties::of(snapshot);
        let order = ties.order(&ties.reached_from(lock));
        let numbers: HashMap<usize, usize> = order.iter().copied().zip(1..).collect();
        let numbered = |locks: Option<&BTreeSet<usize>>| -> Vec<usize> {
            let numbers = locks.into_iter().flatten().filter_map(|lock| numbers.get(lock).copied());
            numbers.collect()
        };
        let in_circle: BTreeSet<(Pid, &LockId)> = snapshot
            .deadlocks
            .iter()
            .flat_map(|circle| &circle.members)
            .flat_map(|member| [(member.pid, &member.holds), (member.waits(), &member.holds)])
            .collect();
        let block = |&at: &usize| {
            let lock = &snapshot.locks[at];
            let wants = |pid: Option<Pid>| {
                let pid = pid?;
                let locks = numbered(ties.wanted.get(&snapshot.waits_as(pid)));
                Some(Wants { circle: in_circle.contains(&(pid, &lock.id)), locks })
            };
            let waiters = lock.waiters.iter().map(|waiter| waiter.process.pid);
            let holders = lock.holders.iter().map(|holder| holder.process.pid);
            Block {
                lock: at,
                id: lock.id.clone(),
                waiters: waiters
                    .map(|pid| numbered(pid.and_then(|pid| ties.held.get(&pid))))
                    .collect(),
                holders: holders.map(|pid| wants(pid).unwrap_or_default()).collect(),
            }
        };
        let blocks = order.iter().map(block).collect();
        let of_id = |id: &LockId| numbers.get(ties.ids.get(id)?).copied();
        let circle = |members: &[Member]| -> Option<Vec<usize>> {
            let mut circle: Vec<usize> =
                members.iter().map(|member| of_id(&member.holds)).collect::<Option<_>>()?;
            let first = (0..circle.len()).min_by_key(|at| circle[*at])?;
            circle.rotate_left(first);
            circle.push(circle[0]);
            Some(circle)
        };
        let circles =
            snapshot.deadlocks.iter().filter_map(|deadlock| circle(&deadlock.members)).collect();
        Self { blocks, circles }
    }

    /// The place of a lock of the snapshot among the blocks.
    pub(super) fn position(&self, lock: usize) -> Option<usize> {
        self.blocks.iter().position(|block| block.lock == lock)
    }
}

/// Who ties which locks together, as indices into the snapshot. Who waits for the end of another is
/// that other.
struct Ties<'a> {
    snapshot: &'a Snapshot,
    ids: HashMap<&'a LockId, usize>,
    /// The locks that somebody waits for and a process holds.
    held: BTreeMap<Pid, BTreeSet<usize>>,
    wanted: BTreeMap<Pid, BTreeSet<usize>>,
    /// The locks whose waiters wait for others, too: of the same file.
    across: BTreeMap<usize, BTreeSet<usize>>,
}

impl<'a> Ties<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        let ids: HashMap<&LockId, usize> =
            snapshot.locks.iter().enumerate().map(|(at, lock)| (&lock.id, at)).collect();
        let mut ties = Self {
            snapshot,
            ids,
            held: BTreeMap::new(),
            wanted: BTreeMap::new(),
            across: BTreeMap::new(),
        };
        let locks = || snapshot.locks.iter().enumerate();
        locks().for_each(|(at, lock)| ties.enter_waiters(at, lock));
        locks().for_each(|(at, lock)| ties.enter_holders(at, lock));
        ties
    }

    fn enter_waiters(&mut self, at: usize, lock: &Lock) {
        for waiter in &lock.waiters {
            if let Some(pid) = waiter.process.pid {
                self.wanted.entry(pid).or_default().insert(at);
            }
            let others = waiter.blocked_by.iter().filter(|by| by.id != lock.id);
            for other in others.filter_map(|by| self.ids.get(&by.id).copied()) {
                self.across.entry(at).or_default().insert(other);
                self.across.entry(other).or_default().insert(at);
            }
        }
    }

    fn enter_holders(&mut self, at: usize, lock: &Lock) {
        if lock.waiters.is_empty() && !self.across.contains_key(&at) {
            return;
        }
        for pid in lock.holders.iter().filter_map(|holder| holder.process.pid) {
            self.held.entry(self.snapshot.waits_as(pid)).or_default().insert(at);
        }
    }

    /// All locks that hang together with this one.
    fn reached_from(&self, lock: usize) -> BTreeSet<usize> {
        let mut reached = BTreeSet::from([lock]);
        let mut queue = VecDeque::from([lock]);
        while let Some(at) = queue.pop_front() {
            let lock = &self.snapshot.locks[at];
            let holders = lock.holders.iter().filter_map(|holder| holder.process.pid);
            let holders = holders.map(|pid| self.snapshot.waits_as(pid));
            let waiters = lock.waiters.iter().filter_map(|waiter| waiter.process.pid);
            let people: BTreeSet<Pid> = holders.chain(waiters).collect();
            let tied = people.iter().flat_map(|pid| [self.held.get(pid), self.wanted.get(pid)]);
            for &next in tied.chain([self.across.get(&at)]).flatten().flatten() {
                if reached.insert(next) {
                    queue.push_back(next);
                }
            }
        }
        reached
    }

    /// The ends of chains first, and behind each lock those that its waiters hold up.
    fn order(&self, locks: &BTreeSet<usize>) -> Vec<usize> {
        let is_root = |at: &usize| {
            let behind = self.snapshot.locks[*at].behind.as_ref();
            behind.is_some_and(|behind| behind.root)
        };
        let mut starts: Vec<usize> = locks.iter().copied().collect();
        starts.sort_by_key(|at| !is_root(at));
        let (mut order, mut seen) = (Vec::new(), BTreeSet::new());
        for start in starts {
            let mut queue = VecDeque::from([start]);
            while let Some(at) = queue.pop_front() {
                if !seen.insert(at) {
                    continue;
                }
                order.push(at);
                let waiters = self.snapshot.locks[at].waiters.iter();
                let pids = waiters.filter_map(|waiter| waiter.process.pid);
                let held = pids.filter_map(|pid| self.held.get(&pid)).flatten();
                queue.extend(held.filter(|next| locks.contains(next)));
            }
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::samples;

    /// A line a lock: its number and label, what each waiter holds up, what each holder waits for.
    fn told(snapshot: &Snapshot, label: &str) -> (Vec<String>, Vec<Vec<usize>>) {
        let lock = snapshot.locks.iter().position(|lock| lock.label() == label).unwrap();
        let graph = Graph::around(snapshot, lock);
        let line = |(number, block): (usize, &Block)| {
            let label = snapshot.locks[block.lock].label();
            let holders = block.holders.iter();
            let holders: Vec<_> = holders
                .map(|wants| format!("{:?}{}", wants.locks, if wants.circle { "!" } else { "" }))
                .collect();
            format!("{number} {label} {:?} < {}", block.waiters, holders.join(" "))
        };
        ((1..).zip(&graph.blocks).map(line).collect(), graph.circles)
    }

    #[test]
    fn a_circle_is_the_same_from_wherever_one_looks() {
        let snapshot = samples::busy_machine();
        let (lines, circles) = told(&snapshot, "/srv/app/orders.lock");
        assert_eq!(
            lines,
            ["1 /srv/app/stock.lock [[2]] < [2]!", "2 /srv/app/orders.lock [[1]] < [1]!"]
        );
        assert_eq!(circles, [[1, 2, 1]]);
        assert_eq!(told(&snapshot, "/srv/app/stock.lock"), (lines, circles));
    }

    #[test]
    fn a_chain_begins_where_it_ends_and_what_has_nothing_to_do_with_it_is_left_out() {
        let snapshot = samples::chain();
        let (lines, circles) = told(&snapshot, "/srv/c.lock");
        assert_eq!(
            lines,
            [
                "1 /srv/a.lock [[2], []] < []",
                "2 /srv/b.lock [[3]] < [1]",
                "3 /srv/c.lock [[]] < [2]",
            ]
        );
        assert!(circles.is_empty());
    }

    #[test]
    fn a_lock_that_nobody_wants_stands_alone() {
        let snapshot = samples::busy_machine();
        let (lines, _) = told(&snapshot, "/home/bob/shop/.git/index.lock");
        assert_eq!(lines, ["1 /home/bob/shop/.git/index.lock [] < "]);
    }
}
