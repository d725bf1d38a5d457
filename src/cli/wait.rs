//! `locktop wait`: until locks are free.

use std::ffi::OsStr;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc;
use std::thread;

use locktop::acquire::Acquire;
use locktop::model::harmless_bytes;
use locktop::{Error, Target};

use super::args::{Global, Wait};
use super::failure::{Failure, Status};
use super::pick;
use super::request::Asking;
use super::voice::Goal;

/// Waits until one or all of the locks are free, or have somebody who is ready.
pub(crate) fn run(wait: &Wait, global: Global) -> Result<Status, Failure> {
    let targets = pick::parse(&wait.targets)?;
    let goal = if wait.ready { Goal::Ready } else { Goal::Free };
    let asking = Asking::begin(&wait.terms, global, goal, &wait.targets)?;
    asking.interrupt.listen();
    let waited = if wait.any { any(&asking, &targets) } else { all(&asking, &targets) };
    asking.interrupt.end()?;
    let first = waited.map_err(|error| asking.failure(error))?;
    asking.voice.lock().end();
    if wait.any {
        print(&wait.targets[first])?;
    }
    Ok(Status::Done)
}

/// Waits for each in a thread of its own; the number of the first that is free.
fn any(asking: &Asking<'_>, targets: &[Target]) -> Result<usize, Error> {
    let mut failed = None;
    let decides = |waited: &Result<(), Error>| !waited.as_ref().is_err_and(is_no);
    for (at, waited) in each(asking, targets, decides) {
        match waited {
            Ok(()) => return Ok(at),
            Err(error) => failed = Some(worse(failed, error)),
        }
    }
    failed.map_or(Ok(0), Err)
}

/// Waits until all have been free, and looks whether they all still are.
fn all(asking: &Asking<'_>, targets: &[Target]) -> Result<usize, Error> {
    loop {
        let mut failed = None;
        for (_, waited) in each(asking, targets, Result::is_err) {
            if let Err(error) = waited {
                failed = Some(worse(failed, error));
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        if targets.len() == 1 || all_at_once(asking, targets)? {
            return Ok(0);
        }
    }
}

fn all_at_once(asking: &Asking<'_>, targets: &[Target]) -> Result<bool, Error> {
    for (at, target) in targets.iter().enumerate() {
        let request = asking.request(at, target, asking.interrupt.cancel()).no_wait();
        match wait_until(asking.goal, request) {
            Ok(()) => {}
            Err(error) if error.is_would_block() => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// One that was not free is no reason to give up the others.
fn is_no(error: &Error) -> bool {
    error.is_would_block() || error.is_timeout()
}

fn wait_until(goal: Goal, request: Acquire) -> Result<(), Error> {
    match goal {
        Goal::Ready => request.wait_until_ready(),
        Goal::Free | Goal::Ours => request.wait_until_free(),
    }
}

type Waited = (usize, Result<(), Error>);

/// Waits for all of them at the same time, and ends the others as soon as one `decides`.
fn each(
    asking: &Asking<'_>,
    targets: &[Target],
    decides: impl Fn(&Result<(), Error>) -> bool,
) -> Vec<Waited> {
    let cancel = asking.interrupt.cancel();
    let (tell, waited) = mpsc::channel();
    thread::scope(|scope| {
        for (at, target) in targets.iter().enumerate() {
            let request = asking.request(at, target, cancel);
            let tell = tell.clone();
            scope.spawn(move || {
                // Whoever hears it outlives this thread.
                let _ = tell.send((at, wait_until(asking.goal, request)));
            });
        }
        drop(tell);
        waited
            .iter()
            .inspect(|(_, result)| {
                if decides(result) {
                    cancel.cancel();
                }
            })
            .collect()
    })
}

/// Of two reasons the one to tell: that something was cancelled is only the consequence.
fn worse(known: Option<Error>, other: Error) -> Error {
    match known {
        Some(known) if !known.is_cancelled() => known,
        _ => other,
    }
}

/// The target as it was written; on a terminal without what that would act on.
fn print(target: &OsStr) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let bytes = target.as_encoded_bytes();
    if out.is_terminal() {
        writeln!(out, "{}", harmless_bytes(bytes))?;
    } else {
        out.write_all(&[bytes, b"\n"].concat())?;
    }
    out.flush()
}
