//! `locktop run`: a command under one or several locks.

mod supervise;
mod words;

use std::ffi::OsString;
use std::fs::File;
use std::io;

use locktop::acquire::Guard;
use locktop::command::{Child, Order, Signals};
use locktop::model::harmless_bytes;

use super::args::{Global, Run};
use super::failure::{Failure, Status};
use super::request::Asking;
use super::voice::Goal;
use super::{pick, stderr};
use words::Plan;
pub(crate) use words::parse;

/// The statuses by which shells say that a command could not be run.
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Takes the locks, runs the command, and gives them back.
pub(crate) fn run(run: &Run, global: Global) -> Result<Status, Failure> {
    let plan = words::plan(run)?;
    let targets = pick::parse(&plan.targets)?;
    let asking = Asking::begin(&run.terms, global, Goal::Ours, &plan.targets)?;
    let guards = asking.take(&targets, run.creation)?;
    if global.verbose {
        stderr::remark(global, &format!("running {}", shown(&plan.program)));
    }
    let signals = asking.interrupt.signals();
    if run.no_fork {
        return Err(replace_us(&plan, &guards, signals));
    }
    let child = Child::start(&order(&plan, &guards, !run.close), signals)
        .map_err(|error| cannot_run(&plan.program, &error))?;
    supervise::supervise(child, guards, run, signals)
}

fn shown(program: &OsString) -> String {
    harmless_bytes(program.as_encoded_bytes()).into_owned()
}

/// The command, and what it gets of the locks. In its environment stands the first of them.
fn order<'a>(plan: &'a Plan, guards: &'a [Guard], hands_down: bool) -> Order<'a> {
    let first = guards.first();
    let file = first.and_then(Guard::file).filter(|_| hands_down);
    let files = guards.iter().filter_map(Guard::file);
    Order {
        program: &plan.program,
        arguments: &plan.arguments,
        environment: vec![
            ("LOCKTOP_TARGET", first.map(target)),
            ("LOCKTOP_FD", file.map(number)),
            ("LOCKTOP_FENCING_TOKEN", first.and_then(Guard::fencing).map(Into::into)),
        ],
        inherits: files.filter(|_| hands_down).collect(),
        ends_with_us: guards.iter().any(|guard| guard.file().is_none()),
    }
}

/// The lock as a target that means the same in any folder.
fn target(guard: &Guard) -> OsString {
    let mut target = OsString::from(guard.family());
    target.push(":");
    target.push(guard.path());
    target
}

#[cfg(unix)]
fn number(file: &File) -> OsString {
    use std::os::fd::AsRawFd as _;
    file.as_raw_fd().to_string().into()
}

#[cfg(not(unix))]
fn number(_file: &File) -> OsString {
    OsString::new()
}

/// Runs the command in our place. Returns only if that fails.
fn replace_us(plan: &Plan, guards: &[Guard], signals: &Signals) -> Failure {
    if guards.iter().any(|guard| guard.file().is_none()) {
        return Failure::usage(
            "with --no-fork nobody would give this lock back: it belongs to no open file",
        );
    }
    cannot_run(&plan.program, &Child::replace_us(&order(plan, guards, true), signals))
}

/// What keeps a command from being run, with the status that shells have for it.
pub(crate) fn cannot_run(program: &OsString, error: &io::Error) -> Failure {
    let program = shown(program);
    if error.kind() == io::ErrorKind::NotFound {
        let where_to = if program.contains('/') { "" } else { ", in no folder of PATH" };
        return Failure::code(NOT_FOUND, format!("cannot find the command {program}{where_to}"));
    }
    Failure::code(NOT_EXECUTABLE, format!("cannot run the command {program}: {error}"))
}
