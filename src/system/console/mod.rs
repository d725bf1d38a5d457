//! This process on its terminal: signals, job control, and whether it is gone.

use std::io;

#[cfg(unix)]
mod unix;
#[cfg(unix)]
use unix as platform;
#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows as platform;

pub use platform::Screen;

/// The signal of a terminal that is gone; it has this number everywhere.
pub const HANGUP: i32 = 1;

/// The signal of Ctrl-C; it has this number everywhere.
pub const INTERRUPT: i32 = 2;

/// What a signal tells a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// The terminal has another size now.
    Resized,
    /// Somebody wants us to stop for a while.
    Stop,
    /// We were stopped and go on.
    Continued,
    /// Somebody wants us to end, by the signal of this number.
    End(i32),
}

/// Listens to signals from now on, in a thread, for as long as `hear` answers `true`. Where the
/// system has no signals, nothing is heard.
///
/// # Errors
/// When they cannot be caught, or no thread can be started.
pub fn on_signal(hear: impl FnMut(Signal) -> bool + Send + 'static) -> io::Result<()> {
    platform::on_signal(hear)
}

/// Tells, from a thread, when the terminal that keys come from is gone, which the library that reads
/// them does not notice. Where the system cannot be asked, nothing is told: there a signal or an
/// error of the reader is the only news.
///
/// # Errors
/// When there is no terminal, or no thread can be started.
pub fn on_loss(hear: impl FnOnce() + Send + 'static) -> io::Result<()> {
    platform::on_loss(hear)
}

/// Dies of a signal, as if nobody had caught it.
pub fn die_of(signal: i32) -> ! {
    platform::default_action(signal);
    // Refused: at least the status says so.
    std::process::exit(128 + signal)
}

/// Whether somebody can continue us when we stop: another process of our session started us.
#[must_use]
pub fn has_shell() -> bool {
    platform::has_shell()
}

/// Stops everything that was started together with us, as the terminal would; for us, that comes
/// back as [`Signal::Stop`].
///
/// # Errors
/// Where the system cannot do that.
pub fn stop_job() -> io::Result<()> {
    platform::stop_job()
}

/// Stops this process until it is told to continue.
///
/// # Errors
/// Where the system cannot do that.
pub fn stop_myself() -> io::Result<()> {
    platform::stop_myself()
}

/// Where to draw: a standard output of our own that understands control sequences.
///
/// # Errors
/// When there is none.
pub fn screen() -> io::Result<Screen> {
    platform::screen()
}

/// Whether somebody can still read what is written to standard output: the other end of a pipe is
/// open, and a terminal is there.
#[must_use]
pub fn is_read() -> bool {
    platform::is_read()
}

/// Whether the error means that the terminal is gone.
#[must_use]
pub fn is_loss(error: &io::Error) -> bool {
    platform::is_loss(error)
}
