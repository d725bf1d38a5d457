//! A lock file as it was opened.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::error::Error;
use crate::model::FileId;
use crate::system::locking::{self, Access};

/// The open file, and what tells whether its path still names it.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: Arc<File>,
    /// `None` where the system does not number files.
    pub(super) number: Option<FileId>,
}

impl Opened {
    /// Opens it, and creates it with the mode `create`, less the umask, where it is not there.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn new(path: &Path, access: Access, create: Option<u32>) -> io::Result<Self> {
        let file = locking::open(path, access, create)?;
        let number = match locking::number(&file) {
            Ok(number) => Some(number),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => None,
            Err(error) => return Err(error),
        };
        Ok(Self { file: Arc::new(file), number })
    }

    /// Whether `path` still names it; taken for granted where the system does not number files.
    ///
    /// # Errors
    /// When the path cannot be looked up.
    pub(super) fn is_named(&self, path: &Path) -> Result<bool, Error> {
        if self.number.is_none() {
            return Ok(true);
        }
        locking::is_named(path, &self.file)
            .map_err(|error| Error::io("look up the lock file", path, error))
    }
}
