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

use super::Signal;

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

pub(super) fn on_loss(hear: impl FnOnce() + Send + 'static) -> io::Result<()> {
    if cfg!(target_vendor = "apple") {
        // poll(2) may know no terminals there. A hang-up comes as a signal.
        return Ok(());
    }
    let keyboard = Keyboard::open()?;
    let listen = move || {
        // Nothing is asked for, so that nothing but a loss is told.
        let mut polled = [PollFd::new(&keyboard, PollFlags::empty())];
        while poll(&mut polled, None) == Err(Errno::INTR) {}
        hear();
    };
    thread::Builder::new().name("loss".into()).spawn(listen).map(drop)
}

/// Where the library for terminals reads keys: standard input if that is a terminal, else the
/// controlling one.
enum Keyboard {
    Stdin,
    Other(File),
}

impl Keyboard {
    fn open() -> io::Result<Self> {
        if rustix::termios::isatty(rustix::stdio::stdin()) {
            return Ok(Self::Stdin);
        }
        Ok(Self::Other(File::options().read(true).write(true).open("/dev/tty")?))
    }
}

impl AsFd for Keyboard {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Stdin => rustix::stdio::stdin(),
            Self::Other(file) => file.as_fd(),
        }
    }
}
