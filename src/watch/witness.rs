//! Answers what two looks leave open: from the processes, from the disk, and from the audit log.

use std::time::Duration;

use jiff::Timestamp;

use super::acts::Acts;
use super::events::{Act, Lies, Life, Witness};
use crate::inspect::Inspector;
use crate::model::{LockId, PathBytes, Process, State};
use crate::system::on_disk::Found;

/// This machine, as it is now.
#[derive(Debug)]
pub(super) struct Machine<'a> {
    pub(super) inspector: &'a Inspector,
    pub(super) acts: &'a mut Acts,
}

impl Witness for Machine<'_> {
    fn life(&self, before: &Process, since: Duration) -> Life {
        let Some(id) = before.id() else { return Life::Lives };
        match self.inspector.portrait(id.pid) {
            Some(now) if now.id() != Some(id) => Life::Gone,
            Some(now) if matches!(now.state, Some(State::Zombie | State::Dead)) => Life::Gone,
            // A thread less, and that one may have run before it ended.
            Some(now)
                if now.threads == before.threads
                    && now.ran_at.is_some_and(|ran_at| ran_at < since) =>
            {
                Life::Slept
            }
            Some(_) => Life::Lives,
            None => Life::Gone,
        }
    }

    fn lies_at(&self, path: &PathBytes) -> Lies {
        match self.inspector.lies_at(path.as_path()) {
            Found::There(there) => Lies::There(there),
            Found::Nothing => Lies::Nothing,
            Found::Failed(_) | Found::Hangs => Lies::Unknown,
        }
    }

    fn acts_on(&mut self, lock: &LockId, from: Timestamp, until: Timestamp) -> Vec<Act> {
        self.acts.on(lock, from, until)
    }
}
