//! What has to be as it was for another look to show the same as the last.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::Sighting;
use super::files::LookedUp;
use super::scan::Worth;
use crate::model::{Pid, Taker};
use crate::system::procfs::mounts::Mount;
use crate::system::{Anatomy, System, TableText};

/// What a look has seen that others can change.
#[derive(Debug)]
pub(super) struct Still {
    /// The lock table.
    table: TableText,
    /// The names that had to be looked up.
    looked_up: LookedUp,
    /// Our mounts.
    mounts: Vec<Mount>,
    /// Which descriptors are worth reading, with this table and these mounts.
    pub(super) worth: Worth,
    /// How many hold and wait.
    pub(super) actors: usize,
    /// Who took a lock and has ended: another process can get that number.
    gone: HashSet<Pid>,
}

impl Still {
    /// `None` where somebody matters who cannot be watched.
    pub(super) fn of(
        mut table: TableText,
        looked_up: LookedUp,
        mounts: Vec<Mount>,
        worth: Worth,
        locks: &[Sighting],
        anatomy: &BTreeMap<Pid, Arc<Anatomy>>,
    ) -> Option<Self> {
        table.text.shrink_to_fit();
        let mut gone = HashSet::new();
        for lock in locks {
            for grant in &lock.facts.grants {
                let unknown = grant.recorded_pid.filter(|pid| !anatomy.contains_key(pid));
                if unknown.is_some() && grant.taker != Taker::Gone {
                    return None;
                }
                gone.extend(unknown);
                if !grant.sharers.iter().all(|sharer| anatomy.contains_key(&sharer.pid)) {
                    return None;
                }
            }
            let requests = lock.facts.requests.iter();
            if !requests.filter_map(|request| request.pid).all(|pid| anatomy.contains_key(&pid)) {
                return None;
            }
        }
        Some(Self { table, looked_up, mounts, worth, actors: anatomy.len(), gone })
    }

    /// Whether this is what the table and the mounts show, and what names name.
    pub(super) fn is_shown_by(&self, system: &System, table: &TableText) -> bool {
        self.table == *table
            && self.mounts == system.mounts(None)
            && self.looked_up.is_so_now(system)
    }

    /// Whether nobody has the number of somebody who had ended.
    pub(super) fn admits(&self, alive: &[Pid]) -> bool {
        self.gone.is_empty() || !alive.iter().any(|pid| self.gone.contains(pid))
    }
}
