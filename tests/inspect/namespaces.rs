//! Holders and viewers in other pid and user namespaces.

use serde_json::Value;

use crate::support::{Need, Report, Scene, blocked_threads, pids, records, wait_until};

/// What `locktop ls --json` says to somebody in the namespaces of process `pid`.
#[track_caller]
fn look_inside(scene: &Scene, pid: i32, namespaces: &[&str]) -> Report {
    let target = format!("--target={pid}");
    let through = [&["nsenter", &target], namespaces].concat();
    let output = scene.locktop_through(&through, &["ls", "--json"]);
    Report::of(output)
}

/// The first process of a new pid namespace that runs a script, by its pid out here.
fn contained(scene: &Scene, script: &str) -> i32 {
    let outer = scene.stage().does(format!(
        "spawn('unshare', '-p', '-f', '--mount-proc', 'sh', '-c', {})",
        Value::from(script)
    ));
    wait_until("the namespace has a first process", || {
        let list = std::fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).ok()?;
        list.split_whitespace().next()?.parse().ok()
    })
}

#[test]
fn inside_a_pid_namespace_descriptors_tell_what_the_lock_table_hides() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let outside = scene.actor();
    outside.does("flock('outside', EX)");
    let first =
        contained(&scene, "exec 9>l; flock 9; flock l true & flock l true & echo >ready; wait");
    let lock = scene.path("l");
    wait_until("the queue stands", || {
        let queue = records(&lock).into_iter().filter(|record| record.waits);
        // Inside, only who sleeps is known to wait.
        let asleep = queue.filter(|waiter| !blocked_threads(waiter.pid).is_empty());
        (asleep.count() == 2).then_some(())
    });
    let enter = ["--pid", "--mount"];
    let report = look_inside(&scene, first, &enter);
    assert_eq!(report.document["complete"], false);
    let seen = report.at(&lock);
    // The shell, and the two that inherited its descriptor and wait for what they hold.
    assert!(pids(&seen["holders"]).contains(&Some(1)), "{seen:#}");
    for holder in seen["holders"].as_array().unwrap() {
        assert_eq!(holder["certainty"], "proven");
    }
    assert_eq!(seen["waiters"].as_array().unwrap().len(), 2, "{seen:#}");
    let shows_outside = |lock: &&Value| pids(&lock["holders"]).contains(&Some(outside.pid));
    assert!(!report.locks().iter().any(|lock| shows_outside(&lock)), "pids of another namespace");

    // From out here, the same lock has the numbers of out here.
    let report = scene.look();
    let seen = report.at(&lock);
    assert!(pids(&seen["holders"]).contains(&Some(first)), "{seen:#}");
    assert_eq!(seen["waiters"].as_array().unwrap().len(), 2);
}

#[test]
fn a_holder_in_a_user_namespace_is_told_with_its_user_out_here() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let holder = scene.nobody();
    holder.does("unshare(NEWUSER); write('/proc/self/setgroups', 'deny')");
    holder.does("write('/proc/self/uid_map', f'0 {NOBODY} 1'); os.setuid(0)");
    assert_eq!(holder.does("os.getuid()"), 0);
    holder.does("flock('l', EX)");
    let report = scene.look();
    let seen = report.at(&scene.path("l"));
    assert_eq!(pids(&seen["holders"]), [Some(holder.pid)]);
    assert_eq!(seen["holders"][0]["uid"], 65534);
    assert_eq!(seen["holders"][0]["certainty"], "proven");
}

#[test]
fn root_of_a_user_namespace_sees_no_more_than_its_user() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let foreign = scene.actor();
    foreign.does("flock('foreign', EX)");
    let first = scene.nobody();
    first.does("unshare(NEWUSER); write('/proc/self/setgroups', 'deny')");
    first.does("write('/proc/self/uid_map', f'0 {NOBODY} 1')");
    first.does("write('/proc/self/gid_map', f'0 {NOBODY} 1')");
    first.does("os.setresuid(0, 0, 0); os.setresgid(0, 0, 0)");
    first.does("libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)");
    first.does("flock('own', EX)");
    let report = look_inside(&scene, first.pid, &["--user"]);
    assert_eq!(report.document["complete"], false);
    assert_eq!(report.notes("unreadable_processes").len(), 1, "{:#}", report.document["notes"]);
    assert_eq!(pids(&report.at(&scene.path("own"))["holders"]), [Some(first.pid)]);
    let recorded = |lock: &&Value| lock["recorded_pid"] == foreign.pid;
    let seen = report.locks().iter().find(recorded).expect("the foreign lock is listed");
    assert_eq!(seen["holders"][0]["certainty"], "recorded");
}
