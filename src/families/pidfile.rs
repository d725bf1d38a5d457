//! `pidfile:`: files that lock by naming a live process.

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use super::catalogue::Entry;
use super::family::Family;
use super::findings::{self, Judged};
use super::lockfile::{as_its_owners_make_it, known};
use crate::acquire::mechanism::existing::Existing;
use crate::acquire::{Blocked, Held, Pending, Place, Stop, Want};
use crate::error::Error;
use crate::model::{Form, ProcessId};
use crate::system::System;
use crate::system::grip::Grip;
use crate::system::wait_mark::Waits;

/// What names a live process.
#[derive(Debug)]
pub(super) struct Pidfile;

/// So many ends are waited for; more processes than that do not have one file.
const MOST_OWNERS: usize = 8;

/// So often, who waits for an end sees whether anybody still wants to know of it.
const BEAT: Duration = Duration::from_secs(5);

impl Family for Pidfile {
    fn word(&self) -> &'static str {
        "pidfile"
    }

    fn lies_on_disk(&self) -> bool {
        true
    }

    fn open(&self, at: PathBuf, mut want: Want) -> Result<Box<dyn Pending>, Error> {
        let system = System::new();
        let known = known(&at)?;
        if let Some(known) = &known {
            as_its_owners_make_it(&at, known, &mut want, &system)?;
        }
        want.form = want.form.or(Some(Form::File));
        let existing = Existing::open(self.word(), at, want)?;
        Ok(Box::new(Request { existing, known, system, owners: Vec::new() }))
    }
}

/// A request for a file that is to name us: as one that locks by existing, but what names a process
/// that has ended is no lock.
#[derive(Debug)]
struct Request {
    existing: Existing,
    known: Option<Entry>,
    system: System,
    /// Those whose end ends a pause.
    owners: Vec<ProcessId>,
}

impl Request {
    /// Who has what lies there, if anything does.
    fn judge(&self) -> Result<Option<Judged>, Error> {
        let path = self.existing.path();
        let judged = findings::judge(path, self.known.as_ref(), &self.system);
        judged.map_err(|error| Error::io("look at", path, error))
    }

    /// Has those who have it now end pauses when they end.
    fn heed(&mut self, stop: &Arc<Stop>) -> Result<(), Error> {
        let Some(judged) = self.judge()? else { return Ok(()) };
        let named = judged.finding.recorded.into_iter();
        let pids = named.chain(judged.finding.holders.iter().map(|holder| holder.pid));
        let id = |pid| Some(ProcessId { pid, start: self.system.stat(pid).ok()?.start });
        let mut owners: Vec<ProcessId> = pids.filter_map(id).take(MOST_OWNERS).collect();
        owners.sort_unstable();
        owners.dedup();
        for owner in owners.iter().filter(|owner| !self.owners.contains(owner)) {
            // Where its end cannot be waited for, there are pauses.
            match Grip::on(&self.system, *owner) {
                Ok(Some(grip)) => tell_of_end(grip, Arc::downgrade(stop)),
                Ok(None) => stop.nudge(),
                Err(_) => {}
            }
        }
        self.owners = owners;
        Ok(())
    }
}

/// Ends a pause when the process ends.
fn tell_of_end(grip: Grip, stop: Weak<Stop>) {
    let wait = move || {
        while stop.strong_count() > 0 {
            match grip.ends_within(BEAT) {
                Ok(false) => {}
                Ok(true) => return stop.upgrade().map_or((), |stop| stop.nudge()),
                Err(_) => return,
            }
        }
    };
    // Without it there are pauses.
    let _ = thread::Builder::new().name("lock watch".into()).stack_size(64 << 10).spawn(wait);
}

impl Pending for Request {
    fn place(&self) -> Place {
        self.existing.place()
    }

    fn try_take(&mut self) -> Result<Option<Box<dyn Held>>, Error> {
        if let Some(held) = self.existing.try_take()? {
            return Ok(Some(held));
        }
        match self.judge()? {
            Some(Judged { there, finding }) if finding.abandoned.is_some() => {
                self.existing.take_over(&there)
            }
            Some(_) => Ok(None),
            None => self.existing.try_take(),
        }
    }

    fn block(&mut self, stop: &Arc<Stop>) -> Result<Blocked, Error> {
        self.linger(stop)?;
        Ok(if stop.is_set() { Blocked::Stopped } else { Blocked::Changed })
    }

    fn is_free(&mut self) -> Result<Option<bool>, Error> {
        let judged = self.judge()?;
        Ok(Some(judged.is_none_or(|judged| judged.finding.abandoned.is_some())))
    }

    fn linger(&mut self, stop: &Arc<Stop>) -> Result<(), Error> {
        self.heed(stop)?;
        self.existing.linger(stop)
    }

    fn waits(&self) -> Option<Waits> {
        self.existing.waits()
    }
}
