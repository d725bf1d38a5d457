//! Which file it is, whatever became of its name.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::support::{Scene, Viewer, pids};

#[test]
fn both_halves_of_a_replaced_lock_file_are_told() {
    let Some(scene) = Scene::with(&[]) else { return };
    let [old, new] = [scene.actor(), scene.actor()];
    old.does("flock('l', EX)");
    fs::remove_file(scene.path("l")).unwrap();
    new.does("flock('l', EX)");
    let report = scene.look_as(Viewer::Ourselves, &[scene.path("l").to_str().unwrap()]);
    let halves = report.all_at(&scene.path("l"));
    assert_eq!(halves.len(), 2, "{:#}", report.document);
    let half_of = |pid| {
        let holds = |half: &&&Value| pids(&half["holders"]) == [Some(pid)];
        *halves.iter().find(holds).expect("both are listed")
    };
    assert_eq!(half_of(old.pid)["verdict"], "split");
    assert_eq!(half_of(old.pid)["deleted"], true);
    assert_eq!(half_of(new.pid)["deleted"], false);
    assert_ne!(halves[0]["id"], halves[1]["id"]);
    let told = scene.explain(scene.path("l").to_str().unwrap());
    for actor in [&old, &new] {
        assert!(told.contains(&actor.pid.to_string()), "{told}");
    }
}

#[test]
fn a_file_that_another_was_renamed_over_is_split() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX)");
    fs::write(scene.path("new"), "").unwrap();
    fs::rename(scene.path("new"), scene.path("l")).unwrap();
    let report = scene.look();
    assert_eq!(report.at(&scene.path("l"))["verdict"], "split");
}

#[test]
fn a_file_that_was_moved_away_is_told_by_its_new_name() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX)");
    fs::rename(scene.path("l"), scene.path("l.1")).unwrap();
    fs::write(scene.path("l"), "").unwrap();
    let report = scene.look();
    assert_eq!(report.at(&scene.path("l.1"))["verdict"], "held");
    assert_eq!(report.all_at(&scene.path("l")).len(), 0);
}

#[test]
fn a_deleted_file_keeps_its_last_name() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX); os.unlink('l')");
    let report = scene.look();
    let seen = report.at(&scene.path("l"));
    assert_eq!(seen["deleted"], true);
    assert_ne!(seen["verdict"], "split", "nobody else can believe to have it");
}

#[test]
fn a_file_that_is_really_called_deleted_is_not() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("flock('l (deleted)', EX)");
    let report = scene.look();
    let seen = report.at(&scene.path("l (deleted)"));
    assert_eq!(seen["deleted"], false);
    assert_eq!(seen["verdict"], "held");

    // And when it is deleted, only the kernel's suffix goes.
    fs::remove_file(scene.path("l (deleted)")).unwrap();
    let report = scene.look();
    assert_eq!(report.at(&scene.path("l (deleted)"))["deleted"], true);
}

#[test]
fn a_deleted_hard_link_is_told_as_what_the_holder_opened() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX); os.link('l', 'm'); os.unlink('l')");
    let report = scene.look();
    let holds = |lock: &&Value| pids(&lock["holders"]) == [Some(holder.pid)];
    let seen = report.locks().iter().find(holds).expect("the lock is listed");
    assert_eq!(seen["path"], scene.path("l").to_str().unwrap());
}

#[test]
fn names_that_are_not_utf8_come_in_base64() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does(r"flock(os.fsencode(FOLDER) + b'/\xffl', EX)");
    let path = scene.folder().join(OsStr::from_bytes(b"\xffl"));
    let report = scene.look();
    let seen = report.at(&scene.path("\u{fffd}l"));
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(seen["path_base64"].as_str().unwrap())
        .unwrap();
    assert_eq!(bytes, path.as_os_str().as_bytes());
    assert_eq!(pids(&seen["holders"]), [Some(holder.pid)]);
    assert_eq!(seen["deleted"], false);
}

#[test]
fn names_give_no_orders_to_the_terminal() {
    let Some(scene) = Scene::with(&[]) else { return };
    let name = "a\n\x1b[31mb\u{202e}\u{9b}2J";
    let path = scene.path(name);
    let holder = scene.actor();
    holder.does(format!("flock({}, EX)", json!(path)));
    holder.does(r"write('/proc/self/comm', 'x\x1b[2Jy')");
    assert_eq!(scene.look().at(&path)["path_base64"], Value::Null);
    for args in [&["ls"][..], &["ls", "--tree"], &["explain", path.to_str().unwrap()]] {
        let output = scene.locktop(Viewer::Ourselves, args);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let harmful = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!text.contains(harmful), "{args:?}: {text:?}");
        assert!(text.contains(r"a\n\x1b[31mb\u{202e}\x9b2J"), "{args:?}: {text}");
    }
}

#[test]
fn a_symbolic_link_names_what_it_points_to() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX); os.symlink('l', 'link')");
    let link = scene.path("link");
    let report = scene.look_as(Viewer::Ourselves, &[link.to_str().unwrap()]);
    assert_eq!(pids(&report.at(&scene.path("l"))["holders"]), [Some(holder.pid)]);
    assert_eq!(report.locks().len(), 1);
}

#[test]
fn files_that_never_had_a_name_are_told() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("flock(os.memfd_create('secret (deleted)'), EX)");
    holder.does("flock(os.open('.', os.O_TMPFILE | os.O_RDWR), EX)");
    let report = scene.look_as(Viewer::Ourselves, &[&format!("pid:{}", holder.pid)]);
    assert_eq!(report.locks().len(), 2, "{:#}", report.document);
    for lock in report.locks() {
        assert_eq!(pids(&lock["holders"]), [Some(holder.pid)]);
        assert_ne!(lock["verdict"], "split");
        assert_eq!(lock["deleted"], true, "it has no name: {lock:#}");
    }
}

#[test]
fn a_path_too_long_to_be_told_costs_nothing_but_the_path() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("name = 'n' * 200");
    holder.does("[(os.mkdir(name), os.chdir(name)) for _ in range(25)]");
    holder.does("flock('l', EX)");
    let report = scene.look_as(Viewer::Ourselves, &[&format!("pid:{}", holder.pid)]);
    assert_eq!(report.locks().len(), 1);
    assert_eq!(report.locks()[0]["path"], Value::Null);
    assert_eq!(pids(&report.locks()[0]["holders"]), [Some(holder.pid)]);
    let output = scene.locktop(Viewer::Ourselves, &["ls", &"n/".repeat(3000)]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
