//! Who waits for whom, drawn of real processes.

use std::ffi::OsStr;
use std::process::{Child, Command};

use crate::terminal::{Held, Terminal};

fn flock<const N: usize>(words: [&OsStr; N]) -> Child {
    Command::new("flock").args(words).spawn().unwrap()
}

#[test]
fn a_chain_of_waiting_is_drawn_and_goes_with_it() {
    let mut held = Held::new();
    let (first, second) = (held.folder().join("nightly.lock"), held.folder().join("second.lock"));
    let (first, second) = (first.as_os_str(), second.as_os_str());
    let mut terminal = Terminal::start(&[held.folder()]);
    terminal.shows("nightly.lock");
    // Has the second lock, and waits for the first.
    let mut middle = flock([second, "flock".as_ref(), first, "true".as_ref()]);
    terminal.shows("second.lock");
    terminal.shows("contended");
    let mut last = flock([second, "true".as_ref()]);
    terminal.press("g");
    terminal.shows("Who waits for whom: graph");
    let screen = terminal.shows("in all 2 wait");
    assert!(screen.contains("HAS IT"), "{screen}");
    let screen = terminal.shows("─▶ 1");
    let box_of = |name: &str| screen.lines().position(|line| line.contains(name)).unwrap();
    assert!(box_of("/nightly.lock") < box_of("/second.lock"), "{screen}");
    assert!(screen.contains("┌─ 1 contended ─") && screen.contains("┌─ 2 contended ─"), "{screen}");
    terminal.press("j");
    terminal.shows("second.lock ── why");
    terminal.press("g");
    terminal.hides("HAS IT");
    terminal.press("g");
    held.release();
    middle.wait().unwrap();
    last.wait().unwrap();
    terminal.shows("no lock can be seen");
    terminal.press("q");
    assert!(terminal.ends().success());
}
