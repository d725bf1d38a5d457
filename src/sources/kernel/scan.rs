//! Who keeps which lock: the descriptors of all processes.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::Builder;

use foldhash::{HashMap, HashSet};

use super::files::Files;
use crate::model::{Device, Pid};
use crate::system::procfs::locks::{Entry, Record, Table};
use crate::system::procfs::mounts::Mount;
use crate::system::{Descriptors, FileStat, System, has_ended};

/// A descriptor that has a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Keeper {
    pub(super) pid: Pid,
    pub(super) fd: i32,
    pub(super) stat: FileStat,
    /// What its link says; unknown where it was closed meanwhile.
    pub(super) path: Option<Arc<Path>>,
}

/// Which descriptors are worth reading: reading one costs ten times what telling its inode does.
#[derive(Debug)]
pub(super) enum Worth {
    /// All of them: the table does not say everything.
    Everything,
    /// Those whose file can be one of the locked ones.
    Locked {
        inodes: HashSet<u64>,
        /// Locked file systems whose inode numbers `stat` does not report as the table does.
        odd_devices: HashSet<Device>,
        /// Our mounts: their number and whether they are of an odd device.
        mounts: HashMap<u64, bool>,
    },
}

impl Worth {
    pub(super) fn locked(table: &Table, files: &Files) -> Self {
        let locked: HashSet<_> =
            table.entries.iter().filter_map(|entry| entry.granted.file).collect();
        let inodes = locked.iter().map(|file| file.inode).collect();
        let devices: HashSet<Device> = locked.iter().map(|file| file.device).collect();
        let odd_devices: HashSet<Device> =
            devices.into_iter().filter(|device| !files.has_plain_inodes(*device)).collect();
        let mounts = files
            .mounts
            .iter()
            .map(|mount| (mount.id, odd_devices.contains(&mount.device)))
            .collect();
        Self::Locked { inodes, odd_devices, mounts }
    }

    /// Whether to read a descriptor. `theirs` tells the device of a mount that is not ours.
    fn includes(&self, stat: &FileStat, theirs: &mut dyn FnMut(u64) -> Option<Device>) -> bool {
        match self {
            Self::Everything => true,
            Self::Locked { inodes, odd_devices, mounts } => {
                inodes.contains(&stat.file.inode)
                    || !odd_devices.is_empty()
                        && stat.mount.is_none_or(|id| match mounts.get(&id) {
                            Some(is_odd) => *is_odd,
                            None => theirs(id).is_some_and(|device| odd_devices.contains(&device)),
                        })
            }
        }
    }
}

/// What the descriptors said.
#[derive(Debug, Default)]
pub(super) struct Scan {
    keepers: HashMap<Record, Vec<Keeper>>,
    /// Processes whose descriptors may not be read.
    pub(super) unreadable: HashSet<Pid>,
    /// Processes with a Unix socket over which descriptors are in flight.
    pub(super) in_flight: Vec<Pid>,
    /// Locks that no process at all was seen to have open, when everybody was asked.
    nowhere: HashSet<Record>,
}

impl Scan {
    pub(super) fn of(system: &System, worth: &Worth, pids: &[Pid]) -> Self {
        let mut scan = Self::default();
        scan.read_all(system, worth, pids.iter().copied());
        scan
    }

    /// Adds what the descriptors of these processes say.
    pub(super) fn read_all(
        &mut self,
        system: &System,
        worth: &Worth,
        pids: impl Iterator<Item = Pid>,
    ) {
        for pid in pids {
            let read = system
                .descriptors(pid)
                .and_then(|descriptors| self.read(system, worth, pid, &descriptors));
            match read {
                Ok(1..) => {}
                // Refused, or we ourselves have no descriptor left to read it with.
                Err(error) if !has_ended(&error) => {
                    // Threads of the kernel and processes on their way out have no descriptors.
                    let has_some = match system.stat(pid) {
                        Ok(stat) => !stat.kernel_thread && !stat.exiting,
                        Err(error) => !has_ended(&error),
                    };
                    if has_some {
                        self.unreadable.insert(pid);
                    }
                }
                // The first thread of a process can end, and its descriptors live on in the others.
                Ok(0) | Err(_) => self.read_threads(system, worth, pid),
            }
        }
    }

    /// Adds what the descriptors of a process's threads say, which can have tables of their own.
    pub(super) fn read_threads(&mut self, system: &System, worth: &Worth, pid: Pid) {
        // A process that has ended has no threads, and one thread has no other table.
        let tids = system.tids(pid).unwrap_or_default();
        for tid in tids.into_iter().filter(|tid| *tid != pid) {
            // What ends or is refused here was not refused for the process: it has ended.
            let _ = system
                .thread_descriptors(pid, tid)
                .and_then(|descriptors| self.read(system, worth, pid, &descriptors));
        }
    }

    /// Drops what was read of some processes.
    pub(super) fn forget(&mut self, whom: impl Fn(Pid) -> bool) {
        self.keepers.retain(|_, keepers| {
            keepers.retain(|keeper| !whom(keeper.pid));
            !keepers.is_empty()
        });
        self.unreadable.retain(|pid| !whom(*pid));
    }

    /// Reads again what the links of some descriptors say and whether their files still have names.
    pub(super) fn renew_paths(
        &mut self,
        system: &System,
        whose: impl FnMut(Pid) -> bool,
    ) -> Renewed {
        let mut renewed = Renewed::default();
        let mut open: Option<(Pid, Descriptors)> = None;
        let mut whose = whose;
        let keepers = self.keepers.iter_mut();
        let keepers = keepers.flat_map(|(record, of)| of.iter_mut().map(move |of| (record, of)));
        for (record, keeper) in keepers.filter(|(_, keeper)| whose(keeper.pid)) {
            if open.as_ref().is_none_or(|(pid, _)| *pid != keeper.pid) {
                open = system.descriptors(keeper.pid).ok().map(|all| (keeper.pid, all));
            }
            let again = open.as_ref().and_then(|(_, descriptors)| {
                Some((descriptors.stat(keeper.fd).ok()?, descriptors.path(keeper.fd)))
            });
            match again {
                Some((stat, path)) if stat.file == keeper.stat.file => {
                    let path = path.ok().filter(|path| keeper.path.as_deref() != Some(path));
                    if path.is_some() || stat.links != keeper.stat.links {
                        renewed.renamed.insert(*record);
                    }
                    keeper.stat = stat;
                    keeper.path = path.map(Arc::from).or(keeper.path.take());
                }
                _ => _ = renewed.moved.insert(keeper.pid),
            }
        }
        renewed
    }

    /// How many locks are kept.
    pub(super) fn len(&self) -> usize {
        self.keepers.len()
    }

    /// Adds what these descriptors say. How many there are.
    fn read(
        &mut self,
        system: &System,
        worth: &Worth,
        pid: Pid,
        descriptors: &Descriptors,
    ) -> io::Result<usize> {
        let process = ProcessScan { system, worth, pid, descriptors };
        let numbers = descriptors.numbers()?;
        // Threads cost less than what they read in a process with very many descriptors.
        let share = numbers.len().div_ceil(system.threads).max(WORTH_A_THREAD);
        let mut shares = numbers.chunks(share);
        let own = shares.next().unwrap_or_default();
        if shares.len() == 0 {
            self.keep(process.read(own)?);
            return Ok(numbers.len());
        }
        let kept = std::thread::scope(|threads| -> io::Result<Kept> {
            let others: Vec<_> = shares
                .map(|share| (share, Builder::new().spawn_scoped(threads, || process.read(share))))
                .collect();
            let mut kept = process.read(own)?;
            for (share, other) in others {
                kept.extend(match other {
                    // A thread that panicked would be a defect; what it read is missing then.
                    Ok(other) => other.join().unwrap_or_else(|_| Ok(Kept::new()))?,
                    // No thread can be had.
                    Err(_) => process.read(share)?,
                });
            }
            Ok(kept)
        })?;
        self.keep(kept);
        Ok(numbers.len())
    }

    fn keep(&mut self, kept: Kept) {
        for (record, keeper) in kept {
            // Mostly there is only one.
            let keepers = self.keepers.entry(record).or_insert_with(|| Vec::with_capacity(1));
            // Threads mostly share one table.
            if !keepers.contains(&keeper) {
                keepers.push(keeper);
            }
        }
    }

    /// Whether nobody keeps a lock, and the same are unreadable as in another scan.
    pub(super) fn adds_nothing_to(&self, other: &Self, alive: &[Pid]) -> bool {
        self.keepers.is_empty()
            && self.unreadable.is_subset(&other.unreadable)
            && other.unreadable.iter().all(|pid| alive.binary_search(pid).is_ok())
    }

    /// Whether the one who took a lock was seen to have it open.
    pub(super) fn is_kept_by_taker(&self, record: &Record) -> bool {
        self.keepers(record).iter().any(|keeper| keeper.pid == record.pid)
    }

    /// Whether somebody was seen to keep it.
    pub(super) fn keeps(&self, record: &Record) -> bool {
        self.keepers.contains_key(record)
    }

    /// The descriptors that have it.
    pub(super) fn keepers(&self, record: &Record) -> &[Keeper] {
        self.keepers.get(record).map_or(&[], Vec::as_slice)
    }

    /// Every lock with each that keeps it.
    pub(super) fn all_keepers(&self) -> impl Iterator<Item = (&Record, &Keeper)> {
        self.keepers.iter().flat_map(|(record, keepers)| keepers.iter().map(move |by| (record, by)))
    }

    /// Adds to the table the locks that only descriptors tell of.
    pub(super) fn complete_table(&self, table: &mut Table) {
        let known: HashSet<Record> = table.entries.iter().map(|entry| entry.granted).collect();
        let mut missing: Vec<_> =
            self.keepers.keys().filter(|record| !known.contains(record)).copied().collect();
        missing.sort_unstable();
        let entry = |(place, granted)| Entry { place, granted, waiting: Vec::new() };
        table.entries.extend((table.entries.len()..).zip(missing).map(entry));
    }

    /// Whether everybody was asked for it, now or at an earlier look.
    pub(super) fn was_searched_for(&self, record: &Record) -> bool {
        self.nowhere.contains(record)
    }

    /// Forgets for which locks everybody was asked, unless they are still held.
    pub(super) fn forget_released(&mut self, table: &Table) {
        if !self.nowhere.is_empty() {
            let held: HashSet<&Record> = table.entries.iter().map(|entry| &entry.granted).collect();
            self.nowhere.retain(|record| held.contains(record));
        }
    }

    /// Nobody who may be read has these open.
    pub(super) fn note_nowhere(&mut self, nowhere: HashSet<Record>) {
        self.nowhere = nowhere;
        self.in_flight.clear();
    }

    /// Nobody has these open: looks for descriptors that have been sent over a Unix socket and not
    /// been received yet.
    pub(super) fn give_up_on(&mut self, system: &System, nowhere: HashSet<Record>) {
        self.note_nowhere(nowhere);
        let mut buffer = Vec::new();
        for pid in system.pids().unwrap_or_default() {
            // A process that ends meanwhile has nothing in flight that we could name.
            let Ok(descriptors) = system.descriptors(pid) else { continue };
            let sends = |fd: &i32| {
                descriptors.stat(*fd).is_ok_and(|stat| stat.is_socket)
                    && descriptors
                        .information_of(*fd, &mut buffer)
                        .is_ok_and(|info| info.in_flight > 0)
            };
            if descriptors.numbers().unwrap_or_default().iter().any(sends) {
                self.in_flight.push(pid);
            }
        }
    }
}

/// What came of reading paths again.
#[derive(Debug, Default)]
pub(super) struct Renewed {
    /// Whose descriptors are closed, or have another file open by now.
    pub(super) moved: HashSet<Pid>,
    /// The locks whose files have another name by now, or another number of them.
    pub(super) renamed: HashSet<Record>,
}

/// So many descriptors are worth a thread.
const WORTH_A_THREAD: usize = 512;

type Kept = Vec<(Record, Keeper)>;

/// The descriptors of one process on their way to be read.
struct ProcessScan<'a> {
    system: &'a System,
    worth: &'a Worth,
    pid: Pid,
    descriptors: &'a Descriptors,
}

impl ProcessScan<'_> {
    fn read(&self, numbers: &[i32]) -> io::Result<Kept> {
        let mut kept = Vec::new();
        let mut buffer = Vec::with_capacity(4 << 10);
        let mut their_mounts = None;
        let mut theirs = |id: u64| -> Option<Device> {
            let mounts = their_mounts.get_or_insert_with(|| {
                let of = |mount: Mount| (mount.id, mount.device);
                self.system.mounts(Some(self.pid)).into_iter().map(of).collect::<HashMap<_, _>>()
            });
            mounts.get(&id).copied()
        };
        for &fd in numbers {
            // What is closed meanwhile is left out.
            let Ok(stat) = self.descriptors.stat(fd) else { continue };
            if !self.worth.includes(&stat, &mut theirs) {
                continue;
            }
            let info = match self.descriptors.information_of(fd, &mut buffer) {
                Ok(info) => info,
                Err(error) if has_ended(&error) => continue,
                Err(error) => return Err(error),
            };
            if info.locks.is_empty() {
                continue;
            }
            let path = self.descriptors.path(fd).ok().map(Arc::from);
            let keeper = Keeper { pid: self.pid, fd, stat, path };
            kept.extend(info.locks.into_iter().map(|record| (record, keeper.clone())));
        }
        Ok(kept)
    }
}
