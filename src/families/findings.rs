//! Who has the locks that lie on disk, look by look.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::catalogue::{Catalogue, Entry, Worktree};
use super::evidence::{Finding, Inquiry, Manners};
use super::family::{Family, named};
use super::owner::Reader;
use crate::model::{
    Content, Evidence, Excerpt, Holder, Lock, LockFacts, LockId, Look, Mechanism, Moment, OnDisk,
    Owner, Pid, ProcessId, Sharer, Span, Taker,
};
use crate::system::on_disk::Found;
use crate::system::{System, path_from_bytes};

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
        if !look.locks.iter().any(|lock| names_its_owner(&lock.family, lock.mechanism)) {
            // Another source's, or there are none.
            return;
        }
        let mut inquiry = None;
        let mut now = HashMap::new();
        let theirs = |lock: &&mut LockFacts| names_its_owner(&lock.family, lock.mechanism);
        for lock in look.locks.iter_mut().filter(theirs) {
            let (Some(there), Some(path)) = (lock.on_disk.clone(), lock.path.clone()) else {
                continue;
            };
            let path = path.as_path();
            let known = catalogue.find(path);
            let owner = owner(path, &there, known, system);
            tell(lock, &there, owner.as_ref().ok());
            if let Some(age) = age(lock, &there, owner.as_ref().ok(), look.at) {
                lock.age = age;
            }
            let past = self.0.remove(&lock.id);
            let past = past.filter(|past| past.stands(&there, look.at.uptime, system));
            let past = past.unwrap_or_else(|| {
                let inquiry = inquiry.get_or_insert_with(|| Inquiry::begin(system, look.at));
                let finding = inquiry.find_out(&there, owner, &manners(known, path, system));
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

impl Findings {
    /// Whether all that was found out about these locks is so still, as far as that is seen without
    /// asking again: those who have them do what they did, too.
    pub(super) fn stand(&self, locks: &[Lock], now: Duration, system: &System) -> bool {
        let theirs = locks.iter().filter(|lock| names_its_owner(&lock.family, lock.mechanism));
        let mut on_disk = theirs.filter_map(|lock| Some((&lock.id, lock.on_disk.as_ref()?, lock)));
        let does_the_same = |holder: &Holder| {
            let pid = holder.process.pid;
            let state = pid.and_then(|pid| system.stat(pid).ok()).and_then(|stat| stat.state);
            pid.is_none() || state == holder.process.state
        };
        on_disk.all(|(id, there, lock)| {
            self.0.get(id).is_some_and(|past| past.stands(there, now, system))
                && lock.holders.iter().filter(|by| lock.elsewhere(by).is_none()).all(does_the_same)
        })
    }
}

/// Whether a lock lies on disk, and who has it is told by what that says.
fn names_its_owner(family: &str, mechanism: Mechanism) -> bool {
    mechanism == Mechanism::Exists && named(family).is_none_or(Family::lies_on_disk)
}

/// What lies at a place, and who has it.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) there: Arc<OnDisk>,
    pub(super) finding: Finding,
}

/// Who has what lies at a path now; `None`: nothing lies there.
///
/// # Errors
/// When it cannot be looked at.
pub(super) fn judge(
    path: &Path,
    known: Option<&Entry>,
    system: &System,
) -> io::Result<Option<Judged>> {
    let there = match system.examine(vec![(path.to_owned(), None)]).pop() {
        Some((_, Found::There(there))) => there,
        Some((_, Found::Nothing)) => return Ok(None),
        Some((_, Found::Failed(error))) => return Err(error),
        Some((_, Found::Hangs)) | None => {
            let text = "its file system does not answer";
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
    };
    let owner = owner(path, &there, known, system);
    let inquiry = Inquiry::begin(system, system.now());
    let finding = inquiry.find_out(&there, owner, &manners(known, path, system));
    Ok(Some(Judged { there, finding }))
}

impl Past {
    /// Whether nothing that it rests on has changed.
    fn stands(&self, there: &Arc<OnDisk>, now: Duration, system: &System) -> bool {
        self.there == *there
            && now.saturating_sub(self.at) < STANDS
            && self.holders.iter().all(|id| is_still(system, *id))
    }
}

fn manners<'a>(known: Option<&'a Entry>, path: &'a Path, system: &System) -> Manners<'a> {
    let Some(known) = known else { return Manners::default() };
    let workplace = |worktree: &Worktree| match worktree {
        Worktree::Named(file) => named_in(file, path, system).map(Cow::Owned),
        _ => worktree.of(path).map(Cow::Borrowed),
    };
    Manners {
        programs: &known.programs,
        idle: &known.idle,
        stays: &known.stays,
        roams: &known.roams,
        anchor: known.worktree.iter().find_map(Worktree::anchor),
        heirs: known.heirs,
        workplaces: known.worktree.iter().filter_map(workplace).collect(),
    }
}

/// The folder of what the file of that name says that lies in the lock's folder, or nearest above.
fn named_in(file: &str, lock: &Path, system: &System) -> Option<PathBuf> {
    lock.ancestors().skip(1).find_map(|folder| {
        let found = system.examine(vec![(folder.join(file), None)]).pop()?.1;
        let Found::There(there) = found else { return None };
        let Content::File(Excerpt { bytes, cut: false }) = &there.content else { return None };
        let named = path_from_bytes(bytes.trim_ascii_end().to_vec());
        // It can be written from where it lies.
        Some(folder.join(named).parent()?.to_owned())
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
}

/// How long it has been held, where the file's birth does not tell that best: it says so itself, or
/// it is not a lock because it exists, but because it names somebody.
fn age(lock: &LockFacts, there: &OnDisk, owner: Option<&Owner>, at: Moment) -> Option<Span> {
    let since = |time: Timestamp| Duration::try_from(at.wall.duration_since(time)).ok();
    let told = owner.and_then(|owner| owner.taken_at.or(owner.started_at));
    // Nobody can have written down what came later.
    let told = told.filter(|told| *told <= there.changed);
    let (time, evidence) = match told {
        Some(told) => (told, Evidence::Content),
        None if lock.family == "pidfile" && there.modified <= there.changed => {
            (there.modified, Evidence::FileTimes)
        }
        None => return None,
    };
    let time = since(time)?;
    let mut age = Span::default();
    age.at_most(time, evidence);
    age.at_least(time, evidence);
    Some(age)
}
