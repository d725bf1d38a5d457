//! From what a user names to a request for its lock.

use std::io;
use std::path::{Path, PathBuf};

use super::family::{Family as _, Territory, named, of_repository};
use super::kernel::{self, Flock, Posix};
use super::lockfile::Lockfile;
use crate::acquire::{Pending, Want};
use crate::error::Error;
use crate::inspect::Inspector;
use crate::model::{Lock, LockId, Mechanism, PathBytes, Target, harmless};
use crate::system::locking::is_absent;

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
            let path = absolute(path)?;
            family.check(&path, &is_there)?;
            let (Territory::At(place) | Territory::Below { folder: place, .. }) =
                family.place(path);
            family.open(place, want)
        }
        Target::Id(id) => by_id(id, want),
        Target::Pid(pid) => Err(Error::usage(format!(
            "pid:{pid} is a process and no lock; 'locktop ls pid:{pid}' prints what it holds"
        ))),
    }
}

/// What is free as soon as somebody has the lock that a target names, and is ready to serve others.
///
/// # Errors
/// `is_usage` when those who have such locks serve nobody; as [`open`].
pub(crate) fn await_ready(target: &Target, want: Want) -> Result<Box<dyn Pending>, Error> {
    let (family, path) = match target {
        Target::Family { family, path } => (named(family), path),
        Target::Path(path) => (of_repository(path, &is_there), path),
        Target::Id(_) | Target::Pid(_) => {
            return Err(Error::usage("'--ready' wants a repository, 'ipfs:PATH'"));
        }
    };
    let family = family.unwrap_or(&Flock);
    let path = absolute(path)?;
    family.check(&path, &is_there)?;
    let (Territory::At(place) | Territory::Below { folder: place, .. }) = family.place(path);
    family.await_ready(place, want)
}

pub(super) fn is_there(path: &Path) -> io::Result<bool> {
    match path.try_exists() {
        Err(error) if is_absent(&error) => Ok(false),
        told => told,
    }
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(|error| Error::io("look up", path, error))
}

/// So many looks in a row do not all leave out a lock that is there, as one at a table that is read
/// in pieces can.
const MOST_LOOKS: usize = 3;

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
    let mut inspector = Inspector::new()?;
    let mut snapshot = inspector.snapshot()?;
    for _ in 1..MOST_LOOKS {
        if snapshot.at_once || snapshot.lock(id).is_some() {
            break;
        }
        snapshot = inspector.snapshot()?;
    }
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
    let own = named(&lock.family).filter(|family| family.mechanisms().contains(&lock.mechanism));
    let pending = match lock.mechanism {
        _ if let Some(family) = own => family.open(path_as_seen, want)?,
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
