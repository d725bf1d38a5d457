//! What locks mean to people.

mod catalogue;
mod evidence;
mod kernel;
mod lockfile;
mod open;

use std::path::PathBuf;

use crate::error::Error;
use crate::model::{LockFacts, Look};
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
    catalogue: Catalogue,
    findings: lockfile::Findings,
}

impl Families {
    /// The families that come with the program.
    ///
    /// # Errors
    /// When the embedded catalogue is damaged.
    pub(crate) fn new() -> Result<Self, Error> {
        Ok(Self { catalogue: Catalogue::embedded()?, findings: lockfile::Findings::default() })
    }

    /// Names and enriches what was seen.
    pub(crate) fn interpret(&mut self, look: &mut Look, system: &System) {
        for lock in &mut look.locks {
            self.name(lock);
        }
        self.findings.interpret(look, system);
    }

    fn name(&self, lock: &mut LockFacts) {
        let Some(path) = &lock.path else { return };
        if let Some(known) = self.catalogue.find(path.as_path()) {
            lock.name = Some(known.name.clone());
            lock.normal = known.normal;
        }
    }

    /// Where well-known locks are, for locks whose holders may not be asked.
    pub(crate) fn well_known_places(&self) -> Vec<PathBuf> {
        self.catalogue.places()
    }
}
