//! How many wait behind each lock: for it, for what those hold who wait for it, and so on.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use crate::model::{Behind, Deadlock, Facts, Lock, Member, Request, Span};

use super::graph::Graph;

/// So many steps are taken in all. Chains that join are followed once from each lock that they lead
/// to, so where many join many, those come off worst that are farthest from the end.
const MOST_STEPS: usize = 1 << 22;

/// Who waits behind each lock, in the order of the facts.
pub(super) fn behind(facts: &Facts, graph: &Graph) -> Vec<Option<Behind>> {
    within(MOST_STEPS, facts, graph)
}

/// Takes a step for each edge behind a lock; where that would be more steps than these, the rest is
/// left out.
fn within(most: usize, facts: &Facts, graph: &Graph) -> Vec<Option<Behind>> {
    let requests = facts.locks.iter().flat_map(|lock| &lock.requests).collect();
    let mut walk = Walk::new(most, graph, requests);
    let mut grants = vec![Vec::new(); facts.locks.len()];
    for (number, grant) in graph.grants.iter().enumerate() {
        grants[grant.lock].push(number);
    }
    // The ends of chains first: they tell most, should there be too many.
    let is_root = |lock: usize| grants[lock].iter().all(|&grant: &usize| is_end(graph, grant));
    let mut order: Vec<_> = (0..facts.locks.len()).map(|lock| (!is_root(lock), lock)).collect();
    order.sort_unstable();
    let mut behind = vec![None; facts.locks.len()];
    for (is_held_up, lock) in order {
        behind[lock] = walk.from(&grants[lock]).map(|(waiters, waited)| Behind {
            waiters,
            waited,
            root: !is_held_up,
        });
    }
    behind
}

/// Whether nobody who shares a grant was seen to wait for a lock, or for the end of one who does.
fn is_end(graph: &Graph, grant: usize) -> bool {
    let asks = |process: usize| !graph.processes[process].asks.is_empty();
    let sharers = &graph.grants[grant].sharers;
    !sharers.iter().any(|&sharer| asks(sharer) || graph.line_from(sharer).any(asks))
}

/// Who waits, where that is known, and for how long.
type Wait<'a> = (Option<usize>, &'a Span);

/// Walks from a grant to those who want it, and on to what they share.
struct Walk<'a> {
    graph: &'a Graph,
    /// As the asks of the graph.
    requests: Vec<&'a Request>,
    /// How many may still be taken.
    steps: usize,
    /// The round in which each was come to last; they count from 1.
    round: usize,
    processes: Vec<usize>,
    grants: Vec<usize>,
    wants: Vec<usize>,
}

impl<'a> Walk<'a> {
    fn new(steps: usize, graph: &'a Graph, requests: Vec<&'a Request>) -> Self {
        Self {
            graph,
            requests,
            steps,
            round: 0,
            processes: vec![0; graph.processes.len()],
            grants: vec![0; graph.grants.len()],
            wants: vec![0; graph.wants.len()],
        }
    }

    /// How many wait behind these grants, and for how long in all.
    fn from(&mut self, grants: &[usize]) -> Option<(usize, Span)> {
        self.round += 1;
        let mut queue: VecDeque<usize> = VecDeque::new();
        self.reach(grants, &mut queue)?;
        let mut waits: Vec<Wait<'a>> = Vec::new();
        while let Some(grant) = queue.pop_front() {
            for &want in &self.graph.grants[grant].wanted {
                self.steps = self.steps.checked_sub(1)?;
                if is_new(&mut self.wants[want], self.round) {
                    self.meet(want, &mut waits, &mut queue)?;
                }
            }
        }
        (!waits.is_empty()).then(|| sum(waits))
    }

    /// Goes on from those who want something; `None`: no step is left.
    fn meet(
        &mut self,
        want: usize,
        waits: &mut Vec<Wait<'a>>,
        queue: &mut VecDeque<usize>,
    ) -> Option<()> {
        let graph = self.graph;
        for &ask in &graph.wants[want].asks {
            self.steps = self.steps.checked_sub(1)?;
            let process = graph.asks[ask].process;
            waits.push((process, &self.requests[ask].waited));
            // Who waits for the end of one who waits lets go of nothing either.
            let mut held_up: Vec<usize> = process.into_iter().collect();
            while let Some(process) = held_up.pop() {
                if is_new(&mut self.processes[process], self.round) {
                    self.reach(&graph.processes[process].shares, queue)?;
                    held_up.extend(&graph.processes[process].awaited_by);
                }
            }
        }
        Some(())
    }

    fn reach(&mut self, grants: &[usize], queue: &mut VecDeque<usize>) -> Option<()> {
        self.steps = self.steps.checked_sub(grants.len())?;
        for &grant in grants {
            if is_new(&mut self.grants[grant], self.round) {
                queue.push_back(grant);
            }
        }
        Some(())
    }
}

fn is_new(seen: &mut usize, round: usize) -> bool {
    std::mem::replace(seen, round) != round
}

/// Counts each process once, with its longest wait.
fn sum(mut waits: Vec<Wait<'_>>) -> (usize, Span) {
    waits.sort_by_key(|(process, _)| *process);
    let is_same = |a: &Wait<'_>, b: &Wait<'_>| a.0.is_some() && a.0 == b.0;
    let mut waiters = 0;
    let mut sum = Span { max: Some(Duration::ZERO), ..Span::default() };
    for of_one in waits.chunk_by(is_same) {
        let spans = || of_one.iter().map(|(_, span)| *span);
        waiters += 1;
        sum.min += spans().map(|span| span.min).max().unwrap_or_default();
        let longest = spans().map(|span| span.max).collect::<Option<Vec<_>>>();
        let longest = longest.and_then(|all| all.into_iter().max());
        sum.max = sum.max.zip(longest).map(|(sum, longest)| sum + longest);
        for &evidence in spans().flat_map(|span| &span.evidence) {
            sum.note(evidence);
        }
    }
    (waiters, sum)
}

/// `In all 7 processes wait behind it, together for at least 1h12m.`, where that is more than its
/// queue and its circles show.
pub(super) fn told(lock: &Lock, circles: &[&Deadlock]) -> Option<String> {
    let Behind { waiters, waited, .. } = lock.behind.as_ref()?;
    let together = waited.sentence().map(|time| format!(", together for {time}"));
    let members: HashSet<_> =
        circles.iter().flat_map(|circle| &circle.members).map(Member::waits).collect();
    (*waiters > lock.waiters.len().max(members.len())).then(|| {
        format!("In all {waiters} processes wait behind it{}.", together.unwrap_or_default())
    })
}

#[cfg(test)]
mod tests;
