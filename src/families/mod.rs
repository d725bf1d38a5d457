//! What locks mean to people.

pub mod catalogue;
mod kernel;
mod lockfile;
mod open;
#[cfg_attr(not(test), expect(dead_code, reason = "what lies on disk is about to be read"))]
mod owner;

use std::path::PathBuf;
use std::sync::Arc;

use crate::error::Error;
use crate::model::{LockFacts, Look, Mechanism, Note, PathBytes};
use catalogue::Catalogue;
pub(crate) use open::open;

/// Reads meaning into what sources saw.
#[derive(Debug)]
pub(crate) struct Families {
    catalogue: Catalogue,
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
        Ok(Self { catalogue, notes })
    }

    /// The well-known locks.
    #[expect(dead_code, reason = "what lies on disk is about to be looked for by it")]
    pub(crate) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Names and enriches what was seen.
    pub(crate) fn interpret(&self, look: &mut Look) {
        look.notes.extend_from_slice(&self.notes);
        for lock in &mut look.locks {
            self.name(lock);
        }
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
