//! Who waits for whom where that is not told by locks alone, and who waits behind whom.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Need, Record, Scene, pids, records, wait_until};

/// Waits until somebody waits for each of these locks.
fn are_wanted(scene: &Scene, names: &[&str]) {
    let is_wanted = |name: &&str| records(&scene.path(name)).iter().any(|record| record.waits);
    wait_until("all are wanted", || names.iter().all(is_wanted).then_some(()));
}

/// Waits until each of these locks is held.
fn are_held(scene: &Scene, names: &[&str]) {
    let is_held = |name: &&str| !records(&scene.path(name)).is_empty();
    wait_until("all are held", || names.iter().all(is_held).then_some(()));
}

/// A shell under one lock, once it is let go on, runs a command that needs another.
fn nested(holds: &str, wants: &str) -> String {
    let inner = format!("until test -e go; do sleep 0.01; done; flock {wants} true; true");
    format!("exec flock {holds} sh -c '{inner}'")
}

#[test]
fn scripts_that_take_two_locks_in_opposite_orders_are_a_circle() {
    let Some(scene) = Scene::with(&[Need::Program("flock")]) else { return };
    // Of the one the command inherits the lock, of the other it does not.
    let _one = scene.shell(&nested("a", "b"), &[]);
    let other = scene.shell(&nested("--close b", "a"), &[]);
    are_held(&scene, &["a", "b"]);
    std::fs::write(scene.path("go"), "").unwrap();
    are_wanted(&scene, &["a", "b"]);
    // A shell waits for its command a moment after that has begun.
    let circle = wait_until("the circle is seen", || {
        let report = scene.look();
        let circles: Vec<Value> = report.deadlocks_of(other.pid).into_iter().cloned().collect();
        let [circle] = &*circles else { return None };
        assert_eq!(report.at(&scene.path("a"))["verdict"], "deadlock");
        (circle["certain"] == report.document["complete"]).then(|| circle.clone())
    });
    let members = circle["members"].as_array().unwrap();
    assert_eq!(members.len(), 2);
    let member = members.iter().find(|member| member["pid"] == other.pid).unwrap();
    let asker = member["through"].as_i64().unwrap() as i32;
    let wanting = records(&scene.path("a"));
    let wanting: Vec<_> = wanting.iter().filter(|record| record.waits).collect();
    assert_eq!(wanting.iter().map(|record| record.pid).collect::<Vec<_>>(), [asker]);

    // To end that one is enough: whoever waits for its end goes on.
    kill_process(Pid::from_raw(asker).unwrap(), Signal::TERM).unwrap();
    wait_until("both go on", || {
        let is_free = |name: &&str| records(&scene.path(name)).is_empty();
        ["a", "b"].iter().all(is_free).then_some(())
    });
}

#[test]
fn a_shell_that_can_do_something_else_is_not_caught() {
    let Some(scene) = Scene::with(&[Need::Program("flock")]) else { return };
    let script = "exec 9>b; flock 9; until test -e go; do sleep 0.01; done; \
                  flock --close a true 9>&- & while :; do sleep 0.01; done";
    let busy = scene.shell(script, &[]);
    let actor = scene.actor();
    actor.does("flock('a', EX)");
    are_held(&scene, &["a", "b"]);
    std::fs::write(scene.path("go"), "").unwrap();
    actor.waits("flock('b', EX)");
    are_wanted(&scene, &["a", "b"]);
    let report = scene.look();
    assert_eq!(report.deadlocks_of(busy.pid).len(), 0);
    assert_eq!(report.deadlocks_of(actor.pid).len(), 0, "{:#}", report.document["deadlocks"]);
}

#[test]
fn all_who_wait_behind_a_lock_are_counted() {
    let Some(scene) = Scene::with(&[]) else { return };
    let [first, second, third, fourth] = [(); 4].map(|()| scene.actor());
    first.does("flock('a', EX)");
    second.does("flock('b', EX)");
    third.does("flock('c', EX)");
    second.waits("flock('a', EX)");
    third.waits("flock('b', EX)");
    fourth.waits("flock('c', EX)");
    let report = scene.look();
    let behind = |name| {
        let behind = &report.at(&scene.path(name))["behind"];
        (behind["waiters"].as_i64().unwrap(), behind["root"].as_bool().unwrap())
    };
    assert_eq!(behind("a"), (3, true));
    assert_eq!(behind("b"), (2, false));
    assert_eq!(behind("c"), (1, false));
    let waited = |name| report.at(&scene.path(name))["behind"]["waited"]["min_s"].as_f64().unwrap();
    assert!(waited("a") >= waited("b") && waited("b") >= waited("c"));
    let text = scene.explain("a");
    assert!(text.contains("In all 3 processes wait behind it"), "{text}");
    assert_eq!(pids(&report.at(&scene.path("a"))["waiters"]), [Some(second.pid)]);
}

#[test]
fn what_a_shell_holds_is_held_up_by_what_its_command_waits_for() {
    let Some(scene) = Scene::with(&[Need::Program("flock")]) else { return };
    let actor = scene.actor();
    actor.does("flock('b', EX)");
    let _shell = scene.shell(&nested("--close a", "b"), &[]);
    are_held(&scene, &["a"]);
    std::fs::write(scene.path("go"), "").unwrap();
    are_wanted(&scene, &["b"]);
    let last = scene.actor();
    last.waits("flock('a', EX)");
    wait_until("the one is counted behind the other", || {
        let report = scene.look();
        (report.at(&scene.path("b"))["behind"]["waiters"] == 2).then_some(())
    });
    let output = scene.locktop(crate::support::Viewer::Ourselves, &["ls", "--tree", "."]);
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.contains("holds up")).expect(&text);
    assert!(line.ends_with("/a"), "{text}");
    assert!(records(&scene.path("a")).iter().any(|record: &Record| record.waits));
}
