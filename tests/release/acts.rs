//! What each method does, and to whom.

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Need, pids, records, wait_until};
use crate::theatre::{PATIENTLY, Theatre, has_ended, lives};
use crate::tracer;

#[test]
fn holders_end_and_nobody_else_does() {
    let Some(theatre) = Theatre::with(&[Need::Root]) else { return };
    let scene = &theatre.scene;
    // Of another process group than its own, whose number would stay taken.
    let taker = scene.stage().forks();
    taker.does("flock('l', EX)");
    let heir = taker.forks();
    let number = taker.pid;
    taker.ends();
    // The kernel's table names this one, which has got the number of whoever took the lock.
    let innocent = scene.stage().makes(&format!("fork_as({number})"));
    let bystander = scene.actor();
    bystander.does("opened('l')");
    let waiter = scene.actor();
    waiter.waits("flock('l', EX)");

    let path = theatre.path("l");
    let text = theatre.release(&[&path], 0);
    assert!(text.contains(&format!("(pid {}) has the lock now", waiter.pid)), "{text}");
    has_ended(heir.pid);
    for other in [&innocent, &bystander, &waiter] {
        assert!(lives(other.pid));
    }
    waiter.answer();

    let log = theatre.log();
    let [begun, done] = &log[..] else { panic!("{log:#?}") };
    assert_eq!([&begun["stage"], &done["stage"]], ["begun", "done"]);
    assert_eq!(begun["act"], done["act"]);
    assert_eq!(pids(&begun["plan"]["victims"]), [Some(heir.pid)]);
    assert_eq!(begun["plan"]["method"], "terminate");
    assert_eq!(begun["plan"]["grounds"]["path"], path.as_str());
    assert_eq!(done["outcome"]["freed"], true);
}

#[test]
fn all_who_keep_it_end_and_only_a_chosen_one_if_that_is_said() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let sharers = [(); 3].map(|()| theatre.scene.actor());
    for sharer in &sharers {
        sharer.does("flock('l', SH)");
    }
    let path = theatre.path("l");
    let chosen = sharers[1].pid.to_string();
    let text = theatre.release(&[&path, "--holder", &chosen], 0);
    has_ended(sharers[1].pid);
    assert!(lives(sharers[0].pid) && lives(sharers[2].pid));
    assert!(text.contains("still have the lock"), "{text}");
    theatre.release(&[&path], 0);
    has_ended(sharers[0].pid);
    has_ended(sharers[2].pid);
    assert!(theatre.release(&[&path], 0).contains("nobody"));
}

#[test]
fn a_stopped_holder_goes_on() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let holder = theatre.scene.actor();
    holder.does("flock('l', EX)");
    holder.stops();
    let path = theatre.path("l");
    let methods = theatre.seen("l")["methods"].take();
    assert_eq!(methods, json!(["resume", "terminate", "escrow", "kill", "unlock"]));
    theatre.release(&[&path], 0);
    assert_eq!(holder.does("1 + 1"), 2);
    // Nobody is stopped now: that method is none any more.
    let text = theatre.release(&[&path, "--method", "resume"], 2);
    assert!(text.contains("terminate, escrow, kill, unlock"), "{text}");
}

#[test]
fn a_frozen_holder_goes_on() {
    for (controller, file, frozen) in
        [("None", "cgroup.freeze", "1"), ("'freezer'", "freezer.state", "FROZEN")]
    {
        let Some(theatre) = Theatre::with(&[Need::Root]) else { return };
        let scene = &theatre.scene;
        let stage = scene.stage();
        // Below a group that is not frozen, in one that is: in its child.
        let group = stage.does(format!("control_group({controller}, f'locktop-{{os.getpid()}}')"));
        let group = group.as_str().unwrap();
        stage.does(format!("os.mkdir('{group}/below'); control_groups.append('{group}/below')"));
        let holder = scene.actor();
        holder.does("flock('l', EX)");
        holder.does(format!("write('{group}/below/cgroup.procs', str(os.getpid()))"));
        stage.does(format!("write('{group}/{file}', '{frozen}')"));
        wait_until("it is frozen", || {
            (theatre.seen("l")["holders"][0]["state"] == "frozen").then_some(())
        });
        let path = theatre.path("l");
        let text = theatre.release(&[&path, "--method", "terminate"], 2);
        assert!(text.contains("frozen") && text.contains("resume it first"), "{text}");
        let text = theatre.release(&[&path], 0);
        assert!(text.contains("goes on"), "{controller}: {text}");
        assert_eq!(holder.does("1 + 1"), 2);
    }
}

#[test]
fn a_stopped_holder_can_be_ended() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let holder = theatre.scene.actor();
    holder.does("flock('l', EX)");
    holder.stops();
    theatre.release(&[&theatre.path("l"), "--method", "terminate"], 0);
    has_ended(holder.pid);
}

#[test]
fn a_holder_that_does_not_end_is_not_killed_unless_that_is_asked_for() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let holder = theatre.scene.actor();
    holder.does("signal.signal(signal.SIGTERM, signal.SIG_IGN); flock('l', EX)");
    let path = theatre.path("l");
    let text = theatre.release(&[&path, "--grace", "50ms"], 1);
    assert!(text.contains("has not ended") && text.contains("--method kill"), "{text}");
    assert!(lives(holder.pid));
    let log = theatre.log();
    assert_eq!(log[1]["outcome"]["freed"], false);
    assert_eq!(log[1]["outcome"]["alive"], json!([holder.pid]));
    theatre.release(&[&path, "--method", "kill"], 0);
    has_ended(holder.pid);
}

#[test]
fn a_holder_that_gives_the_lock_back_may_live() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let holder = theatre.scene.actor();
    holder.does("fd = flock('l', EX)");
    holder.does("signal.signal(signal.SIGTERM, lambda *_: fcntl.flock(fd, UN))");
    let path = theatre.path("l");
    let (command, program) = theatre.command(&["release", "--yes", "--grace", "50ms", &path]);
    let run = tracer::run(&command, &program, |made, step| {
        // Patience is over only when it has heard.
        if step.is("poll") && made.iter().any(|step| step.is("pidfd_send_signal")) {
            wait_until("it has given the lock back", || {
                records(path.as_ref()).is_empty().then_some(())
            });
        }
        false
    });
    assert_eq!(run.status, Some(0), "{run:#?}");
    let log = theatre.log();
    let text = log[1]["outcome"]["text"].as_str().unwrap();
    assert!(text.contains("lives on without it; the lock is free"), "{text}");
    assert!(lives(holder.pid));
}

#[test]
fn an_unlock_lets_the_next_one_in_beside_a_living_holder() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    for (file, lock, wait) in [
        ("f", "flock('f', EX)", "flock('f', EX)"),
        ("o", "ofd('o', WRITE, 3, 4)", "ofd('o', WRITE, 3, 4, True)"),
    ] {
        let [holder, waiter] = [(); 2].map(|()| theatre.scene.actor());
        holder.does(format!("fd = {lock}"));
        waiter.waits(wait);
        let path = theatre.path(file);
        let text = theatre.release(&[&path, "--method", "unlock"], 0);
        assert!(text.contains(&format!("(pid {}) has the lock now", waiter.pid)), "{text}");
        waiter.answer();
        assert_eq!(holder.does("1 + 1"), 2);
    }
}

#[test]
fn a_lease_is_taken_away_from_a_living_holder() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let [holder, waiter] = [(); 2].map(|()| theatre.scene.actor());
    holder.does("fd = lease('l')");
    let path = theatre.path("l");
    let text = theatre.release(&[&path, "--", "true"], 2);
    assert!(text.contains("a lease cannot be kept"), "{text}");
    // From now on the kernel waits for 45 seconds, and then takes it away by itself.
    waiter.waits("opened('l')");
    theatre.release(&[&path, "--method", "unlock"], 0);
    waiter.answer();
    assert_eq!(holder.does("1 + 1"), 2);
}

#[test]
fn a_posix_lock_can_only_go_with_its_process() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let holder = theatre.scene.actor();
    holder.does("posix('l')");
    let path = theatre.path("l");
    assert_eq!(theatre.seen("l")["methods"], json!(["terminate", "kill"]));
    for args in [&["--method", "unlock"][..], &["--", "true"]] {
        let text = theatre.release(&[&[&*path], args].concat(), 2);
        assert!(text.contains("belongs to its process"), "{text}");
        assert!(lives(holder.pid));
    }
    theatre.release(&[&path], 0);
    has_ended(holder.pid);
}

#[test]
fn a_waiter_ends_and_the_lock_stays() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let [holder, first, second] = [(); 3].map(|()| theatre.scene.actor());
    holder.does("flock('l', EX)");
    first.waits("flock('l', EX)");
    second.waits("flock('l', EX)");
    let path = theatre.path("l");
    let text = theatre.release(&[&path, "--waiter", &first.pid.to_string()], 0);
    assert!(text.contains("waits no more"), "{text}");
    has_ended(first.pid);
    assert!(lives(holder.pid) && lives(second.pid));
    second.is_blocked();
    let text = theatre.release(&[&path, "--waiter", &holder.pid.to_string()], 2);
    assert!(text.contains("waits for"), "{text}");
}

#[test]
fn what_is_left_behind_by_the_killed_is_named_as_the_next_step() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let holder = theatre.scene.actor();
    // Its child inherits the lock while it ends.
    holder.does(
        "def leave(*_):\n  signal.signal(signal.SIGTERM, signal.SIG_DFL)\n  if os.fork(): os._exit(0)\n\
         signal.signal(signal.SIGTERM, leave)\nflock('l', EX)",
    );
    let path = theatre.path("l");
    let text = theatre.release(&[&path], 1);
    assert!(text.contains("has inherited the lock: release it once more"), "{text}");
    theatre.release(&[&path], 0);
}

#[test]
fn a_dry_run_shows_the_plan_and_does_nothing() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let holder = theatre.scene.actor();
    holder.does("flock('l', EX)");
    let path = theatre.path("l");
    let output = theatre.locktop(&["release", "--dry-run", &path]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for part in [format!("kill -TERM {}", holder.pid), "At worst:".into(), "Or unlock:".into()] {
        assert!(text.contains(&part), "{text}");
    }
    let document = theatre.document(&["--dry-run", &path]);
    let release = &document["releases"][0];
    assert_eq!((&document["dry_run"], &release["decision"]), (&json!(true), &json!("shown")));
    assert_eq!(release["plan"]["method"], "terminate");
    assert_eq!(pids(&release["plan"]["victims"]), [Some(holder.pid)]);
    assert_eq!(release["alternatives"].as_array().unwrap().len(), 3);
    assert!(lives(holder.pid));
    assert!(theatre.log().is_empty());
}

#[test]
fn a_document_tells_what_was_done() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let [first, second] = [(); 2].map(|()| theatre.scene.actor());
    first.does("flock('a', EX)");
    second.does("flock('b', EX)");
    theatre.scene.stage().does("opened('c')");
    let paths = ["a", "b", "c"].map(|name| theatre.path(name));
    let args: Vec<&str> =
        paths.iter().map(String::as_str).chain(["--yes"]).chain(PATIENTLY).collect();
    let document = theatre.document(&args);
    let decisions: Vec<_> = (0..3).map(|at| &document["releases"][at]["decision"]).collect();
    assert_eq!(decisions, ["done", "done", "free"], "{document:#}");
    assert_eq!(document["releases"][0]["outcome"]["freed"], true);
    assert_eq!(document["releases"][0]["outcome"]["logged"], true);
    has_ended(first.pid);
    has_ended(second.pid);
}

#[test]
fn a_process_as_target_names_the_lock_that_it_has() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let [holder, waiter] = [(); 2].map(|()| theatre.scene.actor());
    holder.does("flock('l', EX)");
    waiter.waits("flock('l', EX)");
    let text = theatre.release(&[&format!("pid:{}", waiter.pid)], 0);
    assert!(text.contains("has a lock there"), "who only waits has none: {text}");
    assert!(lives(holder.pid));
    theatre.release(&[&format!("pid:{}", holder.pid)], 0);
    has_ended(holder.pid);
    holder_is_gone(&waiter);
}

fn holder_is_gone(waiter: &crate::support::Actor) {
    waiter.answer();
    waiter.gets(Signal::TERM);
}
