//! Locks on disk: when they appear, and when a glance is enough.

use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use super::*;

/// Longer than anything takes.
const SOON: Duration = Duration::from_mins(5);

/// Folders are searched again by the clock after so long at the soonest.
const PAUSE: Duration = Duration::from_secs(10);

/// A machine whose folder `files` is looked at.
fn machine() -> Machine {
    let mut machine = Machine::new();
    let target = Target::Path(machine.file("").components().collect());
    machine.inspector.expect_at(&[target], Folders::Below);
    machine
}

fn make(machine: &Machine, name: &str, text: &str) -> PathBuf {
    let path = machine.file(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

fn has(seen: &Snapshot, path: &Path) -> bool {
    seen.locks.iter().any(|lock| lock.path.as_ref().is_some_and(|of| of.as_path() == path))
}

/// Looks until it is a glance.
fn settle(machine: &mut Machine) -> Arc<Snapshot> {
    let (begun, before) = (Instant::now(), machine.inspector.glances());
    loop {
        let seen = machine.look();
        if machine.inspector.glances() > before {
            return seen;
        }
        assert!(begun.elapsed() < SOON, "no glance");
    }
}

#[test]
fn what_comes_is_seen_once_it_is_spotted_and_what_goes_at_once() {
    let mut machine = machine();
    let old = make(&machine, "one/.git/index.lock", "");
    let begun = Instant::now();
    assert!(has(&machine.inspector.snapshot().unwrap(), &old));
    let new = make(&machine, "two/.git/index.lock", "");
    // It is not yet time to search again.
    let found = has(&machine.look(), &new);
    assert!(!found || begun.elapsed() > PAUSE);
    let other = machine.file("two/nothing");
    machine.inspector.spotted(&[new.clone(), other]);
    let seen = machine.look();
    assert!(has(&seen, &old) && has(&seen, &new) && seen.locks.len() == 2);
    fs::remove_file(&old).unwrap();
    let seen = machine.look();
    assert!(!has(&seen, &old) && has(&seen, &new));
    let nests = machine.inspector.nests().folders;
    for folder in ["", "one/.git", "two/.git"] {
        let folder: PathBuf = machine.file(folder).components().collect();
        assert!(nests.contains(&folder), "{folder:?}: {nests:?}");
    }
}

/// Whether a new folder was searched before that was due by the clock.
fn is_searched_soon() -> bool {
    let mut machine = machine();
    machine.inspector.snapshot().unwrap();
    let path = make(&machine, "new/.git/index.lock", "");
    machine.inspector.folders_came();
    let begun = Instant::now();
    while begun.elapsed() < PAUSE / 2 {
        if has(&machine.look(), &path) {
            return true;
        }
    }
    false
}

#[test]
fn new_folders_are_searched_as_soon_as_that_can_be_afforded() {
    // Where the first search was held up, the next one cannot be afforded sooner than by the clock.
    assert!((0..10).any(|_| is_searched_soon()));
}

#[test]
fn a_glance_is_enough_as_long_as_nothing_happens_to_lock_and_holder() {
    let mut machine = machine();
    machine.process(10, 1, 10);
    let path = make(&machine, "l", "10\n");
    let target = Target::Family { family: "lockfile", path: path.clone() };
    machine.inspector.expect_at(&[target], Folders::Themselves);
    let seen = settle(&mut machine);
    assert_eq!(keepers(&seen), [(10, vec![])]);
    // Its holder is stopped: that is no glance, and another verdict.
    machine.stat(10, 1, 10, 'T');
    let seen = machine.looks_anew();
    assert_eq!(seen.locks[0].verdict, Verdict::Stuck);
    settle(&mut machine);
    fs::write(&path, "11\n").unwrap();
    let seen = machine.looks_anew();
    assert_ne!(keepers(&seen), [(10, vec![])]);
    settle(&mut machine);
    fs::remove_file(&path).unwrap();
    assert!(machine.looks_anew().locks.is_empty());
}

/// Where nobody says what is a lock until he is told to.
#[derive(Debug)]
struct Slow(Mutex<Receiver<()>>);

impl Habitat for Slow {
    fn family_at(&self, path: &Path) -> Option<&'static str> {
        // For good, once nobody holds up anything any more; and for whoever waits for it.
        let _ = self.0.lock().unwrap().recv_timeout(SOON);
        path.ends_with("l").then_some("lockfile")
    }

    fn patterns(&self) -> Vec<Arc<str>> {
        Vec::new()
    }
}

#[test]
fn whoever_looks_again_and_again_waits_for_no_search() {
    let mut machine = Machine::new();
    let path = make(&machine, "l", "");
    let (go_on, gate) = channel();
    machine.inspector.scope.habitat = Some(Arc::new(Slow(Mutex::new(gate))));
    machine.inspector.scope.everywhere = false;
    machine.inspector.scope.folders = vec![machine.file("").components().collect()];
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    machine.inspector.ring_at_news(move || {
        // The test may be over.
        let _ = tell.lock().unwrap().send(());
    });
    let seen = machine.look();
    assert!(!has(&seen, &path) && !seen.complete);
    assert_eq!(seen.notes.last().map(|note| note.code), Some("discovery_under_way"));
    drop(go_on);
    told.recv_timeout(SOON).unwrap();
    let begun = Instant::now();
    loop {
        let seen = machine.look();
        if seen.complete {
            assert!(has(&seen, &path));
            break;
        }
        assert!(begun.elapsed() < SOON);
    }
}
