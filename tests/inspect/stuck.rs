//! Holders that cannot go on.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Need, Scene, pids, state, wait_until};

#[test]
fn a_stopped_holder_is_stuck_until_it_continues() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX)");
    holder.stops();
    let waiter = scene.actor();
    waiter.waits("flock('l', EX)");
    let report = scene.look();
    let seen = report.at(&scene.path("l"));
    assert_eq!(seen["verdict"], "stuck");
    assert_eq!(seen["holders"][0]["state"], "stopped");
    assert_eq!(pids(&seen["waiters"]), [Some(waiter.pid)]);
    let why = seen["why"].as_str().unwrap();
    assert!(why.contains("stopped") && why.contains(&holder.pid.to_string()), "{why}");

    holder.gets(Signal::CONT);
    wait_until("it goes on", || (state(holder.pid) == Some('S')).then_some(()));
    assert_eq!(scene.look().at(&scene.path("l"))["verdict"], "contended");
}

#[test]
fn who_waits_for_a_stopped_holder_is_stuck_with_its_own_lock() {
    let Some(scene) = Scene::with(&[]) else { return };
    let [stopped, between, last] = [(); 3].map(|()| scene.actor());
    stopped.does("flock('a', EX)");
    between.does("flock('b', EX)");
    between.waits("flock('a', EX)");
    last.waits("flock('b', EX)");
    stopped.stops();
    let report = scene.look();
    assert_eq!(report.at(&scene.path("a"))["verdict"], "stuck");
    assert_eq!(report.at(&scene.path("b"))["verdict"], "stuck");
}

#[test]
fn one_of_two_sharers_that_is_stopped_does_not_make_a_lock_stuck() {
    let Some(scene) = Scene::with(&[]) else { return };
    let taker = scene.actor();
    taker.does("flock('l', EX)");
    let heir = taker.forks();
    heir.stops();
    let report = scene.look();
    assert_eq!(report.at(&scene.path("l"))["verdict"], "held", "the other can unlock it");
}

#[test]
fn a_frozen_holder_is_stuck() {
    for (controller, file, frozen, thawed) in
        [("None", "cgroup.freeze", "1", "0"), ("'freezer'", "freezer.state", "FROZEN", "THAWED")]
    {
        let Some(scene) = Scene::with(&[Need::Root]) else { return };
        let stage = scene.stage();
        scene.has_private_mounts();
        let group = stage.does(format!("control_group({controller}, f'locktop-{{os.getpid()}}')"));
        let group = group.as_str().unwrap();
        let holder = scene.actor();
        holder.does("flock('l', EX)");
        holder.does(format!("write('{group}/cgroup.procs', str(os.getpid()))"));
        stage.does(format!("write('{group}/{file}', '{frozen}')"));
        let is_frozen = if controller == "None" {
            format!("'frozen 1' in read('{group}/cgroup.events')")
        } else {
            format!("read('{group}/freezer.state') == 'FROZEN\\n'")
        };
        wait_until("it is frozen", || (stage.does(&is_frozen) == json!(true)).then_some(()));
        let report = scene.look();
        let seen = report.at(&scene.path("l"));
        assert_eq!(seen["verdict"], "stuck", "{controller}: {seen:#}");
        assert_eq!(seen["holders"][0]["state"], "frozen");

        stage.does(format!("write('{group}/{file}', '{thawed}')"));
        holder.does("None");
        assert_eq!(scene.look().at(&scene.path("l"))["verdict"], "held");
    }
}

#[test]
fn a_holder_in_uninterruptible_sleep_is_stuck_after_ten_seconds() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    // Its child inherits no descriptor: these locks belong to the process.
    holder.does("posix('l')");
    let began = Instant::now();
    holder.begins("vfork()");
    wait_until("it sleeps uninterruptibly", || (state(holder.pid) == Some('D')).then_some(()));
    let seen = wait_until("it has slept for long", || {
        let seen = scene.look().at(&scene.path("l")).clone();
        (seen["verdict"] != "held").then_some(seen)
    });
    assert!(began.elapsed() >= Duration::from_secs(10), "a moment is no finding");
    assert_eq!(seen["holders"][0]["state"], "uninterruptible");
    assert_eq!(seen["verdict"], "stuck");
}
