//! Locks whose taker is gone.

use crate::support::{Need, Record, Scene, pids, records, wait_until};
use std::path::Path;

/// A shell that locks its own descriptor through flock(1), and has a child that inherits it.
const SCRIPT: &str = "exec 9>\"$1\"; flock 9; sleep 1000 <&- & read -r _";

/// The process that flock(1) was: the kernel names it, and it has ended.
fn locker(lock: &Path) -> i32 {
    wait_until("the script has locked", || match &records(lock)[..] {
        [Record { pid, .. }] => Some(*pid),
        _ => None,
    })
}

/// The child of a script, once it runs `sleep`.
fn child_of(script: i32) -> i32 {
    wait_until("the script has a child", || {
        let children =
            std::fs::read_to_string(format!("/proc/{script}/task/{script}/children")).ok()?;
        let child = children.split_whitespace().next()?.parse().ok()?;
        let command = std::fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
        (command.trim() == "sleep").then_some(child)
    })
}

#[test]
fn a_child_that_was_left_behind_is_named_and_not_the_dead_locker() {
    let Some(scene) = Scene::with(&[]) else { return };
    scene.leaves_services();
    let lock = scene.path("backup.lock");
    std::fs::write(&lock, "").unwrap();
    let script = scene.shell(SCRIPT, &[lock.to_str().unwrap()]);
    let locker = locker(&lock);
    let child = child_of(script.pid);

    let report = scene.look();
    let seen = report.at(&lock);
    assert_eq!(seen["verdict"], "held", "a shell that locked its own descriptor is in charge");
    assert_eq!(seen["recorded_pid"], locker);
    let mut holders = pids(&seen["holders"]);
    holders.sort();
    let mut expected = [Some(script.pid), Some(child)];
    expected.sort();
    assert_eq!(holders, expected);
    assert_eq!(seen["holders"][0]["grant"], seen["holders"][1]["grant"]);
    let held = seen["as_seen"].clone();
    let id = seen["id"].clone();

    script.ends_input();
    let report = scene.look();
    let seen = report.at(&lock);
    assert_eq!(pids(&seen["holders"]), [Some(child)]);
    assert_eq!(seen["verdict"], "orphaned");
    assert_eq!(seen["recorded_pid"], locker);
    assert_eq!(seen["holders"][0]["certainty"], "proven");
    assert_eq!(seen["holders"][0]["command"], "sleep");
    assert_eq!(seen["holders"][0]["fds"], serde_json::json!([9]));
    assert_eq!(seen["id"], id, "the id is the lock's, not the holder's");
    assert_ne!(seen["as_seen"], held, "the holders have changed");

    let why = seen["why"].as_str().unwrap();
    assert!(why.contains(&locker.to_string()) && why.contains(&child.to_string()), "{why}");
    let told = scene.explain(lock.to_str().unwrap());
    assert!(told.contains(&format!("{child}")) && told.contains("sleep"), "{told}");
}

#[test]
fn a_stranger_with_the_pid_of_the_dead_locker_is_not_accused() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    scene.leaves_services();
    let lock = scene.path("l");
    // Of another process group than its own, whose number would stay taken.
    let locker = scene.stage().forks();
    locker.does("flock('l', EX)");
    let heir = locker.forks();
    let dead = locker.pid;
    locker.ends();
    let stranger = scene.stage().makes(&format!("fork_as({dead})"));
    assert_eq!(stranger.pid, dead);
    assert_eq!(records(&lock)[0].pid, dead, "the kernel names the stranger");

    let report = scene.look();
    let seen = report.at(&lock);
    assert_eq!(pids(&seen["holders"]), [Some(heir.pid)]);
    assert_eq!(seen["recorded_pid"], dead);
    let told = scene.explain(&format!("pid:{dead}"));
    assert!(!told.contains(lock.to_str().unwrap()), "{told}");
}

#[test]
fn a_lock_that_was_handed_over_by_a_living_process_belongs_to_who_got_it() {
    let Some(scene) = Scene::with(&[]) else { return };
    let lock = scene.path("l");
    let giver = scene.actor();
    giver.does("f = flock('l', EX)");
    let taker = giver.forks();
    giver.does("os.close(f)");

    let report = scene.look();
    let seen = report.at(&lock);
    assert_eq!(pids(&seen["holders"]), [Some(taker.pid)]);
    assert_eq!(seen["recorded_pid"], giver.pid);
    assert_ne!(seen["verdict"], "orphaned", "who took it lives");
}

#[test]
fn an_open_file_description_lock_is_never_orphaned() {
    let Some(scene) = Scene::with(&[]) else { return };
    let lock = scene.path("l");
    let locker = scene.actor();
    locker.does("ofd('l')");
    let heir = locker.forks();
    locker.ends();

    let report = scene.look();
    let seen = report.at(&lock);
    assert_eq!(pids(&seen["holders"]), [Some(heir.pid)]);
    assert_eq!(seen["recorded_pid"], serde_json::Value::Null);
    assert_eq!(seen["verdict"], "held");
}
