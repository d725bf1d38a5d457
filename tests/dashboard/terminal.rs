//! The program in a real terminal, and a lock to look at.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::mem::take;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use rustix::process::Pid;
use tempfile::TempDir;

/// Long enough even where the lock table is so large or busy that looks are rare.
pub(crate) const SOON: Duration = Duration::from_mins(10);

/// A lock file held by flock(1), until dropped.
pub(crate) struct Held {
    folder: TempDir,
    holder: Child,
}

impl Held {
    pub(crate) fn new() -> Self {
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

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The holder reads to the end of its input.
    pub(crate) fn release(&mut self) {
        drop(self.holder.stdin.take());
        self.holder.wait().unwrap();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.release();
    }
}

/// What has been seen of what the program wrote, and what a terminal makes of it.
pub(crate) struct Seen {
    pub(crate) parser: vt100::Parser,
    pub(crate) bytes: Vec<u8>,
    /// What it wrote after that, picture by picture: whoever looks late misses none.
    unseen: VecDeque<Vec<u8>>,
    ended: bool,
}

impl Seen {
    /// Goes on to the next picture; `false`: there is none yet.
    fn go_on(&mut self) -> bool {
        let Some(next) = self.unseen.pop_front() else { return false };
        self.parser.process(&next);
        self.bytes.extend(next);
        true
    }

    /// Up to what has been written by now.
    pub(crate) fn catch_up(&mut self) -> &mut Self {
        while self.go_on() {}
        self
    }
}

/// The program in a terminal.
pub(crate) struct Terminal {
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
    child: Box<dyn portable_pty::Child + Send + Sync>,
    seen: Arc<(Mutex<Seen>, Condvar)>,
    /// The terminal's settings before the program was started.
    before: String,
}

impl Terminal {
    pub(crate) fn start(arguments: &[&Path]) -> Self {
        Self::start_with(arguments, &[])
    }

    pub(crate) fn start_with(arguments: &[&Path], environment: &[(&str, &str)]) -> Self {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_locktop"));
        command.args(arguments);
        command.env_remove("NO_COLOR");
        for (name, value) in environment {
            command.env(name, value);
        }
        Self::spawn(command)
    }

    pub(crate) fn spawn(mut command: CommandBuilder) -> Self {
        let pty = native_pty_system().openpty(size(100, 30)).unwrap();
        let before = settings(&*pty.master);
        command.env("TERM", "xterm-256color");
        let child = pty.slave.spawn_command(command).unwrap();
        let parser = vt100::Parser::new(30, 100, 0);
        let seen = Seen { parser, bytes: Vec::new(), unseen: VecDeque::new(), ended: false };
        let seen = Arc::new((Mutex::new(seen), Condvar::new()));
        read(pty.master.try_clone_reader().unwrap(), Arc::clone(&seen));
        let keyboard = pty.master.take_writer().unwrap();
        // The slave's end stays open with the program only.
        Self { master: pty.master, keyboard, child, seen, before }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.process_id().unwrap()).unwrap()).unwrap()
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn resize(&mut self, width: u16, height: u16) {
        // vt100 cannot put a wide character of the picture before into a single column.
        self.seen().catch_up().parser.screen_mut().set_size(height, width.max(2));
        self.master.resize(size(width, height)).unwrap();
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.0.lock().unwrap()
    }

    /// Looks at each picture until the screen is so, and returns its text.
    pub(crate) fn wait(&self, what: &str, is_so: impl Fn(&Seen) -> bool) -> String {
        let (seen, changed) = &*self.seen;
        let mut seen = seen.lock().unwrap();
        let begun = Instant::now();
        loop {
            let text = seen.parser.screen().contents();
            if is_so(&seen) {
                return text;
            }
            if seen.go_on() {
                continue;
            }
            let left = SOON.saturating_sub(begun.elapsed());
            assert!(!left.is_zero() && !seen.ended, "{what} was not to be seen:\n{text}");
            seen = changed.wait_timeout(seen, left).unwrap().0;
        }
    }

    /// Waits until a text is on the screen.
    pub(crate) fn shows(&self, text: &str) -> String {
        self.wait(text, |seen| seen.parser.screen().contents().contains(text))
    }

    /// Waits until a text is not on the screen any more.
    pub(crate) fn hides(&self, text: &str) {
        let gone = format!("a screen without {text:?}");
        self.wait(&gone, |seen| !seen.parser.screen().contents().contains(text));
    }

    /// Waits for the end; the terminal must be as it was before.
    pub(crate) fn ends(&mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        self.is_restored();
        status
    }

    pub(crate) fn is_restored(&self) {
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
        let mut written = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let count = from.read(&mut buffer).unwrap_or_default();
            written.extend_from_slice(&buffer[..count]);
            // Nobody looks after a test that failed.
            let Ok(mut seen) = into.0.lock() else { return };
            while let Some(end) = end_of_picture(&written) {
                seen.unseen.push_back(written.drain(..end).collect());
            }
            seen.ended = count == 0;
            if seen.ended {
                seen.unseen.push_back(take(&mut written));
            }
            into.1.notify_all();
            if count == 0 {
                return;
            }
        }
    });
}

/// Where the first picture ends, or what is written besides pictures; `None`: not yet.
fn end_of_picture(written: &[u8]) -> Option<usize> {
    /// What is written between these two is a picture.
    const BEGIN: &[u8] = b"\x1b[?2026h";
    const END: &[u8] = b"\x1b[?2026l";
    if written.starts_with(BEGIN) {
        let end = written.windows(END.len()).position(|bytes| bytes == END)?;
        return Some(end + END.len());
    }
    // What begins as pictures do may become one.
    let begin = (0..written.len()).find(|&at| {
        let rest = &written[at..];
        rest.starts_with(BEGIN) || BEGIN.starts_with(rest)
    });
    Some(begin.unwrap_or(written.len())).filter(|&end| end > 0)
}

pub(crate) fn size(cols: u16, rows: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

pub(crate) fn settings(master: &dyn MasterPty) -> String {
    format!("{:?}", master.get_termios())
}

/// Whether the dashboard has left no trace in the terminal's modes.
fn is_plain(screen: &vt100::Screen) -> bool {
    !screen.alternate_screen()
        && !screen.hide_cursor()
        && screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None
}
