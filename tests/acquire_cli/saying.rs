//! What is said in a pipe.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::scene::Scene;

const README: &str = include_str!("../../README.md");

#[test]
fn in_a_pipe_it_says_who_has_it_and_then_that_it_is_ours() {
    let scene = Scene::new();
    let holder = scene.holder(&["lock"]);
    let mut run = scene.start(&["run", "lock", "--", "true"]);
    // Where the first look takes its time, something is said before.
    let line = run.says(", next in line: ");
    let path = scene.path("lock").display().to_string();
    assert!(line.starts_with("locktop: waiting "), "{line}");
    let next = format!(" {path}, next in line: locktop (pid {}, ", holder.pid());
    assert!(line.contains(&next), "{line}");
    let mut second = scene.start(&["run", "lock", "--", "true"]);
    second.says(", 1 ahead of us: ");
    drop(holder);
    assert!(run.says("is ours").starts_with(&format!("locktop: {path} is ours, after ")));
    second.says("is ours");
    assert!(run.ends().success() && second.ends().success());
    assert_eq!(run.rest(), "");
}

#[test]
fn who_does_not_wait_says_nothing() {
    let scene = Scene::new();
    assert_eq!(scene.ends(&["run", "lock", "--", "true"], 0), "");
    assert!(scene.ends(&["run", "-v", "lock", "--", "true"], 0).contains("/lock is ours, after 0"));
}

#[test]
fn the_quiet_say_nothing() {
    let scene = Scene::new();
    for options in [&["--quiet"][..], &["--progress", "none"]] {
        let holder = scene.holder(&["lock"]);
        let mut run = scene.start(&[&["run"], options, &["lock", "--", "true"]].concat());
        scene.wait_for_queue("lock", 1);
        drop(holder);
        assert!(run.ends().success());
        assert_eq!(run.rest(), "");
    }
}

#[test]
fn changes_are_told() {
    let scene = Scene::new();
    let first = scene.holder(&["lock"]);
    let mut second = scene.start(&["run", "lock", "--", "sh", "-c", "echo; read line"]);
    scene.wait_for_queue("lock", 1);
    let mut run = scene.start(&["run", "lock", "--", "true"]);
    run.says("1 ahead of us");
    drop(second);
    run.says("next in line");
    drop(first);
    assert!(run.ends().success());
    second = scene.start(&["wait", "lock"]);
    assert!(second.ends().success());
}

#[test]
fn the_objects_have_the_fields_that_are_described() {
    let scene = Scene::new();
    let holder = scene.holder(&["lock"]);
    let mut run = scene.start(&["run", "--progress", "json", "./lock", "--", "true"]);
    // Where the first look takes its time, something is said before.
    let waiting: Value = serde_json::from_str(&run.says(r#""position":1"#)).unwrap();
    assert_eq!((&waiting["schema"], &waiting["target"]), (&1.into(), &"./lock".into()));
    assert_eq!((&waiting["position"], &waiting["ahead"]), (&1.into(), &0.into()));
    assert_eq!(waiting["holders"][0]["pid"], holder.pid());
    drop(holder);
    let taken: Value = serde_json::from_str(&run.says("taken")).unwrap();
    assert_eq!(taken["id"], waiting["id"]);
    assert!(run.ends().success());

    let (_, chapter) = README.split_once("`--progress json` prints").unwrap();
    let (chapter, _) = chapter.split_once("\n### ").unwrap();
    let described: BTreeSet<_> = chapter.split('`').skip(1).step_by(2).collect();
    for name in waiting.as_object().unwrap().keys() {
        assert!(described.contains(name.as_str()), "{name}");
    }
}

#[test]
fn a_lock_file_that_is_replaced_is_told() {
    let scene = Scene::new();
    let _holder = scene.holder(&["lock"]);
    let mut run = scene.start(&["run", "lock", "--", "true"]);
    scene.wait_for_queue("lock", 1);
    std::fs::rename(scene.path("lock"), scene.path("old")).unwrap();
    assert!(run.ends().success(), "the new one is free");
    assert!(scene.is_free("lock"));
}

#[test]
fn names_give_a_terminal_no_orders() {
    let scene = Scene::new();
    let name = "a\u{1b}[2J\u{202e}";
    let _holder = scene.holder(&[name]);
    for progress in ["plain", "json"] {
        let said = scene.ends(&["run", "--progress", progress, "-w", "0.3", name, "--", "true"], 1);
        assert!(!said.is_empty() && !said.contains(['\u{1b}', '\u{202e}']), "{said:?}");
    }
}
