//! One way to free a lock: what is shown is what is carried out.

use std::sync::Arc;

use serde::Serialize;

use super::method::Method;
use crate::model::{AsSeen, LockId, Mechanism, Mode, Pid, Process, ProcessId, Range};

/// A way to free one lock: its steps, its harm, and the grounds that must still hold when it is
/// carried out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// What it is.
    pub method: Method,
    /// The lock.
    pub lock: LockId,
    /// Its path, or what else tells a person which lock it is; harmless to print.
    pub name: String,
    /// Who held it when this was planned: nothing is done once that has changed.
    pub as_seen: AsSeen,
    /// What will be done, as commands that an operator knows; harmless to print.
    pub steps: Vec<String>,
    /// What comes of it, and who has the lock then; a sentence.
    pub frees: String,
    /// What is lost if the judgement is wrong; a sentence.
    pub harm: String,
    /// Whom it touches.
    pub victims: Vec<Victim>,
    /// Why it cannot be done here, if it cannot.
    pub obstacle: Option<Obstacle>,
    #[serde(skip)]
    pub(super) subject: Subject,
}

/// What the plan acts on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Subject {
    pub(super) mechanism: Mechanism,
    pub(super) mode: Mode,
    pub(super) range: Option<Range>,
}

/// A process that a plan touches.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Victim {
    /// Its number.
    pub pid: Pid,
    /// What was known of it.
    #[serde(flatten)]
    pub process: Arc<Process>,
    /// The descriptors through which it holds the lock.
    pub fds: Vec<i32>,
    /// Holders with the same number share one open file.
    pub grant: u32,
    #[serde(skip)]
    pub(super) id: ProcessId,
}

/// Why a plan cannot be carried out here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    /// Why; a sentence, harmless to print.
    pub text: String,
    /// What would remove it, if anything would.
    pub would_help: Option<String>,
    /// It is a matter of permission.
    pub permission: bool,
}

impl Plan {
    /// Whether it can be carried out here.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        self.obstacle.is_none()
    }
}
