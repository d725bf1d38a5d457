//! The question, on a terminal.

use portable_pty::CommandBuilder;
use rustix::process::Signal;

use crate::support::{Actor, Screen};
use crate::theatre::{PATIENTLY, Theatre, has_ended, lives};

/// `locktop release` on a terminal.
fn asks(theatre: &Theatre, args: &[&str]) -> Screen {
    let (words, _) = theatre.command(&[&["release"], &PATIENTLY[..], args].concat());
    let mut command = CommandBuilder::new(&words[0]);
    command.args(&words[1..]);
    command.cwd(theatre.scene.folder());
    Screen::start(command)
}

fn holder(theatre: &Theatre, name: &str) -> Actor {
    let holder = theatre.scene.actor();
    holder.does(format!("flock('{name}', EX)"));
    holder
}

#[test]
fn only_a_yes_is_one() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let holder = holder(&theatre, "l");
    for answer in ["\n", "n\n", "maybe\n", "kill\n", "\x04"] {
        let mut screen = asks(&theatre, &[&theatre.path("l")]);
        screen.wait_for("Do that? [y/N]");
        screen.types(answer);
        screen.wait_for("nothing was touched");
        assert_eq!(screen.ends().exit_code(), 1);
        assert!(lives(holder.pid));
    }
    assert_eq!(theatre.stages(), ["declined"; 5]);
    let mut screen = asks(&theatre, &[&theatre.path("l")]);
    screen.wait_for("Do that? [y/N]");
    screen.types("y\n");
    screen.wait_for("The lock is free.");
    assert_eq!(screen.ends().exit_code(), 0);
    has_ended(holder.pid);
}

#[test]
fn what_is_drastic_wants_its_word() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let holder = holder(&theatre, "l");
    for (answer, status) in [("y\n", 1), ("unlock\n", 1), ("kill\n", 0)] {
        assert!(lives(holder.pid));
        let mut screen = asks(&theatre, &[&theatre.path("l"), "--method", "kill"]);
        screen.wait_for("type 'kill'");
        screen.types(answer);
        screen.wait_for(if status == 0 { "The lock is free." } else { "nothing was touched" });
        assert_eq!(screen.ends().exit_code(), status);
    }
    has_ended(holder.pid);
}

#[test]
fn one_question_names_everybody() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let holders = [holder(&theatre, "a"), holder(&theatre, "b")];
    let mut screen = asks(&theatre, &[&theatre.path("a"), &theatre.path("b")]);
    let shown = screen.wait_for("Do all of that? [y/N]");
    for holder in &holders {
        assert!(shown.contains(&format!("terminate python3 (pid {})", holder.pid)), "{shown}");
    }
    screen.types("yes\n");
    screen.ends();
    for holder in &holders {
        has_ended(holder.pid);
    }
}

#[test]
fn a_terminal_that_goes_away_is_a_no() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let holder = holder(&theatre, "l");
    let mut screen = asks(&theatre, &[&theatre.path("l")]);
    screen.wait_for("Do that? [y/N]");
    let pid = screen.pid();
    drop(screen);
    crate::support::wait_until("it has ended", || {
        crate::support::state(pid).is_none_or(|state| state == 'Z').then_some(())
    });
    assert!(lives(holder.pid));
}

#[test]
fn a_lock_is_kept_until_enter() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let holder = holder(&theatre, "l");
    let next = theatre.scene.actor();
    next.waits("flock('l', EX)");
    let mut screen = asks(&theatre, &[&theatre.path("l"), "--method", "escrow"]);
    screen.wait_for("Do that? [y/N]");
    screen.types("y\n");
    screen.wait_for("Enter hands it over");
    has_ended(holder.pid);
    next.is_blocked();
    screen.types("\n");
    screen.wait_for(&format!("handed over: python3 (pid {}) has it now", next.pid));
    next.answer();
    assert_eq!(screen.ends().exit_code(), 0);
    next.gets(Signal::TERM);
}
