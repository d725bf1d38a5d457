//! What those are up to who hold what others wait for: whether they are at work, and if not, what
//! they wait for themselves.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::ledger::Samples;
use crate::model::{
    Facts, LockFacts, LockId, Pid, Process, ProcessId, Progress, State, Taker, Wait,
};
use crate::system::{Found, Limits, System};

/// Who ran as lately as this may be at work: a second look tells.
const LATELY: Duration = Duration::from_secs(1);

/// How long a single look waits for that second one.
const PAUSE: Duration = Duration::from_millis(400);

/// What was found out holds for so long while nobody it is about has run.
const HOLDS: Duration = Duration::from_secs(10);

/// So many holders are asked.
const HOLDERS: usize = 64;

/// What an inquiry may cost one who looks once, and one who looks again and again, though not at each
/// look.
const ONCE: Limits = Limits { processes: 256, time: Duration::from_secs(1) };
const OFTEN: Limits = Limits { processes: 64, time: Duration::from_millis(100) };

/// Whom an inquiry is about, beside those who hold what somebody waits for.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    /// Those who hold one of these. One who looks once watches them for a moment if need be.
    pub(super) these: &'a HashSet<LockId>,
    /// Whether there will be other looks.
    pub(super) again: bool,
}

/// Finds that out, and remembers it between looks.
#[derive(Debug, Default)]
pub(super) struct Inquiry {
    samples: Samples,
    last: Option<Answer>,
    /// Whether somebody was at work, so that the next look will say something else.
    is_restless: bool,
    /// Whether one of those was who had been asked for by name.
    is_curious: bool,
}

/// What was found out last.
#[derive(Debug)]
struct Answer {
    /// Who was asked, in that order.
    asked: Vec<ProcessId>,
    /// When, as time since boot.
    at: Duration,
    found: Found,
}

impl Inquiry {
    /// Enters what is found out into the facts.
    pub(super) fn enter(&mut self, facts: &mut Facts, about: About<'_>, system: &System) {
        let named: HashSet<Pid> = asked_for(facts, about.these).into_iter().collect();
        let holders = holders(facts, about.these);
        let mut restless = Vec::new();
        for (pid, progress) in self.progress(facts, &holders, &named, about, system) {
            restless.extend(progress.runs.is_some_and(|runs| runs > 0).then_some(pid));
            alter(facts, pid, |process| process.progress = Some(progress));
        }
        for &pid in &holders {
            if let Some(number) = system.inner_number(pid) {
                alter(facts, pid, |process| process.inner_pid = Some(number));
            }
        }
        let processes = holders.iter().filter_map(|pid| facts.processes.get(pid));
        let mut asked: Vec<ProcessId> = Vec::new();
        for process in processes.filter(|process| is_at_rest(process)) {
            // Who has just run is asked by the next look, if there is one.
            let is_busy = about.again && ran_lately(process, facts);
            restless.extend(process.pid.filter(|_| is_busy));
            asked.extend(process.id().filter(|_| !is_busy));
        }
        self.is_restless = !restless.is_empty();
        self.is_curious = restless.iter().any(|pid| named.contains(pid));
        if asked.is_empty() {
            self.last = None;
            return;
        }
        if !self.still_holds(&asked, facts, system) {
            let limits = if about.again { OFTEN } else { ONCE };
            let at = system.now().uptime;
            let found = system.inquire(asked.iter().map(|id| id.pid), limits);
            self.last = Some(Answer { asked, at, found });
        }
        if let Some(answer) = &self.last {
            enter(facts, &answer.found);
        }
    }

    /// Whether all that the last look was told still holds, when none of those has run whom it was
    /// about.
    pub(super) fn stands(&self, system: &System) -> bool {
        !self.is_restless && self.last.as_ref().is_none_or(|answer| answer.stands(system))
    }

    /// Whether somebody who was asked for by name was at work: what is said of him does not last.
    pub(super) fn is_curious(&self) -> bool {
        self.is_curious
    }

    /// What these have done since the look before. Who looks but once, and asks for these, waits for a
    /// moment if that can tell more.
    fn progress(
        &mut self,
        facts: &Facts,
        holders: &[Pid],
        named: &HashSet<Pid>,
        about: About<'_>,
        system: &System,
    ) -> Vec<(Pid, Progress)> {
        let ids: Vec<ProcessId> = holders
            .iter()
            .filter_map(|pid| facts.processes.get(pid).and_then(|process| process.id()))
            .collect();
        let mut sample = || {
            let samples = ids.iter().map(|id| (*id, system.sample(id.pid))).collect();
            self.samples.enter(samples)
        };
        let mut progress: HashMap<ProcessId, Progress> = sample();
        let may_be_at_work = |id: &ProcessId| {
            let process = facts.processes.get(&id.pid);
            process.is_some_and(|process| {
                process.state == Some(State::Running) || ran_lately(process, facts)
            })
        };
        let may_tell_more = |id: &ProcessId| named.contains(&id.pid) && may_be_at_work(id);
        if !about.again && progress.is_empty() && ids.iter().any(may_tell_more) {
            std::thread::sleep(PAUSE);
            progress = sample();
        }
        progress.into_iter().map(|(id, progress)| (id.pid, progress)).collect()
    }

    fn still_holds(&self, asked: &[ProcessId], facts: &Facts, system: &System) -> bool {
        let Some(answer) = &self.last else { return false };
        let slept = |id: &ProcessId| {
            let process = facts.processes.get(&id.pid);
            process.and_then(|process| process.ran_at).is_some_and(|ran_at| ran_at < answer.at)
        };
        answer.asked == *asked
            && facts.at.uptime.saturating_sub(answer.at) < HOLDS
            && asked.iter().all(slept)
            && answer.stands(system)
    }
}

impl Answer {
    /// Whether none of those who are waited for has begun or ceased to be halted.
    fn stands(&self, system: &System) -> bool {
        self.found.peers.iter().all(|(pid, process)| {
            let now = system.stat(*pid).ok();
            now.as_ref().map(|stat| stat.start) == process.start
                && is_at_a_stand(now.and_then(|stat| stat.state)) == is_at_a_stand(process.state)
        })
    }
}

/// Whether it can be waiting for something.
fn is_at_rest(process: &Process) -> bool {
    // The first thread can have ended, and the others go on.
    matches!(process.state, Some(State::Sleeping | State::Uninterruptible | State::Zombie))
}

fn ran_lately(process: &Process, facts: &Facts) -> bool {
    process.idle(facts.at).is_some_and(|idle| idle < LATELY)
}

fn is_at_a_stand(state: Option<State>) -> bool {
    !matches!(state, Some(State::Running | State::Sleeping | State::Frozen))
}

/// Those whom it is about, those first who were asked for.
fn holders(facts: &Facts, these: &HashSet<LockId>) -> Vec<Pid> {
    let is_waited_for = |lock: &&LockFacts| !lock.requests.is_empty();
    let waited_for = facts.locks.iter().filter(is_waited_for).flat_map(holders_of);
    let mut told = HashSet::new();
    let all = asked_for(facts, these).into_iter().chain(waited_for);
    all.filter(|pid| told.insert(*pid)).take(HOLDERS).collect()
}

/// Those who hold what was asked for by name.
fn asked_for(facts: &Facts, these: &HashSet<LockId>) -> Vec<Pid> {
    if these.is_empty() {
        return Vec::new();
    }
    let locks = facts.locks.iter().filter(|lock| these.contains(&lock.id));
    locks.flat_map(holders_of).collect()
}

fn holders_of(lock: &LockFacts) -> impl Iterator<Item = Pid> {
    lock.grants.iter().flat_map(|grant| {
        let is_believed = matches!(grant.taker, Taker::Holds | Taker::Unreadable);
        let recorded = grant.recorded_pid.filter(|_| is_believed);
        grant.sharers.iter().map(|sharer| sharer.pid).chain(recorded)
    })
}

fn enter(facts: &mut Facts, found: &Found) {
    for (pid, process) in &found.peers {
        facts.processes.entry(*pid).or_insert_with(|| Arc::clone(process));
    }
    let waits: BTreeMap<Pid, &Vec<Wait>> =
        found.waits.iter().filter_map(|(pid, waits)| Some((*pid, waits.as_ref()?))).collect();
    for (pid, waits) in waits {
        alter(facts, pid, |process| process.waits_for = Some(waits.clone()));
    }
}

fn alter(facts: &mut Facts, pid: Pid, alter: impl FnOnce(&mut Process)) {
    if let Some(process) = facts.processes.get_mut(&pid) {
        alter(Arc::make_mut(process));
    }
}
