//! `ipfs:`: the lock of an IPFS repository, as Kubo takes it.
//!
//! Kubo has a record lock on all of an empty file, `repo.lock`, which it makes anew each time and
//! removes just before it lets go: who waits for the lock of that file can get that of one without a
//! name. So ours is verified against the path, and given back without removing anything, which Kubo
//! does not mind. A file that is not there is a free repository; one with something in it is one that
//! Kubo refuses to lock.

mod address;
mod daemon;
mod program;
mod readiness;
mod remains;
mod repository;
mod request;

use std::path::{Path, PathBuf};

use super::family::{Beside, Family, IsThere, Territory};
use crate::acquire::{Pending, Want};
use crate::error::Error;
use crate::model::{LockFacts, Mechanism};

/// An IPFS repository.
#[derive(Debug)]
pub(super) struct Ipfs;

impl Family for Ipfs {
    fn word(&self) -> &'static str {
        "ipfs"
    }

    /// The repository, or its lock file.
    fn place(&self, path: PathBuf) -> Territory {
        Territory::At(repository::lock_of(path))
    }

    fn mechanisms(&self) -> &'static [Mechanism] {
        &[Mechanism::Posix, Mechanism::Ofd]
    }

    fn is_repository(&self, path: &Path, is_there: IsThere<'_>) -> bool {
        repository::is_surely_one(path, is_there)
    }

    fn check(&self, path: &Path, is_there: IsThere<'_>) -> Result<(), Error> {
        repository::check(path, is_there)
    }

    fn makes_its_file(&self) -> bool {
        true
    }

    fn knows(&self, path: &Path, is_there: IsThere<'_>) -> bool {
        repository::folder_of(path)
            .is_some_and(|folder| repository::is_surely_one(folder, is_there))
    }

    fn open(&self, at: PathBuf, want: Want) -> Result<Box<dyn Pending>, Error> {
        Ok(Box::new(request::Request::open(at, want)?))
    }

    fn await_ready(&self, at: PathBuf, want: Want) -> Result<Box<dyn Pending>, Error> {
        Ok(Box::new(readiness::Readiness::open(at, want)))
    }

    fn is_no_lock(&self, lock: &LockFacts, beside: &Beside<'_>) -> bool {
        lock.mechanism == Mechanism::Exists && remains::keep_nobody_out(lock, beside.system)
    }

    fn enrich(&self, lock: &mut LockFacts, beside: &Beside<'_>) {
        let Some(path) = lock.path.clone() else { return };
        let Some(folder) = repository::folder_of(path.as_path()) else { return };
        match lock.mechanism {
            Mechanism::Exists => remains::tell(lock, beside.system),
            Mechanism::Posix | Mechanism::Ofd => daemon::tell(lock, folder, beside),
            Mechanism::Flock | Mechanism::Lease | Mechanism::Server => return,
        }
        lock.name = Some(format!("IPFS repository {}", folder.to_string_lossy()).into());
    }

    /// A daemon gets ready, and others try to have the lock, without anything that the kernel tells.
    fn is_restless(&self) -> bool {
        true
    }
}
