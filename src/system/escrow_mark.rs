//! How a process shows that it keeps a lock for somebody else: among its descriptors is an empty file
//! in memory whose name says so, and names the lock. The kernel takes it away with the process.

use std::fs::File;
use std::io;

use super::System;
use crate::model::{LockId, Pid};

const NAME: &str = "locktop escrow of ";

/// So many descriptors of a process are looked at: one that keeps a lock in escrow has few.
const MOST: usize = 1 << 10;

/// Shown for as long as it lives.
#[derive(Debug)]
pub(crate) struct Mark {
    _file: File,
}

impl Mark {
    /// Shows that this process keeps the lock for somebody else.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn set(lock: &LockId) -> io::Result<Self> {
        platform::in_memory(&format!("{NAME}{lock}")).map(|file| Self { _file: file })
    }
}

impl System {
    /// The ids of the locks of which a process shows that it keeps them for somebody else; none where
    /// that cannot be seen.
    pub(crate) fn escrow_marks(&self, pid: Pid) -> Vec<String> {
        let Ok(descriptors) = self.descriptors(pid) else { return Vec::new() };
        let numbers = descriptors.numbers().unwrap_or_default().into_iter().take(MOST);
        let paths = numbers.filter_map(|fd| descriptors.path(fd).ok());
        paths.filter_map(|path| platform::mark(path.to_str()?)).collect()
    }
}

#[cfg(target_os = "linux")]
mod platform {
    use std::fs::File;
    use std::io;

    use rustix::fs::{MemfdFlags, memfd_create};
    use rustix::io::Errno;

    pub(super) fn in_memory(name: &str) -> io::Result<File> {
        let flags = MemfdFlags::CLOEXEC;
        // Some systems want to be told that it is never executed; before Linux 6.3 none knew that.
        match memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
            Err(Errno::INVAL) => Ok(memfd_create(name, flags)?.into()),
            result => Ok(result?.into()),
        }
    }

    /// The lock that such a file names, by what its link says.
    pub(super) fn mark(link: &str) -> Option<String> {
        let name = link.strip_prefix("/memfd:")?.strip_prefix(super::NAME)?;
        name.strip_suffix(" (deleted)").map(Into::into)
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use std::fs::File;
    use std::io;

    pub(super) fn in_memory(_name: &str) -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn mark(_link: &str) -> Option<String> {
        None
    }
}
