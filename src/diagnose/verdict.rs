//! The judgement on a lock, and its reason in a sentence.
//!
//! All rules stand in one table, [`Judge::RULES`]; what each says is in the rooms below.

mod asides;
mod keeping;
mod rules;

use std::collections::HashMap;
use std::path::Path;

use crate::model::{
    Clause, Deadlock, Facts, LockFacts, LockId, Naming, PathBytes, Pid, Reason, Verdict,
};

use super::stuck::Stuck;

/// So many are told by name, the others by their number.
const NAMED: usize = 3;

/// A circle of at most so many is told step by step.
pub(super) const STEPS: usize = 4;

/// Says something of a lock if it applies.
type Tells<'a, T> = fn(&Judge<'a>, &LockFacts) -> Option<T>;

/// One line of the table.
#[derive(Debug, Clone, Copy)]
enum Rule<'a> {
    /// The first of these that applies gives the verdict, and its words are the reason.
    Decides(Verdict, Tells<'a, Vec<Clause>>),
    /// Each of these that applies adds a clause to the reason.
    Adds(Tells<'a, String>),
}

/// What judging needs to know beyond the lock.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    facts: &'a Facts,
    stuck: &'a Stuck,
    /// The circles that each lock is part of.
    circles: HashMap<&'a LockId, Vec<&'a Deadlock>>,
    /// Those locks themselves.
    in_circles: HashMap<&'a LockId, &'a LockFacts>,
    /// All locks of each path that some locked file has lost to another.
    halves: HashMap<&'a Path, Vec<&'a LockFacts>>,
    /// What each process waits for in some queue.
    wanted: HashMap<Pid, &'a LockFacts>,
}

impl<'a> Judge<'a> {
    /// The rules. Read from the top: the first verdict whose rule has something to say is the verdict,
    /// the most serious first, and what the rule says is the reason; then every addition that has
    /// something to say is appended. A lock that no rule decides is [`Verdict::Held`], by whom is its
    /// reason. Nothing that the kernel keeps can be stale, and nothing is stuck that only sleeps.
    const RULES: [Rule<'a>; 15] = [
        // Its holders and waiters wait for each other in a circle, which is told step by step.
        Rule::Decides(Verdict::Deadlock, Self::deadlock),
        // Its path names another file by now.
        Rule::Decides(Verdict::Split, Self::split),
        // It lies on disk, and it is proven that nothing alive keeps it.
        Rule::Decides(Verdict::Stale, Self::stale),
        // Who took it has ended and left it to somebody nobody is in charge of.
        Rule::Decides(Verdict::Orphaned, Self::orphaned),
        // Of one of its grants no sharer can go on: halted, or waiting for those alone who are.
        Rule::Decides(Verdict::Stuck, Self::stuck),
        // Somebody keeps it who could not be seen.
        Rule::Decides(Verdict::Unknown, Self::unknown),
        // Somebody waits: how many, for whom, and what that one is up to.
        Rule::Decides(Verdict::Contended, Self::contended),
        // Its source found something odd.
        Rule::Adds(Self::remark),
        // Somebody keeps it for whoever is next.
        Rule::Adds(Self::escrow),
        // Another file of the same path is locked as well.
        Rule::Adds(Self::other_half),
        // Whether it is split could not be told.
        Rule::Adds(Self::unsure_name),
        // A waiter keeps it itself, which is no circle as long as others keep it, too.
        Rule::Adds(Self::waits_for_itself),
        // Readers keep coming, and somebody who wants it alone has to wait for all of them.
        Rule::Adds(Self::starved),
        // Its holder is in another container than those who wait.
        Rule::Adds(Self::elsewhere),
        // Its file is on a file system that other machines use as well.
        Rule::Adds(Self::remote),
    ];

    pub(super) fn new(facts: &'a Facts, deadlocks: &'a [Deadlock], stuck: &'a Stuck) -> Self {
        let mut circles = HashMap::<_, Vec<_>>::new();
        for deadlock in deadlocks {
            for id in &deadlock.locks {
                circles.entry(id).or_default().push(deadlock);
            }
        }
        let in_circles = facts
            .locks
            .iter()
            .filter(|lock| circles.contains_key(&lock.id))
            .map(|lock| (&lock.id, lock))
            .collect();
        let path = |lock: &'a LockFacts| lock.path.as_ref().map(PathBytes::as_path);
        let lost = facts.locks.iter().filter(|lock| lock.naming == Naming::Another);
        let mut halves: HashMap<_, Vec<_>> =
            lost.filter_map(path).map(|path| (path, Vec::new())).collect();
        if !halves.is_empty() {
            for lock in &facts.locks {
                if let Some(half) = path(lock).and_then(|path| halves.get_mut(path)) {
                    half.push(lock);
                }
            }
        }
        let wanted = facts.locks.iter().flat_map(|lock| {
            lock.requests.iter().filter_map(move |request| Some((request.pid?, lock)))
        });
        let wanted = wanted.collect();
        Self { facts, stuck, circles, in_circles, halves, wanted }
    }

    /// The verdict and why.
    pub(super) fn judge(&self, lock: &LockFacts) -> (Verdict, Reason) {
        let decided = Self::RULES.iter().find_map(|rule| match rule {
            Rule::Decides(verdict, tells) => Some((*verdict, tells(self, lock)?)),
            Rule::Adds(_) => None,
        });
        let (verdict, mut clauses) = decided.unwrap_or_else(|| (Verdict::Held, self.keeping(lock)));
        for rule in &Self::RULES {
            let Rule::Adds(tells) = rule else { continue };
            let is_new = |more: &String| {
                let is_told = |told: &Clause| matches!(told, Clause::More(told) if told.contains(more.as_str()));
                !clauses.iter().any(is_told)
            };
            clauses.extend(tells(self, lock).filter(is_new).map(Clause::More));
        }
        (verdict, clauses.into())
    }
}

#[cfg(test)]
mod tests;
