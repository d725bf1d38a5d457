//! Systems without signals: a command is started and waited for.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::process::Child as Process;

use super::{Event, Heard, Order, candidates, prepared};

/// There are none here: Ctrl-C ends us.
#[derive(Debug)]
pub struct Signals(());

impl Signals {
    /// Nothing to hold back.
    ///
    /// # Errors
    /// Never.
    pub fn hold_back() -> io::Result<Self> {
        Ok(Self(()))
    }

    /// Waits for ever.
    ///
    /// # Errors
    /// Never.
    pub fn next(&self) -> io::Result<Heard> {
        loop {
            std::thread::park();
        }
    }

    /// None came.
    ///
    /// # Errors
    /// Never.
    pub fn end_came(&self) -> io::Result<Option<i32>> {
        Ok(None)
    }

    /// Nothing was held back.
    ///
    /// # Errors
    /// Never.
    pub fn let_go(&self) -> io::Result<()> {
        Ok(())
    }

    /// Nobody can be stopped.
    ///
    /// # Errors
    /// Never.
    pub fn stop(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Nobody waits for it.
pub fn nudge() {}

/// No signal stops anybody.
#[must_use]
pub fn is_by_terminal(_signal: i32) -> bool {
    false
}

/// There are no other jobs.
#[must_use]
pub fn is_in_foreground() -> bool {
    true
}

/// A command that runs.
#[derive(Debug)]
pub struct Child(Process);

impl Child {
    /// Starts it. It inherits no open files.
    ///
    /// # Errors
    /// When it is not there or cannot be run.
    pub fn start(order: &Order<'_>, _signals: &Signals) -> io::Result<Self> {
        prepared(order).spawn().map(Self)
    }

    /// Not possible here.
    #[must_use]
    pub fn replace_us(_order: &Order<'_>, _signals: &Signals) -> io::Error {
        io::ErrorKind::Unsupported.into()
    }

    /// Waits until it ends.
    ///
    /// # Errors
    /// When waiting fails.
    pub fn next(&mut self, _signals: &Signals) -> io::Result<Event> {
        let status = self.0.wait()?.code().and_then(|code| u8::try_from(code).ok());
        Ok(Event::Ended(status.unwrap_or(u8::MAX)))
    }

    /// There is nothing to send.
    ///
    /// # Errors
    /// Never.
    pub fn send(&self, _signal: i32) -> io::Result<()> {
        Ok(())
    }

    /// Nobody can be asked to end.
    ///
    /// # Errors
    /// Never.
    pub fn terminate(&self) -> io::Result<()> {
        Ok(())
    }

    /// Not while somebody waits for it.
    ///
    /// # Errors
    /// Always.
    pub fn kill(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Nobody can be stopped.
    ///
    /// # Errors
    /// Never.
    pub fn stop(&self) -> io::Result<()> {
        Ok(())
    }

    /// Nobody was stopped.
    ///
    /// # Errors
    /// Never.
    pub fn go_on(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The program of that name in `PATH`, if there is one.
#[must_use]
pub fn find(program: &OsStr) -> Option<PathBuf> {
    candidates(program).into_iter().find(|path| path.is_file())
}
