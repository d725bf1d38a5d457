//! `pidfile:`: held by whoever it names, as long as he lives.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::{Pid, Signal, kill_process};

use crate::desk::{
    ended, is_there, is_told_by_all, left_behind, lies, says_while_it_waits, seen, target, told,
};
use crate::support::{Need, Scene, Viewer, state, wait_until};

const BINARY: &str = env!("CARGO_BIN_EXE_locktop");

/// Starts `locktop run` of what is to be done under it; returns its process.
fn starts(scene: &Scene, target: &str, script: &str) -> i32 {
    let line = format!("spawn({BINARY:?}, 'run', {target:?}, '--', 'sh', '-c', {script:?})");
    scene.stage().does(line).as_i64().unwrap() as i32
}

fn names(scene: &Scene) -> Vec<String> {
    let entries = fs::read_dir(scene.folder()).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != ".stage" && name != ".locktop");
    names.sort();
    names
}

#[test]
fn it_names_us_as_long_as_the_command_runs() {
    let Some(scene) = Scene::with(&[]) else { return };
    let target = target(&scene, "pidfile", "l");
    let us = starts(&scene, &target, "cp l copy; : >inside; until test -e go; do sleep 0.02; done");
    is_there(&scene, "inside");
    assert_eq!(fs::read_to_string(scene.path("copy")).unwrap(), format!("{us}\n"));
    let lock = seen(&scene, &target);
    assert_eq!(
        (lock["verdict"].as_str(), lock["holders"][0]["pid"].as_i64()),
        (Some("held"), Some(us.into()))
    );
    assert_eq!(lock["family"], "pidfile");
    assert_eq!(lock["age"]["evidence"][0], "file times");
    let text = is_told_by_all(&scene, &target);
    assert!(text.contains(&format!("locktop (pid {us})")), "{text}");
    fs::write(scene.path("go"), "").unwrap();
    wait_until("it has ended", || state(us).is_none().then_some(()));
    assert_eq!(names(&scene), ["copy", "go", "inside"]);
}

#[test]
fn what_was_left_behind_is_replaced() {
    let Some(scene) = Scene::with(&[]) else { return };
    let target = target(&scene, "pidfile", "l");
    lies(&scene, "l", &format!("{}\n", ended(&scene)));
    assert_eq!(seen(&scene, &target)["verdict"], left_behind());
    if left_behind() != "stale" {
        return;
    }
    told(&scene, &["wait", "--no-wait", &target], &[0]);
    assert!(scene.path("l").exists(), "who waits removes nothing");
    told(&scene, &["run", "--no-wait", &target, "--", "cp", "l", "copy"], &[0]);
    assert_ne!(fs::read_to_string(scene.path("copy")).unwrap(), "");
    assert_eq!(names(&scene), ["copy"]);
}

#[test]
fn what_names_somebody_alive_or_nobody_is_left_alone() {
    let Some(scene) = Scene::with(&[]) else { return };
    let target = target(&scene, "pidfile", "l");
    let owner = scene.actor();
    owner.does("write('l', f'{os.getpid()}')");
    let before = fs::read(scene.path("l")).unwrap();
    says_while_it_waits(&scene, &format!("run {target} -- true"), &owner.pid.to_string());
    told(&scene, &["run", "--timeout", "0.2", &target, "--", "true"], &[1]);
    for content in ["", "-1", "0", "99999999999", "word", "pid=1\npid=2", "1"] {
        fs::write(scene.path("l"), content).unwrap();
        told(&scene, &["run", "--no-wait", &target, "--", "true"], &[1]);
        told(&scene, &["wait", "--no-wait", &target], &[1]);
        assert_eq!(fs::read_to_string(scene.path("l")).unwrap(), content);
    }
    fs::write(scene.path("l"), before).unwrap();
    assert_eq!(names(&scene), ["l"]);
}

#[test]
fn waiting_ends_with_the_process_or_with_the_file() {
    let Some(scene) = Scene::with(&[]) else { return };
    let target = target(&scene, "pidfile", "l");
    for by_removal in [true, false] {
        let owner = scene.actor();
        owner.does("write('l', f'{os.getpid()}')");
        let waiter = scene.actor();
        // No pause ends by itself.
        waiter.begins(format!(
            "subprocess.Popen([{BINARY:?}, 'wait', '--pause', '1h', {target:?}], \
             stderr=open('said', 'w')).wait()"
        ));
        wait_until("it is said who has it", || {
            let said = fs::read_to_string(scene.path("said")).ok()?;
            said.contains(&owner.pid.to_string()).then_some(())
        });
        if by_removal {
            fs::remove_file(scene.path("l")).unwrap();
        } else if left_behind() == "stale" {
            owner.ends();
        } else {
            owner.does("os.unlink('l')");
        }
        waiter.answer();
        let _ = fs::remove_file(scene.path("said"));
    }
}

#[test]
fn who_is_killed_leaves_it_to_the_next_one() {
    let Some(scene) = Scene::with(&[]) else { return };
    if left_behind() != "stale" {
        return;
    }
    let target = target(&scene, "pidfile", "l");
    let first = starts(&scene, &target, ": >first; sleep 100");
    is_there(&scene, "first");
    let next = starts(&scene, &target, "cp l copy");
    kill_process(Pid::from_raw(first).unwrap(), Signal::KILL).unwrap();
    wait_until("the next one has had it", || state(next).is_none().then_some(()));
    assert_eq!(fs::read_to_string(scene.path("copy")).unwrap(), format!("{next}\n"));
    assert!(!scene.path("l").exists());
}

#[test]
fn what_others_have_put_there_stays() {
    let Some(scene) = Scene::with(&[]) else { return };
    let target = target(&scene, "pidfile", "l");
    let text = told(&scene, &["run", &target, "--", "sh", "-c", "echo 1 >l"], &[5]);
    assert!(text.contains("lock lost"), "{text}");
    assert_eq!(fs::read_to_string(scene.path("l")).unwrap(), "1\n");
}

#[test]
fn another_users_that_may_not_be_replaced_is_said() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    if left_behind() != "stale" {
        return;
    }
    fs::create_dir(scene.path("his")).unwrap();
    lies(&scene, "his/l", &format!("{}\n", ended(&scene)));
    let target = target(&scene, "pidfile", "his/l");
    let args = ["run", "--no-wait", &target, "--", "true"];
    let output = scene.locktop(Viewer::Nobody, &args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("cannot replace what was left behind"), "{said}");
    fs::set_permissions(scene.path("his/l"), PermissionsExt::from_mode(0o600)).unwrap();
    let output = scene.locktop(Viewer::Nobody, &args);
    assert!(matches!(output.status.code(), Some(1 | 3)), "{output:?}");
}
