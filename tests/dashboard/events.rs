//! What has happened, as it happens.

use std::fs::File;

use super::terminal::{Held, Terminal};

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
    let screen = terminal.shows("released");
    let line = |word| screen.lines().position(|line| line.contains(word)).unwrap();
    assert!(line("released") < line("acquired"), "{screen}");
    terminal.press("/");
    terminal.press("acquired\r");
    terminal.hides("released");
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
