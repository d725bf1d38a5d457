//! Records out of the bytes that the kernel wrote, by the formats of its tracepoints.

use std::time::Duration;

use super::format::{Field, Format};
use super::record::{Answer, Asked, Record, What};
use crate::model::{Device, FileId, Mechanism, Mode, Pid, Range};

/// A tracepoint that can be of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    Flock,
    Record,
    BreakBegins,
    BreakEnds,
    Lease,
    Fork,
}

impl Point {
    /// All of those that tell of locks: their names, and whether nothing can be told without them.
    /// (`locks_remove_posix` says what `posix_lock_inode` has just said.)
    pub(super) const OF_LOCKS: [(&'static str, Self, bool); 6] = [
        ("flock_lock_inode", Self::Flock, true),
        ("posix_lock_inode", Self::Record, true),
        ("break_lease_block", Self::BreakBegins, false),
        ("break_lease_unblock", Self::BreakEnds, false),
        ("generic_add_lease", Self::Lease, false),
        ("generic_delete_lease", Self::Lease, false),
    ];
}

/// Where the bytes of a tracepoint's events have what matters.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) id: u64,
    tid: Field,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    Lock(Box<LockBody>),
    Lease { point: Point, file: FileBody },
    Fork { parent: Field, child: Field },
}

#[derive(Debug, Clone, Copy)]
struct FileBody {
    device: Field,
    inode: Field,
}

#[derive(Debug, Clone)]
struct LockBody {
    mechanism: Mechanism,
    file: FileBody,
    owner: Field,
    /// Before Linux 4.20 nothing said so.
    pid: Option<Field>,
    flags: Field,
    kind: Field,
    start: Field,
    end: Field,
    answer: Field,
    symbols: Symbols,
}

/// What numbers mean, as the kernel prints them.
#[derive(Debug, Clone, Copy)]
struct Symbols {
    access: i64,
    ofd: i64,
    shared: i64,
    unlock: i64,
}

impl Symbols {
    fn of(format: &Format) -> Self {
        let symbol = |word, else_| format.symbol(word).unwrap_or(else_);
        Self {
            access: symbol("FL_ACCESS", 8),
            ofd: symbol("FL_OFDLCK", 1024),
            shared: symbol("F_RDLCK", 0),
            unlock: symbol("F_UNLCK", 2),
        }
    }
}

impl Layout {
    /// # Errors
    /// With the name of the field that is missing.
    pub(super) fn of(point: Point, format: &Format) -> Result<Self, &'static str> {
        let file = || -> Result<_, &'static str> {
            Ok(FileBody { device: format.field(&["s_dev"])?, inode: format.field(&["i_ino"])? })
        };
        let body = match point {
            Point::Flock | Point::Record => Body::Lock(Box::new(LockBody {
                mechanism: match point {
                    Point::Flock => Mechanism::Flock,
                    _ => Mechanism::Posix,
                },
                file: file()?,
                owner: format.field(&["owner", "fl_owner"])?,
                pid: format.field(&["pid", "fl_pid"]).ok(),
                flags: format.field(&["flags", "fl_flags"])?,
                kind: format.field(&["type", "fl_type"])?,
                start: format.field(&["fl_start"])?,
                end: format.field(&["fl_end"])?,
                answer: format.field(&["ret"])?,
                symbols: Symbols::of(format),
            })),
            Point::BreakBegins | Point::BreakEnds | Point::Lease => {
                Body::Lease { point, file: file()? }
            }
            Point::Fork => Body::Fork {
                parent: format.field(&["parent_pid"])?,
                child: format.field(&["child_pid"])?,
            },
        };
        Ok(Self { id: format.id, tid: format.field(&["common_pid"])?, body })
    }

    /// Whether it is the one of [`What::Fork`].
    pub(super) fn is_of_forks(&self) -> bool {
        matches!(self.body, Body::Fork { .. })
    }

    /// The record of an event of this tracepoint; `None` where it is too short, or says nothing of who
    /// has locks.
    pub(super) fn read(&self, at: Duration, event: &[u8]) -> Option<Record> {
        let tid = Pid::try_from(self.tid.read(event)?).ok()?;
        let (tid, what) = match &self.body {
            Body::Lock(body) => (tid, What::Lock(body.read(event)?)),
            Body::Lease { point, file } => {
                let file = file.read(event)?;
                let what = match point {
                    Point::BreakBegins => What::BreakBegins(file),
                    Point::BreakEnds => What::BreakEnds(file),
                    _ => What::Lease(file),
                };
                (tid, what)
            }
            Body::Fork { parent, child } => {
                let pid = |field: &Field| Pid::try_from(field.read(event)?).ok();
                (pid(parent)?, What::Fork { child: pid(child)? })
            }
        };
        Some(Record { at, tid, what })
    }
}

impl FileBody {
    fn read(self, event: &[u8]) -> Option<FileId> {
        let device = self.device.read_unsigned(event)? as u32;
        // As inside the kernel, not as in `stat`.
        let device = Device { major: device >> 20, minor: device & ((1 << 20) - 1) };
        Some(FileId { device, inode: self.inode.read_unsigned(event)? })
    }
}

impl LockBody {
    fn read(&self, event: &[u8]) -> Option<Asked> {
        const EAGAIN: i64 = -11;
        let flags = self.flags.read(event)?;
        if flags & self.symbols.access != 0 {
            // Only looks whether it could.
            return None;
        }
        let kind = self.kind.read(event)?;
        let pid = self.pid.and_then(|pid| pid.read(event)).map(|pid| pid as i32);
        let start = self.start.read_unsigned(event)?;
        let end = self.end.read_unsigned(event)?;
        let is_ofd = self.mechanism == Mechanism::Posix && flags & self.symbols.ofd != 0;
        Some(Asked {
            file: self.file.read(event)?,
            owner: self.owner.read_unsigned(event)?,
            pid: pid.filter(|pid| *pid > 0),
            mechanism: if is_ofd { Mechanism::Ofd } else { self.mechanism },
            mode: if kind == self.symbols.unlock {
                None
            } else if kind == self.symbols.shared {
                Some(Mode::Shared)
            } else {
                Some(Mode::Exclusive)
            },
            range: Range { start, end: Some(end).filter(|end| *end < i64::MAX as u64) },
            answer: match self.answer.read(event)? {
                0 => Answer::Yes,
                1 => Answer::Wait,
                EAGAIN => Answer::No,
                _ => Answer::Error,
            },
        })
    }
}
