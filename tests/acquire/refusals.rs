//! File systems and users that cannot lock: one clear line, the right status, and nothing left behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use crate::asking::is_held;
use crate::support::{Need, Scene, Viewer};

const FAMILIES: [&str; 3] = ["flock", "ofd", "lockfile"];

/// The status, and the only line that was said.
#[track_caller]
fn answer(output: Output) -> (i32, String) {
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.lines().count() <= 1, "{said}");
    (output.status.code().expect("it ends by itself"), said)
}

/// Runs a command under a lock of a file in the scene; what it does is seen by what it leaves.
#[track_caller]
fn run(scene: &Scene, viewer: Viewer, family: &str, name: &str) -> (i32, String) {
    let done = scene.path("done");
    // Whoever enters other mounts is in another folder.
    let target = format!("{family}:{}", scene.path(name).display());
    let line = ["run", &target, "--", "touch", done.to_str().unwrap()];
    let answer = answer(scene.locktop(viewer, &line));
    assert_eq!(done.exists(), answer.0 == 0, "{target}: {answer:?}");
    if answer.0 == 0 {
        fs::remove_file(done).unwrap();
    }
    answer
}

#[test]
fn a_system_that_does_not_lock_is_said() {
    let Some(scene) = Scene::with(&[]) else { return };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/refuse.py");
    for (calls, target) in [("flock", "flock:l"), ("record", "ofd:l")] {
        for (error, words) in [
            ("ENOLCK", "No locks available"),
            ("EOPNOTSUPP", "not supported"),
            ("ENOSYS", "not implemented"),
        ] {
            let through = ["python3", script, calls, error];
            for command in
                [&["run", target, "--", "touch", "done"][..], &["wait", target], &["hold", target]]
            {
                let (status, said) = answer(scene.locktop_through(&through, command));
                assert_eq!(status, 5, "{calls} {error}: {said}");
                assert!(said.contains(words), "{error}: {said}");
                assert!(said.contains(scene.path("l").to_str().unwrap()), "{said}");
                assert!(!scene.path("done").exists());
            }
        }
        assert!(!is_held(&scene.path("l")));
    }
}

#[test]
fn a_file_system_that_cannot_be_written_to() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    scene.has_private_mounts();
    scene.stage().does("mount('none', 'mnt', 'tmpfs'); write('mnt/l', '')");
    scene.stage().does("checked(libc.mount(b'none', b'mnt', None, 0x20 | 1, None))");
    // As flock(1), which reads only.
    let (status, said) = run(&scene, Viewer::Ourselves, "flock", "mnt/l");
    assert_eq!((status, said.as_str()), (0, ""));
    let (status, said) = run(&scene, Viewer::Ourselves, "ofd", "mnt/l");
    assert_eq!(status, 3, "{said}");
    assert!(said.contains("Read-only file system") && said.contains("share the lock"), "{said}");
    for family in FAMILIES {
        let (status, said) = run(&scene, Viewer::Ourselves, family, "mnt/new");
        assert!(matches!(status, 3 | 5), "{said}");
        assert!(said.contains("Read-only file system") && said.contains("mnt/new"), "{said}");
    }
}

#[test]
fn a_disk_that_is_full() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    scene.has_private_mounts();
    // No room for a name, and a name but no room for what the file says.
    scene.stage().does("mount('none', 'names', 'tmpfs', 'nr_inodes=2'); write('names/all', '')");
    scene
        .stage()
        .does("mount('none', 'bytes', 'tmpfs', 'size=4k'); write('bytes/all', 'x' * 4096)");
    for family in FAMILIES {
        let (status, said) = run(&scene, Viewer::Ourselves, family, "names/l");
        assert_eq!(status, 5, "{said}");
        assert!(said.contains("No space left") && said.contains("names/l"), "{said}");
    }
    let (status, said) = run(&scene, Viewer::Ourselves, "lockfile", "bytes/l");
    assert_eq!(status, 5, "{said}");
    assert!(said.contains("No space left"), "{said}");
    // Else it would be locked for ever.
    assert_eq!(scene.stage().does("os.listdir('bytes')"), serde_json::json!(["all"]));
    for family in ["flock", "ofd"] {
        let (status, said) = run(&scene, Viewer::Ourselves, family, "bytes/l");
        assert_eq!(status, 0, "{said}");
    }
}

#[test]
fn a_user_who_may_not() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let private = scene.path("private");
    fs::create_dir(&private).unwrap();
    fs::write(scene.path("secret"), "").unwrap();
    for (path, mode) in [(private, 0o755), (scene.path("secret"), 0o600)] {
        fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }
    for (family, name) in [
        ("flock", "secret"),
        ("ofd", "secret"),
        ("flock", "private/l"),
        ("ofd", "private/l"),
        ("lockfile", "private/l"),
    ] {
        let (status, said) = run(&scene, Viewer::Nobody, family, name);
        assert_eq!(status, 3, "{family}:{name}: {said}");
        assert!(said.contains("ermission denied") && said.contains(name), "{said}");
    }
    assert!(!scene.path("private/l").exists());
}
