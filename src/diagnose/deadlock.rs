//! Circles of processes that wait for each other.
//!
//! A grant goes when *any* of its sharers unlocks, or *all* close. So a process is only caught where
//! some grant that it waits for is shared by nobody but the caught.

use std::collections::{HashSet, VecDeque};

use crate::model::{Deadlock, Facts, Member};

use super::graph::{Ask, Granted, Graph, Node};

/// More circles than this are not told one by one.
const MOST_CIRCLES: usize = 1000;

/// All circles: the shortest through each process that is in one, so that none is told twice.
///
/// Those who merely wait behind a circle are in none. Requests by polling are not counted: whoever
/// polls can do something else. Nor are leases: the kernel takes them away in the end.
pub(super) fn circles(facts: &Facts, graph: &Graph) -> Vec<Deadlock> {
    let caught = Caught::by(graph, &POSSIBLE);
    if caught.is_empty() {
        return Vec::new();
    }
    let surely = Caught::by(graph, &CERTAIN);
    Search::new(graph, &caught)
        .circles()
        .iter()
        .map(|circle| tell(facts, graph, circle, &surely))
        .collect()
}

/// When a process counts as caught.
struct Rule {
    /// How many of its threads have to be.
    threads: fn(&Node) -> usize,
    /// Which requests can hold a thread for ever.
    ask: fn(&Ask) -> bool,
    /// Which grants can stay for ever.
    grant: fn(&Granted) -> bool,
}

/// Going by what was seen.
const POSSIBLE: Rule = Rule {
    threads: |_| 1,
    ask: |ask| ask.asleep,
    grant: |grant| !grant.runs_out && !grant.sharers.is_empty(),
};

/// Leaving no thread that could unlock, and nothing inferred.
const CERTAIN: Rule = Rule {
    threads: |node| node.threads.unwrap_or(usize::MAX).max(1),
    ask: |ask| ask.asleep && ask.sure,
    grant: |grant| (POSSIBLE.grant)(grant) && grant.proven,
};

/// The largest set of processes of which each waits for a grant that only they share.
#[derive(Debug)]
pub(super) struct Caught {
    processes: Vec<bool>,
    grants: Vec<bool>,
}

impl Caught {
    /// Begins with all and drops those who can go on, until all who are left cannot.
    fn by(graph: &Graph, rule: &Rule) -> Self {
        let mut processes = vec![true; graph.processes.len()];
        let mut grants: Vec<_> = graph.grants.iter().map(rule.grant).collect();
        // How many grants that stay each want meets, and how many threads of a process meet one.
        let mut stays: Vec<_> = graph
            .wants
            .iter()
            .map(|want| want.in_the_way.iter().filter(|&&grant| grants[grant]).count())
            .collect();
        let held_up = |ask: &Ask, stays: &[usize]| (rule.ask)(ask) && stays[ask.want] > 0;
        let mut threads: Vec<_> = graph
            .processes
            .iter()
            .map(|node| node.asks.iter().filter(|&&ask| held_up(&graph.asks[ask], &stays)).count())
            .collect();
        let can_go_on = |process: usize, threads: &[usize]| {
            threads[process] < (rule.threads)(&graph.processes[process])
        };

        let mut free: Vec<_> =
            (0..processes.len()).filter(|&process| can_go_on(process, &threads)).collect();
        for &process in &free {
            processes[process] = false;
        }
        while let Some(process) = free.pop() {
            for &grant in &graph.processes[process].shares {
                if !std::mem::take(&mut grants[grant]) {
                    continue;
                }
                for &want in &graph.grants[grant].wanted {
                    stays[want] -= 1;
                    if stays[want] > 0 {
                        continue;
                    }
                    for ask in graph.wants[want].asks.iter().map(|&ask| &graph.asks[ask]) {
                        let Some(asker) = ask.process.filter(|_| (rule.ask)(ask)) else { continue };
                        threads[asker] -= 1;
                        if processes[asker] && can_go_on(asker, &threads) {
                            processes[asker] = false;
                            free.push(asker);
                        }
                    }
                }
            }
        }
        Self { processes, grants }
    }

    fn is_empty(&self) -> bool {
        !self.processes.contains(&true)
    }
}

/// A step of a circle: this process waits for this grant, which the process of the next step shares.
#[derive(Debug, Clone, Copy)]
struct Step {
    process: usize,
    grant: usize,
}

/// Breadth-first search for circles among the caught.
struct Search<'a> {
    graph: &'a Graph,
    caught: &'a Caught,
    /// The processes that can be part of a circle, as far as is known.
    open: Vec<bool>,
    /// The step that led to each process, in this round.
    via: Vec<Option<Step>>,
    /// The wants that were followed in this round.
    followed: Vec<bool>,
}

impl<'a> Search<'a> {
    fn new(graph: &'a Graph, caught: &'a Caught) -> Self {
        Self {
            graph,
            caught,
            open: caught.processes.clone(),
            via: vec![None; graph.processes.len()],
            followed: vec![false; graph.wants.len()],
        }
    }

    /// The shortest circle through each process that is in one, told once.
    fn circles(mut self) -> Vec<Vec<Step>> {
        let mut starts: Vec<_> =
            (0..self.open.len()).filter(|&process| self.open[process]).collect();
        starts.sort_by_key(|&process| self.graph.processes[process].pid);
        let mut told = vec![false; self.open.len()];
        let mut circles = Vec::new();
        for start in starts {
            if told[start] || circles.len() == MOST_CIRCLES {
                continue;
            }
            match self.circle_through(start) {
                Some(circle) => {
                    for step in &circle {
                        told[step.process] = true;
                    }
                    circles.push(circle);
                }
                // Waits behind a circle: later rounds need not pass here again.
                None => self.open[start] = false,
            }
        }
        circles
    }

    fn circle_through(&mut self, start: usize) -> Option<Vec<Step>> {
        self.via.fill(None);
        self.followed.fill(false);
        let mut queue = VecDeque::from([start]);
        while let Some(process) = queue.pop_front() {
            for &ask in &self.graph.processes[process].asks {
                let Ask { want, asleep, .. } = self.graph.asks[ask];
                if !asleep || std::mem::replace(&mut self.followed[want], true) {
                    continue;
                }
                for &grant in &self.graph.wants[want].in_the_way {
                    if !self.caught.grants[grant] {
                        continue;
                    }
                    for &next in &self.graph.grants[grant].sharers {
                        if !self.open[next] || self.via[next].is_some() {
                            continue;
                        }
                        self.via[next] = Some(Step { process, grant });
                        if next == start {
                            return Some(self.way_back(start));
                        }
                        queue.push_back(next);
                    }
                }
            }
        }
        None
    }

    /// The steps from `start` round to itself, the lowest pid first.
    fn way_back(&self, start: usize) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut at = start;
        while let Some(step) = self.via[at] {
            steps.push(step);
            at = step.process;
            if at == start {
                break;
            }
        }
        steps.reverse();
        let pid = |&number: &usize| self.graph.processes[steps[number].process].pid;
        let first = (0..steps.len()).min_by_key(pid).unwrap_or_default();
        steps.rotate_left(first);
        steps
    }
}

fn tell(facts: &Facts, graph: &Graph, circle: &[Step], surely: &Caught) -> Deadlock {
    let lock_of = |step: &Step| facts.locks[graph.grants[step.grant].lock].id.clone();
    let before = circle.iter().cycle().skip(circle.len() - 1);
    let members: Vec<_> = before
        .zip(circle)
        .map(|(before, step)| Member {
            pid: graph.processes[step.process].pid,
            holds: lock_of(before),
            wants: lock_of(step),
        })
        .collect();
    let mut told = HashSet::new();
    let wanted = members.iter().map(|member| &member.wants);
    let locks = wanted.filter(|wanted| told.insert(*wanted)).cloned().collect();
    let certain = facts.complete
        && circle.iter().all(|step| surely.processes[step.process] && surely.grants[step.grant]);
    Deadlock { locks, members, certain }
}

#[cfg(test)]
mod tests;
