//! Locks that lie on disk.

use std::fs;

use crate::listener::{Listener, rests, story};
use crate::support::Scene;

#[test]
fn a_lock_file_is_told_of_with_the_moment_in_which_it_was_made() {
    let Some(scene) = Scene::with(&[]) else { return };
    let actor = scene.actor();
    let mut listener = Listener::start(&scene, &["--json", "lockfile:x.lock"]);
    actor.does("write('x.new', str(os.getpid())); os.rename('x.new', 'x.lock')");
    let event = listener.hears("acquired", actor.pid);
    assert_eq!(event["evidence"], serde_json::json!(["file times"]));
    assert_eq!(event["at"], event["not_before"]);
    actor.does("os.unlink('x.lock')");
    listener.hears("released", actor.pid);
    assert_eq!(listener.story(), story([("acquired", actor.pid), ("released", actor.pid)]));
}

#[test]
fn a_lock_file_that_was_replaced_was_released_and_taken() {
    let Some(scene) = Scene::with(&[]) else { return };
    let (first, second) = (scene.actor(), scene.actor());
    first.does("write('x.new', str(os.getpid())); os.rename('x.new', 'x.lock')");
    let mut listener = Listener::start(&scene, &["--json", "lockfile:x.lock"]);
    first.does("pass");
    second.does("write('x.new', str(os.getpid())); os.rename('x.new', 'x.lock')");
    listener.hears("acquired", second.pid);
    // Who it was taken from may have been asleep.
    let words = listener.story();
    assert_eq!(words.len(), 2, "{words:?}");
    assert_eq!(words[0].1, i64::from(first.pid));
    assert!(["released", "lost"].contains(&words[0].0.as_str()), "{words:?}");
}

#[test]
fn a_lock_file_that_is_removed_while_its_owner_sleeps_is_lost() {
    let Some(scene) = Scene::with(&[]) else { return };
    let owner = scene.actor();
    owner.does("write('x.lock', str(os.getpid())); fd = flock('other', EX)");
    owner.stops();
    rests(&scene, "other");
    let mut listener = Listener::start(&scene, &["--json", "lockfile:x.lock"]);
    fs::remove_file(scene.path("x.lock")).unwrap();
    let event = listener.hears("lost", owner.pid);
    assert_eq!(event["remark"], "it was removed while its owner slept");
}
