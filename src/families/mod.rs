//! What locks mean to people.

pub mod catalogue;
mod evidence;
mod family;
mod findings;
mod ids;
mod kernel;
mod lockfile;
mod open;
mod owner;
mod pidfile;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Error;
use crate::model::{Detail, LockFacts, Look, Mechanism, Note, PathBytes};
use crate::sources::Habitat;
use crate::system::System;
use catalogue::Catalogue;
use family::Family;
pub(crate) use family::{Territory, named};
use findings::Findings;
use ids::Ids;
pub(crate) use open::open;

/// Reads meaning into what sources saw.
#[derive(Debug)]
pub(crate) struct Families {
    catalogue: Arc<Catalogue>,
    ids: Ids,
    findings: Findings,
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

    /// Names and enriches what was seen.
    pub(crate) fn interpret(&mut self, look: &mut Look, system: &System) {
        let mut adopted = Vec::new();
        for lock in &mut look.locks {
            self.name(lock);
            if let Some(family) = self.family_of(lock) {
                adopted.extend(Ids::adopt(family, lock));
                family.enrich(lock, system);
            }
        }
        self.ids.renew(look, adopted);
        self.findings.interpret(look, system, &self.catalogue);
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
