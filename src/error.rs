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
    WouldBlock,
    Timeout,
    Cancelled,
    Changed,
    Deadlock,
    Lost,
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

    pub(crate) fn unsupported(text: impl Into<String>) -> Self {
        Self { kind: Kind::Unsupported, text: text.into(), source: None }
    }

    pub(crate) fn denied(text: impl Into<String>) -> Self {
        Self { kind: Kind::Permission, text: text.into(), source: None }
    }

    /// With what went wrong besides.
    pub(crate) fn and(mut self, other: &Self) -> Self {
        self.text = format!("{}; {}", self.text, other.text);
        self
    }

    /// In other words, made of these.
    pub(crate) fn reworded(mut self, words: impl FnOnce(&str) -> String) -> Self {
        self.text = words(&self.text);
        self
    }

    /// With what it means for what was to be done.
    pub(crate) fn after(mut self, meaning: &str) -> Self {
        self.text = format!("{meaning}: {}", self.text);
        self
    }

    pub(crate) fn would_block(text: impl Into<String>) -> Self {
        Self { kind: Kind::WouldBlock, text: text.into(), source: None }
    }

    pub(crate) fn timeout(text: impl Into<String>) -> Self {
        Self { kind: Kind::Timeout, text: text.into(), source: None }
    }

    pub(crate) fn cancelled(text: impl Into<String>) -> Self {
        Self { kind: Kind::Cancelled, text: text.into(), source: None }
    }

    pub(crate) fn changed(text: impl Into<String>) -> Self {
        Self { kind: Kind::Changed, text: text.into(), source: None }
    }

    pub(crate) fn deadlock(text: impl Into<String>) -> Self {
        Self { kind: Kind::Deadlock, text: text.into(), source: None }
    }

    pub(crate) fn lost(text: impl Into<String>) -> Self {
        Self { kind: Kind::Lost, text: text.into(), source: None }
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

    /// The lock is not free, and waiting was not wanted.
    #[must_use]
    pub fn is_would_block(&self) -> bool {
        self.kind == Kind::WouldBlock
    }

    /// The time allowed for it ran out.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.kind == Kind::Timeout
    }

    /// Somebody [cancelled](crate::acquire::Cancel) it.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.kind == Kind::Cancelled
    }

    /// The world changed between looking and acting: nothing was touched.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.kind == Kind::Changed
    }

    /// Waiting would have closed a circle with locks that this process or those above it have.
    #[must_use]
    pub fn is_deadlock(&self) -> bool {
        self.kind == Kind::Deadlock
    }

    /// A lock that was ours is ours no more.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.kind == Kind::Lost
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
