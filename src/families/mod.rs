//! What locks mean to people.

pub mod catalogue;
mod evidence;
mod family;
mod findings;
mod ids;
mod ipfs;
mod kernel;
mod lockfile;
mod nerdctl;
mod open;
mod owner;
mod pidfile;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::model::{Detail, Lock, LockFacts, Look, Mechanism, Note, OnDisk, PathBytes};
use crate::sources::Habitat;
use crate::system::System;
use crate::system::on_disk::Found;
use catalogue::{Catalogue, Entry};
use family::{Beside, of_unknown};
pub(crate) use family::{Family, Territory, named, of_repository};
use findings::Findings;
use ids::Ids;
pub(crate) use open::{await_ready, open};

/// So much of what lies beside locks is remembered.
const MOST_BESIDE: usize = 4096;

/// The family of a lock, if it is of one.
type Kin = Option<&'static dyn Family>;

/// Reads meaning into what sources saw.
#[derive(Debug)]
pub(crate) struct Families {
    catalogue: Arc<Catalogue>,
    ids: Ids,
    findings: Findings,
    /// What lay beside locks, as [`Family::beside`] says.
    beside: HashMap<PathBuf, Arc<OnDisk>>,
    /// Whether what was said last of some lock can change without its holders.
    restless: bool,
    /// What every look is to tell besides.
    notes: Vec<Note>,
}

impl Families {
    /// The families that come with the program, and what people have added to its catalogue.
    ///
    /// # Errors
    /// When the embedded catalogue is damaged.
    pub(crate) fn new() -> Result<Self, Error> {
        let (catalogue, notes) = Catalogue::load()?;
        Ok(Self {
            catalogue: Arc::new(catalogue),
            ids: Ids::default(),
            findings: Findings::default(),
            beside: HashMap::new(),
            restless: false,
            notes,
        })
    }

    /// Where locks on disk can lie.
    pub(crate) fn habitat(&self) -> Arc<dyn Habitat> {
        Arc::<Catalogue>::clone(&self.catalogue)
    }

    /// What a reader has to know of the catalogue.
    pub(crate) fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Whether what was said last can change without those who hold and wait.
    pub(crate) fn are_restless(&self) -> bool {
        self.restless
    }

    /// Names and enriches what was seen.
    pub(crate) fn interpret(&mut self, looks: &mut [Look], system: &System) {
        self.restless = false;
        for look in looks {
            self.interpret_one(look, system);
        }
    }

    fn interpret_one(&mut self, look: &mut Look, system: &System) {
        let mut families = Vec::with_capacity(look.locks.len());
        for lock in &mut look.locks {
            let known = self.known(lock, system);
            name(lock, known, &self.catalogue);
            families.push(known.and_then(|known| named(known.family.word())));
        }
        self.read_beside(look, &families, system);
        let mut adopted = Vec::new();
        let (at, processes) = (look.at, &look.processes);
        let beside = Beside { system, at, processes, files: &self.beside };
        let mut families = families.into_iter();
        look.locks.retain_mut(|lock| {
            let Some(family) = families.next().flatten() else { return true };
            if family.is_no_lock(lock, &beside) {
                return false;
            }
            adopted.extend(Ids::adopt(family, lock));
            family.enrich(lock, &beside);
            self.restless |= family.is_restless() && lock.family == family.word();
            true
        });
        self.ids.renew(look, adopted);
        self.findings.interpret(look, system, &self.catalogue);
    }

    /// Whether nothing has changed of what was found out about a look's locks on disk.
    pub(crate) fn stand(&self, locks: &[Lock], now: Duration, system: &System) -> bool {
        self.findings.stand(locks, now, system)
    }

    /// Reads what says more of these locks: all of it together, and nothing again that has not changed.
    fn read_beside(&mut self, look: &Look, families: &[Kin], system: &System) {
        let of_lock =
            |(lock, family): (&LockFacts, &Kin)| (*family)?.beside(lock.path.as_ref()?.as_path());
        let paths: BTreeSet<PathBuf> =
            look.locks.iter().zip(families).filter_map(of_lock).collect();
        if paths.is_empty() {
            return;
        }
        // Of locks that are kept nothing is asked: what was read of them stays, within limits.
        if self.beside.len() > MOST_BESIDE {
            self.beside.clear();
        }
        let asks = paths.into_iter().map(|path| {
            let read = self.beside.remove(&path);
            (path, read)
        });
        for (path, found) in system.examine(asks.collect()) {
            if let Found::There(there) = found {
                self.beside.insert(path, there);
            }
        }
    }

    /// What the catalogue says of a lock: by its path, or else by what lies around it.
    fn known(&self, lock: &LockFacts, system: &System) -> Option<&Entry> {
        let path = lock.path.as_ref()?.as_path();
        self.catalogue.find(path).or_else(|| {
            let family = match lock.mechanism {
                // Of a repository's; what somebody called a lock file can be anybody's.
                Mechanism::Exists => named(&lock.family).filter(|family| !family.lies_on_disk())?,
                _ => of_unknown(path, &|path| system.is_there(path))?,
            };
            self.catalogue.of_family(family.word())
        })
    }

    /// Where well-known locks are, for locks whose holders may not be asked.
    pub(crate) fn well_known_places(&self) -> Vec<PathBuf> {
        self.catalogue.places()
    }
}

/// Names a lock, and says what the catalogue does.
fn name(lock: &mut LockFacts, known: Option<&Entry>, catalogue: &Catalogue) {
    let bytes = match lock.mechanism {
        Mechanism::Posix | Mechanism::Ofd => {
            catalogue.range(lock.range, lock.path.as_ref().map(PathBytes::as_path))
        }
        _ => None,
    };
    if let Some(breaking) = known.and_then(|known| known.breaking.clone()) {
        lock.details.insert("breaking", Detail::Text(breaking));
    }
    lock.name = match (known, bytes) {
        (Some(known), Some(bytes)) => Some(format!("{}: {}", known.name, bytes.name).into()),
        (Some(known), None) => Some(Arc::clone(&known.name)),
        (None, Some(bytes)) => Some(Arc::clone(&bytes.name)),
        (None, None) => return,
    };
    lock.normal = known.is_some_and(|known| known.normal);
}

impl Habitat for Catalogue {
    fn family_at(&self, path: &Path) -> Option<&'static str> {
        let family = self.find(path)?.family;
        family.may_lie_on_disk().then(|| family.word())
    }

    fn patterns(&self) -> Vec<Arc<str>> {
        self.lock_files_to_look_at().into_iter().map(|(pattern, _)| pattern).collect()
    }
}
