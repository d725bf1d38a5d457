//! How long somebody waits or has a lock.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Scene, records, wait_until};

/// How far a time may be off.
const TOLERANCE: f64 = 0.3;

#[track_caller]
fn is_near(what: &str, said: &Value, least: Duration, most: Duration) {
    let seconds = said.as_f64().unwrap_or_else(|| panic!("{what}: no number but {said}"));
    let truth = least.as_secs_f64() - TOLERANCE..=most.as_secs_f64() + TOLERANCE;
    assert!(truth.contains(&seconds), "{what}: {seconds} is not in {truth:?}");
}

/// Between which times something has lasted that began between `earliest` and `latest`, when a look
/// between `before` and `after` tells of it. One that is held up for a while takes that off.
fn lasted(
    (earliest, latest): (Instant, Instant),
    (before, after): (Instant, Instant),
) -> (Duration, Duration) {
    ((before - latest).saturating_sub(after - before), after - earliest)
}

#[test]
fn an_undisturbed_wait_is_right_at_first_sight_on_every_cpu() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX)");
    let cpus = holder.does("sorted(os.sched_getaffinity(0))");
    let waiters: Vec<_> = cpus
        .as_array()
        .unwrap()
        .iter()
        .map(|cpu| {
            let waiter = scene.actor();
            waiter.does(format!("os.sched_setaffinity(0, [{cpu}])"));
            let began = waiter.waits("flock('l', EX)");
            (waiter, began)
        })
        .collect();
    wait_until("time has passed", || {
        waiters.iter().all(|(_, began)| began.1.elapsed() > Duration::from_secs(2)).then_some(())
    });
    let before = Instant::now();
    let report = scene.look();
    let after = Instant::now();
    let seen = report.at(&scene.path("l"));
    for (waiter, began) in &waiters {
        let said = seen["waiters"].as_array().unwrap();
        let said = said.iter().find(|said| said["pid"] == waiter.pid).expect("it is listed");
        let (least, most) = lasted(*began, (before, after));
        is_near("least wait", &said["waited"]["min_s"], least, most);
        let bound = said["waited"]["max_s"].as_f64().unwrap_or(f64::INFINITY);
        assert!(bound + 0.05 >= least.as_secs_f64(), "at most {bound}, in truth {least:?}");
        let evidence = said["waited"]["evidence"].as_array().unwrap();
        assert!(evidence.contains(&"scheduler".into()), "{evidence:?}");
    }
}

#[test]
fn the_age_of_a_lock_bounds_the_truth() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    let earliest = Instant::now();
    holder.does("flock('l', EX)");
    let latest = Instant::now();
    wait_until("time has passed", || (latest.elapsed() > Duration::from_secs(1)).then_some(()));
    let before = Instant::now();
    let report = scene.look();
    let after = Instant::now();
    let age = &report.at(&scene.path("l"))["age"];
    // It has slept since it locked, which is known at first sight.
    let (least, most) = lasted((earliest, latest), (before, after));
    is_near("least age", &age["min_s"], least, most);
    let bound = age["max_s"].as_f64().unwrap_or(f64::INFINITY);
    assert!(bound + 0.05 >= least.as_secs_f64(), "at most {bound}");
}

#[test]
fn an_heir_that_slept_for_long_proves_no_age() {
    let Some(scene) = Scene::with(&[]) else { return };
    let taker = scene.actor();
    // The heir sleeps from before the lock is taken through the descriptor that both share.
    taker.does("f = opened('l')");
    let heir = taker.forks();
    let slept_since = Instant::now();
    wait_until("time has passed", || {
        (slept_since.elapsed() > Duration::from_secs(1)).then_some(())
    });
    let earliest = Instant::now();
    taker.does("flock(f, EX)");
    taker.ends();
    let report = scene.look();
    let longest = earliest.elapsed();
    let seen = report.at(&scene.path("l"));
    assert_eq!(seen["holders"][0]["pid"], heir.pid);
    let least = seen["age"]["min_s"].as_f64().unwrap();
    assert!(least <= longest.as_secs_f64() + 0.05, "at least {least}, in truth {longest:?}");
}

#[test]
fn a_lock_of_a_thread_that_has_ended_proves_no_age() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    // Threads that leave no trace but their running: their memory is there before they are.
    holder.does("libc.mlockall(3)");
    for _ in 0..3 {
        holder.does("threading.Thread(target=lambda: None).start()");
    }
    holder.does("f = opened('l'); os.mkfifo('go')");
    holder.does("in_thread(lambda: os.open('go', os.O_RDONLY) and flock(f, EX))");
    let slept_since = Instant::now();
    wait_until("the others have slept", || {
        (slept_since.elapsed() > Duration::from_secs(1)).then_some(())
    });
    let earliest = Instant::now();
    std::fs::write(scene.path("go"), "").unwrap();
    wait_until("it is locked", || (!records(&scene.path("l")).is_empty()).then_some(()));
    wait_until("the thread has ended", || {
        let threads = std::fs::read_dir(format!("/proc/{}/task", holder.pid)).unwrap().count();
        (threads == 1).then_some(())
    });
    let report = scene.look();
    let longest = earliest.elapsed().as_secs_f64();
    let least = report.at(&scene.path("l"))["age"]["min_s"].as_f64().unwrap();
    assert!(least <= longest + 0.05, "at least {least}, in truth {longest}");
}
