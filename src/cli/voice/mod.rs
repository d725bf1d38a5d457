//! What is said on standard error while somebody waits for locks, and when they are his.

mod message;
mod notice;
mod terminal;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use locktop::acquire::{Guard, Progress, Waiting};
use locktop::model::{harmless_bytes, short};

use super::args::{Global, Telling, Terms};
use super::{json, stderr};
use message::Message;
use terminal::Terminal;

/// The pauses between whole lines that say nothing new grow from the first to the last of these.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// If no look has been possible by then, it is said without who has the lock.
const PATIENCE: Duration = Duration::from_secs(2);

/// A wait that was shorter is told of only where somebody saw it begin.
const LITTLE: Duration = Duration::from_secs(1);

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// That the locks are ours.
    Ours,
    /// That they are free.
    Free,
    /// That those who have them are ready.
    Ready,
}

/// How it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Silent,
    /// In whole lines.
    Plain,
    /// In one line that changes; whole lines while we are in the background.
    Live,
    /// A JSON object a line.
    Json,
}

impl Manner {
    fn of(terms: &Terms, global: Global) -> Self {
        match terms.progress {
            _ if global.quiet => Self::Silent,
            Telling::None => Self::Silent,
            Telling::Json => Self::Json,
            Telling::Auto if Terminal::is_there() => Self::Live,
            Telling::Auto | Telling::Plain => Self::Plain,
        }
    }
}

/// One voice for all waits of a command.
pub(crate) struct Voice {
    manner: Manner,
    goal: Goal,
    verbose: bool,
    notifies: bool,
    terminal: Terminal,
    waits: Vec<Wait>,
}

/// A wait as far as it was told of.
struct Wait {
    /// As the user wrote it.
    target: OsString,
    latest: Option<Waiting>,
    /// Whether whole lines have told of it.
    told: bool,
    /// When it is told of again, counted from its beginning; and the pause until then.
    due: Duration,
    pause: Duration,
    over: bool,
}

/// A voice that several threads use.
#[derive(Clone)]
pub(crate) struct SharedVoice(Arc<Mutex<Voice>>);

impl SharedVoice {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Voice> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Voice {
    pub(crate) fn shared(
        terms: &Terms,
        global: Global,
        goal: Goal,
        targets: &[OsString],
    ) -> SharedVoice {
        let wait = |target: &OsString| Wait {
            target: target.clone(),
            latest: None,
            told: false,
            due: Duration::ZERO,
            pause: FIRST_PAUSE,
            over: false,
        };
        let manner = Manner::of(terms, global);
        SharedVoice(Arc::new(Mutex::new(Self {
            manner,
            goal,
            verbose: global.verbose && manner != Manner::Silent,
            notifies: terms.notify && io::stderr().is_terminal(),
            terminal: Terminal::new(global.ascii),
            waits: targets.iter().map(wait).collect(),
        })))
    }

    /// Whether nothing is ever said, so that nobody need listen.
    pub(crate) fn is_silent(terms: &Terms, global: Global) -> bool {
        Manner::of(terms, global) == Manner::Silent && !terms.notify
    }

    /// Tells how the wait of that number goes.
    pub(crate) fn hear(&mut self, at: usize, progress: &Progress) {
        match progress {
            Progress::Waiting(waiting) => {
                let wait = &mut self.waits[at];
                (wait.latest, wait.over) = (Some(waiting.clone()), false);
                if self.is_live() {
                    self.draw();
                } else if self.is_time(at, waiting) {
                    self.say(at, progress);
                }
            }
            Progress::Replaced { .. } => self.say(at, progress),
            Progress::Taken { name, waited } => self.over(at, name, *waited),
            _ => {}
        }
    }

    /// Tells that the lock is ours, if that has not been told.
    pub(crate) fn taken(&mut self, at: usize, guard: &Guard) {
        if self.verbose && !self.waits[at].over {
            let name = harmless_bytes(guard.path().as_os_str().as_encoded_bytes());
            self.over(at, &name, guard.waited());
        }
    }

    /// Nothing of it is left on the screen while we are stopped.
    pub(crate) fn pause(&mut self) {
        self.terminal.clear();
    }

    /// Nothing more is to be said.
    pub(crate) fn end(&mut self) {
        self.terminal.clear();
        self.waits.iter_mut().for_each(|wait| wait.over = true);
    }

    fn is_live(&self) -> bool {
        self.manner == Manner::Live && Terminal::is_ours()
    }

    /// Whether a whole line is due.
    fn is_time(&mut self, at: usize, waiting: &Waiting) -> bool {
        let wait = &mut self.waits[at];
        let news = if wait.told {
            waiting.changed || waiting.waited >= wait.due
        } else {
            waiting.looked || waiting.waited >= PATIENCE
        };
        if news {
            wait.told = true;
            wait.due = waiting.waited + wait.pause;
            wait.pause = (wait.pause * 2).min(LONGEST_PAUSE);
        }
        news
    }

    fn over(&mut self, at: usize, name: &str, waited: Duration) {
        self.waits[at].over = true;
        self.terminal.clear();
        let is = match self.goal {
            Goal::Ours => "is ours",
            Goal::Free => "is free",
            Goal::Ready => "has a daemon that is ready",
        };
        let message =
            Message::taken(&self.waits[at].target, waited, self.waits[at].latest.as_ref());
        if self.verbose || self.waits[at].told || self.is_live() || waited >= LITTLE {
            self.write(&message, &format!("{name} {is}, after {}", short(waited)));
        }
        if self.notifies {
            self.terminal.notify(&format!("{name} {is}"));
        }
        if self.is_live() {
            self.draw();
        }
    }

    /// Says one thing in a whole line.
    fn say(&mut self, at: usize, progress: &Progress) {
        self.terminal.clear();
        let wait = &self.waits[at];
        let message = match progress {
            Progress::Waiting(waiting) => Message::waiting(&wait.target, waiting),
            _ => Message::replaced(&wait.target, wait.latest.as_ref()),
        };
        self.write(&message, &progress.to_string());
    }

    fn write(&self, message: &Message<'_>, sentence: &str) {
        match self.manner {
            Manner::Silent => {}
            Manner::Plain | Manner::Live => stderr::error(sentence),
            Manner::Json => stderr::line(&json::line(message)),
        }
    }

    /// Draws the first wait that is not over, and how many there are beside it.
    fn draw(&mut self) {
        let mut waiting = self.waits.iter().filter(|wait| !wait.over);
        let Some(first) = waiting.find_map(|wait| wait.latest.clone()) else { return };
        let others = waiting.filter(|wait| wait.latest.is_some()).count();
        let more = if others > 0 { format!(" (and {others} more)") } else { String::new() };
        self.terminal.draw(&format!("{}{more}", Progress::Waiting(first)));
    }
}
