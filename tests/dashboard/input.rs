//! What is typed is heard, whatever else happens.

use std::path::Path;

use portable_pty::{CommandBuilder, native_pty_system};

use super::terminal::{Held, Terminal, size};

#[test]
fn no_key_is_lost_while_the_size_changes() {
    let held = Held::new();
    let mut terminal = Terminal::start(&[held.folder()]);
    terminal.shows("nightly.lock");
    terminal.press("A\x15");
    let text: String = ('a'..='z').cycle().take(300).collect();
    let sizes = [(80, 24), (40, 15), (100, 30), (20, 3)];
    for (key, (width, height)) in text.chars().zip(sizes.into_iter().cycle()) {
        terminal.resize(width, height);
        terminal.press(&key.to_string());
    }
    // All of it fits into a line here.
    terminal.resize(400, 30);
    terminal.shows(&text);
    terminal.press("\x1b");
    terminal.hides(&text);
    terminal.press("q");
    assert!(terminal.ends().success());
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_typed_at_once_is_heard_at_once_however_slow_the_machine() {
    let held = Held::new();
    let mut terminal = Terminal::start(&[held.folder()]);
    terminal.shows("nightly.lock");
    terminal.press("A\x15");
    terminal.shows("take:");
    let slowness = super::slowness::of(terminal.pid(), "input");
    for word in ["typed", "at", "once"] {
        terminal.press(word);
        terminal.shows(word);
    }
    terminal.press("\x1b");
    terminal.hides("once");
    terminal.press("q");
    assert!(terminal.ends().success());
    slowness.join().unwrap();
}

/// One that is not its own sends it no signal.
#[cfg(target_os = "linux")]
#[test]
fn it_ends_with_the_terminal_that_keys_come_from() {
    let held = Held::new();
    let keys = native_pty_system().openpty(size(100, 30)).unwrap();
    let mut command = CommandBuilder::new("sh");
    command.args(["-c", r#"exec "$@" <"$0""#]);
    command.arg(keys.master.tty_name().unwrap());
    command.args([Path::new(env!("CARGO_BIN_EXE_locktop")), held.folder()]);
    let mut terminal = Terminal::spawn(command);
    terminal.shows("nightly.lock");
    drop(keys);
    terminal.is_restored();
    let status = terminal.ends();
    assert!(status.signal().is_some_and(|signal| signal.starts_with("Hangup")), "{status:?}");
}
