//! What was done to whom, on what grounds, by whom, and what came of it: a file of JSON lines.

use std::env;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::outcome::Outcome;
use super::plan::Plan;
use crate::acquire::Guard;
use crate::error::Error;
use crate::model::{LockId, Range, Target, harmless, harmless_bytes};
use crate::system::{self, System, audit_file};

/// A log that grows beyond this is moved aside, and the one that was aside is dropped.
const LARGEST: u64 = 4 << 20;

/// So much of a log's end tells what was done of late.
const RECENT: u64 = 256 << 10;

/// Others may be writing their lines, each down to a slow disk.
const PATIENCE: Duration = Duration::from_mins(1);

/// The log of all that was force-released, or was to be.
///
/// One JSON object a line, first one with `"stage": "begun"` and then one with the same `act` that
/// says how it ended. A line is written whole or not at all; the file is kept below 4 MiB, with one
/// older file of that size beside it (`.1`).
#[derive(Debug, Clone)]
pub struct AuditLog {
    path: PathBuf,
    syslog: bool,
}

/// One line of the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entry {
    /// The version of this document.
    pub schema: u32,
    /// When.
    pub at: Timestamp,
    /// The same for all lines of one act.
    pub act: String,
    /// How far it had come.
    pub stage: Stage,
    /// Who did it.
    pub by: Who,
    /// What was to be done, with its grounds: a [`Plan`].
    pub plan: Value,
    /// What came of it: `freed`, `text`, `next`, `alive`, `kept`.
    #[serde(default)]
    pub outcome: Option<Value>,
    /// Why it failed or was declined.
    #[serde(default)]
    pub reason: Option<String>,
}

/// How far an act had come when a line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Stage {
    /// It is about to be done. Where no other line follows, nobody knows what came of it.
    Begun,
    /// It was carried out.
    Done,
    /// It could not be carried out.
    Failed,
    /// Somebody was asked and did not agree, or nobody could be asked.
    Declined,
}

impl Stage {
    /// The word as in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Declined => "declined",
        }
    }
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// The number of the user.
    pub uid: Option<u32>,
    /// Whom sudo says it was.
    pub sudo_user: Option<String>,
    /// The terminal.
    pub tty: Option<String>,
    /// The process.
    pub pid: u32,
}

/// An act that has been begun.
#[derive(Debug)]
pub(super) struct Record {
    act: String,
}

impl AuditLog {
    /// The log of this user: `$XDG_STATE_HOME/locktop/audit.jsonl`, for root
    /// `/var/log/locktop/audit.jsonl`.
    ///
    /// # Errors
    /// When there is no folder for it.
    pub fn usual() -> Result<Self, Error> {
        if System::new().is_root() {
            return Ok(Self::of_root());
        }
        let folder = {
            let absolute =
                |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
            absolute("XDG_STATE_HOME")
                .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
                .ok_or_else(|| {
                    Error::unreachable("cannot tell where the audit log is: HOME is not set")
                })?
        };
        Ok(Self::at(folder.join("locktop/audit.jsonl")))
    }

    /// The administrator's.
    pub(crate) fn of_root() -> Self {
        Self::at("/var/log/locktop/audit.jsonl")
    }

    /// A log in this file, whose folder is created if it is not there.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), syslog: false }
    }

    /// Writes a line for each act to the system's log too.
    #[must_use]
    pub fn with_syslog(mut self) -> Self {
        self.syslog = true;
        self
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says, oldest first. Lines that cannot be read are counted.
    ///
    /// # Errors
    /// When it cannot be read; a log that is not there is empty.
    pub fn entries(&self) -> Result<(Vec<Entry>, usize), Error> {
        let mut entries = Vec::new();
        let mut unread = 0;
        for path in [self.older(), self.path.clone()] {
            let file = match audit_file::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(Error::io("read the audit log", &path, error)),
            };
            for line in BufReader::new(file).split(b'\n') {
                let line = line.map_err(|error| Error::io("read the audit log", &path, error))?;
                match serde_json::from_slice(&line) {
                    Ok(entry) => entries.push(entry),
                    Err(_) => unread += 1,
                }
            }
        }
        Ok((entries, unread))
    }

    /// What was written down of late, oldest first, as far as it can be read.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(crate) fn recent(&self) -> io::Result<Vec<Entry>> {
        let mut file = audit_file::open(&self.path)?;
        let end = file.metadata()?.len();
        file.seek(SeekFrom::Start(end.saturating_sub(RECENT)))?;
        let mut text = Vec::new();
        file.take(RECENT).read_to_end(&mut text)?;
        // The first line can be the end of one.
        let lines = text.split(|byte| *byte == b'\n');
        Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }

    /// Notes that somebody was asked and did not agree, or that nobody could be asked.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn declined(&self, plan: &Plan, reason: &str) -> Result<(), Error> {
        self.write(&entry(new_act(), Stage::Declined, plan, None, Some(reason.into()))?)
    }

    /// Keeps others who use this log from releasing the same lock meanwhile.
    ///
    /// # Errors
    /// `is_changed` when somebody does already; when it cannot be told.
    pub(super) fn claim(&self, plan: &Plan) -> Result<Guard, Error> {
        let path = self.path.with_extension("lock");
        audit_file::prepare(&self.path).map_err(|error| nothing_touched(self.unwritten(error)))?;
        let byte = byte_of(&plan.lock);
        let lock = Target::Family { family: "ofd", path };
        let claim = lock
            .acquire()
            .range(Range { start: byte, end: Some(byte) })
            .create_mode(0o600)
            .insist()
            .no_wait()
            .take();
        claim.map_err(|error| {
            if error.is_would_block() {
                let name = &plan.name;
                let text = format!("nothing was touched: {name}: somebody else is releasing it");
                return Error::changed(text);
            }
            nothing_touched(self.unwritable(error))
        })
    }

    pub(super) fn begin(&self, plan: &Plan) -> Result<Record, Error> {
        let act = new_act();
        let begun = entry(act.clone(), Stage::Begun, plan, None, None).map_err(nothing_touched)?;
        self.append(&begun).map_err(nothing_touched)?;
        if let Err(error) = self.report(&begun) {
            // Here it is written down already, and it is not going to be done.
            let error = nothing_touched(error);
            let failed = entry(act, Stage::Failed, plan, None, Some(error.to_string()))?;
            return Err(match self.append(&failed) {
                Ok(()) => error,
                Err(unwritten) => error.and(&unwritten),
            });
        }
        Ok(Record { act })
    }

    pub(super) fn end(&self, record: &Record, plan: &Plan, outcome: &Outcome) -> Result<(), Error> {
        let came = serde_json::json!({
            "freed": outcome.freed,
            "text": outcome.text,
            "next": outcome.next,
            "alive": outcome.alive,
            "kept": outcome.escrow.is_some(),
        });
        self.write(&entry(record.act.clone(), Stage::Done, plan, Some(came), None)?)
    }

    /// Notes a failure, and gives it back: together with the log's own, should that fail too.
    pub(super) fn failed(&self, record: &Record, plan: &Plan, error: Error) -> Error {
        self.note(record.act.clone(), plan, error)
    }

    /// Notes what could not even be begun.
    pub(super) fn refused(&self, plan: &Plan, error: Error) -> Error {
        self.note(new_act(), plan, error)
    }

    fn note(&self, act: String, plan: &Plan, error: Error) -> Error {
        let written = entry(act, Stage::Failed, plan, None, Some(error.to_string()))
            .and_then(|entry| self.write(&entry));
        match written {
            Ok(()) => error,
            Err(unwritten) => error.and(&unwritten),
        }
    }

    fn older(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".1");
        name.into()
    }

    fn write(&self, entry: &Entry) -> Result<(), Error> {
        self.append(entry)?;
        self.report(entry)
    }

    /// Tells the system's log, if it is to be told.
    fn report(&self, entry: &Entry) -> Result<(), Error> {
        if !self.syslog {
            return Ok(());
        }
        let word = |name: &str| entry.plan[name].as_str().unwrap_or_default().to_owned();
        let mut text = format!(
            "{} {} {} (act {})",
            entry.stage.word(),
            word("method"),
            word("name"),
            entry.act
        );
        let came = entry.came_of_it();
        if !came.is_empty() {
            text = format!("{text}: {came}");
        }
        // One act is one line, whatever the names in it are.
        audit_file::syslog(&harmless(&text)).map_err(|error| {
            let text = format!(
                "the system's log at {} cannot be written ({}); start its daemon, or leave --syslog \
                 out",
                audit_file::SYSLOG,
                reason(&error)
            );
            match error.kind() {
                io::ErrorKind::PermissionDenied => Error::denied(text),
                _ => Error::unreachable(text),
            }
        })
    }

    /// Appends one line. Whoever else appends waits for us: the log is locked meanwhile.
    fn append(&self, entry: &Entry) -> Result<(), Error> {
        let mut line = serde_json::to_vec(entry).map_err(|error| {
            Error::unreachable(format!("cannot write down what is done: {error}"))
        })?;
        line.push(b'\n');
        self.append_line(&line)
    }

    fn append_line(&self, line: &[u8]) -> Result<(), Error> {
        let failed = |error| self.unwritten(error);
        audit_file::prepare(&self.path).map_err(failed)?;
        let lock = Target::Family { family: "flock", path: self.path.clone() };
        // Verified to be the file at the path, so that nobody writes to one that was moved aside.
        let guard = lock.acquire().create_mode(0o640).insist().timeout(PATIENCE).take();
        let guard = guard.map_err(|error| {
            if error.is_timeout() {
                return self.unwritable(Error::unreachable(error.to_string()));
            }
            self.unwritable(error)
        })?;
        let file = File::options().read(true).append(true).open(&self.path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        if length > 0 && length + line.len() as u64 > LARGEST {
            fs::rename(&self.path, self.older()).map_err(failed)?;
            drop(guard);
            return self.append_line(line);
        }
        let mut whole = Vec::with_capacity(line.len() + 1);
        if audit_file::is_cut(&file, length).map_err(failed)? {
            // The machine went down while somebody wrote: that line is lost, and this one is not.
            whole.push(b'\n');
        }
        whole.extend_from_slice(line);
        (&file).write_all(&whole).and_then(|()| file.sync_data()).map_err(|error| {
            // Half a line would spoil the next one.
            let _ = file.set_len(length);
            failed(error)
        })?;
        guard.release()
    }

    fn unwritten(&self, error: io::Error) -> Error {
        let why = reason(&error);
        self.unwritable(Error::io("write", &self.path, error).reworded(|_| why))
    }

    /// That the log cannot be written, for that reason, and what is to be done about it.
    fn unwritable(&self, error: Error) -> Error {
        let path = harmless_bytes(self.path.as_os_str().as_encoded_bytes());
        let help = if System::new().is_root() {
            "mend that first"
        } else {
            "mend that first, or set XDG_STATE_HOME to a folder of yours"
        };
        error.reworded(|why| format!("the audit log {path} cannot be written ({why}); {help}"))
    }
}

impl Entry {
    /// What came of it, or why nothing did; empty where nothing is known of that.
    #[must_use]
    pub fn came_of_it(&self) -> &str {
        let text = self.outcome.as_ref().and_then(|outcome| outcome["text"].as_str());
        text.or(self.reason.as_deref()).unwrap_or_default()
    }
}

/// A failure before anything was touched.
fn nothing_touched(error: Error) -> Error {
    error.after("nothing was touched")
}

/// Why, without the number that the system has for it.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        _ if error.get_ref().is_some() => error.to_string(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        io::ErrorKind::NotFound => "no such file or folder".into(),
        io::ErrorKind::NotADirectory => "a part of its path is not a folder".into(),
        io::ErrorKind::StorageFull => "no space left on the device".into(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system can only be read".into(),
        io::ErrorKind::WouldBlock => "its daemon does not listen".into(),
        _ => error.to_string(),
    }
}

/// The byte of the file of claims that stands for a lock (FNV-1a, as far as files reach).
fn byte_of(lock: &LockId) -> u64 {
    let hash = lock.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash >> 2
}

fn entry(
    act: String,
    stage: Stage,
    plan: &Plan,
    outcome: Option<Value>,
    reason: Option<String>,
) -> Result<Entry, Error> {
    let plan = serde_json::to_value(plan)
        .map_err(|error| Error::unreachable(format!("cannot write down what is done: {error}")))?;
    let system = System::new();
    let by = Who {
        uid: system::own_user(),
        sudo_user: env::var("SUDO_USER").ok(),
        tty: system.own_terminal(),
        pid: std::process::id(),
    };
    Ok(Entry { schema: 1, at: Timestamp::now(), act, stage, by, plan, outcome, reason })
}

/// Unique on this machine.
fn new_act() -> String {
    format!("{}-{}", Timestamp::now().as_nanosecond(), std::process::id())
}
