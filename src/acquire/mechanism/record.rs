//! Record locks that belong to an open file: whole files and ranges of bytes.
//!
//! They exclude POSIX record locks and are excluded by them, but are not lost when another
//! descriptor of the file is closed.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::EventKindMask;

use super::opened::Opened;
use super::queue::{self, Request};
use super::{MOST_REOPENED, replaced_all_the_time};
use crate::acquire::rhythm::Lingering;
use crate::acquire::{Blocked, Held, Pending, Place, Stop, Want};
use crate::error::Error;
use crate::model::{LockId, Mechanism, Mode, Range, harmless_bytes};
use crate::system::locking::{Access, record};

/// What can free a record lock, or replace its file. (An unlock alone is no event.)
const KINDS: EventKindMask = EventKindMask::ACCESS_CLOSE
    .union(EventKindMask::ACCESS_CLOSE_NOWRITE)
    .union(EventKindMask::REMOVE)
    .union(EventKindMask::MODIFY_META)
    .union(EventKindMask::MODIFY_NAME);

/// A request for a record lock.
#[derive(Debug)]
pub(crate) struct Record {
    family: &'static str,
    path: PathBuf,
    want: Want,
    range: Range,
    lock_file: LockFile,
    lingering: Lingering,
}

/// The lock file as it could be opened.
#[derive(Debug)]
struct LockFile {
    open: Opened,
    /// Why it is open for reading only, where it had to be for writing: that is enough to ask.
    unwritable: Option<io::Error>,
}

impl Record {
    /// Opens the lock file, and creates it if that is wanted.
    ///
    /// # Errors
    /// When it cannot be opened; when the range is none that a file can have.
    pub(crate) fn open(path: PathBuf, want: Want) -> Result<Self, Error> {
        let range = want.range.unwrap_or(Range::WHOLE);
        record::check(range).map_err(|error| Error::usage(format!("bytes {error}")))?;
        let lock_file = LockFile::open(&path, &want)?;
        let lingering = Lingering::new(want.pauses, KINDS);
        Ok(Self { family: "ofd", path, want, range, lock_file, lingering })
    }

    /// The same as a lock of another family.
    pub(crate) fn of_family(self, family: &'static str) -> Self {
        Self { family, ..self }
    }

    fn file(&self) -> &File {
        &self.lock_file.open.file
    }

    fn check_writable(&self) -> Result<(), Error> {
        match &self.lock_file.unwritable {
            Some(error) => Err(unwritable(&self.path, error)),
            None => Ok(()),
        }
    }
}

impl LockFile {
    fn open(path: &Path, want: &Want) -> Result<Self, Error> {
        let open = |access| Opened::new(path, access, want.create);
        let failed = |error| Error::io("open the lock file", path, error);
        if want.mode == Mode::Shared {
            return Ok(Self { open: open(Access::Read).map_err(failed)?, unwritable: None });
        }
        match open(Access::ReadWrite) {
            Ok(open) => Ok(Self { open, unwritable: None }),
            Err(error) => match open(Access::Read) {
                Ok(open) => Ok(Self { open, unwritable: Some(error) }),
                Err(_) => Err(failed(error)),
            },
        }
    }
}

impl Request for Record {
    fn path(&self) -> &Path {
        &self.path
    }

    fn want(&self) -> &Want {
        &self.want
    }

    fn try_lock(&self) -> io::Result<bool> {
        record::try_lock(self.file(), self.want.mode, self.range)
    }

    fn lock(&self) -> io::Result<()> {
        record::lock(self.file(), self.want.mode, self.range)
    }

    fn is_named(&self) -> Result<bool, Error> {
        self.lock_file.open.is_named(&self.path)
    }

    fn reopen(&mut self) -> Result<(), Error> {
        self.lock_file = LockFile::open(&self.path, &self.want)?;
        Ok(())
    }

    fn held(&self) -> Box<dyn Held> {
        Box::new(HeldRecord { file: Arc::clone(&self.lock_file.open.file), place: self.place() })
    }

    /// The file can have been replaced by one that may not be written to.
    fn mend(&mut self, error: io::Error) -> Result<(), Error> {
        self.check_writable()?;
        Err(failed(&self.path, error))
    }
}

impl Pending for Record {
    fn place(&self) -> Place {
        let number = self.lock_file.open.number;
        Place {
            family: self.family,
            mechanism: Some(Mechanism::Ofd),
            path: self.path.clone(),
            id: number.map(|file| LockId::of_file(self.family, file, self.range)),
            file: number,
            range: self.range,
        }
    }

    fn try_take(&mut self) -> Result<Option<Box<dyn Held>>, Error> {
        self.check_writable()?;
        queue::try_take(self)
    }

    fn block(&mut self, stop: &Arc<Stop>) -> Result<Blocked, Error> {
        self.check_writable()?;
        queue::block(self, stop)
    }

    fn is_free(&mut self) -> Result<Option<bool>, Error> {
        for _ in 0..MOST_REOPENED {
            let free = record::is_free(self.file(), self.want.mode, self.range)
                .map_err(|error| failed(&self.path, error))?;
            if self.is_named()? {
                return Ok(Some(free));
            }
            match self.reopen() {
                // Nobody has the lock of a file that is not there.
                Err(error) if error.is_gone() => return Ok(Some(true)),
                reopened => reopened?,
            }
        }
        Err(replaced_all_the_time(&self.path))
    }

    fn linger(&mut self, stop: &Arc<Stop>) -> Result<(), Error> {
        self.lingering.linger(&self.path, &self.path, self.lock_file.open.number, stop);
        Ok(())
    }
}

/// A record lock of ours.
#[derive(Debug)]
struct HeldRecord {
    file: Arc<File>,
    place: Place,
}

impl Held for HeldRecord {
    fn give_back(self: Box<Self>) -> Result<(), Error> {
        record::unlock(&self.file, self.place.range)
            .map_err(|error| Error::io("unlock", &self.place.path, error))
    }

    fn place(&self) -> Place {
        self.place.clone()
    }

    fn leave(self: Box<Self>) {}

    fn file(&self) -> Option<&File> {
        Some(&self.file)
    }
}

/// Why a file cannot be locked exclusively, and what would permit it.
fn unwritable(path: &Path, error: &io::Error) -> Error {
    let kind = error.kind();
    if kind == io::ErrorKind::IsADirectory {
        let path = harmless_bytes(path.as_os_str().as_encoded_bytes());
        return Error::usage(format!(
            "cannot lock {path} exclusively: record locks are for files; 'flock:{path}' locks a \
             folder"
        ));
    }
    let text = format!(
        "{error}; an exclusive record lock needs a file that may be written to: do it as somebody \
         who may, or share the lock"
    );
    Error::io("lock", path, io::Error::new(io::ErrorKind::PermissionDenied, text))
}

/// Why the system does not lock these bytes, and what can be done.
fn failed(path: &Path, error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::InvalidInput {
        let path = harmless_bytes(path.as_os_str().as_encoded_bytes());
        return Error::unsupported(format!(
            "cannot lock {path}: {error}; this kernel, or the file's file system, has no record \
             locks of open files: use 'flock:', or a lock file on a local file system"
        ));
    }
    super::failed(path, error)
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
