//! Linux: the system calls behind [`System`](super::System).

use std::cmp::Ordering;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use jiff::Timestamp;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, Statx, StatxFlags, openat, statx};
use rustix::io::Errno;
use rustix::path::DecInt;
use rustix::thread::CpuSet;
use rustix::time::{ClockId, clock_gettime};

use super::procfs::syscall::Numbers;
use super::{FileStat, path_from_bytes};
use crate::model::{Device, FileId, Pid};

/// The system calls that wait for locks. `struct flock` is read as 64-bit Linux lays it out.
pub(super) const LOCK_CALLS: Option<Numbers> = if cfg!(target_pointer_width = "64") {
    Some(Numbers { flock: libc::SYS_flock, fcntl: libc::SYS_fcntl })
} else {
    None
};

/// What the flags of a descriptor that is closed on exec have.
pub(super) const CLOSED_ON_EXEC: i32 = libc::O_CLOEXEC;

/// `STATX_MNT_ID`, which rustix does not name.
const STATX_MNT_ID: u32 = 0x1000;

/// Never asks another machine, never triggers an automatic mount.
const WITHOUT_ASKING: AtFlags =
    AtFlags::STATX_DONT_SYNC.union(AtFlags::NO_AUTOMOUNT).union(AtFlags::SYMLINK_NOFOLLOW);

pub(super) fn uptime() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(now.tv_sec.cast_unsigned(), now.tv_nsec as u32)
}

#[expect(clippy::unnecessary_wraps, reason = "other systems may not tell")]
pub(super) fn cpu_time() -> Option<Duration> {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Some(Duration::new(spent.tv_sec.cast_unsigned(), spent.tv_nsec as u32))
}

#[expect(clippy::unnecessary_wraps, reason = "other systems may not tell")]
pub(super) fn thread_time() -> Option<Duration> {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    Some(Duration::new(spent.tv_sec.cast_unsigned(), spent.tv_nsec as u32))
}

/// Gives the memory back that was freed: much of what a look takes is free when it is over, and the
/// GNU allocator keeps it.
#[expect(unsafe_code, reason = "no wrapper exists")]
#[cfg(target_env = "gnu")]
pub(super) fn give_memory_back() {
    // SAFETY: takes a plain number; the allocator locks what it works on.
    unsafe { libc::malloc_trim(0) };
}

/// Other allocators give it back by themselves.
#[cfg(not(target_env = "gnu"))]
pub(super) fn give_memory_back() {}

pub(super) fn ticks_per_second() -> u64 {
    rustix::param::clock_ticks_per_second()
}

/// The open descriptors of one process.
#[derive(Debug)]
pub(crate) struct Descriptors {
    process: PathBuf,
    links: OwnedFd,
    /// Opened when it is needed: most processes have nothing worth asking. May be denied where the
    /// links are not.
    information: OnceLock<Result<OwnedFd, Errno>>,
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Descriptors {
    pub(super) fn open(process: PathBuf) -> io::Result<Self> {
        let links = openat(CWD, process.join("fd"), FOLDER, Mode::empty())?;
        Ok(Self { process, links, information: OnceLock::new() })
    }

    /// Their numbers.
    pub(crate) fn numbers(&self) -> io::Result<Vec<i32>> {
        let mut buffer = Vec::with_capacity(32 << 10);
        let mut folder = RawDir::new(&self.links, buffer.spare_capacity_mut());
        let mut numbers = Vec::new();
        while let Some(entry) = folder.next() {
            numbers
                .extend(entry?.file_name().to_str().ok().and_then(|name| name.parse::<i32>().ok()));
        }
        Ok(numbers)
    }

    /// The file of one: asks no other machine.
    pub(crate) fn stat(&self, fd: i32) -> io::Result<FileStat> {
        let flags = WITHOUT_ASKING.difference(AtFlags::SYMLINK_NOFOLLOW);
        Ok(file_stat(&statx(&self.links, DecInt::new(fd), flags, wanted())?))
    }

    /// What its link says: never asks the file system.
    pub(crate) fn path(&self, fd: i32) -> io::Result<PathBuf> {
        let link = rustix::fs::readlinkat(&self.links, DecInt::new(fd), Vec::with_capacity(256))?;
        Ok(path_from_bytes(link.into_bytes()))
    }

    /// The text of its information.
    pub(super) fn information<'a>(&self, fd: i32, buffer: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let open = || openat(CWD, self.process.join("fdinfo"), FOLDER, Mode::empty());
        let folder = self.information.get_or_init(open).as_ref().map_err(|errno| *errno)?;
        let file = openat(folder, DecInt::new(fd), flags, Mode::empty())?;
        buffer.resize(buffer.capacity().max(4 << 10), 0);
        let mut length = 0;
        loop {
            let read = rustix::io::read(&file, &mut buffer[length..])?;
            length += read;
            // The kernel fills the buffer as long as there is more.
            if read == 0 || length < buffer.len() {
                return Ok(&buffer[..length]);
            }
            if length >= INFORMATION_LIMIT {
                return Ok(&buffer[..length]);
            }
            buffer.resize(length * 2, 0);
        }
    }
}

/// A socket or an epoll descriptor can say a lot; what is said of locks never fills this.
const INFORMATION_LIMIT: usize = 1 << 20;

fn wanted() -> StatxFlags {
    StatxFlags::INO
        | StatxFlags::NLINK
        | StatxFlags::BTIME
        | StatxFlags::from_bits_retain(STATX_MNT_ID)
}

fn file_stat(found: &Statx) -> FileStat {
    let has = |flags: u32| found.stx_mask & flags != 0;
    let kind = FileType::from_raw_mode(found.stx_mode.into());
    FileStat {
        file: FileId {
            device: Device { major: found.stx_dev_major, minor: found.stx_dev_minor },
            inode: found.stx_ino,
        },
        links: found.stx_nlink,
        birth: has(StatxFlags::BTIME.bits())
            .then(|| Timestamp::new(found.stx_btime.tv_sec, found.stx_btime.tv_nsec as i32).ok())
            .flatten(),
        mount: has(STATX_MNT_ID).then_some(found.stx_mnt_id),
        is_socket: kind == FileType::Socket,
        is_fifo: kind == FileType::Fifo,
        uid: found.stx_uid,
    }
}

/// The file behind a link of `/proc/PID/fd`.
pub(super) fn stat_following(link: &Path) -> io::Result<FileStat> {
    let flags = WITHOUT_ASKING.difference(AtFlags::SYMLINK_NOFOLLOW);
    Ok(file_stat(&statx(CWD, link, flags, wanted())?))
}

/// The file that a path names, not following a symbolic link at its end. Can hang on the way there.
pub(super) fn stat_path(path: &Path) -> io::Result<FileStat> {
    Ok(file_stat(&statx(CWD, path, WITHOUT_ASKING, wanted())?))
}

pub(super) fn may_list(folder: &Path) -> io::Result<()> {
    use rustix::fs::{Access, accessat};
    Ok(accessat(CWD, folder, Access::READ_OK | Access::EXEC_OK, AtFlags::EACCESS)?)
}

/// The inode number that a folder's entry tells without being looked up.
#[expect(clippy::unnecessary_wraps, reason = "other systems may not tell")]
pub(super) fn entry_inode(entry: &std::fs::DirEntry) -> Option<u64> {
    use std::os::unix::fs::DirEntryExt as _;
    Some(entry.ino())
}

/// The file that a path names in another process's file tree. Can hang on the way there.
pub(super) fn stat_path_in(root: &Path, path: &Path) -> io::Result<FileStat> {
    use rustix::fs::{ResolveFlags, openat2};
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let root = openat(CWD, root, flags | OFlags::DIRECTORY, Mode::empty())?;
    let file =
        openat2(&root, path, flags | OFlags::NOFOLLOW, Mode::empty(), ResolveFlags::IN_ROOT)?;
    Ok(file_stat(&statx(&file, "", WITHOUT_ASKING | AtFlags::EMPTY_PATH, wanted())?))
}

/// Whether a signal could be sent to that number: somebody has it. (The process group of a process
/// on its way out reads -1.)
pub(super) fn answers_signals(pid: Pid) -> bool {
    rustix::process::Pid::from_raw(pid.max(0))
        .is_some_and(|pid| !matches!(rustix::process::test_kill_process(pid), Err(Errno::SRCH)))
}

/// Whether the error says that no such process exists, for which std has no word.
pub(super) fn means_no_process(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

/// Whether we are the administrator.
#[expect(clippy::unnecessary_wraps, reason = "other systems do not tell")]
pub(super) fn own_user() -> Option<u32> {
    Some(rustix::process::geteuid().as_raw())
}

/// The number of a descriptor.
#[expect(clippy::unnecessary_wraps, reason = "other systems do not tell")]
pub(super) fn number_of(file: &File) -> io::Result<i32> {
    Ok(std::os::fd::AsRawFd::as_raw_fd(file))
}

/// Whether our effective user may write to a file.
pub(super) fn may_write(file: &Path) -> bool {
    rustix::fs::accessat(CWD, file, rustix::fs::Access::WRITE_OK, AtFlags::EACCESS).is_ok()
}

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// `kcmp(KCMP_FILE)`, see kcmp(2).
#[expect(unsafe_code, reason = "no wrapper exists for kcmp")]
pub(super) fn compare_open_files(a: (Pid, i32), b: (Pid, i32)) -> Option<Ordering> {
    const KCMP_FILE: libc::c_int = 0;
    let word = |fd: i32| libc::c_ulong::from(fd.cast_unsigned());
    // SAFETY: kcmp takes plain numbers and touches no memory of ours.
    let answer =
        unsafe { libc::syscall(libc::SYS_kcmp, a.0, b.0, KCMP_FILE, word(a.1), word(b.1)) };
    match answer {
        0 => Some(Ordering::Equal),
        1 => Some(Ordering::Less),
        2 => Some(Ordering::Greater),
        _ => None,
    }
}

/// The CPU time of a process, to the nanosecond: its threads', and of those that have ended.
#[expect(unsafe_code, reason = "no wrapper exists for the clocks of other processes")]
pub(super) fn run_time(pid: Pid) -> Option<Duration> {
    let mut clock = 0;
    // SAFETY: writes one clock number, to a place that is ours.
    if unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) } != 0 {
        return None;
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one `timespec`, to a place that is ours.
    let told = unsafe { libc::clock_gettime(clock, &raw mut time) } == 0;
    told.then(|| Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32))
}

/// Keeps the calling thread on one CPU; `false` where that is not allowed.
pub(super) fn pin_to(cpu: usize) -> bool {
    if cpu >= CpuSet::MAX_CPU {
        return false;
    }
    let mut cpus = CpuSet::new();
    cpus.set(cpu);
    let pinned = rustix::thread::sched_setaffinity(None, &cpus).is_ok();
    // A switch makes the scheduler write down our own time.
    rustix::thread::sched_yield();
    pinned
}
