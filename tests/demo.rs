//! `locktop demo`: what it plays, and that nothing of it stays, whatever ends it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use portable_pty::CommandBuilder;
use rustix::process::Signal;
use support::{Playground, Screen, send, somebody_is_in_charge, wait_until};

fn is_first_namespace() -> bool {
    fs::read_link("/proc/self/ns/pid").unwrap().as_os_str() == "pid:[4026531836]"
}

fn end(demo: &mut Child, signal: Signal) {
    send(signal, demo.id().cast_signed());
    demo.wait().unwrap();
}

#[test]
fn every_act_is_shown_and_nothing_stays() {
    let playground = Playground::new();
    let (shown, said) = wait_until("a look finds nobody handing over", || {
        let output = playground.demo().output().unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        assert_eq!(playground.company(), BTreeMap::new());
        assert_eq!(playground.folders(), Vec::<PathBuf>::new());
        shown.contains("/contention.lock").then_some((shown, said))
    });
    for (file, word) in [
        ("/orphan.lock", if somebody_is_in_charge() { "contended" } else { "orphaned" }),
        ("/stopped.lock", "stuck"),
        ("/deadlock-a.lock", "deadlock"),
        ("/deadlock-b.lock", "deadlock"),
        ("/split.lock", "split"),
        ("/queue.lock", "contended"),
        ("/queue.lock", "5"),
        // In a container, whoever has ended could live outside.
        ("/gc.pid", if is_first_namespace() { "stale" } else { "unknown" }),
    ] {
        let tells = |line: &str| line.contains(file) && line.split(' ').any(|it| it == word);
        assert!(shown.lines().any(tells), "no {word} {file} in:\n{shown}\n{said}");
    }
}

#[test]
fn on_a_terminal_it_is_under_the_dashboard() {
    for signal in [None, Some(Signal::KILL)] {
        let playground = Playground::new();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_locktop"));
        command.arg("demo");
        command.env("TMPDIR", playground.temporary());
        let mut screen = Screen::start(command);
        for file in ["deadlock-a.lock", "queue.lock", "split.lock"] {
            screen.wait_for(file);
        }
        if let Some(signal) = signal {
            send(signal, screen.pid());
            screen.ends();
        } else {
            screen.types("q");
            assert!(screen.ends().success());
            assert_eq!(playground.company(), BTreeMap::new());
        }
        playground.wait_for_nothing();
    }
}

#[test]
fn nothing_stays_after_a_signal() {
    for signal in [Signal::TERM, Signal::KILL] {
        let playground = Playground::new();
        let (mut demo, _unread) = playground.set_demo();
        end(&mut demo, signal);
        playground.wait_for_nothing();
    }
}

#[test]
fn nothing_stays_when_killed_while_the_scene_is_set() {
    for size in [1, 2, 6, 11] {
        let playground = Playground::new();
        let (mut demo, _unread) = playground.held_demo();
        playground.wait_for_company(size);
        end(&mut demo, Signal::KILL);
        playground.wait_for_nothing();
    }
}

#[test]
fn actors_die_with_the_janitor_and_the_demo_removes_the_folder() {
    let playground = Playground::new();
    let (mut demo, mut unread) = playground.set_demo();
    send(Signal::KILL, playground.pid_of(" demo-janitor "));
    playground.wait_for_silence();
    unread.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(demo.wait().unwrap().code(), Some(5));
    assert_eq!(playground.folders(), Vec::<PathBuf>::new());
}

#[test]
fn no_process_outlives_both_demo_and_janitor() {
    let playground = Playground::new();
    let (mut demo, _unread) = playground.set_demo();
    let janitor = playground.pid_of(" demo-janitor ");
    // While it is stopped it cannot notice that the demo ends.
    send(Signal::STOP, janitor);
    end(&mut demo, Signal::KILL);
    send(Signal::KILL, janitor);
    playground.wait_for_silence();
}

#[test]
fn nobody_else_may_enter_the_folder() {
    let playground = Playground::new();
    let (mut demo, _unread) = playground.set_demo();
    let mode = fs::metadata(playground.folder()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    end(&mut demo, Signal::TERM);
    playground.wait_for_nothing();
}

#[test]
fn without_a_folder_for_temporary_files_it_says_so() {
    let playground = Playground::new();
    let missing = playground.temporary().join("missing");
    let output = playground.demo().env("TMPDIR", &missing).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains(missing.to_str().unwrap()), "{said}");
    assert_eq!(output.stdout, b"");
}

#[test]
fn where_it_may_not_write_it_says_so() {
    let playground = Playground::new();
    let folder = playground.temporary();
    let program = folder.join("locktop");
    // Not by ourselves: a program that another test starts meanwhile would inherit the copy open for
    // writing, and nobody could run it.
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_locktop")).arg(&program).status();
    assert!(copied.unwrap().success());
    fs::set_permissions(folder, fs::Permissions::from_mode(0o555)).unwrap();
    let mut demo = Command::new(program);
    demo.arg("demo").env("TMPDIR", folder).stdin(Stdio::null());
    if rustix::process::geteuid().is_root() {
        // Root may write everywhere, nobody may not.
        demo.uid(65534).gid(65534);
    }
    let output = demo.output().unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("Permission denied"), "{said}");
}
