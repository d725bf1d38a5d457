//! The least that must be read: the lock table, and each descriptor of the processes that hold.

use std::fs;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags, open, openat, statx};
use rustix::io::{Errno, read as read_some};

/// How many lines the lock table has.
pub(crate) fn count() -> usize {
    fs::read_to_string("/proc/locks").unwrap().lines().count()
}

/// Reads `/proc/locks` once, and for each process all of its fdinfo, and each descriptor's numbers.
/// Returns the bytes read, so that nothing is left out.
pub(crate) fn read(pids: &[i32]) -> usize {
    let mut buffer = vec![0; 65_536];
    let mut bytes = drain(&folder("/proc"), "locks", &mut buffer).unwrap();
    for pid in pids {
        let infos = folder(&format!("/proc/{pid}/fdinfo"));
        let links = folder(&format!("/proc/{pid}/fd"));
        for entry in fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap() {
            let name = entry.unwrap().file_name();
            bytes += drain(&infos, name.to_str().unwrap(), &mut buffer).unwrap_or(0);
            let numbers = StatxFlags::INO | StatxFlags::NLINK;
            bytes += usize::from(
                statx(&links, &name, AtFlags::STATX_DONT_SYNC, numbers)
                    .is_ok_and(|s| s.stx_ino > 0),
            );
        }
    }
    bytes
}

fn folder(path: &str) -> OwnedFd {
    open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

fn drain(folder: &OwnedFd, name: &str, buffer: &mut [u8]) -> Result<usize, Errno> {
    let file = openat(folder, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut all = 0;
    loop {
        match read_some(&file, &mut *buffer)? {
            0 => return Ok(all),
            bytes => all += bytes,
        }
    }
}
