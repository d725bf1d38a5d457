//! Everything that was seen and judged at one moment: the one value that tables, JSON,
//! explanations and the dashboard print.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::{Lock, LockId, Pid, Verdict};

/// A moment by two clocks: for people, and for differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Wall clock.
    pub wall: Timestamp,
    /// Time since boot, suspended time included.
    pub uptime: Duration,
}

/// The machine that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub name: Arc<str>,
    /// Identifies this run of the kernel.
    pub boot_id: Option<Arc<str>>,
}

/// Something a reader has to know to judge a look, such as what it was blind to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Note {
    /// Fixed word for programs.
    pub code: &'static str,
    /// A sentence for people; harmless to print.
    pub text: String,
    /// What would change it, if anything would.
    pub would_help: Option<String>,
}

/// Somebody in a circle of waiting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Who.
    pub pid: Pid,
    /// What it keeps from the one before.
    pub holds: LockId,
    /// What it wants from the next one.
    pub wants: LockId,
    /// Who asks for that, where it is another: a descendant for whose end it waits.
    pub through: Option<Pid>,
    /// Those whose end lets go of what it holds: all who share that, but for those who only wait for
    /// the end of these.
    #[serde(skip)]
    pub keepers: Vec<Pid>,
}

impl Member {
    /// The process that asks for what it wants: itself, or a descendant.
    #[must_use]
    pub fn waits(&self) -> Pid {
        self.through.unwrap_or(self.pid)
    }
}

/// A circle of processes that wait for each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deadlock {
    /// The locks in the circle.
    pub locks: Vec<LockId>,
    /// The processes, each waiting for the next.
    pub members: Vec<Member>,
    /// Whether nothing that we could not see, and no time limit, can open the circle.
    pub certain: bool,
}

/// One judged look at all locks.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The machine.
    pub host: Host,
    /// When it was looked at.
    pub at: Moment,
    /// How long looking took.
    pub cost: Duration,
    /// Whether everything could be seen.
    pub complete: bool,
    /// Whether what was seen was all so at one moment, so that a lock which is not here was not held.
    pub at_once: bool,
    /// What a reader has to know.
    pub notes: Vec<Note>,
    /// The locks, those first that need a person most.
    pub locks: Vec<Lock>,
    /// Circles, each told once.
    pub deadlocks: Vec<Deadlock>,
    /// Processes that can do nothing until a child of theirs ends, with that child.
    pub awaited: BTreeMap<Pid, Pid>,
    /// Locks that were certainly released and retaken since the look before, by whomever.
    pub retaken: Vec<LockId>,
}

impl Snapshot {
    /// The version of the JSON document.
    pub const SCHEMA: u32 = 1;

    /// Waiting for longer than this needs a person, whatever the verdict.
    pub const LONG_WAIT: Duration = Duration::from_mins(10);

    /// The lock of that id.
    #[must_use]
    pub fn lock(&self, id: &LockId) -> Option<&Lock> {
        let exactly = self.locks.iter().find(|lock| lock.id == *id);
        exactly.or_else(|| self.locks.iter().find(|lock| lock.is_called(id)))
    }

    /// Who has to go on before a process can: its child, the child of that, and so on, while each can
    /// do nothing until the next ends; or the process itself.
    #[must_use]
    pub fn waits_as(&self, pid: Pid) -> Pid {
        let child = |pid: &Pid| self.awaited.get(pid).copied();
        // As the system never shows it, it could lead back.
        let line = std::iter::successors(child(&pid), child).take(self.awaited.len());
        line.last().unwrap_or(pid)
    }

    /// Whether a lock needs a person: by its verdict, or since somebody waits for too long.
    #[must_use]
    pub fn is_problem(lock: &Lock) -> bool {
        !lock.normal && lock.verdict.is_problem()
            || lock.longest_wait().is_some_and(|waited| waited.min > Self::LONG_WAIT)
    }

    /// How many locks have that verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.locks.iter().filter(|lock| lock.verdict == verdict).count()
    }

    /// Puts the locks in order: those first that somebody waits for, then the most serious verdict,
    /// then the longest wait; by id where all that is equal, so that the order is stable.
    pub fn sort(&mut self) {
        self.locks.sort_by(|a, b| {
            let wait = |lock: &Lock| lock.longest_wait().map(|span| span.min);
            (a.waiters.is_empty(), a.verdict)
                .cmp(&(b.waiters.is_empty(), b.verdict))
                .then_with(|| wait(b).cmp(&wait(a)))
                .then_with(|| a.id.cmp(&b.id))
        });
    }
}

impl Serialize for Snapshot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut document = serializer.serialize_struct("Snapshot", 8)?;
        document.serialize_field("schema", &Self::SCHEMA)?;
        document.serialize_field("host", &*self.host.name)?;
        document.serialize_field("boot_id", &self.host.boot_id.as_deref())?;
        document.serialize_field("looked_at", &self.at.wall)?;
        document.serialize_field("complete", &self.complete)?;
        document.serialize_field("notes", &self.notes)?;
        document.serialize_field("locks", &self.locks)?;
        document.serialize_field("deadlocks", &self.deadlocks)?;
        document.end()
    }
}
