//! How a command ends.

use std::io;
use std::process::ExitCode;

use super::stderr;

/// The exit statuses of what this version can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// Done.
    Done = 0,
    /// Bad usage, or a target that is not there.
    Usage = 2,
    /// Not permitted.
    NotPermitted = 3,
    /// A file could not be read.
    Unreadable = 5,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

/// Why a command ended early.
#[derive(Debug)]
pub(crate) struct Failure {
    status: Status,
    /// Nothing where it has been said already, or where nobody reads our output any more: that is
    /// how `… | head` ends.
    text: Option<String>,
}

impl Failure {
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self { status: Status::Usage, text: Some(text.into()) }
    }

    /// What the system refused.
    pub(crate) fn refused(text: impl Into<String>, kind: io::ErrorKind) -> Self {
        let status = match kind {
            io::ErrorKind::PermissionDenied => Status::NotPermitted,
            _ => Status::Unreadable,
        };
        Self { status, text: Some(text.into()) }
    }

    /// A failure that has been said already.
    pub(crate) fn told(status: Status) -> Self {
        Self { status, text: None }
    }

    /// Says it on standard error, and gives the exit status.
    pub(crate) fn tell(&self) -> Status {
        if let Some(text) = &self.text {
            stderr::error(text);
        }
        self.status
    }
}

impl From<locktop::Error> for Failure {
    fn from(error: locktop::Error) -> Self {
        let status = if error.is_usage() || error.is_gone() {
            Status::Usage
        } else if error.is_permission() {
            Status::NotPermitted
        } else {
            Status::Unreadable
        };
        Self { status, text: Some(error.to_string()) }
    }
}

impl From<locktop::TargetError> for Failure {
    fn from(error: locktop::TargetError) -> Self {
        locktop::Error::from(error).into()
    }
}

/// Of our own output: what is read is the locking core's.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { status: Status::Done, text: None };
        }
        Self { status: Status::Unreadable, text: Some(format!("cannot write the result: {error}")) }
    }
}

/// Where serialising fails, it is the writing that did: the documents themselves always can be.
impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        io::Error::from(error).into()
    }
}
