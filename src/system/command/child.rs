//! The command as a child process.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::Access;
use rustix::io::FdFlags;
use rustix::process::{Pid, Signal, WaitOptions};

use super::signals::{Signals, change_mask};
use super::spawn::spawn;
use super::{Event, Heard, Order, candidates, prepared};

/// The shell that runs what the system cannot: scripts that name no interpreter.
const SHELL: &str = "/bin/sh";

/// A command that runs. It is neither waited for nor ended when this is dropped.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
}

impl Child {
    /// Starts it, without the signals that we hold back.
    ///
    /// # Errors
    /// When it is not there or cannot be run.
    pub fn start(order: &Order<'_>, signals: &Signals) -> io::Result<Self> {
        let start = |order: &Order<'_>| {
            if order.ends_with_us { fork(order, signals) } else { spawn(order, signals) }
        };
        let pid = match start(order) {
            Err(error) if names_no_interpreter(&error) => {
                start(&order.for_shell(&shell_arguments(order).ok_or(error)?))?
            }
            started => started?,
        };
        Ok(Self { pid })
    }

    /// Runs the command in place of this process. Returns only if that fails.
    #[must_use]
    pub fn replace_us(order: &Order<'_>, signals: &Signals) -> io::Error {
        let error = replace(order, signals);
        match shell_arguments(order) {
            Some(arguments) if names_no_interpreter(&error) => {
                replace(&order.for_shell(&arguments), signals)
            }
            _ => error,
        }
    }

    /// Waits until something happens to it or to us.
    ///
    /// # Errors
    /// When waiting fails.
    pub fn next(&mut self, signals: &Signals) -> io::Result<Event> {
        match signals.next()? {
            Heard::Nudge => Ok(self.changed()?.unwrap_or(Event::Heard(Heard::Nudge))),
            heard => Ok(Event::Heard(heard)),
        }
    }

    /// What has happened to it since this was last asked.
    fn changed(&mut self) -> io::Result<Option<Event>> {
        let options = WaitOptions::NOHANG | WaitOptions::UNTRACED;
        let Some((_, status)) = rustix::process::waitpid(Some(self.pid), options)? else {
            return Ok(None);
        };
        if let Some(signal) = status.stopping_signal() {
            return Ok(Some(Event::Stopped(signal)));
        }
        let by_signal = status.terminating_signal().map(|signal| 128 + signal);
        Ok(by_signal.or_else(|| status.exit_status()).map(|status| Event::Ended(status as u8)))
    }

    /// Sends it the signal of this number. It must not have ended: its number could be another's.
    ///
    /// # Errors
    /// When it runs with other rights than ours.
    pub fn send(&self, signal: i32) -> io::Result<()> {
        let signal = Signal::from_named_raw(signal).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(rustix::process::kill_process(self.pid, signal)?)
    }

    /// Asks it to end, also where it is stopped.
    ///
    /// # Errors
    /// As [`Child::send`].
    pub fn terminate(&self) -> io::Result<()> {
        self.send(libc::SIGTERM)?;
        self.go_on()
    }

    /// Ends it.
    ///
    /// # Errors
    /// As [`Child::send`].
    pub fn kill(&self) -> io::Result<()> {
        self.send(libc::SIGKILL)
    }

    /// Stops it as Ctrl-Z does.
    ///
    /// # Errors
    /// As [`Child::send`].
    pub fn stop(&self) -> io::Result<()> {
        self.send(libc::SIGTSTP)
    }

    /// Continues it if it is stopped.
    ///
    /// # Errors
    /// As [`Child::send`].
    pub fn go_on(&self) -> io::Result<()> {
        self.send(libc::SIGCONT)
    }
}

/// The program that a shell would run under that name, if there is one.
#[must_use]
pub fn find(program: &OsStr) -> Option<PathBuf> {
    candidates(program).into_iter().find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, Access::EXEC_OK).is_ok()
}

fn names_no_interpreter(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOEXEC)
}

/// What the shell has to be told to run the program.
fn shell_arguments(order: &Order<'_>) -> Option<Vec<OsString>> {
    let script = find(order.program)?.into_os_string();
    Some(std::iter::once(script).chain(order.arguments.iter().cloned()).collect())
}

impl<'a> Order<'a> {
    fn for_shell(&self, arguments: &'a [OsString]) -> Self {
        let (environment, inherits) = (self.environment.clone(), self.inherits.clone());
        Self { program: SHELL.as_ref(), arguments, environment, inherits, ..*self }
    }
}

fn replace(order: &Order<'_>, signals: &Signals) -> io::Error {
    let ready = || {
        order
            .inherits
            .iter()
            .try_for_each(|file| rustix::io::fcntl_setfd(file, FdFlags::empty()))?;
        signals.let_go()
    };
    ready().map_or_else(|error| error, |()| prepared(order).exec())
}

/// Starts it as one that is told when we end, which takes a fork.
#[expect(unsafe_code, reason = "what runs between fork and exec")]
fn fork(order: &Order<'_>, signals: &Signals) -> io::Result<Pid> {
    let mask = *signals.before();
    let parent = rustix::process::getpid();
    let inherits: Vec<_> = order.inherits.iter().map(|file| file.as_raw_fd()).collect();
    let mut command = prepared(order);
    let become_ours = move || {
        for fd in &inherits {
            // SAFETY: the file is open in the parent, so its number is valid here.
            let file = unsafe { std::os::fd::BorrowedFd::borrow_raw(*fd) };
            rustix::io::fcntl_setfd(file, FdFlags::empty())?;
        }
        change_mask(libc::SIG_SETMASK, &mask)?;
        end_with(parent)
    };
    // SAFETY: makes system calls only, and allocates nothing.
    let child = unsafe { command.pre_exec(become_ours) }.spawn()?;
    Pid::from_raw(child.id().cast_signed()).ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Has the system end this process with its parent, which may have ended already.
#[cfg(target_os = "linux")]
fn end_with(parent: Pid) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
    if rustix::process::getppid() == Some(parent) {
        Ok(())
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "Linux may refuse")]
fn end_with(_parent: Pid) -> io::Result<()> {
    Ok(())
}
