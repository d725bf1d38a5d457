//! The mechanisms that make a lock exclusive, as requests.

use std::io;
use std::path::Path;

use crate::error::Error;
use crate::model::harmless_bytes;
use crate::system::locking;

#[cfg(test)]
mod exclusion;
pub(crate) mod existing;
pub(crate) mod flock;
mod opened;
mod queue;
pub(crate) mod record;

/// So often in a row, a lock file is not replaced while we open it.
const MOST_REOPENED: usize = 1000;

fn replaced_all_the_time(path: &Path) -> Error {
    let path = harmless_bytes(path.as_os_str().as_encoded_bytes());
    Error::changed(format!("{path} is replaced all the time"))
}

/// Why the system does not lock a file, and what can be done.
fn failed(path: &Path, error: io::Error) -> Error {
    if locking::means_no_locks(&error) {
        let path = harmless_bytes(path.as_os_str().as_encoded_bytes());
        return Error::unsupported(format!(
            "cannot lock {path}: {error}; its file system, or its lock service, does not do this \
             kind of lock: use a lock file on a local file system, or 'lockfile:'"
        ));
    }
    Error::io("lock", path, error)
}
