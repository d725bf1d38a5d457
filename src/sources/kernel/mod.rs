//! The kernel's locks: flock, POSIX and open-file-description locks, leases.
//!
//! `/proc/locks` says what is locked and who took it; the descriptors of all processes say who keeps
//! it. A look reads the one and then the others.

mod ages;
mod declared;
mod files;
mod grants;
mod memory;
mod names;
mod requests;
mod resting;
mod scan;
mod still;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use super::{Glance, Source};
use crate::error::Error;
use crate::model::{LockFacts, Look, Moment, Note, Pid, Process};
use crate::system::procfs::locks::{Record, Table};
use crate::system::procfs::mounts::Mount;
use crate::system::{Anatomy, System, TableText};
use files::Files;
pub(super) use files::as_it_was;
use memory::{Memory, Refreshed};
use names::Names;
use resting::{Keeping, Resting};
use scan::{Scan, Worth};
use still::Still;

/// The kernel of this machine.
#[derive(Debug, Default)]
pub(crate) struct Kernel {
    memory: Option<Memory>,
    names: Names,
    /// What a glance has read that was not enough.
    begun: Option<Begun>,
}

/// A look of which no more than the table has been read.
#[derive(Debug)]
struct Begun {
    clock: Instant,
    at: Moment,
    table: TableText,
}

impl Begun {
    fn now(system: &System) -> Result<Self, Error> {
        let (clock, at) = (Instant::now(), system.now());
        let table = system.lock_table();
        let table = table.map_err(|error| Error::io("read", "/proc/locks".as_ref(), error))?;
        Ok(Self { clock, at, table })
    }
}

impl Source for Kernel {
    fn look(&mut self, scope: &super::Scope, system: &System) -> Result<Look, Error> {
        if !system.has_lock_table() {
            return Ok(Look::blind(system.now(), no_table()));
        }
        let Begun { clock, at: began, table: text } =
            self.begun.take().map_or_else(|| Begun::now(system), Ok)?;
        let (at_once, cut) = (text.at_once, text.cut);
        let mut table = Table::parse(&text.text);

        let everything_in_table = system.in_first_pid_namespace();
        let files = Files::of(system);
        let worth =
            if everything_in_table { Worth::locked(&table, &files) } else { Worth::Everything };
        let alive = system.pids().map_err(|error| Error::io("read", "/proc".as_ref(), error))?;
        let memory = self.memory.take().filter(|_| everything_in_table);
        let turn = memory.as_ref().map(Memory::turn).unwrap_or_default();
        let remembered = memory.is_some();
        let mut keeping = Keeping::default();
        let mut sleepers = HashSet::new();
        let mut scan = match memory {
            Some(memory) => {
                let Refreshed { scan, resting, asleep, renamed } =
                    memory.refresh(system, &worth, &table, &alive, scope.names_in_doubt);
                if let Some(resting) = resting.filter(|_| scope.may_keep) {
                    keeping = resting.keep(&mut table, &scan, &files.mounts, &asleep, &renamed);
                }
                sleepers = asleep;
                scan
            }
            None => Scan::of(system, &worth, &alive),
        };
        if everything_in_table {
            settle(system, &worth, &mut table, &mut scan, remembered);
            if !at_once {
                grants::drop_doubled(system, &mut table, &scan);
            }
        } else {
            scan.complete_table(&mut table);
        }

        let mut locks = grants::group(system, &files, &table, &scan);
        let declared = declared::take_out(system, &mut locks, &table);
        requests::enqueue(system, &mut locks, &table, !everything_in_table);
        let anatomy = examine(system, &locks, keeping.pids(&scan), &sleepers);
        let looked_up = files::name(system, &files, &mut locks);
        self.names.give(system, &files, scope, &mut locks);
        if !keeping.is_untouched_by(&locks, &scan) {
            // Seldom: a locked file was replaced by another one that is locked.
            return self.look(scope, system);
        }
        let at = system.now();
        ages::bound(system, &anatomy, at, &mut locks);
        requests::bound_waits(system, &anatomy, at, &mut locks);

        let mut notes = notes(system, &table, &scan, cut);
        // Whoever may see the first process, which is the administrator's, sees all.
        let hidden = Mount::hide_processes(&files.mounts) && system.stat(1).is_err();
        notes.extend(hidden.then(hidden_processes));
        notes.extend((!everything_in_table).then(|| inner_pid_namespace(table.hidden)));
        notes.extend(self.names.incomplete.then(search_cut));
        notes.extend(silent_memories(&system.silent_memories()));
        let unseen = !everything_in_table || hidden || cut || !scan.unreadable.is_empty();
        // Whether anybody has run since is told from the second look on.
        let kept = std::mem::take(&mut keeping.locks);
        let mut memory = None;
        if remembered {
            let mounts = files.mounts.clone();
            let resting = Resting::of(&locks, &looked_up, &table, &scan, keeping, &anatomy, mounts);
            let still = Still::of(text, looked_up, files.mounts, worth, &locks, &anatomy);
            memory = Some((still, resting));
        }
        let all = Memory::of(began, &anatomy, scan, alive.into_iter().collect(), turn);
        self.memory = Some(match memory {
            Some((still, resting)) => all.keep(still, resting),
            None => all,
        });
        Ok(Look {
            at,
            cost: clock.elapsed(),
            complete: !unseen && table.odd == 0,
            absence_is_proof: at_once && everything_in_table,
            notes,
            locks: locks.into_iter().map(|lock| lock.facts).collect(),
            kept,
            declared,
            processes: anatomy
                .into_iter()
                .map(|(pid, anatomy)| (pid, Arc::clone(&anatomy.process)))
                .collect(),
        })
    }

    fn glance(&mut self, scope: &super::Scope, system: &System) -> Result<Option<Glance>, Error> {
        let Some(memory) = self.memory.as_mut().filter(|_| !self.names.is_searching()) else {
            return Ok(None);
        };
        let begun = Begun::now(system)?;
        if memory.holds(system, &begun.table, scope.names_in_doubt) {
            return Ok(Some(Glance { at: system.now(), cost: begun.clock.elapsed() }));
        }
        self.begun = Some(begun);
        Ok(None)
    }

    fn can_be_kept(&self) -> bool {
        self.memory.as_ref().is_some_and(Memory::can_be_kept)
    }
}

/// A lock as it comes together here: its facts, and what they were read from.
#[derive(Debug)]
struct Sighting {
    facts: LockFacts,
    /// A readable descriptor of the locked file.
    keeper: Option<scan::Keeper>,
    /// When the file was made.
    birth: Option<jiff::Timestamp>,
    /// The entries of the table that it was made of.
    entries: Vec<usize>,
}

/// Whoever seems to hold a lock that no process has open may have released it meanwhile, or taken it
/// after its descriptors were read: look again, ever harder, before saying so. `remembered` tells
/// that not everybody has been asked at this look.
fn settle(system: &System, worth: &Worth, table: &mut Table, scan: &mut Scan, remembered: bool) {
    scan.forget_released(table);
    // Whoever took a lock is likely to keep it, also where a child of theirs does, and asking them
    // holds up nobody else's locks: who has waited for it until now has not been asked.
    let granted = table.entries.iter().map(|entry| &entry.granted);
    let unseen = granted.filter(|record| record.pid > 0 && !scan.is_kept_by_taker(record));
    let takers: HashSet<Pid> = unseen.map(|record| record.pid).collect();
    scan.forget(|pid| takers.contains(&pid));
    scan.read_all(system, worth, takers.into_iter());
    if !drop_released(system, table, scan) {
        return;
    }
    // Whoever took it and may not be read is likely to have it.
    let searched = without_keeper(table, scan)
        .all(|record| scan.was_searched_for(record) || scan.unreadable.contains(&record.pid));
    let blind = !scan.unreadable.is_empty();
    if searched || blind && !remembered {
        return;
    }
    let everybody = system.pids().unwrap_or_default();
    *scan = Scan::of(system, worth, &everybody);
    if !drop_released(system, table, scan) {
        return;
    }
    if blind {
        let nowhere = without_keeper(table, scan).copied().collect();
        return scan.note_nowhere(nowhere);
    }
    for pid in everybody {
        scan.read_threads(system, worth, pid);
    }
    if drop_released(system, table, scan) {
        let nowhere = without_keeper(table, scan).copied().collect();
        scan.give_up_on(system, nowhere);
    }
}

/// The locks that somebody must have open, but nobody was seen to.
fn without_keeper<'a>(table: &'a Table, scan: &'a Scan) -> impl Iterator<Item = &'a Record> {
    let granted = table.entries.iter().map(|entry| &entry.granted);
    granted.filter(|record| grants::needs_keeper(record) && !scan.keeps(record))
}

/// Reads the table once more if a keeper is missing, and drops those locks without one that are not
/// held any more. Whether any are left.
fn drop_released(system: &System, table: &mut Table, scan: &Scan) -> bool {
    if without_keeper(table, scan).next().is_none() {
        return false;
    }
    let Ok(again) = system.lock_table() else { return true };
    let still: foldhash::HashSet<Record> =
        Table::parse(&again.text).entries.into_iter().map(|entry| entry.granted).collect();
    table.entries.retain(|entry| scan.keeps(&entry.granted) || still.contains(&entry.granted));
    without_keeper(table, scan).next().is_some()
}

/// What is known of every process that matters for these locks.
fn examine(
    system: &System,
    locks: &[Sighting],
    others: impl Iterator<Item = Pid>,
    asleep: &HashSet<Pid>,
) -> BTreeMap<Pid, Arc<Anatomy>> {
    let mut pids: Vec<Pid> = locks
        .iter()
        .flat_map(|lock| {
            let grants = lock.facts.grants.iter();
            let holders = grants.flat_map(|grant| {
                grant.sharers.iter().map(|sharer| sharer.pid).chain(grant.recorded_pid)
            });
            holders.chain(lock.facts.requests.iter().filter_map(|request| request.pid))
        })
        .chain(others)
        .collect();
    pids.sort_unstable();
    pids.dedup();
    system.anatomy(&pids, asleep).into_iter().collect()
}

fn notes(system: &System, table: &Table, scan: &Scan, cut: bool) -> Vec<Note> {
    let mut notes = Vec::new();
    if !scan.unreadable.is_empty() {
        let count = scan.unreadable.len();
        let processes = if count == 1 { "process" } else { "processes" };
        let would_help = if system.is_root() {
            "run it outside the container or sandbox that protects them"
        } else {
            "run as root, or give the binary cap_sys_ptrace and cap_dac_read_search"
        };
        notes.push(Note {
            code: "unreadable_processes",
            text: format!("{count} {processes} of other users could not be read"),
            would_help: Some(would_help.into()),
        });
    }
    if table.odd > 0 {
        notes.push(Note {
            code: "odd_lines",
            text: format!(
                "{} lines of /proc/locks could not be understood, such as '{}'",
                table.odd,
                table.odd_lines.first().map_or("", String::as_str)
            ),
            would_help: None,
        });
    }
    if cut {
        notes.push(Note {
            code: "table_cut",
            text: "/proc/locks was too long to be read to its end: queues are longer than shown"
                .into(),
            would_help: None,
        });
    }
    notes
}

fn no_table() -> Note {
    Note {
        code: "no_lock_table",
        text: "this system tells nothing of who holds which lock: /proc/locks does not exist"
            .into(),
        would_help: Some("on Linux, mount /proc".into()),
    }
}

fn hidden_processes() -> Note {
    Note {
        code: "hidden_processes",
        text: "/proc is mounted with hidepid: processes of other users cannot be seen".into(),
        would_help: Some(
            "run as root, or as a member of the group given by the mount's gid=".into(),
        ),
    }
}

fn search_cut() -> Note {
    Note {
        code: "search_cut",
        text: "a folder could not be searched to its end for locks of other users: some may be \
               missing here"
            .into(),
        would_help: Some("run as root, or name the lock files".into()),
    }
}

fn silent_memories(pids: &[Pid]) -> Option<Note> {
    let (first, others) = pids.split_first()?;
    let others = match others.len() {
        0 => String::new(),
        count => format!(" and of {count} more"),
    };
    Some(Note {
        code: "silent_memories",
        text: format!(
            "the memory of pid {first}{others} does not answer, as when it is of a file whose file \
             system hangs: command lines, and what is asked for, may be missing"
        ),
        would_help: Some(format!("end pid {first}, or whoever serves its file system")),
    })
}

fn inner_pid_namespace(hidden: u64) -> Note {
    let known = match hidden {
        0 => String::new(),
        count => format!(" (at least {count} records are hidden)"),
    };
    Note {
        code: "pid_namespace",
        text: format!(
            "inside a container (pid namespace): locks and waiters of processes outside, and of \
             processes that have ended, are not in /proc/locks{known}; holders were found by their \
             descriptors"
        ),
        would_help: Some("run it on the host".into()),
    }
}

impl Look {
    /// A look that saw nothing.
    fn blind(at: Moment, note: Note) -> Self {
        Self {
            at,
            cost: std::time::Duration::ZERO,
            complete: false,
            absence_is_proof: false,
            notes: vec![note],
            locks: Vec::new(),
            kept: Vec::new(),
            declared: Vec::new(),
            processes: BTreeMap::<Pid, Arc<Process>>::new(),
        }
    }
}
