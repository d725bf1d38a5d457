//! What locks mean to people.

mod catalogue;
mod kernel;
mod lockfile;
mod open;

use std::path::PathBuf;

use crate::error::Error;
use crate::model::{LockFacts, Look};
use catalogue::Catalogue;
pub(crate) use open::open;

/// Reads meaning into what sources saw.
#[derive(Debug)]
pub(crate) struct Families {
    catalogue: Catalogue,
}

impl Families {
    /// The families that come with the program.
    ///
    /// # Errors
    /// When the embedded catalogue is damaged.
    pub(crate) fn new() -> Result<Self, Error> {
        Ok(Self { catalogue: Catalogue::embedded()? })
    }

    /// Names and enriches what was seen.
    pub(crate) fn interpret(&self, look: &mut Look) {
        for lock in &mut look.locks {
            self.name(lock);
        }
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
