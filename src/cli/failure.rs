//! How a command ends.

use std::io;
use std::process::ExitCode;

use locktop::console;
use locktop::release::Cause;

use super::stderr;
use crate::tui;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// Done.
    Done,
    /// The answer is no.
    No,
    /// Bad usage, or a target that is not there.
    Usage,
    /// Not permitted.
    NotPermitted,
    /// The world changed meanwhile.
    Changed,
    /// A file could not be read, or a lock was lost.
    Unreadable,
    /// What a command that was run says, or what the user wants said.
    Code(u8),
    /// Of the signal of this number.
    Signal(i32),
}

impl Status {
    /// For what stands in the way of a release.
    pub(crate) fn of(cause: Cause) -> Self {
        match cause {
            Cause::Method => Self::Usage,
            Cause::Permission => Self::NotPermitted,
            Cause::Ourselves | Cause::Unproven => Self::No,
        }
    }

    /// The number that the shell sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::NotPermitted => 3,
            Self::Changed => 4,
            Self::Unreadable => 5,
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal as u8,
        }
    }

    /// Ends the process so.
    pub(crate) fn end(self) -> ExitCode {
        if let Self::Signal(signal) = self {
            // The shell looks whether it was a signal, not at the number.
            console::die_of(signal);
        }
        self.code().into()
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

    /// Waiting was given up, for which the user may have a status of his own.
    pub(crate) fn given_up(code: u8, text: Option<String>) -> Self {
        Self { status: Status::Code(code), text }
    }

    /// One with a status of its own.
    pub(crate) fn code(code: u8, text: impl Into<String>) -> Self {
        Self { status: Status::Code(code), text: Some(text.into()) }
    }

    /// A signal wants us to end; whoever sent it needs no explanation.
    pub(crate) fn signal(signal: i32) -> Self {
        Self::told(Status::Signal(signal))
    }

    /// A failure that has been said already.
    pub(crate) fn told(status: Status) -> Self {
        Self { status, text: None }
    }

    /// Why, where that has not been said.
    pub(crate) fn text(&self) -> Option<&str> {
        self.text.as_deref()
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
        } else if error.is_would_block() || error.is_timeout() || error.is_deadlock() {
            Status::No
        } else if error.is_changed() {
            Status::Changed
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

impl From<tui::Failure> for Failure {
    fn from(failure: tui::Failure) -> Self {
        match failure {
            tui::Failure::Look(error) => error.into(),
            tui::Failure::Terminal(error) => Self {
                status: Status::Unreadable,
                text: Some(format!("cannot use the terminal: {error}")),
            },
        }
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

#[cfg(test)]
mod tests {
    use super::super::{json, sample};
    use super::*;

    /// A reader that takes so many bytes and then fails so.
    struct Reader(usize, io::ErrorKind);

    impl io::Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(self.1.into());
            }
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn only_a_reader_that_goes_away_is_no_failure() {
        for taken in [0, 1, 100, 3000] {
            let fail = |kind| {
                let error = json::print(&mut Reader(taken, kind), &sample::snapshot()).unwrap_err();
                Failure::from(error)
            };
            let gone = fail(io::ErrorKind::BrokenPipe);
            assert_eq!((gone.status, gone.text), (Status::Done, None));
            let full = fail(io::ErrorKind::StorageFull);
            assert_eq!(full.status, Status::Unreadable);
            assert!(full.text.is_some());
        }
    }

    #[test]
    fn a_target_that_is_none_is_bad_usage() {
        let error = locktop::Target::parse("pid:x".as_ref()).unwrap_err();
        assert_eq!(Failure::from(error).status, Status::Usage);
    }
}
