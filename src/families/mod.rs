//! What locks mean to people.

pub mod catalogue;
mod evidence;
mod family;
mod findings;
mod ids;
mod kernel;
mod lockfile;
mod nerdctl;
mod open;
mod owner;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::model::{Detail, Lock, LockFacts, Look, Mechanism, Note, OnDisk, PathBytes};
use crate::sources::Habitat;
use crate::system::System;
use crate::system::on_disk::Found;
use catalogue::Catalogue;
use family::Beside;
pub(crate) use family::{Family, Territory, named};
use findings::Findings;
use ids::Ids;
pub(crate) use open::open;

/// So much of what lies beside locks is remembered.
const MOST_BESIDE: usize = 4096;

/// Reads meaning into what sources saw.
#[derive(Debug)]
pub(crate) struct Families {
    catalogue: Arc<Catalogue>,
    ids: Ids,
    findings: Findings,
    /// What lay beside locks, as [`Family::beside`] says.
    beside: HashMap<PathBuf, Arc<OnDisk>>,
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
        let catalogue = Arc::new(catalogue);
        let (ids, findings, beside) = (Ids::default(), Findings::default(), HashMap::new());
        Ok(Self { catalogue, ids, findings, beside, notes })
    }

    /// Where locks on disk can lie.
    pub(crate) fn habitat(&self) -> Arc<dyn Habitat> {
        Arc::<Catalogue>::clone(&self.catalogue)
    }

    /// What a reader has to know of the catalogue.
    pub(crate) fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Names and enriches what was seen.
    pub(crate) fn interpret(&mut self, look: &mut Look, system: &System) {
        let mut adopted = Vec::new();
        let mut known = Vec::new();
        for (at, lock) in look.locks.iter_mut().enumerate() {
            self.name(lock);
            if let Some(family) = self.family_of(lock) {
                adopted.extend(Ids::adopt(family, lock));
                known.push((at, family));
            }
        }
        self.ids.renew(look, adopted);
        self.read_beside(look, &known, system);
        let beside = Beside { system, processes: &look.processes, files: &self.beside };
        for (at, family) in known {
            family.enrich(&mut look.locks[at], &beside);
        }
        self.findings.interpret(look, system, &self.catalogue);
    }

    /// Whether nothing has changed of what was found out about a look's locks on disk.
    pub(crate) fn stand(&self, locks: &[Lock], now: Duration, system: &System) -> bool {
        self.findings.stand(locks, now, system)
    }

    /// Reads what says more of these locks: all of it together, and nothing again that has not changed.
    fn read_beside(&mut self, look: &Look, known: &[(usize, &dyn Family)], system: &System) {
        let of_lock = |(at, family): &(usize, &dyn Family)| {
            family.beside(look.locks.get(*at)?.path.as_ref()?.as_path())
        };
        let paths: BTreeSet<PathBuf> = known.iter().filter_map(of_lock).collect();
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

    fn name(&self, lock: &mut LockFacts) {
        let path = lock.path.as_ref().map(PathBytes::as_path);
        let bytes = match lock.mechanism {
            Mechanism::Posix | Mechanism::Ofd => self.catalogue.range(lock.range, path),
            _ => None,
        };
        let known = path.and_then(|path| self.catalogue.find(path));
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

    fn family_of(&self, lock: &LockFacts) -> Option<&'static dyn Family> {
        let known = self.catalogue.find(lock.path.as_ref()?.as_path())?;
        named(known.family.word())
    }

    /// Where well-known locks are, for locks whose holders may not be asked.
    pub(crate) fn well_known_places(&self) -> Vec<PathBuf> {
        self.catalogue.places()
    }
}

impl Habitat for Catalogue {
    fn family_at(&self, path: &Path) -> Option<&'static str> {
        let family = self.find(path)?.family;
        family.is_on_disk().then(|| family.word())
    }

    fn patterns(&self) -> Vec<Arc<str>> {
        self.lock_files_to_look_at().into_iter().map(|(pattern, _)| pattern).collect()
    }
}
