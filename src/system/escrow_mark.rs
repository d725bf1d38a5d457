//! How a process shows that it keeps a lock for somebody else: among its descriptors is an empty file
//! in memory whose name says so, and names the lock. The kernel takes it away with the process.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use super::{System, in_memory};
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
        let name = format!("{NAME}{lock}");
        in_memory::create(name.as_ref()).map(|file| Self { _file: file })
    }
}

impl System {
    /// The ids of the locks of which a process shows that it keeps them for somebody else; none where
    /// that cannot be seen.
    pub(crate) fn escrow_marks(&self, pid: Pid) -> Vec<String> {
        let Ok(descriptors) = self.descriptors(pid) else { return Vec::new() };
        let numbers = descriptors.numbers().unwrap_or_default().into_iter().take(MOST);
        let paths = numbers.filter_map(|fd| descriptors.path(fd).ok());
        let marked =
            |path: PathBuf| Some(in_memory::name_of(&path)?.to_str()?.strip_prefix(NAME)?.into());
        paths.filter_map(marked).collect()
    }
}
