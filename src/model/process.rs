//! What is known of a process.

use std::ffi::OsString;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::{Moment, PathBytes, Peer, Progress, Wait, harmless};

/// A process number as the kernel gives it out; numbers are reused, see [`ProcessId`].
pub type Pid = i32;

/// A process that no other can be mistaken for: its number and its start, in clock ticks since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId {
    /// The number.
    pub pid: Pid,
    /// Field 22 of `/proc/PID/stat`.
    pub start: u64,
}

/// What a process is doing, by the scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// On a CPU, or waiting for one.
    Running,
    /// Waiting for something, can be interrupted.
    Sleeping,
    /// Waiting for a device or file system; no signal reaches it.
    Uninterruptible,
    /// Stopped by a signal.
    Stopped,
    /// Stopped by a debugger.
    Traced,
    /// Its control group is frozen.
    Frozen,
    /// Ended, its parent has not noticed yet.
    Zombie,
    /// Being removed.
    Dead,
    /// A kernel thread with nothing to do.
    Idle,
}

impl State {
    /// The word as in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Sleeping => "sleeping",
            Self::Uninterruptible => "uninterruptible",
            Self::Stopped => "stopped",
            Self::Traced => "traced",
            Self::Frozen => "frozen",
            Self::Zombie => "zombie",
            Self::Dead => "dead",
            Self::Idle => "idle",
        }
    }
}

/// The parent of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parent {
    /// Its number.
    pub pid: Pid,
    /// Its command name.
    pub command: Option<String>,
}

/// What is known of a process at one look. Every field can be unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Process {
    /// Its number in our pid namespace.
    pub pid: Option<Pid>,
    /// When it started; to 10 ms.
    pub started_at: Option<Timestamp>,
    /// Its command name (at most 15 bytes on Linux), as it calls itself: make it harmless to print.
    pub command: Option<String>,
    /// Its command line.
    #[serde(serialize_with = "lossy")]
    pub cmdline: Option<Vec<OsString>>,
    /// The name of its effective user.
    pub user: Option<String>,
    /// The number of its effective user.
    pub uid: Option<u32>,
    /// Who logged in, even where the process runs as somebody else by now (`loginuid`).
    pub login_user: Option<String>,
    /// What it is doing.
    pub state: Option<State>,
    /// The kernel function in which its first thread sleeps.
    pub wchan: Option<String>,
    /// Its working folder.
    pub cwd: Option<PathBytes>,
    /// Its controlling terminal, such as `pts/3`.
    pub tty: Option<String>,
    /// Its parent.
    pub parent: Option<Parent>,
    /// Its systemd unit, such as `cron.service`, from its control group.
    pub unit: Option<String>,
    /// The container that it runs in, from its control group.
    pub container: Option<String>,
    /// Who stopped it, where that is a debugger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracer: Option<Peer>,
    /// Its number in the pid namespace that it is in, where that is another than ours; known only of
    /// those whom others wait for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inner_pid: Option<Pid>,
    /// What its threads wait for; known only where it was asked, since that is expensive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<Vec<Wait>>,
    /// What it has done between the last two looks; known only of those whom others wait for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,

    /// Field 22 of `/proc/PID/stat`: with `pid` it makes the [`ProcessId`].
    #[serde(skip)]
    pub start: Option<u64>,
    /// How many threads it has.
    #[serde(skip)]
    pub threads: Option<u32>,
    /// When the last of its threads ran, as time since boot; a process that is sleeping or stopped
    /// has done nothing since.
    #[serde(skip)]
    pub ran_at: Option<Duration>,
    /// Its process group.
    #[serde(skip)]
    pub group: Option<Pid>,
    /// Whether the leader of its process group is alive.
    #[serde(skip)]
    pub group_leader_alive: Option<bool>,
    /// Whether it is a thread of the kernel, such as the NFS server.
    #[serde(skip)]
    pub kernel_thread: bool,
}

impl Process {
    /// The process with its start, if both are known.
    #[must_use]
    pub fn id(&self) -> Option<ProcessId> {
        Some(ProcessId { pid: self.pid?, start: self.start? })
    }

    /// What to call it in a sentence: `rsync (pid 3244)`. Harmless to print.
    #[must_use]
    pub fn label(&self) -> String {
        match (&self.command, self.pid) {
            (Some(command), Some(pid)) => format!("{} (pid {pid})", harmless(command)),
            (Some(command), None) => harmless(command).into_owned(),
            (None, Some(pid)) => format!("pid {pid}"),
            (None, None) => "somebody who could not be seen".into(),
        }
    }

    /// For how long none of its threads has run, at that moment.
    #[must_use]
    pub fn idle(&self, at: Moment) -> Option<Duration> {
        Some(at.uptime.saturating_sub(self.ran_at?))
    }
}

#[expect(clippy::ref_option, reason = "serde hands over the field")]
fn lossy<S: Serializer>(args: &Option<Vec<OsString>>, serializer: S) -> Result<S::Ok, S::Error> {
    match args {
        None => serializer.serialize_none(),
        Some(args) => serializer.collect_seq(args.iter().map(|arg| arg.to_string_lossy())),
    }
}
