//! On a terminal.

use portable_pty::CommandBuilder;
use rustix::process::Signal;

use crate::support::{Need, Scene, Screen, all_met, send};

fn command(scene: &Scene, args: &[&str]) -> CommandBuilder {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_locktop"));
    command.args(args);
    command.cwd(scene.folder());
    command.env_remove("NO_COLOR");
    command
}

#[test]
fn lines_are_cut_to_the_terminal() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    let mut screen = Screen::start(command(&scene, &["watch", "."]));
    screen.is_resized(60);
    screen.wait_for("watching");
    holder.does("fd = flock('a-long-name-for-the-lock-of-a-nightly-backup', EX)");
    let shown = screen.wait_for("python3");
    let lines: Vec<&str> = shown.lines().skip_while(|line| !line.contains("acquired")).collect();
    assert!(lines[0].starts_with(|digit: char| digit.is_ascii_digit()), "{shown}");
    assert!(lines[0].contains('…') && lines[0].contains("python3"), "{shown}");
    assert_eq!(lines.len(), 1, "{shown}");
    screen.types("\x03");
    assert!(!screen.ends().success());
}

#[test]
fn it_can_be_stopped_and_goes_on() {
    if !all_met(&[Need::Program("bash")]) {
        return;
    }
    let Some(scene) = Scene::with(&[]) else { return };
    let actor = scene.actor();
    let mut shell = CommandBuilder::new("bash");
    shell.args(["--norc", "--noprofile", "-i"]);
    shell.cwd(scene.folder());
    shell.env("PS1", "$ ");
    let mut screen = Screen::start(shell);
    screen.wait_for("$ ");
    screen.types(&format!("{} watch .\r", env!("CARGO_BIN_EXE_locktop")));
    screen.wait_for("watching");
    screen.types("\x1a");
    screen.wait_for("Stopped");
    actor.does("fd = flock('lock', EX)");
    screen.types("fg\r");
    screen.wait_for("acquired");
    screen.types("\x03");
    screen.types("echo status $?\r");
    screen.wait_for("status 130");
    send(Signal::HUP, screen.pid());
}
