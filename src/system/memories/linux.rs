//! Linux: the process that reads.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use super::super::processes::parse_stat;
use super::super::read_record;
use crate::model::{Pid, State};

pub(super) const HAS_COMMAND_LINES: bool = true;

/// A reader that says nothing is looked at so often; one that was asleep `NAPS` times in a row is not
/// waited for. One that only gets no CPU is.
const GLANCE: Duration = Duration::from_millis(200);
const NAPS: u32 = 5;

/// What stands before each answer: an error's number or 0, and how many bytes follow.
const HEAD: usize = 8;

/// A process of ours that reads, and what it has to say.
#[derive(Debug)]
pub(super) struct Reader {
    pid: Pid,
    answers: BufReader<File>,
}

/// A piece, in words that need no memory to be made.
struct Order {
    path: CString,
    at: u64,
    most: usize,
}

impl Reader {
    pub(super) fn start<'a>(
        pieces: impl Iterator<Item = (&'a Path, u64, usize)>,
    ) -> io::Result<Self> {
        let order = |(path, at, most): (&Path, u64, usize)| {
            Ok(Order { path: CString::new(path.as_os_str().as_bytes())?, at, most })
        };
        let orders: Vec<Order> = pieces.map(order).collect::<io::Result<_>>()?;
        let most = orders.iter().map(|order| order.most).max().unwrap_or_default();
        let mut room = vec![0; HEAD + most];
        let (answers, say) = pipe_with(PipeFlags::CLOEXEC)?;
        let pid = fork(|| {
            close_all_but(&say);
            for order in &orders {
                if tell(&say, order, &mut room).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { pid, answers: BufReader::new(answers.into()) })
    }

    /// The next answer. `None`: it sleeps over it, or has ended.
    pub(super) fn next(&mut self) -> Option<io::Result<Vec<u8>>> {
        let head = self.hear(HEAD)?;
        let word = |at: usize| Some(i32::from_ne_bytes(head.get(at..at + 4)?.try_into().ok()?));
        let (error, length) = (word(0)?, usize::try_from(word(4)?).ok()?);
        if error != 0 {
            return Some(Err(io::Error::from_raw_os_error(error)));
        }
        self.hear(length).map(Ok)
    }

    fn hear(&mut self, length: usize) -> Option<Vec<u8>> {
        let mut heard = vec![0; length];
        let mut done = 0;
        while done < length {
            if self.answers.buffer().is_empty() && !self.speaks() {
                return None;
            }
            match self.answers.read(&mut heard[done..]) {
                Ok(0) => return None,
                Ok(more) => done += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        Some(heard)
    }

    /// Waits until it says something or ends; `false`: it sleeps.
    fn speaks(&self) -> bool {
        let mut naps = 0;
        loop {
            if self.has_spoken(GLANCE) {
                return true;
            }
            if naps == NAPS {
                return false;
            }
            naps = if self.runs() { 0 } else { naps + 1 };
        }
    }

    fn has_spoken(&self, wait: Duration) -> bool {
        let limit = Timespec::try_from(wait).ok();
        let mut fds = [PollFd::new(self.answers.get_ref(), PollFlags::IN)];
        // A signal cuts it short, which is no harm.
        poll(&mut fds, limit.as_ref()).is_ok_and(|ready| ready > 0)
    }

    fn runs(&self) -> bool {
        let stat = read_record(Path::new(&format!("/proc/{}/stat", self.pid)));
        stat.and_then(|text| parse_stat(&text)).is_ok_and(|stat| stat.state == Some(State::Running))
    }

    /// Ends it, if anything can.
    pub(super) fn kill(&self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.pid) {
            // It is our child, and nobody else has its number before we have waited for it.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }

    /// Whether it has ended; then its number is given back.
    pub(super) fn has_ended(&self) -> bool {
        wait(self.pid, libc::WNOHANG) != 0
    }

    /// Waits for its end: it has answered all.
    pub(super) fn end(self) {
        let is_cut_short = || io::Error::last_os_error().kind() == io::ErrorKind::Interrupted;
        while wait(self.pid, 0) == -1 && is_cut_short() {}
    }
}

#[expect(unsafe_code, reason = "no wrapper waits for children that announce themselves to nobody")]
fn wait(pid: Pid, flags: i32) -> Pid {
    // SAFETY: a null pointer asks for no status.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), flags | libc::__WALL) }
}

/// Has a process of ours do something that allocates nothing. Its end is announced to nobody: who uses
/// this library may wait for children of his own.
#[expect(unsafe_code, reason = "no wrapper exists for clone(2)")]
fn fork(work: impl FnOnce()) -> io::Result<Pid> {
    /// Whatever happens, what the other process was about to do is not done twice.
    struct Leaves;
    impl Drop for Leaves {
        fn drop(&mut self) {
            // SAFETY: ends the process, and runs nothing of the other one's.
            unsafe { libc::_exit(0) }
        }
    }
    // SAFETY: sets of signals that live during the calls. They are held back while there are two, so
    // that no handler of this process runs in the other one.
    let (before, pid) = unsafe {
        let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        // As fork(2); what runs in the other process makes system calls only, since its only thread may
        // have inherited locks that nobody gives back.
        (before, libc::syscall(libc::SYS_clone, 0_usize, 0_usize, 0_usize, 0_usize, 0_usize))
    };
    if pid == 0 {
        let _leaves = Leaves;
        work();
        return Err(io::ErrorKind::Other.into());
    }
    let error = io::Error::last_os_error();
    // SAFETY: the set that was in force before.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut()) };
    if pid < 0 { Err(error) } else { Pid::try_from(pid).map_err(io::Error::other) }
}

/// What this process holds is not to outlive the other one: locks, and the ends of pipes.
#[expect(unsafe_code, reason = "no wrapper exists for close_range(2)")]
fn close_all_but(kept: &OwnedFd) {
    /// Before Linux 5.9: more than that are seldom open.
    const MANY: i32 = 4096;
    let kept = kept.as_raw_fd();
    // SAFETY: of this process nothing uses them any more.
    unsafe {
        let below = kept == 0 || libc::syscall(libc::SYS_close_range, 0, kept - 1, 0) == 0;
        let above = libc::syscall(libc::SYS_close_range, kept + 1, libc::c_uint::MAX, 0) == 0;
        if !below || !above {
            for fd in (0..MANY).filter(|fd| *fd != kept) {
                libc::close(fd);
            }
        }
    }
}

/// Says in one go what was read; there is room for the head and for all that is asked for.
fn tell(say: &OwnedFd, order: &Order, room: &mut [u8]) -> Result<(), Errno> {
    let Some((head, body)) = room.split_at_mut_checked(HEAD) else { return Err(Errno::INVAL) };
    let (error, length) = match read(order, body) {
        Ok(length) => (0, length),
        Err(error) => (error.raw_os_error(), 0),
    };
    let (first, second) = head.split_at_mut(HEAD / 2);
    first.copy_from_slice(&error.to_ne_bytes());
    second.copy_from_slice(&(length as u32).to_ne_bytes());
    write(say, room.get(..HEAD + length).unwrap_or_default())
}

/// How much could be read: what comes before an error counts.
fn read(order: &Order, room: &mut [u8]) -> Result<usize, Errno> {
    let file = openat(CWD, &*order.path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut length = 0;
    while let Some(rest) = room.get_mut(length..order.most).filter(|rest| !rest.is_empty()) {
        match rustix::io::pread(&file, rest, order.at.saturating_add(length as u64)) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(Errno::INTR) => {}
            Err(error) if length == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(length)
}

fn write(say: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(say, bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
