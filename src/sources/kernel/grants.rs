//! From the table's records and the descriptors to locks: who has what, through which open file.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use foldhash::{HashMap, HashMapExt as _};

use super::Sighting;
use super::files::Files;
use super::scan::{Keeper, Scan};
use crate::model::{
    AsSeen, Certainty, Details, FileId, Grant, LockFacts, LockId, Mechanism, Naming, Pid, Range,
    Sharer, Span, Taker,
};
use crate::system::System;
use crate::system::procfs::locks::{Kind, Record, Table};

/// Whether somebody must have it open: POSIX locks belong to the process that is recorded.
pub(super) fn needs_keeper(record: &Record) -> bool {
    record.kind != Kind::Posix && record.file.is_some()
}

/// Drops what stands twice in a table that was read in pieces, between which it can have changed:
/// more often than there are open files that keep it. Locks of processes stand there once.
pub(super) fn drop_doubled(system: &System, table: &mut Table, scan: &Scan) {
    let mut left: HashMap<Record, usize> = Sharing::copies(table);
    for (record, count) in &mut left {
        let keepers = scan.keepers(record);
        if !needs_keeper(record) {
            *count = 1;
        } else if !keepers.is_empty() {
            *count = by_open_file(system, keepers).len();
        }
    }
    table.entries.retain(|entry| match left.get_mut(&entry.granted) {
        Some(0) => false,
        Some(count) => {
            *count -= 1;
            true
        }
        None => true,
    });
}

/// Groups what is granted into locks: one for each range of each file and mechanism.
pub(super) fn group(system: &System, files: &Files, table: &Table, scan: &Scan) -> Vec<Sighting> {
    let mut sharing = Sharing::new(system, table, scan);
    let mut marks = Marks::default();
    let mut locks: Vec<Sighting> = Vec::new();
    let mut index: HashMap<(Mechanism, FileId, Range), usize> = HashMap::new();
    for (index_in_table, entry) in table.entries.iter().enumerate() {
        let record = &entry.granted;
        let Some(in_table) = record.file else { continue };
        let keepers = sharing.keepers_of(record);
        let file = files.identity(in_table, keepers.first().map(|keeper| &keeper.stat));
        let mechanism = record.kind.mechanism();
        let at = *index.entry((mechanism, file, record.range)).or_insert_with(|| {
            locks.push(sighting(mechanism, file, in_table, record.range));
            locks.len() - 1
        });
        let lock = &mut locks[at];
        if record.breaking {
            lock.facts.details.insert("breaking", true.into());
        }
        let number = u32::try_from(lock.facts.grants.len() + 1).unwrap_or(u32::MAX);
        let mut grant = grant(system, scan, record, number, entry.place, &keepers);
        marks.read(system, &lock.facts.id, &mut grant);
        lock.facts.grants.push(grant);
        if lock.keeper.is_none() {
            lock.keeper = keepers.first().cloned();
            lock.birth = keepers
                .first()
                .filter(|_| files.tells_births(in_table.device))
                .and_then(|keeper| keeper.stat.birth);
        }
        lock.entries.push(index_in_table);
    }
    locks
}

fn sighting(mechanism: Mechanism, file: FileId, in_table: FileId, range: Range) -> Sighting {
    let facts = LockFacts {
        id: LockId::of_file(mechanism.word(), file, range),
        as_seen: AsSeen::of([]),
        family: Cow::Borrowed(mechanism.word()),
        mechanism,
        name: None,
        normal: false,
        file: Some(file),
        table_file: Some(in_table),
        path: None,
        naming: Naming::Unknown("nobody who has it open may be read".into()),
        range,
        // Mostly there is only one.
        grants: Vec::with_capacity(1),
        requests: Vec::new(),
        queue_cut: false,
        age: Span::default(),
        on_disk: None,
        abandoned: None,
        details: Details::default(),
    };
    Sighting { facts, keeper: None, birth: None, entries: Vec::with_capacity(1) }
}

fn grant(
    system: &System,
    scan: &Scan,
    record: &Record,
    number: u32,
    place: usize,
    keepers: &[Keeper],
) -> Grant {
    let recorded_pid = (record.pid > 0).then_some(record.pid);
    let taker = recorded_pid.map_or(Taker::Unrecorded, |pid| taker(system, scan, pid, keepers));
    let mut sharers = sharers(keepers);
    if sharers.is_empty()
        && let Some(pid) = recorded_pid
    {
        // A POSIX lock belongs to the process that took it, and goes when that ends.
        let certainty = match (record.kind, taker) {
            (Kind::Posix, Taker::Holds | Taker::HoldsNot | Taker::Unreadable) => {
                Some(Certainty::Proven)
            }
            (_, Taker::Unreadable) => Some(Certainty::Recorded),
            _ => None,
        };
        let recorded = |certainty| Sharer { pid, fds: Vec::new(), certainty, is_escrow: false };
        sharers.extend(certainty.map(recorded));
    }
    let taker = match (record.kind, taker) {
        (Kind::Posix, Taker::HoldsNot | Taker::Unreadable) if keepers.is_empty() => Taker::Holds,
        (_, taker) => taker,
    };
    let remark = sharers.is_empty().then(|| why_nobody(record, scan));
    Grant {
        number,
        mode: record.mode,
        place,
        recorded_pid,
        taker,
        sharers,
        elsewhere: None,
        remark,
    }
}

fn taker(system: &System, scan: &Scan, pid: Pid, keepers: &[Keeper]) -> Taker {
    if keepers.iter().any(|keeper| keeper.pid == pid) {
        Taker::Holds
    } else if !system.is_alive(pid) {
        Taker::Gone
    } else if scan.unreadable.contains(&pid) || system.stat(pid).is_err() {
        Taker::Unreadable
    } else {
        Taker::HoldsNot
    }
}

fn sharers(keepers: &[Keeper]) -> Vec<Sharer> {
    let mut by_pid: BTreeMap<Pid, Vec<i32>> = BTreeMap::new();
    for keeper in keepers {
        by_pid.entry(keeper.pid).or_default().push(keeper.fd);
    }
    let proven = |(pid, mut fds): (Pid, Vec<i32>)| {
        fds.sort_unstable();
        Sharer { pid, fds, certainty: Certainty::Proven, is_escrow: false }
    };
    by_pid.into_iter().map(proven).collect()
}

fn why_nobody(record: &Record, scan: &Scan) -> String {
    let unreadable = scan.unreadable.len();
    if record.pid <= 0 && record.kind != Kind::Ofd {
        return "its owner is not a process of this machine or of this pid namespace".into();
    }
    if unreadable > 0 {
        return format!(
            "who keeps it cannot be seen from here, since {unreadable} processes of other users \
             may not be read"
        );
    }
    match scan.in_flight.as_slice() {
        [] if scan.was_searched_for(record) => {
            "no process has it open: it can be registered with io_uring or be behind a loop device"
                .into()
        }
        [] => "no process that can be seen has it open".into(),
        pids => {
            let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
            format!(
                "no process has it open: its descriptor is probably in flight over a Unix socket \
                 of pid {}",
                pids.join(", ")
            )
        }
    }
}

/// Who shows which locks he keeps for somebody else.
#[derive(Default)]
struct Marks {
    by_pid: HashMap<Pid, Vec<String>>,
}

impl Marks {
    /// Reads those of who can have got a lock from somebody else, which he did not take himself.
    fn read(&mut self, system: &System, id: &LockId, grant: &mut Grant) {
        if grant.taker == Taker::Holds {
            return;
        }
        for sharer in grant.sharers.iter_mut().filter(|by| by.certainty == Certainty::Proven) {
            let marks =
                self.by_pid.entry(sharer.pid).or_insert_with(|| system.escrow_marks(sharer.pid));
            sharer.is_escrow = marks.iter().any(|mark| LockId::from_text(mark).is_of_same(id));
        }
    }
}

/// Deals out the descriptors of records that read alike: several open files of one process that
/// share a lock, or twins on btrfs.
struct Sharing<'a> {
    system: &'a System,
    scan: &'a Scan,
    /// How often each record stands in the table, for those that stand there more than once.
    copies: HashMap<Record, usize>,
    /// Their descriptors by open file, as far as they have not been dealt out.
    left: HashMap<Record, Vec<Vec<Keeper>>>,
}

impl<'a> Sharing<'a> {
    fn new(system: &'a System, table: &Table, scan: &'a Scan) -> Self {
        Self { system, scan, copies: Self::copies(table), left: HashMap::new() }
    }

    fn copies(table: &Table) -> HashMap<Record, usize> {
        let mut copies: HashMap<Record, usize> = HashMap::with_capacity(table.entries.len());
        for entry in &table.entries {
            *copies.entry(entry.granted).or_default() += 1;
        }
        copies.retain(|_, count| *count > 1);
        copies
    }

    fn keepers_of(&mut self, record: &Record) -> Cow<'a, [Keeper]> {
        let all = self.scan.keepers(record);
        if !self.copies.contains_key(record) {
            return Cow::Borrowed(all);
        }
        let left = self.left.entry(*record).or_insert_with(|| by_open_file(self.system, all));
        left.pop().map_or(Cow::Borrowed(&[]), Cow::Owned)
    }
}

/// Descriptors by the open file that they share. Those that may not be compared stay together.
fn by_open_file(system: &System, keepers: &[Keeper]) -> Vec<Vec<Keeper>> {
    let mut sorted = keepers.to_vec();
    let order = |a: &Keeper, b: &Keeper| {
        a.stat.file.cmp(&b.stat.file).then_with(|| {
            system.compare_open_files((a.pid, a.fd), (b.pid, b.fd)).unwrap_or(Ordering::Equal)
        })
    };
    sorted.sort_by(order);
    // Popped from the back, so the order of descriptors is kept.
    let mut classes: Vec<Vec<Keeper>> =
        sorted.chunk_by(|a, b| order(a, b) == Ordering::Equal).map(<[Keeper]>::to_vec).collect();
    classes.sort_by_key(|class| std::cmp::Reverse(class.first().map(|keeper| keeper.fd)));
    classes
}
