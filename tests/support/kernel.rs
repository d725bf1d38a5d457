//! What the kernel says, read as directly as possible: to know that a scene is set.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

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
pub fn records(path: &Path) -> Vec<Record> {
    let Ok(found) = fs::symlink_metadata(path) else { return Vec::new() };
    let inode = format!(":{}", found.ino());
    let table = fs::read_to_string("/proc/locks").expect("/proc/locks can be read");
    table.lines().filter_map(|line| record(line, &inode)).collect()
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
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let behind_name = stat.iter().rposition(|byte| *byte == b')')? + 2;
    stat.get(behind_name).map(|byte| char::from(*byte))
}
