//! The ways there are to free a lock, least harm first.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::barrier;
use super::plan::{Cause, Grounds, Obstacle, Plan, Victim};
use super::wording;
use crate::model::{
    FAMILIES, Holder, Lock, Mechanism, Method, Pid, Snapshot, State, Waiter, harmless_bytes,
    is_halted,
};
use crate::system::rights::Rights;

/// The ways to free a lock of a snapshot, least harm first. Those that cannot be gone here are among
/// them, with the reason.
///
/// Nothing is touched.
#[must_use]
pub fn plans(lock: &Lock, snapshot: &Snapshot) -> Vec<Plan> {
    let holders: Vec<&Holder> = lock.holders.iter().collect();
    propose(lock, snapshot, &holders, &rights(&holders))
}

/// The ways to take a lock away from one of those who have it; empty: no process of that number has
/// it. Those who share it keep it.
#[must_use]
pub fn plans_against(lock: &Lock, snapshot: &Snapshot, pid: Pid) -> Vec<Plan> {
    let is_meant = |holder: &&Holder| holder.process.pid == Some(pid);
    let holders: Vec<&Holder> = lock.holders.iter().filter(is_meant).collect();
    if holders.is_empty() {
        return Vec::new();
    }
    propose(lock, snapshot, &holders, &rights(&holders))
}

/// The plan that ends one who waits for the lock; `None`: no process of that number does.
#[must_use]
pub fn end_waiter(lock: &Lock, pid: Pid) -> Option<Plan> {
    let waiter = lock.waiters.iter().find(|waiter| waiter.process.pid == Some(pid))?;
    let rights = Rights::over(&[pid], std::iter::empty());
    Some(Draft { lock, holders: &[], rights: &rights }.end_waiter(waiter))
}

fn rights(holders: &[&Holder]) -> Rights {
    let pids: Vec<Pid> = holders.iter().filter_map(|holder| holder.process.pid).collect();
    let is_frozen = |holder: &&&Holder| holder.process.state == Some(State::Frozen);
    let frozen = holders.iter().filter(is_frozen).filter_map(|holder| holder.process.pid);
    Rights::over(&pids, frozen)
}

pub(super) fn propose(
    lock: &Lock,
    snapshot: &Snapshot,
    holders: &[&Holder],
    rights: &Rights,
) -> Vec<Plan> {
    let mut plans = Vec::new();
    let draft = Draft { lock, holders, rights };
    match lock.mechanism {
        Mechanism::Server => return plans,
        Mechanism::Exists => return draft.on_disk(snapshot),
        _ => {}
    }
    plans.extend(draft.resume());
    plans.push(draft.end(Method::Terminate));
    plans.push(draft.escrow());
    plans.push(draft.end(Method::Kill));
    plans.push(draft.unlock());
    // What stands in the way of all of them comes first.
    let general = barrier::unseen(lock, snapshot, holders)
        .or_else(|| barrier::unproven(snapshot, holders))
        .or_else(|| barrier::kernel_thread(holders));
    if let Some(obstacle) = general {
        for plan in &mut plans {
            plan.obstacle = Some(obstacle.clone());
        }
    }
    plans
}

struct Draft<'a> {
    lock: &'a Lock,
    /// Those against whom it goes: all, or a chosen one.
    holders: &'a [&'a Holder],
    rights: &'a Rights,
}

impl Draft<'_> {
    fn plan<'h>(&self, method: Method, holders: impl Iterator<Item = &'h Holder>) -> Plan {
        let lock = self.lock;
        Plan {
            method,
            lock: lock.id.clone(),
            name: lock.label(),
            as_seen: lock.as_seen,
            steps: Vec::new(),
            frees: String::new(),
            harm: String::new(),
            victims: holders.filter_map(victim).collect(),
            obstacle: None,
            unproven: None,
            grounds: Grounds::of(lock),
            family: FAMILIES
                .iter()
                .find(|(family, _)| *family == lock.family)
                .map_or("lockfile", |(family, _)| family),
            spared: self.others().into_iter().filter_map(|holder| holder.process.id()).collect(),
        }
    }

    fn all(&self, method: Method) -> Plan {
        self.plan(method, self.holders.iter().copied())
    }

    /// For holders that somebody else has to let go on.
    fn resume(&self) -> Option<Plan> {
        let halted = self.holders.iter().copied().filter(|by| is_halted(by.process.state));
        let mut plan = self.plan(Method::Resume, halted);
        if plan.victims.is_empty() {
            return None;
        }
        let mut steps = Vec::new();
        for victim in plan.processes() {
            match self.rights.freezers.get(&victim.pid) {
                Some(freezers) => steps.extend(freezers.iter().map(|freezer| {
                    let file = harmless_bytes(freezer.file.as_os_str().as_encoded_bytes());
                    format!("echo {} > {file}", freezer.order)
                })),
                None => steps.push(format!("kill -CONT {}", victim.pid)),
            }
        }
        // One control group can keep several frozen.
        let mut known = HashSet::new();
        steps.retain(|step| known.insert(step.clone()));
        plan.steps = steps;
        (plan.frees, plan.harm) = wording::resume(&plan);
        plan.obstacle = barrier::cannot_signal(&plan, self.rights)
            .or_else(|| barrier::cannot_thaw(&plan, self.rights));
        Some(plan)
    }

    /// By signal.
    fn end(&self, method: Method) -> Plan {
        let mut plan = self.all(method);
        let signal = if method == Method::Kill { "-KILL" } else { "-TERM" };
        let tell = |signal: &str, pid: Pid| format!("kill {signal} {pid}");
        let processes = plan.processes();
        let mut steps: Vec<_> = processes.iter().map(|by| tell(signal, by.pid)).collect();
        if method != Method::Kill {
            let stopped = processes.iter().filter(|by| by.process.state == Some(State::Stopped));
            steps.extend(stopped.map(|victim| tell("-CONT", victim.pid)));
        }
        plan.steps = steps;
        plan.frees = wording::when_they_end(&plan, self.lock, &self.others());
        plan.harm = match method {
            Method::Kill => wording::killed(&plan),
            _ => wording::ended(&plan),
        };
        let frozen = || if method == Method::Kill { None } else { barrier::frozen(&plan) };
        plan.obstacle = barrier::ourselves(&plan, self.rights)
            .or_else(|| barrier::cannot_signal(&plan, self.rights))
            .or_else(frozen);
        plan
    }

    /// Where the lock belongs to an open file that we can share.
    fn escrow(&self) -> Plan {
        let mut plan = self.end(Method::Terminate);
        plan.method = Method::Escrow;
        let share = "share the open file that has the lock: pidfd_getfd(2)";
        plan.steps.insert(0, share.into());
        plan.steps.push("keep the lock until it is handed over".into());
        plan.frees = wording::kept(&plan, self.lock, &self.others());
        plan.harm.push_str(wording::unlocks_itself(&plan));
        plan.obstacle = barrier::belongs_to_process(self.lock)
            .or_else(|| barrier::is_lease(self.lock))
            .or(plan.obstacle.take())
            .or_else(|| barrier::cannot_trace(&plan, self.rights));
        plan
    }

    /// Where an unlock through a shared open file works.
    fn unlock(&self) -> Plan {
        // One of each open file: an unlock is for all who share it.
        let mut grants: BTreeMap<u32, &Holder> = BTreeMap::new();
        for holder in self.holders.iter().filter(|holder| !holder.fds.is_empty()) {
            grants.entry(holder.grant).or_insert(holder);
        }
        let shared: HashSet<u32> = grants.keys().copied().collect();
        let mut plan = self.plan(Method::Unlock, grants.into_values());
        plan.steps = plan
            .victims
            .iter()
            .map(|victim| {
                let fd = victim.fds.first().copied().unwrap_or_default();
                let name = victim.process.label();
                format!("unlock descriptor {fd} of {name} from outside: pidfd_getfd(2)")
            })
            .collect();
        let lose = self.lock.holders.iter().filter(|by| shared.contains(&by.grant));
        let keep = self.lock.holders.iter().filter(|by| !shared.contains(&by.grant));
        let keep: Vec<&Holder> = keep.collect();
        let losers = self.plan(Method::Unlock, lose);
        plan.frees = wording::at_once(&losers, self.lock, &keep);
        plan.harm = wording::unlocked(&losers);
        plan.obstacle = barrier::belongs_to_process(self.lock)
            .or_else(|| barrier::cannot_trace(&plan, self.rights));
        plan
    }

    /// For a lock that lies on disk: those whom it names, if they are here, and what lies there.
    fn on_disk(&self, snapshot: &Snapshot) -> Vec<Plan> {
        let mut plans = Vec::new();
        let methods = Method::fitting(self.lock.mechanism, &self.lock.holders);
        if methods.contains(&Method::Terminate) {
            plans.extend(self.resume());
            plans.push(self.end(Method::Terminate));
            plans.push(self.end(Method::Kill));
            let doubt = barrier::guessed(self.lock, self.holders);
            for plan in plans.iter_mut().filter(|plan| plan.obstacle.is_none()) {
                plan.obstacle.clone_from(&doubt);
            }
        }
        plans.push(self.remove(snapshot));
        plans
    }

    fn remove(&self, snapshot: &Snapshot) -> Plan {
        let mut plan = self.plan(Method::Remove, std::iter::empty());
        let lock = self.lock;
        plan.steps = wording::removal(lock);
        (plan.frees, plan.harm) = wording::removed(lock);
        plan.unproven = barrier::not_stale(lock);
        plan.obstacle = barrier::is_locked_too(lock, snapshot)
            .or_else(|| barrier::is_too_large(lock))
            .or_else(|| barrier::cannot_remove(lock))
            .or_else(|| plan.unproven.as_deref().map(barrier::unproven_removal));
        plan
    }

    fn end_waiter(&self, waiter: &Waiter) -> Plan {
        let mut plan = self.plan(Method::EndWaiter, std::iter::empty());
        if let Some(id) = waiter.process.id() {
            plan.victims.push(Victim {
                pid: id.pid,
                process: Arc::clone(&waiter.process),
                certainty: None,
                fds: Vec::new(),
                grant: 0,
                id,
            });
            plan.steps.push(format!("kill -TERM {}", id.pid));
            plan.steps.extend(
                (waiter.process.state == Some(State::Stopped))
                    .then(|| format!("kill -CONT {}", id.pid)),
            );
        }
        let name = waiter.process.label();
        plan.frees = format!("{name} waits no more; the lock stays where it is.");
        plan.harm = format!("What {name} waited to do is not done.");
        plan.obstacle = if plan.victims.is_empty() {
            Some(Obstacle {
                cause: Cause::Permission,
                text: format!("{name} cannot be looked at from here"),
                would_help: Some("run as root".into()),
            })
        } else {
            barrier::ourselves(&plan, self.rights)
                .or_else(|| barrier::cannot_signal(&plan, self.rights))
                .or_else(|| barrier::frozen(&plan))
        };
        plan
    }

    /// Holders who keep it, since another one was chosen.
    fn others(&self) -> Vec<&Holder> {
        let is_meant = |holder: &Holder| {
            self.holders.iter().any(|meant| meant.process.pid == holder.process.pid)
        };
        self.lock.holders.iter().filter(|holder| !is_meant(holder)).collect()
    }
}

fn victim(holder: &Holder) -> Option<Victim> {
    let id = holder.process.id()?;
    Some(Victim {
        pid: id.pid,
        process: Arc::clone(&holder.process),
        certainty: Some(holder.certainty),
        fds: holder.fds.clone(),
        grant: holder.grant,
        id,
    })
}

#[cfg(test)]
pub(super) mod tests;
