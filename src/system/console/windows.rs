//! Windows: no signals and no job control; size and Ctrl-C come as input.

use std::io;

use super::Signal;

#[expect(clippy::unnecessary_wraps, reason = "other systems may refuse")]
pub(super) fn on_signal(_hear: impl FnMut(Signal) -> bool + Send + 'static) -> io::Result<()> {
    Ok(())
}

pub(super) fn default_action(_signal: i32) {}

pub(super) fn has_shell() -> bool {
    false
}

pub(super) fn stop_job() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn stop_myself() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Where to draw: the standard output, which makes UTF-8 what the console expects.
pub type Screen = io::Stdout;

pub(super) fn screen() -> io::Result<Screen> {
    // Asking turns them on.
    if crossterm::ansi_support::supports_ansi() {
        return Ok(io::stdout());
    }
    Err(io::Error::new(io::ErrorKind::Unsupported, "this console knows no control sequences"))
}

/// A pipe that nobody reads shows when it is written to.
pub(super) fn is_read() -> bool {
    true
}

pub(super) fn is_loss(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

#[expect(clippy::unnecessary_wraps, reason = "other systems may refuse")]
pub(super) fn on_loss(_hear: impl FnOnce() + Send + 'static) -> io::Result<()> {
    Ok(())
}
