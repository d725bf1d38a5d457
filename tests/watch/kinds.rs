//! Each kind of event, one thing at a time.

use rustix::process::Signal;
use serde_json::json;

use crate::listener::{Listener, story};
use crate::support::{Need, Scene, wait_until};

#[test]
fn a_lock_is_taken_queued_for_handed_over_given_up_and_released() {
    let Some(scene) = Scene::with(&[]) else { return };
    let (first, second, third) = (scene.actor(), scene.actor(), scene.actor());
    let mut listener = Listener::start(&scene, &["--json", "lock"]);

    first.does("fd = flock('lock', EX)");
    let event = listener.hears("acquired", first.pid);
    assert_eq!(event["path"], scene.path("lock").to_str().unwrap());
    assert_eq!(event["command"], "python3");
    assert_eq!(event["duration"], json!(null));

    second.waits("fd = flock('lock', EX)");
    listener.hears("queued", second.pid);
    third.waits("fd = flock('lock', EX)");
    listener.hears("queued", third.pid);
    let (pid, ended) = (third.pid, third);
    ended.ends();
    let event = listener.hears("gave-up", pid);
    assert_eq!(event["remark"], json!(null), "others have had it all the time");
    assert!(event["duration"]["max_s"].is_number(), "{event:#}");

    first.does("flock(fd, UN)");
    second.answer();
    let released = listener.hears("released", first.pid);
    assert!(released["duration"]["max_s"].is_number(), "{released:#}");
    let granted = listener.hears("granted", second.pid);
    assert!(granted["duration"]["max_s"].is_number(), "{granted:#}");
    second.does("os.close(fd)");
    listener.hears("released", second.pid);

    let told = story([
        ("acquired", first.pid),
        ("queued", second.pid),
        ("queued", pid),
        ("gave-up", pid),
        ("released", first.pid),
        ("granted", second.pid),
        ("released", second.pid),
    ]);
    assert_eq!(listener.story(), told);
}

#[test]
fn what_was_there_before_is_no_event() {
    let Some(scene) = Scene::with(&[]) else { return };
    let (holder, waiter) = (scene.actor(), scene.actor());
    holder.does("fd = flock('lock', EX)");
    waiter.waits("fd = flock('lock', EX)");
    let mut listener = Listener::start(&scene, &["--json", "lock"]);
    let pid = holder.pid;
    // The end of a process is no event, but what becomes of its lock is.
    holder.ends();
    listener.hears("granted", waiter.pid);
    assert_eq!(listener.story(), story([("released", pid), ("granted", waiter.pid)]));
}

#[test]
fn every_mechanism_is_told_of() {
    let Some(scene) = Scene::with(&[]) else { return };
    let actor = scene.actor();
    let mut listener = Listener::start(&scene, &["--json", "."]);
    for (takes, family) in [("posix('p')", "posix"), ("ofd('o')", "ofd"), ("lease('l')", "lease")] {
        actor.does(format!("fd = {takes}"));
        let event = listener.hears("acquired", actor.pid);
        assert!(event["id"].as_str().unwrap().starts_with(&format!("@{family}:")), "{event:#}");
        actor.does("os.close(fd)");
        assert_eq!(listener.hears("released", actor.pid)["id"], event["id"]);
    }
    assert_eq!(listener.heard.len(), 6, "{:#?}", listener.heard);
}

#[test]
fn readers_are_told_of_one_by_one() {
    let Some(scene) = Scene::with(&[]) else { return };
    let (first, second) = (scene.actor(), scene.actor());
    let mut listener = Listener::start(&scene, &["--json", "lock"]);
    first.does("fd = flock('lock', SH)");
    listener.hears("acquired", first.pid);
    second.does("fd = flock('lock', SH)");
    listener.hears("acquired", second.pid);
    first.does("os.close(fd)");
    listener.hears("released", first.pid);
    second.does("os.close(fd)");
    listener.hears("released", second.pid);
}

#[test]
fn a_child_that_inherits_a_lock_has_not_taken_it() {
    let Some(scene) = Scene::with(&[]) else { return };
    let parent = scene.actor();
    let mut listener = Listener::start(&scene, &["--json", "."]);
    parent.does("fd = flock('lock', EX)");
    listener.hears("acquired", parent.pid);
    let child = parent.forks();
    parent.does("os.close(fd)");
    // Whatever was to be told of that was told before this.
    let other = scene.actor();
    other.does("other = flock('other', EX)");
    listener.hears("acquired", other.pid);
    child.does("os.close(fd)");
    wait_until("nobody has it", || {
        crate::support::records(&scene.path("lock")).is_empty().then_some(())
    });
    listener.hears_line("the release", |line| {
        let event = crate::listener::parse(line);
        event["event"] == "released" && event["path"] == scene.path("lock").to_str().unwrap()
    });
    let words: Vec<String> = listener.story().into_iter().map(|(word, _)| word).collect();
    assert_eq!(words, ["acquired", "acquired", "released"]);
}

#[test]
fn who_waited_through_flock_1_is_named_until_the_end() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("fd = flock('lock', EX)");
    let mut listener = Listener::start(&scene, &["--json", "lock"]);
    let shell = scene.shell("exec flock lock cat", &[]);
    listener.hears("queued", shell.pid);
    holder.does("flock(fd, UN)");
    listener.hears("granted", shell.pid);
    let pid = shell.pid;
    shell.ends_input();
    listener.hears("released", pid);
}

#[test]
fn another_judgement_is_told_with_both_verdicts() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("fd = flock('lock', EX)");
    let mut listener = Listener::start(&scene, &["--json", "lock"]);
    holder.stops();
    let event = listener.hears("verdict-changed", holder.pid);
    assert_eq!((&event["verdict_before"], &event["verdict"]), (&json!("held"), &json!("stuck")));
    assert!(event["remark"].as_str().unwrap().contains("stopped"), "{event:#}");
    holder.gets(Signal::CONT);
    let event = listener.hears("verdict-changed", holder.pid);
    assert_eq!((&event["verdict_before"], &event["verdict"]), (&json!("stuck"), &json!("held")));
    assert!(event["duration"]["max_s"].is_number(), "{event:#}");
}

#[test]
fn only_the_locks_that_were_asked_for_are_told_of() {
    let Some(scene) = Scene::with(&[]) else { return };
    let (one, other) = (scene.actor(), scene.actor());
    let target = format!("pid:{}", one.pid);
    let mut listener = Listener::start(&scene, &["--json", &target]);
    other.does("fd = flock('other', EX)");
    one.does("fd = flock('lock', EX)");
    listener.hears("acquired", one.pid);
    // Whoever waits for its lock has to do with it.
    other.waits("fd = flock('lock', EX)");
    listener.hears("queued", other.pid);
    let mut told = listener.story();
    // A removed file's number is given out again: whoever had that one locked is told of, too.
    told.retain(|(_, pid)| [one.pid, other.pid].contains(&(*pid as i32)));
    assert_eq!(told, story([("acquired", one.pid), ("queued", other.pid)]));
}

#[test]
fn another_user_hears_it_too() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let (holder, waiter) = (scene.actor(), scene.actor());
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    scene.stage().does("open('lock', 'w').close()");
    let mut listener = Listener::start_through(&scene, &nobody, &["--json", "lock"]);
    holder.does("fd = flock('lock', EX)");
    listener.hears("acquired", holder.pid);
    waiter.waits("fd = flock('lock', EX)");
    listener.hears("queued", waiter.pid);
    holder.does("os.close(fd)");
    listener.hears("released", holder.pid);
    listener.hears("granted", waiter.pid);
}
