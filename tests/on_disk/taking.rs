//! What we make where others look for it.

use std::fs;

use crate::desk::{
    ended, is_there, left_behind, lies, says_while_it_waits, seen, target, told, why,
};
use crate::support::{Scene, wait_until};

const BINARY: &str = env!("CARGO_BIN_EXE_locktop");

/// Takes it, and says what lies there meanwhile: its kind, and its text or where it points.
fn made(scene: &Scene, target: &str, path: &str) -> (String, String) {
    let look = format!(
        "stat -c %F {path} >form; if [ -L {path} ]; then readlink -n {path}; else cat {path}; fi >text 2>&1; true"
    );
    told(scene, &["run", target, "--", "sh", "-c", &look], &[0]);
    let read = |name: &str| fs::read_to_string(scene.path(name)).unwrap();
    assert!(!scene.path(path).exists() && !scene.path(path).is_symlink());
    (read("form").trim().into(), read("text"))
}

#[test]
fn locks_are_made_as_their_owners_make_them() {
    let Some(scene) = Scene::with(&[]) else { return };
    for folder in ["r/.git", ".npm/_npx/1"] {
        fs::create_dir_all(scene.path(folder)).unwrap();
    }
    let of = |family: &str, name: &str| made(&scene, &target(&scene, family, name), name);
    assert_eq!(of("lockfile", "r/.git/index.lock"), ("regular empty file".into(), String::new()));
    let (form, text) = of("lockfile", ".#text");
    assert_eq!(form, "symbolic link");
    assert!(text.contains('@') && text.contains('.') && !text.contains(':'), "{text}");
    let (form, text) = of("lockfile", "SingletonLock");
    assert_eq!(form, "symbolic link");
    assert!(text.rsplit_once('-').is_some_and(|(_, pid)| pid.parse::<u32>().is_ok()), "{text}");
    assert_eq!(of("lockfile", ".npm/_npx/1/concurrency.lock").0, "directory");
    let (form, text) = of("pidfile", "r/.git/gc.pid");
    assert_eq!(form, "regular file");
    assert_eq!(text.split(' ').count(), 2, "{text}");
    // By the path alone, as the catalogue knows it.
    let path = scene.path(".#text");
    assert_eq!(made(&scene, path.to_str().unwrap(), ".#text").0, "symbolic link");
    // Of what nobody knows, the number.
    let (_, text) = of("lockfile", "some.lock");
    assert!(text.trim_end().parse::<u32>().is_ok(), "{text}");
}

#[test]
fn what_we_have_is_seen_to_be_ours_whatever_it_says() {
    let Some(scene) = Scene::with(&[]) else { return };
    for folder in ["r/.git", ".npm/_npx/1"] {
        fs::create_dir_all(scene.path(folder)).unwrap();
    }
    for name in ["r/.git/index.lock", ".npm/_npx/1/concurrency.lock", ".#text", "some.lock"] {
        let target = target(&scene, "lockfile", name);
        let us = scene.stage().does(format!(
            "spawn({BINARY:?}, 'run', {target:?}, '--', 'sh', '-c', ': >inside; until test -e go; do sleep 0.02; done')"
        ));
        is_there(&scene, "inside");
        let lock = seen(&scene, &target);
        assert_eq!(lock["verdict"], "held", "{lock:#}");
        assert_eq!(lock["holders"][0]["pid"], us, "{lock:#}");
        fs::write(scene.path("go"), "").unwrap();
        told(&scene, &["wait", &target], &[0]);
        for name in ["go", "inside"] {
            fs::remove_file(scene.path(name)).unwrap();
        }
    }
}

#[test]
fn who_waits_for_what_was_left_behind_is_told() {
    let Some(scene) = Scene::with(&[]) else { return };
    lies(&scene, "l", &ended(&scene).to_string());
    let target = target(&scene, "lockfile", "l");
    if left_behind() == "stale" {
        let words = "it was left behind: it names pid";
        let text = says_while_it_waits(&scene, &format!("wait {target}"), words);
        let mut told = text.lines().filter(|line| line.starts_with("locktop: waiting"));
        assert!(told.any(|line| line.contains(words)), "{text}");
        assert!(text.contains(&format!("'locktop release {target}' frees it")), "{text}");
    }
    let text = told(&scene, &["wait", "--timeout", "0.2", &target], &[1]);
    assert!(text.contains("gave up waiting"), "{text}");
    let waiter = scene.actor();
    waiter.begins(format!("subprocess.call([{BINARY:?}, 'wait', '--quiet', {target:?}])"));
    wait_until("it waits", || (!why(&seen(&scene, &target)).is_empty()).then_some(()));
    fs::remove_file(scene.path("l")).unwrap();
    waiter.answer();
}
