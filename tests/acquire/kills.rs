//! What becomes of locks and queues when somebody is killed.

use std::fs;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::asking::{is_held, wait_for_queue, wait_until_held, waiting};
use crate::chance::Chance;
use crate::script::Script;
use crate::support::{Scene, send, state, wait_until};

/// The number that somebody wrote into a file of the scene.
fn number_in(scene: &Scene, name: &str) -> i32 {
    wait_until("a process has told its number", || {
        fs::read_to_string(scene.path(name)).ok()?.trim().parse().ok()
    })
}

/// A command that holds its lock until there is a file `go`, and tells its number in `command`.
const COMMAND: &str = "sh -c 'echo $$ >command; until test -e go; do sleep 0.01; done'";

fn has_gone(pid: i32) {
    wait_until("it is gone", || state(pid).is_none().then_some(()));
}

#[test]
fn the_command_keeps_the_lock_of_one_that_was_killed() {
    let Some(scene) = Scene::with(&[]) else { return };
    for target in ["flock:l", "ofd:l"] {
        let script = format!("echo $$ >locktop; exec locktop run {target} -- {COMMAND}");
        let script = Script::begin(&scene, &script);
        let command = number_in(&scene, "command");
        send(Signal::KILL, script.pid);
        has_gone(script.pid);
        wait_until_held(&scene.path("l"));
        let next = Script::begin(&scene, &format!("locktop run {target} -- touch next"));
        wait_for_queue(&scene.path("l"), 1);
        assert!(state(command).is_some());
        assert!(!scene.path("next").exists());
        fs::write(scene.path("go"), "").unwrap();
        assert_eq!(next.ends().0, 0);
        assert!(scene.path("next").exists());
        for file in ["go", "command", "next"] {
            fs::remove_file(scene.path(file)).unwrap();
        }
    }
}

#[test]
fn a_killed_command_gives_the_lock_back() {
    let Some(scene) = Scene::with(&[]) else { return };
    let script = Script::begin(&scene, &format!("locktop run l -- {COMMAND}"));
    send(Signal::KILL, number_in(&scene, "command"));
    assert_eq!(script.ends().0, 128 + 9);
    assert!(!is_held(&scene.path("l")));
}

#[test]
fn a_killed_waiter_is_in_no_queue() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX)");
    let waiters: Vec<_> = (1..=3)
        .map(|length| {
            let waiter = Script::begin(&scene, &format!("exec locktop run l -- touch {length}"));
            wait_for_queue(&scene.path("l"), length);
            waiter
        })
        .collect();
    send(Signal::KILL, waiters[1].pid);
    has_gone(waiters[1].pid);
    wait_for_queue(&scene.path("l"), 2);
    holder.ends();
    for (waiter, name) in [(&waiters[0], "1"), (&waiters[2], "3")] {
        has_gone(waiter.pid);
        assert!(scene.path(name).exists());
    }
    assert!(!scene.path("2").exists());
}

/// Kills a process that is in the folder of the scene. It may have ended, and its number be somebody
/// else's.
fn kill_in(scene: &Scene, pid: i32) {
    let number = Pid::from_raw(pid).unwrap();
    let Ok(process) = pidfd_open(number, PidfdFlags::empty()) else { return };
    if fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| folder == scene.folder()) {
        // Whoever has ended since is beyond that.
        let _ = pidfd_send_signal(&process, Signal::KILL);
        poll(&mut [PollFd::new(&process, PollFlags::IN)], None).unwrap();
    }
}

/// Kills a command that is inside, if one is, and takes away what says so: its number is soon
/// somebody else's.
fn kill_inside(scene: &Scene) {
    let inside = fs::read_dir(scene.folder()).unwrap().flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.strip_prefix("in.")?.parse().ok()?;
        Some((pid, entry.path()))
    });
    if let Some((pid, folder)) = inside {
        kill_in(scene, pid);
        // It may have done that itself.
        let _ = fs::remove_dir(folder);
    }
}

/// How many commands came to their end.
fn served(scene: &Scene) -> usize {
    fs::read(scene.path("served")).unwrap_or_default().len()
}

/// In each lane, one `run` after the other; some are killed, and so are commands.
#[test]
fn nobody_gets_in_when_ones_that_run_commands_are_killed() {
    const LANES: usize = 6;
    let Some(scene) = Scene::with(&[]) else { return };
    let mut chance = Chance::new(Chance::seed());
    // Making a folder is exclusive by other means.
    fs::write(
        scene.path("inside"),
        "mkdir in.$$ && for other in in.*; do\n\
           pid=${other#in.}\n\
           test $pid = $$ && continue\n\
           # Who is on its way out has closed its descriptors, the lock's too, before it is gone.\n\
           set -- \"$1\" /proc/$pid/fd/*\n\
           test ! -L \"$2\" || echo $$ and $pid >>both\n\
         done\n\
         sleep 0.00$1; echo >>served; rmdir in.$$\n",
    )
    .unwrap();
    let lane = |chance: &mut Chance| {
        let line = format!("exec locktop run --quiet l -- sh inside {}", chance.below(10));
        Script::begin(&scene, &line)
    };
    let mut lanes: Vec<_> = (0..LANES).map(|_| lane(&mut chance)).collect();
    let go_on = |lanes: &mut [Script], chance: &mut Chance| {
        for ended in lanes.iter_mut().filter(|lane| state(lane.pid).is_none()) {
            *ended = lane(chance);
        }
    };
    for _ in 0..500 {
        let at = chance.below(LANES as u64) as usize;
        match chance.below(3) {
            0 => kill_in(&scene, lanes[at].pid),
            1 => kill_inside(&scene),
            _ => std::thread::sleep(chance.time(Duration::from_millis(10))),
        }
        go_on(&mut lanes, &mut chance);
    }
    // Whom nobody kills is served as before.
    let before = served(&scene);
    println!("{before} were served");
    wait_until("others are served", || {
        go_on(&mut lanes, &mut chance);
        (served(&scene) > before + 20).then_some(())
    });
    for lane in &lanes {
        has_gone(lane.pid);
    }
    wait_until("commands that were left behind end", || (!is_held(&scene.path("l"))).then_some(()));
    assert_eq!(waiting(&scene.path("l")), 0);
    let both = fs::read_to_string(scene.path("both")).unwrap_or_default();
    assert_eq!(both, "", "two were inside");
}
