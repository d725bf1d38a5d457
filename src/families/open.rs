//! From what a user names to a request for its lock.

use std::path::{Path, PathBuf};

use super::family::{Family as _, Territory, named};
use super::kernel::{self, Flock, Posix};
use super::lockfile::Lockfile;
use crate::acquire::{Pending, Want};
use crate::error::Error;
use crate::inspect::Inspector;
use crate::model::{Lock, LockId, Mechanism, PathBytes, Target, harmless, harmless_bytes};

/// A request for the lock that a target names.
///
/// # Errors
/// `is_usage` when it names none that can be taken, `is_gone` when it names a lock by an id that
/// nobody holds; when the lock file cannot be opened.
pub(crate) fn open(target: &Target, want: Want) -> Result<Box<dyn Pending>, Error> {
    match target {
        Target::Path(path) => kernel::usual(absolute(path)?, want),
        Target::Family { family, path } => {
            let Some(family) = named(family) else {
                return Err(Error::usage(format!(
                    "this version cannot take '{family}:' locks yet"
                )));
            };
            match family.place(absolute(path)?) {
                Territory::At(path) => family.open(path, want),
                Territory::Below(path) => Err(Error::usage(format!(
                    "{} has several locks: name the one to take",
                    harmless_bytes(path.as_os_str().as_encoded_bytes())
                ))),
            }
        }
        Target::Id(id) => by_id(id, want),
        Target::Pid(pid) => Err(Error::usage(format!(
            "pid:{pid} is a process and no lock; 'locktop ls pid:{pid}' prints what it holds"
        ))),
    }
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(|error| Error::io("look up", path, error))
}

/// A lock that somebody holds now is found by looking: an id alone does not tell where its file is.
fn by_id(id: &LockId, want: Want) -> Result<Box<dyn Pending>, Error> {
    let name = harmless(id.as_str());
    if !id.is_well_formed() {
        let text = format!("{name} is no id of a lock; 'locktop ls -o id' prints them");
        return Err(Error::usage(text));
    }
    if want.range.is_some() {
        return Err(Error::usage(format!("{name} names its bytes already: leave the range away")));
    }
    let snapshot = Inspector::new()?.snapshot()?;
    let Some(lock) = snapshot.lock(id) else {
        return Err(Error::gone(format!(
            "nobody holds {name} now, or it cannot be seen from here: name the lock by its path"
        )));
    };
    of_lock(lock, want)
}

/// The lock that a look saw, if its path still leads there.
fn of_lock(lock: &Lock, mut want: Want) -> Result<Box<dyn Pending>, Error> {
    let Some(path) = lock.path.as_ref().filter(|_| !lock.deleted) else {
        return Err(Error::usage(format!("{} has no path any more: it cannot be taken", lock.id)));
    };
    if lock.mechanism == Mechanism::Exists {
        // Whatever comes in its place is the same lock.
        let family = named(&lock.family).unwrap_or(&Lockfile);
        return family.open(path.as_path().to_owned(), want);
    }
    // As it is there: none is made in its place.
    want.create = None;
    want.range = lock.range;
    let path_as_seen = path.as_path().to_owned();
    let pending = match lock.mechanism {
        Mechanism::Flock => Flock.open(path_as_seen, want)?,
        Mechanism::Posix | Mechanism::Ofd => Posix.open(path_as_seen, want)?,
        Mechanism::Lease | Mechanism::Exists | Mechanism::Server => {
            let kind = lock.mechanism.word();
            return Err(Error::usage(format!("{} is a {kind}: it cannot be taken", lock.id)));
        }
    };
    if lock.file.is_none() || pending.place().file != lock.file {
        return Err(Error::usage(format!(
            "{} is not the file of {} from here: name the lock by its path",
            PathBytes::display(path),
            lock.id
        )));
    }
    Ok(pending)
}
