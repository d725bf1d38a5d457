//! What an ordinary user can know of other users' locks.

use serde_json::{Value, json};

use crate::support::{Need, Scene, Viewer, pids, records};

#[test]
fn foreign_locks_are_recorded_and_own_ones_proven() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let [root, own] = [scene.actor(), scene.nobody()];
    root.does("flock('foreign', EX)");
    own.does("flock('own', EX)");
    let report = scene.look_as(Viewer::Nobody, &[]);
    assert_eq!(report.document["complete"], false);
    let note = &report.notes("unreadable_processes")[..];
    let [note] = note else { panic!("{:#}", report.document["notes"]) };
    assert!(note["would_help"].is_string());

    let seen = report.at(&scene.path("own"));
    assert_eq!(pids(&seen["holders"]), [Some(own.pid)]);
    assert_eq!(seen["holders"][0]["certainty"], "proven");

    // The path is not known: only root's descriptors have it.
    let seen = held_by(&report.document, root.pid);
    assert_eq!(seen["holders"][0]["certainty"], "recorded");
    assert_eq!(seen["holders"][0]["fds"], json!([]));
    assert_eq!(seen["holders"][0]["user"], "root");
    assert_eq!(seen["path"], Value::Null);
    assert_eq!(seen["recorded_pid"], root.pid);
}

fn held_by(document: &Value, pid: i32) -> &Value {
    let locks = document["locks"].as_array().unwrap();
    let held = |lock: &&Value| pids(&lock["holders"]).contains(&Some(pid));
    locks.iter().find(held).expect("a lock that it holds is listed")
}

#[test]
fn a_path_that_the_user_names_is_known_even_if_its_holder_is_foreign() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let root = scene.actor();
    root.does("flock('foreign', EX)");
    let target = scene.path("foreign");
    let report = scene.look_as(Viewer::Nobody, &[target.to_str().unwrap()]);
    assert_eq!(report.locks().len(), 1);
    assert_eq!(pids(&report.locks()[0]["holders"]), [Some(root.pid)]);
}

#[test]
fn a_dead_locker_whose_heirs_cannot_be_seen_is_unknown() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let locker = scene.actor();
    locker.does("flock('l', EX)");
    let _heir = locker.forks();
    let dead = locker.pid;
    locker.ends();
    assert_eq!(records(&scene.path("l"))[0].pid, dead);
    let target = scene.path("l");
    let report = scene.look_as(Viewer::Nobody, &[target.to_str().unwrap()]);
    let [seen] = &report.locks()[..] else { panic!("{:#}", report.document) };
    assert_eq!(seen["holders"], json!([]), "the dead hold nothing");
    assert_eq!(seen["recorded_pid"], dead);
    assert_eq!(seen["verdict"], "unknown");
    assert!(seen["why"].is_string());
}

#[test]
fn a_wait_for_a_foreign_lock_is_timed() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let [holder, waiter] = [scene.actor(), scene.actor()];
    holder.does("flock('l', EX)");
    waiter.waits("flock('l', EX)");
    let report = scene.look_as(Viewer::Nobody, &[]);
    let seen = held_by(&report.document, holder.pid);
    assert_eq!(pids(&seen["waiters"]), [Some(waiter.pid)]);
    assert!(seen["waiters"][0]["waited"]["min_s"].is_number());
}

#[test]
fn ids_are_the_same_for_everybody_and_every_time() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let [root, own] = [scene.actor(), scene.nobody()];
    root.does("flock('l', EX); posix('l', WRITE, 3, 4)");
    own.does("flock('own', EX)");
    let ids = |viewer| {
        let report = scene.look_as(viewer, &[]);
        let ours = |lock: &&Value| {
            let holders = pids(&lock["holders"]);
            holders == [Some(root.pid)] || holders == [Some(own.pid)]
        };
        let mut ids: Vec<_> = report.locks().iter().filter(ours).map(|l| l["id"].clone()).collect();
        ids.sort_by_key(ToString::to_string);
        ids
    };
    let first = ids(Viewer::Ourselves);
    assert_eq!(first.len(), 3);
    assert_eq!(first, ids(Viewer::Ourselves));
    assert_eq!(first, ids(Viewer::Nobody));
}

#[test]
fn with_hidepid_nothing_is_concluded_from_processes_that_are_hidden() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    scene.has_private_mounts();
    let [root, waiter, own] = [scene.actor(), scene.actor(), scene.nobody()];
    root.does("flock('l', EX)");
    waiter.waits("flock('l', EX)");
    own.does("flock('own', EX)");
    scene.stage().does("mount('proc', '/proc', 'proc', 'hidepid=2')");
    let target = scene.path("l");
    let report = scene.look_as(Viewer::Nobody, &[target.to_str().unwrap()]);
    let [seen] = &report.locks()[..] else { panic!("{:#}", report.document) };
    assert_eq!(seen["recorded_pid"], root.pid);
    assert_eq!(pids(&seen["waiters"]), [Some(waiter.pid)]);
    for verdict in ["orphaned", "stale", "stuck"] {
        assert_ne!(seen["verdict"], verdict, "what is hidden is not dead: {seen:#}");
    }
    assert_eq!(report.document["complete"], false);
    let notes = report.document["notes"].to_string();
    assert!(notes.contains("hidepid"), "{notes}");

    let report = scene.look_as(Viewer::Nobody, &[]);
    assert_eq!(pids(&report.at(&scene.path("own"))["holders"]), [Some(own.pid)]);
}

#[test]
fn a_folder_without_permission_is_said_so() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let root = scene.actor();
    root.does("os.mkdir('private', 0o700); flock('private/l', EX)");
    let target = scene.path("private/l");
    let output = scene.locktop(Viewer::Nobody, &["ls", target.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("private") && said.to_lowercase().contains("permi"), "{said}");
}
