//! A command that this process runs and answers for: signals are held back until somebody asks for
//! them, so that none is lost; the command inherits the open files it is to have; and what becomes of
//! it is told.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

#[cfg(unix)]
mod child;
#[cfg(not(unix))]
mod other;
#[cfg(unix)]
mod signals;
#[cfg(unix)]
mod spawn;

#[cfg(unix)]
pub use child::{Child, find};
#[cfg(not(unix))]
pub use other::{Child, Signals, find, is_by_terminal, is_in_foreground, nudge};
#[cfg(unix)]
pub use signals::{Signals, is_by_terminal, is_in_foreground, nudge};

/// What was heard while signals were held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A child stopped or ended, or there was a [`nudge`].
    Nudge,
    /// Ctrl-C or Ctrl-\, which a terminal tells everybody in the foreground; the signal's number.
    Typed(i32),
    /// Somebody wants us to end; the signal's number.
    Asked(i32),
    /// Somebody wants us to stop for a while.
    Stop,
    /// We are to go on.
    Continued,
}

/// What happens while a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A signal to us.
    Heard(Heard),
    /// The command was stopped by the signal of this number.
    Stopped(i32),
    /// The command ended with this status: its own, or 128+N if signal N killed it.
    Ended(u8),
}

/// A command to be run.
#[derive(Debug)]
pub struct Order<'a> {
    /// Looked for in `PATH` unless it has a slash.
    pub program: &'a OsStr,
    /// What stands behind it.
    pub arguments: &'a [OsString],
    /// Variables to set or to remove; all others stay as they are.
    pub environment: Vec<(&'static str, Option<OsString>)>,
    /// Open files that it inherits, under their numbers.
    pub inherits: Vec<&'a File>,
    /// Whether it is sent SIGTERM when this process ends. Only Linux does that, and only to the
    /// command itself; not where it is run with other rights than ours.
    pub ends_with_us: bool,
}

/// Where programs are looked for if `PATH` is not set.
const USUAL_PATH: &str = "/bin:/usr/bin";

/// The places where a program of that name could be.
fn candidates(program: &OsStr) -> Vec<PathBuf> {
    if program.as_encoded_bytes().contains(&b'/') {
        return vec![program.into()];
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| USUAL_PATH.into());
    std::env::split_paths(&path).map(|folder| folder.join(program)).collect()
}

/// The command with its arguments and its environment.
fn prepared(order: &Order<'_>) -> Command {
    let mut command = Command::new(order.program);
    command.args(order.arguments);
    for (name, value) in &order.environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}
