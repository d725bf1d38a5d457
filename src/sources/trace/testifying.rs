//! What the trace adds to a look: since when locks are held and waited for, and who tries without
//! standing in a queue.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::machine::{Held, Machine};
use super::polling::Series;
use super::telling::covers;
use super::{Shared, Trace, lock};
use crate::ledger::{Since, Testimony};
use crate::model::{Evidence, FileId, Grant, How, LockFacts, Look, Moment, Pid, Request, Span};
use crate::system::System;

/// Nobody waits longer for the trace to tell all that a look can have seen.
const PATIENCE: Duration = Duration::from_millis(20);

impl Trace {
    /// Joins what the trace knows to looks that were made just now.
    pub(crate) fn testify(&self, looks: &mut [Look], system: &System) -> Testimony {
        let mut testimony = Testimony::default();
        let Some(at) = looks.iter().map(|look| look.at).max() else { return testimony };
        let is_up_to_date = self.catch_up(at.uptime, system);
        let mut shared = lock(&self.shared);
        let shared = &mut *shared;
        shared.polling.settle(system.now().uptime, &shared.onlooker);
        for look in looks {
            let began = look.at.uptime.saturating_sub(look.cost);
            enqueue(look, shared, at, self.since.uptime, system);
            for facts in look.locks.iter().filter(|_| is_up_to_date) {
                let Some(file) = facts.table_file.filter(|_| covers(facts.mechanism)) else {
                    continue;
                };
                if let Some(since) = shared.held_since(facts, file, began) {
                    testimony.held.insert(facts.id.clone(), since);
                }
            }
            for facts in look.locks.iter().filter(|_| is_up_to_date) {
                let Some(file) = facts.table_file else { continue };
                let tids = facts.requests.iter().filter_map(|request| request.tid);
                let waits = tids.filter_map(|tid| Some((tid, shared.machine.waiting(tid)?)));
                let waits = waits.filter(|(_, wait)| wait.file == file && wait.since <= at.uptime);
                testimony.waiting.extend(waits.map(|(tid, wait)| ((file, tid), wait.since)));
            }
        }
        testimony
    }

    /// Reads on until all is told that happened until then; whether it is.
    fn catch_up(&self, at: Duration, system: &System) -> bool {
        let give_up = at + PATIENCE;
        loop {
            // However long we were kept from running, all is read once more after that.
            let is_last = system.now().uptime > give_up;
            let mut shared = lock(&self.shared);
            shared.read();
            if shared.until >= at || is_last {
                return shared.until >= at;
            }
            drop(shared);
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    /// Whether somebody tries, of whom each look has something new to tell.
    pub(crate) fn shows_pollers(&self) -> bool {
        lock(&self.shared).polling.told().next().is_some()
    }
}

impl Shared {
    fn held_since(&self, facts: &LockFacts, file: FileId, began: Duration) -> Option<Since> {
        of_grants(&self.machine, facts, file, began).or_else(|| {
            let by = self.quiet_since(file).filter(|since| *since <= began)?;
            Some(Since { by, not_before: None })
        })
    }

    /// Since when nobody has locked or unlocked anything there, so that whatever is held now has been
    /// held since; `None` for files that are not traced.
    fn quiet_since(&self, file: FileId) -> Option<Duration> {
        let is_traced = self.only.as_ref().is_none_or(|only| only.contains(&file));
        is_traced.then(|| self.machine.quiet_since(file))
    }
}

/// A lock is as old as the oldest of its grants: known if the taking of each was traced.
fn of_grants(machine: &Machine, facts: &LockFacts, file: FileId, began: Duration) -> Option<Since> {
    let (mechanism, range) = (facts.mechanism, facts.range);
    let mut held: Vec<&Held> = machine.held_at(began, file, mechanism, range).collect();
    // Somebody whose going has not been told yet could be taken for his successor, who has no name.
    let is_anonymous = facts.grants.iter().any(|grant| grant.recorded_pid.is_none());
    // So could, while a look is made, whoever gives it back and takes it again.
    let anytime = if is_anonymous { Duration::ZERO } else { began };
    if machine.has_ended_since(anytime, file, mechanism, range) {
        return None;
    }
    let mut known = Vec::new();
    for grant in &facts.grants {
        let place = held.iter().position(|held| fits(grant, held))?;
        known.push(held.swap_remove(place));
    }
    let by = known.iter().map(|held| held.all_since).min()?;
    let not_before = known.iter().map(|held| held.any_since).min();
    Some(Since { by, not_before })
}

fn fits(grant: &Grant, held: &Held) -> bool {
    let same_taker = match (grant.recorded_pid, held.pid) {
        (Some(recorded), Some(traced)) => recorded == traced,
        (Some(recorded), None) => recorded == held.tid,
        (None, _) => true,
    };
    grant.mode == held.mode && same_taker
}

/// Puts those who try again and again to the queues of what they try to get.
fn enqueue(look: &mut Look, shared: &Shared, at: Moment, since: Duration, system: &System) {
    if shared.polling.told().next().is_none() {
        return;
    }
    let mut by_file: HashMap<FileId, Vec<usize>> = HashMap::new();
    for (index, facts) in look.locks.iter().enumerate() {
        if let Some(file) = facts.table_file {
            by_file.entry(file).or_default().push(index);
        }
    }
    let mut pids = HashSet::new();
    for series in shared.polling.told() {
        let places = by_file.get(&series.file).into_iter().flatten().copied();
        let place = places.into_iter().find(|&place| is_in_the_way(&look.locks[place], series));
        let Some(facts) = place.map(|place| &mut look.locks[place]) else { continue };
        let is_queued = facts.requests.iter().any(|request| request.pid == Some(series.pid));
        if !is_queued {
            facts.requests.push(request(series, at.uptime, since));
            pids.insert(series.pid);
        }
    }
    let missing: Vec<Pid> =
        pids.into_iter().filter(|pid| !look.processes.contains_key(pid)).collect();
    let anatomy = system.anatomy(&missing, &HashSet::new());
    let process = |(pid, of): (Pid, Arc<crate::system::Anatomy>)| (pid, Arc::clone(&of.process));
    look.processes.extend(anatomy.into_iter().map(process));
}

fn is_in_the_way(facts: &LockFacts, series: &Series) -> bool {
    let is_own = |grant: &Grant| grant.sharers.iter().any(|sharer| sharer.pid == series.pid);
    facts.mechanism.conflicts_with(series.mechanism)
        && facts.range.overlaps(&series.range)
        && facts.mode().conflicts_with(series.mode)
        // Whoever has it himself tries to get something else by it.
        && !facts.grants.iter().all(is_own)
}

fn request(series: &Series, now: Duration, traced_since: Duration) -> Request {
    let pause = series.pause();
    let waited = now.saturating_sub(series.first);
    // Whoever tried before we listened has done so in its last pause.
    let listened = series.first.saturating_sub(traced_since);
    let is_first = pause.is_some_and(|pause| listened > 3 * pause);
    Request {
        pid: Some(series.pid),
        tid: None,
        inferred: false,
        timed: false,
        position: None,
        depth: 1,
        mechanism: series.mechanism,
        fd: None,
        mode: series.mode,
        range: series.range,
        waited: Span {
            min: waited,
            max: is_first.then_some(waited),
            evidence: vec![Evidence::Traced],
        },
        last_ran: None,
        how: How::Polling,
        declared: false,
        tries: Some(series.tries),
        pause,
        passed_by: 0,
    }
}
