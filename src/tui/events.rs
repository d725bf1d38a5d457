//! What wakes the dashboard: keys and the mouse, signals, reports. All come over one channel.

use std::io;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use crossterm::event::Event as Input;
use locktop::console::{self, Signal};
use locktop::watch::Report;

use super::jobs::Jobs;
use super::mine::{News, Number};
use super::release::Found;
use super::terminal;

/// One thing that happened.
#[derive(Debug)]
pub(super) enum Event {
    /// A key, or the mouse.
    Input(Input),
    /// A look.
    Report(Report),
    /// Something about a wait or a lock of ours.
    Mine(Number, News),
    /// The ways to free the locks of a dialog.
    Plans(Number, Vec<Found>),
    /// Something in the background did not work.
    Trouble(String),
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

/// Listens to signals from now on, in a thread. One that ends us ends what `jobs` do at once.
pub(super) fn signals(send: Sender<Event>, jobs: Jobs) -> io::Result<()> {
    console::on_signal(move |signal| {
        let heard = send.send(signal.into()).is_ok();
        if let Signal::End(signal) = signal {
            jobs.end();
            // A terminal that takes no output must not keep us from ending.
            thread::sleep(GRACE);
            terminal::leave_within(GRACE);
            console::die_of(signal);
        }
        heard
    })
}

impl From<Signal> for Event {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Resized => Self::Resized,
            Signal::Stop => Self::Stop,
            Signal::Continued => Self::Continued,
            Signal::End(signal) => Self::Signal(signal),
        }
    }
}

/// Reads keys and the mouse from now on, in a thread.
pub(super) fn input(send: Sender<Event>) -> io::Result<()> {
    let lost = send.clone();
    console::on_loss(move || {
        // The dashboard may be ending already.
        let _ = lost.send(Event::Lost);
    })?;
    let read = move || {
        // An error of the terminal is its loss.
        let _ = read_input(&send);
        let _ = send.send(Event::Lost);
    };
    thread::Builder::new().name("input".into()).spawn(read).map(drop)
}

/// Returns when nobody listens any more.
///
/// Never asks the library whether there is input: it reads all that has been typed, hands on one key
/// of it, and the answer is no for the others when the time is up before it has looked.
fn read_input(send: &Sender<Event>) -> io::Result<()> {
    while send.send(Event::Input(crossterm::event::read()?)).is_ok() {}
    Ok(())
}
