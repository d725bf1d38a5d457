//! What stays when somebody is killed between taking a lock aside and removing it: it is told, and
//! the next one finishes it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::Scene;
use crate::theatre::{Theatre, somebody_who_ended};
use crate::tracer::{self, Run};

/// Runs it until it is about to remove something from the scene's folder, and kills it there.
fn is_killed(theatre: &Theatre, args: &[&str]) -> Run {
    let (command, program) = theatre.command(args);
    let folder = theatre.scene.folder().to_owned();
    let run = tracer::run(&command, &program, |_, step| step.is("unlink") && step.file == folder);
    assert!(run.killed_before.is_some(), "{run:#?}");
    run
}

/// What was taken aside.
#[track_caller]
fn aside(scene: &Scene) -> Option<PathBuf> {
    let entries = fs::read_dir(scene.folder()).unwrap();
    let mut paths = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(".locktop-"));
    let found = paths.next();
    assert!(paths.next().is_none());
    found
}

/// The notes of `ls --json` about what was left.
fn notes(theatre: &Theatre, target: &str) -> Vec<Value> {
    let output = theatre.locktop(&["ls", "--json", target]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let notes = document["notes"].as_array().unwrap().iter();
    notes.filter(|note| note["code"] == "left_aside").cloned().collect()
}

/// Tells what a command says.
fn told(theatre: &Theatre, args: &[&str]) -> String {
    let output = theatre.locktop(args);
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[test]
fn what_a_killed_release_took_aside_is_told_and_finished() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let scene = &theatre.scene;
    fs::write(scene.path("l"), somebody_who_ended(scene)).unwrap();
    let target = format!("lockfile:{}", theatre.path("l"));
    is_killed(&theatre, &["release", "--yes", "--insist", "--method", "remove", &target]);
    assert!(!scene.path("l").exists());
    let left = aside(scene).expect("it was taken aside");
    let left = left.to_str().unwrap();

    let [note] = &notes(&theatre, &target)[..] else { panic!("one note") };
    let text = note["text"].as_str().unwrap();
    assert!(text.contains(&format!("{left} is what lay at {}", theatre.path("l"))), "{text}");
    let help = note["would_help"].as_str().unwrap();
    let (release, back) = (format!("locktop release lockfile:{left}"), format!("mv -n {left}"));
    assert!(help.contains(&release) && help.contains(&back), "{help}");
    for args in [&["ls", &target][..], &["explain", &target], &["release", "--yes", &target]] {
        let text = told(&theatre, args);
        assert!(text.contains(left) && text.contains("took it aside"), "{args:?}: {text}");
    }
    assert!(Path::new(left).exists());
    // It is found below its folder too.
    let below = told(&theatre, &["ls", "-o", "name,path", &theatre.path("")]);
    assert!(below.contains("left behind by a release"), "{below}");

    let text = theatre.release(&["--insist", &format!("lockfile:{left}")], 0);
    assert!(text.contains("The lock is free"), "{text}");
    assert!(aside(scene).is_none());
    assert_eq!(notes(&theatre, &target), Vec::<Value>::new());
}

#[test]
fn what_was_put_back_is_the_lock_again() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let scene = &theatre.scene;
    fs::write(scene.path("l"), somebody_who_ended(scene)).unwrap();
    let target = format!("lockfile:{}", theatre.path("l"));
    is_killed(&theatre, &["release", "--yes", "--insist", "--method", "remove", &target]);
    let left = aside(scene).expect("it was taken aside");
    fs::rename(left, scene.path("l")).unwrap();
    assert_eq!(notes(&theatre, &target), Vec::<Value>::new());
    theatre.release(&["--insist", &target], 0);
    assert!(!scene.path("l").exists());
}

#[test]
fn what_a_killed_taker_left_is_told_and_hinders_nobody() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let scene = &theatre.scene;
    fs::write(scene.path("l"), somebody_who_ended(scene)).unwrap();
    let target = format!("pidfile:{}", theatre.path("l"));
    let text = told(&theatre, &["wait", "--no-wait", &target]);
    if text.contains("cannot be seen") || text.contains("not free") {
        return; // In a pid namespace nothing is proven.
    }
    is_killed(&theatre, &["run", &target, "--", "true"]);
    let left = aside(scene).expect("it is under another name");
    let [note] = &notes(&theatre, &target)[..] else { panic!("one note") };
    let text = note["text"].as_str().unwrap();
    assert!(text.contains("ended in the middle of its work"), "{text}");
    let text = told(&theatre, &["run", "--no-wait", &target, "--", "echo", "inside"]);
    assert!(text.contains("inside"), "{text}");
    theatre.release(&["--insist", &format!("lockfile:{}", left.display())], 0);
    assert!(aside(scene).is_none());
}
