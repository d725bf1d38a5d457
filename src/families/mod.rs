//! What locks mean to people.

pub mod catalogue;
mod evidence;
mod kernel;
mod lockfile;
mod open;
#[cfg_attr(not(test), expect(dead_code, reason = "what lies on disk is about to be read"))]
mod owner;

use std::path::PathBuf;
use std::sync::Arc;

use crate::error::Error;
use crate::model::{LockFacts, Look, Mechanism, Note, PathBytes};
use crate::sources::Habitat;
use crate::system::System;
use catalogue::Catalogue;
pub(crate) use open::open;

/// Whether locks of that family lie on disk: they are there, or they are free.
pub(crate) fn lies_on_disk(family: &str) -> bool {
    matches!(family, "lockfile" | "pidfile")
}

/// Reads meaning into what sources saw.
#[derive(Debug)]
pub(crate) struct Families {
    catalogue: Arc<Catalogue>,
    /// What of it cannot be used.
    notes: Vec<Note>,
    findings: lockfile::Findings,
}

impl Families {
    /// The families that come with the program, and what people have added to its catalogue.
    ///
    /// # Errors
    /// When the embedded catalogue is damaged.
    pub(crate) fn new() -> Result<Self, Error> {
        let (catalogue, notes) = Catalogue::load()?;
        let findings = lockfile::Findings::default();
        Ok(Self { catalogue: Arc::new(catalogue), notes, findings })
    }

    #[expect(dead_code, reason = "locks on disk are about to be looked for everywhere")]
    /// Where well-known locks lie on disk.
    pub(crate) fn habitat(&self) -> Arc<dyn Habitat> {
        Arc::clone(&self.catalogue) as _
    }

    #[expect(dead_code, reason = "the notes of a look are joined elsewhere")]
    /// What cannot be used of what people have added to the catalogue.
    pub(crate) fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Names and enriches what was seen.
    pub(crate) fn interpret(&mut self, look: &mut Look, system: &System) {
        for lock in &mut look.locks {
            self.name(lock);
        }
        self.findings.interpret(look, system);
    }

    fn name(&self, lock: &mut LockFacts) {
        let path = lock.path.as_ref().map(PathBytes::as_path);
        let bytes = match lock.mechanism {
            Mechanism::Posix | Mechanism::Ofd => self.catalogue.range(lock.range, path),
            _ => None,
        };
        let known = path.and_then(|path| self.catalogue.find(path));
        lock.name = match (known, bytes) {
            (Some(known), Some(bytes)) => Some(format!("{}: {}", known.name, bytes.name).into()),
            (Some(known), None) => Some(Arc::clone(&known.name)),
            (None, Some(bytes)) => Some(Arc::clone(&bytes.name)),
            (None, None) => return,
        };
        lock.normal = known.is_some_and(|known| known.normal);
    }

    /// Where well-known locks are, for locks whose holders may not be asked.
    pub(crate) fn well_known_places(&self) -> Vec<PathBuf> {
        self.catalogue.places()
    }
}
