//! What was read at the look before, so that a look at a machine on which little has changed costs
//! little.
//!
//! Who keeps a lock can change without a trace in the lock table only by a fork, whose child is a
//! new process; by a descriptor being closed or sent to another process. So new processes are read
//! at every look, and so are the keepers of locks where it matters who they are: those that somebody
//! waits for, that several keep, or whose taker is not among them. All others are read in turn,
//! every process once in [`ROUNDS`] looks.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::scan::{Keeper, Scan, Worth};
use crate::model::Pid;
use crate::system::procfs::locks::{Entry, Record, Table};
use crate::system::{Anatomy, System};

/// After so many looks everything has been read again.
const ROUNDS: usize = 10;

/// The names of so many locked files are read at every look, those of more in turn.
const FEW: usize = 2_000;

/// The descriptors that were read, and who was alive then.
#[derive(Debug)]
pub(super) struct Memory {
    scan: Scan,
    alive: HashSet<Pid>,
    /// When the keepers started: tells them from others that got their number.
    starts: HashMap<Pid, u64>,
    round: usize,
}

impl Memory {
    /// Keeps what a look has read.
    pub(super) fn of(
        anatomy: &BTreeMap<Pid, Anatomy>,
        scan: Scan,
        alive: HashSet<Pid>,
        round: usize,
    ) -> Self {
        let start = |(pid, of): (&Pid, &Anatomy)| Some((*pid, of.process.start?));
        let starts = anatomy.iter().filter_map(start).collect();
        Self { scan, alive, starts, round }
    }

    /// The round that comes after this one.
    pub(super) fn next_round(&self) -> usize {
        (self.round + 1) % ROUNDS
    }

    /// Reads what can have changed since.
    pub(super) fn refresh(
        self,
        system: &System,
        worth: &Worth,
        table: &Table,
        alive: &[Pid],
    ) -> Scan {
        let round = self.next_round();
        let in_turn = |pid: &Pid| pid.unsigned_abs() as usize % ROUNDS == round;
        let is_new = |pid: &Pid| !self.alive.contains(pid);
        let is_another = |pid: &Pid| {
            self.starts
                .get(pid)
                .is_some_and(|start| system.stat(*pid).map(|stat| stat.start).ok() != Some(*start))
        };
        let mut to_read: HashSet<Pid> = alive
            .iter()
            .copied()
            .filter(|pid| in_turn(pid) || is_new(pid) || is_another(pid))
            .collect();
        let mut scan = self.scan;
        if scan.len() <= FEW {
            to_read.extend(scan.renew_paths(system));
        }

        for entry in &table.entries {
            let keepers = scan.keepers(&entry.granted);
            if matters(entry, keepers) {
                let lost = keepers.iter().filter(|keeper| {
                    !to_read.contains(&keeper.pid) && !still_keeps(system, keeper, &entry.granted)
                });
                let lost: Vec<Pid> = lost.map(|keeper| keeper.pid).collect();
                to_read.extend(lost);
            }
        }

        let alive: HashSet<Pid> = alive.iter().copied().collect();
        to_read.retain(|pid| alive.contains(pid));
        scan.forget(|pid| !alive.contains(&pid) || to_read.contains(&pid));
        scan.read_all(system, worth, to_read.into_iter());
        scan
    }
}

/// Whether it matters who exactly keeps a lock.
fn matters(entry: &Entry, keepers: &[Keeper]) -> bool {
    let first = keepers.first().map(|keeper| keeper.pid);
    let several = keepers.iter().any(|keeper| Some(keeper.pid) != first);
    let handed_over = entry.granted.pid > 0 && first != Some(entry.granted.pid);
    several || handed_over || !entry.waiting.is_empty()
}

fn still_keeps(system: &System, keeper: &Keeper, record: &Record) -> bool {
    let mut buffer = Vec::new();
    system.descriptors(keeper.pid).is_ok_and(|descriptors| {
        descriptors
            .information_of(keeper.fd, &mut buffer)
            .is_ok_and(|info| info.locks.contains(record))
    })
}
