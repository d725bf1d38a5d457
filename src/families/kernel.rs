//! The kernel's locks of files: flock(2) and record locks; and paths of which nobody says what they
//! are.

use std::path::{Path, PathBuf};

use super::catalogue::{Catalogue, Entry};
use super::family::{Family, Territory, named, of_repository};
use super::open::is_there;
use crate::acquire::mechanism::flock;
use crate::acquire::mechanism::record::Record;
use crate::acquire::{Pending, Want};
use crate::error::Error;
use crate::model::Form;

/// flock(2), of a file or a folder.
#[derive(Debug)]
pub(super) struct Flock;

/// fcntl(2) record locks. We have them as locks of an open file description, which are in each
/// other's way with those of a process.
#[derive(Debug)]
pub(super) struct Posix;

/// fcntl(2) record locks of open file descriptions.
#[derive(Debug)]
pub(super) struct Ofd;

impl Family for Flock {
    fn word(&self) -> &'static str {
        "flock"
    }

    fn open(&self, at: PathBuf, want: Want) -> Result<Box<dyn Pending>, Error> {
        Ok(Box::new(flock::Flock::open(at, want)?))
    }
}

impl Family for Posix {
    fn word(&self) -> &'static str {
        "posix"
    }

    fn open(&self, at: PathBuf, want: Want) -> Result<Box<dyn Pending>, Error> {
        Ok(Box::new(Record::open(at, want)?))
    }
}

impl Family for Ofd {
    fn word(&self) -> &'static str {
        "ofd"
    }

    fn open(&self, at: PathBuf, want: Want) -> Result<Box<dyn Pending>, Error> {
        Posix.open(at, want)
    }
}

/// A request for the lock that those who use the path take: what it is known for, else that of the
/// repository that it is, else what somebody has on it now, else flock(2).
pub(super) fn usual(path: PathBuf, mut want: Want) -> Result<Box<dyn Pending>, Error> {
    if want.range.is_some() {
        return Posix.open(path, want);
    }
    if let Some(Known { family, form }) = known(&path)? {
        want.form = want.form.or(Some(form));
        return family.open(path, want);
    }
    if let Some(family) = of_repository(&path, &is_there) {
        let (Territory::At(place) | Territory::Below { folder: place, .. }) = family.place(path);
        return family.open(place, want);
    }
    let request = flock::Flock::open(path.clone(), want.clone())?;
    if request.meets_records() { Posix.open(path, want) } else { Ok(Box::new(request)) }
}

/// What the catalogue says of a path.
struct Known {
    family: &'static dyn Family,
    /// What it is made as, where it locks by existing.
    form: Form,
}

fn known(path: &Path) -> Result<Option<Known>, Error> {
    Ok(entry(path)?
        .and_then(|entry| Some(Known { family: named(entry.family.word())?, form: entry.take })))
}

/// What the catalogue says of it, wherever links lead. Most files are none that it could know.
pub(super) fn entry(path: &Path) -> Result<Option<Entry>, Error> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
    // Where that leads nowhere, opening the file says why.
    let path = folder.canonicalize().map_or_else(|_| path.to_owned(), |folder| folder.join(name));
    if !Catalogue::may_know(&path) {
        return Ok(None);
    }
    // Not knowing what a user's own catalogue says, it could be locked in a way that locks out nobody.
    let catalogue = Catalogue::read().map_err(|error| {
        error.after("cannot tell how it is locked ('flock:PATH' or 'posix:PATH' says so)")
    })?;
    Ok(catalogue.find(&path).cloned())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::acquire::Pauses;
    use crate::model::{Mode, Range};
    use crate::system::locking::record;

    fn want(range: Option<Range>) -> Want {
        Want {
            mode: Mode::Exclusive,
            range,
            create: Some(0o666),
            form: None,
            text: None,
            pauses: Pauses::default(),
        }
    }

    fn family(path: &Path, range: Option<Range>) -> &'static str {
        usual(path.to_owned(), want(range)).unwrap().place().family
    }

    #[test]
    fn a_path_is_locked_as_others_lock_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert_eq!(family(&path, None), "flock");
        let other = File::options().read(true).write(true).open(&path).unwrap();
        let part = Range { start: 3, end: Some(4) };
        assert!(record::try_lock(&other, Mode::Shared, part).unwrap());
        assert_eq!(family(&path, None), "ofd");
        record::unlock(&other, part).unwrap();
        assert_eq!(family(&path, None), "flock");
        assert_eq!(family(&path, Some(part)), "ofd");
        assert_eq!(family(folder.path(), None), "flock");
    }

    #[test]
    fn well_known_locks_are_what_they_are_known_for() {
        let known = |path: &str| known(Path::new(path)).unwrap().map(|known| known.family.word());
        assert_eq!(known("/var/lib/dpkg/lock"), Some("posix"));
        assert_eq!(known("/var/lib/dpkg/nothing"), None);
        assert_eq!(known("/nowhere/lock"), None);
        assert_eq!(known("/"), None);
    }
}
