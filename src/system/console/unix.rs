//! Unix: signals, process groups, and a terminal that can be polled.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::iterator::Signals;

use super::{Signal, wait_for_event};

pub(super) fn on_signal(mut hear: impl FnMut(Signal) -> bool + Send + 'static) -> io::Result<()> {
    let caught = [SIGWINCH, SIGTSTP, SIGCONT, SIGTERM, SIGHUP, SIGINT, SIGQUIT];
    let mut signals = Signals::new(caught)?;
    let listen = move || {
        for signal in signals.forever() {
            let told = match signal {
                SIGWINCH => Signal::Resized,
                SIGTSTP => Signal::Stop,
                SIGCONT => Signal::Continued,
                signal => Signal::End(signal),
            };
            if !hear(told) {
                return;
            }
        }
    };
    thread::Builder::new().name("signals".into()).spawn(listen).map(drop)
}

pub(super) fn default_action(signal: i32) {
    // The caller sees to what comes when this fails.
    let _ = signal_hook::low_level::emulate_default_handler(signal);
}

pub(super) fn has_shell() -> bool {
    process::getppid().is_some_and(|parent| {
        let ours = session(0);
        ours.is_some() && ours == session(parent.as_raw_nonzero().get())
    })
}

/// The session of a process, 0 being this one; the answer is 0 for a session that was started
/// outside our pid namespace, which rustix takes for impossible.
#[expect(unsafe_code, reason = "getsid(2), whose answer rustix does not allow to be 0")]
fn session(process: libc::pid_t) -> Option<libc::pid_t> {
    // SAFETY: takes a number and touches no memory of ours.
    let session = unsafe { libc::getsid(process) };
    (session != -1).then_some(session)
}

pub(super) fn stop_job() -> io::Result<()> {
    Ok(process::kill_current_process_group(process::Signal::TSTP)?)
}

pub(super) fn stop_myself() -> io::Result<()> {
    Ok(process::kill_process(process::getpid(), process::Signal::STOP)?)
}

/// Where to draw: not the buffered standard output, which writes out at every line.
pub type Screen = File;

pub(super) fn screen() -> io::Result<Screen> {
    Ok(File::from(rustix::io::dup(rustix::stdio::stdout())?))
}

pub(super) fn is_read() -> bool {
    let stdout = rustix::stdio::stdout();
    let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    // Where the system does not say, writing will show.
    let asked = poll(&mut polled, Some(&now)).is_ok();
    !asked || !polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)
}

pub(super) fn is_loss(error: &io::Error) -> bool {
    let lost = [Errno::IO, Errno::NXIO, Errno::PIPE];
    error.raw_os_error().is_some_and(|code| lost.iter().any(|errno| errno.raw_os_error() == code))
}

/// Where keys come from: standard input if that is a terminal, else the controlling one.
#[derive(Debug)]
pub struct Keyboard(Input);

#[derive(Debug)]
enum Input {
    Stdin,
    Other(File),
}

impl Keyboard {
    /// Opens it.
    ///
    /// # Errors
    /// When there is no terminal.
    pub fn open() -> io::Result<Self> {
        if rustix::termios::isatty(rustix::stdio::stdin()) {
            return Ok(Self(Input::Stdin));
        }
        Ok(Self(Input::Other(File::options().read(true).write(true).open("/dev/tty")?)))
    }

    /// Waits for input; `false` when none can come any more.
    ///
    /// # Errors
    /// When waiting fails.
    pub fn wait(&self) -> io::Result<bool> {
        if cfg!(target_vendor = "apple") {
            // poll(2) may know no terminals there, but the library does. A hang-up comes as a signal.
            wait_for_event()?;
            return Ok(true);
        }
        let mut polled = [PollFd::new(self, PollFlags::IN)];
        while let Err(error) = poll(&mut polled, None) {
            if error != Errno::INTR {
                return Err(error.into());
            }
        }
        let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        Ok(!polled[0].revents().intersects(gone))
    }
}

impl AsFd for Keyboard {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Input::Stdin => rustix::stdio::stdin(),
            Input::Other(file) => file.as_fd(),
        }
    }
}
