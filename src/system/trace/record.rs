//! What the tracepoints of locks say.

use std::time::Duration;

use crate::model::{FileId, Mechanism, Mode, Pid, Range};

/// Something that the kernel did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    /// When, as time since boot.
    pub(crate) at: Duration,
    /// The thread that made it do so.
    pub(crate) tid: Pid,
    pub(crate) what: What,
}

/// What it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "no other system tells"))]
pub(crate) enum What {
    /// Somebody asked for a lock, or gave one back.
    Lock(Asked),
    /// Somebody begins to wait for a lease to be given up.
    BreakBegins(FileId),
    /// Somebody no longer waits for one.
    BreakEnds(FileId),
    /// Something about leases of a file.
    Lease(FileId),
    /// A process or thread was made.
    Fork { child: Pid },
}

/// A lock that was asked for, and the kernel's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) file: FileId,
    /// The open file or, for POSIX locks, the process's table of them: where it lies in the kernel.
    pub(crate) owner: u64,
    /// The process, where the kernel says so.
    pub(crate) pid: Option<Pid>,
    /// Whether it is a POSIX or open-file-description lock said to be one of the latter. A close says
    /// nothing of that.
    pub(crate) mechanism: Mechanism,
    /// `None`: gives it back.
    pub(crate) mode: Option<Mode>,
    /// Which bytes; where they were granted, with all that they have grown together with.
    pub(crate) range: Range,
    pub(crate) answer: Answer,
}

/// What the kernel said to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "no other system tells"))]
pub(crate) enum Answer {
    /// Done.
    Yes,
    /// Wait.
    Wait,
    /// It is taken, and whoever asked does not want to wait.
    No,
    /// Something else is wrong.
    Error,
}
