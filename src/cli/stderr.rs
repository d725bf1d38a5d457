//! What is said beside the result, on standard error: errors, notes, the cost of the look.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::Duration;

use locktop::Snapshot;
use locktop::model::Note;

use super::args::Global;

/// Says what went wrong. Where even that cannot be written, the exit status still tells.
pub(crate) fn error(text: &str) {
    line(&format!("locktop: {text}"));
}

/// Writes a line as it is.
pub(crate) fn line(text: &str) {
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// Says a thing that explains the result, unless `--quiet`.
pub(crate) fn remark(global: Global, text: &str) {
    if !global.quiet {
        error(text);
    }
}

/// Says what could not be seen, a line each, unless `--quiet`.
pub(crate) fn notes(snapshot: &Snapshot, global: Global) {
    if !global.quiet {
        let text: String = snapshot.notes.iter().map(wording).collect();
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

/// Says what the look cost and how much it saw, with `--verbose`.
pub(crate) fn cost(snapshot: &Snapshot, global: Global) {
    if global.verbose {
        let _ = io::stderr().write_all(cost_of(snapshot).as_bytes());
    }
}

/// Says one thing that could not be seen, unless `--quiet`.
pub(crate) fn note(note: &Note, global: Global) {
    if !global.quiet {
        let _ = io::stderr().write_all(wording(note).as_bytes());
    }
}

fn wording(note: &Note) -> String {
    match &note.would_help {
        Some(help) => format!("locktop: {}; what would help: {help}\n", note.text),
        None => format!("locktop: {}\n", note.text),
    }
}

fn cost_of(snapshot: &Snapshot) -> String {
    let holders =
        snapshot.locks.iter().flat_map(|lock| lock.holders.iter()).map(|one| &one.process);
    let waiters = snapshot.locks.iter().flat_map(|lock| &lock.waiters).map(|one| &one.process);
    let pids: BTreeSet<_> = holders.chain(waiters).filter_map(|process| process.pid).collect();
    let waiting: usize = snapshot.locks.iter().map(|lock| lock.waiters.len()).sum();
    format!(
        "locktop: saw {} locks, {waiting} waiting, {} processes in {}\n",
        snapshot.locks.len(),
        pids.len(),
        milliseconds(snapshot.cost),
    )
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn notes_say_what_would_help() {
        let snapshot = sample::snapshot();
        assert_eq!(
            wording(&snapshot.notes[0]),
            "locktop: 14 processes of other users could not be read; what would help: run as \
             root, or give the binary cap_sys_ptrace\n"
        );
    }

    #[test]
    fn processes_are_counted_once() {
        let snapshot = sample::snapshot();
        assert_eq!(cost_of(&snapshot), "locktop: saw 6 locks, 6 waiting, 10 processes in 4.2 ms\n");
    }
}
