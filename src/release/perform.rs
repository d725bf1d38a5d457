//! Carrying out a plan: take hold, look again, act, look again.

use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use super::audit::{AuditLog, Record};
use super::escrow::Escrow;
use super::method::Method;
use super::plan::{Plan, Victim};
use crate::diagnose::phrase;
use crate::error::Error;
use crate::inspect::Inspector;
use crate::model::{Lock, Mechanism, Pid, ProcessId, Snapshot};
use crate::system::grip::{Grip, Told};
use crate::system::{System, locking};

/// For how long holders are given to end after SIGTERM.
pub const GRACE: Duration = Duration::from_secs(5);

/// How a plan goes; printed, it is a sentence without a full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// The grounds still hold: now.
    Acting,
    /// Waits for the end of those that were told to end.
    WaitsFor(Vec<Pid>),
    /// It has been done; looks what came of it.
    Looking,
}

/// What came of a plan.
#[derive(Debug)]
pub struct Outcome {
    /// Whether those who had the lock have it no more.
    pub freed: bool,
    /// In sentences; harmless to print.
    pub text: String,
    /// What can be done next, where this was not all.
    pub next: Option<String>,
    /// The lock as it is now; `None`: nobody has it.
    pub now: Option<Box<Lock>>,
    /// Those that were to end and live.
    pub alive: Vec<Pid>,
    /// The lock in our keeping.
    pub escrow: Option<Escrow>,
}

impl Plan {
    /// Carries it out, with [`GRACE`] for those that it ends.
    ///
    /// # Errors
    /// As [`Plan::perform_with`].
    pub fn perform(
        self,
        log: &mut AuditLog,
        on: &mut dyn FnMut(&Progress),
    ) -> Result<Outcome, Error> {
        self.perform_with(GRACE, log, on)
    }

    /// Carries it out: takes hold of those whom it names, looks whether its grounds still hold, acts,
    /// gives them `grace` to end, and looks what came of it.
    ///
    /// # Errors
    /// `is_changed` when the world is another one than the plan was made for, and
    /// `is_unreachable` when the log cannot be written: then nothing has been touched;
    /// `is_permission` and `is_unsupported` when the system refuses.
    pub fn perform_with(
        self,
        grace: Duration,
        log: &mut AuditLog,
        on: &mut dyn FnMut(&Progress),
    ) -> Result<Outcome, Error> {
        if let Some(obstacle) = &self.obstacle {
            let help = obstacle.would_help.as_deref();
            let help = help.map(|help| format!(": {help}")).unwrap_or_default();
            let text = format!("cannot {} {}: {}{help}", self.method, self.name, obstacle.text);
            let error =
                if obstacle.permission { Error::denied(text) } else { Error::unsupported(text) };
            return Err(log.refused(&self, error));
        }
        let record = log.begin(&self)?;
        let act = Act { plan: &self, grace, system: System::new(), inspector: Inspector::new()? };
        let done = act.carry_out(on);
        match done {
            Ok(outcome) => {
                log.end(&record, &self, &outcome)?;
                Ok(outcome)
            }
            Err(error) => Err(log.failed(&record, &self, error)),
        }
    }
}

/// A plan while it is carried out.
struct Act<'a> {
    plan: &'a Plan,
    grace: Duration,
    system: System,
    inspector: Inspector,
}

impl<'a> Act<'a> {
    fn carry_out(mut self, on: &mut dyn FnMut(&Progress)) -> Result<Outcome, Error> {
        let plan = self.plan;
        let grips = self.take_hold()?;
        self.check_grounds()?;
        on(&Progress::Acting);
        match plan.method {
            Method::Resume => self.resume(&grips)?,
            Method::Terminate | Method::EndWaiter => {
                let alive = self.end(&grips, Told::Terminate, on)?;
                return self.look(alive, None, on);
            }
            Method::Kill => {
                let alive = self.end(&grips, Told::Kill, on)?;
                return self.look(alive, None, on);
            }
            Method::Escrow => {
                let kept = self.share(&grips)?;
                let alive = self.end(&grips, Told::Terminate, on)?;
                return self.look(alive, Some(Escrow::new(plan, kept)), on);
            }
            Method::Unlock => {
                for file in self.share(&grips)? {
                    self.unlock(&file)?;
                }
            }
            Method::Remove => return Err(Error::unsupported("nothing to remove")),
        }
        self.look(Vec::new(), None, on)
    }

    /// Of each process once: from here on nobody else can be hit.
    fn take_hold(&self) -> Result<Vec<(Grip, &'a Victim)>, Error> {
        let mut grips = Vec::new();
        for victim in &self.plan.victims {
            match Grip::on(&self.system, victim.id) {
                Ok(Some(grip)) => grips.push((grip, victim)),
                Ok(None) => return Err(self.changed(&format!("{} has ended", name(victim)))),
                Err(error) => return Err(self.failed("take hold of", victim, error)),
            }
        }
        Ok(grips)
    }

    /// Whether the lock still has the holders that it was planned for, and they hold it as they did.
    fn check_grounds(&mut self) -> Result<(), Error> {
        let snapshot = self.inspector.snapshot()?;
        let Some(lock) = snapshot.lock(&self.plan.lock) else {
            return Err(self.changed("nobody has it any more"));
        };
        if lock.as_seen != self.plan.as_seen {
            return Err(self.changed("it has other holders than before"));
        }
        for victim in &self.plan.victims {
            let is_same = |process: Option<ProcessId>| process == Some(victim.id);
            let stands = if self.plan.method == Method::EndWaiter {
                lock.waiters.iter().any(|waiter| is_same(waiter.process.id()))
            } else {
                lock.holders.iter().any(|holder| {
                    is_same(holder.process.id())
                        && holder.fds == victim.fds
                        && holder.certainty == crate::model::Certainty::Proven
                })
            };
            if !stands {
                return Err(self.changed(&format!("{} has no part in it any more", name(victim))));
            }
        }
        Ok(())
    }

    fn resume(&self, grips: &[(Grip, &Victim)]) -> Result<(), Error> {
        for (grip, victim) in grips {
            if victim.process.state == Some(crate::model::State::Frozen) {
                self.system
                    .thaw(grip.id().pid)
                    .map_err(|error| self.failed("thaw", victim, error))?;
            } else {
                self.tell(grip, victim, Told::Continue)?;
            }
        }
        Ok(())
    }

    /// Tells them all, and waits for their end; who is alive when patience is over.
    fn end(
        &self,
        grips: &[(Grip, &Victim)],
        told: Told,
        on: &mut dyn FnMut(&Progress),
    ) -> Result<Vec<Pid>, Error> {
        for (grip, victim) in grips {
            self.tell(grip, victim, told)?;
            if told == Told::Terminate && victim.process.state == Some(crate::model::State::Stopped)
            {
                // It takes the signal only when it goes on.
                self.tell(grip, victim, Told::Continue)?;
            }
        }
        on(&Progress::WaitsFor(grips.iter().map(|(grip, _)| grip.id().pid).collect()));
        let until = Instant::now() + self.grace;
        let mut alive = Vec::new();
        for (grip, victim) in grips {
            let left = until.saturating_duration_since(Instant::now());
            match grip.ends_within(left) {
                Ok(true) => {}
                Ok(false) => alive.push(grip.id().pid),
                Err(error) => return Err(self.failed("wait for", victim, error)),
            }
        }
        alive.sort_unstable();
        alive.dedup();
        Ok(alive)
    }

    /// Our own descriptors of the open files that have the lock, each once, checked to be those.
    fn share(&self, grips: &[(Grip, &Victim)]) -> Result<Vec<File>, Error> {
        let mut grants = Vec::new();
        let mut files = Vec::new();
        for (grip, victim) in grips {
            if grants.contains(&victim.grant) {
                continue;
            }
            let Some(&fd) = victim.fds.first() else { continue };
            let file = grip
                .open_file(fd)
                .map_err(|error| self.failed("share the open file of", victim, error))?;
            if !self.has_the_lock(&file)? {
                let text = format!("descriptor {fd} of {} is another file by now", name(victim));
                return Err(self.changed(&text));
            }
            grants.push(victim.grant);
            files.push(file);
        }
        Ok(files)
    }

    /// Whether an open file of ours has the lock that the plan is for.
    fn has_the_lock(&self, file: &File) -> Result<bool, Error> {
        let subject = &self.plan.subject;
        self.system
            .locks_of(file)
            .map(|locks| {
                locks.iter().any(|lock| {
                    lock.mechanism == subject.mechanism
                        && lock.range == subject.range.unwrap_or(lock.range)
                })
            })
            .map_err(|error| {
                Error::unreachable(format!("cannot look at {}: {error}", self.plan.name))
            })
    }

    fn unlock(&self, file: &File) -> Result<(), Error> {
        let subject = &self.plan.subject;
        let range = subject.range.unwrap_or(crate::model::Range::WHOLE);
        let done = match subject.mechanism {
            Mechanism::Flock => fs4::FileExt::unlock(file),
            Mechanism::Ofd => locking::record::unlock(file, range),
            Mechanism::Lease => locking::lease::unlock(file),
            _ => Err(io::ErrorKind::Unsupported.into()),
        };
        done.map_err(|error| {
            Error::unreachable(format!("cannot unlock {}: {error}", self.plan.name))
        })
    }

    fn tell(&self, grip: &Grip, victim: &Victim, told: Told) -> Result<(), Error> {
        match grip.tell(told) {
            // As good as told.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.map_err(|error| self.failed("signal", victim, error)),
        }
    }

    /// What came of it.
    fn look(
        mut self,
        alive: Vec<Pid>,
        escrow: Option<Escrow>,
        on: &mut dyn FnMut(&Progress),
    ) -> Result<Outcome, Error> {
        on(&Progress::Looking);
        let snapshot = self.inspector.snapshot()?;
        Ok(self.plan.outcome(&snapshot, alive, escrow))
    }

    fn changed(&self, what: &str) -> Error {
        Error::changed(format!("nothing was touched: {}: {what}", self.plan.name))
    }

    fn failed(&self, doing: &str, victim: &Victim, error: io::Error) -> Error {
        let text = format!("cannot {doing} {}: {error}", name(victim));
        match error.kind() {
            io::ErrorKind::PermissionDenied => {
                Error::denied(format!("{text}; run as root or as the user whose process it is"))
            }
            io::ErrorKind::NotFound => self.changed(&format!("{} has ended", name(victim))),
            io::ErrorKind::Unsupported => Error::unsupported(text),
            _ => Error::unreachable(text),
        }
    }
}

impl Plan {
    fn outcome(&self, snapshot: &Snapshot, alive: Vec<Pid>, escrow: Option<Escrow>) -> Outcome {
        let now = snapshot.lock(&self.lock).cloned().map(Box::new);
        let ours = std::process::id().cast_signed();
        let keeps = |victim: &Victim| {
            now.as_ref().is_some_and(|lock| {
                lock.holders.iter().any(|holder| holder.process.id() == Some(victim.id))
            })
        };
        let still: Vec<&Victim> = self.victims.iter().filter(|victim| keeps(victim)).collect();
        let others: Vec<String> = now.as_ref().map_or_else(Vec::new, |lock| {
            let others = lock.holders.iter().filter(|holder| {
                let pid = holder.process.pid;
                pid != Some(ours) && !self.victims.iter().any(|by| Some(by.pid) == pid)
            });
            others.map(|holder| phrase::name(&holder.process)).collect()
        });
        let has = phrase::list(others.iter().cloned(), 4);
        let mut next = None;
        let text = match self.method {
            Method::EndWaiter if alive.is_empty() => "It waits no more.".to_owned(),
            Method::Resume => match &now {
                None => "It goes on, and has given the lock back already.".to_owned(),
                Some(_) => "It goes on.".to_owned(),
            },
            _ if !alive.is_empty() => {
                next =
                    Some("look what it does, and end it with 'kill' only if it never will".into());
                let pids = phrase::list(alive.iter().map(ToString::to_string), 8);
                format!("Still alive after the signal: {pids}.")
            }
            Method::Escrow => "We keep the lock: hand it over when you are done.".to_owned(),
            _ if others.is_empty() => "The lock is free.".to_owned(),
            _ => format!("{has} has the lock now."),
        };
        let freed = match self.method {
            Method::Resume | Method::EndWaiter => alive.is_empty(),
            _ => still.is_empty() && alive.is_empty(),
        };
        Outcome { freed, text, next, now, alive, escrow }
    }
}

fn name(victim: &Victim) -> String {
    phrase::name(&victim.process)
}
