//! What a lock is that locks by existing.

/// The form of a lock that locks by existing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// A file, made by `O_CREAT|O_EXCL`.
    File,
    /// A symbolic link; what it points to says whose it is.
    Link,
    /// A folder.
    Folder,
}

impl Form {
    /// What people call it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Link => "symbolic link",
            Self::Folder => "folder",
        }
    }
}
