//! `/proc/PID/task/TID/syscall`: the system call that a thread sleeps in, and what it asks for.

use crate::model::{Mechanism, Mode, Range};

/// The numbers of the system calls that wait for locks, which differ between CPUs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers {
    pub(crate) flock: i64,
    pub(crate) fcntl: i64,
}

/// A system call that asks for a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LockCall {
    pub(crate) fd: i32,
    pub(crate) mechanism: Mechanism,
    /// What flock(2) was asked for; record locks say it in memory, see `flock_at`.
    pub(crate) mode: Option<Mode>,
    /// Where the caller's `struct flock` is, for record locks.
    pub(crate) flock_at: Option<u64>,
}

/// `F_SETLKW` and `F_OFD_SETLKW` of Linux' 64-bit interfaces.
const SETLKW: u64 = 7;
const OFD_SETLKW: u64 = 38;
/// `LOCK_SH` and `LOCK_EX` of flock(2).
const LOCK_SH: u64 = 1;
const LOCK_EX: u64 = 2;

impl LockCall {
    /// Reads `NUMBER ARG0 … ARG5 SP PC`; `None` for any call that does not wait for a lock.
    pub(crate) fn parse(text: &[u8], numbers: Numbers) -> Option<Self> {
        let mut words = str::from_utf8(text).ok()?.split_ascii_whitespace();
        let number: i64 = words.next()?.parse().ok()?;
        let mut argument = || u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok();
        let (fd, command) = (argument()? as i32, argument()?);
        if number == numbers.flock {
            let mode = match command & 3 {
                LOCK_SH => Some(Mode::Shared),
                LOCK_EX => Some(Mode::Exclusive),
                _ => None,
            };
            return Some(Self { fd, mechanism: Mechanism::Flock, mode, flock_at: None });
        }
        let mechanism = match command {
            SETLKW => Mechanism::Posix,
            OFD_SETLKW => Mechanism::Ofd,
            _ => return None,
        };
        let flock_at = Some(argument()?);
        (number == numbers.fcntl).then_some(Self { fd, mechanism, mode: None, flock_at })
    }
}

/// Any system call in which a thread sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Blocked {
    pub(crate) number: i64,
    pub(crate) args: [u64; 6],
}

impl Blocked {
    /// Reads `NUMBER ARG0 … ARG5 SP PC`; `None` for a thread that runs, or sleeps in none.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let mut words = str::from_utf8(text).ok()?.split_ascii_whitespace();
        let number = words.next()?.parse().ok().filter(|number| *number >= 0)?;
        let mut args = [0; 6];
        for arg in &mut args {
            *arg = u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
        }
        Some(Self { number, args })
    }
}

/// What a system call can sleep for: which of its arguments tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "no other system tells of calls"))]
pub(crate) enum Call {
    /// Takes something from the descriptor in the first argument.
    Reads,
    /// Puts something into that descriptor.
    Writes,
    /// Waits on that descriptor until somebody connects.
    Accepts,
    /// Connects that descriptor to somebody.
    Connects,
    /// Does something else to that descriptor's file.
    OnFile,
    /// Does something to the path in that argument.
    OnPath(usize),
    /// `poll`: a list of descriptors, its length, milliseconds.
    Poll,
    /// `ppoll`: the same with a `timespec`.
    PollUntil,
    /// `select`, `pselect6`: a length, three sets, a limit.
    Select,
    /// `epoll_wait` and `epoll_pwait`: a descriptor; milliseconds in the fourth argument.
    Epoll,
    /// `epoll_pwait2`: the same with a `timespec`.
    EpollUntil,
    /// `wait4`: a child's number, or -1 and the like for several.
    WaitForChild,
    /// `waitid`: a kind of number, and that number.
    WaitForId,
    /// `vfork` and the like: until the child executes a program.
    Vfork,
    /// `futex`: an address, an operation, a value, a limit.
    Futex,
    /// `nanosleep`: a `timespec` in that argument.
    Sleep(usize),
    /// Waits for a signal; a limit may be in that argument.
    Signal(Option<usize>),
    /// Waits for a lock.
    Lock,
}

/// Length of `struct flock` on 64-bit Linux.
pub(crate) const STRUCT_FLOCK: usize = 32;

/// Mode and range in a caller's `struct flock`; the range is unknown unless it counts from the
/// start of the file.
pub(crate) fn parse_struct_flock(bytes: &[u8; STRUCT_FLOCK]) -> Option<(Mode, Option<Range>)> {
    let word = |at: usize| i16::from_ne_bytes([bytes[at], bytes[at + 1]]);
    let long = |at: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[at..at + 8]);
        i64::from_ne_bytes(word)
    };
    let mode = match word(0) {
        0 => Mode::Shared,
        1 => Mode::Exclusive,
        _ => return None,
    };
    let (from_start, start, length) = (word(2) == 0, long(8), long(16));
    let range = match (u64::try_from(start), length) {
        (Ok(start), 0) => Some(Range { start, end: None }),
        (Ok(start), 1..) => {
            start.checked_add(length.cast_unsigned() - 1).map(|end| Range { start, end: Some(end) })
        }
        // A negative length locks the bytes before.
        (Ok(start), _) => {
            start.checked_add_signed(length).map(|from| Range { start: from, end: Some(start - 1) })
        }
        (Err(_), _) => None,
    };
    // The kernel counts so far, and takes it for the end of the file.
    let to_end =
        |range: Range| Range { end: range.end.filter(|end| *end < i64::MAX as u64), ..range };
    Some((mode, range.filter(|_| from_start).map(to_end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const X86_64: Numbers = Numbers { flock: 73, fcntl: 72 };

    fn parse(text: &str) -> Option<LockCall> {
        LockCall::parse(text.as_bytes(), X86_64)
    }

    #[test]
    fn calls_that_wait_for_locks_are_recognised() {
        let flock = parse("73 0x9 0x2 0x0 0x0 0x0 0x0 0x7ffd 0x7f1b").unwrap();
        assert_eq!((flock.fd, flock.mode), (9, Some(Mode::Exclusive)));
        let ofd = parse("72 0x3 0x26 0x7ffe10 0x0 0x0 0x0 0x7ffd 0x7f1b").unwrap();
        assert_eq!((ofd.mechanism, ofd.flock_at), (Mechanism::Ofd, Some(0x7f_fe10)));
        assert_eq!(
            parse("72 0x3 0x7 0x1 0x0 0x0 0x0 0x0 0x0").unwrap().mechanism,
            Mechanism::Posix
        );
    }

    #[test]
    fn other_calls_are_not() {
        for text in ["running", "-1 0x7ffd 0x7f1b", "72 0x3 0x1 0x0 0x0", "0 0x3 0x7 0x1", "", "73"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn any_call_in_which_a_thread_sleeps_is_read() {
        // Captured on Linux 6.18: a shell that reads its standard input.
        let read = "0 0x0 0x7ffe351e836f 0x1 0x8 0x2 0x1 0x7ffe351e8338 0x7f9509bb82ad\n";
        let call = Blocked::parse(read.as_bytes()).unwrap();
        assert_eq!((call.number, call.args), (0, [0, 0x7ffe_351e_836f, 1, 8, 2, 1]));
        for text in ["running\n", "-1 0x7ffd 0x7f1b\n", "0 0x0", "", "0 0 0 0 0 0 0"] {
            assert_eq!(Blocked::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_struct_flock_tells_mode_and_range() {
        let bytes = |kind: i16, whence: i16, start: i64, length: i64| {
            let mut bytes = [0; STRUCT_FLOCK];
            bytes[..2].copy_from_slice(&kind.to_ne_bytes());
            bytes[2..4].copy_from_slice(&whence.to_ne_bytes());
            bytes[8..16].copy_from_slice(&start.to_ne_bytes());
            bytes[16..24].copy_from_slice(&length.to_ne_bytes());
            parse_struct_flock(&bytes)
        };
        assert_eq!(bytes(1, 0, 0, 0), Some((Mode::Exclusive, Some(Range::WHOLE))));
        let part = Range { start: 10, end: Some(19) };
        assert_eq!(bytes(0, 0, 10, 10), Some((Mode::Shared, Some(part))));
        assert_eq!(bytes(0, 0, 20, -10), Some((Mode::Shared, Some(part))));
        assert_eq!(bytes(0, 2, 10, 10), Some((Mode::Shared, None)));
        let rest = Range { start: 1, end: None };
        assert_eq!(bytes(1, 0, 1, i64::MAX), Some((Mode::Exclusive, Some(rest))));
        assert_eq!(bytes(9, 0, 0, 0), None);
    }
}
