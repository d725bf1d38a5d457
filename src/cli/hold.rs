//! `locktop hold`: a lock for as long as somebody wants.

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use locktop::Target;
use locktop::acquire::Guard;
use locktop::command::{self, Heard, Signals};
use locktop::model::harmless_bytes;

use super::args::{Global, Hold};
use super::failure::{Failure, Status};
use super::loss::{LOCK_LOST, Loss};
use super::request::Asking;
use super::voice::Goal;

/// Takes the lock, says so, and gives it back when it is told to.
pub(crate) fn run(hold: &Hold, global: Global) -> Result<Status, Failure> {
    let target = Target::parse(&hold.target)?;
    let asking =
        Asking::begin(&hold.terms, global, Goal::Ours, std::slice::from_ref(&hold.target))?;
    let guards = asking.take(&[target], hold.creation)?;
    let loss = Loss::watch(&guards);
    let eof = Arc::new(AtomicBool::new(false));
    if hold.until_eof {
        wait_for_eof(Arc::clone(&eof))?;
    }
    guards.iter().try_for_each(say_held)?;
    wait_for_end(asking.interrupt.signals(), &loss, &eof)?;
    if loss.is_known() {
        return Err(Failure::code(Status::Unreadable.code(), LOCK_LOST));
    }
    guards.into_iter().try_for_each(Guard::release)?;
    Ok(Status::Done)
}

fn say_held(guard: &Guard) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if let Some(id) = guard.id() {
        writeln!(out, "held {id}")?;
    } else {
        let path = harmless_bytes(guard.path().as_os_str().as_encoded_bytes());
        writeln!(out, "held {}:{path}", guard.family())?;
    }
    out.flush()
}

/// Waits until somebody wants us to end, or the lock is lost.
fn wait_for_end(signals: &Signals, loss: &Loss, eof: &AtomicBool) -> Result<(), Failure> {
    let refused = |error: io::Error| {
        Failure::refused(format!("cannot wait for signals: {error}"), error.kind())
    };
    while !eof.load(Ordering::Acquire) && !loss.is_known() {
        match signals.next().map_err(refused)? {
            Heard::Typed(_) | Heard::Asked(_) => break,
            Heard::Stop => signals.stop().map_err(refused)?,
            Heard::Continued | Heard::Nudge => {}
        }
    }
    Ok(())
}

/// Reads standard input to its end, in a thread of its own.
fn wait_for_eof(eof: Arc<AtomicBool>) -> Result<(), Failure> {
    let read = move || {
        let mut nothing = [0; 4096];
        let mut stdin = io::stdin().lock();
        loop {
            match stdin.read(&mut nothing) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // What cannot be read has nothing more to say either.
                Ok(0) | Err(_) => break,
            }
        }
        eof.store(true, Ordering::Release);
        command::nudge();
    };
    thread::Builder::new().name("input".into()).spawn(read).map(drop).map_err(|error| {
        Failure::refused(format!("cannot start a thread to read: {error}"), error.kind())
    })
}
