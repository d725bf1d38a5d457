//! Waiting for locks and taking them, from the dashboard.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use portable_pty::{CommandBuilder, MasterPty, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::support::{records, wait_until};
use super::terminal::{Held, Seen, Terminal, size};

/// The terminal's bell, which nothing else on the screen has in it.
const BELL: u8 = 7;

impl Held {
    fn lock(&self) -> PathBuf {
        self.folder().join("nightly.lock")
    }
}

impl Terminal {
    fn number(&self) -> i32 {
        self.pid().as_raw_nonzero().get()
    }

    /// How many of its threads are in the lock's queue.
    fn queued(&self, lock: &Path) -> usize {
        let ours = |record: &&super::support::Record| record.waits && record.pid == self.number();
        records(lock).iter().filter(ours).count()
    }

    #[track_caller]
    fn queues(&self, lock: &Path, times: usize) {
        wait_until(&format!("{times} of us in the queue of {}", lock.display()), || {
            (self.queued(lock) == times).then_some(())
        });
    }

    fn rings(&self) {
        self.wait("the bell", has_rung);
    }

    /// Has it take a lock that is typed.
    fn takes(&mut self, target: &str) {
        self.press("A");
        self.shows("take:");
        // Away with the offer.
        self.press(&format!("\x15{target}\r"));
        self.shows("is yours");
    }
}

fn has_rung(seen: &Seen) -> bool {
    seen.bytes.contains(&BELL)
}

fn has_not_rung(terminal: &Terminal) -> bool {
    !has_rung(terminal.seen().catch_up())
}

/// Whether somebody who does not wait gets the lock.
fn is_free(lock: &Path) -> bool {
    Command::new("flock").arg("-n").args([lock, Path::new("true")]).status().unwrap().success()
}

/// A lock file that nobody has.
fn free_lock(name: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let lock = folder.path().join(name);
    File::create(&lock).unwrap();
    (folder, lock)
}

#[test]
fn a_wait_stands_in_the_queue_and_rings_when_the_lock_is_free() {
    let mut held = Held::new();
    let mut terminal = Terminal::start(&[held.folder()]);
    terminal.shows("nightly.lock");
    terminal.press("w");
    terminal.shows("mine: wait 1");
    terminal.queues(&held.lock(), 1);
    // The table and the explanation show us as everybody.
    terminal.shows("next in its queue");
    terminal.shows("1 waiting");
    terminal.press("t");
    terminal.shows("you (locktop");
    terminal.press("tm");
    terminal.shows("─ Mine ─");
    let screen = terminal.shows("1 · next");
    assert!(screen.contains("flock "), "{screen}");
    assert!(has_not_rung(&terminal));
    held.release();
    terminal.rings();
    terminal.shows("free now");
    terminal.shows("is free after");
    // It was not kept.
    assert!(is_free(&held.lock()));
    // Nothing would end, so nothing is asked.
    terminal.press("q");
    assert!(terminal.ends().success());
}

#[test]
fn what_is_taken_is_held_until_it_is_given_back() {
    let mut held = Held::new();
    let mut terminal = Terminal::start(&[held.folder()]);
    terminal.shows("nightly.lock");
    terminal.press("a");
    terminal.queues(&held.lock(), 1);
    held.release();
    terminal.rings();
    terminal.shows("is yours");
    terminal.shows("mine: hold 1");
    assert!(!is_free(&held.lock()));
    terminal.shows("you (locktop");
    terminal.shows("in this dashboard");
    terminal.press("m");
    terminal.shows("x give back");
    terminal.press("x");
    terminal.shows("is given back");
    assert!(is_free(&held.lock()));
    terminal.press("d");
    terminal.shows("Nothing is waited for or held");
    terminal.press("q");
    assert!(terminal.ends().success());
}

#[test]
fn one_of_two_waits_can_be_cancelled() {
    let (first, second) = (Held::new(), Held::new());
    let mut terminal = Terminal::start(&[first.folder(), second.folder()]);
    terminal.shows("2 locks");
    terminal.press("w");
    terminal.shows("mine: wait 1");
    let (waited, other) = wait_until("we are in a queue", || {
        let pairs = [(&first, &second), (&second, &first)];
        pairs.into_iter().find(|(one, _)| terminal.queued(&one.lock()) == 1)
    });
    terminal.press("A");
    terminal.shows("take:");
    terminal.press(&format!("\x15flock:{}\r", other.lock().display()));
    terminal.shows("mine: wait 2");
    terminal.queues(&other.lock(), 1);
    terminal.press("m");
    terminal.shows("─ Mine ─");
    // The newest is chosen.
    terminal.press("c");
    terminal.queues(&other.lock(), 0);
    terminal.shows("cancelled");
    assert_eq!(terminal.queued(&waited.lock()), 1);
    terminal.press("k\x1b[3~");
    terminal.queues(&waited.lock(), 0);
    terminal.hides("mine: wait");
    assert!(has_not_rung(&terminal));
    terminal.press("D");
    terminal.shows("Nothing is waited for or held");
    terminal.press("q");
    assert!(terminal.ends().success());
}

#[test]
fn leaving_asks_while_something_would_end() {
    let held = Held::new();
    let (_folder, free) = free_lock("free.lock");
    let mut terminal = Terminal::start(&[held.folder()]);
    terminal.shows("nightly.lock");
    terminal.press("w");
    terminal.queues(&held.lock(), 1);
    terminal.takes(&free.display().to_string());
    terminal.press("q");
    terminal.shows("holds 1 lock");
    terminal.shows("waits for 1 lock");
    // The default is to stay.
    terminal.press("\r");
    terminal.hides("Leave?");
    assert!(!is_free(&free));
    terminal.press("q");
    terminal.shows("Leave?");
    terminal.press("\x1b");
    terminal.hides("Leave?");
    terminal.press("q");
    terminal.shows("▸ stay");
    terminal.press("\x1b[B");
    terminal.shows("▸ leave");
    terminal.press("\r");
    assert!(terminal.ends().success());
    assert!(is_free(&free));
    assert!(records(&held.lock()).iter().all(|record| !record.waits));
}

/// A lock that is there as long as its file is, so that the kernel gives back nothing for us.
fn file_lock(folder: &TempDir) -> (String, PathBuf) {
    let lock = folder.path().join("file.lock");
    (format!("lockfile:{}", lock.display()), lock)
}

#[test]
fn whatever_ends_it_gives_everything_back() {
    for signal in
        [None, Some(Signal::TERM), Some(Signal::HUP), Some(Signal::INT), Some(Signal::QUIT)]
    {
        let held = Held::new();
        let folder = tempfile::tempdir().unwrap();
        let (target, lock) = file_lock(&folder);
        let mut terminal = Terminal::start(&[held.folder()]);
        terminal.shows("nightly.lock");
        terminal.press("w");
        terminal.queues(&held.lock(), 1);
        terminal.takes(&target);
        assert!(lock.exists());
        match signal {
            Some(signal) => kill_process(terminal.pid(), signal).unwrap(),
            None => terminal.press("\x03"),
        }
        let status = terminal.ends();
        assert!(status.signal().is_some(), "{status:?}");
        assert!(!lock.exists());
        assert!(records(&held.lock()).iter().all(|record| !record.waits));
    }
}

/// The program in a terminal of which nothing is read unless asked for, and a lock that it took.
struct Deaf {
    child: Box<dyn portable_pty::Child + Send + Sync>,
    keyboard: Box<dyn Write + Send>,
    screen: Box<dyn Read + Send>,
    master: Box<dyn MasterPty + Send>,
    _folder: TempDir,
    lock: PathBuf,
}

impl Deaf {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (target, lock) = file_lock(&folder);
        let pty = native_pty_system().openpty(size(100, 30)).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_locktop"));
        command.arg(folder.path());
        let child = pty.slave.spawn_command(command).unwrap();
        let keyboard = pty.master.take_writer().unwrap();
        let screen = pty.master.try_clone_reader().unwrap();
        let mut this = Self { child, keyboard, screen, master: pty.master, _folder: folder, lock };
        // Of the first picture: keys are read as they come now.
        this.read_to(b'?');
        this.press(&format!("A\x15{target}\r"));
        this.read_to(BELL);
        assert!(this.lock.exists());
        this
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    fn read_to(&mut self, end: u8) {
        let mut last = [0];
        while last != [end] {
            self.screen.read_exact(&mut last).unwrap();
        }
    }
}

#[test]
fn a_lost_terminal_gives_everything_back() {
    let Deaf { mut child, keyboard, screen, master, _folder, lock } = Deaf::new();
    // The last descriptors of the terminal's other end.
    drop((keyboard, screen, master));
    let status = child.wait().unwrap();
    assert!(status.signal().is_some_and(|signal| signal.starts_with("Hangup")), "{status:?}");
    assert!(!lock.exists());
}

#[test]
fn a_terminal_that_takes_no_output_keeps_nothing_locked() {
    let mut deaf = Deaf::new();
    let pid = Pid::from_raw(deaf.child.process_id().unwrap().cast_signed()).unwrap();
    let place = format!("/proc/{}/wchan", pid.as_raw_nonzero());
    // Picture after picture, until no buffer takes another.
    wait_until("it is stuck in its output", || {
        deaf.press("\x0c");
        let place = std::fs::read_to_string(&place).unwrap();
        ["wait_woken", "tty_write"].iter().any(|it| place.contains(it)).then_some(())
    });
    kill_process(pid, Signal::TERM).unwrap();
    wait_until("the lock is given back", || (!deaf.lock.exists()).then_some(()));
    let status = deaf.child.wait().unwrap();
    assert!(status.signal().is_some_and(|signal| signal.starts_with("Terminated")), "{status:?}");
}

#[test]
fn a_wait_outlives_every_size() {
    let mut held = Held::new();
    let mut terminal = Terminal::start(&[held.folder()]);
    terminal.shows("nightly.lock");
    terminal.press("am");
    terminal.queues(&held.lock(), 1);
    terminal.resize(40, 15);
    terminal.wait("a list of ours", |seen| {
        let text = seen.parser.screen().contents();
        text.contains("nightly.lock") && text.contains("next · ") && !text.contains('┐')
    });
    terminal.resize(1, 1);
    terminal.wait("one cell", |seen| seen.parser.screen().contents().trim() == "…");
    assert_eq!(terminal.queued(&held.lock()), 1);
    terminal.resize(120, 32);
    terminal.shows("1 · next");
    held.release();
    terminal.rings();
    terminal.shows("You hold flock:");
    terminal.press("x");
    terminal.shows("is given back");
    terminal.press("q");
    assert!(terminal.ends().success());
}

#[test]
fn what_cannot_be_parsed_is_told_where_it_is_typed() {
    let held = Held::new();
    let mut terminal = Terminal::start(&[held.folder()]);
    terminal.shows("nightly.lock");
    terminal.press("W");
    let screen = terminal.shows("wait for: flock:");
    assert!(screen.contains("nightly.lock"), "{screen}");
    terminal.press("\x15gopher://x\r");
    terminal.shows("cannot use the target");
    // Still there, to be mended.
    terminal.press("\x15/nonexistent/lock\r");
    terminal.shows("mine: failed 1");
    assert!(has_not_rung(&terminal));
    terminal.press("q");
    assert!(terminal.ends().success());
}

#[test]
fn read_only_takes_nothing() {
    let held = Held::new();
    let mut terminal = Terminal::start(&[Path::new("--read-only"), held.folder()]);
    terminal.shows("nightly.lock");
    terminal.shows("read-only");
    for key in ["w", "a", "W", "A"] {
        terminal.press(key);
        terminal.shows("nothing is waited for or taken");
        assert_eq!(terminal.queued(&held.lock()), 0);
        terminal.press("?");
        terminal.shows("off by --read-only");
        terminal.press("\x1b");
        terminal.hides("─ Help ─");
    }
    terminal.press("q");
    assert!(terminal.ends().success());
}

/// Has one lock, and waits for another; ends when it gets that.
struct Rival {
    process: Child,
}

impl Rival {
    fn new(has: &Path, wants: &Path) -> Self {
        // One process, so that nobody else can give back what it has.
        let mut process = Command::new("flock");
        process.arg("-F").arg(has).args([Path::new("flock"), wants, Path::new("true")]);
        let process = process.stdin(Stdio::null()).spawn().unwrap();
        wait_until("a rival waits", || records(wants).iter().any(|it| it.waits).then_some(()));
        Self { process }
    }
}

/// Not by its own will after a test that failed: it may wait for somebody who outlives it.
impl Drop for Rival {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_circle_is_refused_unless_one_insists() {
    let (_folder, ours) = free_lock("free.lock");
    let (folder, theirs) = free_lock("theirs.lock");
    // A lock from above, which nobody at the dashboard can give back.
    let mut command = CommandBuilder::new("flock");
    let program = Path::new(env!("CARGO_BIN_EXE_locktop"));
    command.args([Path::new("-F"), &ours, program, folder.path()]);
    let mut terminal = Terminal::spawn(command);
    terminal.shows("no lock can be seen");
    let mut rival = Rival::new(&theirs, &ours);
    terminal.shows("theirs.lock");
    terminal.press("a");
    terminal.shows("refused (m, then i, insists)");
    terminal.queues(&theirs, 0);
    terminal.press("m");
    terminal.shows("i insist");
    terminal.press("i");
    terminal.queues(&theirs, 1);
    terminal.hides("failed 1");
    terminal.press("c");
    terminal.shows("cancelled");
    assert!(has_not_rung(&terminal));
    terminal.press("q");
    assert!(terminal.ends().success());
    assert!(rival.process.wait().unwrap().success());
}
