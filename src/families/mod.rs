//! What locks mean to people.

pub mod catalogue;
mod evidence;
mod family;
mod findings;
mod ids;
mod ipfs;
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
use catalogue::{Catalogue, Entry};
use family::{Beside, of_unknown};
pub(crate) use family::{Family, Territory, named, of_repository};
use findings::Findings;
use ids::Ids;
pub(crate) use open::{await_ready, open};

/// Reads meaning into what sources saw.
#[derive(Debug)]
pub(crate) struct Families {
    catalogue: Arc<Catalogue>,
    ids: Ids,
    findings: Findings,
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
        let mut adopted = Vec::new();
        let beside = Beside { system, at: look.at, processes: &look.processes };
        look.locks.retain_mut(|lock| {
            let known = self.known(lock, system);
            name(lock, known, &self.catalogue);
            let Some(family) = known.and_then(|known| named(known.family.word())) else {
                return true;
            };
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
