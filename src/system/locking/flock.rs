//! Locks of whole open files: flock(2), and what is nearest to it on other systems.
//!
//! This is the one place that takes them. On Windows it is `LockFileEx` over all bytes that a file
//! can have; exclusive means exclusive there too, and waiting means waiting.

use std::fs::File;
use std::io;

use fs4::{FileExt, TryLockError};

use crate::model::Mode;

/// Locks the open file if that can be done at once; `false`: somebody else has it.
///
/// # Errors
/// The system's.
pub(crate) fn try_lock(file: &File, mode: Mode) -> io::Result<bool> {
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

/// Locks the open file, waiting in the queue for it.
///
/// # Errors
/// The system's; `Interrupted` when a signal ended the wait.
pub(crate) fn lock(file: &File, mode: Mode) -> io::Result<()> {
    match mode {
        Mode::Shared => FileExt::lock_shared(file),
        Mode::Exclusive => FileExt::lock(file),
    }
}

/// Unlocks the open file, for all who share it.
///
/// # Errors
/// The system's.
pub(crate) fn unlock(file: &File) -> io::Result<()> {
    FileExt::unlock(file)
}
