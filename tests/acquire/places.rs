//! Lock files in places where they cannot be, or were planted.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt, symlink};

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use crate::asking::{is_held, lock, wait_until_held};
use crate::support::{Need, Scene, all_met};

const FAMILIES: [&str; 2] = ["flock", "ofd"];

#[test]
fn a_missing_folder_is_said() {
    let folder = tempfile::tempdir().unwrap();
    for family in FAMILIES {
        let path = folder.path().join("missing").join("l");
        let error = lock(family, &path).take().unwrap_err();
        assert!(error.is_gone(), "{error}");
        assert!(error.to_string().contains("missing/l"), "{error}");
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = lock(family, &file.join("l")).take().unwrap_err();
        assert!(error.to_string().contains("file/l"), "{error}");
    }
}

#[test]
fn nothing_is_created_where_that_was_not_wanted() {
    let folder = tempfile::tempdir().unwrap();
    for family in FAMILIES {
        let path = folder.path().join("l");
        assert!(lock(family, &path).create_nothing().take().unwrap_err().is_gone());
        assert!(!path.exists());
    }
}

#[test]
fn what_is_in_a_lock_file_stays() {
    let folder = tempfile::tempdir().unwrap();
    for family in FAMILIES {
        let path = folder.path().join("l");
        fs::write(&path, "dear data").unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        lock(family, &path).take().unwrap().release().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "dear data");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }
}

#[test]
fn pipes_and_devices_are_locked_as_they_are() {
    if !all_met(&[Need::Root]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (kind, name) in [(FileType::Fifo, "pipe"), (FileType::CharacterDevice, "null")] {
        let path = folder.path().join(name);
        mknodat(CWD, &path, kind, Mode::from_raw_mode(0o666), makedev(1, 3)).unwrap();
        // Nobody is at the other end.
        let guard = lock("flock", &path).take().unwrap();
        wait_until_held(&path);
        assert!(lock("flock", &path).no_wait().take().unwrap_err().is_would_block());
        guard.release().unwrap();
        let file_type = fs::symlink_metadata(&path).unwrap().file_type();
        assert!(file_type.is_fifo() || file_type.is_char_device());
    }
}

#[test]
fn folders_are_locked_by_flock_only() {
    let folder = tempfile::tempdir().unwrap();
    let guard = lock("flock", folder.path()).take().unwrap();
    wait_until_held(folder.path());
    guard.release().unwrap();
    lock("ofd", folder.path()).take().unwrap_err();
    assert!(!is_held(folder.path()));
}

#[test]
fn links_that_somebody_planted_are_not_followed() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let shared = scene.path("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, PermissionsExt::from_mode(0o1777)).unwrap();
    let victim = scene.path("victim");
    let nobody = scene.nobody();
    nobody.does(format!("os.symlink({:?}, 'shared/l')", victim.to_str().unwrap()));
    nobody.does("os.symlink('missing', 'shared/dangling')");
    for family in FAMILIES {
        for name in ["l", "dangling"] {
            let error = lock(family, &shared.join(name)).take().unwrap_err();
            assert!(error.is_permission(), "{error}");
            assert!(error.to_string().contains(name), "{error}");
        }
        assert!(!victim.exists());
        assert!(!shared.join("missing").exists());
    }
    // In a folder that only we can write to, a link is as good as the file.
    let own = scene.path("own");
    fs::create_dir(&own).unwrap();
    fs::set_permissions(&own, PermissionsExt::from_mode(0o755)).unwrap();
    symlink("real", own.join("l")).unwrap();
    for family in FAMILIES {
        let guard = lock(family, &own.join("l")).take().unwrap();
        wait_until_held(&own.join("real"));
        guard.release().unwrap();
    }
    symlink("l2", own.join("l1")).unwrap();
    symlink("l1", own.join("l2")).unwrap();
    lock("flock", &own.join("l1")).take().unwrap_err();
}
