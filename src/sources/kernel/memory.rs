//! What was read at the look before, so that a look at a machine on which little has changed costs
//! little.
//!
//! Who keeps a lock can change without a trace in the lock table: by a fork, whose child is a new
//! process; by a descriptor being closed, or sent to another process. To fork, close or send, a keeper
//! has to run. So new processes are read at every look, and of the keepers that have run those of
//! locks where it matters who they are: that somebody waits for, that several keep, or whose taker is
//! not among them. All others are read in turn, every process once in [`ROUNDS`] looks. A keeper that
//! has not run keeps what it kept; only the names of its files can change, and are read in turn. Locks
//! of open file descriptions name nobody in the table, and are checked at every look.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::resting::Resting;
use super::scan::{Keeper, Scan, Worth};
use super::still::Still;
use crate::model::{Moment, Pid};
use crate::system::procfs::locks::{Entry, Kind, Record, Table};
use crate::system::{Anatomy, System, TableText};

/// After so many looks everything has been read again.
const ROUNDS: usize = 10;

/// The names of so many locked files are read at every look, where their keepers have run.
const FEW: usize = 2_000;

/// And of so many where they have not.
const NAMES: usize = 128;

/// The descriptors that were read, and who was alive then.
#[derive(Debug)]
pub(super) struct Memory {
    scan: Scan,
    alive: HashSet<Pid>,
    /// When the keepers started: tells them from others that got their number.
    starts: HashMap<Pid, u64>,
    /// Who slept throughout the look: what was read of them was so at its end.
    slept: Vec<Pid>,
    /// What has to be as it was for another look to show the same.
    still: Option<Still>,
    /// What can be kept of the locks.
    resting: Option<Resting>,
    /// The locks of which a glance has found other names.
    renamed: foldhash::HashSet<Record>,
    turn: Turn,
}

/// What was read again, and of whom it need not be.
#[derive(Debug)]
pub(super) struct Refreshed {
    pub(super) scan: Scan,
    pub(super) resting: Option<Resting>,
    /// Who has not run since the last look began.
    pub(super) asleep: HashSet<Pid>,
    /// The locks whose files have other names.
    pub(super) renamed: foldhash::HashSet<Record>,
}

/// After so many looks that kept something of the last, one is made in full all the same: of what
/// changes without anybody running who holds or waits, such as the name of somebody's working folder
/// or a file tree that others mount, not all is watched.
const AT_MOST: usize = 20;

/// Whose turn it is to be read again.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Turn {
    /// One in [`ROUNDS`].
    round: usize,
    /// How many names have been read in turn.
    names: usize,
    /// How many looks there have been since the last one in full.
    looks: usize,
}

impl Memory {
    /// Keeps what a look has read that began at that moment.
    pub(super) fn of(
        began: Moment,
        anatomy: &BTreeMap<Pid, Arc<Anatomy>>,
        scan: Scan,
        alive: HashSet<Pid>,
        turn: Turn,
    ) -> Self {
        let start = |(pid, of): (&Pid, &Arc<Anatomy>)| Some((*pid, of.process.start?));
        let starts = anatomy.iter().filter_map(start).collect();
        let slept = anatomy.iter().filter(|(_, of)| of.slept_since(began)).map(|(pid, _)| *pid);
        let slept = slept.collect();
        Self {
            scan,
            alive,
            starts,
            slept,
            still: None,
            resting: None,
            renamed: foldhash::HashSet::default(),
            turn,
        }
    }

    /// Lets the next look keep what it can.
    pub(super) fn keep(mut self, still: Option<Still>, resting: Resting) -> Self {
        self.still = still.filter(|still| self.slept.len() == still.actors);
        self.resting = Some(resting);
        self
    }

    /// Whether the next look can keep anything of this.
    pub(super) fn can_be_kept(&self) -> bool {
        self.resting.is_some()
    }

    /// The turn that this look takes.
    pub(super) fn turn(&self) -> Turn {
        Turn {
            round: (self.turn.round + 1) % ROUNDS,
            names: self.turn.names + NAMES,
            looks: (self.turn.looks + 1) % AT_MOST,
        }
    }

    /// Reads what can have changed since.
    pub(super) fn refresh(
        self,
        system: &System,
        worth: &Worth,
        table: &Table,
        alive: &[Pid],
        all_names: bool,
    ) -> Refreshed {
        let asleep = system.asleep(self.slept.iter().copied());
        let turn = self.turn();
        let is_new = |pid: &Pid| !self.alive.contains(pid);
        let is_another = |pid: &Pid| {
            self.starts
                .get(pid)
                .is_some_and(|start| system.stat(*pid).map(|stat| stat.start).ok() != Some(*start))
        };
        let mut to_read: HashSet<Pid> = alive
            .iter()
            .copied()
            .filter(|pid| !asleep.contains(pid))
            .filter(|pid| turn.includes(*pid) || is_new(pid) || is_another(pid))
            .collect();
        let mut scan = self.scan;
        let few = scan.len() <= FEW;
        let awake = scan.renew_paths(system, |pid| few && !asleep.contains(&pid));
        to_read.extend(awake.moved);
        let mut names = turn.names(scan.len());
        let its_turn = |pid: Pid| (names() || all_names) && asleep.contains(&pid);
        let rest = scan.renew_paths(system, its_turn);
        to_read.extend(rest.moved);
        let mut renamed = self.renamed;
        renamed.extend(rest.renamed);

        for entry in &table.entries {
            let keepers = scan.keepers(&entry.granted);
            let anonymous = is_anonymous(&entry.granted);
            if anonymous || matters(entry, keepers) {
                let lost = keepers.iter().filter(|keeper| {
                    (anonymous || !asleep.contains(&keeper.pid))
                        && !to_read.contains(&keeper.pid)
                        && !still_keeps(system, keeper, &entry.granted)
                });
                let lost: Vec<Pid> = lost.map(|keeper| keeper.pid).collect();
                to_read.extend(lost);
            }
        }

        let alive: HashSet<Pid> = alive.iter().copied().collect();
        to_read.retain(|pid| alive.contains(pid));
        scan.forget(|pid| !alive.contains(&pid) || to_read.contains(&pid));
        scan.read_all(system, worth, to_read.into_iter());
        let resting = self.resting.filter(|_| !turn.is_full());
        Refreshed { scan, resting, asleep, renamed }
    }

    /// Whether a look that began with this table would show the same: nobody who holds or waits has
    /// run, nobody else keeps a lock by now, and no name is seen to have changed.
    pub(super) fn holds(&mut self, system: &System, table: &TableText, all_names: bool) -> bool {
        let turn = self.turn();
        let Some(still) = &self.still else { return false };
        if turn.is_full() || !still.is_shown_by(system, table) {
            return false;
        }
        if system.asleep(self.slept.iter().copied()).len() < self.slept.len() {
            return false;
        }
        let stay = |(record, keeper): (&Record, &Keeper)| {
            !is_anonymous(record) || still_keeps(system, keeper, record)
        };
        if !self.scan.all_keepers().all(stay) {
            return false;
        }
        let Ok(alive) = system.pids() else { return false };
        let asleep: HashSet<&Pid> = self.slept.iter().collect();
        let others = alive.iter().copied().filter(|pid| {
            !asleep.contains(pid) && (turn.includes(*pid) || !self.alive.contains(pid))
        });
        let mut scan = Scan::default();
        scan.read_all(system, &still.worth, others);
        if !still.admits(&alive) || !scan.adds_nothing_to(&self.scan, &alive) {
            return false;
        }
        let mut names = turn.names(self.scan.len());
        let renewed = self.scan.renew_paths(system, |_| names() || all_names);
        if !renewed.renamed.is_empty() || !renewed.moved.is_empty() {
            self.renamed = renewed.renamed;
            return false;
        }
        self.alive = alive.into_iter().collect();
        self.turn = turn;
        true
    }
}

impl Turn {
    /// Whether nothing is to be kept.
    fn is_full(self) -> bool {
        self.looks == 0
    }

    fn includes(self, pid: Pid) -> bool {
        pid.unsigned_abs() as usize % ROUNDS == self.round
    }

    /// Tells, called for each of so many names, whether it is to be read.
    fn names(self, count: usize) -> impl FnMut() -> bool {
        let first = if count == 0 { 0 } else { self.names % count };
        let mut name = 0..;
        move || {
            let place = name.next().unwrap_or(0_usize) + count;
            (place - first) % count.max(1) < NAMES
        }
    }
}

/// Whether it matters who exactly keeps a lock.
fn matters(entry: &Entry, keepers: &[Keeper]) -> bool {
    let first = keepers.first().map(|keeper| keeper.pid);
    let several = keepers.iter().any(|keeper| Some(keeper.pid) != first);
    let handed_over = entry.granted.pid > 0 && first != Some(entry.granted.pid);
    several || handed_over || !entry.waiting.is_empty()
}

/// Whether the record reads the same whoever has the lock. Such a lock can be taken away from outside,
/// by somebody who shares the open file for that, while its owner sleeps.
fn is_anonymous(record: &Record) -> bool {
    record.kind == Kind::Ofd
}

fn still_keeps(system: &System, keeper: &Keeper, record: &Record) -> bool {
    let mut buffer = Vec::new();
    system.descriptors(keeper.pid).is_ok_and(|descriptors| {
        descriptors
            .information_of(keeper.fd, &mut buffer)
            .is_ok_and(|info| info.locks.contains(record))
    })
}
