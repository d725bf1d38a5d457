//! While the command runs: it stays in our process group, we follow it, and its locks are kept.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use locktop::Error;
use locktop::acquire::Guard;
use locktop::command::{self, Child, Event, Heard, Signals};

use crate::cli::args::Run;
use crate::cli::failure::{Failure, Status};
use crate::cli::loss::{LOCK_LOST, Loss};
use crate::cli::stderr;

/// For how long a command that has lost its lock is given to end.
const GRACE: Duration = Duration::from_secs(5);

/// Waits for the command, passing on what we are told, and gives the locks back.
pub(super) fn supervise(
    mut child: Child,
    guards: Vec<Guard>,
    run: &Run,
    signals: &Signals,
) -> Result<Status, Failure> {
    let loss = Loss::watch(&guards);
    let followed = follow(&mut child, signals, &loss);
    // A command that we know nothing of may still be at work.
    let released = if run.keep || followed.is_err() {
        guards.into_iter().for_each(Guard::leave);
        Ok(())
    } else {
        release(guards)
    };
    if loss.is_known() || released.as_ref().is_err_and(Error::is_lost) {
        return Err(Failure::code(run.lost_code, LOCK_LOST));
    }
    released?;
    followed.map(Status::Code).map_err(|error| {
        let text = format!("cannot wait for the command, which has the lock: {error}");
        Failure::refused(text, error.kind())
    })
}

/// Its status, once it has ended.
fn follow(child: &mut Child, signals: &Signals, loss: &Loss) -> io::Result<u8> {
    // What was typed before it ran, it has not heard.
    if let Some(signal) = signals.end_came()? {
        pass(child.send(signal));
    }
    let mut ending = None;
    loop {
        match child.next(signals)? {
            Event::Ended(status) => return Ok(status),
            Event::Stopped(signal) if command::is_by_terminal(signal) => signals.stop()?,
            // Somebody stopped it alone, and would not know to continue us too.
            Event::Stopped(_) => {}
            Event::Heard(heard) => pass_on(child, heard),
        }
        if loss.is_known() && ending.is_none() {
            pass(child.terminate());
            ending = Some(Ending::begin()?);
        }
        if ending.as_ref().is_some_and(Ending::is_due) {
            pass(child.kill());
        }
    }
}

fn pass_on(child: &Child, heard: Heard) {
    match heard {
        // The terminal has told it too.
        Heard::Typed(_) | Heard::Nudge => {}
        Heard::Asked(signal) => pass(child.send(signal)),
        Heard::Stop => pass(child.stop()),
        Heard::Continued => pass(child.go_on()),
    }
}

/// What cannot be sent to a command that runs as somebody else is said, and the command goes on.
fn pass(sent: io::Result<()>) {
    if let Err(error) = sent {
        stderr::error(&format!("cannot pass a signal on to the command: {error}"));
    }
}

fn release(guards: Vec<Guard>) -> Result<(), Error> {
    // All are given back, whatever becomes of one.
    guards.into_iter().map(Guard::release).fold(Ok(()), Result::and)
}

/// The time until a command that was asked to end is killed.
struct Ending(Arc<AtomicBool>);

impl Ending {
    fn begin() -> io::Result<Self> {
        let due = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&due);
        thread::Builder::new().name("grace".into()).spawn(move || {
            thread::sleep(GRACE);
            tell.store(true, Ordering::Release);
            command::nudge();
        })?;
        Ok(Self(due))
    }

    fn is_due(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
