//! What happens while a lock is in our keeping: somebody thinks, or a command runs.

use std::ffi::OsString;

use locktop::command::{self, Child, Event, Heard, Order, Signals};

use super::dialog;
use crate::cli::failure::{Failure, Status};
use crate::cli::run::cannot_run;
use crate::cli::stderr;

/// Somebody at the terminal, or a command, for whose time locks are kept.
pub(super) struct Keeper<'a> {
    command: Option<(&'a OsString, &'a [OsString])>,
    /// Held back as long as a command could miss them.
    signals: Option<Signals>,
}

impl<'a> Keeper<'a> {
    /// With a command, signals are held back from now on.
    pub(super) fn begin(command: &'a [OsString]) -> Result<Self, Failure> {
        let command = command.split_first();
        let signals = command.map(|_| hold_back()).transpose()?;
        Ok(Self { command, signals })
    }

    pub(super) fn has_command(&self) -> bool {
        self.command.is_some()
    }

    /// Does something during which signals act as usual.
    pub(super) fn while_listening<T>(&self, act: impl FnOnce() -> T) -> Result<T, Failure> {
        let Some(signals) = &self.signals else { return Ok(act()) };
        signals.let_go().map_err(refused)?;
        let done = act();
        // They are the same again: nobody else changes what is ignored.
        hold_back()?;
        Ok(done)
    }

    /// Waits until the locks are to be handed over; how the command ended, if there is one.
    pub(super) fn keep(self, all_kept: bool) -> Result<Option<Status>, Failure> {
        let (Some((program, arguments)), Some(signals)) = (self.command, &self.signals) else {
            dialog::wait_for_enter();
            return Ok(None);
        };
        if let Some(signal) = signals.end_came().map_err(refused)? {
            return Err(Failure::signal(signal));
        }
        if !all_kept {
            stderr::error("the command was not run: the lock is not in our keeping");
            return Ok(None);
        }
        let order = Order {
            program,
            arguments,
            environment: Vec::new(),
            inherits: Vec::new(),
            // What it does is safe only as long as we keep the lock.
            ends_with_us: true,
        };
        let child = Child::start(&order, signals).map_err(|error| cannot_run(program, &error))?;
        let status = follow(child, signals).map_err(refused)?;
        Ok(Some(Status::Code(status)))
    }
}

fn hold_back() -> Result<Signals, Failure> {
    Signals::hold_back().map_err(refused)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn refused(error: std::io::Error) -> Failure {
    Failure::refused(format!("cannot wait for the command: {error}"), error.kind())
}

/// The command's status, once it has ended; signals are passed on.
fn follow(mut child: Child, signals: &Signals) -> std::io::Result<u8> {
    loop {
        match child.next(signals)? {
            Event::Ended(status) => return Ok(status),
            Event::Stopped(signal) if command::is_by_terminal(signal) => signals.stop()?,
            // The terminal has told it too.
            Event::Stopped(_) | Event::Heard(Heard::Typed(_) | Heard::Nudge) => {}
            Event::Heard(Heard::Asked(signal)) => child.send(signal)?,
            Event::Heard(Heard::Stop) => child.stop()?,
            Event::Heard(Heard::Continued) => child.go_on()?,
        }
    }
}
