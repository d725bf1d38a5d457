//! flock(2), on a file or a folder.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs4::{FileExt, TryLockError};

use super::opened::Opened;
use super::queue::{self, Request};
use crate::acquire::{Blocked, Held, Pending, Place, Stop, Want};
use crate::error::Error;
use crate::model::{LockId, Mechanism, Mode, Range};
use crate::system::locking::{self, Access, record};

/// A request for a flock(2) lock.
#[derive(Debug)]
pub(crate) struct Flock {
    family: &'static str,
    path: PathBuf,
    want: Want,
    access: Access,
    open: Opened,
}

impl Flock {
    /// Opens the lock file, and creates it if that is wanted.
    ///
    /// # Errors
    /// When it cannot be opened; when part of it is wanted.
    pub(crate) fn open(path: PathBuf, want: Want) -> Result<Self, Error> {
        if want.range.is_some_and(|range| range != Range::WHOLE) {
            return Err(Error::usage("flock locks whole files; a range of bytes wants 'ofd:PATH'"));
        }
        let access = Access::Read;
        let open = open(&path, access, &want)?;
        Ok(Self { family: "flock", path, want, access, open })
    }

    /// The same as a lock of another family.
    #[expect(dead_code, reason = "the families that need it come")]
    pub(crate) fn of_family(self, family: &'static str) -> Self {
        Self { family, ..self }
    }

    /// Whether somebody has a record lock on the file, which this one does not keep out. What cannot
    /// be asked is not known to have any.
    pub(crate) fn meets_records(&self) -> bool {
        record::is_free(&self.open.file, Mode::Exclusive, Range::WHOLE).is_ok_and(|free| !free)
    }
}

fn open(path: &Path, access: Access, want: &Want) -> Result<Opened, Error> {
    Opened::new(path, access, want.create)
        .map_err(|error| Error::io("open the lock file", path, error))
}

impl Request for Flock {
    fn path(&self) -> &Path {
        &self.path
    }

    fn want(&self) -> &Want {
        &self.want
    }

    fn try_lock(&self) -> io::Result<bool> {
        let file = &*self.open.file;
        let tried = match self.want.mode {
            Mode::Shared => FileExt::try_lock_shared(file),
            Mode::Exclusive => FileExt::try_lock(file),
        };
        match tried {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn lock(&self) -> io::Result<()> {
        match self.want.mode {
            Mode::Shared => FileExt::lock_shared(&*self.open.file),
            Mode::Exclusive => FileExt::lock(&*self.open.file),
        }
    }

    fn is_named(&self) -> Result<bool, Error> {
        self.open.is_named(&self.path)
    }

    fn reopen(&mut self) -> Result<(), Error> {
        self.open = open(&self.path, self.access, &self.want)?;
        Ok(())
    }

    fn held(&self) -> Box<dyn Held> {
        Box::new(HeldFlock { file: Arc::clone(&self.open.file), place: self.place() })
    }

    /// Some network file systems emulate flock(2) by record locks, which want write access.
    fn mend(&mut self, error: io::Error) -> Result<(), Error> {
        if self.access == Access::Read && locking::means_not_writable(&error) {
            self.access = Access::ReadWrite;
            return self.reopen();
        }
        Err(super::failed(&self.path, error))
    }
}

impl Pending for Flock {
    fn place(&self) -> Place {
        let id = |file| LockId::of_file(self.family, file, Range::WHOLE);
        Place {
            family: self.family,
            mechanism: Some(Mechanism::Flock),
            path: self.path.clone(),
            id: self.open.number.map(id),
            file: self.open.number,
            range: Range::WHOLE,
        }
    }

    fn try_take(&mut self) -> Result<Option<Box<dyn Held>>, Error> {
        queue::try_take(self)
    }

    fn block(&mut self, stop: &Arc<Stop>) -> Result<Blocked, Error> {
        queue::block(self, stop)
    }

    fn is_free(&mut self) -> Result<Option<bool>, Error> {
        Ok(None)
    }

    fn linger(&mut self, stop: &Arc<Stop>) -> Result<(), Error> {
        stop.pause(self.want.pauses.longest);
        Ok(())
    }
}

/// A flock(2) lock of ours.
#[derive(Debug)]
struct HeldFlock {
    file: Arc<File>,
    place: Place,
}

impl Held for HeldFlock {
    fn give_back(self: Box<Self>) -> Result<(), Error> {
        FileExt::unlock(&*self.file).map_err(|error| Error::io("unlock", &self.place.path, error))
    }

    fn place(&self) -> Place {
        self.place.clone()
    }

    fn leave(self: Box<Self>) {}

    fn file(&self) -> Option<&File> {
        Some(&self.file)
    }
}
