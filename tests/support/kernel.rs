//! What the kernel says, read as directly as possible: to know that a scene is set.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// How long a condition may take to come true on a busy machine, where looks are slow and so rare.
const DEADLINE: Duration = Duration::from_mins(5);

/// Waits for a condition, and returns what it found.
#[track_caller]
pub fn wait_until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "waited in vain until {what}");
        sleep(Duration::from_millis(3));
    }
}

/// A line of `/proc/locks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// `FLOCK`, `POSIX`, `OFDLCK`, `LEASE`.
    pub kind: String,
    /// `READ`, `WRITE`.
    pub mode: String,
    /// Whom the kernel names.
    pub pid: i32,
    /// Whether it is a request.
    pub waits: bool,
}

/// The records of the file that `path` names now, by its inode number.
///
/// The kernel lets others lock and unlock between one piece of its table and the next, so that a line
/// can be left out or come twice: then two readings have to agree.
#[track_caller]
pub fn records(path: &Path) -> Vec<Record> {
    let Ok(found) = fs::symlink_metadata(path) else { return Vec::new() };
    let inode = format!(":{}", found.ino());
    let mut before = None;
    wait_until("the lock table stands still", || {
        let (table, at_once) = lock_table().expect("/proc/locks can be read");
        let now = Some(table.lines().filter_map(|line| record(line, &inode)).collect());
        let is_so = at_once || before == now;
        before = now;
        before.clone().filter(|_| is_so)
    })
}

/// The text of the lock table, and whether it came in one piece.
fn lock_table() -> io::Result<(String, bool)> {
    let mut file = File::open("/proc/locks")?;
    let (mut text, mut piece, mut pieces) = (Vec::new(), vec![0; 1 << 16], 0);
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 {
            return Ok((String::from_utf8_lossy(&text).into_owned(), pieces <= 1));
        }
        text.extend_from_slice(&piece[..length]);
        pieces += 1;
    }
}

fn record(line: &str, inode: &str) -> Option<Record> {
    let mut words = line.split_whitespace().skip(1).peekable();
    let waits = words.next_if_eq(&"->").is_some();
    let [kind, _, mode, pid, file] = [(); 5].map(|()| words.next().unwrap_or_default());
    file.ends_with(inode).then(|| Record {
        kind: kind.into(),
        mode: mode.into(),
        pid: pid.parse().unwrap_or(0),
        waits,
    })
}

/// The threads of a process that sleep in the kernel's queue for a lock.
pub fn blocked_threads(pid: i32) -> Vec<i32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    tasks
        .filter_map(|task| {
            let task = task.ok()?;
            let place = fs::read_to_string(task.path().join("wchan")).ok()?;
            let blocked = place.contains("lock_inode_wait")
                || place.contains("fcntl_setlk")
                || place.contains("__break_lease");
            if blocked { task.file_name().to_str()?.parse().ok() } else { None }
        })
        .collect()
}

/// The state letter of a process, `None` when it is gone.
pub fn state(pid: i32) -> Option<char> {
    state_in(Path::new(&format!("/proc/{pid}")))
}

/// Whether all threads of a process are stopped: the signal reaches one after the other.
pub fn is_stopped(pid: i32) -> bool {
    let Ok(mut tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    tasks.all(|task| task.is_ok_and(|task| state_in(&task.path()) == Some('T')))
}

fn state_in(folder: &Path) -> Option<char> {
    let stat = fs::read(folder.join("stat")).ok()?;
    let behind_name = stat.iter().rposition(|byte| *byte == b')')? + 2;
    stat.get(behind_name).map(|byte| char::from(*byte))
}

/// A handle of a process, `None` when it is gone. Its number can be given out again meanwhile.
pub fn handle_of(pid: i32) -> Option<OwnedFd> {
    let number = Pid::from_raw(pid).expect("a pid is positive");
    pidfd_open(number, PidfdFlags::empty()).ok()
}

/// Whether a process has ended and been waited for.
pub fn has_gone(process: &OwnedFd) -> bool {
    let told = fs::read_to_string(format!("/proc/self/fdinfo/{}", process.as_raw_fd()));
    told.expect("a handle can be read").lines().any(|line| line == "Pid:\t-1")
}
