//! The dashboard in a real terminal.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "dashboard/events.rs"]
mod events;
#[cfg(target_os = "linux")]
#[path = "dashboard/graph.rs"]
mod graph;
#[path = "dashboard/input.rs"]
mod input;
#[cfg(target_os = "linux")]
#[path = "dashboard/on_disk.rs"]
mod on_disk;
#[path = "dashboard/ours.rs"]
mod ours;
#[cfg(target_os = "linux")]
#[path = "dashboard/release.rs"]
mod release;
#[cfg(target_os = "linux")]
#[path = "dashboard/slowness.rs"]
mod slowness;
mod support;
#[path = "dashboard/terminal.rs"]
mod terminal;
#[cfg(target_os = "linux")]
#[expect(dead_code, reason = "the dashboard has no use for all of it")]
#[path = "release/theatre.rs"]
mod theatre;

use std::path::{Path, PathBuf};

use portable_pty::{CommandBuilder, native_pty_system};
use rustix::process::{Signal, kill_process};
use support::{Need, all_met};
use terminal::{Held, Terminal, size};

#[test]
fn a_lock_is_shown_while_it_is_held() {
    let mut held = Held::new();
    let mut terminal = Terminal::start(&[held.folder()]);
    terminal.shows("nightly.lock");
    let screen = terminal.shows("● live");
    assert!(screen.contains("held"), "{screen}");
    held.release();
    let screen = terminal.shows("ended");
    assert!(screen.contains("nightly.lock"), "{screen}");
    terminal.hides("ended");
    terminal.shows("no lock can be seen");
    terminal.press("q");
    assert!(terminal.ends().success());
}

#[test]
fn a_lock_that_is_taken_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(&[folder.path()]);
    terminal.shows("no lock can be seen");
    let path = folder.path().join("fresh.lock");
    let file = std::fs::File::create(&path).unwrap();
    file.lock().unwrap();
    terminal.shows("fresh.lock");
    terminal.press("q");
    assert!(terminal.ends().success());
}

#[test]
fn keys_do_what_they_say() {
    let held = Held::new();
    let mut terminal = Terminal::start(&[held.folder()]);
    terminal.shows("nightly.lock");
    terminal.press("?");
    terminal.shows("─ Help ─");
    terminal.press("\x1b");
    terminal.hides("─ Help ─");
    terminal.press("t");
    terminal.shows("Who waits for whom");
    terminal.press("t");
    terminal.hides("Who waits for whom");
    terminal.press("/");
    terminal.shows("words, or path:");
    terminal.press("nothinglikethis");
    terminal.shows("nothing fits the filter");
    terminal.press("\x15ngtly\r");
    terminal.shows("── /ngtly");
    terminal.press("\x1b");
    terminal.hides("── /ngtly");
    terminal.press("s");
    terminal.shows("longest queue first");
    terminal.press("jj\r");
    terminal.shows("by kind ▾");
    terminal.press("S");
    terminal.shows("by kind, reversed ▴");
    terminal.press("p");
    terminal.shows("‖ frozen");
    terminal.press("p");
    terminal.shows("● live");
    terminal.press("\r");
    terminal.shows("⏎ back");
    terminal.press("\r");
    terminal.shows("⏎ open");
    terminal.press("y");
    terminal.wait("the path in the clipboard", |seen| {
        let bytes = String::from_utf8_lossy(&seen.bytes);
        bytes.contains("\x1b]52;c;")
    });
    terminal.press("q");
    assert!(terminal.ends().success());
}

fn click(column: usize, row: usize) -> String {
    format!("\x1b[<0;{0};{1}M\x1b[<0;{0};{1}m", column + 1, row + 1)
}

#[test]
fn the_mouse_does_too() {
    let held = Held::new();
    let mut terminal = Terminal::start(&[held.folder()]);
    let screen = terminal.shows("nightly.lock");
    let (heads, line) = (0..).zip(screen.lines()).find(|(_, line)| line.contains("HELD")).unwrap();
    let column = line.split("HELD").next().unwrap().chars().count();
    terminal.press(&click(column, heads));
    terminal.shows("held longest first");
    terminal.press(&click(column, heads + 1));
    terminal.shows("⏎ back");
    terminal.press("q");
    assert!(terminal.ends().success());
}

#[test]
fn every_size_will_do() {
    let held = Held::new();
    let mut terminal = Terminal::start(&[held.folder()]);
    terminal.shows("nightly.lock");
    terminal.resize(80, 24);
    terminal.wait("a narrower frame", |seen| {
        let text = seen.parser.screen().contents();
        text.contains("nightly.lock") && text.lines().any(|line| line.chars().nth(79) == Some('┐'))
    });
    terminal.resize(40, 15);
    terminal.wait("a list", |seen| {
        let text = seen.parser.screen().contents();
        text.contains("nightly.lock") && !text.contains('┐')
    });
    terminal.resize(20, 3);
    terminal.shows("needs 30×6");
    terminal.resize(1, 1);
    terminal.wait("one cell", |seen| seen.parser.screen().contents().trim() == "…");
    terminal.press("?tsp/\r");
    terminal.resize(120, 40);
    terminal.shows("┐");
    terminal.press("\x1b\x1bq");
    terminal.press("q");
    assert!(terminal.ends().success());
}

#[test]
fn what_a_terminal_forgot_while_it_was_small_is_drawn_again() {
    let held = Held::new();
    let mut terminal = Terminal::start(&[held.folder()]);
    terminal.shows("nightly.lock");
    // The dashboard sees only the size that it had before.
    for width in [10, 100] {
        terminal.seen().catch_up().parser.screen_mut().set_size(30, width);
    }
    kill_process(terminal.pid(), Signal::WINCH).unwrap();
    terminal.shows("nightly.lock");
    terminal.press("q");
    assert!(terminal.ends().success());
}

#[test]
fn it_suspends_and_comes_back() {
    let held = Held::new();
    // A shell with job control, which looks at the terminal and comes back at once.
    let script = r#"
        before=$(stty -g); set -m
        "$0" "$1"; echo "stopped: $?"
        [ "$(stty -g)" = "$before" ] && echo "the terminal is as before"
        fg; echo "ended: $?""#;
    let program = Path::new(env!("CARGO_BIN_EXE_locktop"));
    let mut shell = CommandBuilder::new("sh");
    shell.args([Path::new("-c"), Path::new(script), program, held.folder()]);
    let mut terminal = Terminal::spawn(shell);
    terminal.shows("nightly.lock");
    terminal.press("\x1a");
    terminal.wait("the shell, and the dashboard again", |seen| {
        let told = String::from_utf8_lossy(&seen.bytes);
        let Some((_, after)) = told.split_once("stopped: 1") else { return false };
        let screen = seen.parser.screen();
        after.contains("the terminal is as before")
            && screen.alternate_screen()
            && screen.contents().contains("nightly.lock")
    });
    // Keys are read as before.
    terminal.press("?");
    terminal.shows("─ Help ─");
    terminal.press("q");
    terminal.shows("ended: 0");
    terminal.ends();
}

#[test]
fn it_does_not_stop_where_nobody_could_continue_it() {
    let held = Held::new();
    let mut terminal = Terminal::start(&[held.folder()]);
    terminal.shows("nightly.lock");
    terminal.press("\x1a");
    terminal.shows("no shell is there to come back from");
    terminal.press("q");
    assert!(terminal.ends().success());
}

#[test]
fn a_session_from_outside_its_pid_namespace_is_no_shell() {
    if !all_met(&[Need::Root]) {
        return;
    }
    let held = Held::new();
    let mut inside = CommandBuilder::new("unshare");
    inside.args([
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "sh",
        "-c",
        r#"setsid "$0" "$1"; exit $?"#,
    ]);
    inside.args([Path::new(env!("CARGO_BIN_EXE_locktop")), held.folder()]);
    let mut terminal = Terminal::spawn(inside);
    terminal.shows("no lock can be seen");
    terminal.press("\x1a");
    terminal.shows("no shell is there to come back from");
    terminal.press("q");
    assert!(terminal.ends().success());
}

#[test]
fn signals_end_it_and_the_terminal_is_as_it_was() {
    for (signal, name) in [
        (Signal::TERM, "Terminated"),
        (Signal::HUP, "Hangup"),
        (Signal::INT, "Interrupt"),
        (Signal::QUIT, "Quit"),
    ] {
        let held = Held::new();
        let mut terminal = Terminal::start(&[held.folder()]);
        terminal.shows("nightly.lock");
        kill_process(terminal.pid(), signal).unwrap();
        let status = terminal.ends();
        assert!(status.signal().is_some_and(|signal| signal.starts_with(name)), "{status:?}");
    }
}

#[test]
fn control_c_is_an_interrupt() {
    let held = Held::new();
    let mut terminal = Terminal::start(&[held.folder()]);
    terminal.shows("nightly.lock");
    terminal.press("\x03");
    let status = terminal.ends();
    assert!(status.signal().is_some_and(|signal| signal.starts_with("Interrupt")), "{status:?}");
}

#[test]
fn it_ends_with_its_terminal() {
    let held = Held::new();
    let pty = native_pty_system().openpty(size(100, 30)).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_locktop"));
    command.arg(held.folder());
    let mut child = pty.slave.spawn_command(command).unwrap();
    drop(pty.slave);
    let mut screen = pty.master.try_clone_reader().unwrap();
    let mut seen = Vec::new();
    while !seen.windows(12).any(|bytes| bytes == b"nightly.lock") {
        let mut buffer = [0; 4096];
        let count = screen.read(&mut buffer).unwrap();
        seen.extend_from_slice(&buffer[..count]);
    }
    // The last descriptors of the terminal's other end.
    drop((screen, pty.master));
    let status = child.wait().unwrap();
    assert!(status.signal().is_some_and(|signal| signal.starts_with("Hangup")), "{status:?}");
}

#[test]
fn without_colours_weight_and_reverse_remain() {
    let held = Held::new();
    let mut terminal = Terminal::start_with(&[held.folder()], &[("NO_COLOR", "1")]);
    terminal.shows("nightly.lock");
    let (row, column) = (3, 20);
    terminal.wait("the chosen row in reverse", |seen| {
        let cell = seen.parser.screen().cell(row, column);
        cell.is_some_and(vt100::Cell::inverse)
    });
    let seen = terminal.seen();
    let screen = seen.parser.screen();
    let cells = (0..30).flat_map(|row| (0..100).map(move |column| (row, column)));
    let mut cells = cells.filter_map(|(row, column)| screen.cell(row, column));
    assert!(cells.clone().any(vt100::Cell::bold));
    let plain = |cell: &vt100::Cell| {
        (cell.fgcolor(), cell.bgcolor()) == (vt100::Color::Default, vt100::Color::Default)
    };
    assert!(cells.all(plain));
    drop(seen);
    terminal.press("q");
    assert!(terminal.ends().success());
}

#[test]
fn a_target_that_is_not_there_is_told_on_the_screen_from_before() {
    let missing = PathBuf::from("/nonexistent/lock");
    let mut terminal = Terminal::start(&[&missing]);
    let status = terminal.ends();
    assert_eq!(status.exit_code(), 2);
    terminal.shows("/nonexistent/lock does not exist");
}
