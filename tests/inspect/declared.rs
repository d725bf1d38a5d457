//! Who says of itself that it waits, since a lock that lies on disk has no queue.

use std::os::unix::fs::MetadataExt as _;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Need, Report, Scene, Viewer, pids, records, wait_until};

/// A shell that becomes `locktop run TARGET -- COMMAND`.
fn run(target: &str, command: &str) -> String {
    format!("exec {} run -q {target} -- {command}", env!("CARGO_BIN_EXE_locktop"))
}

fn waiters(scene: &Scene, viewer: Viewer, targets: &[&str], name: &str) -> Vec<Value> {
    let report = scene.look_as(viewer, targets);
    report.at(&scene.path(name))["waiters"].as_array().unwrap().clone()
}

/// Who keeps a file in memory locked only says so.
fn says_nothing_else(scene: &Scene, report: &Report) {
    let folder = scene.folder().to_str().unwrap();
    let is_about = |path: &str| path.contains("memfd") && path.contains(folder);
    let is_said = |lock: &&Value| lock["path"].as_str().is_some_and(is_about);
    let said: Vec<_> = report.locks().iter().filter(is_said).collect();
    assert!(said.is_empty(), "what is said is no lock: {said:#?}");
}

#[test]
fn who_waits_for_a_file_to_go_is_seen_by_others() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    std::fs::write(scene.path("x"), format!("{}\n", holder.pid)).unwrap();
    let waiting = scene.shell(&run("lockfile:x", "true"), &[]);
    let waiter = wait_until("it is seen to wait", || {
        waiters(&scene, Viewer::Ourselves, &["lockfile:x"], "x").pop()
    });
    assert_eq!(waiter["pid"], waiting.pid);
    assert_eq!(waiter["how"], "polling");
    assert_eq!(waiter["position"], Value::Null);
    assert_eq!(waiter["waited"]["evidence"], serde_json::json!(["file times"]));
    assert_eq!(pids(&waiter["blocked_by"]), [Some(holder.pid)]);
    // We can believe ourselves that there is a lock.
    let report = scene.look();
    assert_eq!(pids(&report.at(&scene.path("x"))["waiters"]), [Some(waiting.pid)]);
    assert_eq!(report.at(&scene.path("x"))["behind"]["waiters"], 1);
    says_nothing_else(&scene, &report);

    std::fs::remove_file(scene.path("x")).unwrap();
    wait_until("it has what it waited for", || {
        crate::support::state(waiting.pid).is_none_or(|state| state == 'Z').then_some(())
    });
    says_nothing_else(&scene, &scene.look());
}

#[test]
fn who_waits_so_and_may_not_be_read_leaves_no_riddle() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    std::fs::write(scene.path("x"), format!("{}\n", scene.stage().pid)).unwrap();
    let waiting = scene.shell(&run("lockfile:x", "true"), &[]);
    wait_until("it waits", || waiters(&scene, Viewer::Ourselves, &["lockfile:x"], "x").pop());
    let report = scene.look_as(Viewer::Nobody, &[]);
    let holders =
        report.locks().iter().filter(|lock| pids(&lock["holders"]).contains(&Some(waiting.pid)));
    assert_eq!(holders.count(), 0);
}

#[test]
fn a_circle_through_a_file_and_a_kernel_lock_is_told() {
    let Some(scene) = Scene::with(&[]) else { return };
    let nested = |holds: &str, wants: &str| {
        let inner = run(wants, "true").replace("exec ", "");
        let script = format!("until test -e go; do sleep 0.01; done; {inner}; true");
        scene.shell(&run(holds, &format!("sh -c '{script}'")), &[])
    };
    let one = nested("lockfile:x", "flock:y");
    let other = nested("flock:y", "lockfile:x");
    wait_until("both have one", || {
        let names_it = |text: String| text.trim() == one.pid.to_string();
        let x = std::fs::read_to_string(scene.path("x")).is_ok_and(names_it);
        (x && !records(&scene.path("y")).is_empty()).then_some(())
    });
    std::fs::write(scene.path("go"), "").unwrap();
    let circle = wait_until("the circle is told", || {
        let report = scene.look();
        let circle = report.deadlocks_of(one.pid).pop().cloned();
        circle.filter(|_| report.at(&scene.path("y"))["verdict"] == "deadlock")
    });
    let [first, second] = &**circle["members"].as_array().unwrap() else { panic!("{circle:#}") };
    let by = |pid: i32| if first["pid"] == pid { (first, second) } else { (second, first) };
    let (of_one, of_other) = by(one.pid);
    assert!(of_one["holds"].as_str().unwrap().starts_with("@lockfile:"));
    assert_eq!(of_one["holds"], of_other["wants"]);
    assert_eq!(of_one["wants"], of_other["holds"]);
    // Of threads it is not known what they do.
    assert_eq!(circle["certain"], false);
    assert_ne!(of_other["pid"], other.pid, "the one that asks shares what its parents hold");

    let asker = Pid::from_raw(of_other["pid"].as_i64().unwrap() as i32).unwrap();
    kill_process(asker, Signal::TERM).unwrap();
    wait_until("both go on", || {
        (!scene.path("x").exists() && records(&scene.path("y")).is_empty()).then_some(())
    });
}

/// Has an actor say that it waits for a path.
fn says(scene: &Scene, name: &str) -> String {
    let folder = std::fs::metadata(scene.folder()).unwrap();
    let (major, minor) = (rustix::fs::major(folder.dev()), rustix::fs::minor(folder.dev()));
    let (inode, path) = (folder.ino(), scene.path(name));
    let text =
        format!("locktop waits for lockfile {major:02x}:{minor:02x}:{inode} {}", path.display());
    format!("said = os.memfd_create({text:?}, 0); flock(said, EX)")
}

#[test]
fn nobody_can_make_it_look_as_if_another_waited() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    std::fs::write(scene.path("x"), format!("{}\n", scene.stage().pid)).unwrap();
    let seen = || -> Vec<_> {
        let waiters = waiters(&scene, Viewer::Ourselves, &["lockfile:x"], "x");
        waiters.iter().map(|waiter| waiter["pid"].as_i64().unwrap() as i32).collect()
    };
    // One that does say so is believed, for the test to be able to fail.
    let honest = scene.actor();
    honest.does(says(&scene, "x"));
    assert_eq!(seen(), [honest.pid]);
    // Its child has not said it, nor has it once its parent has ended.
    let child = honest.forks();
    assert_eq!(seen(), [honest.pid]);
    honest.does("os.close(said)");
    assert_eq!(seen(), [0; 0]);
    honest.ends();
    assert_eq!(seen(), [0; 0]);
    says_nothing_else(&scene, &scene.look());
    drop(child);
    // A program that runs as somebody else than who has said it has not said it.
    let changed = scene.actor();
    changed.does(says(&scene, "x"));
    changed.does("become_nobody()");
    assert_eq!(seen(), [0; 0]);
}

#[test]
fn what_somebody_else_calls_a_lock_is_not_one_for_that() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    std::fs::write(scene.path("precious"), "").unwrap();
    let liar = scene.nobody();
    liar.does(says(&scene, "precious"));
    assert_eq!(scene.look().all_at(&scene.path("precious")).len(), 0);
    // Said by the administrator, it is looked at.
    let root = scene.actor();
    root.does(says(&scene, "precious"));
    assert_eq!(scene.look().all_at(&scene.path("precious")).len(), 1);
}
