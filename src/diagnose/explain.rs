//! A lock told in plain sentences.

use serde::Serialize;

use crate::model::{Lock, Snapshot};

/// What a good colleague would say of a lock. All texts are harmless to print.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// One line: the lock and its verdict.
    pub headline: String,
    /// Who has it, since when, what it does, why it does not move: sentences in that order.
    pub sentences: Vec<String>,
    /// The queue, a line a waiter.
    pub queue: Vec<QueueLine>,
    /// What can be done next, least harm first.
    pub next: Vec<Advice>,
    /// What could not be seen and bears on this.
    pub unseen: Vec<String>,
}

/// One waiter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueueLine {
    /// How deep it stands in the tree of waiting, from 1.
    pub depth: u32,
    /// Such as `apt 1203 (alice) waits 12m04s in the kernel's queue`.
    pub text: String,
}

/// A thing that can be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// What it does and what it may cost.
    pub text: String,
    /// The command for it, where there is one.
    pub command: Option<String>,
}

/// Explains one lock of a snapshot.
#[must_use]
pub fn explain(_lock: &Lock, _snapshot: &Snapshot) -> Explanation {
    todo!()
}
