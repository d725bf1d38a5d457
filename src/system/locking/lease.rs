//! Leases, as far as they are taken away.

use std::fs::File;
use std::io;

/// Takes the lease away from an open file.
///
/// # Errors
/// The system's; `Unsupported` where there are none.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no wrapper exists for F_SETLEASE")]
pub(crate) fn unlock(file: &File) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;
    // SAFETY: the descriptor is open as long as the file is borrowed; the argument is a number.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_UNLCK) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// # Errors
/// There are none here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn unlock(_file: &File) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no leases"))
}
