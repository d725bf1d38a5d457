//! `nerdctl:`: flock(2) of the folders in which nerdctl keeps its state, and of the networks that it
//! shares with others.
//!
//! nerdctl opens what is there for reading only and waits without a limit and without a word: who
//! has it, and who else waits, only the kernel tells.

mod meta;
mod spot;
mod words;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::family::{Beside, Family, Territory};
use crate::acquire::mechanism::flock::Flock;
use crate::acquire::{Pending, Want};
use crate::error::Error;
use crate::model::{Detail, LockFacts, Mechanism, PathBytes, harmless_bytes};
use spot::{Kind, Spot};

/// A data folder of nerdctl, or one lock in it.
#[derive(Debug)]
pub(super) struct Nerdctl;

impl Family for Nerdctl {
    fn word(&self) -> &'static str {
        "nerdctl"
    }

    fn place(&self, path: PathBuf) -> Territory {
        match Spot::of(&path) {
            Some(spot) if !matches!(spot.kind, Kind::Compose) => Territory::At(path),
            spot => {
                let root = if spot.is_some() { path.parent() } else { None };
                let elsewhere = spot::elsewhere(root.unwrap_or(&path));
                Territory::Below { folder: path, elsewhere }
            }
        }
    }

    fn mechanisms(&self) -> &'static [Mechanism] {
        &[Mechanism::Flock]
    }

    /// What is not there is nerdctl's to make, and a data root has no lock of its own.
    fn open(&self, at: PathBuf, want: Want) -> Result<Box<dyn Pending>, Error> {
        if Spot::of(&at).is_none() && at.is_dir() {
            let root = harmless_bytes(at.as_os_str().as_encoded_bytes());
            return Err(Error::usage(format!(
                "{root} is no lock of nerdctl's: name the one that is meant; 'locktop ls nerdctl:{root}' \
                 prints those that are held"
            )));
        }
        match Flock::open(at.clone(), Want { create: None, ..want }) {
            Err(error) if error.is_gone() => Err(Error::usage(format!(
                "{} does not exist, and only nerdctl makes it: with another data root or container, \
                 it is elsewhere",
                harmless_bytes(at.as_os_str().as_encoded_bytes())
            ))),
            opened => Ok(Box::new(opened?.of_family(self.word()))),
        }
    }

    fn beside(&self, path: &Path) -> Option<PathBuf> {
        Spot::of(path)?.meta()
    }

    fn enrich(&self, lock: &mut LockFacts, beside: &Beside<'_>) {
        if lock.mechanism != Mechanism::Flock {
            return;
        }
        let Some(path) = lock.path.clone() else { return };
        let path = PathBytes::as_path(&path);
        let Some(spot) = Spot::of(path) else { return };
        let container = spot.meta().and_then(|meta| meta::name_in(beside.content(&meta)?));
        lock.name = Some(words::name(&spot, container.as_deref()).into());
        lock.normal = matches!(spot.kind, Kind::Logger { .. });
        let mut tell = |name, text: Option<&str>| {
            if let Some(text) = text {
                lock.details.insert(name, Detail::Text(text.into()));
            }
        };
        tell("kind", Some(spot.kind.word()));
        tell("namespace", spot.kind.namespace());
        tell("container", spot.kind.container());
        tell("container_name", container.as_deref());
        let mut sharers = lock.grants.iter().flat_map(|grant| &grant.sharers);
        let stranger = sharers.find_map(|by| {
            let command = beside.processes.get(&by.pid)?.command.as_deref()?;
            (!command.starts_with("nerdctl")).then_some(command)
        });
        let meaning = words::meaning(&spot.kind, stranger, !lock.requests.is_empty());
        lock.details.insert("meaning", Detail::Text(Arc::from(meaning)));
    }
}

#[cfg(test)]
mod tests;
