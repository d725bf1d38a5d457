//! Waiting on terminals.

use std::fs;
use std::path::Path;

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::Signal;

use crate::asking::wait_for_queue;
use crate::script::LOCKTOP;
use crate::support::{Scene, Screen, send, state, wait_until};

fn command(scene: &Scene, command: &str) -> CommandBuilder {
    let mut line = CommandBuilder::new(LOCKTOP);
    line.args(["run", "l", "--", "sh", "-c", command]);
    line.cwd(scene.folder());
    line
}

fn served(folder: &Path) -> String {
    fs::read_to_string(folder.join("served")).unwrap_or_default()
}

#[test]
fn five_terminals_are_served_in_order_but_for_those_who_leave() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX)");
    let lock = scene.path("l");
    let mut screens: Vec<_> = (1..=5)
        .map(|number| {
            let screen = Screen::start(command(&scene, &format!("echo {number} >>served")));
            wait_for_queue(&lock, number);
            screen
        })
        .collect();
    // The kernel's table can leave out one that is there.
    wait_until("all five are seen to wait", || {
        let report = scene.look();
        let [lock] = report.all_at(&lock)[..] else { return None };
        let queue = lock["waiters"].as_array()?;
        let commands = queue.iter().map(|waiter| waiter["command"].as_str());
        commands.eq([Some("locktop"); 5]).then_some(())
    });

    // Ctrl-C in the second.
    screens[1].types("\x03");
    assert_eq!(screens.remove(1).ends().signal(), Some("Interrupt"));
    wait_for_queue(&lock, 4);
    // The fourth is killed.
    send(Signal::KILL, screens[2].pid());
    assert_eq!(screens.remove(2).ends().signal(), Some("Killed"));
    wait_for_queue(&lock, 3);

    holder.ends();
    let statuses: Vec<_> = screens.into_iter().map(|screen| screen.ends().exit_code()).collect();
    assert_eq!(statuses, [0, 0, 0]);
    let served = served(scene.folder());
    // Who stood behind those who left had to line up anew.
    assert!(served.starts_with("1\n"), "{served}");
    let mut all: Vec<_> = served.lines().collect();
    all.sort_unstable();
    assert_eq!(all, ["1", "3", "5"]);
}

#[test]
fn a_terminal_that_changes_its_size_changes_nothing() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX)");
    let mut screen = Screen::start(command(&scene, "echo 1 >>served"));
    wait_for_queue(&scene.path("l"), 1);
    for cols in [20, 1, 200] {
        screen.is_resized(cols);
        send(Signal::WINCH, screen.pid());
    }
    screen.wait_for(&holder.pid.to_string());
    wait_for_queue(&scene.path("l"), 1);
    holder.ends();
    assert_eq!(screen.ends().exit_code(), 0);
    assert_eq!(served(scene.folder()), "1\n");
}

/// A program on a terminal that nobody reads.
fn on_terminal(line: CommandBuilder) -> (Box<dyn MasterPty + Send>, Box<dyn Child + Send + Sync>) {
    let pty = native_pty_system().openpty(PtySize::default()).unwrap();
    let child = pty.slave.spawn_command(line).unwrap();
    (pty.master, child)
}

#[test]
fn a_terminal_that_is_closed_takes_its_wait_along() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX)");
    let (terminal, mut child) = on_terminal(command(&scene, "echo 1 >>served"));
    wait_for_queue(&scene.path("l"), 1);
    drop(terminal);
    assert_eq!(child.wait().unwrap().signal(), Some("Hangup"));
    wait_for_queue(&scene.path("l"), 0);
    assert_eq!(served(scene.folder()), "");
}

#[test]
fn a_terminal_that_is_closed_ends_a_command_and_gives_its_lock_back() {
    let Some(scene) = Scene::with(&[]) else { return };
    let (terminal, mut child) = on_terminal(command(&scene, "echo $$ >command; exec sleep 1000"));
    let command = wait_until("the command runs", || {
        fs::read_to_string(scene.path("command")).ok()?.trim().parse::<i32>().ok()
    });
    drop(terminal);
    child.wait().unwrap();
    wait_until("the command is gone", || state(command).is_none().then_some(()));
    wait_until("nobody has it", || (!crate::asking::is_held(&scene.path("l"))).then_some(()));
}
