//! The only rooms that ask the operating system.
//!
//! A [`System`] is handed to everything that looks, so that tests can hand in another root of
//! `/proc`.

mod aside;
pub(crate) mod audit_file;
pub(crate) mod census;
pub mod children;
pub(crate) mod clock;
pub mod command;
pub(crate) mod config_file;
pub mod console;
pub(crate) mod control_groups;
pub(crate) mod discovery;
pub(crate) mod drawer;
pub(crate) mod escrow_mark;
pub(crate) mod grip;
mod harm;
pub(crate) mod in_memory;
mod inquiry;
mod kin;
pub(crate) mod knock;
mod lock_table;
mod locked;
pub(crate) mod locking;
mod lookup;
mod memories;
pub(crate) mod numbering;
pub(crate) mod on_disk;
mod people;
mod places;
pub(crate) mod procfs;
mod pulse;
mod relatives;
pub(crate) mod rights;
mod scheduler;
pub(crate) mod trace;
pub(crate) mod wait_mark;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as platform;
#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(not(target_os = "linux"))]
use other as platform;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use jiff::Timestamp;

use crate::model::{FileId, Host, Mechanism, Mode, Moment, Pid, Range};
use control_groups::CgroupRoots;
pub(crate) use discovery::Discovery;
pub(crate) use harm::{OwnLock, own_user};
#[cfg(test)]
pub(crate) use inquiry::READ_CALL;
pub(crate) use inquiry::{Found, Limits};
pub(crate) use lock_table::TableText;
use lookup::Lookups;
pub(crate) use lookup::{Answer, Ask};
use memories::Memories;
pub(crate) use people::Anatomy;
use people::People;
use places::Places;
pub(crate) use places::{Resolved, Search};
pub(crate) use platform::Descriptors;
use procfs::fdinfo::FdInfo;
use procfs::mounts::Mount;
use procfs::stat::Stat;
use procfs::syscall;
pub(crate) use procfs::syscall::LockCall;
pub(crate) use pulse::Pulse;
use scheduler::Account;

/// What `statx` says of a file, without asking another machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileStat {
    pub(crate) file: FileId,
    pub(crate) links: u32,
    pub(crate) birth: Option<Timestamp>,
    pub(crate) mount: Option<u64>,
    pub(crate) is_socket: bool,
    /// Whether it is a pipe that has a name.
    pub(crate) is_fifo: bool,
    /// Whose it is.
    pub(crate) uid: u32,
}

/// What a thread in a lock's queue asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) fd: i32,
    pub(crate) mechanism: Mechanism,
    pub(crate) mode: Option<Mode>,
    pub(crate) range: Option<Range>,
}

/// The processor time that this process has spent, where that can be told.
pub(crate) fn cpu_time() -> Option<Duration> {
    platform::cpu_time()
}

/// The same of the calling thread.
pub(crate) fn thread_time() -> Option<Duration> {
    platform::thread_time()
}

/// Gives the memory back to the system that was freed, where the allocator does not.
pub(crate) fn give_memory_back() {
    platform::give_memory_back();
}

/// The operating system, as far as it is asked.
#[derive(Debug)]
pub(crate) struct System {
    proc: PathBuf,
    cgroup_roots: CgroupRoots,
    lookups: Lookups,
    places: Places,
    disks: on_disk::Disks,
    knocks: knock::Knocks,
    locked: locked::Locked,
    memories: Arc<Memories>,
    people: Mutex<People>,
    /// Those whom no lock table names.
    others: Mutex<People>,
    /// For how many nanoseconds the lock table has been read.
    stalled: AtomicU64,
    /// Our own mount namespace.
    own_tree: OnceLock<Option<PathBuf>>,
    /// How many threads are worth having. Asking costs more than a process does.
    pub(crate) threads: usize,
}

/// No more threads than this read at the same time: they slow each other down in the kernel.
const MOST_THREADS: usize = 4;

impl System {
    /// This machine.
    #[must_use]
    pub(crate) fn new() -> Self {
        Self::with_proc("/proc")
    }

    /// A system whose processes and locks are described below another folder than `/proc`, for
    /// tests. Names of users, command lines and clocks stay those of this machine.
    #[must_use]
    pub(crate) fn with_proc(proc: impl Into<PathBuf>) -> Self {
        let proc = proc.into();
        let cgroup_roots = CgroupRoots::of(&proc);
        Self {
            proc,
            cgroup_roots,
            lookups: Lookups::default(),
            places: Places::default(),
            disks: on_disk::Disks::default(),
            knocks: knock::Knocks::default(),
            locked: locked::Locked::default(),
            memories: Arc::default(),
            people: Mutex::default(),
            others: Mutex::default(),
            stalled: AtomicU64::new(0),
            own_tree: OnceLock::new(),
            threads: std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS),
        }
    }

    /// The same system, for another thread.
    pub(crate) fn again(&self) -> Self {
        Self { memories: Arc::clone(&self.memories), ..Self::with_proc(&self.proc) }
    }

    /// The machine's name, and what identifies this run of its kernel.
    pub(crate) fn host(&self) -> Host {
        let boot_id = std::fs::read_to_string(self.proc.join("sys/kernel/random/boot_id"));
        Host {
            name: sysinfo::System::host_name().unwrap_or_else(|_| "localhost".into()).into(),
            boot_id: boot_id.ok().map(|id| id.trim().into()),
        }
    }

    /// Now, by both clocks.
    #[expect(clippy::unused_self, reason = "the clock belongs to the system")]
    pub(crate) fn now(&self) -> Moment {
        Moment { wall: Timestamp::now(), uptime: platform::uptime() }
    }

    /// Whether we see all processes of the machine: we are in its first pid namespace.
    pub(crate) fn in_first_pid_namespace(&self) -> bool {
        // PROC_PID_INIT_INO of the kernel's include/uapi/linux/nsfs.h.
        std::fs::read_link(self.proc.join("self/ns/pid"))
            .is_ok_and(|link| link == Path::new("pid:[4026531836]"))
    }

    /// All processes, by number.
    pub(crate) fn pids(&self) -> io::Result<Vec<Pid>> {
        let mut pids: Vec<Pid> = std::fs::read_dir(&self.proc)?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        pids.sort_unstable();
        Ok(pids)
    }

    /// The threads of a process.
    pub(crate) fn tids(&self, pid: Pid) -> io::Result<Vec<Pid>> {
        let mut tids: Vec<Pid> = std::fs::read_dir(self.path(pid, "task"))?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        tids.sort_unstable();
        Ok(tids)
    }

    fn path(&self, pid: Pid, name: &str) -> PathBuf {
        self.proc.join(format!("{pid}/{name}"))
    }

    fn thread_path(&self, pid: Pid, tid: Pid, name: &str) -> PathBuf {
        self.proc.join(format!("{pid}/task/{tid}/{name}"))
    }

    /// The open descriptors of a process.
    pub(crate) fn descriptors(&self, pid: Pid) -> io::Result<Descriptors> {
        Descriptors::open(self.proc.join(pid.to_string()))
    }

    /// The open descriptors of a thread, which can have a table of its own.
    pub(crate) fn thread_descriptors(&self, pid: Pid, tid: Pid) -> io::Result<Descriptors> {
        Descriptors::open(self.proc.join(format!("{pid}/task/{tid}")))
    }

    /// The file that one descriptor of a thread has open: asks no other machine.
    pub(crate) fn descriptor(&self, pid: Pid, tid: Pid, fd: i32) -> io::Result<FileStat> {
        platform::stat_following(&self.thread_path(pid, tid, &format!("fd/{fd}")))
    }

    /// The scheduler's and the process table's view of a process.
    pub(crate) fn stat(&self, pid: Pid) -> io::Result<Stat> {
        parse_stat(&read_record(&self.path(pid, "stat"))?)
    }

    /// The same of one of its threads.
    pub(crate) fn thread_stat(&self, pid: Pid, tid: Pid) -> io::Result<Stat> {
        parse_stat(&read_record(&self.thread_path(pid, tid, "stat"))?)
    }

    /// The process that a thread belongs to.
    pub(crate) fn process_of(&self, tid: Pid) -> Option<Pid> {
        let text = read_record(&self.path(tid, "status")).ok()?;
        Some(procfs::status::Status::parse(&text)?.process)
    }

    /// The kernel function in which a thread sleeps; `None` where it does not or may not be known.
    pub(crate) fn wchan(&self, pid: Pid, tid: Pid) -> Option<String> {
        let name = read_record(&self.thread_path(pid, tid, "wchan")).ok()?;
        let name = String::from_utf8(name).ok()?;
        (name != "0" && !name.is_empty()).then_some(name)
    }

    /// The system call that a thread sleeps in, if that waits for a lock.
    pub(crate) fn lock_call(&self, pid: Pid, tid: Pid) -> io::Result<Option<LockCall>> {
        let text = read_record(&self.thread_path(pid, tid, "syscall"))?;
        Ok(platform::LOCK_CALLS.and_then(|numbers| LockCall::parse(&text, numbers)))
    }

    /// What threads `(pid, tid)` ask for in such calls, in their order.
    pub(crate) fn wanted(&self, callers: &[(Pid, Pid, LockCall)]) -> Vec<Wanted> {
        let in_memory = |(pid, tid, call): &(Pid, Pid, LockCall)| {
            Some(self.memory_piece(*pid, *tid, call.flock_at?, syscall::STRUCT_FLOCK))
        };
        let pieces: Vec<_> = callers.iter().filter_map(in_memory).collect();
        // What may not be read, or does not answer, is not known.
        let mut read = self.read_memories(&pieces).into_iter().map(|bytes| {
            syscall::parse_struct_flock(bytes.ok()?.first_chunk::<{ syscall::STRUCT_FLOCK }>()?)
        });
        let wanted = |(_, _, call): &(Pid, Pid, LockCall)| {
            let asked = call.flock_at.and_then(|_| read.next().flatten());
            Wanted {
                fd: call.fd,
                mechanism: call.mechanism,
                mode: call.mode.or(asked.map(|(mode, _)| mode)),
                range: match call.mechanism {
                    Mechanism::Flock => Some(Range::WHOLE),
                    _ => asked.and_then(|(_, range)| range),
                },
            }
        };
        callers.iter().map(wanted).collect()
    }

    /// Whether a process has set itself a time limit: it has a timer, or expects the signal of one.
    pub(crate) fn has_timer(&self, pid: Pid) -> bool {
        const SIGALRM: u32 = 14;
        let timers = read_record(&self.path(pid, "timers"));
        let expects = || {
            let status = read_record(&self.path(pid, "status")).ok()?;
            let mut lines = status.split(|byte| *byte == b'\n');
            let caught = lines.find_map(|line| line.strip_prefix(b"SigCgt:"))?.trim_ascii();
            let caught = u64::from_str_radix(str::from_utf8(caught).ok()?, 16).ok()?;
            Some(caught >> (SIGALRM - 1) & 1 == 1)
        };
        // What cannot be read tells of none.
        timers.is_ok_and(|timers| !timers.is_empty()) || expects().unwrap_or(false)
    }

    /// Whether a process of that number is alive, even where `/proc` hides it.
    pub(crate) fn is_alive(&self, pid: Pid) -> bool {
        match self.stat(pid) {
            Ok(stat) => {
                use crate::model::State;
                !matches!(stat.state, Some(State::Zombie | State::Dead)) || stat.threads > 1
            }
            Err(_) => self.is_this_machine() && platform::answers_signals(pid),
        }
    }

    pub(crate) fn is_this_machine(&self) -> bool {
        self.proc == Path::new("/proc")
    }

    /// Whether we are the administrator.
    #[expect(clippy::unused_self, reason = "asks the kernel")]
    pub(crate) fn is_root(&self) -> bool {
        platform::is_root()
    }

    /// Orders two descriptors by their open file; equal means that they share it.
    /// `None` where that may not be known.
    #[expect(clippy::unused_self, reason = "asks the kernel")]
    pub(crate) fn compare_open_files(
        &self,
        a: (Pid, i32),
        b: (Pid, i32),
    ) -> Option<std::cmp::Ordering> {
        if a == b { Some(std::cmp::Ordering::Equal) } else { platform::compare_open_files(a, b) }
    }

    /// The scheduler's account of each thread `(pid, tid, CPU that it ran on last)`, by its tid.
    fn accounts(&self, threads: &[(Pid, Pid, usize)]) -> HashMap<Pid, Account> {
        scheduler::accounts(self, threads)
    }

    /// How long all threads of a process have run, those included that have ended.
    fn run_time(&self, pid: Pid) -> Option<Duration> {
        if self.is_this_machine() { platform::run_time(pid) } else { None }
    }

    /// The mounts that a process sees; `None` for ourselves.
    pub(crate) fn mounts(&self, pid: Option<Pid>) -> Vec<Mount> {
        let path = match pid {
            Some(pid) => self.path(pid, "mountinfo"),
            None => self.proc.join("self/mountinfo"),
        };
        std::fs::read(path).map(|text| Mount::parse_table(&text)).unwrap_or_default()
    }

    /// How lock tables number a file of ours.
    pub(crate) fn number_in_table(&self, stat: &FileStat) -> FileId {
        let mounts = self.mounts(None);
        Mount::number_in_table(&mounts, stat)
    }

    /// Whether paths of a process's descriptors are of our file tree, whatever root the process has;
    /// else they are of its own. `None` where that may not be known.
    pub(crate) fn shares_our_tree(&self, pid: Pid) -> Option<bool> {
        let link = |path: PathBuf| std::fs::read_link(path).ok();
        let ours = self.own_tree.get_or_init(|| link(self.proc.join("self/ns/mnt"))).as_ref()?;
        if link(self.path(pid, "ns/mnt"))? == *ours {
            return Some(true);
        }
        // Paths begin at the root of its namespace, which only then can be reached.
        (link(self.path(pid, "root"))? == Path::new("/")).then_some(false)
    }

    /// The folder through which the file tree of another process can be reached.
    pub(crate) fn root_of(&self, pid: Pid) -> PathBuf {
        self.path(pid, "root")
    }

    /// What paths name now, without waiting for a file system that hangs.
    pub(crate) fn look_up(&self, asks: Vec<Ask>) -> Vec<Answer> {
        self.lookups.look_up(asks)
    }

    /// Where a path that a user named leads: absolute and without links. Waits for a file system
    /// that hangs no longer than a person would.
    pub(crate) fn resolve(&self, path: &Path) -> Resolved {
        self.places.resolve(path)
    }

    /// Whether something is at a path, wherever links lead.
    ///
    /// # Errors
    /// When that cannot be looked up; `TimedOut` for a file system that hangs.
    pub(crate) fn is_there(&self, path: &Path) -> io::Result<bool> {
        match self.resolve(path) {
            Resolved::Found { .. } => Ok(true),
            Resolved::Missing { .. } => Ok(false),
            Resolved::Failed(error) => Err(error),
            Resolved::Hangs => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "its file system does not answer"))
            }
        }
    }

    /// The same for a name that can itself be a link, and is not followed.
    pub(crate) fn resolve_name(&self, path: &Path) -> Resolved {
        self.places.resolve_name(path)
    }

    /// What lies at paths, in no order.
    pub(crate) fn examine(&self, asks: Vec<on_disk::Ask>) -> Vec<(PathBuf, on_disk::Found)> {
        self.disks.examine(asks, &self.mounts(None))
    }

    /// Begins to look for places that somebody is interested in: all that match patterns, on no file
    /// system that could wait for others, and all below folders that are wanted.
    ///
    /// # Errors
    /// When no thread can be had.
    pub(crate) fn discover(&self, quest: discovery::Quest) -> io::Result<Discovery> {
        Discovery::begin(quest, self.mounts(None))
    }

    /// What matches a pattern, on no file system that could wait for others; as far as that was found in
    /// the time that a person would wait.
    pub(crate) fn matching(&self, pattern: String) -> BTreeSet<PathBuf> {
        discovery::matching(pattern, self.mounts(None))
    }

    /// Those of these folders that lie on no file system that could wait for others.
    pub(crate) fn near(&self, folders: Vec<&Path>) -> Vec<PathBuf> {
        let mounts = if folders.is_empty() { Vec::new() } else { self.mounts(None) };
        let is_near =
            |folder: &&Path| !Mount::of_path(&mounts, folder).is_some_and(Mount::may_hang);
        folders.into_iter().filter(is_near).map(Path::to_owned).collect()
    }

    /// Whether the entries of a folder may be read.
    #[expect(clippy::unused_self, reason = "asks the file systems")]
    pub(crate) fn may_list(&self, folder: &Path) -> io::Result<()> {
        places::may_list(folder.to_path_buf())
    }

    /// Begins to look below folders for files with these inode numbers.
    ///
    /// # Errors
    /// When no thread can be had.
    #[expect(clippy::unused_self, reason = "asks the file systems")]
    pub(crate) fn search(
        &self,
        folders: Vec<PathBuf>,
        inodes: HashSet<u64>,
        bell: Option<discovery::Bell>,
    ) -> io::Result<Search> {
        Search::begin(folders, inodes, bell)
    }

    /// Clock ticks a second, in which processes' starts are counted.
    #[expect(clippy::unused_self, reason = "a property of the system")]
    pub(crate) fn ticks_per_second(&self) -> u64 {
        platform::ticks_per_second()
    }
}

impl Descriptors {
    /// What one descriptor says of locks.
    pub(crate) fn information_of(&self, fd: i32, buffer: &mut Vec<u8>) -> io::Result<FdInfo> {
        Ok(FdInfo::parse(self.information(fd, buffer)?))
    }
}

impl Default for System {
    fn default() -> Self {
        Self::new()
    }
}

impl System {
    /// A process's start as time since boot.
    pub(crate) fn since_boot(&self, ticks: u64) -> Duration {
        let per_second = self.ticks_per_second();
        Duration::from_secs(ticks / per_second)
            + Duration::from_nanos(ticks % per_second * (1_000_000_000 / per_second))
    }
}

/// A file of `/proc` that the kernel prints as one record: what fits the buffer comes in one read.
fn read_record(path: &Path) -> io::Result<Vec<u8>> {
    use io::Read as _;
    let mut file = std::fs::File::open(path)?;
    let (mut text, mut length) = (vec![0; 4 << 10], 0);
    loop {
        match file.read(&mut text[length..]) {
            Ok(read) => {
                length += read;
                if read == 0 || length < text.len() {
                    text.truncate(length);
                    return Ok(text);
                }
                text.resize(length * 2, 0);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether something failed since the process or the descriptor is not there any more.
pub(crate) fn has_ended(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || platform::means_no_process(error)
}

fn parse_stat(text: &[u8]) -> io::Result<Stat> {
    Stat::parse(text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a stat line"))
}

/// A path of the bytes of an `OsStr`.
#[cfg(unix)]
pub(crate) fn path_from_bytes(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt as _;
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

/// A path of the bytes of an `OsStr`; what is no Unicode cannot be named here.
#[cfg(not(unix))]
#[expect(clippy::needless_pass_by_value, reason = "on Unix they become the path")]
pub(crate) fn path_from_bytes(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(&bytes).into_owned())
}
