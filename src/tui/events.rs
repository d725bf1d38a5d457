//! What wakes the dashboard: keys and the mouse, signals, reports. All come over one channel.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use crossterm::event::Event as Input;
use locktop::watch::Report;
use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::iterator::Signals;

use super::terminal;

/// One thing that happened.
#[derive(Debug)]
pub(super) enum Event {
    /// A key, or the mouse.
    Input(Input),
    /// A look.
    Report(Report),
    /// The terminal has another size now.
    Resized,
    /// Somebody wants us to stop for a while.
    Stop,
    /// We were stopped and go on.
    Continued,
    /// Somebody wants us to end.
    Signal(i32),
    /// The terminal is gone.
    Lost,
}

/// How long the dashboard may take to end before the signal ends it.
const GRACE: Duration = Duration::from_secs(1);

/// What was typed together is read together. (Not at all, if this were zero.)
const NEXT: Duration = Duration::from_millis(1);

/// Reads signals from now on, in a thread.
pub(super) fn signals(send: Sender<Event>) -> io::Result<()> {
    let ending = [SIGTERM, SIGHUP, SIGINT, SIGQUIT];
    let mut signals = Signals::new([SIGWINCH, SIGTSTP, SIGCONT].iter().chain(&ending))?;
    let read = move || {
        for signal in signals.forever() {
            let event = match signal {
                SIGWINCH => Event::Resized,
                SIGTSTP => Event::Stop,
                SIGCONT => Event::Continued,
                signal => Event::Signal(signal),
            };
            let heard = send.send(event).is_ok();
            if ending.contains(&signal) {
                // A terminal that takes no output must not keep us from ending.
                thread::sleep(GRACE);
                terminal::leave();
                die(signal);
            }
            if !heard {
                return;
            }
        }
    };
    thread::Builder::new().name("signals".into()).spawn(read).map(drop)
}

/// Dies of a signal, as if nobody had caught it.
pub(super) fn die(signal: i32) -> ! {
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    // Refused: at least the status says so.
    std::process::exit(128 + signal)
}

/// Reads keys and the mouse from now on, in a thread.
pub(super) fn input(send: Sender<Event>) -> io::Result<()> {
    let terminal = Keyboard::open()?;
    let read = move || {
        // An error of the terminal is its loss.
        let _ = read_input(&terminal, &send);
        let _ = send.send(Event::Lost);
    };
    thread::Builder::new().name("input".into()).spawn(read).map(drop)
}

/// Returns when the terminal is gone, or nobody listens.
fn read_input(terminal: &Keyboard, send: &Sender<Event>) -> io::Result<()> {
    loop {
        // The library does not notice the end of input, and turns round and round: look before it
        // reads.
        let mut polled = [PollFd::new(terminal, PollFlags::IN)];
        match poll(&mut polled, None) {
            Err(rustix::io::Errno::INTR) => continue,
            result => result?,
        };
        let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        if polled[0].revents().intersects(gone) {
            return Ok(());
        }
        while crossterm::event::poll(NEXT)? {
            if send.send(Event::Input(crossterm::event::read()?)).is_err() {
                return Ok(());
            }
        }
    }
}

/// Where the library reads from: standard input if that is a terminal, else the controlling one.
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
