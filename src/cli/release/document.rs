//! What `release --json` prints.

use locktop::Snapshot;
use locktop::model::{Lock, LockId, Pid};
use locktop::release::{Outcome, Plan};
use serde::Serialize;

use super::choice::Choice;
use crate::cli::failure::Status;
use crate::cli::json::Head;

/// The head of the document of `ls --json`, and what became of each target.
#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    dry_run: bool,
    releases: &'a [Told],
}

impl<'a> Document<'a> {
    pub(super) fn of(snapshot: &'a Snapshot, dry_run: bool, releases: &'a [Told]) -> Self {
        Self { head: Head::of(snapshot), dry_run, releases }
    }
}

/// What was decided about a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Decision {
    /// Nobody has it.
    Free,
    /// It was only to be shown.
    Shown,
    /// Nobody agreed.
    Declined,
    /// The plan was carried out.
    Done,
    /// It could not be.
    Failed,
}

/// What became of a target.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    target: String,
    id: Option<LockId>,
    label: String,
    decision: Decision,
    plan: Option<Plan>,
    alternatives: Vec<Plan>,
    outcome: Option<Came>,
    error: Option<String>,
    #[serde(skip)]
    status: Status,
}

/// What came of a plan.
#[derive(Debug, Serialize)]
struct Came {
    freed: bool,
    text: String,
    next: Option<String>,
    alive: Vec<Pid>,
    /// Who has it after that, and for a lock that was kept, after it was handed over.
    now: Option<Box<Lock>>,
    logged: bool,
    handed_over: Option<String>,
}

impl Told {
    fn of(choice: Choice<'_>, decision: Decision, status: Status) -> Self {
        Self {
            id: choice.lock.map(|lock| lock.id.clone()),
            label: choice.label(),
            decision,
            alternatives: choice.others().cloned().collect(),
            plan: choice.plan().cloned(),
            target: choice.target,
            outcome: None,
            error: None,
            status,
        }
    }

    /// Nothing was done about it.
    pub(super) fn untouched(choice: Choice<'_>, decision: Decision) -> Self {
        if choice.lock.is_none() {
            return Self::of(choice, Decision::Free, Status::Done);
        }
        let status = match (decision, choice.plan().and_then(|plan| plan.obstacle.as_ref())) {
            (Decision::Declined, _) => Status::No,
            (_, Some(obstacle)) => Status::of(obstacle.cause),
            (_, None) => Status::Done,
        };
        Self::of(choice, decision, status)
    }

    /// The plan was carried out.
    pub(super) fn done(choice: Choice<'_>, outcome: Outcome) -> Self {
        let status = match (&outcome.unlogged, outcome.freed) {
            (Some(_), _) => Status::Unreadable,
            (None, true) => Status::Done,
            (None, false) => Status::No,
        };
        let mut told = Self::of(choice, Decision::Done, status);
        told.outcome = Some(Came {
            freed: outcome.freed,
            text: outcome.text,
            next: outcome.next,
            alive: outcome.alive,
            now: outcome.now,
            logged: outcome.unlogged.is_none(),
            handed_over: None,
        });
        told
    }

    /// It could not be.
    pub(super) fn failed(choice: Choice<'_>, error: String, status: Status) -> Self {
        Self { error: Some(error), ..Self::of(choice, Decision::Failed, status) }
    }

    pub(super) fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    pub(super) fn label(&self) -> &str {
        &self.label
    }

    pub(super) fn is_of(&self, lock: &LockId) -> bool {
        self.id.as_ref() == Some(lock)
    }

    pub(super) fn status(&self) -> Status {
        self.status
    }

    /// It was kept, and is no more.
    pub(super) fn handed_over(&mut self, text: String) {
        if let Some(outcome) = &mut self.outcome {
            outcome.handed_over = Some(text);
        }
    }

    /// The command that ran under it ended so.
    pub(super) fn command_ended(&mut self, status: Status) {
        if self.status == Status::Done && status.code() != 0 {
            self.status = status;
        }
    }
}
