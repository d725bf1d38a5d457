//! A lock that we keep for somebody else, from the moment its holder ended until the operator says
//! that the queue may go on.

use std::fs::File;

use crate::error::Error;
use crate::model::{LockId, Mechanism, Range};
use crate::system::locking;

use super::plan::Plan;

/// A lock in our keeping. Dropped, or when we end however that is, the kernel hands it over.
#[derive(Debug)]
pub struct Escrow {
    lock: LockId,
    mechanism: Mechanism,
    range: Range,
    files: Vec<File>,
}

impl Escrow {
    pub(super) fn new(plan: &Plan, files: Vec<File>) -> Self {
        let range = plan.subject.range.unwrap_or(Range::WHOLE);
        Self { lock: plan.lock.clone(), mechanism: plan.subject.mechanism, range, files }
    }

    /// Which lock it is.
    #[must_use]
    pub fn lock(&self) -> &LockId {
        &self.lock
    }

    /// Lets the next one have it: an unlock for all who share the open file.
    ///
    /// # Errors
    /// When that fails; it is closed all the same.
    pub fn hand_over(self) -> Result<(), Error> {
        for file in &self.files {
            let done = match self.mechanism {
                Mechanism::Ofd => locking::record::unlock(file, self.range),
                _ => fs4::FileExt::unlock(file),
            };
            done.map_err(|error| {
                Error::unreachable(format!("cannot hand over {}: {error}", self.lock))
            })?;
        }
        Ok(())
    }
}
