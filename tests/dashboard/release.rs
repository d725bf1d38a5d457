//! Freeing locks from the dashboard: real processes under real locks, and a log of the test's own.

use std::io::{Read as _, Write as _};
use std::time::Instant;

use portable_pty::{CommandBuilder, native_pty_system};
use rustix::process::{Signal, kill_process};

use crate::support::{Actor, Need, state, wait_until};
use crate::terminal::{SOON, Terminal, size};
use crate::theatre::{Theatre, has_ended, lives};

const DOWN: &str = "\x1b[B";
const ESCAPE: &str = "\x1b";
const HOME: &str = "\x1b[H";

/// A theatre with a folder in which nothing is locked but what a test locks.
fn theatre() -> Option<Theatre> {
    let theatre = Theatre::with(&[])?;
    theatre.scene.stage().does("os.mkdir('locks')");
    Some(theatre)
}

/// The dashboard on that folder.
fn command(theatre: &Theatre, options: &[&str]) -> CommandBuilder {
    command_through(theatre, &[], options)
}

/// The same, run through another program.
fn command_through(theatre: &Theatre, last: &[&str], options: &[&str]) -> CommandBuilder {
    // The copy of the program is there from now on.
    theatre.log();
    let through = theatre.through();
    let mut command = CommandBuilder::new(&through[0]);
    command.args(&through[1..]);
    command.args(last);
    command.arg(theatre.scene.path(".locktop"));
    command.args(options);
    command.arg(theatre.scene.path("locks"));
    command.cwd(theatre.scene.folder());
    command.env_remove("NO_COLOR");
    command
}

fn dashboard(theatre: &Theatre) -> Terminal {
    let terminal = Terminal::spawn(command(theatre, &[]));
    terminal.shows("locks/");
    terminal
}

fn holder(theatre: &Theatre, name: &str) -> Actor {
    let holder = theatre.scene.actor();
    holder.does(format!("flock('locks/{name}', EX)"));
    holder
}

fn waiter(theatre: &Theatre, name: &str) -> Actor {
    let waiter = theatre.scene.actor();
    waiter.waits(format!("flock('locks/{name}', EX)"));
    waiter
}

/// The first word behind the mark in the dialog, which stands right of that in the list.
fn chosen_way(screen: &str) -> Option<String> {
    let line = screen.lines().find(|line| line.contains("│ ▸ "))?;
    let word = line.split("│ ▸ ").nth(1)?.split([' ', ':']).next()?;
    Some(word.to_owned())
}

impl Terminal {
    /// Opens the dialog, and waits for the plans.
    fn opens(&mut self) -> String {
        self.press("r");
        self.shows("▸ cancel: touch nothing");
        self.shows("At worst: ")
    }

    /// Goes down to a method, and takes it.
    fn takes_method(&mut self, method: &str) {
        self.opens();
        // One at a time: below the last there is nothing.
        let mut chosen = String::from("cancel");
        while chosen != method {
            self.press(DOWN);
            let screen = self.wait("the next way", |seen| {
                chosen_way(&seen.parser.screen().contents()).is_some_and(|word| word != chosen)
            });
            chosen = chosen_way(&screen).unwrap();
        }
        self.press("\r");
    }

    /// Looks for the ways again and again, until they are for what is so by now: the last look can
    /// have been before that, or have seen half of it.
    fn looks_again(&mut self, is_so: impl Fn(&str) -> bool) {
        let begun = Instant::now();
        loop {
            // Whoever shows the help has heard the key before.
            self.press("r?");
            self.shows("─ Help ─");
            self.press(ESCAPE);
            let ways = self.wait("the ways", |seen| {
                let screen = seen.parser.screen().contents();
                !screen.contains("─ Help ─") && !screen.contains("looking for the ways")
            });
            if is_so(&ways) && !ways.contains("r looks again") {
                return;
            }
            assert!(begun.elapsed() < SOON, "it is seen otherwise:\n{ways}");
        }
    }

    fn leaves(&mut self) {
        self.press("q");
        assert!(self.ends().success());
    }
}

#[test]
fn a_stopped_holder_is_found_and_resumed_in_five_keys() {
    let Some(theatre) = theatre() else { return };
    let stopped = holder(&theatre, "nightly.lock");
    let bystander = holder(&theatre, "a.lock");
    stopped.stops();
    let next = waiter(&theatre, "nightly.lock");
    // Starting it is the first.
    let mut terminal = dashboard(&theatre);
    terminal.shows("▸ stuck");
    terminal.opens();
    terminal.press(DOWN);
    terminal.shows("▸ resume");
    terminal.press("\r");
    terminal.shows("▸ no, touch nothing");
    terminal.press("y");
    terminal.shows("goes on.");
    wait_until("it goes on", || (state(stopped.pid)? == 'S').then_some(()));
    assert!(lives(bystander.pid));
    assert_eq!(theatre.stages(), ["begun", "done"]);
    terminal.press("\r");
    terminal.leaves();
    stopped.ends();
    next.answer();
}

#[test]
fn to_touch_nothing_is_the_default() {
    let Some(theatre) = theatre() else { return };
    let holder = holder(&theatre, "l");
    let mut terminal = dashboard(&theatre);
    for key in ["\r", ESCAPE, "q", "\x03"] {
        terminal.opens();
        terminal.press(key);
        terminal.hides("cancel: touch nothing");
        terminal.takes_method("terminate");
        terminal.shows("▸ no, touch nothing");
        terminal.press(key);
        terminal.hides("no, touch nothing");
    }
    terminal.leaves();
    assert!(lives(holder.pid));
    // Only where something had been chosen.
    assert_eq!(theatre.stages(), ["declined"; 4]);
}

#[test]
fn a_lock_is_taken_from_a_living_holder_only_with_the_word() {
    let Some(theatre) = theatre() else { return };
    let holder = holder(&theatre, "l");
    let next = waiter(&theatre, "l");
    let mut terminal = dashboard(&theatre);
    terminal.takes_method("unlock");
    terminal.shows("type 'unlock'");
    terminal.press("yes\r");
    terminal.shows("no: type 'unlock'");
    terminal.press("kill\r");
    terminal.press("\r");
    terminal.hides("type 'unlock'");
    next.is_blocked();
    // Nobody waits for that before he goes on.
    wait_until("the no is written down", || (theatre.stages() == ["declined"]).then_some(()));
    terminal.takes_method("unlock");
    terminal.shows("type 'unlock'");
    terminal.press("unlock\r");
    terminal.shows(&format!("(pid {}) has the lock now", next.pid));
    next.answer();
    assert!(lives(holder.pid));
    assert_eq!(theatre.stages(), ["declined", "begun", "done"]);
    terminal.press("\r");
    terminal.leaves();
}

#[test]
fn what_changes_between_the_question_and_the_answer_is_not_touched() {
    let Some(theatre) = theatre() else { return };
    let first = holder(&theatre, "l");
    first.stops();
    let mut terminal = dashboard(&theatre);
    terminal.takes_method("resume");
    terminal.shows("▸ no, touch nothing");
    // The same holder, but there is nothing to be resumed any more.
    first.gets(Signal::CONT);
    wait_until("it goes on", || (state(first.pid)? == 'S').then_some(()));
    // That is seen before or found out then.
    terminal.press("y");
    terminal.shows("nothing was touched");
    terminal.shows("r looks again");
    terminal.looks_again(|ways| ways.contains("terminate") && !ways.contains("resume"));
    // Another holder, while the plans are shown, and while it is asked.
    let second = waiter(&theatre, "l");
    first.ends();
    second.answer();
    terminal.shows("it has other holders now");
    terminal.press(&format!("{DOWN}\r"));
    terminal.shows("look again first");
    terminal.looks_again(|ways| ways.contains(&format!("kill -TERM {}", second.pid)));
    terminal.press(&format!("{DOWN}\r"));
    terminal.shows("▸ no, touch nothing");
    let pid = second.pid;
    second.ends();
    terminal.shows("nobody has it any more");
    terminal.press("y");
    terminal.shows("it changed in the meantime");
    assert!(!lives(pid));
    terminal.press("r");
    terminal.hides("cancel: touch nothing");
    terminal.leaves();
    let stages = theatre.stages();
    let stages: Vec<&str> = stages.iter().map(String::as_str).collect();
    assert!(stages == ["begun", "failed", "declined"] || stages == ["declined"; 2], "{stages:?}");
}

#[test]
fn a_lock_is_kept_until_it_is_handed_over_and_whatever_ends_us_hands_it_over() {
    let Some(theatre) = theatre() else { return };
    for signal in [None, Some(Signal::TERM), Some(Signal::HUP), Some(Signal::KILL)] {
        let holder = holder(&theatre, "l");
        let next = waiter(&theatre, "l");
        let mut terminal = dashboard(&theatre);
        terminal.takes_method("escrow");
        terminal.shows("▸ no, touch nothing");
        terminal.press("y");
        terminal.shows("keeps the lock until it is handed over");
        has_ended(holder.pid);
        terminal.press("\r");
        terminal.shows("escrow by locktop");
        terminal.hides("orphaned");
        next.is_blocked();
        let report = theatre.locktop(&["ls", &theatre.path("locks")]);
        let report = String::from_utf8(report.stdout).unwrap();
        assert!(report.contains("contended") && !report.contains("orphaned"), "{report}");
        let Some(signal) = signal else {
            terminal.press("q");
            terminal.shows("This dashboard keeps 1 lock.");
            terminal.press("\r");
            terminal.press("m");
            terminal.shows("─ Mine ─");
            terminal.shows("kept");
            terminal.press("x");
            terminal.shows("has it now");
            next.answer();
            terminal.leaves();
            next.ends();
            continue;
        };
        kill_process(terminal.pid(), signal).unwrap();
        next.answer();
        next.ends();
    }
}

#[test]
fn marked_locks_are_freed_in_one_go() {
    let Some(theatre) = theatre() else { return };
    let marked = [holder(&theatre, "a"), holder(&theatre, "b")];
    let spared = holder(&theatre, "c");
    let mut terminal = dashboard(&theatre);
    terminal.shows("3 locks");
    terminal.press("/!path:/c\r");
    terminal.shows("2 of 3 locks");
    terminal.press("  ");
    terminal.shows("2 marked");
    terminal.press("r");
    let shown = terminal.shows("the least harm for each");
    for holder in &marked {
        assert!(shown.contains(&format!("terminate python3 (pid {})", holder.pid)), "{shown}");
    }
    terminal.press(&format!("{DOWN}\r"));
    let shown = terminal.shows("▸ no, touch nothing");
    for holder in &marked {
        assert!(shown.contains(&format!("terminate python3 (pid {})", holder.pid)), "{shown}");
    }
    assert!(!shown.contains(&format!("(pid {})", spared.pid)), "{shown}");
    terminal.press("y");
    for holder in &marked {
        has_ended(holder.pid);
    }
    terminal.wait("both outcomes", |seen| {
        seen.parser.screen().contents().matches("The lock is free.").count() == 2
    });
    assert!(lives(spared.pid));
    assert_eq!(theatre.stages(), ["begun", "done", "begun", "done"]);
    terminal.press("\r");
    terminal.leaves();
}

#[test]
fn who_waits_can_be_ended() {
    let Some(theatre) = theatre() else { return };
    let holder = holder(&theatre, "l");
    let waiter = waiter(&theatre, "l");
    let mut terminal = dashboard(&theatre);
    terminal.takes_method("end-waiter");
    terminal.shows("▸ no, touch nothing");
    terminal.press("y");
    terminal.shows("waits no more.");
    has_ended(waiter.pid);
    assert!(lives(holder.pid));
    terminal.press("\r");
    terminal.leaves();
}

#[test]
fn who_does_not_end_is_waited_for_in_the_background() {
    let Some(theatre) = theatre() else { return };
    let deaf = holder(&theatre, "l");
    deaf.does("signal.signal(signal.SIGTERM, signal.SIG_IGN)");
    let mut terminal = dashboard(&theatre);
    terminal.takes_method("terminate");
    terminal.shows("▸ no, touch nothing");
    // Whoever presses twice does not do it twice.
    terminal.press("yy");
    terminal.shows("s of 5 s");
    // Other keys are heard meanwhile: all at once, for there are 5 s for that.
    terminal.press("\rr");
    let screen = terminal.shows("is freeing it already");
    assert!(screen.contains("mine: freeing 1"), "{screen}");
    terminal.shows("has not ended, and still has the lock");
    terminal.press("m");
    terminal.shows("not freed");
    assert!(lives(deaf.pid));
    assert_eq!(theatre.stages(), ["begun", "done"]);
    terminal.leaves();
}

#[test]
fn what_cannot_be_written_down_is_not_done() {
    let Some(theatre) = theatre() else { return };
    let holder = holder(&theatre, "l");
    let mut terminal = dashboard(&theatre);
    let log = if Need::Root.missing().is_none() { "/var/log" } else { "state" };
    theatre.scene.stage().does(format!(
        "(shutil.rmtree('{log}/locktop', True), os.makedirs('{log}', exist_ok=True), \
         write('{log}/locktop', ''))"
    ));
    terminal.takes_method("terminate");
    terminal.shows("▸ no, touch nothing");
    terminal.press("y");
    terminal.shows("nothing was touched: the audit log");
    assert!(lives(holder.pid));
    terminal.press("\r");
    terminal.leaves();
}

#[test]
fn read_only_frees_nothing() {
    let Some(theatre) = theatre() else { return };
    let holder = holder(&theatre, "l");
    let mut terminal = Terminal::spawn(command(&theatre, &["--read-only"]));
    let shown = terminal.shows("locks/l");
    assert!(!shown.contains("r release"), "{shown}");
    terminal.press("r");
    terminal.shows("nothing is freed: the dashboard was started with --read-only");
    terminal.leaves();
    assert!(lives(holder.pid));
}

#[test]
fn another_users_holder_is_shown_with_what_would_help() {
    let Some(theatre) = Theatre::with(&[Need::Root]) else { return };
    theatre.scene.stage().does("os.mkdir('locks')");
    let holder = holder(&theatre, "l");
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let mut terminal = Terminal::spawn(command_through(&theatre, &nobody, &[]));
    terminal.shows("locks/");
    terminal.press("r");
    terminal.shows("not possible here");
    terminal.press(&format!("{DOWN}\r"));
    terminal.shows("that cannot be done here");
    terminal.press(ESCAPE);
    terminal.hides("cancel: touch nothing");
    terminal.leaves();
    assert!(lives(holder.pid));
}

#[test]
fn a_small_screen_will_do() {
    let Some(theatre) = theatre() else { return };
    let holder = holder(&theatre, "l");
    let mut terminal = dashboard(&theatre);
    terminal.opens();
    for (width, height) in [(40, 15), (30, 6), (5, 2), (80, 24)] {
        terminal.resize(width, height);
        if width >= 30 {
            terminal.shows("▸ cancel: touch nothing");
        }
    }
    terminal.resize(40, 15);
    terminal.press(DOWN);
    terminal.shows("▸ terminate");
    terminal.shows("cancel: touch nothing");
    terminal.press("\ry");
    has_ended(holder.pid);
    terminal.shows("The lock is free.");
    terminal.press("\r");
    terminal.leaves();
}

#[test]
fn a_terminal_that_closes_in_the_dialog_is_a_no() {
    let Some(theatre) = theatre() else { return };
    let holder = holder(&theatre, "l");
    let pty = native_pty_system().openpty(size(100, 30)).unwrap();
    let mut child = pty.slave.spawn_command(command(&theatre, &[])).unwrap();
    drop(pty.slave);
    let mut keyboard = pty.master.take_writer().unwrap();
    let mut output = pty.master.try_clone_reader().unwrap();
    let mut parser = vt100::Parser::new(30, 100, 0);
    let begun = Instant::now();
    for (shown, keys) in
        [("locks/l", "r"), ("At worst: ", DOWN), ("▸ terminate", "\r"), ("▸ no, touch", "")]
    {
        while !parser.screen().contents().contains(shown) {
            let mut buffer = [0; 4096];
            let count = output.read(&mut buffer).unwrap();
            parser.process(&buffer[..count]);
            assert!(begun.elapsed() < SOON, "{}", parser.screen().contents());
        }
        keyboard.write_all(keys.as_bytes()).unwrap();
    }
    // The last descriptors of the terminal's other end.
    drop((keyboard, output, pty.master));
    child.wait().unwrap();
    assert!(lives(holder.pid));
    assert_eq!(theatre.stages(), ["declined"]);
}

#[test]
fn what_was_left_behind_is_removed_and_the_rest_only_by_the_word() {
    let Some(theatre) = theatre() else { return };
    let actor = theatre.scene.actor();
    let ended = actor.pid;
    actor.ends();
    let path = |name: &str| theatre.scene.path(&format!("locks/{name}"));
    std::fs::write(path("postmaster.pid"), format!("{ended}\n/srv\n1700000000\n")).unwrap();
    std::fs::write(path("mystery"), "").unwrap();
    let mystery = format!("lockfile:{}", path("mystery").display());
    let mut terminal = Terminal::spawn(command(&theatre, &[&mystery]));
    terminal.shows("2 locks");
    // The one that was named is there before the one that had to be searched for, and stays chosen.
    terminal.press(HOME);
    terminal.shows("▸ stale");
    terminal.shows("unknown");
    terminal.takes_method("remove");
    terminal.shows("remove the file");
    terminal.press("y");
    terminal.shows("The lock is free");
    assert!(!path("postmaster.pid").exists());
    terminal.press(ESCAPE);
    terminal.hides("The lock is free");

    terminal.press("G");
    // Nothing is known of it, not even its name.
    terminal.shows("├─ mystery ── why");
    terminal.takes_method("remove");
    terminal.shows("Not proven to be left behind");
    terminal.press("yes\r");
    assert!(path("mystery").exists());
    terminal.press("remove\r");
    terminal.shows("The lock is free");
    assert!(!path("mystery").exists());
    terminal.press(ESCAPE);
    terminal.hides("The lock is free");
    terminal.leaves();
    assert_eq!(theatre.stages(), ["begun", "done", "begun", "done"]);
}
