//! A lock as it is shown: identity, holders, waiters, verdict. The JSON of `ls --json` is these
//! types.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::{
    Behind, Details, FileId, Grant, Method, OnDisk, PathBytes, Pid, Process, Range, Reason, Span,
};

/// What makes a lock exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mechanism {
    /// flock(2).
    Flock,
    /// fcntl(2) record locks that belong to a process.
    Posix,
    /// fcntl(2) record locks that belong to an open file description.
    Ofd,
    /// fcntl(2) leases, and the kernel's delegations for file servers.
    Lease,
    /// A file, folder or link that is the lock by existing.
    Exists,
    /// A lock server.
    Server,
}

impl Mechanism {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Flock, Self::Posix, Self::Ofd, Self::Lease, Self::Exists, Self::Server];

    /// The word as in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Flock => "flock",
            Self::Posix => "posix",
            Self::Ofd => "ofd",
            Self::Lease => "lease",
            Self::Exists => "exists",
            Self::Server => "server",
        }
    }

    /// Whether locks of the two kinds exclude each other on a local file system.
    #[must_use]
    pub fn conflicts_with(self, other: Self) -> bool {
        let record = |mechanism| matches!(mechanism, Self::Posix | Self::Ofd);
        self == other || record(self) && record(other)
    }
}

/// How a lock is held or wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// With others who share it.
    Shared,
    /// Alone.
    Exclusive,
}

impl Mode {
    /// Whether one who has it so keeps out one who wants it so.
    #[must_use]
    pub fn conflicts_with(self, other: Self) -> bool {
        self == Self::Exclusive || other == Self::Exclusive
    }

    /// The word as in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Exclusive => "exclusive",
        }
    }
}

/// The name of a lock for programs: family, file and range, such as `@flock:fe:00:10010699:~`.
///
/// Opaque but for the leading `@`. The same for every process that looks, for as long as the lock
/// is held; it says nothing of the mode or the holder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct LockId(Arc<str>);

impl LockId {
    /// The id of a range of a file.
    #[must_use]
    pub fn of_file(family: &str, file: FileId, range: Range) -> Self {
        Self(format!("@{family}:{file}:{range}").into())
    }

    /// An id as somebody typed it.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(text.into())
    }

    /// Whether it looks like an id of ours: whether it can ever have named a lock.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let mut parts = self.0.strip_prefix('@').unwrap_or_default().split(':');
        let family = parts.next().is_some_and(|family| !family.is_empty());
        let mut hex = || parts.next().is_some_and(|part| u32::from_str_radix(part, 16).is_ok());
        let device = hex() && hex();
        let inode = parts.next().is_some_and(|inode| inode.parse::<u64>().is_ok());
        let number = |text: &str| text.parse::<u64>().is_ok();
        let range = parts.next().is_some_and(|range| {
            range == "~"
                || range
                    .split_once('-')
                    .is_some_and(|(start, end)| number(start) && (end == "EOF" || number(end)))
        });
        family && device && inode && range && parts.next().is_none()
    }

    /// The kind of lock, and the bytes of which file.
    fn parts(&self) -> Option<(&str, &str)> {
        self.0.strip_prefix('@')?.split_once(':')
    }

    /// The word for what kind of lock it is.
    pub(crate) fn family(&self) -> &str {
        self.parts().map_or("", |(family, _)| family)
    }

    /// Whether it is of bytes of that file.
    pub(crate) fn is_in(&self, file: FileId) -> bool {
        let place = self.parts().and_then(|(_, place)| place.strip_prefix(&file.to_string()));
        place.is_some_and(|rest| rest.starts_with(':'))
    }

    /// Whether the two are of the same bytes of the same file, whatever kinds of lock they name.
    pub(crate) fn is_of_same(&self, other: &Self) -> bool {
        let place = |id: &Self| id.parts().map(|(_, place)| place.to_owned());
        place(self).is_some() && place(self) == place(other)
    }

    /// The text, with its `@`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A fingerprint of a lock's holders, eight hexadecimal digits; changes when they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AsSeen(u32);

impl AsSeen {
    /// The fingerprint of these words (FNV-1a, 32 bits), in this order.
    #[must_use]
    pub fn of(words: impl IntoIterator<Item = u64>) -> Self {
        let mut hash: u32 = 0x811c_9dc5;
        for byte in words.into_iter().flat_map(u64::to_le_bytes) {
            hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
        Self(hash)
    }
}

impl fmt::Display for AsSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl Serialize for AsSeen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How sure it is that a process holds a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// Only named by the kernel or the file, and could not be checked.
    Recorded,
    /// Inferred.
    Likely,
    /// Seen in its descriptors.
    Proven,
}

impl Certainty {
    /// The word as in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Likely => "likely",
            Self::Proven => "proven",
        }
    }
}

/// A process that keeps a lock.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Holder {
    /// The process.
    #[serde(flatten)]
    pub process: Arc<Process>,
    /// The host that it runs on.
    pub host: Option<Arc<str>>,
    /// How sure that is.
    pub certainty: Certainty,
    /// Holders of one lock with the same number share one open file: one unlock frees it for all.
    pub grant: u32,
    /// Its descriptors for the locked file.
    pub fds: Vec<i32>,
    /// What a server knows it by.
    pub token: Option<String>,
}

/// One open file (for POSIX locks: one process) that has a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Its number: those who keep it are the holders with that number.
    pub grant: u32,
    /// How it has the lock.
    pub mode: Mode,
    /// Whom the kernel or the file names as the one who took it.
    pub taken_by: Option<Pid>,
}

impl Record {
    /// What a grant is recorded as.
    pub(crate) fn of(grant: &Grant) -> Self {
        Self { grant: grant.number, mode: grant.mode, taken_by: grant.recorded_pid }
    }
}

/// How somebody waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// In the kernel's queue.
    Kernel,
    /// By trying again and again.
    Polling,
    /// In a server's queue.
    Engine,
}

/// What a waiter has to see gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Blocker {
    /// The lock.
    pub id: LockId,
    /// Who holds it; one entry for each holder, `null` where nobody is known.
    pub pid: Option<Pid>,
}

/// A process that wants a lock.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Waiter {
    /// The process; all unknown for somebody whom we cannot see.
    #[serde(flatten)]
    pub process: Arc<Process>,
    /// The host that it runs on.
    pub host: Option<Arc<str>>,
    /// Place in the queue, from 1.
    pub position: Option<u32>,
    /// The thread that waits.
    pub tid: Option<Pid>,
    /// What a server knows it by.
    pub token: Option<String>,
    /// What it wants.
    pub mode: Mode,
    /// The bytes it wants, for locks of files.
    pub range: Option<Range>,
    /// How long it has waited.
    pub waited: Span,
    /// How it waits.
    pub how: How,
    /// How often it has tried, where it polls.
    pub tries: Option<u64>,
    /// The mean time from one try to the next, where it polls.
    #[serde(skip)]
    pub pause: Option<Duration>,
    /// Everything that has to go first; one list for all who want the same.
    pub blocked_by: Arc<[Blocker]>,
    /// Whether nothing speaks against its waiting without end: it was told rather than inferred, and no
    /// time limit was seen.
    #[serde(skip)]
    pub endless: bool,
    /// How deep it stands in the queue's tree: 1 waits for the lock itself, 2 for a waiter of depth 1.
    #[serde(skip)]
    pub depth: u32,
    /// Where it stands in that tree, read from the top.
    #[serde(skip)]
    pub place: u32,
}

impl Waiter {
    /// How it tries, if it stands in no queue: `tries every 1.0s, 214 times so far`.
    #[must_use]
    pub fn trying(&self) -> Option<String> {
        if self.how != How::Polling {
            return None;
        }
        Some(match (self.pause, self.tries) {
            (Some(pause), Some(tries)) if pause < Duration::from_secs(1) => {
                format!("tries every {}ms, {tries} times so far", pause.as_millis())
            }
            (Some(pause), Some(tries)) => {
                format!("tries every {}, {tries} times so far", super::short(pause))
            }
            (None, Some(tries)) => format!("has tried {tries} times"),
            (_, None) => "tries again and again".into(),
        })
    }
}

/// The life of a lock that runs out by itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Lease {
    /// Seconds until it runs out.
    pub remaining_s: f64,
    /// Seconds that it was granted for.
    pub granted_s: f64,
}

/// The judgement on a lock, most serious first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Its holders and waiters wait for each other in a circle.
    Deadlock,
    /// The path names another file by now: two processes can both believe they hold it.
    Split,
    /// Nothing alive keeps it.
    Stale,
    /// Who took it is gone and left it to a process that nobody is in charge of.
    Orphaned,
    /// Its holder cannot go on.
    Stuck,
    /// Cannot be judged from here.
    Unknown,
    /// Somebody waits, the holder is at work.
    Contended,
    /// Nobody waits.
    Held,
}

impl Verdict {
    /// All of them, most serious first.
    pub const ALL: [Self; 8] = [
        Self::Deadlock,
        Self::Split,
        Self::Stale,
        Self::Orphaned,
        Self::Stuck,
        Self::Unknown,
        Self::Contended,
        Self::Held,
    ];

    /// The word as in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Deadlock => "deadlock",
            Self::Split => "split",
            Self::Stale => "stale",
            Self::Orphaned => "orphaned",
            Self::Stuck => "stuck",
            Self::Unknown => "unknown",
            Self::Contended => "contended",
            Self::Held => "held",
        }
    }

    /// Whether the verdict alone needs a person.
    #[must_use]
    pub fn is_problem(self) -> bool {
        self <= Self::Stuck
    }
}

/// One lock with everything that is known of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lock {
    /// Its name for programs.
    pub id: LockId,
    /// Fingerprint of its holders.
    pub as_seen: AsSeen,
    /// What kind of lock it is to people.
    pub family: Cow<'static, str>,
    /// What makes it exclusive.
    pub mechanism: Mechanism,
    /// Its name for people, such as `dpkg frontend lock`.
    pub name: Option<Arc<str>>,
    /// The locked file; where it has no name any more, its last.
    pub path: Option<PathBytes>,
    /// The bytes of the path in base64, where they are not UTF-8.
    pub path_base64: Option<String>,
    /// Where it is, for locks of servers.
    pub url: Option<String>,
    /// Whether the file has no name any more.
    pub deleted: bool,
    /// How it is held.
    pub mode: Mode,
    /// The locked bytes, for locks of files.
    pub range: Option<Range>,
    /// The judgement.
    pub verdict: Verdict,
    /// Long by design, no finding.
    pub normal: bool,
    /// The judgement's reason: in JSON, and wherever it is printed, a sentence.
    pub why: Option<Reason>,
    /// For how long it has been held.
    pub age: Span,
    /// Whom the kernel or the file names; often not the holder.
    pub recorded_pid: Option<Pid>,
    /// Every process that really keeps it.
    pub holders: Arc<[Holder]>,
    /// The open files (for POSIX locks: processes) that have it, as [`Holder::grant`] numbers them.
    #[serde(skip)]
    pub records: Arc<[Record]>,
    /// Who wants it, in the order in which their turn comes.
    pub waiters: Vec<Waiter>,
    /// All who wait behind it, directly or not; `None` where nobody waits for it, and where the chains
    /// are too many to be followed.
    pub behind: Option<Behind>,
    /// For locks that run out.
    pub lease: Option<Lease>,
    /// The number that orders grants, for locks that have one.
    pub fencing: Option<String>,
    /// What only this family has.
    pub details: Details,
    /// The ways to free it that `release --method` takes, least harm first; not all of them are
    /// permitted to everybody.
    pub methods: &'static [Method],
    /// What it consists of, where it is a lock by existing.
    #[serde(skip)]
    pub on_disk: Option<Arc<OnDisk>>,
    /// The file, as `stat` numbers it where that is known.
    #[serde(skip)]
    pub file: Option<FileId>,
    /// The file as the kernel's lock table numbers it.
    #[serde(skip)]
    pub table_file: Option<FileId>,
}

impl Lock {
    /// Whether an id is one of this lock's: the one that it is shown by; the one that it has to those
    /// who know no more than what makes it exclusive; and, where it cannot be seen where it is, the
    /// one that it has to those who see that.
    #[must_use]
    pub fn is_called(&self, id: &LockId) -> bool {
        if self.id == *id {
            return true;
        }
        let Some((family, _)) = id.parts().filter(|_| self.id.is_of_same(id)) else { return false };
        let is_plain = |family: &str| Mechanism::ALL.iter().any(|other| other.word() == family);
        family == self.mechanism.word() || self.path.is_none() && !is_plain(family)
    }

    /// The waiters as the queue's tree, read from the top: each stands below what it waits for.
    #[must_use]
    pub fn tree(&self) -> Vec<&Waiter> {
        let mut tree: Vec<&Waiter> = self.waiters.iter().collect();
        tree.sort_by_key(|waiter| waiter.place);
        tree
    }

    /// The machine that a holder of it runs on, where that is another one, as only locks that lie on
    /// disk tell.
    #[must_use]
    pub fn elsewhere<'a>(&self, holder: &'a Holder) -> Option<&'a str> {
        let is_elsewhere =
            self.mechanism == Mechanism::Exists && holder.certainty == Certainty::Recorded;
        holder.host.as_deref().filter(|_| is_elsewhere)
    }

    /// The longest wait for it, by lower bounds.
    #[must_use]
    pub fn longest_wait(&self) -> Option<&Span> {
        self.waiters.iter().map(|waiter| &waiter.waited).max_by_key(|waited| waited.min)
    }

    /// Path, URL or id: the shortest thing that tells a person which lock it is. Harmless to print.
    #[must_use]
    pub fn label(&self) -> String {
        match (&self.path, &self.url) {
            (Some(path), _) => path.display(),
            (None, Some(url)) => super::harmless(url).into_owned(),
            (None, None) => self.id.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Device;

    #[test]
    fn ids_are_told_from_other_words() {
        let file = FileId { device: Device { major: 0xfe, minor: 0 }, inode: 101 };
        for range in [Range::WHOLE, Range { start: 3, end: None }, Range { start: 3, end: Some(9) }]
        {
            assert!(LockId::of_file("flock", file, range).is_well_formed());
        }
        for text in [
            "@",
            "@flock",
            "@flock:fe:00:101",
            "@:fe:00:101:~",
            "@flock:xy:00:101:~",
            "@flock:fe:00:101:~:~",
        ] {
            assert!(!LockId::from_text(text).is_well_formed(), "{text}");
        }
    }
}
