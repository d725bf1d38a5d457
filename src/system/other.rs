//! Systems without a lock table: what they cannot tell is an error of kind `Unsupported`.

use std::cmp::Ordering;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::FileStat;
use super::procfs::syscall::Numbers;
use crate::model::Pid;

pub(super) const LOCK_CALLS: Option<Numbers> = None;

pub(super) const CLOSED_ON_EXEC: i32 = 0;

pub(super) fn uptime() -> Duration {
    // Where even that cannot be told, it is the same at every look: nothing here has an age.
    Duration::from_secs(sysinfo::System::uptime().unwrap_or_default())
}

pub(super) fn cpu_time() -> Option<Duration> {
    None
}

pub(super) fn thread_time() -> Option<Duration> {
    None
}

pub(super) fn give_memory_back() {}

pub(super) fn ticks_per_second() -> u64 {
    100
}

pub(super) fn run_time(_pid: Pid) -> Option<Duration> {
    None
}

/// The open descriptors of a process: there is no way to get them.
#[derive(Debug)]
pub(crate) enum Descriptors {}

impl Descriptors {
    pub(super) fn open(_process: PathBuf) -> io::Result<Self> {
        Err(unsupported())
    }

    pub(crate) fn numbers(&self) -> io::Result<Vec<i32>> {
        match *self {}
    }

    pub(crate) fn stat(&self, _fd: i32) -> io::Result<FileStat> {
        match *self {}
    }

    pub(crate) fn path(&self, _fd: i32) -> io::Result<PathBuf> {
        match *self {}
    }

    pub(super) fn information<'a>(
        &self,
        _fd: i32,
        _buffer: &'a mut Vec<u8>,
    ) -> io::Result<&'a [u8]> {
        match *self {}
    }
}

pub(super) fn stat_following(_link: &Path) -> io::Result<FileStat> {
    Err(unsupported())
}

pub(super) fn stat_path(_path: &Path) -> io::Result<FileStat> {
    Err(unsupported())
}

pub(super) fn may_list(folder: &Path) -> io::Result<()> {
    std::fs::read_dir(folder).map(drop)
}

pub(super) fn entry_inode(_entry: &std::fs::DirEntry) -> Option<u64> {
    None
}

pub(super) fn stat_path_in(_root: &Path, _path: &Path) -> io::Result<FileStat> {
    Err(unsupported())
}

pub(super) fn answers_signals(_pid: Pid) -> bool {
    false
}

pub(super) fn means_no_process(_error: &io::Error) -> bool {
    false
}

pub(super) fn own_user() -> Option<u32> {
    None
}

pub(super) fn number_of(_file: &File) -> io::Result<i32> {
    Err(unsupported())
}

pub(super) fn may_write(_file: &Path) -> bool {
    false
}

pub(super) fn is_root() -> bool {
    false
}

pub(super) fn compare_open_files(_a: (Pid, i32), _b: (Pid, i32)) -> Option<Ordering> {
    None
}

pub(super) fn pin_to(_cpu: usize) -> bool {
    false
}

fn unsupported() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "this system has no lock table")
}
