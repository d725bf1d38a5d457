//! What cannot be checked.

use std::fs;

use crate::desk::{check, locktop, target, with};
use crate::support::{Need, Scene, Viewer};

#[test]
fn a_target_that_is_none_is_status_2_and_the_others_are_checked() {
    let Some(scene) = Scene::with(&[]) else { return };
    let stopped = scene.actor();
    stopped.does("flock('l', EX)");
    stopped.stops();
    for args in [&["missing"][..], &["pid:x"], &["--max-age", "soon"], &["--max-waiters", "-1"]] {
        let run = check(&scene, args);
        assert_eq!((run.status, &*run.printed), (2, ""), "{run:?}");
        assert!(run.said.starts_with("locktop: "), "{run:?}");
        let plugin = check(&scene, &[&["--nagios"], args].concat());
        assert_eq!(plugin.status, 3, "{plugin:?}");
        assert!(plugin.printed.starts_with("LOCKTOP UNKNOWN - "), "{plugin:?}");
        assert_eq!(plugin.printed.lines().count(), 1, "{plugin:?}");
    }
    let some = check(&scene, &["missing", "l"]);
    assert_eq!((some.status, some.findings().len()), (2, 1), "{some:?}");
    assert!(some.said.contains("missing does not exist"), "{some:?}");
    let plugin = check(&scene, &["--nagios", "missing", "l"]);
    assert_eq!(plugin.status, 2, "{plugin:?}");
    let first = plugin.printed.lines().next().unwrap();
    assert!(first.starts_with("LOCKTOP CRITICAL - 1 stuck"), "{first}");
    assert!(first.contains("missing does not exist"), "{first}");
}

#[test]
fn what_is_not_permitted_is_status_3() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let root = scene.actor();
    root.does("os.mkdir('private', 0o700); flock('private/l', EX)");
    let target = target(&scene, "private/l");
    let run = locktop(&scene, Viewer::Nobody, &["check", &target]);
    assert_eq!((run.status, &*run.printed), (3, ""), "{run:?}");
    let run = locktop(&scene, Viewer::Nobody, &["check", "--nagios", &target]);
    assert_eq!(run.status, 3, "{run:?}");
    assert!(run.printed.starts_with("LOCKTOP UNKNOWN - "), "{run:?}");
    assert!(run.printed.contains("ermi"), "{run:?}");
}

#[test]
fn a_lock_that_is_not_there_is_no_finding() {
    let Some(scene) = Scene::with(&[]) else { return };
    fs::write(scene.path("l"), "").unwrap();
    for target in ["l", "lockfile:missing"] {
        let run = check(&scene, &[target]);
        assert_eq!((run.status, &*run.printed), (0, ""), "{run:?}");
    }
    // As cron would: without anything in the environment.
    let run = with(&scene, Viewer::Ourselves, &["-i", "LOCKTOP_MEMORY="], &["check", "l"]);
    assert_eq!((run.status, &*run.printed), (0, ""), "{run:?}");
}
