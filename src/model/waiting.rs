//! What a process waits for, and how far it has come: what tells at work from idle, and idle from
//! unable to go on.

use std::time::Duration;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use super::{Pid, State};

/// The kind of thing that a thread waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Something to read from a pipe.
    Pipe,
    /// Room in a pipe.
    FullPipe,
    /// Something to read from a socket.
    Socket,
    /// Room in a socket: its other end does not read.
    FullSocket,
    /// That somebody connects.
    Connection,
    /// Something that is typed.
    Terminal,
    /// What a program writes to its terminal: the screen's side of it.
    Screen,
    /// That a child ends or stops.
    Child,
    /// That a child executes a program or ends, since until then the two share their memory.
    Vfork,
    /// That another process ends.
    Process,
    /// Another thread, of the same process unless the memory is shared.
    Thread,
    /// A lock: the queues tell more.
    Lock,
    /// That time passes.
    Timer,
    /// A signal.
    Signal,
    /// That files change.
    Changes,
    /// That another thread or process calls (eventfd and the like).
    Call,
    /// The answer of a file system.
    FileSystem,
    /// The requests of those who use a file system that it serves.
    Requests,
    /// Something else that it has open.
    File,
}

/// One process that can end a wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Peer {
    /// Its number.
    pub pid: Pid,
    /// Its command name; make it harmless to print.
    pub command: Option<String>,
    /// What it is doing.
    pub state: Option<State>,
}

/// Where a file system is mounted, and what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mounted {
    /// Its kind, such as `ext4`, `nfs4`, `fuse.sshfs`.
    pub filesystem: String,
    /// What is mounted: a device, `nas:/export`. Make it harmless to print.
    pub source: String,
    /// Where. Make it harmless to print.
    pub point: String,
}

/// One thing that would let a thread go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wake {
    /// Its kind.
    pub what: What,
    /// The descriptor through which it waits.
    pub fd: Option<i32>,
    /// The name of the terminal or file, or the address at the other end. Make it harmless to print.
    pub name: Option<String>,
    /// The file system, where it waits for one.
    pub mounted: Option<Mounted>,
    /// Those who can bring it about, as far as they were seen.
    pub by: Vec<Peer>,
    /// Whether nobody else can.
    pub by_all: bool,
}

impl Wake {
    /// A thing of which no more is known.
    #[must_use]
    pub fn of(what: What) -> Self {
        Self { what, fd: None, name: None, mounted: None, by: Vec::new(), by_all: false }
    }
}

/// What one thread waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wait {
    /// The thread.
    pub tid: Pid,
    /// Each of these lets it go on.
    pub any_of: Vec<Wake>,
    /// Whether all that would let it go on is in that list.
    pub complete: bool,
    /// Whether it goes on by itself after some time.
    pub timed: bool,
}

/// How far a process had come at one moment, since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When, as time since boot.
    pub at: Duration,
    /// The processor time of all its threads.
    pub cpu: Option<Duration>,
    /// The bytes that it has read, from whatever.
    pub read: Option<u64>,
    /// The bytes that it has written, to whatever.
    pub written: Option<u64>,
    /// How often one of its threads was given a CPU.
    pub runs: Option<u64>,
}

/// What a process has done between two moments. What may not be known is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// How far they are apart.
    pub over: Duration,
    /// The processor time that it used.
    pub cpu: Option<Duration>,
    /// The bytes that it read.
    pub read: Option<u64>,
    /// The bytes that it wrote.
    pub written: Option<u64>,
    /// How often one of its threads was given a CPU.
    pub runs: Option<u64>,
}

impl Sample {
    /// What has been done since an earlier moment; `None` where no time has passed.
    #[must_use]
    pub fn since(&self, before: &Self) -> Option<Progress> {
        let over = self.at.checked_sub(before.at).filter(|over| !over.is_zero())?;
        let more = |now: Option<u64>, then: Option<u64>| now?.checked_sub(then?);
        Some(Progress {
            over,
            cpu: self.cpu.zip(before.cpu).and_then(|(now, then)| now.checked_sub(then)),
            read: more(self.read, before.read),
            written: more(self.written, before.written),
            runs: more(self.runs, before.runs),
        })
    }
}

impl Progress {
    /// The share of one CPU that it used; above 1 with several threads.
    #[must_use]
    pub fn cpu_share(&self) -> Option<f64> {
        Some(self.cpu?.as_secs_f64() / self.over.as_secs_f64())
    }
}

impl Serialize for Progress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let seconds = |time: Duration| time.as_micros() as f64 / 1e6;
        let mut progress = serializer.serialize_struct("Progress", 5)?;
        progress.serialize_field("over_s", &seconds(self.over))?;
        progress.serialize_field("cpu_s", &self.cpu.map(seconds))?;
        progress.serialize_field("read_bytes", &self.read)?;
        progress.serialize_field("written_bytes", &self.written)?;
        progress.serialize_field("runs", &self.runs)?;
        progress.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: u64, cpu: u64, written: Option<u64>) -> Sample {
        let seconds = Duration::from_secs;
        Sample { at: seconds(at), cpu: Some(seconds(cpu)), read: Some(7), written, runs: Some(1) }
    }

    #[test]
    fn progress_is_what_lies_between() {
        let progress = sample(14, 3, Some(90)).since(&sample(10, 2, Some(20))).unwrap();
        assert_eq!(progress.over, Duration::from_secs(4));
        assert_eq!((progress.read, progress.written, progress.runs), (Some(0), Some(70), Some(0)));
        assert!((progress.cpu_share().unwrap() - 0.25).abs() < 1e-9);
        let json = serde_json::to_string(&progress).unwrap();
        assert_eq!(
            json,
            r#"{"over_s":4.0,"cpu_s":1.0,"read_bytes":0,"written_bytes":70,"runs":0}"#
        );
    }

    #[test]
    fn what_is_not_known_or_runs_backwards_is_none() {
        assert_eq!(sample(10, 2, None).since(&sample(10, 2, None)), None);
        let odd = sample(14, 1, None).since(&sample(10, 2, Some(20))).unwrap();
        assert_eq!((odd.cpu, odd.written), (None, None));
    }
}
