//! `locktop wait`.

use std::fs::{self, File};

use crate::scene::Scene;

#[test]
fn what_is_free_is_not_waited_for_and_nothing_is_created() {
    let scene = Scene::new();
    File::create(scene.path("lock")).unwrap();
    assert_eq!(scene.ends(&["wait", "lock"], 0), "");
    assert_eq!(scene.ends(&["wait", "flock:.", "lock"], 0), "");
    let said = scene.ends(&["wait", "missing"], 2);
    assert!(said.contains("missing"), "{said}");
    assert_eq!(fs::read_dir(scene.folder()).unwrap().count(), 1);
}

#[test]
fn a_wait_that_is_given_up_has_a_status_of_its_own() {
    let scene = Scene::new();
    let _holder = scene.holder(&["lock"]);
    for arguments in [
        &["wait", "lock", "--no-wait"][..],
        &["wait", "lock", "--timeout", "0"],
        &["wait", "lock", "--timeout", "50ms"],
        &["wait", "--any", "lock", "--timeout", "0.05"],
        &["wait", "--shared", "-n", "lock"],
    ] {
        assert!(scene.ends(arguments, 1).contains("/lock"));
        assert!(scene.ends(&[arguments, &["-E", "75"]].concat(), 75).contains("/lock"));
        assert_eq!(scene.ends(&[arguments, &["-q"]].concat(), 1), "");
    }
    scene.ends(&["wait", "lock", "--timeout", "soon"], 2);
}

#[test]
fn the_shared_wait_only_for_those_who_do_not_share() {
    let scene = Scene::new();
    let _holder = scene.holder(&["--shared", "lock"]);
    scene.ends(&["wait", "--shared", "--no-wait", "lock"], 0);
    scene.ends(&["wait", "--no-wait", "lock"], 1);
}

#[test]
fn one_of_several_is_enough_if_any_will_do() {
    let scene = Scene::new();
    let _first = scene.holder(&["first"]);
    let second = scene.holder(&["ofd:second"]);
    let mut wait = scene.start(&["wait", "--any", "flock:./first", "./second"]);
    wait.says("second");
    drop(second);
    assert_eq!(wait.prints(""), "./second");
    assert!(wait.ends().success());
}

#[test]
fn all_of_several_must_be_free_at_the_end() {
    let scene = Scene::new();
    let first = scene.holder(&["first"]);
    let second = scene.holder(&["second"]);
    let mut wait = scene.start(&["wait", "first", "second"]);
    wait.says("next in line");
    wait.says("next in line");
    drop(first);
    wait.says("/first is free");
    // It was free, and is not any more.
    let first = scene.holder(&["first"]);
    drop(second);
    wait.says("/second is free");
    scene.wait_for_queue("first", 1);
    assert!(wait.is_running());
    drop(first);
    assert!(wait.ends().success());
}

#[test]
fn a_target_that_is_none_ends_the_wait_for_the_others() {
    let scene = Scene::new();
    let _holder = scene.holder(&["lock"]);
    for flag in ["--any", "--all"] {
        scene.ends(&["wait", flag, "lock", "missing"], 2);
    }
}

#[test]
fn lock_files_are_free_when_they_are_not_there() {
    let scene = Scene::new();
    scene.ends(&["wait", "lockfile:missing"], 0);
}
