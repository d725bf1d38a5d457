//! What is said on a terminal, and job control there.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use rustix::process::Signal;

use crate::scene::Scene;
use crate::support::{Need, Screen, all_met, send, state, wait_until};

/// Columns of the terminal.
const WIDTH: u16 = 90;

/// All bytes that it writes to a terminal while it waits for a lock, until it has it or dies of the
/// signal.
fn written(options: &[&str], environment: &[(&str, &str)], signal: Option<Signal>) -> String {
    let scene = Scene::new();
    let holder = scene.holder(&["lock"]);
    let size = PtySize { rows: 5, cols: WIDTH, pixel_width: 0, pixel_height: 0 };
    let terminal = native_pty_system().openpty(size).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_locktop"));
    command.args([&["run"], options, &["lock", "--", "true"]].concat());
    command.cwd(scene.folder());
    command.env("TERM", "xterm-256color");
    for name in ["TMUX", "TERM_PROGRAM", "TERM_FEATURES", "WT_SESSION", "VTE_VERSION"] {
        command.env_remove(name);
    }
    for (name, value) in environment {
        command.env(name, value);
    }
    let mut child = terminal.slave.spawn_command(command).unwrap();
    drop(terminal.slave);
    let mut output = terminal.master.try_clone_reader().unwrap();
    scene.wait_for_queue("lock", 1);
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let is_silent = options.contains(&"--quiet");
    while !is_silent && !String::from_utf8_lossy(&bytes).contains("next in line") {
        let length = output.read(&mut buffer).unwrap();
        bytes.extend_from_slice(&buffer[..length]);
    }
    match signal {
        Some(signal) => send(signal, child.process_id().unwrap().cast_signed()),
        None => drop(holder),
    }
    // Linux ends what a terminal reads with an error, when its last user has gone.
    let _ = output.read_to_end(&mut bytes);
    assert_eq!(child.wait().unwrap().success(), signal.is_none());
    String::from_utf8(bytes).unwrap()
}

#[test]
fn one_line_changes_and_is_taken_away() {
    let text = written(&[], &[], None);
    for line in text.split("\x1b[K") {
        let line = line.trim_start_matches('\r');
        assert!(line.contains('\n') || line.chars().count() < WIDTH.into(), "{line:?}");
    }
    assert!(text.starts_with("\rlocktop: waiting "), "{text:?}");
    let (_, end) = text.rsplit_once("\r\x1b[K").unwrap();
    assert!(end.starts_with("locktop: /") && end.contains(" is ours, after "), "{end:?}");
    assert!(!text.contains('\x07') && !text.contains("\x1b]"), "{text:?}");
}

#[test]
fn nothing_is_left_on_the_terminal_by_a_signal() {
    let text = written(&[], &[("WT_SESSION", "1")], Some(Signal::TERM));
    assert!(text.contains("\x1b]9;4;3;"), "{text:?}");
    assert!(text.ends_with("\x1b]9;4;0;\x1b\\\r\x1b[K"), "{text:?}");
}

#[test]
fn progress_is_shown_where_the_terminal_has_it() {
    let text = written(&[], &[("TERM_PROGRAM", "ghostty")], None);
    let (_, end) = text.rsplit_once("\x1b]9;4;3;").unwrap();
    assert!(end.contains("\x1b]9;4;0;"), "{text:?}");
    assert!(!written(&[], &[("TERM", "dumb")], None).contains('\x1b'));
    assert!(!written(&["--progress", "plain"], &[], None).contains('\x1b'));
}

#[test]
fn the_terminal_notifies_when_it_is_asked_to() {
    let text = written(&["--notify"], &[("TERM_PROGRAM", "WezTerm")], None);
    assert!(text.contains("\x07\x1b]777;notify;locktop;/"), "{text:?}");
    let text = written(&["--notify", "--quiet"], &[("TERM", "xterm-kitty")], None);
    assert_eq!(text.matches('\x07').count(), 1, "{text:?}");
}

/// A shell with job control.
fn shell(scene: &Scene) -> Screen {
    let mut command = CommandBuilder::new("bash");
    command.args(["--norc", "--noprofile", "-i"]);
    command.cwd(scene.folder());
    command.env("PS1", "$ ");
    command.env("locktop", env!("CARGO_BIN_EXE_locktop"));
    Screen::start(command)
}

#[test]
fn a_waiting_job_can_be_stopped_and_goes_on() {
    if !all_met(&[Need::Program("bash")]) {
        return;
    }
    let scene = Scene::new();
    let holder = scene.holder(&["lock"]);
    let mut shell = shell(&scene);
    shell.types("\"$locktop\" run lock -- sh -c 'echo our $((1+1)) turns'\n");
    shell.wait_for("next in line");
    shell.types("\x1a");
    let shown = shell.wait_for("Stopped");
    assert!(!shown.contains("next in line"), "{shown}");
    shell.types("fg\n");
    shell.wait_for("next in line");
    drop(holder);
    shell.wait_for("our 2 turns");
    shell.types("exit\n");
    shell.ends();
}

#[test]
fn a_running_job_can_be_stopped_and_goes_on() {
    if !all_met(&[Need::Program("bash")]) {
        return;
    }
    let scene = Scene::new();
    let mut shell = shell(&scene);
    shell.types("\"$locktop\" run lock -- sh -c 'echo $$ > pid; exec sleep 1000'\n");
    let command: i32 = wait_until("the command runs", || {
        std::fs::read_to_string(scene.path("pid")).ok()?.trim().parse().ok()
    });
    shell.types("\x1a");
    shell.wait_for("Stopped");
    wait_until("the command is stopped", || (state(command) == Some('T')).then_some(()));
    assert!(!scene.is_free("lock"));
    shell.types("fg\n");
    wait_until("the command goes on", || (state(command) == Some('S')).then_some(()));
    shell.types("\x03");
    shell.types("echo status $?\n");
    shell.wait_for("status 130");
    assert!(scene.is_free("lock"));
    shell.types("exit\n");
    shell.ends();
}

#[test]
fn a_job_in_the_background_says_it_in_whole_lines() {
    if !all_met(&[Need::Program("bash")]) {
        return;
    }
    let scene = Scene::new();
    let holder = scene.holder(&["lock"]);
    let mut shell = shell(&scene);
    shell.types("\"$locktop\" run lock -- sh -c 'echo our $((1+1)) turns' &\n");
    shell.wait_for("next in line");
    shell.types("echo still typing\n");
    shell.wait_for("still typing\n");
    drop(holder);
    shell.wait_for("our 2 turns");
    shell.types("exit\n");
    shell.ends();
}

#[test]
fn a_terminal_that_is_closed_ends_the_wait() {
    let scene = Scene::new();
    let _holder = scene.holder(&["lock"]);
    let size = PtySize { rows: 5, cols: WIDTH, pixel_width: 0, pixel_height: 0 };
    let terminal = native_pty_system().openpty(size).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_locktop"));
    command.args(["run", "lock", "--", "true"]);
    command.cwd(scene.folder());
    let mut child = terminal.slave.spawn_command(command).unwrap();
    drop(terminal.slave);
    scene.wait_for_queue("lock", 1);
    terminal.master.take_writer().unwrap().flush().unwrap();
    drop(terminal.master);
    wait_until("it ends", || {
        std::thread::sleep(Duration::from_millis(1));
        child.try_wait().unwrap()
    });
    scene.wait_for_queue("lock", 0);
}
