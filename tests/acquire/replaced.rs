//! Lock files that are replaced while somebody waits for them.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;

use locktop::Guard;
use locktop::acquire::Progress;

use crate::asking::{Wait, is_held, lock, wait_for_queue};
use crate::support::wait_until;

const FAMILIES: [&str; 2] = ["flock", "ofd"];

/// The file that has the lock is the one that the path names.
fn is_of_what_is_there(guard: &Guard, path: &Path) -> bool {
    let held = guard.file().expect("it belongs to an open file").metadata().unwrap();
    let there = fs::metadata(path).unwrap();
    (held.dev(), held.ino()) == (there.dev(), there.ino())
}

fn waits_for(replace: impl Fn(&PathBuf)) {
    let folder = tempfile::tempdir().unwrap();
    for family in FAMILIES {
        let path = folder.path().join(family);
        let old = lock(family, &path).take().unwrap();
        let wait = Wait::begin(lock(family, &path));
        wait_for_queue(&path, 1);
        replace(&path);
        // Though the old one's holder never gives it back.
        let guard = wait.ends().unwrap();
        assert!(is_of_what_is_there(&guard, &path), "{family}");
        assert!(!is_of_what_is_there(&old, &path), "{family}");
        guard.release().unwrap();
        assert!(!is_held(&path));
    }
}

#[test]
fn renamed_over() {
    waits_for(|path| {
        let new = path.with_extension("new");
        fs::write(&new, "").unwrap();
        fs::rename(&new, path).unwrap();
    });
}

#[test]
fn unlinked_and_made_again() {
    waits_for(|path| {
        fs::remove_file(path).unwrap();
        fs::write(path, "").unwrap();
    });
}

#[test]
fn unlinked_only() {
    waits_for(|path| fs::remove_file(path).unwrap());
}

#[test]
fn the_new_one_is_waited_for_where_somebody_has_it() {
    let folder = tempfile::tempdir().unwrap();
    for family in FAMILIES {
        let path = folder.path().join(family);
        let _old = lock(family, &path).take().unwrap();
        let wait = Wait::begin(lock(family, &path));
        wait_for_queue(&path, 1);
        let new = path.with_extension("new");
        let next = lock(family, &new).take().unwrap();
        fs::rename(&new, &path).unwrap();
        // It stands in the new one's queue, and says so.
        wait_for_queue(&path, 1);
        next.release().unwrap();
        wait_until("it is told that it stands in another queue", || {
            wait.told().iter().any(|told| matches!(told, Progress::Replaced { .. })).then_some(())
        });
        assert!(is_of_what_is_there(&wait.ends().unwrap(), &path), "{family}");
    }
}

#[test]
fn one_that_goes_away_is_free() {
    let folder = tempfile::tempdir().unwrap();
    for family in FAMILIES {
        let path = folder.path().join(family);
        let _holder = lock(family, &path).take().unwrap();
        let (tell, told) = channel();
        let request = lock(family, &path).on_progress(move |_| {
            // The first is enough.
            let _ = tell.send(());
        });
        let wait = std::thread::spawn(move || request.wait_until_free());
        told.recv().unwrap();
        fs::remove_file(&path).unwrap();
        wait.join().unwrap().unwrap();
        assert!(!path.exists(), "nothing is created");
        assert!(lock(family, &path).wait_until_free().unwrap_err().is_gone());
    }
}
