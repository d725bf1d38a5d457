//! Locks that lie on disk: what one consists of, and whom it names as its owner.

use std::ffi::OsString;
use std::sync::Arc;

use jiff::Timestamp;

use super::{FileId, Form};

/// A lock that locks by existing, as it lies on disk. All of it is what somebody wrote: nothing of it
/// need be so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnDisk {
    /// The file, link or folder itself.
    pub file: FileId,
    /// What it consists of.
    pub content: Content,
    /// When it was made, where the file system knows.
    pub birth: Option<Timestamp>,
    /// When its content was last written, as far as nobody has set that by hand.
    pub modified: Timestamp,
    /// When anything about it last changed; nobody can set that by hand.
    pub changed: Timestamp,
    /// Its size in bytes.
    pub size: u64,
    /// The number of the user whose it is.
    pub uid: u32,
    /// Whether other machines can have made it: it lies on a network file system, or on one of a
    /// program of which that cannot be told.
    pub shared_with_others: bool,
}

/// What a lock on disk consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A file with these bytes.
    File(Excerpt),
    /// A symbolic link to this.
    Link(Vec<u8>),
    /// A folder with these names in it, sorted; `cut`: and more.
    Folder {
        /// At most [`Content::MOST_NAMES`].
        names: Vec<OsString>,
        /// Whether there are more.
        cut: bool,
    },
    /// It could not be read, or is nothing that is read, such as a pipe: a clause that says why.
    Unread {
        /// What it is.
        form: Form,
        /// Why.
        why: String,
    },
}

/// The beginning of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// At most [`Content::MOST_BYTES`].
    pub bytes: Vec<u8>,
    /// Whether there is more.
    pub cut: bool,
}

impl Content {
    /// So much of a file is read.
    pub const MOST_BYTES: usize = 4096;

    /// So many names in a folder are read.
    pub const MOST_NAMES: usize = 64;

    /// What it is.
    #[must_use]
    pub fn form(&self) -> Form {
        match self {
            Self::File(_) => Form::File,
            Self::Link(_) => Form::Link,
            Self::Folder { .. } => Form::Folder,
            Self::Unread { form, .. } => *form,
        }
    }
}

/// Whom a lock on disk names as its owner: what it says, not what is so. Make the texts harmless to
/// print.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Owner {
    /// The number of a process, or of one of its threads, as it is written: it need not be one that
    /// this system can give.
    pub pid: Option<i64>,
    /// The name of its machine.
    pub host: Option<Arc<str>>,
    /// The name of its user.
    pub user: Option<Arc<str>>,
    /// When that process started, to a few seconds.
    pub started_at: Option<Timestamp>,
    /// When its machine started, to a few seconds.
    pub booted_at: Option<Timestamp>,
    /// When the lock was taken.
    pub taken_at: Option<Timestamp>,
    /// What it is for.
    pub purpose: Option<Arc<str>>,
}
