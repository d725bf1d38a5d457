//! Where locks cannot be made or taken.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{Need, Scene, Viewer};

/// The status of a run under a lock, and what was said.
fn run(scene: &Scene, viewer: Viewer, options: &[&str], lock: &str) -> (Option<i32>, String) {
    let (family, name) = lock.split_once(':').unwrap();
    let lock = format!("{family}:{}", scene.path(name).display());
    let output = scene.locktop(viewer, &[&["run"], options, &[&lock, "--", "true"]].concat());
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn on_a_full_disk_no_lock_file_is_left_behind() {
    let Some(scene) = Scene::with(&[Need::Root, Need::FileSystem("tmpfs")]) else { return };
    scene.has_private_mounts();
    let stage = scene.stage();
    stage
        .does("os.mkdir('t'); mount('none', 't', 'tmpfs', 'size=4k'); write('t/fill', 'x' * 4096)");
    let (status, said) = run(&scene, Viewer::Ourselves, &[], "lockfile:t/lock");
    assert_eq!(status, Some(5), "{said}");
    assert!(said.contains("No space left"), "{said}");
    assert_eq!(stage.does("os.listdir('t')"), serde_json::json!(["fill"]));
    // What is there already takes no room.
    let (status, said) = run(&scene, Viewer::Ourselves, &[], "ofd:t/fill");
    assert_eq!(status, Some(0), "{said}");
}

#[test]
fn what_may_not_be_written_to_is_said_to_be_so() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    fs::create_dir(scene.path("roots")).unwrap();
    fs::write(scene.path("roots/lock"), "").unwrap();
    fs::set_permissions(scene.path("roots"), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(scene.path("roots/lock"), Permissions::from_mode(0o644)).unwrap();
    for (options, lock, help) in [
        (&[][..], "lockfile:roots/new", "folder"),
        (&[], "ofd:roots/lock", "share the lock"),
        (&["--range", "3-4"], "posix:roots/lock", "share the lock"),
    ] {
        let (status, said) = run(&scene, Viewer::Nobody, options, lock);
        assert_eq!(status, Some(3), "{lock}: {said}");
        assert!(said.contains(help), "{lock}: {said}");
    }
    let (status, said) = run(&scene, Viewer::Nobody, &["--shared"], "ofd:roots/lock");
    assert_eq!(status, Some(0), "{said}");
    assert!(!scene.path("roots/new").exists());
}

#[test]
fn where_nothing_can_be_written_nothing_can_be_made() {
    let Some(scene) = Scene::with(&[Need::Root, Need::FileSystem("tmpfs")]) else { return };
    scene.has_private_mounts();
    scene.stage().does("os.mkdir('t'); mount('none', 't', 'tmpfs', '', 1)");
    let (status, said) = run(&scene, Viewer::Ourselves, &[], "lockfile:t/lock");
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains("another place"), "{said}");
}
