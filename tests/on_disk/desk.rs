//! What `locktop` says of one lock, in all the ways in which it can be asked.

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Scene, Shell, Viewer, send, state, wait_until};

/// Has something lie there. Not written by ourselves: a program that another test starts meanwhile
/// has it open for writing, too, until it runs, and could be the one who has the lock.
pub(crate) fn lies(scene: &Scene, name: &str, content: &str) {
    scene.stage().does(format!("write({}, {})", json!(name), json!(content)));
}

/// What `ls` says of what lies there.
#[track_caller]
pub(crate) fn seen(scene: &Scene, target: &str) -> Value {
    let report = scene.look_as(Viewer::Ourselves, &[target]);
    let locks = report.locks();
    let [lock] = &locks[..] else { panic!("{target}: {:#}", report.document) };
    lock.clone()
}

/// Waits until the verdict is that one.
#[track_caller]
pub(crate) fn becomes(scene: &Scene, target: &str, verdict: &str) -> Value {
    wait_until(&format!("{target} is {verdict}"), || {
        let report = scene.look_as(Viewer::Ourselves, &[target]);
        report.locks().iter().find(|lock| lock["verdict"] == verdict).cloned()
    })
}

/// What is said of a lock whose owner is gone: where processes may be out of sight, nothing is
/// proven.
pub(crate) fn left_behind() -> &'static str {
    let sees_all =
        fs::read_link("/proc/self/ns/pid").is_ok_and(|link| link == Path::new("pid:[4026531836]"));
    if sees_all { "stale" } else { "unknown" }
}

/// The reason of a verdict.
pub(crate) fn why(lock: &Value) -> &str {
    lock["why"].as_str().unwrap_or_default()
}

/// Asks every command that only looks; nothing is touched, and nobody breaks down. What `explain`
/// says.
#[track_caller]
pub(crate) fn is_told_by_all(scene: &Scene, target: &str) -> String {
    let explained = told(scene, &["explain", target], &[0]);
    told(scene, &["ls", target], &[0]);
    told(scene, &["ls", "--json", target], &[0]);
    told(scene, &["explain", "--json", target], &[0]);
    told(scene, &["release", "--dry-run", target], &[0, 1, 2, 3]);
    told(scene, &["release", "--dry-run", "--json", target], &[0, 1, 2, 3]);
    told(scene, &["wait", "--no-wait", target], &[0, 1]);
    told(scene, &["run", "--no-wait", target, "--", "true"], &[0, 1, 2]);
    explained
}

/// All that a command says, if it ends with one of these statuses.
#[track_caller]
pub(crate) fn told(scene: &Scene, args: &[&str], statuses: &[i32]) -> String {
    let output = scene.locktop(Viewer::Ourselves, args);
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let status = output.status.code().unwrap_or(-1);
    assert!(statuses.contains(&status), "{args:?}: {status}: {text}");
    assert!(!text.contains("panicked"), "{args:?}: {text}");
    text
}

/// A path of the scene as the target of a family.
pub(crate) fn target(scene: &Scene, family: &str, name: &str) -> String {
    format!("{family}:{}", scene.path(name).display())
}

/// The number of a process that has ended. Its parent takes no notice, so that nobody else is given
/// the number.
pub(crate) fn ended(scene: &Scene) -> i32 {
    let parent = scene.actor();
    parent.does("plain_signals()");
    let pid = parent.does("os.spawnlp(os.P_NOWAIT, 'true', 'true')").as_i64().unwrap() as i32;
    wait_until("it has ended", || (state(pid)? == 'Z').then_some(()));
    scene.keeps(parent);
    pid
}

/// `locktop` at work in the background; what it says goes into that file.
pub(crate) fn begins<'a>(scene: &'a Scene, args: &str, file: &str) -> Shell<'a> {
    let program = env!("CARGO_BIN_EXE_locktop");
    scene.shell(&format!("exec {program:?} {args} >{file} 2>&1"), &[])
}

/// Waits until a file of the scene has those words.
#[track_caller]
pub(crate) fn says(scene: &Scene, name: &str, words: &str) {
    wait_until(&format!("{name} has {words:?}"), || {
        fs::read_to_string(scene.path(name)).ok()?.contains(words).then_some(())
    });
}

/// Has `locktop` wait until it says those words, however long it takes to find out; all that it says.
#[track_caller]
pub(crate) fn says_while_it_waits(scene: &Scene, args: &str, words: &str) -> String {
    let waits = begins(scene, args, "said");
    says(scene, "said", words);
    send(Signal::TERM, waits.pid);
    waits.ends_input();
    let said = fs::read_to_string(scene.path("said")).unwrap();
    fs::remove_file(scene.path("said")).unwrap();
    said
}

/// Waits until a file is there.
#[track_caller]
pub(crate) fn is_there(scene: &Scene, name: &str) {
    wait_until(&format!("{name} is there"), || scene.path(name).exists().then_some(()));
}
