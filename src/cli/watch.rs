//! `locktop watch`: a line for each thing that happens.

use std::collections::HashSet;
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use locktop::command::{self, Heard, Signals};
use locktop::console;
use locktop::model::{Event, Note, Tracing, harmless_bytes, short};
use locktop::watch::{Report, Seen, Watcher};
use locktop::{Error, Folders, Selection, Snapshot};

use super::args::{Global, Watch};
use super::chronicle::Lines;
use super::failure::{Failure, Status};
use super::page::{self, Page};
use super::{json, pick, stderr};

/// Tells what happens until somebody wants us to end, or nobody listens.
pub(crate) fn run(watch: &Watch, global: Global) -> Result<Status, Failure> {
    let targets = pick::parse(&watch.targets)?;
    let signals = Signals::hold_back().map_err(|error| refused("hold back", &error))?;
    let failed: Arc<Mutex<Option<Failure>>> = Arc::default();
    let failure = Arc::clone(&failed);
    let mut teller = Teller::new(watch.json, global);
    let watcher = Watcher::await_events(targets, Folders::Below, watch.trace, move |report| {
        if let Err(error) = teller.hear(report) {
            failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            command::nudge();
        }
    })?;
    let ended = wait(&signals, &failed);
    drop(watcher);
    ended
}

fn wait(signals: &Signals, failed: &Mutex<Option<Failure>>) -> Result<Status, Failure> {
    loop {
        if let Some(failure) = failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(failure);
        }
        match signals.next().map_err(|error| refused("wait for", &error))? {
            Heard::Typed(signal) | Heard::Asked(signal) => return Err(Failure::signal(signal)),
            Heard::Stop => signals.stop().map_err(|error| refused("obey", &error))?,
            Heard::Continued | Heard::Nudge => {}
        }
    }
}

fn refused(what: &str, error: &io::Error) -> Failure {
    Failure::refused(format!("cannot {what} signals: {error}"), error.kind())
}

/// Says what happens on standard output, and what has to be known of it on standard error, once.
struct Teller {
    json: bool,
    global: Global,
    lines: Lines,
    is_first: bool,
    said: HashSet<String>,
    /// How many events are known to have been lost.
    lost: u64,
}

impl Teller {
    fn new(json: bool, global: Global) -> Self {
        Self {
            json,
            global,
            lines: Lines::default(),
            is_first: true,
            said: HashSet::new(),
            lost: 0,
        }
    }

    fn hear(&mut self, report: Report) -> Result<(), Failure> {
        let Report { outcome, interval, note, events, .. } = report;
        match outcome {
            Ok(seen) => self.look(seen, note.as_ref(), interval)?,
            Err(error) => self.trouble(error)?,
        }
        self.tell(&events)?;
        let nobody_reads = io::Error::from(io::ErrorKind::BrokenPipe);
        if console::is_read() { Ok(()) } else { Err(nobody_reads.into()) }
    }

    fn tell(&mut self, events: &[Event]) -> Result<(), Failure> {
        if events.is_empty() {
            return Ok(());
        }
        let page = Page::stdout(self.global);
        let mut out = page::out();
        for event in events {
            let line = if self.json { json::line(event) } else { self.lines.of(event, &page) };
            writeln!(out, "{line}")?;
        }
        Ok(out.flush()?)
    }

    fn look(&mut self, seen: Seen, note: Option<&Note>, interval: Duration) -> Result<(), Failure> {
        for error in &seen.refused {
            self.say_once(&error.to_string());
        }
        match seen.selection {
            Ok(selection) if self.is_first => {
                self.is_first = false;
                let apart = (!seen.tracing.is_on()).then_some(interval);
                self.begin(&seen.snapshot, &selection, apart);
            }
            Ok(_) => {}
            Err(error) => self.trouble(error)?,
        }
        self.trace(&seen.tracing);
        for note in seen.snapshot.notes.iter().chain(note) {
            self.note(note);
        }
        Ok(())
    }

    /// At the first look that is the end; later there will be other looks.
    fn trouble(&mut self, error: Error) -> Result<(), Failure> {
        if self.is_first {
            return Err(error.into());
        }
        self.say_once(&error.to_string());
        Ok(())
    }

    /// Why locks are not traced, and what was missed.
    fn trace(&mut self, tracing: &Tracing) {
        if let Some(note) = &tracing.declined {
            self.note(note);
        }
        if tracing.lost > self.lost {
            let lost = tracing.lost - std::mem::replace(&mut self.lost, tracing.lost);
            let text = format!(
                "{lost} events came too fast to be traced: what happened meanwhile is told as far as \
                 looks prove it"
            );
            stderr::remark(self.global, &text);
        }
    }

    fn say_once(&mut self, text: &str) {
        if self.said.insert(text.to_owned()) {
            stderr::error(text);
        }
    }

    fn note(&mut self, note: &Note) {
        // Its numbers can change from look to look.
        if self.said.insert(format!("note {}", note.code)) {
            stderr::note(note, self.global);
        }
    }

    /// `apart`: how far looks are, where locks are not traced.
    fn begin(&self, snapshot: &Snapshot, selection: &Selection, apart: Option<Duration>) {
        for path in selection.absent() {
            let path = harmless_bytes(path.as_os_str().as_encoded_bytes());
            stderr::remark(self.global, &format!("nothing is at {path} yet"));
        }
        let locks = snapshot.locks.iter().filter(|lock| selection.contains(lock));
        let (count, waiting) =
            locks.fold((0, 0), |(count, waiting), lock| (count + 1, waiting + lock.waiters.len()));
        let locks = if count == 1 { "lock" } else { "locks" };
        let how = match apart {
            None => {
                "they are traced: times are exact, also of what comes and goes in an instant".into()
            }
            Some(apart) => format!(
                "looks are about {} apart, more on a busy machine, and what begins and ends in between \
                 is not seen",
                short(apart)
            ),
        };
        stderr::remark(self.global, &format!("watching {count} {locks}, {waiting} waiting; {how}"));
    }
}
