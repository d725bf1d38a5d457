//! One way to free a lock: what is shown is what is carried out.

use std::fmt::Display;
use std::sync::Arc;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use crate::diagnose::phrase;
use crate::error::Error;
use crate::model::{
    AsSeen, Certainty, FileId, Lock, LockId, Mechanism, Method, Mode, OnDisk, PathBytes, Pid,
    Process, ProcessId, Range,
};

/// A way to free one lock: its steps, its harm, and the grounds that must still hold when it is
/// carried out.
///
/// Serialised it is what the audit log keeps: everything but the command lines of the processes,
/// which can have secrets in them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// What it is.
    pub method: Method,
    /// The lock.
    pub lock: LockId,
    /// Its path, or what else tells a person which lock it is; harmless to print.
    pub name: String,
    /// Who held it when this was planned: nothing is done once that has changed.
    pub as_seen: AsSeen,
    /// What will be done, as commands that an operator knows; harmless to print.
    pub steps: Vec<String>,
    /// What comes of it, and who has the lock then; sentences, harmless to print.
    pub frees: String,
    /// What is lost if the judgement is wrong; sentences, harmless to print.
    pub harm: String,
    /// Whom it touches: a process that has the lock through several open files stands here for
    /// each of them.
    pub victims: Vec<Victim>,
    /// Why it cannot be done here, if it cannot.
    pub obstacle: Option<Obstacle>,
    /// Why it is not proven that nothing alive keeps what it removes, where it removes something and
    /// that is not proven; a clause, harmless to print.
    pub unproven: Option<String>,
    /// What it was planned for.
    pub grounds: Grounds,
    /// By which family's name it is found.
    #[serde(skip)]
    pub(super) family: &'static str,
    /// Those who have the lock too and are to keep it.
    #[serde(skip)]
    pub(super) spared: Vec<ProcessId>,
}

/// What was seen of a lock when a plan was made for it, beside its holders.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Grounds {
    /// What makes it exclusive.
    pub mechanism: Mechanism,
    /// How it was held.
    pub mode: Mode,
    /// The locked bytes.
    pub range: Option<Range>,
    /// Device and inode, as the kernel's lock table numbers them; of a lock that exists on disk, as
    /// `stat` does.
    #[serde(serialize_with = "as_text")]
    pub file: Option<FileId>,
    /// Where the file was.
    pub path: Option<PathBytes>,
    /// Whether it had lost its name.
    pub deleted: bool,
    /// Whom the kernel or the lock named.
    pub recorded_pid: Option<Pid>,
    /// What a lock that exists on disk consisted of.
    #[serde(serialize_with = "without_secrets")]
    pub on_disk: Option<Arc<OnDisk>>,
}

impl Grounds {
    pub(super) fn of(lock: &Lock) -> Self {
        Self {
            mechanism: lock.mechanism,
            mode: lock.mode,
            range: lock.range,
            file: lock.table_file.or(lock.file),
            path: lock.path.clone(),
            deleted: lock.deleted,
            recorded_pid: lock.recorded_pid,
            on_disk: lock.on_disk.clone(),
        }
    }
}

/// A process that a plan touches.
#[derive(Debug, Clone, PartialEq)]
pub struct Victim {
    /// Its number.
    pub pid: Pid,
    /// What was known of it.
    pub process: Arc<Process>,
    /// How sure it is that it has the lock; `None` for one who waits.
    pub certainty: Option<Certainty>,
    /// The descriptors through which it has the lock.
    pub fds: Vec<i32>,
    /// Holders with the same number share one open file.
    pub grant: u32,
    pub(super) id: ProcessId,
}

/// Without what can be secret.
impl Serialize for Victim {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut victim = serializer.serialize_struct("Victim", 9)?;
        victim.serialize_field("pid", &self.pid)?;
        victim.serialize_field("started_at", &self.process.started_at)?;
        victim.serialize_field("command", &self.process.command)?;
        victim.serialize_field("user", &self.process.user)?;
        victim.serialize_field("uid", &self.process.uid)?;
        victim.serialize_field("state", &self.process.state)?;
        victim.serialize_field("certainty", &self.certainty)?;
        victim.serialize_field("fds", &self.fds)?;
        victim.serialize_field("grant", &self.grant)?;
        victim.end()
    }
}

/// Why a plan cannot be carried out here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    /// What kind of reason it is.
    pub cause: Cause,
    /// Why; a clause, harmless to print.
    pub text: String,
    /// What would remove it, if anything would.
    pub would_help: Option<String>,
}

/// What keeps a plan from being carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// This lock, or who has it, cannot be treated so by anybody.
    Method,
    /// We may not do it, or may not see who would be touched.
    Permission,
    /// It would end what we run in.
    Ourselves,
    /// It is not proven that nothing alive keeps what it removes.
    Unproven,
}

impl Plan {
    /// Whether it can be carried out here.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        self.obstacle.is_none()
    }

    /// Whether it wants more than a yes: being wrong about it can destroy something.
    #[must_use]
    pub fn wants_word(&self) -> bool {
        self.method.is_drastic() || self.unproven.is_some()
    }

    /// Whether a second one has the lock then who does not know of the first.
    #[must_use]
    pub fn breaks_exclusion(&self) -> bool {
        self.method == Method::Unlock || self.unproven.is_some()
    }

    /// Whether only somebody's insisting is missing.
    #[must_use]
    pub fn can_be_insisted_on(&self) -> bool {
        let is_ours =
            |obstacle: &Obstacle| matches!(obstacle.cause, Cause::Ourselves | Cause::Unproven);
        self.obstacle.as_ref().is_some_and(is_ours)
    }

    /// Carries it out even where it ends what we run in, or removes what may be in use. Other
    /// obstacles stay.
    #[must_use]
    pub fn insist(mut self) -> Self {
        if self.can_be_insisted_on() {
            self.obstacle = None;
        }
        self
    }

    /// Whom it touches, each process once: `rsync (pid 3244) and sh (pid 3240)`; or what it removes:
    /// `the file`. Harmless to print.
    #[must_use]
    pub fn whom(&self) -> String {
        if self.method == Method::Remove {
            let form = self.grounds.on_disk.as_ref().map(|there| there.content.form().word());
            return format!("the {}", form.unwrap_or("file"));
        }
        let named = self.processes().into_iter().map(|victim| victim.process.label());
        phrase::list(named, usize::MAX)
    }

    /// The victims, each process once.
    pub(super) fn processes(&self) -> Vec<&Victim> {
        let mut once: Vec<&Victim> = self.victims.iter().collect();
        once.sort_by_key(|victim| victim.id);
        once.dedup_by_key(|victim| victim.id);
        once
    }

    /// The error that its obstacle is.
    pub(super) fn refusal(&self, obstacle: &Obstacle) -> Error {
        let help = obstacle.would_help.as_deref().map(|help| format!("; what would help: {help}"));
        let text = format!(
            "cannot release {} by '{}': {}{}",
            self.name,
            self.method,
            obstacle.text,
            help.unwrap_or_default()
        );
        match obstacle.cause {
            Cause::Permission => Error::denied(text),
            Cause::Method => Error::usage(text),
            Cause::Ourselves | Cause::Unproven => Error::would_block(text),
        }
    }
}

#[expect(clippy::ref_option, reason = "serde hands over the field")]
fn as_text<S: Serializer>(value: &Option<impl Display>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

/// So that it can be found out later what was removed; what it says is left out, which can be
/// anything.
#[expect(clippy::ref_option, reason = "serde hands over the field")]
fn without_secrets<S: Serializer>(
    there: &Option<Arc<OnDisk>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let Some(there) = there else { return serializer.serialize_none() };
    let mut told = serializer.serialize_struct("OnDisk", 6)?;
    told.serialize_field("form", there.content.form().word())?;
    told.serialize_field("file", &there.file.to_string())?;
    told.serialize_field("size", &there.size)?;
    told.serialize_field("uid", &there.uid)?;
    told.serialize_field("made_at", &there.birth)?;
    told.serialize_field("modified_at", &there.modified)?;
    told.end()
}
