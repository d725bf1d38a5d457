//! The one error of the locking core.

use std::fmt;
use std::io;
use std::path::Path;

use crate::model::{TargetError, harmless_bytes};

/// What went wrong: what was tried on what, why it failed, and what to do next.
///
/// Opaque; ask it with its predicates.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    text: String,
    source: Option<io::Error>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Usage,
    Permission,
    Gone,
    Unreachable,
    Unsupported,
}

impl Error {
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, text: text.into(), source: None }
    }

    pub(crate) fn gone(text: impl Into<String>) -> Self {
        Self { kind: Kind::Gone, text: text.into(), source: None }
    }

    pub(crate) fn unreachable(text: impl Into<String>) -> Self {
        Self { kind: Kind::Unreachable, text: text.into(), source: None }
    }

    /// `doing` is what was tried, such as "read".
    pub(crate) fn io(doing: &str, path: &Path, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::PermissionDenied => Kind::Permission,
            io::ErrorKind::NotFound => Kind::Gone,
            io::ErrorKind::Unsupported => Kind::Unsupported,
            _ => Kind::Unreachable,
        };
        let path = harmless_bytes(path.as_os_str().as_encoded_bytes());
        Self { kind, text: format!("cannot {doing} {path}: {source}"), source: Some(source) }
    }

    /// The request itself makes no sense: a target that cannot be parsed, that names nothing, or
    /// several things where one is wanted.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        self.kind == Kind::Usage
    }

    /// The system did not permit it.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        self.kind == Kind::Permission
    }

    /// What was named does not exist, or not any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.kind == Kind::Gone
    }

    /// A file or server could not be read or reached.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        self.kind == Kind::Unreachable
    }

    /// This platform or file system cannot do it.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        self.kind == Kind::Unsupported
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

impl From<TargetError> for Error {
    fn from(error: TargetError) -> Self {
        Self::usage(error.to_string())
    }
}
