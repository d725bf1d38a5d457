//! What was seen, before anything is judged: looks, and the facts that the ledger makes of them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{
    AsSeen, Certainty, Details, FileId, Host, How, LockId, Mechanism, Mode, Moment, Note, OnDisk,
    PathBytes, Pid, Process, Range, Span,
};

/// What one source said at one time, and what it could not see.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// When everything had been read: what lasts may have lasted until now.
    pub at: Moment,
    /// How long it took.
    pub cost: Duration,
    /// Whether the source could see everything that it is responsible for.
    pub complete: bool,
    /// Whether a lock that is not in this look was certainly not held: the table came in one piece.
    pub absence_is_proof: bool,
    /// What a reader has to know.
    pub notes: Vec<Note>,
    /// The locks that it saw, and says something new of.
    pub locks: Vec<LockFacts>,
    /// Those of which all still holds that the last look said.
    pub kept: Vec<Kept>,
    /// The processes that matter for them, and what is known of each.
    pub processes: BTreeMap<Pid, Arc<Process>>,
    /// Who says of itself that it waits.
    pub declared: Vec<Declared>,
}

/// What a process says that it waits for, since no queue of the kernel shows it: that nothing lies at
/// a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The process.
    pub pid: Pid,
    /// As whom it says so.
    pub uid: u32,
    /// What kind of lock that is to it.
    pub family: String,
    /// The folder.
    pub folder: FileId,
    /// The path, as that process sees it.
    pub path: PathBytes,
    /// Since when.
    pub since: Option<Timestamp>,
}

/// A lock of which all still holds that the last look said, but that it is older.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Which.
    pub id: LockId,
    /// As [`Grant::place`].
    pub place: usize,
}

/// All looks joined, with what was remembered: what diagnosis works on.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The machine.
    pub host: Host,
    /// When it was looked at.
    pub at: Moment,
    /// How long looking took.
    pub cost: Duration,
    /// Whether everything could be seen.
    pub complete: bool,
    /// Whether what was seen of locks and requests was all so at one moment.
    pub at_once: bool,
    /// What a reader has to know.
    pub notes: Vec<Note>,
    /// The locks.
    pub locks: Vec<LockFacts>,
    /// Those of them that were certainly released and retaken since the look before.
    pub retaken: Vec<LockId>,
    /// The processes that matter for them.
    pub processes: BTreeMap<Pid, Arc<Process>>,
    /// Processes that can do nothing until a child of theirs ends.
    pub awaited: BTreeMap<Pid, AwaitedEnd>,
}

/// The child for whose end a process waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AwaitedEnd {
    /// The child.
    pub child: Pid,
    /// Whether the process seems to have set itself a time limit.
    pub timed: bool,
}

/// One lock, unjudged.
#[derive(Debug, Clone, PartialEq)]
pub struct LockFacts {
    /// Its name for programs.
    pub id: LockId,
    /// Fingerprint of its holders.
    pub as_seen: AsSeen,
    /// What kind of lock it is to people.
    pub family: Cow<'static, str>,
    /// What makes it exclusive.
    pub mechanism: Mechanism,
    /// Its name for people.
    pub name: Option<Arc<str>>,
    /// Long by design.
    pub normal: bool,
    /// The file as `stat` numbers it, where that is known; else as the lock table does.
    pub file: Option<FileId>,
    /// The file as the kernel's lock table numbers it.
    pub table_file: Option<FileId>,
    /// Where the file is; if it has no name any more, its last.
    pub path: Option<PathBytes>,
    /// What that path names by now.
    pub naming: Naming,
    /// The locked bytes.
    pub range: Range,
    /// Those who have it. At least one.
    pub grants: Vec<Grant>,
    /// Those who want it, in the order of the queue.
    pub requests: Vec<Request>,
    /// Whether the queue was too long to be read to its end.
    pub queue_cut: bool,
    /// For how long it has been held.
    pub age: Span,
    /// What it consists of, where it is a lock by existing.
    pub on_disk: Option<Arc<OnDisk>>,
    /// Where it is proven that nothing alive keeps it: how, a sentence without its full stop.
    pub abandoned: Option<String>,
    /// What only this family has.
    pub details: Details,
}

impl LockFacts {
    /// How it is held: exclusively, unless all grants share it.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.grants.iter().map(|grant| grant.mode).max().unwrap_or(Mode::Exclusive)
    }
}

/// What the path of a locked file names by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Naming {
    /// The locked file.
    Same,
    /// Another file: the locked one was replaced.
    Another,
    /// Nothing: the locked file was removed.
    Nothing,
    /// Cannot be told, and why: a sentence without its full stop.
    Unknown(String),
}

/// One open file (for POSIX locks: one process) that has a lock.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// Its number within the lock, from 1.
    pub number: u32,
    /// How it has it.
    pub mode: Mode,
    /// Where its record stands in the lock table, from 0: newer records of a CPU stand first.
    pub place: usize,
    /// Whom the kernel names. `None` for open-file-description locks and owners that are not local.
    pub recorded_pid: Option<Pid>,
    /// What became of the process that the kernel names.
    pub taker: Taker,
    /// The processes that keep it: pid, descriptors, certainty.
    pub sharers: Vec<Sharer>,
    /// Who has it on another machine.
    pub elsewhere: Option<Elsewhere>,
    /// Why there is no sharer, or what is odd about them: a sentence without its full stop.
    pub remark: Option<String>,
}

/// A process on another machine, as a lock names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// The machine.
    pub host: Arc<str>,
    /// Its number there.
    pub pid: Option<Pid>,
    /// Its user there.
    pub user: Option<Arc<str>>,
}

/// A process that keeps a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sharer {
    /// The process; [`Facts::processes`] has more.
    pub pid: Pid,
    /// Its descriptors of the locked file.
    pub fds: Vec<i32>,
    /// How sure it is.
    pub certainty: Certainty,
    /// Whether it shows that it keeps the lock for somebody else, as an
    /// [`Escrow`](crate::release::Escrow) does.
    pub is_escrow: bool,
}

/// What became of the process that the kernel recorded as the taker of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taker {
    /// Nobody local is recorded.
    Unrecorded,
    /// No process of that number is alive.
    Gone,
    /// It lives and keeps the lock.
    Holds,
    /// A process of that number lives but does not keep the lock: it handed the lock over, or it is
    /// a stranger that got the number later.
    HoldsNot,
    /// A process of that number lives, and its descriptors may not be read from here.
    Unreadable,
}

/// One thread's request for a lock.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Who asks; unknown where the kernel names nobody whom we can see.
    pub pid: Option<Pid>,
    /// The thread that waits.
    pub tid: Option<Pid>,
    /// Whether pid and tid were inferred rather than told.
    pub inferred: bool,
    /// Whether its process seems to have set itself a time limit, which can end the wait.
    pub timed: bool,
    /// Place in the queue, from 1.
    pub position: Option<u32>,
    /// How deep it stands in the queue's tree, from 1.
    pub depth: u32,
    /// What kind of lock it asks for: a POSIX request can queue behind an OFD lock.
    pub mechanism: Mechanism,
    /// The descriptor through which it asks, where the system call tells.
    pub fd: Option<i32>,
    /// What it wants.
    pub mode: Mode,
    /// The bytes it wants.
    pub range: Range,
    /// How long it has waited.
    pub waited: Span,
    /// How long ago its thread last ran.
    pub last_ran: Option<Duration>,
    /// How many who share the lock were seen to come since this request for having it alone waits.
    pub passed_by: u32,
    /// How it waits.
    pub how: How,
    /// Whether its process says of itself that it waits until it gets this.
    pub declared: bool,
    /// Where it polls: how often it has tried,
    pub tries: Option<u64>,
    /// and the mean time from one try to the next.
    pub pause: Option<Duration>,
}
