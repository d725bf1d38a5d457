//! Opening lock files without falling for what somebody planted.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::model::FileId;

/// What the open file is to be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    /// Exclusive record locks want it.
    ReadWrite,
}

/// Opens a lock file, or a folder, without truncating or following what others could have planted:
/// a symbolic link is followed only where nobody else can write to the folder that it is in. An
/// existing file is opened as it is; one that is not there is created with `create`, less the umask.
/// Never waits for the other end of a pipe.
pub(crate) fn open(path: &Path, access: Access, create: Option<u32>) -> io::Result<File> {
    let _ = (path, access, create);
    todo!()
}

/// What a path and an open file are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileState {
    /// The path names the open file.
    Same,
    /// The path names another file, or none.
    Replaced,
}

/// Whether the path still names the open file.
pub(crate) fn state_of(path: &Path, file: &File) -> io::Result<(FileState, FileId)> {
    let _ = (path, file);
    todo!()
}
