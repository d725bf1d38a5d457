//! Those who have a lock and those who want it.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::{Grant, LockId, Mode, Pid, Process, Range, Span};

/// How sure it is that a process holds a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// Only named by the kernel or the file, and could not be checked.
    Recorded,
    /// Inferred.
    Likely,
    /// Seen in its descriptors.
    Proven,
}

impl Certainty {
    /// The word as in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Likely => "likely",
            Self::Proven => "proven",
        }
    }
}

/// A process that keeps a lock.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Holder {
    /// The process.
    #[serde(flatten)]
    pub process: Arc<Process>,
    /// The host that it runs on.
    pub host: Option<Arc<str>>,
    /// How sure that is.
    pub certainty: Certainty,
    /// Holders of one lock with the same number share one open file: one unlock frees it for all.
    pub grant: u32,
    /// Its descriptors for the locked file.
    pub fds: Vec<i32>,
    /// What a server knows it by.
    pub token: Option<String>,
}

/// One open file (for POSIX locks: one process) that has a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Its number: those who keep it are the holders with that number.
    pub grant: u32,
    /// How it has the lock.
    pub mode: Mode,
    /// Whom the kernel or the file names as the one who took it.
    pub taken_by: Option<Pid>,
}

impl Record {
    /// What a grant is recorded as.
    pub(crate) fn of(grant: &Grant) -> Self {
        Self { grant: grant.number, mode: grant.mode, taken_by: grant.recorded_pid }
    }
}

/// How somebody waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// In the kernel's queue.
    Kernel,
    /// By trying again and again.
    Polling,
    /// In a server's queue.
    Engine,
}

/// What a waiter has to see gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Blocker {
    /// The lock.
    pub id: LockId,
    /// Who holds it; one entry for each holder, `null` where nobody is known.
    pub pid: Option<Pid>,
}

/// A process that wants a lock.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Waiter {
    /// The process; all unknown for somebody whom we cannot see.
    #[serde(flatten)]
    pub process: Arc<Process>,
    /// The host that it runs on.
    pub host: Option<Arc<str>>,
    /// Place in the queue, from 1.
    pub position: Option<u32>,
    /// The thread that waits.
    pub tid: Option<Pid>,
    /// What a server knows it by.
    pub token: Option<String>,
    /// What it wants.
    pub mode: Mode,
    /// The bytes it wants, for locks of files.
    pub range: Option<Range>,
    /// How long it has waited.
    pub waited: Span,
    /// How it waits.
    pub how: How,
    /// How often it has tried, where it polls.
    pub tries: Option<u64>,
    /// The mean time from one try to the next, where it polls.
    #[serde(skip)]
    pub pause: Option<Duration>,
    /// Everything that has to go first; one list for all who want the same.
    pub blocked_by: Arc<[Blocker]>,
    /// Whether nothing speaks against its waiting without end: it was told rather than inferred, and no
    /// time limit was seen.
    #[serde(skip)]
    pub endless: bool,
    /// How deep it stands in the queue's tree: 1 waits for the lock itself, 2 for a waiter of depth 1.
    #[serde(skip)]
    pub depth: u32,
    /// Where it stands in that tree, read from the top.
    #[serde(skip)]
    pub place: u32,
}

impl Waiter {
    /// How it tries, if it stands in no queue: `tries every 1.0s, 214 times so far`.
    #[must_use]
    pub fn trying(&self) -> Option<String> {
        if self.how != How::Polling {
            return None;
        }
        Some(match (self.pause, self.tries) {
            (Some(pause), Some(tries)) if pause < Duration::from_secs(1) => {
                format!("tries every {}ms, {tries} times so far", pause.as_millis())
            }
            (Some(pause), Some(tries)) => {
                format!("tries every {}, {tries} times so far", super::short(pause))
            }
            (None, Some(tries)) => format!("has tried {tries} times"),
            (_, None) => "tries again and again".into(),
        })
    }
}
