//! Having a repository ourselves: Kubo is kept out, and what is left suits it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use rustix::process::Signal;

use crate::desk::Desk;
use crate::support::wait_until;

#[test]
fn kubo_respects_ours_and_is_fine_with_what_is_left() {
    let Some(desk) = Desk::set() else { return };
    for round in 0..2 {
        let mut hold = desk.start(&["hold", "TARGET"]);
        let told = hold.prints("held @ipfs:");
        let lock = desk.lock();
        assert_eq!(told.trim(), format!("held {}", lock["id"].as_str().unwrap()));
        assert_eq!(lock["mechanism"], "ofd");
        assert_eq!(lock["normal"], false);
        assert!(!desk.kubo_gets_it(), "round {round}");
        desk.ends(&["run", "-n", "REPOSITORY", "true"], 1);
        hold.gets(Signal::TERM);
        assert!(hold.ends().success());
        // Given back, and left empty.
        assert_eq!(fs::metadata(desk.path("repo.lock")).unwrap().len(), 0);
        desk.ends(&["wait", "-n", "TARGET"], 0);
        if round == 0 {
            let inode = fs::metadata(desk.path("repo.lock")).unwrap().ino();
            desk.ends(&["run", "TARGET", "true"], 0);
            assert_eq!(fs::metadata(desk.path("repo.lock")).unwrap().ino(), inode);
        }
        assert!(desk.kubo_gets_it());
        assert!(!desk.path("repo.lock").exists());
    }
}

#[test]
fn the_lock_file_is_created_as_flock_does() {
    let Some(desk) = Desk::set() else { return };
    let mode = || fs::metadata(desk.path("repo.lock")).unwrap().permissions().mode() & 0o777;
    desk.ends(&["run", "--create-mode", "0600", "TARGET", "true"], 0);
    assert_eq!(mode(), 0o600);
    desk.ends(&["run", "TARGET", "true"], 0);
    assert_eq!(mode(), 0o600);
    fs::remove_file(desk.path("repo.lock")).unwrap();
    fs::write(desk.path("usual"), "").unwrap();
    desk.ends(&["run", "TARGET", "true"], 0);
    assert_eq!(mode(), fs::metadata(desk.path("usual")).unwrap().permissions().mode() & 0o777);
}

#[test]
fn who_waits_for_kubo_gets_the_file_that_is_there() {
    let Some(desk) = Desk::set() else { return };
    for _ in 0..10 {
        let daemon = desk.holder("daemon");
        desk.ends(&["run", "-n", "TARGET", "true"], 1);
        let mut hold = desk.start(&["hold", "TARGET"]);
        hold.waits();
        // Removes the file, and then lets go.
        daemon.stops();
        hold.prints("held @ipfs:");
        assert!(!desk.kubo_gets_it());
        assert_eq!(desk.lock()["holders"][0]["pid"], hold.pid());
    }
}

#[test]
fn a_command_keeps_it_when_locktop_is_killed() {
    let Some(desk) = Desk::set() else { return };
    let mut run = desk.start(&["run", "TARGET", "--", "sh", "-c", "echo $$; read line"]);
    let command: i32 = run.prints("").trim().parse().unwrap();
    run.gets(Signal::KILL);
    run.ends();
    assert!(!desk.kubo_gets_it());
    assert_eq!(desk.lock()["holders"][0]["pid"], command);
    // The end of its input.
    drop(run);
    wait_until("it has ended", || desk.kubo_gets_it().then_some(()));
}

#[test]
fn those_who_share_it_keep_kubo_out_together() {
    let Some(desk) = Desk::set() else { return };
    let mut first = desk.start(&["hold", "--shared", "TARGET"]);
    let mut second = desk.start(&["hold", "--shared", "TARGET"]);
    assert_eq!(first.prints("held"), second.prints("held"));
    assert!(!desk.kubo_gets_it());
    first.gets(Signal::TERM);
    first.ends();
    assert!(!desk.kubo_gets_it());
    second.gets(Signal::TERM);
    second.ends();
    assert!(desk.kubo_gets_it());
}

#[test]
fn it_is_taken_as_a_whole_and_once() {
    let Some(desk) = Desk::set() else { return };
    desk.ends(&["run", "--range", "0-9", "TARGET", "true"], 2);
    let twice = desk.ends(&["run", "TARGET", "REPOSITORY", "--", "true"], 2);
    assert!(twice.contains("the same lock"), "{twice}");
}

#[test]
fn its_holder_can_be_ended_and_not_more() {
    let Some(desk) = Desk::set() else { return };
    let mut daemon = desk.holder("daemon");
    desk.ends(&["release", "--yes", "--method", "unlock", "TARGET"], 2);
    assert!(daemon.is_running());
    desk.ends(&["release", "--yes", "--grace", "5m", "TARGET"], 0);
    assert!(daemon.ends().success());
    assert!(desk.kubo_gets_it());
}
