//! Until a repository is free, and until a daemon is ready.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;

use rustix::process::Signal;

use crate::desk::Desk;
use crate::support::wait_until;

#[test]
fn a_wait_says_who_has_it_and_ends_when_the_daemon_does() {
    let Some(desk) = Desk::set() else { return };
    let mut daemon = desk.holder("daemon");
    let mut wait = desk.start(&["wait", "TARGET"]);
    let said = wait.says(&format!("ipfs (pid {}", daemon.pid()));
    assert!(said.contains("is the ipfs daemon, which is still starting"), "{said}");
    daemon.gets(Signal::TERM);
    assert!(daemon.ends().success());
    assert!(wait.ends().success());
    // It has taken and made nothing.
    assert!(!desk.path("repo.lock").exists());
}

#[test]
fn a_killed_daemon_leaves_a_free_repository() {
    let Some(desk) = Desk::set() else { return };
    let mut daemon = desk.holder("daemon");
    let mut wait = desk.start(&["wait", "TARGET"]);
    wait.waits();
    daemon.gets(Signal::KILL);
    daemon.ends();
    assert!(wait.ends().success());
    assert!(desk.path("repo.lock").exists());
    assert!(desk.kubo_gets_it());
}

#[test]
fn who_has_waited_can_start_kubo() {
    let Some(desk) = Desk::set() else { return };
    for _ in 0..10 {
        let daemon = desk.holder("daemon");
        let mut wait = desk.start(&["wait", "TARGET"]);
        wait.waits();
        daemon.stops();
        assert!(wait.ends().success());
        assert!(desk.kubo_gets_it());
    }
}

#[test]
fn a_wait_can_be_given_up() {
    let Some(desk) = Desk::set() else { return };
    let daemon = desk.holder("add");
    desk.ends(&["wait", "-n", "TARGET"], 1);
    let said = desk.ends(&["wait", "--timeout", "50ms", "TARGET"], 1);
    assert!(said.contains("gave up"), "{said}");
    desk.ends(&["wait", "-n", "-E", "7", "REPOSITORY"], 7);
    let mut wait = desk.start(&["wait", "TARGET"]);
    wait.waits();
    wait.gets(Signal::INT);
    assert_eq!(wait.ends().signal(), Some(Signal::INT.as_raw()));
    daemon.stops();
}

#[test]
fn ready_is_who_answers() {
    let Some(desk) = Desk::set() else { return };
    let not_ready = || desk.ends(&["wait", "--ready", "-n", "TARGET"], 1);
    assert!(not_ready().contains("no daemon that is ready"));
    let mut wait = desk.start(&["wait", "--ready", "--verbose", "TARGET"]);
    let mut daemon = desk.holder("daemon");
    not_ready();
    daemon.does("listen");
    not_ready();
    daemon.does("say-where");
    not_ready();
    assert!(wait.is_running());
    daemon.does("serve");
    assert!(wait.ends().success());
    assert!(wait.says("is ready").contains("repo.lock"));
    desk.gets_ready("TARGET");
    desk.gets_ready("REPOSITORY");
    // Whoever has it still has it.
    assert!(!desk.kubo_gets_it());
    daemon.stops();
    not_ready();
}

#[test]
fn an_answer_without_a_lock_is_no_daemon() {
    let Some(desk) = Desk::set() else { return };
    let mut daemon = desk.holder("daemon");
    daemon.does("listen");
    daemon.does("serve");
    daemon.does("say-where");
    let api = fs::read(desk.path("api")).unwrap();
    desk.gets_ready("TARGET");
    // As if it had let go of the repository, and something else served there.
    fs::rename(desk.path("repo.lock"), desk.path("other.lock")).unwrap();
    fs::write(desk.path("repo.lock"), "").unwrap();
    fs::write(desk.path("api"), api).unwrap();
    let said = desk.ends(&["wait", "--ready", "--timeout", "100ms", "TARGET"], 1);
    assert!(said.contains("gave up"), "{said}");
}

#[test]
fn only_repositories_get_ready() {
    let Some(desk) = Desk::set() else { return };
    let config = desk.path("config");
    for target in [config.to_str().unwrap(), "flock:/tmp", "@ipfs:fe:00:1:~", "pid:1"] {
        desk.ends(&["wait", "--ready", target], 2);
    }
    desk.ends(&["wait", "--ready", "--shared", "TARGET"], 2);
}

#[test]
fn a_repository_can_vanish_meanwhile() {
    let Some(desk) = Desk::set() else { return };
    let mut waits = [desk.start(&["wait", "TARGET"]), desk.start(&["wait", "--ready", "TARGET"])];
    // The first found it free.
    assert!(waits[0].ends().success());
    let daemon = desk.holder("daemon");
    waits[0] = desk.start(&["wait", "TARGET"]);
    for wait in &mut waits {
        wait.waits();
    }
    // At once: removed file by file it would be a free repository for a moment.
    fs::rename(desk.repository(), desk.repository().with_file_name("gone")).unwrap();
    for wait in &mut waits {
        let status = wait_until("the wait ends", || (!wait.is_running()).then(|| wait.ends()));
        assert_eq!(status.code(), Some(4));
        assert!(wait.says("no repository any more").contains("repository"));
    }
    daemon.stops();
}
