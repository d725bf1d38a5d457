//! The JSON document as a whole, and that looking leaves no trace.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::inotify;
use serde_json::Value;

use crate::support::{Record, Scene, Viewer, records};

#[track_caller]
fn has_keys(what: &str, value: &Value, keys: &str) {
    let object = value.as_object().unwrap_or_else(|| panic!("{what} is no object: {value}"));
    for key in keys.split_whitespace() {
        assert!(object.contains_key(key), "{what} has no {key}: {value:#}");
    }
}

#[test]
fn the_document_has_every_field() {
    let Some(scene) = Scene::with(&[]) else { return };
    let [holder, waiter] = [scene.actor(), scene.actor()];
    holder.does("flock('l', EX)");
    waiter.does("flock('m', EX)");
    waiter.waits("flock('l', EX)");
    holder.waits("flock('m', EX)");
    let before = jiff::Timestamp::now();
    let report = scene.look();
    let after = jiff::Timestamp::now();
    let document = &report.document;
    has_keys("document", document, "schema host boot_id looked_at complete notes locks deadlocks");
    assert_eq!(document["schema"], 1);
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert_eq!(document["boot_id"], boot_id.trim());
    let looked_at = document["looked_at"].as_str().unwrap();
    assert!(looked_at.ends_with('Z'), "{looked_at}");
    assert!((before..=after).contains(&looked_at.parse().unwrap()), "{looked_at}");

    let lock = report.at(&scene.path("l"));
    has_keys(
        "lock",
        lock,
        "id as_seen family mechanism name path path_base64 url deleted mode range verdict normal \
         why age recorded_pid holders waiters lease fencing details methods",
    );
    assert_eq!(lock["family"], "flock");
    assert_eq!(lock["mechanism"], "flock");
    assert_eq!(lock["normal"], false);
    assert!(lock["id"].as_str().unwrap().starts_with("@flock:"), "{lock:#}");
    let fingerprint = lock["as_seen"].as_str().unwrap();
    assert!(fingerprint.len() == 8 && fingerprint.chars().all(|c| c.is_ascii_hexdigit()));
    has_keys("range", &lock["range"], "start end");
    has_keys("age", &lock["age"], "min_s max_s evidence");
    has_keys(
        "holder",
        &lock["holders"][0],
        "pid started_at host certainty grant command cmdline user uid login_user state wchan cwd \
         tty parent unit container fds token",
    );
    has_keys("parent", &lock["holders"][0]["parent"], "pid command");
    let waiter = &lock["waiters"][0];
    has_keys(
        "waiter",
        waiter,
        "position pid tid started_at command cmdline user uid host token mode range waited how \
         tries blocked_by",
    );
    has_keys("waited", &waiter["waited"], "min_s max_s evidence");
    has_keys("blocker", &waiter["blocked_by"][0], "id pid");
    let circle = report.deadlocks_of(holder.pid)[0];
    has_keys("deadlock", circle, "locks members certain");
    has_keys("member", &circle["members"][0], "pid holds wants");
}

#[test]
fn those_come_first_that_somebody_waits_for() {
    let Some(scene) = Scene::with(&[]) else { return };
    let [holder, stopped, waiter] = [(); 3].map(|()| scene.actor());
    holder.does("flock('contended', EX); flock('held', EX)");
    stopped.does("flock('stuck', EX)");
    stopped.stops();
    waiter.waits("flock('contended', EX)");
    let report = scene.look_as(Viewer::Ourselves, &["."]);
    let verdicts: Vec<_> = report.locks().iter().map(|lock| lock["verdict"].clone()).collect();
    assert_eq!(verdicts, ["contended", "stuck", "held"]);
}

/// What a look could alter of a file.
fn times(path: &Path) -> [i64; 4] {
    let found = path.metadata().unwrap();
    [found.atime_nsec(), found.mtime_nsec(), found.ctime_nsec(), found.size() as i64]
}

#[test]
fn looking_locks_nothing_opens_nothing_and_creates_nothing() {
    let Some(scene) = Scene::with(&[]) else { return };
    let [holder, waiter] = [scene.actor(), scene.actor()];
    holder.does("os.mkdir('folder'); flock('folder/l', EX); posix('folder/p')");
    holder.does("lease('folder/lease'); write('folder/free', '12')");
    holder.does("flock('folder/gone', EX); os.unlink('folder/gone')");
    waiter.waits("flock('folder/l', EX)");
    let folder = scene.path("folder");
    let files = ["l", "p", "lease", "free"].map(|name| folder.join(name));
    let state = || -> Vec<([i64; 4], Vec<Record>)> {
        files.iter().map(|file| (times(file), records(file))).collect()
    };
    // To list a folder is to read it, which the system notes.
    let written = |path: &Path| times(path)[1..].to_vec();
    let before = (state(), written(&folder));
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    for path in &files {
        inotify::add_watch(&watch, path, inotify::WatchFlags::ALL_EVENTS).unwrap();
    }
    let changes = inotify::WatchFlags::CREATE | inotify::WatchFlags::DELETE;
    let changes = changes | inotify::WatchFlags::MOVE | inotify::WatchFlags::ATTRIB;
    inotify::add_watch(&watch, &folder, changes).unwrap();

    let target = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    for (status, args) in [
        (0, &["ls"][..]),
        (0, &["ls", "--json"]),
        (0, &["ls", "--tree", "folder"]),
        (0, &["ls", &target("l"), &target("free")]),
        (0, &["ls", &format!("flock:{}", target("free"))]),
        (0, &["explain", &target("l")]),
        (0, &["explain", &target("lease")]),
        (0, &["explain", &format!("pid:{}", holder.pid)]),
        (2, &["ls", &target("missing")]),
    ] {
        assert_eq!(scene.locktop(Viewer::Ourselves, args).status.code(), Some(status), "{args:?}");
    }

    let mut events = [0; 4096];
    let seen = rustix::io::read(&watch, &mut events);
    assert_eq!(seen, Err(rustix::io::Errno::AGAIN), "files were touched");
    assert_eq!((state(), written(&folder)), before);
}
