//! Carrying out a plan: take hold, look again, act, look again.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::audit::AuditLog;
use super::escrow::Escrow;
use super::outcome::{self, Outcome, UNTIL_NEXT};
use super::plan::{Grounds, Plan, Victim};
use crate::diagnose::phrase;
use crate::error::Error;
use crate::inspect::Inspector;
use crate::model::{
    Lock, Mechanism, Method, Mode, Pid, ProcessId, Range, Reason, Snapshot, State, Verdict,
    harmless, harmless_bytes, is_halted,
};
use crate::system::escrow_mark::Mark;
use crate::system::grip::{Grip, Told};
use crate::system::locking::existing::{Removal, Slot};
use crate::system::locking::{Access, record};
use crate::system::{self, System, locking};

/// For how long holders are given to end after a signal.
pub const GRACE: Duration = Duration::from_secs(5);

/// So many looks have to find the grounds changed: a long lock table is read in pieces, and where
/// others take locks meanwhile, one look can miss a holder.
const LOOKS: u32 = 3;

/// How soon it is looked again whether they go on.
const PAUSE: Duration = Duration::from_millis(20);

/// How a plan goes; printed, it is a clause for people.
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

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Acting => f.write_str("all is as it was seen: acting"),
            Self::WaitsFor(pids) => {
                let pids = phrase::list(pids.iter().map(ToString::to_string), 8);
                write!(f, "waiting for the end of {pids}")
            }
            Self::Looking => f.write_str("looking what came of it"),
        }
    }
}

impl Plan {
    /// Carries it out, with [`GRACE`] for those that it ends.
    ///
    /// # Errors
    /// As [`Plan::perform_with`].
    pub fn perform(self, log: &AuditLog, on: &mut dyn FnMut(&Progress)) -> Result<Outcome, Error> {
        self.perform_with(GRACE, log, on)
    }

    /// Carries it out: takes hold of those whom it names, looks whether its grounds still hold, acts,
    /// gives them `grace` to end, and looks what came of it.
    ///
    /// # Errors
    /// `is_changed` when the world is another one than the plan was made for, or somebody else is
    /// releasing the same lock, and `is_unreachable` or `is_permission` when the log cannot be
    /// written: then nothing has been touched. `is_permission`, `is_usage`, `is_would_block` for the
    /// obstacle that it has; `is_permission` and `is_unsupported` when the system refuses.
    pub fn perform_with(
        self,
        grace: Duration,
        log: &AuditLog,
        on: &mut dyn FnMut(&Progress),
    ) -> Result<Outcome, Error> {
        if let Some(obstacle) = &self.obstacle {
            return Err(log.refused(&self, self.refusal(obstacle)));
        }
        let _claim = match log.claim(&self) {
            Ok(claim) => claim,
            // Else the log cannot be written at all.
            Err(error) if error.is_changed() => return Err(log.refused(&self, error)),
            Err(error) => return Err(error),
        };
        let record = log.begin(&self)?;
        let done = Act::begin(&self, grace).and_then(|act| act.carry_out(on));
        match done {
            Ok(mut outcome) => {
                outcome.unlogged = log.end(&record, &self, &outcome).err();
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
    /// Somebody stands in the kernel's queue.
    has_queue: bool,
}

/// A process that we have a hold of.
struct Held<'a> {
    grip: Grip,
    victim: &'a Victim,
}

impl<'a> Act<'a> {
    fn begin(plan: &'a Plan, grace: Duration) -> Result<Self, Error> {
        Ok(Self {
            plan,
            grace,
            system: System::new(),
            inspector: plan.inspector()?,
            has_queue: false,
        })
    }

    fn carry_out(mut self, on: &mut dyn FnMut(&Progress)) -> Result<Outcome, Error> {
        let held = self.take_hold()?;
        self.check_grounds()?;
        self.check_descriptors()?;
        on(&Progress::Acting);
        let mut alive = Vec::new();
        let mut kept = None;
        match self.plan.method {
            Method::Resume => self.resume(&held)?,
            Method::Terminate | Method::EndWaiter => {
                alive = self.end(&held, Told::Terminate, on)?;
            }
            Method::Kill => alive = self.end(&held, Told::Kill, on)?,
            Method::Escrow => {
                kept = Some((self.mark()?, self.share(&held)?));
                alive = self.end(&held, Told::Terminate, on)?;
            }
            Method::Unlock => {
                let files = self.share(&held)?;
                files.iter().try_for_each(|file| self.unlock(file))?;
            }
            Method::Remove => self.remove()?,
        }
        on(&Progress::Looking);
        let mut escrow = match kept {
            Some((mark, files)) => self.escrow(mark, files, &alive)?,
            None => None,
        };
        let mut snapshot = self.look(escrow.is_some(), &alive)?;
        let mut heirs = Vec::new();
        if escrow.is_some() {
            heirs = self.plan.who_shares_it_with_us(&snapshot);
        }
        if !heirs.is_empty() {
            // What would be done meanwhile would not be alone.
            drop(escrow.take());
            snapshot = self.look(false, &alive)?;
        }
        Ok(self.plan.outcome(&snapshot, alive, escrow, heirs))
    }

    /// Of each process once: from here on nobody else can be hit.
    fn take_hold(&self) -> Result<Vec<Held<'a>>, Error> {
        let take = |victim: &'a Victim| match Grip::on(&self.system, victim.id) {
            Ok(Some(grip)) => Ok(Held { grip, victim }),
            Ok(None) => Err(self.changed(&format!("{} has ended", name(victim)))),
            Err(error) => Err(self.failed("take hold of", victim, &error)),
        };
        self.plan.processes().into_iter().map(take).collect()
    }

    /// Whether everything is as it was when the plan was made.
    fn check_grounds(&mut self) -> Result<(), Error> {
        let mut checked = self.check_once();
        for _ in 1..LOOKS {
            if checked.as_ref().is_err_and(Error::is_changed) {
                checked = self.check_once();
            }
        }
        checked
    }

    fn check_once(&mut self) -> Result<(), Error> {
        let snapshot = self.inspector.snapshot()?;
        let plan = self.plan;
        let Some(lock) = snapshot.lock(&plan.lock) else {
            return Err(self.changed("nobody has it any more"));
        };
        self.has_queue = !lock.waiters.is_empty();
        if plan.method == Method::EndWaiter {
            return self.check_waiters(lock);
        }
        let grounds = &plan.grounds;
        if lock.as_seen != plan.as_seen || lock.mode != grounds.mode {
            return Err(self.changed("it has other holders than before"));
        }
        if lock.table_file.or(lock.file) != grounds.file
            || lock.on_disk != grounds.on_disk
            || lock.deleted != grounds.deleted
            || lock.path != grounds.path
        {
            return Err(self.changed("its path names another file by now"));
        }
        if plan.method == Method::Remove
            && plan.unproven.is_none()
            && lock.verdict != Verdict::Stale
        {
            let why = lock.why.as_ref().map(Reason::text).unwrap_or_default();
            return Err(self.changed(&format!(
                "it is not proven to be left behind any more: {}",
                harmless(&why)
            )));
        }
        plan.victims.iter().try_for_each(|victim| self.check_holder(lock, victim))
    }

    fn check_holder(&self, lock: &Lock, victim: &Victim) -> Result<(), Error> {
        let holds = lock.holders.iter().find(|holder| {
            holder.process.id() == Some(victim.id)
                && holder.fds == victim.fds
                && Some(holder.certainty) == victim.certainty
        });
        let Some(holder) = holds else {
            return Err(self.changed(&format!("{} has it no more as it was seen", name(victim))));
        };
        let is_halted_now = is_halted(holder.process.state);
        if self.plan.method == Method::Resume && !is_halted_now {
            return Err(self.changed(&format!("{} goes on already", name(victim))));
        }
        Ok(())
    }

    fn check_waiters(&self, lock: &Lock) -> Result<(), Error> {
        let waits = |id: ProcessId| lock.waiters.iter().any(|by| by.process.id() == Some(id));
        match self.plan.victims.iter().find(|victim| !waits(victim.id)) {
            Some(victim) => Err(self.changed(&format!("{} waits no more", name(victim)))),
            None => Ok(()),
        }
    }

    /// Whether the descriptors of those who are to end still have the lock: the last thing that is
    /// asked before anybody is touched.
    fn check_descriptors(&self) -> Result<(), Error> {
        if self.plan.grounds.mechanism == Mechanism::Exists {
            // Nobody has it through a descriptor.
            return Ok(());
        }
        for victim in &self.plan.victims {
            let Some(&fd) = victim.fds.first() else { continue };
            let gone = || self.changed(&format!("{} has closed descriptor {fd}", name(victim)));
            match self.system.locks_through(victim.pid, fd) {
                Ok(locks) if self.is_among(&locks) => {}
                Ok(_) => return Err(gone()),
                Err(error) if system::has_ended(&error) => return Err(gone()),
                Err(error) => {
                    return Err(self.failed("look at the descriptors of", victim, &error));
                }
            }
        }
        Ok(())
    }

    fn resume(&self, held: &[Held<'_>]) -> Result<(), Error> {
        for Held { grip, victim } in held {
            if victim.process.state == Some(State::Stopped) {
                self.tell(grip, victim, Told::Continue)?;
            }
            if victim.process.state == Some(State::Frozen) {
                for freezer in self.system.freezers(victim.pid) {
                    freezer.thaw().map_err(|error| self.failed("thaw", victim, &error))?;
                }
            }
        }
        Ok(())
    }

    /// Tells them all, and waits for their end; who is alive when patience is over.
    fn end(
        &self,
        held: &[Held<'_>],
        told: Told,
        on: &mut dyn FnMut(&Progress),
    ) -> Result<Vec<Pid>, Error> {
        for Held { grip, victim } in held {
            self.tell(grip, victim, told)?;
            // It takes the signal only when it goes on.
            if told == Told::Terminate && victim.process.state == Some(State::Stopped) {
                self.tell(grip, victim, Told::Continue)?;
            }
        }
        on(&Progress::WaitsFor(held.iter().map(|held| held.victim.pid).collect()));
        let begun = Instant::now();
        let mut alive = Vec::new();
        for Held { grip, victim } in held {
            match grip.ends_within(self.grace.saturating_sub(begun.elapsed())) {
                Ok(true) => {}
                Ok(false) => alive.push(victim.pid),
                Err(error) => return Err(self.failed("wait for", victim, &error)),
            }
        }
        Ok(alive)
    }

    /// Our own descriptors of the open files that have the lock, each once, checked to be those.
    fn share(&self, held: &[Held<'_>]) -> Result<Vec<File>, Error> {
        let mut grants = Vec::new();
        let mut files = Vec::new();
        for victim in &self.plan.victims {
            let held = held.iter().find(|held| held.victim.id == victim.id);
            let (Some(Held { grip, .. }), Some(&fd)) = (held, victim.fds.first()) else { continue };
            if grants.contains(&victim.grant) {
                continue;
            }
            let file = grip
                .open_file(fd)
                .map_err(|error| self.failed("share the open file of", victim, &error))?;
            if !self.has_the_lock(&file)? {
                let text = format!("descriptor {fd} of {} is another file by now", name(victim));
                return Err(self.changed(&text));
            }
            grants.push(victim.grant);
            files.push(file);
        }
        if files.is_empty() {
            return Err(self.changed("nobody has it open any more"));
        }
        Ok(files)
    }

    /// Shows everybody who keeps the lock from now on.
    fn mark(&self) -> Result<Mark, Error> {
        Mark::set(&self.plan.lock).map_err(|error| {
            Error::unreachable(format!(
                "nothing was touched: {}: cannot show others that the lock is kept: {error}",
                self.plan.name
            ))
        })
    }

    /// Whether an open file of ours has the lock that the plan is for.
    fn has_the_lock(&self, file: &File) -> Result<bool, Error> {
        let locks = self.system.locks_of(file).map_err(|error| {
            Error::unreachable(format!("cannot look at the lock on {}: {error}", self.plan.name))
        })?;
        Ok(self.is_among(&locks))
    }

    fn is_among(&self, locks: &[system::OwnLock]) -> bool {
        let grounds = &self.plan.grounds;
        locks.iter().any(|lock| {
            lock.mechanism == grounds.mechanism
                && Some(lock.range) == grounds.range
                && lock.file == grounds.file
        })
    }

    fn unlock(&self, file: &File) -> Result<(), Error> {
        let range = self.plan.grounds.range.unwrap_or(Range::WHOLE);
        let done = match self.plan.grounds.mechanism {
            Mechanism::Flock => locking::flock::unlock(file),
            Mechanism::Ofd => record::unlock(file, range),
            Mechanism::Lease => locking::lease::unlock(file),
            _ => Err(io::ErrorKind::Unsupported.into()),
        };
        done.map_err(|error| {
            Error::unreachable(format!("cannot unlock {}: {error}", self.plan.name))
        })
    }

    /// What lies there, if it is what the plan was made for.
    fn remove(&self) -> Result<(), Error> {
        let Grounds { path, on_disk, .. } = &self.plan.grounds;
        let (Some(path), Some(examined)) = (path, on_disk) else {
            return Err(self.changed("where it lies is not known any more"));
        };
        let path = path.as_path();
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(self.changed("its path names no file"));
        };
        let _guarded = self.guard(path)?;
        let removal = Slot::open(folder, name).and_then(|slot| slot.remove_examined(examined));
        match removal.map_err(|error| Error::io("remove", path, error))? {
            Removal::Done => Ok(()),
            Removal::Lost => Err(self.changed("something else lies there by now")),
            Removal::Aside(name) => Err(Error::changed(format!(
                "{} was replaced twice while it was removed: what had come in its place first now \
                 has the name {} in the same folder, and nothing was removed",
                self.plan.name,
                harmless_bytes(name.as_encoded_bytes())
            ))),
        }
    }

    /// Keeps everybody from getting a record lock on a file that is removed: he would have that of one
    /// without a name. What may not be read, or is on a file system without such locks, goes
    /// unguarded.
    fn guard(&self, path: &Path) -> Result<Option<File>, Error> {
        if !path.symlink_metadata().is_ok_and(|there| there.is_file()) {
            return Ok(None);
        }
        let Ok(file) = locking::open(path, Access::Read, None) else { return Ok(None) };
        match record::try_lock(&file, Mode::Shared, Range::WHOLE) {
            Ok(true) => Ok(Some(file)),
            Ok(false) => Err(self.changed("somebody has locked it by now")),
            Err(_) => Ok(None),
        }
    }

    /// The lock in our keeping, if its holders have ended and it is still ours.
    fn escrow(&self, mark: Mark, kept: Vec<File>, alive: &[Pid]) -> Result<Option<Escrow>, Error> {
        if !alive.is_empty() {
            // Ours are only closed: the lock stays with those who live.
            return Ok(None);
        }
        let mut ours = Vec::new();
        for file in kept {
            if self.has_the_lock(&file)? {
                ours.push(file);
            }
        }
        Ok((!ours.is_empty()).then(|| Escrow::new(self.plan, self.has_queue, ours, mark)))
    }

    /// How things are once they have settled.
    fn look(&self, is_kept: bool, alive: &[Pid]) -> Result<Snapshot, Error> {
        if self.plan.method == Method::Resume {
            return self.look_until_they_go_on();
        }
        if self.plan.grounds.mechanism == Mechanism::Exists {
            return self.plan.inspector()?.snapshot();
        }
        let looks = match () {
            // Somebody has it, whom one look can miss.
            () if is_kept || !alive.is_empty() => LOOKS,
            () if self.has_queue => UNTIL_NEXT,
            () => 1,
        };
        outcome::settled(&self.plan.lock, looks)
    }

    fn look_until_they_go_on(&self) -> Result<Snapshot, Error> {
        let begun = Instant::now();
        loop {
            let snapshot = self.plan.inspector()?.snapshot()?;
            let mut holders =
                snapshot.lock(&self.plan.lock).into_iter().flat_map(|lock| lock.holders.iter());
            let is_victim =
                |id: Option<ProcessId>| self.plan.victims.iter().any(|by| Some(by.id) == id);
            let waits = holders.any(|by| is_victim(by.process.id()) && is_halted(by.process.state));
            if !waits || begun.elapsed() >= self.grace {
                return Ok(snapshot);
            }
            thread::sleep(PAUSE);
        }
    }

    fn tell(&self, grip: &Grip, victim: &Victim, told: Told) -> Result<(), Error> {
        match grip.tell(told) {
            // As good as told.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.map_err(|error| self.failed("signal", victim, &error)),
        }
    }

    fn changed(&self, what: &str) -> Error {
        Error::changed(format!("nothing was touched: {}: {what}", self.plan.name))
    }

    fn failed(&self, doing: &str, victim: &Victim, error: &io::Error) -> Error {
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

fn name(victim: &Victim) -> String {
    victim.process.label()
}
