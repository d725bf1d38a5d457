//! What has happened, as it happens.

use std::fs::File;

use super::terminal::{Held, Seen, Terminal};

/// Whether it is the line of such an event; explanations use the words, too.
fn is_event(line: &str, word: &str) -> bool {
    let mut words = line.split_whitespace().skip_while(|word| !word.contains(':'));
    words.nth(1) == Some(word)
}

fn has_event(seen: &Seen, word: &str) -> bool {
    seen.parser.screen().contents().lines().any(|line| is_event(line, word))
}

#[test]
fn what_happens_is_told_newest_first_and_leads_to_its_lock() {
    let mut held = Held::new();
    let mut terminal = Terminal::start(&[held.folder()]);
    terminal.shows("nightly.lock");
    terminal.press("E");
    terminal.shows("Nothing has happened yet");
    let file = File::create(held.folder().join("fresh.lock")).unwrap();
    file.lock().unwrap();
    terminal.shows("acquired");
    held.release();
    terminal.press("\x1b[H");
    let screen = terminal.wait("its release", |seen| has_event(seen, "released"));
    let line = |word| screen.lines().position(|line| is_event(line, word)).unwrap();
    assert!(line("released") < line("acquired"), "{screen}");
    terminal.press("/");
    terminal.press("acquired\r");
    terminal.wait("nothing but that", |seen| !has_event(seen, "released"));
    // The list has the filter, too.
    terminal.press("\x1b");
    terminal.shows("─ Locks ─");
    terminal.shows("nothing fits the filter");
    terminal.press("\x1b");
    terminal.hides("/acquired");
    terminal.press("E");
    terminal.shows("─ Events ─");
    terminal.press("\x1b[B\r");
    terminal.shows("─ Locks ─");
    let screen = terminal.shows("▸");
    assert!(screen.lines().any(|line| line.contains('▸') && line.contains("fresh.lock")));
    terminal.press("q");
    assert!(terminal.ends().success());
}

#[cfg(target_os = "linux")]
#[test]
fn a_key_traces_where_that_can_be() {
    let held = Held::new();
    let mut terminal = Terminal::start(&[held.folder()]);
    terminal.shows("nightly.lock");
    terminal.press("T");
    if super::support::Need::Tracing.missing().is_some() {
        // Why, and what would help.
        terminal.shows("trac");
        terminal.press("q");
        assert!(terminal.ends().success());
        return;
    }
    terminal.shows(" ev/s");
    let file = File::create(held.folder().join("fresh.lock")).unwrap();
    terminal.press("E");
    file.lock().unwrap();
    terminal.shows("acquired");
    terminal.shows("Known from: traced");
    terminal.press("T");
    terminal.hides(" ev/s");
    terminal.press("q");
    assert!(terminal.ends().success());
}
