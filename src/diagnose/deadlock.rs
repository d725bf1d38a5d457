//! Circles of processes that wait for each other.
//!
//! A grant goes when *any* of its sharers unlocks, or *all* close. So a process is only caught where
//! some grant that it waits for is shared by nobody but the caught, or where it waits for the end of
//! one of them.

use std::collections::{HashSet, VecDeque};

use crate::model::{Deadlock, Facts, Member, Pid};

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
    /// Who waits for the end of a child for as long as that takes.
    awaits: fn(&Node) -> bool,
    /// Which grants can stay for ever.
    grant: fn(&Granted) -> bool,
}

/// Going by what was seen.
const POSSIBLE: Rule = Rule {
    threads: |_| 1,
    ask: |ask| ask.asleep,
    awaits: |_| true,
    grant: |grant| !grant.runs_out && !grant.sharers.is_empty(),
};

/// Leaving no thread that could unlock, and nothing inferred.
const CERTAIN: Rule = Rule {
    threads: |node| node.threads.unwrap_or(usize::MAX).max(1),
    ask: |ask| ask.asleep && ask.sure,
    awaits: |node| node.still,
    grant: |grant| (POSSIBLE.grant)(grant) && grant.proven,
};

/// The largest set of processes of which each waits for a grant that only they share, or for the end
/// of another of them.
#[derive(Debug)]
pub(super) struct Caught {
    processes: Vec<bool>,
    grants: Vec<bool>,
}

impl Caught {
    /// Begins with all and drops those who can go on, until all who are left cannot.
    fn by(graph: &Graph, rule: &Rule) -> Self {
        let mut caught = Catching::all(graph, rule);
        let mut free: Vec<_> =
            (0..graph.processes.len()).filter(|&process| caught.drops(process)).collect();
        while let Some(process) = free.pop() {
            let node = &graph.processes[process];
            for &parent in node.awaited_by.iter().filter(|&&by| (rule.awaits)(&graph.processes[by]))
            {
                caught.thread_goes_on(parent, &mut free);
            }
            for &grant in &node.shares {
                caught.grant_goes(grant, &mut free);
            }
        }
        Self { processes: caught.processes, grants: caught.grants }
    }

    fn is_empty(&self) -> bool {
        !self.processes.contains(&true)
    }
}

/// Who is still taken for caught.
struct Catching<'a> {
    graph: &'a Graph,
    rule: &'a Rule,
    processes: Vec<bool>,
    grants: Vec<bool>,
    /// How many grants that stay each want meets.
    stays: Vec<usize>,
    /// How many threads of a process meet one, or wait for the end of somebody caught.
    threads: Vec<usize>,
}

impl<'a> Catching<'a> {
    fn all(graph: &'a Graph, rule: &'a Rule) -> Self {
        let grants: Vec<_> = graph.grants.iter().map(rule.grant).collect();
        let stays: Vec<_> = graph
            .wants
            .iter()
            .map(|want| want.in_the_way.iter().filter(|&&grant| grants[grant]).count())
            .collect();
        let held_up = |ask: &Ask| (rule.ask)(ask) && stays[ask.want] > 0;
        let threads = graph
            .processes
            .iter()
            .map(|node| {
                let asks = node.asks.iter().filter(|&&ask| held_up(&graph.asks[ask])).count();
                asks + usize::from(node.awaits.is_some() && (rule.awaits)(node))
            })
            .collect();
        Self { graph, rule, processes: vec![true; graph.processes.len()], grants, stays, threads }
    }

    /// Drops a process if it can go on: whether it was dropped now.
    fn drops(&mut self, process: usize) -> bool {
        let can_go_on = self.threads[process] < (self.rule.threads)(&self.graph.processes[process]);
        can_go_on && std::mem::take(&mut self.processes[process])
    }

    fn thread_goes_on(&mut self, process: usize, free: &mut Vec<usize>) {
        self.threads[process] -= 1;
        if self.drops(process) {
            free.push(process);
        }
    }

    fn grant_goes(&mut self, grant: usize, free: &mut Vec<usize>) {
        if !std::mem::take(&mut self.grants[grant]) {
            return;
        }
        let graph = self.graph;
        for &want in &graph.grants[grant].wanted {
            self.stays[want] -= 1;
            if self.stays[want] > 0 {
                continue;
            }
            let asks = graph.wants[want].asks.iter().map(|&ask| &graph.asks[ask]);
            for asker in asks.filter(|ask| (self.rule.ask)(ask)).filter_map(|ask| ask.process) {
                self.thread_goes_on(asker, free);
            }
        }
    }
}

/// A step of a circle.
#[derive(Debug, Clone, Copy)]
struct Step {
    process: usize,
    /// What it waits for: this grant, which the process of the next step shares; `None`: the end of
    /// that process.
    grant: Option<usize>,
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

    /// The shortest circle through each process that asks for a lock and is in one, told once.
    fn circles(mut self) -> Vec<Vec<Step>> {
        let processes = &self.graph.processes;
        let asks = |process: &usize| !processes[*process].asks.is_empty();
        let mut starts: Vec<_> =
            (0..self.open.len()).filter(|&process| self.open[process]).filter(asks).collect();
        starts.sort_by_key(|&process| processes[process].pid);
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
        let graph = self.graph;
        let mut queue = VecDeque::from([start]);
        while let Some(process) = queue.pop_front() {
            if self.via[start].is_some() {
                return Some(self.way_back(start));
            }
            let node = &graph.processes[process];
            if let Some(child) = node.awaits {
                self.step(Step { process, grant: None }, child, &mut queue);
            }
            for &ask in &node.asks {
                let Ask { want, asleep, .. } = graph.asks[ask];
                if !asleep || std::mem::replace(&mut self.followed[want], true) {
                    continue;
                }
                let stays = |grant: &&usize| self.caught.grants[**grant];
                for &grant in graph.wants[want].in_the_way.iter().filter(stays) {
                    for &next in &graph.grants[grant].sharers {
                        self.step(Step { process, grant: Some(grant) }, next, &mut queue);
                    }
                }
            }
        }
        None
    }

    /// Goes to a process where nobody has been yet.
    fn step(&mut self, step: Step, next: usize, queue: &mut VecDeque<usize>) {
        if self.open[next] && self.via[next].is_none() {
            self.via[next] = Some(step);
            queue.push_back(next);
        }
    }

    /// The steps from `start` round to itself.
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
        steps
    }
}

fn tell(facts: &Facts, graph: &Graph, circle: &[Step], surely: &Caught) -> Deadlock {
    let members = members(facts, graph, circle);
    let mut told = HashSet::new();
    let wanted = members.iter().map(|member| &member.wants);
    let locks = wanted.filter(|wanted| told.insert(*wanted)).cloned().collect();
    let is_sure = |step: &Step| {
        surely.processes[step.process] && step.grant.is_none_or(|grant| surely.grants[grant])
    };
    let certain = facts.complete && circle.iter().all(is_sure);
    Deadlock { locks, members, certain }
}

/// Those who hold what the one before wants, the lowest pid first. Who waits for the end of another
/// wants what that one wants.
fn members(facts: &Facts, graph: &Graph, circle: &[Step]) -> Vec<Member> {
    let pid = |step: &Step| graph.processes[step.process].pid;
    let lock_of = |grant: usize| facts.locks[graph.grants[grant].lock].id.clone();
    let before = circle.iter().cycle().skip(circle.len() - 1);
    let begins = before.zip(0..circle.len()).filter_map(|(before, at)| Some((before.grant?, at)));
    let mut members: Vec<_> = begins
        .filter_map(|(held, at)| {
            let mut on = circle.iter().cycle().skip(at);
            let asker = on.find(|step| step.grant.is_some())?;
            let holder = &circle[at];
            Some(Member {
                pid: pid(holder),
                holds: lock_of(held),
                wants: lock_of(asker.grant?),
                through: (asker.process != holder.process).then(|| pid(asker)),
                keepers: keepers(graph, held, asker.process),
            })
        })
        .collect();
    let first = (0..members.len()).min_by_key(|&at| members[at].pid).unwrap_or_default();
    members.rotate_left(first);
    members
}

/// Those whose end lets go of a grant: of those who wait for the end of another who shares it or
/// asks, that one alone.
fn keepers(graph: &Graph, grant: usize, asker: usize) -> Vec<Pid> {
    let sharers = &graph.grants[grant].sharers;
    let mut keepers: Vec<Pid> = sharers
        .iter()
        .map(|&sharer| {
            let awaited = graph.line_from(sharer).filter(|at| *at == asker || sharers.contains(at));
            graph.processes[awaited.last().unwrap_or(sharer)].pid
        })
        .collect();
    keepers.sort_unstable();
    keepers.dedup();
    keepers
}

#[cfg(test)]
mod tests;
