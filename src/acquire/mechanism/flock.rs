//! flock(2), on a file or a folder.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs4::{FileExt, TryLockError};

use super::opened::Opened;
use super::{MOST_REOPENED, replaced_all_the_time, wait_without_queue};
use crate::acquire::{Blocked, Held, Pending, Place, Stop, Want};
use crate::error::Error;
use crate::model::{LockId, Mode, Range};
use crate::system::locking::{self, Access};

/// A request for a flock(2) lock.
#[derive(Debug)]
pub(crate) struct Flock {
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
        Ok(Self { path, want, access, open })
    }

    fn reopen(&mut self) -> Result<(), Error> {
        self.open = open(&self.path, self.access, &self.want)?;
        Ok(())
    }

    /// Some network file systems emulate flock(2) by record locks, which want write access.
    fn reopen_for_writing(&mut self) -> Result<(), Error> {
        self.access = Access::ReadWrite;
        self.reopen()
    }

    /// The lock that the open file has got, if the path still names that.
    fn verified(&mut self) -> Result<Option<Box<dyn Held>>, Error> {
        if !self.open.is_named(&self.path)? {
            self.reopen()?;
            return Ok(None);
        }
        Ok(Some(Box::new(HeldFlock { file: Arc::clone(&self.open.file), place: self.place() })))
    }

    fn wants_writing(&self, error: &io::Error) -> bool {
        self.access == Access::Read && locking::means_not_writable(error)
    }

    fn failed(&self, error: io::Error) -> Error {
        super::failed(&self.path, error)
    }
}

fn open(path: &Path, access: Access, want: &Want) -> Result<Opened, Error> {
    Opened::new(path, access, want.create)
        .map_err(|error| Error::io("open the lock file", path, error))
}

fn try_lock(file: &File, mode: Mode) -> io::Result<bool> {
    let tried = match mode {
        Mode::Shared => FileExt::try_lock_shared(file),
        Mode::Exclusive => FileExt::try_lock(file),
    };
    match tried {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn lock(file: &File, mode: Mode) -> io::Result<()> {
    match mode {
        Mode::Shared => FileExt::lock_shared(file),
        Mode::Exclusive => FileExt::lock(file),
    }
}

impl Pending for Flock {
    fn place(&self) -> Place {
        let id = self.open.number.map(|file| LockId::of_file("flock", file, Range::WHOLE));
        Place {
            family: "flock",
            path: self.path.clone(),
            id,
            file: self.open.number,
            range: Range::WHOLE,
        }
    }

    fn try_take(&mut self) -> Result<Option<Box<dyn Held>>, Error> {
        for _ in 0..MOST_REOPENED {
            match try_lock(&self.open.file, self.want.mode) {
                Ok(true) => {
                    if let Some(held) = self.verified()? {
                        return Ok(Some(held));
                    }
                }
                Ok(false) if self.open.is_named(&self.path)? => return Ok(None),
                Ok(false) => self.reopen()?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if self.wants_writing(&error) => self.reopen_for_writing()?,
                Err(error) => return Err(self.failed(error)),
            }
        }
        Err(replaced_all_the_time(&self.path))
    }

    fn block(&mut self, stop: &Arc<Stop>) -> Result<Blocked, Error> {
        let thread = match locking::prepare() {
            Ok(thread) => thread,
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                return Ok(wait_without_queue(&self.want, stop));
            }
            Err(error) => return Err(Error::io("wait in the queue of", &self.path, error)),
        };
        loop {
            let mode = self.want.mode;
            match stop.interruptible(thread, || lock(&self.open.file, mode)) {
                None => return Ok(Blocked::Stopped),
                Some(Ok(())) => {
                    return Ok(self.verified()?.map_or(Blocked::Changed, Blocked::Taken));
                }
                Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {
                    if !stop.is_set() && !self.open.is_named(&self.path)? {
                        self.reopen()?;
                        return Ok(Blocked::Changed);
                    }
                }
                Some(Err(error)) if self.wants_writing(&error) => self.reopen_for_writing()?,
                Some(Err(error)) => return Err(self.failed(error)),
            }
        }
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
