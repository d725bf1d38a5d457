//! A lock that we keep for somebody else, from the moment its holder ended until the operator says
//! that the queue may go on.

use std::fs::File;

use super::outcome::{self, UNTIL_NEXT};
use super::plan::Plan;
use crate::error::Error;
use crate::model::{Lock, LockId};
use crate::system::escrow_mark::Mark;

/// A lock in our keeping. Dropped, or when we end however that is, the kernel hands it over.
#[derive(Debug)]
#[must_use = "dropped, it hands the lock over"]
pub struct Escrow {
    lock: LockId,
    has_queue: bool,
    files: Vec<File>,
    /// Others see by it that the lock has been left to nobody.
    _mark: Mark,
}

impl Escrow {
    pub(super) fn new(plan: &Plan, has_queue: bool, files: Vec<File>, mark: Mark) -> Self {
        Self { lock: plan.lock.clone(), has_queue, files, _mark: mark }
    }

    /// Which lock it is.
    #[must_use]
    pub fn lock(&self) -> &LockId {
        &self.lock
    }

    /// Lets the next one have it, and looks who that is; `None`: nobody has it.
    ///
    /// It is closed and not unlocked: should somebody share it whom nobody saw, he keeps it.
    ///
    /// # Errors
    /// When it cannot be seen who has it; it is handed over all the same.
    pub fn hand_over(self) -> Result<Option<Lock>, Error> {
        drop(self.files);
        let looks = if self.has_queue { UNTIL_NEXT } else { 1 };
        let snapshot = outcome::settled(&self.lock, looks)?;
        Ok(snapshot.lock(&self.lock).cloned())
    }
}
