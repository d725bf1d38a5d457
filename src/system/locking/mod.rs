//! Locks as the system gives them: lock files opened safely, record locks, and the signal that ends
//! a blocked wait.

use std::io;

pub(crate) mod existing;
pub(crate) mod lease;
mod open;
pub(crate) mod record;
mod signal;

use crate::model::Pid;

#[cfg(unix)]
pub(super) use open::file_id;
pub(crate) use open::{Access, is_absent, is_named, number, number_of, open};
pub(crate) use signal::{Thread, prepare, set_signal};

/// Whether an error says that only a file that is open for writing can be locked so.
pub(crate) fn means_not_writable(error: &io::Error) -> bool {
    cfg!(unix) && error.raw_os_error() == Some(EBADF)
}

/// Whether an error says that the file system, or who locks for it, cannot do this kind of lock.
pub(crate) fn means_no_locks(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
        || cfg!(unix) && error.raw_os_error().is_some_and(|code| NO_LOCKS.contains(&code))
}

#[cfg(unix)]
const EBADF: i32 = libc::EBADF;
#[cfg(not(unix))]
const EBADF: i32 = 0;

#[cfg(unix)]
const NO_LOCKS: [i32; 3] = [libc::ENOLCK, libc::EOPNOTSUPP, libc::ENOSYS];
#[cfg(not(unix))]
const NO_LOCKS: [i32; 0] = [];

/// The number of this thread, as the system's tables have it.
#[cfg_attr(target_os = "linux", expect(clippy::unnecessary_wraps, reason = "others do not tell"))]
pub(crate) fn thread_number() -> Option<Pid> {
    #[cfg(target_os = "linux")]
    return Some(rustix::thread::gettid().as_raw_nonzero().get());
    #[cfg(not(target_os = "linux"))]
    return None;
}
