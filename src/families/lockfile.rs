//! `lockfile:`: files, symbolic links and folders that lock by existing.

use std::path::PathBuf;

use crate::acquire::mechanism::existing::Existing;
use crate::acquire::{Pending, Want};
use crate::error::Error;

/// A request for a lock that locks by existing.
pub(super) fn open(path: PathBuf, want: Want) -> Result<Box<dyn Pending>, Error> {
    Ok(Box::new(Existing::open(path, want)?))
}
