//! What changes between plan and act: then nothing is touched.

use std::fs;
use std::path::Path;

use locktop::model::Lock;
use locktop::release::{self, AuditLog, Method, Plan, Stage};
use locktop::{Error, Inspector, Snapshot};
use rustix::process::Signal;

use crate::support::{Need, Scene, wait_until};
use crate::theatre::{has_ended, lives};

/// One look can miss a lock where a long lock table changes while it is read.
#[track_caller]
fn look_until(is_complete: impl Fn(&Snapshot) -> bool) -> Snapshot {
    wait_until("it is seen", || {
        let snapshot = Inspector::new().unwrap().snapshot().unwrap();
        is_complete(&snapshot).then_some(snapshot)
    })
}

/// The plan to free the lock at that path.
#[track_caller]
fn plan(scene: &Scene, name: &str, method: Method) -> Plan {
    let path = scene.path(name);
    let is_there = |path_of: &locktop::model::PathBytes| path_of.as_path() == path;
    let is_it = |lock: &&Lock| lock.path.as_ref().is_some_and(is_there);
    let snapshot = look_until(|snapshot| snapshot.locks.iter().any(|lock| is_it(&lock)));
    let lock = snapshot.locks.iter().find(is_it).unwrap();
    let plans = release::plans(lock, &snapshot);
    let plan = plans.into_iter().find(|plan| plan.method == method).unwrap();
    assert!(plan.is_possible(), "{:?}", plan.obstacle);
    plan
}

fn log(scene: &Scene) -> AuditLog {
    AuditLog::at(scene.path("log/audit.jsonl"))
}

/// Carries it out, and expects that nothing was touched.
#[track_caller]
fn is_refused(scene: &Scene, plan: Plan) -> Error {
    let log = log(scene);
    let error = plan.perform(&log, &mut |_| {}).expect_err("the world has changed");
    assert!(error.is_changed(), "{error}");
    assert!(error.to_string().contains("nothing was touched"), "{error}");
    let (entries, _) = log.entries().unwrap();
    assert_eq!(entries.last().unwrap().stage, Stage::Failed);
    error
}

const METHODS: [Method; 4] = [Method::Terminate, Method::Escrow, Method::Kill, Method::Unlock];

#[test]
fn a_holder_that_has_ended() {
    let Some(scene) = Scene::with(&[]) else { return };
    for method in METHODS {
        let holder = scene.actor();
        holder.does("flock('l', EX)");
        let plan = plan(&scene, "l", method);
        holder.ends();
        is_refused(&scene, plan);
    }
}

#[test]
fn a_number_that_is_somebody_elses_by_now() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    // Of another process group than its own, whose number would stay taken.
    let holder = scene.stage().forks();
    holder.does("flock('l', EX)");
    let number = holder.pid;
    let plan = plan(&scene, "l", Method::Kill);
    holder.ends();
    // It even has the lock.
    let stranger = scene.stage().makes(&format!("fork_as({number})"));
    stranger.does("flock('l', EX)");
    is_refused(&scene, plan);
    assert!(lives(stranger.pid));
}

#[test]
fn another_one_took_over() {
    let Some(scene) = Scene::with(&[]) else { return };
    for method in METHODS {
        let [holder, next] = [(); 2].map(|()| scene.actor());
        holder.does("fd = flock('l', EX)");
        next.waits("flock('l', EX)");
        let plan = plan(&scene, "l", method);
        holder.does("fcntl.flock(fd, UN)");
        next.answer();
        is_refused(&scene, plan);
        for one in [&holder, &next] {
            assert_eq!(one.does("1 + 1"), 2);
        }
        holder.ends();
        next.ends();
    }
}

#[test]
fn a_heir_who_was_not_shown() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX)");
    let plan = plan(&scene, "l", Method::Terminate);
    let heir = holder.forks();
    is_refused(&scene, plan);
    assert!(lives(holder.pid) && lives(heir.pid));
}

#[test]
fn the_same_process_through_another_open_file() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("fd = flock('l', EX)");
    let plan = plan(&scene, "l", Method::Unlock);
    holder.does("other = os.dup(opened('l')); fcntl.flock(fd, UN); fcntl.flock(other, EX)");
    is_refused(&scene, plan);
    assert!(fs::File::open(scene.path("l")).unwrap().try_lock().is_err());
}

#[test]
fn a_file_that_was_replaced() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX)");
    let plan = plan(&scene, "l", Method::Terminate);
    fs::write(scene.path("new"), "").unwrap();
    fs::rename(scene.path("new"), scene.path("l")).unwrap();
    let error = is_refused(&scene, plan);
    assert!(error.to_string().contains("another file"), "{error}");
    assert!(lives(holder.pid));
}

#[test]
fn a_holder_that_goes_on_already() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX)");
    holder.stops();
    let plan = plan(&scene, "l", Method::Resume);
    holder.gets(Signal::CONT);
    holder.does("None");
    is_refused(&scene, plan);
}

#[test]
fn a_waiter_whose_turn_has_come() {
    let Some(scene) = Scene::with(&[]) else { return };
    let [holder, waiter] = [(); 2].map(|()| scene.actor());
    holder.does("fd = flock('l', EX)");
    waiter.waits("flock('l', EX)");
    let waits_there =
        |lock: &&Lock| lock.waiters.iter().any(|by| by.process.pid == Some(waiter.pid));
    let snapshot = look_until(|snapshot| snapshot.locks.iter().any(|lock| waits_there(&lock)));
    let lock = snapshot.locks.iter().find(waits_there).unwrap();
    let plan = release::end_waiter(lock, waiter.pid).unwrap();
    holder.does("fcntl.flock(fd, UN)");
    waiter.answer();
    is_refused(&scene, plan);
    assert!(lives(waiter.pid));
}

#[test]
fn what_cannot_be_written_down_is_not_done() {
    let Some(scene) = Scene::with(&[]) else { return };
    fs::write(scene.path("file"), "").unwrap();
    let holder = scene.actor();
    holder.does("flock('l', EX)");
    for method in METHODS {
        let plan = plan(&scene, "l", method);
        let error =
            plan.perform(&AuditLog::at(scene.path("file/audit.jsonl")), &mut |_| {}).unwrap_err();
        assert!(!error.is_changed(), "{error}");
        assert!(error.to_string().contains("nothing was touched"), "{error}");
        assert!(error.to_string().contains("audit log"), "{error}");
    }
    assert_eq!(holder.does("1 + 1"), 2);
    assert!(fs::File::open(scene.path("l")).unwrap().try_lock().is_err());
}

#[test]
fn the_log_has_no_command_lines_and_is_nobody_elses() {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(scene) = Scene::with(&[]) else { return };
    let shell = scene.shell("exec 9>l; flock 9; echo > ready; read x", &["--password=sesame"]);
    wait_until("it has the lock", || scene.path("ready").exists().then_some(()));
    plan(&scene, "l", Method::Kill).perform(&log(&scene), &mut |_| {}).unwrap();
    wait_until("it has ended", || crate::support::state(shell.pid).is_none().then_some(()));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&scene.path("log")) & 0o007, 0);
    let path = scene.path("log/audit.jsonl");
    assert_eq!(mode(&path) & 0o137, 0);
    let text = fs::read_to_string(path).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(!text.contains("sesame"), "{text}");
}

#[test]
fn a_log_that_is_full_is_moved_aside() {
    let Some(scene) = Scene::with(&[]) else { return };
    fs::create_dir(scene.path("log")).unwrap();
    let path = scene.path("log/audit.jsonl");
    let line = format!("{}\n", "x".repeat(1023));
    fs::write(&path, line.repeat(4 * 1024)).unwrap();
    let holder = scene.actor();
    holder.does("flock('l', EX)");
    plan(&scene, "l", Method::Terminate).perform(&log(&scene), &mut |_| {}).unwrap();
    assert_eq!(fs::metadata(scene.path("log/audit.jsonl.1")).unwrap().len(), 4 << 20);
    assert!(fs::metadata(&path).unwrap().len() < 1 << 20);
    let (entries, unread) = log(&scene).entries().unwrap();
    assert_eq!((entries.len(), unread), (2, 4 * 1024));
    has_ended(holder.pid);
}
