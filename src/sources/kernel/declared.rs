//! Locks by which processes only say that they wait for something else.

use super::Sighting;
use crate::model::{Declared, Device, Mechanism, PathBytes, Pid, Taker};
use crate::system::System;
use crate::system::in_memory;
use crate::system::procfs::locks::Table;
use crate::system::wait_mark::Waits;

/// The name of a program that says so.
const OURS: &[u8] = b"locktop";

/// Takes them out from among the others.
pub(super) fn take_out(system: &System, locks: &mut Vec<Sighting>, table: &Table) -> Vec<Declared> {
    let mut declared = Vec::new();
    let mut device = None;
    locks.retain(|lock| {
        if lock.facts.mechanism != Mechanism::Flock {
            return true;
        }
        let mut device = || *device.get_or_insert_with(|| in_memory::device().ok());
        let Some(keeper) = &lock.keeper else {
            return !is_unreadable(system, lock, table, device);
        };
        let Some(waits) = keeper.path.as_deref().and_then(Waits::shown_by) else { return true };
        // A file that is somebody's lock can be given such a name, where its giver has mounts of his own.
        if is_wanted(lock, table) || !is_on(lock, device()) {
            return true;
        }
        declared.extend(believed(lock, waits, keeper.stat.uid));
        false
    });
    declared
}

/// What a process says, unless another has said it first: one that inherited the file has not.
fn believed(lock: &Sighting, waits: Waits, uid: u32) -> Option<Declared> {
    let [grant] = &*lock.facts.grants else { return None };
    let pid = grant.recorded_pid.filter(|_| grant.taker == Taker::Holds)?;
    let Waits { family, folder, path } = waits;
    let since = lock.keeper.as_ref().and_then(|keeper| keeper.stat.birth);
    Some(Declared { pid, uid, family, folder, path: PathBytes::new(path), since })
}

/// Whether it is likely to be what another user's process says, which may not be read: nobody wants
/// it, and nobody else could.
fn is_unreadable(
    system: &System,
    lock: &Sighting,
    table: &Table,
    device: impl FnOnce() -> Option<Device>,
) -> bool {
    let [grant] = &*lock.facts.grants else { return false };
    let is_ours = |pid: Pid| system.stat(pid).is_ok_and(|stat| stat.command == OURS);
    grant.taker == Taker::Unreadable
        && grant.recorded_pid.is_some_and(is_ours)
        && !is_wanted(lock, table)
        && is_on(lock, device())
}

fn is_wanted(lock: &Sighting, table: &Table) -> bool {
    lock.entries.iter().any(|&entry| !table.entries[entry].waiting.is_empty())
}

fn is_on(lock: &Sighting, device: Option<Device>) -> bool {
    lock.facts.table_file.is_some_and(|file| Some(file.device) == device)
}
