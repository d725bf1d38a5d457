//! Signals: while waiting they end us, and while the command runs they are its own.

use std::process::Command;

use rustix::process::Signal;

use crate::scene::{Running, Scene};
use crate::support::{state, wait_until};

#[test]
fn a_signal_ends_the_wait_and_us() {
    for command in [&["run", "lock", "--", "true"][..], &["hold", "lock"], &["wait", "lock"]] {
        for options in [&[][..], &["--quiet"], &["--progress", "none"]] {
            for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
                let scene = Scene::new();
                let _holder = scene.holder(&["lock"]);
                let mut waiter = scene.start(&[&command[..1], options, &command[1..]].concat());
                scene.wait_for_queue("lock", 1);
                waiter.gets(signal);
                waiter.dies_of(signal);
                scene.wait_for_queue("lock", 0);
                assert!(!waiter.rest().contains("cancel"));
            }
        }
    }
}

#[test]
fn a_killed_waiter_leaves_the_queue() {
    let scene = Scene::new();
    let holder = scene.holder(&["lock"]);
    let mut first = scene.start(&["run", "lock", "--", "true"]);
    scene.wait_for_queue("lock", 1);
    let mut second = scene.start(&["run", "lock", "--", "true"]);
    scene.wait_for_queue("lock", 2);
    first.gets(Signal::KILL);
    first.dies_of(Signal::KILL);
    drop(holder);
    assert!(second.ends().success());
}

#[test]
fn what_was_ignored_stays_ignored() {
    let scene = Scene::new();
    let holder = scene.holder(&["lock"]);
    let mut shell = Command::new("sh");
    let line = "trap '' HUP INT; exec \"$0\" run lock -- grep SigIgn /proc/self/status";
    shell.args(["-c", line, env!("CARGO_BIN_EXE_locktop")]).current_dir(scene.folder());
    let mut run = Running::start(&mut shell);
    scene.wait_for_queue("lock", 1);
    run.gets(Signal::HUP);
    run.gets(Signal::INT);
    drop(holder);
    let line = run.prints("SigIgn");
    let ignored = u64::from_str_radix(line.rsplit('\t').next().unwrap(), 16).unwrap();
    assert_eq!(ignored & 0b11, 0b11, "{line}");
    assert!(run.ends().success());
}

/// A command that tells which signals it gets, and ends with the last of them.
const LISTENER: &str = "trap 'echo INT' INT; trap 'echo HUP' HUP; trap 'echo TERM; exit 3' TERM; \
                        echo ready; while :; do sleep 0.01; done";

#[test]
fn what_asks_us_to_end_is_passed_on() {
    let scene = Scene::new();
    let mut run = scene.start(&["run", "lock", "--", "sh", "-c", LISTENER]);
    run.prints("ready");
    run.gets(Signal::HUP);
    assert_eq!(run.prints(""), "HUP");
    // That one the terminal would have told it.
    run.gets(Signal::INT);
    run.gets(Signal::TERM);
    assert_eq!(run.prints(""), "TERM");
    assert_eq!(run.ends().code(), Some(3));
    assert!(scene.is_free("lock"));
}

#[test]
fn a_command_that_is_killed_by_a_signal_is_told_as_shells_do() {
    let scene = Scene::new();
    for (signal, status) in [("INT", 130), ("KILL", 137), ("TERM", 143), ("PIPE", 141)] {
        scene.ends(&["run", "lock", "--", "sh", "-c", &format!("kill -{signal} $$")], status);
    }
}

#[test]
fn the_command_is_stopped_and_continued_with_us() {
    let scene = Scene::new();
    let mut run = scene.start(&["run", "lock", "--", "sh", "-c", "echo $$; exec sleep 1000"]);
    let command: i32 = run.prints("").parse().unwrap();
    let is = |letter| move || (state(command) == Some(letter)).then_some(());
    run.gets(Signal::TSTP);
    wait_until("the command is stopped", is('T'));
    // Who stops only then would miss that it is to go on.
    wait_until("so are we", || (state(run.pid()) == Some('T')).then_some(()));
    run.gets(Signal::CONT);
    wait_until("the command goes on", is('S'));
    run.gets(Signal::TERM);
    assert_eq!(run.ends().code(), Some(143));
}

#[test]
fn who_stops_the_command_alone_stops_only_that() {
    let scene = Scene::new();
    let line = "echo $$; kill -STOP $$; echo on";
    let mut run = scene.start(&["run", "lock", "--", "sh", "-c", line]);
    let command: i32 = run.prints("").parse().unwrap();
    wait_until("the command is stopped", || (state(command) == Some('T')).then_some(()));
    crate::support::send(Signal::CONT, command);
    run.prints("on");
    assert!(run.ends().success());
}

#[test]
fn hold_ends_well_even_if_it_is_told_to_at_once() {
    let scene = Scene::new();
    for _ in 0..20 {
        let mut hold = scene.holder(&["lock"]);
        hold.gets(Signal::TERM);
        hold.gets(Signal::INT);
        assert_eq!(hold.ends().code(), Some(0));
    }
}
