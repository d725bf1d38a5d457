//! A lock as it is shown: identity, holders, waiters, verdict. The JSON of `ls --json` is these
//! types.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;

use super::{
    AsSeen, Behind, Certainty, Details, FileId, Holder, LockId, Mechanism, Method, Mode, OnDisk,
    PathBytes, Pid, Range, Reason, Record, Span, Verdict, Waiter,
};

/// The life of a lock that runs out by itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Lease {
    /// Seconds until it runs out.
    pub remaining_s: f64,
    /// Seconds that it was granted for.
    pub granted_s: f64,
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
