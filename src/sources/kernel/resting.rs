//! Locks of which a look need not make anything anew, though others have changed.
//!
//! That is a flock(2) lock of which the table has one record and no request, whose keepers have not
//! run, and wait for nothing: nothing that happens to other locks has a bearing on it. (Of record
//! locks a part can go or change hands, and requests wait across their bounds; they are left out.)

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::Sighting;
use super::files::LookedUp;
use super::scan::Scan;
use crate::model::{FileId, Kept, LockId, Naming, PathBytes, Pid, Taker};
use crate::system::Anatomy;
use crate::system::procfs::locks::{Kind, Record, Table};
use crate::system::procfs::mounts::Mount;

/// The locks of a look that the next one may keep.
#[derive(Debug)]
pub(super) struct Resting {
    locks: HashMap<Record, Rest>,
    /// Our mounts then: another one can cover a name.
    mounts: Vec<Mount>,
}

#[derive(Debug, Clone)]
struct Rest {
    id: LockId,
    /// How many descriptors keep it.
    keepers: usize,
}

/// What a look keeps of the last one.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// The locks, in the order of the table.
    pub(super) locks: Vec<Kept>,
    rests: Vec<(Record, Rest)>,
}

impl Resting {
    /// Those of a look's locks that can be kept, and those that it has kept.
    pub(super) fn of(
        locks: &[Sighting],
        looked_up: &LookedUp,
        table: &Table,
        scan: &Scan,
        keeping: Keeping,
        anatomy: &BTreeMap<Pid, Arc<Anatomy>>,
        mounts: Vec<Mount>,
    ) -> Self {
        let requests = locks.iter().flat_map(|lock| &lock.facts.requests);
        let waits: HashSet<Pid> = requests.filter_map(|request| request.pid).collect();
        let lost: HashSet<&Path> = lost_paths(locks).collect();
        // Others can change these names.
        let looked_up: HashSet<usize> = looked_up.locks().collect();
        let rest = |(index, lock): (usize, &Sighting)| {
            let ([entry], [grant]) = (&*lock.entries, &*lock.facts.grants) else { return None };
            let record = table.entries.get(*entry)?.granted;
            let rests = record.kind == Kind::Flock
                && lock.facts.requests.is_empty()
                && lock.facts.naming == Naming::Same
                && !looked_up.contains(&index)
                && lock.facts.path.as_ref().is_some_and(|path| !lost.contains(path.as_path()))
                && grant.taker == Taker::Holds
                && grant.remark.is_none()
                && grant
                    .sharers
                    .iter()
                    .all(|by| !waits.contains(&by.pid) && anatomy.contains_key(&by.pid));
            let keepers = scan.keepers(&record).len();
            rests.then(|| (record, Rest { id: lock.facts.id.clone(), keepers }))
        };
        let locks = locks.iter().enumerate().filter_map(rest).chain(keeping.rests).collect();
        Self { locks, mounts }
    }

    /// Takes out of the table what can be kept. `asleep` are those who have not run since the last
    /// look, and of the `renamed` locks the files have other names.
    pub(super) fn keep(
        mut self,
        table: &mut Table,
        scan: &Scan,
        mounts: &[Mount],
        asleep: &HashSet<Pid>,
        renamed: &foldhash::HashSet<Record>,
    ) -> Keeping {
        if self.mounts != mounts {
            return Keeping::default();
        }
        let mut records: HashMap<FileId, usize> = HashMap::with_capacity(table.entries.len());
        for entry in table.entries.iter().filter(|entry| entry.granted.kind == Kind::Flock) {
            if let Some(file) = entry.granted.file {
                *records.entry(file).or_default() += 1 + entry.waiting.len();
            }
        }
        let is_alone = |file: FileId| records.get(&file) == Some(&1);
        let mut keeping = Keeping::default();
        table.entries.retain(|entry| {
            let record = &entry.granted;
            let keepers = scan.keepers(record);
            let rest = record.file.is_some_and(is_alone).then(|| self.locks.remove(record));
            let rest = rest.flatten().filter(|rest| {
                rest.keepers == keepers.len()
                    && keepers.iter().all(|keeper| asleep.contains(&keeper.pid))
                    && !renamed.contains(record)
            });
            let Some(rest) = rest else { return true };
            keeping.locks.push(Kept { id: rest.id.clone(), place: entry.place });
            keeping.rests.push((*record, rest));
            false
        });
        keeping
    }
}

impl Keeping {
    /// Who keeps these locks.
    pub(super) fn pids<'a>(&'a self, scan: &'a Scan) -> impl Iterator<Item = Pid> + 'a {
        let keepers = self.rests.iter().flat_map(|(record, _)| scan.keepers(record));
        keepers.map(|keeper| keeper.pid)
    }

    /// Whether nothing that has turned out of the other locks has a bearing on these: a file that was
    /// lost had the name of one of these.
    pub(super) fn is_untouched_by(&self, locks: &[Sighting], scan: &Scan) -> bool {
        let lost: HashSet<&Path> = lost_paths(locks).collect();
        let paths = || self.rests.iter().flat_map(|(record, _)| scan.keepers(record));
        lost.is_empty()
            || !paths().any(|of| of.path.as_deref().is_some_and(|path| lost.contains(path)))
    }
}

/// The names that locked files have lost to others.
fn lost_paths(locks: &[Sighting]) -> impl Iterator<Item = &Path> {
    let lost = locks.iter().filter(|lock| lock.facts.naming == Naming::Another);
    lost.filter_map(|lock| lock.facts.path.as_ref().map(PathBytes::as_path))
}
