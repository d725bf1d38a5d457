//! What becomes of locks and queues when somebody is killed.

use std::fs;

use rustix::process::Signal;

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

/// In each lane, one `run` after the other; some are killed, and so are commands.
#[test]
fn nobody_gets_in_when_ones_that_run_commands_are_killed() {
    const LANES: usize = 6;
    let Some(scene) = Scene::with(&[]) else { return };
    let mut chance = Chance::new(Chance::seed());
    // Making a folder is exclusive by other means. What a killed command leaves, nobody counts.
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
    for _ in 0..500 {
        let at = chance.below(LANES as u64) as usize;
        match chance.below(3) {
            0 if state(lanes[at].pid).is_some() => {
                // It may end by itself first; its number is not used again so soon.
                let _ = rustix::process::kill_process(
                    rustix::process::Pid::from_raw(lanes[at].pid).unwrap(),
                    Signal::KILL,
                );
            }
            1 => {
                let inside = fs::read_dir(scene.folder()).unwrap().flatten().find_map(|entry| {
                    entry.file_name().to_str()?.strip_prefix("in.")?.parse().ok()
                });
                if let Some(pid) = inside.and_then(rustix::process::Pid::from_raw) {
                    let _ = rustix::process::kill_process(pid, Signal::KILL);
                }
            }
            _ => std::thread::sleep(chance.time(std::time::Duration::from_millis(10))),
        }
        for lane_at in &mut lanes {
            if state(lane_at.pid).is_none() {
                *lane_at = lane(&mut chance);
            }
        }
    }
    for lane in &lanes {
        has_gone(lane.pid);
    }
    wait_until("commands that were left behind end", || (!is_held(&scene.path("l"))).then_some(()));
    assert_eq!(waiting(&scene.path("l")), 0);
    let both = fs::read_to_string(scene.path("both")).unwrap_or_default();
    assert_eq!(both, "", "two were inside");
    let served = fs::read_to_string(scene.path("served")).unwrap_or_default().len();
    println!("{served} were served");
    assert!(served > 20);
}
