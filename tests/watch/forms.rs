//! How it is said, and how it ends.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::listener::Listener;
use crate::support::{Scene, Viewer, wait_until};

#[test]
fn lines_stand_below_each_other() {
    let Some(scene) = Scene::with(&[]) else { return };
    let (holder, waiter) = (scene.actor(), scene.actor());
    let mut listener = Listener::start(&scene, &["lock"]);
    holder.does("fd = flock('lock', EX)");
    let first = listener.hears_line("acquired", |line| line.contains("  acquired  "));
    waiter.waits("fd = flock('lock', EX)");
    let second = listener.hears_line("queued", |line| line.contains("  queued  "));
    holder.does("os.close(fd)");
    let third = listener.hears_line("granted", |line| line.contains("  granted  "));
    let path = scene.path("lock");
    let column = |line: &str| line.find(path.to_str().unwrap()).unwrap();
    assert_eq!([column(&second), column(&third)], [column(&first); 2]);
    let who = format!("  python3 {}", waiter.pid);
    assert!(second.contains(&who) && third.contains(&who), "{second}\n{third}");
    assert!(third.contains("  waited "), "{third}");
    assert!(!first.contains('\x1b') && first.contains("+00:00"), "{first:?}");
}

#[test]
fn a_path_that_is_not_there_yet_is_waited_for() {
    let Some(scene) = Scene::with(&[]) else { return };
    let actor = scene.actor();
    let mut listener = Listener::start(&scene, &["--json", "later/lock", "other"]);
    let text = listener.remarks.join("\n");
    assert!(text.contains("nothing is at ") && text.contains("later/lock yet"), "{text}");
    actor.does("os.mkdir('later'); fd = flock('later/lock', EX)");
    listener.hears("acquired", actor.pid);
    actor.does("os.unlink('later/lock'); os.close(fd)");
    listener.hears("released", actor.pid);
}

#[test]
fn what_it_is_blind_to_is_said_once_and_quiet_says_nothing() {
    let Some(scene) = Scene::with(&[]) else { return };
    let listener = Listener::start(&scene, &["."]);
    let words = "what begins and ends in between is not seen";
    assert!(listener.remarks.last().unwrap().contains(words), "{:?}", listener.remarks);

    let actor = scene.actor();
    let mut quiet = Command::new(env!("CARGO_BIN_EXE_locktop"))
        .args(["watch", "--quiet", "--json", "."])
        .current_dir(scene.folder())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(quiet.stdout.take().unwrap()).lines();
    // It says nothing when it begins: locks until it has begun.
    let hears = std::thread::spawn(move || (lines.next().unwrap().unwrap(), lines));
    wait_until("it hears something", || {
        actor.does("fd = flock('lock', EX); time.sleep(0.3); os.close(fd); time.sleep(0.3)");
        hears.is_finished().then_some(())
    });
    // As long as somebody reads, it goes on.
    let (_, reader) = hears.join().unwrap();
    crate::support::send(Signal::TERM, quiet.id().cast_signed());
    let output = quiet.wait_with_output().unwrap();
    drop(reader);
    assert_eq!(output.status.signal(), Some(15));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn it_ends_by_the_signal_that_it_gets() {
    let Some(scene) = Scene::with(&[]) else { return };
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let status = Listener::start(&scene, &["."]).ends_by(signal);
        assert_eq!(status.signal(), Some(signal.as_raw()), "{status}");
    }
}

#[test]
fn it_ends_when_nobody_reads_any_more() {
    let Some(scene) = Scene::with(&[]) else { return };
    let (reader, writer) = std::io::pipe().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_locktop"))
        .args(["watch", "."])
        .current_dir(scene.folder())
        .stdout(writer)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(reader);
    // Nothing has to happen for that.
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn targets_that_mean_nothing_are_refused_as_by_ls() {
    let Some(scene) = Scene::with(&[]) else { return };
    for target in ["@x", "pid:x", "pid:0", "nosuch://x"] {
        let args = |command| scene.locktop(Viewer::Ourselves, &[command, target]);
        let (watched, listed) = (args("watch"), args("ls"));
        assert_eq!(watched.status.code(), Some(2), "{target}");
        assert_eq!(watched.stderr, listed.stderr, "{target}");
        assert!(watched.stdout.is_empty(), "{target}");
    }
}

#[test]
fn one_target_that_means_nothing_does_not_keep_others_from_being_watched() {
    let Some(scene) = Scene::with(&[]) else { return };
    let actor = scene.actor();
    let mut listener = Listener::start(&scene, &["--json", "@x", "lock"]);
    assert!(listener.remarks[0].contains("@x is no id"), "{:?}", listener.remarks);
    actor.does("fd = flock('lock', EX)");
    listener.hears("acquired", actor.pid);
}

#[test]
fn names_give_a_terminal_no_orders() {
    let Some(scene) = Scene::with(&[]) else { return };
    let actor = scene.actor();
    let mut listener = Listener::start(&scene, &["."]);
    actor.does("fd = flock('a\\x1b[2J\\u202eb', EX)");
    let line = listener.hears_line("acquired", |line| line.contains("acquired"));
    assert!(!line.contains(['\x1b', '\u{202e}']), "{line:?}");
    let mut listener = Listener::start(&scene, &["--json", "."]);
    actor.does("os.close(fd)");
    let line = listener.hears_line("released", |line| line.contains("released"));
    assert!(!line.contains(['\x1b', '\u{202e}']), "{line:?}");
}
