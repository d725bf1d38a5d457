//! What came of a plan, in sentences.

use std::thread;
use std::time::Duration;

use super::escrow::Escrow;
use super::plan::{Plan, Victim};
use crate::diagnose::phrase::{self, plural};
use crate::error::Error;
use crate::inspect::{Folders, Inspector};
use crate::model::{
    Holder, Lock, LockId, Mechanism, Method, Pid, Process, ProcessId, Snapshot, State, Target,
    is_halted,
};

/// What came of a plan.
#[derive(Debug)]
pub struct Outcome {
    /// Whether the plan has reached what it was for: those whom it names have the lock no more, or go
    /// on, or wait no more.
    pub freed: bool,
    /// In sentences; harmless to print.
    pub text: String,
    /// What can be done next, where this was not all; a sentence, harmless to print.
    pub next: Option<String>,
    /// The lock as it is now; `None`: nobody has it.
    pub now: Option<Box<Lock>>,
    /// Those that were to end and live.
    pub alive: Vec<Pid>,
    /// The lock in our keeping.
    pub escrow: Option<Escrow>,
    /// Why the log does not say what came of it, if it does not.
    pub unlogged: Option<Error>,
}

/// How often it is looked for who has the lock next: he has to be woken first.
pub(super) const UNTIL_NEXT: u32 = 20;

/// Each pause between two such looks is longer by so much than the one before.
const PAUSE: Duration = Duration::from_millis(10);

/// A look that remembers nothing of earlier ones: an inspector takes it that those who have not run
/// have what they had, and a lock that was taken away from outside is not missed by its holder.
pub(super) fn look_anew() -> Result<Snapshot, Error> {
    Inspector::new()?.snapshot()
}

/// A look that sees the lock, or the last of so many.
pub(super) fn settled(lock: &LockId, looks: u32) -> Result<Snapshot, Error> {
    for done in 1..looks {
        let snapshot = look_anew()?;
        if snapshot.lock(lock).is_some() {
            return Ok(snapshot);
        }
        thread::sleep(PAUSE * done);
    }
    look_anew()
}

impl Plan {
    /// A new inspector that sees the lock.
    ///
    /// # Errors
    /// As [`Inspector::new`].
    pub(super) fn inspector(&self) -> Result<Inspector, Error> {
        let mut inspector = Inspector::new()?;
        if let Some(path) = self.grounds.path.as_ref().filter(|_| !self.grounds.deleted) {
            let path = path.as_path().to_path_buf();
            let target = match self.grounds.mechanism {
                Mechanism::Exists => Target::Family { family: self.family, path },
                _ => Target::Path(path),
            };
            inspector.expect_at(&[target], Folders::Themselves);
        }
        Ok(inspector)
    }

    /// The lock as it is now: one that exists on disk is whatever lies there.
    fn lock_now<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a Lock> {
        if self.grounds.mechanism != Mechanism::Exists {
            return snapshot.lock(&self.lock);
        }
        snapshot
            .locks
            .iter()
            .find(|lock| lock.mechanism == Mechanism::Exists && lock.path == self.grounds.path)
    }

    /// Who has the lock through the very open file through which we keep it, unless he was to keep it:
    /// the holders were replaced by what they left behind.
    pub(super) fn who_shares_it_with_us(&self, snapshot: &Snapshot) -> Vec<ProcessId> {
        let holders = || snapshot.lock(&self.lock).into_iter().flat_map(|lock| &*lock.holders);
        let is_ours = |holder: &&Holder| holder.process.pid == Some(ourselves());
        let grants: Vec<u32> = holders().filter(is_ours).map(|holder| holder.grant).collect();
        let others = holders().filter(|by| !is_ours(by) && grants.contains(&by.grant));
        let ids = others.filter_map(|holder| holder.process.id());
        ids.filter(|id| !self.spared.contains(id)).collect()
    }

    /// What has come of it, by a look afterwards; `alive` are those that were to end and did not, and
    /// the lock was not kept since `heirs` shared it.
    pub(super) fn outcome(
        &self,
        snapshot: &Snapshot,
        alive: Vec<Pid>,
        escrow: Option<Escrow>,
        heirs: Vec<ProcessId>,
    ) -> Outcome {
        let now = self.lock_now(snapshot);
        let kept = escrow.is_some();
        let after = After { plan: self, now, alive: &alive, kept, shared_with: heirs };
        let (freed, text, next) = after.tell();
        Outcome {
            freed,
            text,
            next,
            now: now.cloned().map(Box::new),
            alive,
            escrow,
            unlogged: None,
        }
    }
}

/// The world after an act.
struct After<'a> {
    plan: &'a Plan,
    now: Option<&'a Lock>,
    alive: &'a [Pid],
    kept: bool,
    shared_with: Vec<ProcessId>,
}

impl After<'_> {
    fn tell(&self) -> (bool, String, Option<String>) {
        match self.plan.method {
            Method::Resume => self.resumed(),
            Method::EndWaiter => self.waits_no_more(),
            _ => self.freed(),
        }
    }

    fn resumed(&self) -> (bool, String, Option<String>) {
        let halted: Vec<&Holder> =
            self.still().into_iter().filter(|holder| is_halted(holder.process.state)).collect();
        if !halted.is_empty() {
            let names = names(halted.iter().map(|holder| &*holder.process));
            let (is, them) = plural(halted.len(), ("is", "it"), ("are", "them"));
            let text =
                format!("{names} {is} still halted, or halted again: see to whoever halts {them}.");
            return (false, text, None);
        }
        let goes_on = self.plan.say("goes on", "go on");
        let whom = self.plan.whom();
        let text = match (self.still().is_empty(), self.next_holders()) {
            (false, _) => format!("{whom} {goes_on}."),
            (true, None) => format!("{whom} {goes_on}; the lock has been given back."),
            (true, Some(next)) => format!("{whom} {goes_on}; {next}."),
        };
        (true, text, None)
    }

    fn waits_no_more(&self) -> (bool, String, Option<String>) {
        let whom = self.plan.whom();
        if self.alive.is_empty() {
            return (true, format!("{whom} waits no more."), None);
        }
        let waits = self.now.is_some_and(|lock| {
            lock.waiters
                .iter()
                .any(|by| self.plan.victims.iter().any(|v| by.process.id() == Some(v.id)))
        });
        if waits {
            let next = "look what it does: locktop explain pid:".to_owned();
            let next = self.alive.first().map(|pid| format!("{next}{pid}"));
            return (false, format!("{whom} was told to end, and still waits."), next);
        }
        (true, format!("{whom} waits no more, and lives on."), None)
    }

    fn freed(&self) -> (bool, String, Option<String>) {
        let still = self.still();
        if !still.is_empty() {
            return self.not_freed(&still);
        }
        if let Some(left) = self.left_behind() {
            return left;
        }
        let lives_on = match self.alive {
            [] => String::new(),
            alive => {
                let live_on = plural(alive.len(), "lives on without it", "live on without it");
                format!("{} {live_on}; ", names(self.survivors()))
            }
        };
        let free = match self.next_holders() {
            _ if self.kept => "locktop keeps the lock until it is handed over".into(),
            Some(next) => next,
            None => "the lock is free".to_owned(),
        };
        let heirs = self.heirs();
        let mut text = capitalised(&format!("{lives_on}{free}."));
        if self.plan.method == Method::Escrow && !self.kept {
            let why = if heirs.is_empty() {
                self.plan
                    .say(
                        "its holder unlocked it while ending",
                        "its holders unlocked it while ending",
                    )
                    .into()
            } else {
                let names = names(heirs.iter().map(|holder| &*holder.process));
                format!("{names} would have shared it")
            };
            text = format!("It could not be kept: {why}. {text}");
        }
        let next = (!heirs.is_empty()).then(|| {
            let names = names(heirs.iter().map(|holder| &*holder.process));
            let inherited = plural(heirs.len(), "has inherited", "have inherited");
            format!(
                "{names} {inherited} the lock: release it once more to end what was left behind"
            )
        });
        (heirs.is_empty(), text, next)
    }

    /// Those who had a lock on disk have ended without removing it.
    fn left_behind(&self) -> Option<(bool, String, Option<String>)> {
        let now = self.now.filter(|now| now.mechanism == Mechanism::Exists)?;
        if now.file != self.plan.grounds.file || self.plan.method == Method::Remove {
            return None;
        }
        let form = now.on_disk.as_ref().map_or("file", |there| there.content.form().word());
        let ended = self.plan.say("has ended, and has left", "have ended, and have left");
        let text = format!("{} {ended} the {form} behind.", self.plan.whom());
        let next = "remove it: release it once more, with '--method remove'";
        Some((false, text, Some(next.into())))
    }

    fn not_freed(&self, still: &[&Holder]) -> (bool, String, Option<String>) {
        let names = names(still.iter().map(|holder| &*holder.process));
        let has = plural(still.len(), "has", "have");
        if self.plan.method == Method::Unlock {
            let text = format!("{names} {has} the lock again: taken anew since the unlock.");
            return (false, text, None);
        }
        let text = match self.alive {
            [] => format!("{names} still {has} the lock."),
            _ => format!("{names} {has} not ended, and still {has} the lock."),
        };
        let in_state = |state| still.iter().any(|holder| holder.process.state == Some(state));
        // SIGKILL does not wait for a stopped process to go on.
        let is_stopped = self.plan.method != Method::Kill && in_state(State::Stopped);
        let next = if is_stopped || in_state(State::Frozen) {
            "let it go on with '--method resume': it has the signal, and takes it then"
        } else if in_state(State::Uninterruptible) {
            "see to the device or file system that it waits for: until that answers, no signal \
             reaches it"
        } else if self.plan.method == Method::Kill {
            "look again: what was killed ends as soon as the kernel lets it"
        } else {
            "look what it does with 'locktop explain'; '--method kill' only if it never ends"
        };
        (false, text, Some(next.into()))
    }

    /// Those whom it was to be taken from and who have it, each process once.
    fn still(&self) -> Vec<&Holder> {
        let is_victim = |holder: &&Holder| {
            self.plan.victims.iter().any(|victim| holder.process.id() == Some(victim.id))
        };
        self.holders(is_victim)
    }

    /// Those who have it now and were no victims: ` has the lock now`.
    fn next_holders(&self) -> Option<String> {
        let is_other = |holder: &&Holder| {
            holder.process.pid != Some(ourselves())
                && !self.plan.victims.iter().any(|victim| holder.process.id() == Some(victim.id))
        };
        let others = self.holders(is_other);
        let now = self.now?;
        if others.is_empty() {
            // The lock is there, but nobody who has it can be seen.
            let unseen = now.holders.is_empty() && !self.kept;
            return unseen.then(|| "somebody who cannot be seen from here has the lock".into());
        }
        let names = names(others.iter().map(|by| &*by.process));
        if others.iter().all(|holder| self.was_to_keep_it(holder)) {
            return Some(format!("{names} still {} the lock", plural(others.len(), "has", "have")));
        }
        Some(format!("{names} {} the lock now", plural(others.len(), "has", "have")))
    }

    /// Those who have it now through the open file that it was to be taken from: the kernel's
    /// record has survived its holders.
    fn heirs(&self) -> Vec<&Holder> {
        if !self.shared_with.is_empty() {
            let shared =
                |by: &&Holder| by.process.id().is_some_and(|id| self.shared_with.contains(&id));
            return self.holders(shared);
        }
        let recorded = self.plan.grounds.recorded_pid;
        let is_same =
            self.now.is_some_and(|now| recorded.is_some() && now.recorded_pid == recorded);
        let was_victim = self.plan.victims.iter().any(|victim| Some(victim.pid) == recorded);
        if !is_same || !was_victim || self.kept || self.plan.method == Method::Unlock {
            return Vec::new();
        }
        self.holders(|holder| holder.process.pid != recorded && !self.was_to_keep_it(holder))
    }

    fn was_to_keep_it(&self, holder: &Holder) -> bool {
        holder.process.id().is_some_and(|id| self.plan.spared.contains(&id))
    }

    fn holders(&self, which: impl Fn(&&Holder) -> bool) -> Vec<&Holder> {
        let mut found: Vec<&Holder> =
            self.now.iter().flat_map(|lock| lock.holders.iter()).filter(which).collect();
        found.sort_by_key(|holder| holder.process.pid);
        found.dedup_by_key(|holder| holder.process.pid);
        found
    }

    fn survivors(&self) -> impl Iterator<Item = &Process> {
        let lives = |victim: &&&Victim| self.alive.contains(&victim.pid);
        self.plan.processes().into_iter().filter(move |by| lives(&by)).map(|by| &*by.process)
    }
}

impl Plan {
    fn say<'a>(&self, one: &'a str, many: &'a str) -> &'a str {
        plural(self.processes().len(), one, many)
    }
}

fn ourselves() -> Pid {
    std::process::id().cast_signed()
}

fn names<'a>(processes: impl Iterator<Item = &'a Process>) -> String {
    let names: Vec<String> = processes.map(phrase::name).collect();
    phrase::list(names.into_iter(), 8)
}

fn capitalised(text: &str) -> String {
    // Names of processes stay as they are.
    text.strip_prefix("the lock").map_or_else(|| text.into(), |rest| format!("The lock{rest}"))
}

#[cfg(test)]
mod tests;
