//! `lockfile:` and `pidfile:`: files, symbolic links and folders that lock by existing.

use std::path::PathBuf;

use super::family::Family;
use crate::acquire::mechanism::existing::Existing;
use crate::acquire::{Pending, Want};
use crate::error::Error;
use crate::model::harmless_bytes;

/// What locks by existing.
#[derive(Debug)]
pub(super) struct Lockfile;

/// What names a live process.
#[derive(Debug)]
pub(super) struct Pidfile;

impl Family for Lockfile {
    fn word(&self) -> &'static str {
        "lockfile"
    }

    fn lies_on_disk(&self) -> bool {
        true
    }

    fn open(&self, at: PathBuf, want: Want) -> Result<Box<dyn Pending>, Error> {
        Ok(Box::new(Existing::open(at, want)?))
    }
}

impl Family for Pidfile {
    fn word(&self) -> &'static str {
        "pidfile"
    }

    fn lies_on_disk(&self) -> bool {
        true
    }

    fn open(&self, at: PathBuf, _want: Want) -> Result<Box<dyn Pending>, Error> {
        Err(Error::usage(format!(
            "{} names a process: this version cannot take such locks yet",
            harmless_bytes(at.as_os_str().as_encoded_bytes())
        )))
    }
}
