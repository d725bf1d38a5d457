//! What somebody put there, and repositories of others.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use base64::Engine as _;
use serde_json::json;

use crate::desk::Desk;
use crate::support::Need;

const NOBODY: u32 = 65534;

#[test]
fn a_lock_file_with_something_in_it_keeps_kubo_out_until_it_is_removed() {
    let Some(desk) = Desk::set() else { return };
    fs::write(desk.path("repo.lock"), "1\n").unwrap();
    assert!(!desk.kubo_gets_it());
    for target in ["TARGET", "REPOSITORY"] {
        let locks = desk.locks(&[target]);
        assert_eq!(locks.len(), 1, "{target}: {locks:?}");
        let lock = &locks[0];
        assert_eq!((&lock["family"], &lock["verdict"]), (&json!("ipfs"), &json!("stale")));
        assert!(lock["holders"].as_array().unwrap().is_empty());
        assert_eq!(lock["methods"], json!(["remove"]));
        assert!(lock["why"].as_str().unwrap().contains("non-zero size"));
    }
    assert!(desk.ends(&["wait", "TARGET"], 1).contains("locktop release"));
    assert!(desk.ends(&["run", "TARGET", "true"], 1).contains("non-zero size"));
    assert_eq!(fs::read(desk.path("repo.lock")).unwrap(), b"1\n");
    desk.ends(&["release", "--yes", "TARGET"], 0);
    assert!(!desk.path("repo.lock").exists());
    assert!(desk.kubo_gets_it());
}

#[test]
fn it_is_never_removed_while_somebody_has_it() {
    let Some(desk) = Desk::set() else { return };
    let daemon = desk.holder("daemon");
    let mut file = fs::File::options().append(true).open(desk.path("repo.lock")).unwrap();
    file.write_all(b"x").unwrap();
    let lock = desk.lock();
    assert_eq!(lock["mechanism"], "posix");
    assert_eq!(lock["methods"], json!(["terminate", "kill"]));
    assert_ne!(
        desk.output(&["release", "--yes", "--insist", "--method", "remove", "TARGET"])
            .status
            .code(),
        Some(0)
    );
    assert!(desk.path("repo.lock").exists());
    daemon.stops();
    desk.ends(&["wait", "TARGET"], 0);
}

#[test]
fn addresses_of_other_machines_are_not_called() {
    let Some(desk) = Desk::set() else { return };
    let mut daemon = desk.holder("daemon");
    for address in ["/ip4/192.0.2.1/tcp/5001", "/dns4/example.org/tcp/80", "\x1b[2J", "/"] {
        daemon.does(&format!("say {address}"));
        let lock = desk.lock();
        assert!(lock["details"]["daemon"].is_null(), "{lock}");
        assert!(lock["why"].as_str().unwrap().contains("was not asked"), "{lock}");
        assert!(!lock["why"].as_str().unwrap().contains('\x1b'));
        let said = desk.ends(&["wait", "--ready", "TARGET"], 5);
        assert!(said.contains("cannot be told") && !said.contains('\x1b'), "{said}");
    }
}

#[test]
fn a_planted_link_is_not_followed() {
    let Some(desk) = Desk::set() else { return };
    fs::set_permissions(desk.repository(), Permissions::from_mode(0o777)).unwrap();
    let elsewhere = desk.repository().with_file_name("elsewhere");
    symlink(&elsewhere, desk.path("repo.lock")).unwrap();
    assert!(desk.ends(&["run", "TARGET", "true"], 3).contains("symbolic link"));
    assert!(!elsewhere.exists());
    assert!(desk.locks(&["TARGET"]).is_empty());
    // What it leads to is left as it is.
    fs::write(&elsewhere, "precious").unwrap();
    desk.ends(&["wait", "TARGET"], 3);
    desk.ends(&["release", "--yes", "TARGET"], 0);
    assert_eq!(fs::read(&elsewhere).unwrap(), b"precious");
    assert!(desk.path("repo.lock").is_symlink());
}

#[test]
fn pipes_and_folders_of_that_name_are_no_locks() {
    let Some(desk) = Desk::set() else { return };
    fs::create_dir(desk.path("repo.lock")).unwrap();
    assert!(desk.locks(&["TARGET"]).is_empty());
    desk.ends(&["run", "TARGET", "true"], 2);
    fs::remove_dir(desk.path("repo.lock")).unwrap();
    assert!(Command::new("mkfifo").arg(desk.path("repo.lock")).status().unwrap().success());
    assert!(desk.locks(&["TARGET"]).is_empty());
    desk.ends(&["wait", "TARGET"], 0);
}

#[test]
fn names_need_not_be_text() {
    let Some(desk) = Desk::set() else { return };
    let desk = desk.renamed(OsStr::from_bytes(b"a\xff b"));
    let daemon = desk.holder("daemon");
    let lock = desk.lock();
    let path =
        base64::engine::general_purpose::STANDARD.decode(lock["path_base64"].as_str().unwrap());
    assert_eq!(path.unwrap(), desk.path("repo.lock").as_os_str().as_bytes());
    assert_eq!(lock["details"]["daemon"], "starting");
    desk.ends(&["wait", "-n", "TARGET"], 1);
    daemon.stops();
    desk.ends(&["wait", "TARGET"], 0);
    desk.ends(&["run", "TARGET", "true"], 0);
}

#[test]
fn repositories_of_others() {
    let Some(desk) = Desk::with(&[Need::Root]) else { return };
    // The administrator sees somebody's, and somebody does not see the administrator's.
    for name in ["", "config", "version", "datastore_spec"] {
        chown(desk.path(name), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    fs::set_permissions(desk.repository(), Permissions::from_mode(0o700)).unwrap();
    let daemon = desk.holder("daemon");
    assert_eq!(desk.lock()["details"]["daemon"], "starting");
    daemon.stops();
    chown(desk.repository(), Some(0), Some(0)).unwrap();
    let copy = tempfile::Builder::new().prefix("locktop-").tempdir().unwrap();
    fs::set_permissions(copy.path(), Permissions::from_mode(0o755)).unwrap();
    let program = copy.path().join("locktop");
    let mut copy_it = Command::new("cp");
    copy_it.arg(env!("CARGO_BIN_EXE_locktop")).arg(&program);
    assert!(copy_it.status().unwrap().success());
    for command in ["ls", "wait", "explain"] {
        let mut theirs = Command::new(&program);
        let output = theirs
            .arg(command)
            .arg(desk.target())
            .uid(NOBODY)
            .gid(NOBODY)
            .current_dir("/")
            .output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{command}: {said}");
    }
}
