//! Who waits, in which order, for what.

use serde_json::json;

use crate::support::{Actor, Need, Scene, blocked_threads, pids, records, state, wait_until};

fn pids_of(actors: &[Actor]) -> Vec<Option<i32>> {
    actors.iter().map(|actor| Some(actor.pid)).collect()
}

#[test]
fn a_queue_is_told_in_its_order() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX)");
    let queue: Vec<_> = (0..5).map(|_| scene.actor()).collect();
    for waiter in &queue {
        waiter.waits("flock('l', EX)");
    }
    let report = scene.look();
    let seen = report.at(&scene.path("l"));
    assert_eq!(seen["verdict"], "contended");
    assert_eq!(pids(&seen["holders"]), [Some(holder.pid)]);
    assert_eq!(pids(&seen["waiters"]), pids_of(&queue));
    for (waiter, position) in seen["waiters"].as_array().unwrap().iter().zip(1..) {
        assert_eq!(waiter["position"], position);
        assert_eq!(waiter["tid"], waiter["pid"]);
        assert_eq!(waiter["mode"], "exclusive");
        assert_eq!(waiter["how"], "kernel");
        assert_eq!(waiter["blocked_by"], json!([{"id": seen["id"], "pid": holder.pid}]));
    }
    let told = scene.explain(scene.path("l").to_str().unwrap());
    let places: Vec<_> =
        queue.iter().map(|by| told.find(&format!("(pid {}, ", by.pid)).expect(&told)).collect();
    assert!(places.is_sorted(), "{told}");
}

#[test]
fn who_waits_is_told_everything_that_blocks_it() {
    let Some(scene) = Scene::with(&[]) else { return };
    let readers = [scene.actor(), scene.actor()];
    for reader in &readers {
        reader.does("flock('l', SH)");
    }
    let writer = scene.actor();
    writer.waits("flock('l', EX)");
    let report = scene.look();
    let seen = report.at(&scene.path("l"));
    assert_eq!(pids(&seen["waiters"]), [Some(writer.pid)]);
    let mut blockers = pids(&seen["waiters"][0]["blocked_by"]);
    blockers.sort();
    let mut expected = pids_of(&readers);
    expected.sort();
    assert_eq!(blockers, expected);
}

#[test]
fn a_wait_for_bytes_is_blocked_by_the_ranges_that_overlap() {
    let Some(scene) = Scene::with(&[]) else { return };
    let [first, second, other, waiter] = [(); 4].map(|()| scene.actor());
    first.does("posix('l', WRITE, 0, 10)");
    second.does("posix('l', WRITE, 10, 10)");
    other.does("posix('l', WRITE, 50, 10)");
    waiter.waits("posix('l', READ, 5, 10, wait=True)");
    let report = scene.look();
    let seen: Vec<_> = report
        .all_at(&scene.path("l"))
        .into_iter()
        .filter(|lock| pids(&lock["waiters"]).contains(&Some(waiter.pid)))
        .collect();
    assert!(!seen.is_empty(), "{:#}", report.document);
    for lock in seen {
        let waiter = &lock["waiters"][0];
        assert_eq!(waiter["range"], json!({"start": 5, "end": 14}));
        assert_eq!(waiter["mode"], "shared");
        let mut blockers = pids(&waiter["blocked_by"]);
        blockers.sort();
        let mut expected = [Some(first.pid), Some(second.pid)];
        expected.sort();
        assert_eq!(blockers, expected, "{lock:#}");
    }
}

#[test]
fn record_locks_of_both_kinds_block_each_other() {
    let Some(scene) = Scene::with(&[]) else { return };
    let [holder, waiter] = [scene.actor(), scene.actor()];
    holder.does("ofd('l')");
    waiter.waits("posix('l', wait=True)");
    let report = scene.look();
    let seen = report.at(&scene.path("l"));
    assert_eq!(seen["mechanism"], "ofd");
    assert_eq!(pids(&seen["waiters"]), [Some(waiter.pid)]);
    assert_eq!(pids(&seen["waiters"][0]["blocked_by"]), [Some(holder.pid)]);
}

#[test]
fn who_waits_for_an_open_file_description_lock_is_named() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let [holder, waiter] = [scene.actor(), scene.actor()];
    holder.does("ofd('l')");
    waiter.waits("ofd('l', wait=True)");
    assert!(records(&scene.path("l")).iter().all(|record| record.pid == -1));
    let report = scene.look();
    let seen = report.at(&scene.path("l"));
    assert_eq!(pids(&seen["waiters"]), [Some(waiter.pid)]);
    assert_eq!(seen["waiters"][0]["position"], 1);
}

#[test]
fn a_thread_that_waits_is_named_with_its_process() {
    let Some(scene) = Scene::with(&[]) else { return };
    let [holder, waiter] = [scene.actor(), scene.actor()];
    holder.does("flock('l', EX)");
    let tid = waiter.does("in_thread(lambda: flock('l', EX))");
    assert_eq!(json!(waiter.is_blocked()), tid);
    assert_ne!(tid, waiter.pid);
    let report = scene.look();
    let seen = report.at(&scene.path("l"));
    assert_eq!(seen["waiters"][0]["pid"], waiter.pid);
    assert_eq!(seen["waiters"][0]["tid"], tid);
}

#[test]
fn readers_that_pass_a_waiting_writer_are_holders() {
    let Some(scene) = Scene::with(&[]) else { return };
    let [first, writer, second] = [(); 3].map(|()| scene.actor());
    first.does("flock('l', SH)");
    writer.waits("flock('l', EX)");
    second.does("flock('l', SH)");
    let report = scene.look();
    let seen = report.at(&scene.path("l"));
    let mut holders = pids(&seen["holders"]);
    holders.sort();
    let mut expected = [Some(first.pid), Some(second.pid)];
    expected.sort();
    assert_eq!(holders, expected);
    assert_eq!(pids(&seen["waiters"]), [Some(writer.pid)]);
}

#[test]
fn when_a_holder_ends_the_next_one_holds() {
    let Some(scene) = Scene::with(&[]) else { return };
    let [holder, next, last] = [(); 3].map(|()| scene.actor());
    holder.does("flock('l', EX)");
    next.waits("flock('l', EX)");
    last.waits("flock('l', EX)");
    let before = scene.look();
    holder.ends();
    next.answer();
    let after = wait_until("the last one waits for the next", || {
        let after = scene.look();
        let waits = pids(&after.at(&scene.path("l"))["waiters"]) == [Some(last.pid)];
        waits.then_some(after)
    });
    let [before, after] = [&before, &after].map(|report| report.at(&scene.path("l")).clone());
    assert_eq!(pids(&after["holders"]), [Some(next.pid)]);
    assert_eq!(after["waiters"][0]["position"], 1);
    assert_eq!(before["id"], after["id"]);
    assert_ne!(before["as_seen"], after["as_seen"]);
}

#[test]
fn threads_of_one_process_stand_in_the_order_of_the_queue() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX)");
    let waiter = scene.actor();
    // The thread that was made first comes last.
    waiter.does("go = threading.Event()");
    let last = waiter.does("in_thread(lambda: go.wait() and flock('l', EX))");
    let first = waiter.does("in_thread(lambda: flock('l', EX))");
    // Who sleeps first came first.
    assert_eq!(json!(waiter.is_blocked()), first);
    waiter.does("go.set()");
    wait_until("both wait", || (blocked_threads(waiter.pid).len() == 2).then_some(()));
    let report = scene.look();
    let waiters = report.at(&scene.path("l"))["waiters"].as_array().unwrap();
    let tids: Vec<_> = waiters.iter().map(|waiter| &waiter["tid"]).collect();
    assert_eq!(tids, [&first, &last]);
    assert_eq!([&waiters[0]["position"], &waiters[1]["position"]], [&json!(1), &json!(2)]);
}

#[test]
fn a_thread_waits_though_the_first_one_has_ended() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("ofd('l')");
    let waiter = scene.actor();
    waiter.begins(
        "in_thread(lambda: ofd('l', wait=True)); \
         libc.syscall({'x86_64': 60}.get(platform.machine(), 93), 0)",
    );
    waiter.is_blocked();
    wait_until("its first thread has ended", || (state(waiter.pid)? == 'Z').then_some(()));
    let report = scene.look();
    let seen = report.at(&scene.path("l"));
    assert_eq!(pids(&seen["waiters"]), [Some(waiter.pid)], "{seen:#}");
    assert_eq!(seen["waiters"][0]["state"], "sleeping");
}

#[test]
fn readers_who_go_on_together_stand_before_the_writer_behind_them() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX)");
    let queue = ["EX", "SH", "EX", "SH", "EX"].map(|mode| {
        let waiter = scene.actor();
        waiter.waits(format!("flock('l', {mode})"));
        waiter
    });
    let [first, reader, writer, other, last] = &queue;
    let report = scene.look();
    let waiters = &report.at(&scene.path("l"))["waiters"];
    let expected = [first, reader, other, writer, last].map(|actor| Some(actor.pid));
    assert_eq!(pids(waiters), expected);
    for (waiter, position) in waiters.as_array().unwrap().iter().zip(1..) {
        assert_eq!(waiter["position"], position);
    }
}
