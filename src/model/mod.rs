//! The words of the field as types: locks, holders, waiters, spans, verdicts.
//!
//! Nothing here asks the operating system, and nothing here knows a terminal.

mod chain;
mod details;
mod event;
mod facts;
mod file;
mod form;
mod harmless;
mod identity;
mod lock;
mod mechanism;
mod method;
mod on_disk;
mod parties;
mod process;
mod reason;
mod snapshot;
mod span;
mod target;
mod tracing;
mod verdict;
mod waiting;
mod words;

pub use chain::Behind;
pub use details::{Detail, Details};
pub use event::{Event, EventKind};
pub use facts::{
    AwaitedEnd, Declared, Elsewhere, Facts, Grant, Kept, LockFacts, Look, Naming, Request, Sharer,
    Taker,
};
pub use file::{Device, FileId, PathBytes, Range};
pub use form::Form;
pub use harmless::{harmless, harmless_bytes};
pub use identity::{AsSeen, LockId};
pub use lock::{Lease, Lock};
pub use mechanism::{Mechanism, Mode};
pub use method::Method;
pub(crate) use method::is_halted;
pub use on_disk::{Content, Excerpt, OnDisk, Owner};
pub use parties::{Blocker, Certainty, Holder, How, Record, Waiter};
pub use process::{Parent, Pid, Process, ProcessId, State};
pub use reason::{Clause, Reason};
pub use snapshot::{Deadlock, Host, Member, Moment, Note, Snapshot};
pub use span::{Evidence, Span};
pub use target::{FAMILIES, SCHEMES, Target, TargetError};
pub use tracing::Tracing;
pub use verdict::Verdict;
pub use waiting::{Mounted, Peer, Progress, Sample, Wait, Wake, What};
pub use words::short;
