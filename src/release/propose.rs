//! The ways there are to free a lock, least harm first.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::method::Method;
use super::plan::{Obstacle, Plan, Subject, Victim};
use crate::diagnose::phrase;
use crate::model::{Certainty, Holder, Lock, Mechanism, Pid, Process, Snapshot, State, Waiter};
use crate::system::rights::{Rights, Tracing};

/// The ways to free a lock of a snapshot, least harm first. Those that cannot be gone here are among
/// them, with the reason.
///
/// Nothing is touched.
#[must_use]
pub fn plans(lock: &Lock, snapshot: &Snapshot) -> Vec<Plan> {
    let pids = lock.holders.iter().filter_map(|holder| holder.process.pid);
    propose(lock, snapshot, &Rights::over(pids))
}

/// The plan that ends one who waits for the lock; `None`: nobody of that number does.
#[must_use]
pub fn end_waiter(lock: &Lock, pid: Pid) -> Option<Plan> {
    let waiter = lock.waiters.iter().find(|waiter| waiter.process.pid == Some(pid))?;
    Some(Draft { lock, rights: &Rights::over([pid]) }.end_waiter(waiter))
}

fn propose(lock: &Lock, snapshot: &Snapshot, rights: &Rights) -> Vec<Plan> {
    let _ = snapshot;
    let draft = Draft { lock, rights };
    let mut plans = Vec::new();
    if lock.holders.is_empty() || lock.mechanism == Mechanism::Server {
        return plans;
    }
    plans.extend(draft.resume());
    plans.push(draft.end(Method::Terminate));
    plans.extend(draft.escrow());
    plans.push(draft.end(Method::Kill));
    plans.extend(draft.unlock());
    plans
}

struct Draft<'a> {
    lock: &'a Lock,
    rights: &'a Rights,
}

impl Draft<'_> {
    fn plan(&self, method: Method, holders: Vec<&Holder>) -> Plan {
        let lock = self.lock;
        Plan {
            method,
            lock: lock.id.clone(),
            name: lock.label(),
            as_seen: lock.as_seen,
            steps: Vec::new(),
            frees: String::new(),
            harm: String::new(),
            victims: holders.into_iter().filter_map(victim).collect(),
            obstacle: None,
            subject: Subject { mechanism: lock.mechanism, mode: lock.mode, range: lock.range },
        }
    }

    /// For holders that their own state keeps from going on.
    fn resume(&self) -> Option<Plan> {
        let is_halted =
            |holder: &&Holder| matches!(holder.process.state, Some(State::Stopped | State::Frozen));
        let halted: Vec<&Holder> = self.lock.holders.iter().filter(is_halted).collect();
        if halted.is_empty() {
            return None;
        }
        let mut plan = self.plan(Method::Resume, halted);
        for victim in &plan.victims {
            plan.steps.push(match victim.process.state {
                Some(State::Frozen) => format!(
                    "echo 0 > the cgroup.freeze of the control group of {}",
                    phrase::name(&victim.process)
                ),
                _ => format!("kill -CONT {}", victim.pid),
            });
        }
        let names = names(&plan.victims);
        plan.frees = format!("{names} can go on, and gives the lock back when it is done.");
        plan.harm = "Nothing is lost, unless somebody stopped it on purpose: then it goes on with \
                     what it was to be kept from."
            .into();
        plan.obstacle = self.unproven().or_else(|| self.cannot_signal(&plan.victims));
        Some(plan)
    }

    /// By signal.
    fn end(&self, method: Method) -> Plan {
        let mut plan = self.plan(method, self.lock.holders.iter().collect());
        let signal = if method == Method::Kill { "-KILL" } else { "-TERM" };
        for pid in pids(&plan.victims) {
            plan.steps.push(format!("kill {signal} {pid}"));
        }
        if method == Method::Terminate {
            let stopped = plan.victims.iter().filter(|by| by.process.state == Some(State::Stopped));
            let stopped: Vec<Pid> = stopped.map(|victim| victim.pid).collect();
            plan.steps.extend(stopped.iter().map(|pid| format!("kill -CONT {pid}")));
        }
        plan.frees = format!("When the last of them has gone, the lock is free; {}.", self.next());
        plan.harm = match method {
            Method::Kill => format!(
                "{} cannot clean up: what was being written can stay half written.",
                names(&plan.victims)
            ),
            _ => format!(
                "What {} is doing stays unfinished; it has time to clean up.",
                names(&plan.victims)
            ),
        };
        plan.obstacle = self
            .unproven()
            .or_else(|| self.kernel_thread())
            .or_else(|| self.would_end_us(&plan.victims))
            .or_else(|| self.cannot_signal(&plan.victims));
        plan
    }

    /// Where the lock belongs to an open file that we can share.
    fn escrow(&self) -> Option<Plan> {
        let can = matches!(self.lock.mechanism, Mechanism::Flock | Mechanism::Ofd);
        let mut plan = self.end(Method::Terminate);
        plan.method = Method::Escrow;
        if !can {
            return None;
        }
        plan.steps.insert(0, "share the open file that has the lock (pidfd_getfd)".into());
        plan.steps.push("keep the lock until you hand it over".into());
        plan.frees = format!(
            "We have the lock from the first moment to the last: nobody gets in between. Once you \
             hand it over, {}.",
            self.next()
        );
        plan.obstacle = plan.obstacle.or_else(|| self.cannot_trace(&plan.victims));
        Some(plan)
    }

    /// Where an unlock through a shared open file works.
    fn unlock(&self) -> Option<Plan> {
        if !matches!(self.lock.mechanism, Mechanism::Flock | Mechanism::Ofd | Mechanism::Lease) {
            return None;
        }
        // One of each open file: an unlock is for all who share it.
        let mut grants: BTreeMap<u32, &Holder> = BTreeMap::new();
        for holder in self.lock.holders.iter().filter(|holder| !holder.fds.is_empty()) {
            grants.entry(holder.grant).or_insert(holder);
        }
        let mut plan = self.plan(Method::Unlock, grants.into_values().collect());
        for victim in &plan.victims {
            let fd = victim.fds.first().copied().unwrap_or_default();
            plan.steps.push(format!(
                "unlock descriptor {fd} of {} from outside (pidfd_getfd)",
                phrase::name(&victim.process)
            ));
        }
        let all: Vec<Victim> = self.lock.holders.iter().filter_map(victim).collect();
        let names = names(&all);
        plan.frees = format!("The lock is free at once; {}.", self.next());
        plan.harm = format!(
            "{names} lives on, does not know, and goes on as if it had the lock: exclusion is \
             broken, and what both write can be destroyed."
        );
        plan.obstacle = self.unproven().or_else(|| self.cannot_trace(&plan.victims));
        Some(plan)
    }

    fn end_waiter(&self, waiter: &Waiter) -> Plan {
        let mut plan = self.plan(Method::EndWaiter, Vec::new());
        if let Some(id) = waiter.process.id() {
            plan.victims.push(Victim {
                pid: id.pid,
                process: Arc::clone(&waiter.process),
                fds: Vec::new(),
                grant: 0,
                id,
            });
            plan.steps.push(format!("kill -TERM {}", id.pid));
        }
        let name = phrase::name(&waiter.process);
        plan.frees = format!("{name} waits no more; the lock stays where it is.");
        plan.harm = format!("What {name} waited to do is not done.");
        plan.obstacle = if plan.victims.is_empty() {
            Some(obstacle("who waits there cannot be seen from here", Some("run as root")))
        } else {
            self.would_end_us(&plan.victims).or_else(|| self.cannot_signal(&plan.victims))
        };
        plan
    }

    /// Who has the lock then.
    fn next(&self) -> String {
        match self.lock.waiters.first() {
            Some(waiter) => format!("{} is next in the queue", phrase::name(&waiter.process)),
            None => "nobody waits for it in a queue".into(),
        }
    }

    fn unproven(&self) -> Option<Obstacle> {
        let holders = &self.lock.holders;
        let is_proven = |holder: &Holder| {
            holder.certainty == Certainty::Proven && holder.process.id().is_some()
        };
        if holders.iter().all(is_proven) {
            return None;
        }
        Some(Obstacle {
            text: "not everybody who has it could be made sure of: nobody is touched on a guess"
                .into(),
            would_help: Some("run as root, or give the binary cap_sys_ptrace".into()),
            permission: true,
        })
    }

    fn kernel_thread(&self) -> Option<Obstacle> {
        let by = self.lock.holders.iter().find(|holder| holder.process.kernel_thread)?;
        Some(obstacle(
            &format!(
                "{} is a thread of the kernel, which no signal ends",
                phrase::name(&by.process)
            ),
            Some("see to those for whom it acts, such as the clients of a file server"),
        ))
    }

    fn would_end_us(&self, victims: &[Victim]) -> Option<Obstacle> {
        let by = victims.iter().find(|victim| self.rights.ours.contains(&victim.pid))?;
        Some(obstacle(
            &format!("{} is what this runs in: it would end us first", phrase::name(&by.process)),
            Some("run it from another session"),
        ))
    }

    fn cannot_signal(&self, victims: &[Victim]) -> Option<Obstacle> {
        let by = victims.iter().find(|victim| self.rights.may_not_signal.contains(&victim.pid))?;
        let user = by.process.user.as_deref().map_or_else(
            || "another user".into(),
            |user| crate::model::harmless(user).into_owned(),
        );
        Some(Obstacle {
            text: format!("{} belongs to {user}", phrase::name(&by.process)),
            would_help: Some(format!("run as root or as {user}")),
            permission: true,
        })
    }

    fn cannot_trace(&self, victims: &[Victim]) -> Option<Obstacle> {
        let (text, help) = match self.rights.tracing {
            Tracing::Allowed => return None,
            Tracing::OwnOnly => {
                let by = victims.iter().find(|victim| victim.process.uid != self.rights.uid)?;
                (
                    format!("the open files of {} may not be shared", phrase::name(&by.process)),
                    "run as root, or give the binary cap_sys_ptrace",
                )
            }
            Tracing::Forbidden => (
                "this system lets nobody share another's open files (kernel.yama.ptrace_scope)"
                    .into(),
                "run as root, or set kernel.yama.ptrace_scope to 0",
            ),
        };
        Some(Obstacle { text, would_help: Some(help.into()), permission: true })
    }
}

fn victim(holder: &Holder) -> Option<Victim> {
    let id = holder.process.id()?;
    Some(Victim {
        pid: id.pid,
        process: Arc::clone(&holder.process),
        fds: holder.fds.clone(),
        grant: holder.grant,
        id,
    })
}

fn obstacle(text: &str, would_help: Option<&str>) -> Obstacle {
    Obstacle { text: text.into(), would_help: would_help.map(Into::into), permission: false }
}

/// Each process once.
fn pids(victims: &[Victim]) -> Vec<Pid> {
    let mut pids: Vec<Pid> = victims.iter().map(|victim| victim.pid).collect();
    pids.sort_unstable();
    pids.dedup();
    pids
}

fn names(victims: &[Victim]) -> String {
    let mut processes: Vec<&Process> = victims.iter().map(|victim| &*victim.process).collect();
    processes.sort_by_key(|process| process.pid);
    processes.dedup_by_key(|process| process.pid);
    phrase::list(processes.into_iter().map(phrase::name), 8)
}
