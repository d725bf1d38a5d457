//! Who has the locks that lie on disk, look by look.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::catalogue::{Catalogue, Entry};
use super::evidence::{Finding, Inquiry, Manners};
use super::family::{Family, named};
use super::owner::Reader;
use crate::model::{
    Evidence, LockFacts, LockId, Look, Mechanism, OnDisk, Owner, Pid, ProcessId, Sharer, Taker,
};
use crate::system::System;
use crate::system::on_disk::Found;

/// For so long a finding stands if nothing about the lock or its holders has changed.
const STANDS: Duration = Duration::from_secs(5);

/// What was found out about locks at earlier looks.
#[derive(Debug, Default)]
pub(super) struct Findings(HashMap<LockId, Past>);

#[derive(Debug)]
struct Past {
    there: Arc<OnDisk>,
    finding: Finding,
    holders: Vec<ProcessId>,
    at: Duration,
}

impl Findings {
    /// Says who has the locks of a look that lie on disk.
    pub(super) fn interpret(&mut self, look: &mut Look, system: &System, catalogue: &Catalogue) {
        let mut inquiry = None;
        let mut now = HashMap::new();
        let names_its_owner = |lock: &&mut LockFacts| {
            let family = named(&lock.family);
            lock.mechanism == Mechanism::Exists && family.is_none_or(Family::lies_on_disk)
        };
        for lock in look.locks.iter_mut().filter(names_its_owner) {
            let (Some(there), Some(path)) = (lock.on_disk.clone(), lock.path.clone()) else {
                continue;
            };
            let path = path.as_path();
            let known = catalogue.find(path);
            let owner = owner(path, &there, known, system);
            tell(lock, &there, owner.as_ref().ok());
            let past = self.0.remove(&lock.id);
            let past = past.filter(|past| past.stands(&there, look.at.uptime, system));
            let past = past.unwrap_or_else(|| {
                let inquiry = inquiry.get_or_insert_with(|| Inquiry::begin(system, look.at));
                let finding = inquiry.find_out(&there, owner, &manners(known, path));
                Past { there, finding, holders: Vec::new(), at: look.at.uptime }
            });
            enter(lock, &past.finding);
            now.insert(lock.id.clone(), past);
        }
        let holders = now.values().flat_map(|past| &past.finding.holders);
        let pids: Vec<Pid> = holders.map(|holder| holder.pid).collect();
        if !pids.is_empty() {
            look.processes.extend(system.portraits(&pids));
        }
        for past in now.values_mut() {
            let id = |holder: &Sharer| look.processes.get(&holder.pid)?.id();
            past.holders = past.finding.holders.iter().filter_map(id).collect();
        }
        self.0 = now;
    }
}

impl Past {
    /// Whether nothing that it rests on has changed.
    fn stands(&self, there: &Arc<OnDisk>, now: Duration, system: &System) -> bool {
        self.there == *there
            && now.saturating_sub(self.at) < STANDS
            && self.holders.iter().all(|id| is_still(system, *id))
    }
}

fn manners<'a>(known: Option<&'a Entry>, path: &'a Path) -> Manners<'a> {
    known.map_or_else(Manners::default, |known| Manners {
        programs: &known.programs,
        idle: &known.idle,
        workplace: known.worktree.as_ref().and_then(|worktree| worktree.of(path)),
    })
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
