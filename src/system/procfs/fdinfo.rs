//! `/proc/PID/fdinfo/FD`: which locks an open file has.

use super::locks::{Record, parse_line};

/// What one descriptor's information says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct FdInfo {
    /// The locks that this open file has; for POSIX locks those of this process on it.
    pub(crate) locks: Vec<Record>,
    /// Whether the file can be written to through it.
    pub(crate) is_for_writing: bool,
    /// Whether it can be read from through it.
    pub(crate) is_for_reading: bool,
    /// Whether it is open for nothing but to keep hold of it (`O_PATH`).
    pub(crate) is_a_hold: bool,
    /// How many descriptors are in flight over this Unix socket.
    pub(crate) in_flight: u64,
}

/// `O_PATH`, in the kernel's include/uapi/asm-generic/fcntl.h.
const HOLD: u32 = 0o10_000_000;

impl FdInfo {
    /// Reads the file's text; what is not about locks is skipped.
    pub(crate) fn parse(text: &[u8]) -> Self {
        let mut info = Self::default();
        for line in text.split(|byte| *byte == b'\n') {
            if let Some(lock) = line.strip_prefix(b"lock:") {
                info.locks.extend(parse_line(lock.trim_ascii()).map(|(_, _, record)| record));
            } else if let Some(flags) = line.strip_prefix(b"flags:") {
                // In octal; the lowest two bits are O_RDONLY, O_WRONLY or O_RDWR.
                let flags = str::from_utf8(flags.trim_ascii()).ok();
                let flags = flags.and_then(|flags| u32::from_str_radix(flags, 8).ok());
                info.is_for_writing = flags.is_some_and(|flags| matches!(flags & 3, 1 | 2));
                let reads = |flags| matches!(flags & 3, 0 | 2) && flags & HOLD == 0;
                info.is_for_reading = flags.is_some_and(reads);
                info.is_a_hold = flags.is_some_and(|flags| flags & HOLD != 0);
            } else if let Some(count) = line.strip_prefix(b"scm_fds:") {
                let count = str::from_utf8(count.trim_ascii()).ok();
                info.in_flight = count.and_then(|count| count.parse().ok()).unwrap_or(0);
            }
        }
        info
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::procfs::locks::Kind;

    /// Captured on Linux 6.18.
    #[test]
    fn captured_information_is_understood() {
        let info = FdInfo::parse(
            b"pos:\t0\nflags:\t0100001\nmnt_id:\t27\nino:\t382090\n\
              lock:\t1: FLOCK  ADVISORY  WRITE 3246 fe:00:382090 0 EOF\n",
        );
        assert_eq!(info.locks.len(), 1);
        assert!(info.is_for_writing && !info.is_for_reading);
        assert_eq!((info.locks[0].kind, info.locks[0].pid), (Kind::Flock, 3246));
    }

    #[test]
    fn a_socket_tells_of_descriptors_in_flight() {
        assert_eq!(FdInfo::parse(b"flags:\t02\nscm_fds: 3\n").in_flight, 3);
        assert!(!FdInfo::parse(b"flags:\t0100000\n").is_for_writing);
        assert!(FdInfo::parse(b"flags:\t012400000\n").is_a_hold);
        assert_eq!(FdInfo::parse(b"scm_fds: x\nlock:\tnonsense\n"), FdInfo::default());
    }
}
