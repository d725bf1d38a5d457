//! A request of ours for a repository.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::repository::{self, is_still_there, poisoned};
use crate::acquire::mechanism::record::Record;
use crate::acquire::{Blocked, Held, Pending, Place, Stop, Want};
use crate::error::Error;
use crate::model::{Mechanism, Range};

/// The lock of a repository: of its lock file where that is, of nothing where it is not.
#[derive(Debug)]
pub(super) struct Request {
    path: PathBuf,
    want: Want,
    /// `None`: there was no lock file, and none was to be created.
    file: Option<Record>,
}

impl Request {
    /// Opens the lock file, and creates it if that is wanted.
    ///
    /// # Errors
    /// When it cannot be opened; when part of it is wanted.
    pub(super) fn open(path: PathBuf, mut want: Want) -> Result<Self, Error> {
        if want.range.take().is_some_and(|range| range != Range::WHOLE) {
            return Err(Error::usage("an IPFS repository is locked as a whole: it has no ranges"));
        }
        let file = open(&path, &want)?;
        Ok(Self { path, want, file })
    }

    /// The lock file, opened now if it was not there before.
    fn file(&mut self) -> Result<Option<&mut Record>, Error> {
        if self.file.is_none() {
            self.file = open(&self.path, &self.want)?;
        }
        Ok(self.file.as_mut())
    }

    fn file_to_take(&mut self) -> Result<&mut Record, Error> {
        let path = self.path.clone();
        self.file()?.ok_or_else(|| {
            Error::gone(format!(
                "{} is not there, and none is to be created",
                repository::show(&path)
            ))
        })
    }

    /// A lock that Kubo would respect, but with which it does not start when it is given back.
    fn verified(&self, held: Box<dyn Held>) -> Result<Box<dyn Held>, Error> {
        match self.refuse_poisoned() {
            Ok(()) => Ok(held),
            Err(error) => {
                held.give_back()?;
                Err(error)
            }
        }
    }

    fn refuse_poisoned(&self) -> Result<(), Error> {
        match poisoned(&self.path).map_err(|error| Error::io("look at", &self.path, error))? {
            None => Ok(()),
            Some(poison) => {
                let path = repository::show(&self.path);
                Err(Error::would_block(format!(
                    "{path} will not get free by itself: {poison}; nobody has it locked, and \
                     'locktop release ipfs:{path}' removes it"
                )))
            }
        }
    }
}

fn open(path: &Path, want: &Want) -> Result<Option<Record>, Error> {
    match Record::open(path.to_owned(), want.clone()) {
        Ok(file) => Ok(Some(file.of_family("ipfs"))),
        Err(error) if error.is_gone() => match is_still_there(path) {
            Ok(()) if want.create.is_none() => Ok(None),
            Ok(()) => Err(error),
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    }
}

impl Pending for Request {
    fn place(&self) -> Place {
        match &self.file {
            Some(file) => file.place(),
            None => Place {
                family: "ipfs",
                mechanism: Some(Mechanism::Ofd),
                path: self.path.clone(),
                id: None,
                file: None,
                range: Range::WHOLE,
            },
        }
    }

    fn try_take(&mut self) -> Result<Option<Box<dyn Held>>, Error> {
        let held = self.file_to_take()?.try_take();
        held.or_else(|error| self.explain(error))?.map(|held| self.verified(held)).transpose()
    }

    fn block(&mut self, stop: &Arc<Stop>) -> Result<Blocked, Error> {
        let blocked = self.file_to_take()?.block(stop);
        match blocked.or_else(|error| self.explain(error))? {
            Blocked::Taken(held) => self.verified(held).map(Blocked::Taken),
            other => Ok(other),
        }
    }

    fn is_free(&mut self) -> Result<Option<bool>, Error> {
        let free = match self.file()? {
            Some(file) => file.is_free()?,
            None => Some(true),
        };
        if free == Some(true) {
            is_still_there(&self.path)?;
            self.refuse_poisoned()?;
        }
        Ok(free)
    }

    fn linger(&mut self, stop: &Arc<Stop>) -> Result<(), Error> {
        match self.file()? {
            Some(file) => file.linger(stop),
            // It is free.
            None => Ok(()),
        }
    }
}

impl Request {
    /// A lock file that cannot be created since its repository is gone.
    fn explain<T>(&self, error: Error) -> Result<T, Error> {
        if error.is_gone() {
            is_still_there(&self.path)?;
        }
        Err(error)
    }
}
