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
mod paths;
mod people;
mod places;
mod processes;
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

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use jiff::Timestamp;

use crate::model::{FileId, Host, Moment};
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
pub(crate) use processes::Wanted;
pub(crate) use procfs::syscall::LockCall;
pub(crate) use pulse::Pulse;

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

    pub(crate) fn is_this_machine(&self) -> bool {
        self.proc == Path::new("/proc")
    }

    /// Whether we are the administrator.
    #[expect(clippy::unused_self, reason = "asks the kernel")]
    pub(crate) fn is_root(&self) -> bool {
        platform::is_root()
    }
}

impl Default for System {
    fn default() -> Self {
        Self::new()
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
