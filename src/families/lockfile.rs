//! `lockfile:` and `pidfile:`: files, symbolic links and folders that lock by existing.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::catalogue::{Catalogue, Entry};
use super::evidence::{Finding, Inquiry, Manners};
use super::family::Family;
use super::owner::Reader;
use crate::acquire::mechanism::existing::Existing;
use crate::acquire::{Pending, Want};
use crate::error::Error;
use crate::model::{
    Evidence, LockFacts, LockId, Look, Mechanism, OnDisk, Owner, Pid, ProcessId, Taker,
    harmless_bytes,
};
use crate::system::System;
use crate::system::on_disk::Found;

/// What locks by existing.
#[derive(Debug)]
pub(super) struct Lockfile;

/// What names a live process.
#[derive(Debug)]
pub(super) struct Pidfile;

impl Family for Lockfile {
    fn word(&self) -> &'static str {
        "lockfile"
    }

    fn lies_on_disk(&self) -> bool {
        true
    }

    fn open(&self, at: PathBuf, want: Want) -> Result<Box<dyn Pending>, Error> {
        Ok(Box::new(Existing::open(at, want)?))
    }
}

impl Family for Pidfile {
    fn word(&self) -> &'static str {
        "pidfile"
    }

    fn lies_on_disk(&self) -> bool {
        true
    }

    fn open(&self, at: PathBuf, _want: Want) -> Result<Box<dyn Pending>, Error> {
        Err(Error::usage(format!(
            "{} names a process: this version cannot take such locks yet",
            harmless_bytes(at.as_os_str().as_encoded_bytes())
        )))
    }
}

/// For so long a finding stands if nothing about the lock or its holders has changed.
const STANDS: Duration = Duration::from_secs(5);

/// What was found out about locks at earlier looks.
#[derive(Debug, Default)]
pub(super) struct Findings(HashMap<LockId, Past>);

#[derive(Debug)]
struct Past {
    there: Arc<OnDisk>,
    finding: Arc<Finding>,
    holders: Vec<ProcessId>,
    at: Duration,
}

impl Findings {
    /// Says who has the locks of a look that lie on disk.
    pub(super) fn interpret(&mut self, look: &mut Look, system: &System, catalogue: &Catalogue) {
        let mut inquiry = None;
        let mut now = HashMap::new();
        let at = look.at;
        for lock in look.locks.iter_mut().filter(|lock| lock.mechanism == Mechanism::Exists) {
            let (Some(there), Some(path)) = (lock.on_disk.clone(), lock.path.clone()) else {
                continue;
            };
            let known = catalogue.find(path.as_path());
            let owner = owner(path.as_path(), &there, known, system);
            let past = self.0.remove(&lock.id).filter(|past| {
                past.there == there
                    && at.uptime.saturating_sub(past.at) < STANDS
                    && past.holders.iter().all(|id| is_still(system, *id))
            });
            let (finding, found_at) = match past {
                Some(past) => (past.finding, past.at),
                None => {
                    let inquiry = inquiry.get_or_insert_with(|| Inquiry::begin(system, at));
                    let manners = known.map_or_else(Manners::default, |known| Manners {
                        programs: &known.programs,
                        idle: &known.idle,
                        workplace: known
                            .worktree
                            .as_ref()
                            .and_then(|worktree| worktree.of(path.as_path())),
                    });
                    let found = inquiry.find_out(&there, owner.clone(), &manners);
                    (Arc::new(found), at.uptime)
                }
            };
            let pids: Vec<Pid> = finding.holders.iter().map(|holder| holder.pid).collect();
            let portraits = system.portraits(&pids);
            let holders = portraits.values().filter_map(|process| process.id()).collect();
            look.processes.extend(portraits);
            enter(lock, &finding);
            tell(lock, &there, owner.ok().as_ref());
            now.insert(lock.id.clone(), Past { there, finding, holders, at: found_at });
        }
        self.0 = now;
    }
}

fn is_still(system: &System, id: ProcessId) -> bool {
    system.is_alive(id.pid) && system.stat(id.pid).is_ok_and(|stat| stat.start == id.start)
}

/// Whom it names, or the file beside it does that is there for that.
fn owner(
    path: &Path,
    there: &OnDisk,
    known: Option<&Entry>,
    system: &System,
) -> Result<Owner, String> {
    let reader = known.map_or(Reader::Text, Entry::reader);
    let Some(beside) = known.and_then(|known| known.beside(path)) else {
        return reader.read(path, &there.content);
    };
    match system.examine(vec![(beside.clone(), None)]).pop() {
        Some((_, Found::There(note))) => reader.read(&beside, &note.content),
        _ => Err("it does not say whose it is".into()),
    }
}

/// Enters who has it.
fn enter(lock: &mut LockFacts, finding: &Finding) {
    let Some(grant) = lock.grants.first_mut() else { return };
    grant.recorded_pid = finding.recorded;
    grant.sharers.clone_from(&finding.holders);
    grant.elsewhere.clone_from(&finding.elsewhere);
    grant.remark.clone_from(&finding.remark);
    grant.taker = match (finding.recorded, &*finding.holders) {
        (Some(pid), holders) if holders.iter().any(|holder| holder.pid == pid) => Taker::Holds,
        _ => Taker::Unrecorded,
    };
    lock.abandoned.clone_from(&finding.abandoned);
}

/// Enters what else the lock says.
fn tell(lock: &mut LockFacts, there: &OnDisk, owner: Option<&Owner>) {
    lock.details.insert("form", Arc::<str>::from(there.content.form().word()).into());
    let Some(owner) = owner else { return };
    let mut text = |name, value: &Option<Arc<str>>| {
        if let Some(value) = value {
            lock.details.insert(name, Arc::clone(value).into());
        }
    };
    text("host", &owner.host);
    text("user", &owner.user);
    text("purpose", &owner.purpose);
    if owner.taken_at.is_some() {
        lock.age.note(Evidence::Content);
    }
}
