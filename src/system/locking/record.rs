//! Record locks that belong to an open file and not to a process: fcntl(2) with `F_OFD_SETLK` and
//! its kin. They exclude, and are excluded by, the record locks of processes.
//!
//! Linux and Android have them; elsewhere all of this is an error of kind `Unsupported`.

use std::fs::File;
use std::io;

use crate::model::{Mode, Range};

/// Whether a file can have these bytes.
///
/// # Errors
/// `InvalidInput`, with the reason, when none can.
pub(crate) fn check(range: Range) -> io::Result<()> {
    Bytes::try_from(range).map(drop)
}

/// Locks these bytes if that can be done at once; `false`: somebody else has one of them.
///
/// # Errors
/// The system's; `InvalidInput` for a range that no file can have.
pub(crate) fn try_lock(file: &File, mode: Mode, range: Range) -> io::Result<bool> {
    platform::try_lock(file, mode, Bytes::try_from(range)?)
}

/// Locks these bytes, waiting in the queue for them.
///
/// # Errors
/// As [`try_lock`]; `Interrupted` when a signal ended the wait.
pub(crate) fn lock(file: &File, mode: Mode, range: Range) -> io::Result<()> {
    platform::lock(file, mode, Bytes::try_from(range)?)
}

/// Unlocks these bytes, for all who share the open file.
///
/// # Errors
/// As [`try_lock`].
pub(crate) fn unlock(file: &File, range: Range) -> io::Result<()> {
    platform::unlock(file, Bytes::try_from(range)?)
}

/// Whether nobody else has a record lock that would keep out this one. Takes nothing, and asks as
/// well through a file that is open for reading only.
///
/// # Errors
/// As [`try_lock`].
pub(crate) fn is_free(file: &File, mode: Mode, range: Range) -> io::Result<bool> {
    platform::is_free(file, mode, Bytes::try_from(range)?)
}

/// A range as the system counts: offsets are signed, and a length of zero reaches to the end of the
/// file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bytes {
    start: i64,
    length: i64,
}

impl TryFrom<Range> for Bytes {
    type Error = io::Error;

    fn try_from(range: Range) -> io::Result<Self> {
        let refused = |why| io::Error::new(io::ErrorKind::InvalidInput, format!("{range} {why}"));
        let beyond = |_| refused("reaches beyond the last byte that a file can have");
        let start = i64::try_from(range.start).map_err(beyond)?;
        let end = range.end.map_or(Ok(i64::MAX), i64::try_from).map_err(beyond)?;
        if end < start {
            return Err(refused("ends before it starts"));
        }
        let length = if end == i64::MAX { 0 } else { end - start + 1 };
        Ok(Self { start, length })
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[expect(unsafe_code, reason = "no wrapper in the tree has these locks")]
mod platform {
    use std::ffi::c_int;
    use std::fs::File;
    use std::io;
    use std::mem;
    use std::os::fd::AsRawFd as _;

    use super::Bytes;
    use crate::model::Mode;

    pub(super) fn try_lock(file: &File, mode: Mode, bytes: Bytes) -> io::Result<bool> {
        match ask(file, libc::F_OFD_SETLK, kind(mode), bytes) {
            Ok(_) => Ok(true),
            // fcntl(2): either of them says so.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn lock(file: &File, mode: Mode, bytes: Bytes) -> io::Result<()> {
        ask(file, libc::F_OFD_SETLKW, kind(mode), bytes).map(drop)
    }

    pub(super) fn unlock(file: &File, bytes: Bytes) -> io::Result<()> {
        ask(file, libc::F_OFD_SETLK, libc::F_UNLCK, bytes).map(drop)
    }

    pub(super) fn is_free(file: &File, mode: Mode, bytes: Bytes) -> io::Result<bool> {
        let found = ask(file, libc::F_OFD_GETLK, kind(mode), bytes)?;
        Ok(c_int::from(found.l_type) == libc::F_UNLCK)
    }

    #[allow(clippy::useless_conversion, reason = "types differ by system")]
    fn kind(mode: Mode) -> c_int {
        match mode {
            Mode::Shared => libc::F_RDLCK.into(),
            Mode::Exclusive => libc::F_WRLCK.into(),
        }
    }

    /// What the kernel made of the request.
    fn ask(file: &File, order: c_int, kind: c_int, bytes: Bytes) -> io::Result<libc::flock64> {
        // SAFETY: zeroes are a valid `flock64`; fcntl wants the fields that are not set to be zero.
        let mut asked: libc::flock64 = unsafe { mem::zeroed() };
        asked.l_type = kind as _;
        asked.l_whence = libc::SEEK_SET as _;
        asked.l_start = bytes.start;
        asked.l_len = bytes.length;
        // SAFETY: the descriptor is open as long as `file` is borrowed, and these orders read and
        // write one `flock64`, which is ours.
        match unsafe { libc::fcntl(file.as_raw_fd(), order, &raw mut asked) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(asked),
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod platform {
    use std::fs::File;
    use std::io;

    use super::Bytes;
    use crate::model::Mode;

    pub(super) fn try_lock(_file: &File, _mode: Mode, _bytes: Bytes) -> io::Result<bool> {
        Err(unsupported())
    }

    pub(super) fn lock(_file: &File, _mode: Mode, _bytes: Bytes) -> io::Result<()> {
        Err(unsupported())
    }

    pub(super) fn unlock(_file: &File, _bytes: Bytes) -> io::Result<()> {
        Err(unsupported())
    }

    pub(super) fn is_free(_file: &File, _mode: Mode, _bytes: Bytes) -> io::Result<bool> {
        Err(unsupported())
    }

    fn unsupported() -> io::Error {
        let text = "this system has no record locks that belong to an open file";
        io::Error::new(io::ErrorKind::Unsupported, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PART: Range = Range { start: 10, end: Some(19) };

    #[test]
    fn ranges_are_counted_as_the_system_does() {
        let bytes = |start, end| Bytes::try_from(Range { start, end }).ok();
        let last = i64::MAX as u64;
        assert_eq!(bytes(0, None), Some(Bytes { start: 0, length: 0 }));
        assert_eq!(bytes(7, Some(7)), Some(Bytes { start: 7, length: 1 }));
        assert_eq!(bytes(0, Some(last)), Some(Bytes { start: 0, length: 0 }));
        assert_eq!(bytes(0, Some(last - 1)), Some(Bytes { start: 0, length: i64::MAX }));
        assert_eq!(bytes(last, Some(last)), Some(Bytes { start: i64::MAX, length: 0 }));
        assert_eq!(bytes(7, Some(6)), None);
        assert_eq!(bytes(0, Some(last + 1)), None);
        assert_eq!(bytes(last + 1, None), None);
        assert_eq!(bytes(u64::MAX, Some(u64::MAX)), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn bytes_are_locked_and_not_their_neighbours() {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        let open = || File::options().read(true).write(true).open(&path).unwrap();
        let (one, other) = (open(), open());
        let reads = File::open(&path).unwrap();
        assert!(try_lock(&one, Mode::Exclusive, PART).unwrap());
        for (start, end, free) in
            [(0, Some(9), true), (0, Some(10), false), (19, None, false), (20, None, true)]
        {
            let range = Range { start, end };
            assert_eq!(is_free(&reads, Mode::Exclusive, range).unwrap(), free, "{range}");
            assert_eq!(try_lock(&other, Mode::Shared, range).unwrap(), free, "{range}");
        }
        // What is ours is no hindrance.
        assert!(is_free(&one, Mode::Exclusive, PART).unwrap());
        unlock(&one, PART).unwrap();
        lock(&other, Mode::Shared, Range::WHOLE).unwrap();
        assert!(is_free(&reads, Mode::Shared, Range::WHOLE).unwrap());
        assert!(!is_free(&reads, Mode::Exclusive, PART).unwrap());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn who_only_reads_cannot_have_it_alone() {
        let reads = File::open(tempfile::NamedTempFile::new().unwrap().path()).unwrap();
        let error = try_lock(&reads, Mode::Exclusive, PART).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EBADF));
    }
}
