//! Who has a repository, and how it stands with the daemon.

use std::fs;
use std::net::TcpListener;
use std::thread;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::support::wait_until;

#[track_caller]
fn why(lock: &Value) -> &str {
    lock["why"].as_str().unwrap()
}

#[test]
fn a_daemon_is_starting_until_it_answers() {
    let Some(desk) = Desk::set() else { return };
    let mut daemon = desk.holder("daemon");
    let lock = desk.lock();
    assert_eq!((&lock["family"], &lock["mechanism"]), (&json!("ipfs"), &json!("posix")));
    assert_eq!(lock["holders"][0]["pid"], daemon.pid());
    assert_eq!(lock["name"], format!("IPFS repository {}", desk.repository().display()));
    assert_eq!((&lock["details"]["daemon"], &lock["normal"]), (&json!("starting"), &json!(false)));
    assert!(why(&lock).contains("still starting"), "{}", why(&lock));
    assert_eq!(
        lock["age"]["max_s"].is_null(),
        fs::metadata(desk.path("repo.lock")).unwrap().created().is_err()
    );

    daemon.does("listen");
    daemon.does("say-where");
    assert_eq!(desk.lock()["details"]["daemon"], "starting");

    daemon.does("serve");
    let lock = desk.daemon_becomes("ready");
    assert_eq!(lock["normal"], true);
    let api = fs::read_to_string(desk.path("api")).unwrap();
    assert_eq!(lock["details"]["api"], api);
    assert!(why(&lock).contains(&api), "{}", why(&lock));
    daemon.stops();
    assert!(desk.locks(&["TARGET"]).is_empty());
}

#[test]
fn its_id_is_the_same_however_it_is_looked_at() {
    let Some(desk) = Desk::set() else { return };
    let _daemon = desk.holder("daemon");
    let id = desk.lock()["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("@ipfs:"), "{id}");
    let file = desk.path("repo.lock");
    let path = file.to_str().unwrap();
    for targets in [&[][..], &["REPOSITORY"], &[path], &[&id], &[&id.replace("ipfs", "posix")]] {
        let locks = desk.locks(targets);
        let ours: Vec<&Value> = locks.iter().filter(|lock| lock["path"] == path).collect();
        assert_eq!(ours.len(), 1, "{targets:?}");
        assert_eq!(ours[0]["id"], id.as_str(), "{targets:?}");
    }
    let explained = |target| String::from_utf8(desk.output(&["explain", target]).stdout).unwrap();
    for target in ["TARGET", "REPOSITORY", &id] {
        assert!(explained(target).contains("still starting"), "{target}");
        assert!(explained(target).contains("'ipfs shutdown'"), "{target}");
    }
}

#[test]
fn a_socket_with_a_name_is_an_address() {
    let Some(desk) = Desk::set() else { return };
    let mut daemon = desk.holder("daemon");
    daemon.does(&format!("listen {}", desk.path("api.sock").display()));
    daemon.does("serve");
    daemon.does("say-where");
    desk.daemon_becomes("ready");
}

#[test]
fn another_command_is_no_daemon() {
    let Some(desk) = Desk::set() else { return };
    let _add = desk.holder("add");
    let lock = desk.lock();
    assert_eq!((&lock["details"]["daemon"], &lock["normal"]), (&json!("offline"), &json!(false)));
    assert!(why(&lock).contains("'ipfs add'"), "{}", why(&lock));
}

#[test]
fn what_a_killed_daemon_has_left_is_not_the_next_one_s() {
    let Some(desk) = Desk::set() else { return };
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut first = desk.holder("daemon");
    let port = server.local_addr().unwrap().port();
    first.does(&format!("say /ip4/127.0.0.1/tcp/{port}"));
    first.gets(Signal::KILL);
    first.ends();
    assert!(desk.locks(&["TARGET"]).is_empty());
    // Kubo makes the file anew where the last one has removed it.
    fs::remove_file(desk.path("repo.lock")).unwrap();
    let made = |name| fs::metadata(desk.path(name)).unwrap().modified().unwrap();
    let api = made("api");
    wait_until("the clock of files has gone on", || {
        fs::write(desk.path("clock"), "").unwrap();
        made("clock").duration_since(api).ok().filter(|gone| gone.as_millis() > 50)
    });
    let _second = desk.holder("daemon");
    assert_eq!(desk.lock()["details"]["daemon"], "starting");
    // Nobody has called there.
    server.set_nonblocking(true).unwrap();
    assert!(server.accept().is_err());
}

#[test]
fn tries_in_vain_are_told() {
    let Some(desk) = Desk::set() else { return };
    let _daemon = desk.holder("daemon");
    let lock = desk.lock();
    assert!(lock["details"].get("failed_try_at").is_none(), "{lock}");
    let lock = wait_until("a try is seen", || {
        assert!(!desk.kubo_gets_it());
        Some(desk.lock()).filter(|lock| lock["details"].get("failed_try_at").is_some())
    });
    assert!(lock["details"]["failed_tries"].is_null());
    assert!(why(&lock).contains("tried in vain"), "{}", why(&lock));
}

#[test]
fn the_free_and_what_is_no_repository() {
    let Some(desk) = Desk::set() else { return };
    assert!(desk.locks(&["TARGET"]).is_empty());
    assert!(desk.locks(&["REPOSITORY"]).is_empty());
    desk.ends(&["explain", "TARGET"], 0);
    fs::remove_file(desk.path("config")).unwrap();
    for command in [&["ls", "TARGET"][..], &["explain", "TARGET"], &["wait", "TARGET"]] {
        assert!(desk.ends(command, 2).contains("no IPFS repository"));
    }
    assert!(desk.ends(&["run", "TARGET", "true"], 2).contains("no IPFS repository"));
    assert!(!desk.path("repo.lock").exists());
    fs::remove_dir_all(desk.repository()).unwrap();
    assert!(desk.ends(&["wait", "TARGET"], 2).contains("does not exist"));
}

#[test]
fn a_daemon_that_serves_all_sorts_is_asked_in_no_time() {
    let Some(desk) = Desk::set() else { return };
    let mut daemon = desk.holder("daemon");
    // Talks all the time, and never like a server of HTTP.
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    thread::spawn(move || {
        use std::io::Write as _;
        while let Ok((mut stream, _)) = server.accept() {
            while stream.write_all(b"mail ").is_ok() {}
        }
    });
    daemon.does(&format!("say /ip4/127.0.0.1/tcp/{port}"));
    assert_eq!(desk.lock()["details"]["daemon"], "starting");
}
