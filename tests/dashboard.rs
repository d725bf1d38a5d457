//! The dashboard in a real terminal.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};
use support::{Need, all_met};
use tempfile::TempDir;

/// Long enough even where the lock table is so large or busy that looks are rare.
const SOON: Duration = Duration::from_mins(2);

/// A lock file held by flock(1), until dropped.
struct Held {
    folder: TempDir,
    holder: Child,
}

impl Held {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nightly.lock");
        let mut holder = Command::new("flock")
            .args([&*path, Path::new("sh"), Path::new("-c"), Path::new("echo; exec cat")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // The line comes when it has the lock.
        holder.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        Self { folder, holder }
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The holder reads to the end of its input.
    fn release(&mut self) {
        drop(self.holder.stdin.take());
        self.holder.wait().unwrap();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.release();
    }
}

/// What the program wrote, and what a terminal makes of it.
struct Seen {
    parser: vt100::Parser,
    bytes: Vec<u8>,
    ended: bool,
}

/// The program in a terminal.
struct Terminal {
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
    child: Box<dyn portable_pty::Child + Send + Sync>,
    seen: Arc<(Mutex<Seen>, Condvar)>,
    /// The terminal's settings before the program was started.
    before: String,
}

impl Terminal {
    fn start(arguments: &[&Path]) -> Self {
        Self::start_with(arguments, &[])
    }

    fn start_with(arguments: &[&Path], environment: &[(&str, &str)]) -> Self {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_locktop"));
        command.args(arguments);
        command.env_remove("NO_COLOR");
        for (name, value) in environment {
            command.env(name, value);
        }
        Self::spawn(command)
    }

    fn spawn(mut command: CommandBuilder) -> Self {
        let pty = native_pty_system().openpty(size(100, 30)).unwrap();
        let before = settings(&*pty.master);
        command.env("TERM", "xterm-256color");
        let child = pty.slave.spawn_command(command).unwrap();
        let parser = vt100::Parser::new(30, 100, 0);
        let seen = Seen { parser, bytes: Vec::new(), ended: false };
        let seen = Arc::new((Mutex::new(seen), Condvar::new()));
        read(pty.master.try_clone_reader().unwrap(), Arc::clone(&seen));
        let keyboard = pty.master.take_writer().unwrap();
        // The slave's end stays open with the program only.
        Self { master: pty.master, keyboard, child, seen, before }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.process_id().unwrap()).unwrap()).unwrap()
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    fn resize(&mut self, width: u16, height: u16) {
        self.seen.0.lock().unwrap().parser.screen_mut().set_size(height, width);
        self.master.resize(size(width, height)).unwrap();
    }

    /// Waits until the screen is so, and returns its text.
    fn wait(&self, what: &str, is_so: impl Fn(&Seen) -> bool) -> String {
        let (seen, changed) = &*self.seen;
        let mut seen = seen.lock().unwrap();
        let begun = Instant::now();
        loop {
            let text = seen.parser.screen().contents();
            if is_so(&seen) {
                return text;
            }
            let left = SOON.saturating_sub(begun.elapsed());
            assert!(!left.is_zero() && !seen.ended, "{what} was not to be seen:\n{text}");
            seen = changed.wait_timeout(seen, left).unwrap().0;
        }
    }

    /// Waits until a text is on the screen.
    fn shows(&self, text: &str) -> String {
        self.wait(text, |seen| seen.parser.screen().contents().contains(text))
    }

    /// Waits until a text is not on the screen any more.
    fn hides(&self, text: &str) {
        self.wait(text, |seen| !seen.parser.screen().contents().contains(text));
    }

    /// Waits for the end; the terminal must be as it was before.
    fn ends(&mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        self.is_restored();
        status
    }

    fn is_restored(&self) {
        self.wait("the screen from before", |seen| is_plain(seen.parser.screen()));
        assert_eq!(settings(&*self.master), self.before);
    }
}

/// Ends what a failed test leaves behind.
impl Drop for Terminal {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn read(mut from: Box<dyn Read + Send>, into: Arc<(Mutex<Seen>, Condvar)>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            let count = from.read(&mut buffer).unwrap_or_default();
            let mut seen = into.0.lock().unwrap();
            seen.parser.process(&buffer[..count]);
            seen.bytes.extend_from_slice(&buffer[..count]);
            seen.ended = count == 0;
            into.1.notify_all();
            if count == 0 {
                return;
            }
        }
    });
}

fn size(cols: u16, rows: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

fn settings(master: &dyn MasterPty) -> String {
    format!("{:?}", master.get_termios())
}

/// Whether the dashboard has left no trace in the terminal's modes.
fn is_plain(screen: &vt100::Screen) -> bool {
    !screen.alternate_screen()
        && !screen.hide_cursor()
        && screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None
}

fn click(column: usize, row: usize) -> String {
    format!("\x1b[<0;{0};{1}M\x1b[<0;{0};{1}m", column + 1, row + 1)
}

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
    let seen = terminal.seen.0.lock().unwrap();
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
