//! Watches the folders in which locks on disk come and go, so that a look sees them at once.
//!
//! Our own looking is no event here: nothing is told of who only reads.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::CreateKind;
use notify::{Event, EventKind, EventKindMask};

use super::Wakes;
use super::files::Files;
use crate::inspect;
use crate::sources::Habitat;

/// The watcher's end.
#[derive(Debug)]
pub(super) struct Nests {
    folders: Files,
    /// The paths that count whatever is known of them.
    named: Arc<Mutex<HashSet<PathBuf>>>,
}

impl Nests {
    /// `habitat` tells what can be a lock.
    pub(super) fn new(wakes: Arc<Wakes>, habitat: Option<Arc<dyn Habitat>>) -> Self {
        let named = Arc::new(Mutex::new(HashSet::new()));
        let known = Arc::clone(&named);
        let is_lock = move |path: &Path| {
            habitat.as_ref().is_some_and(|habitat| habitat.family_at(path).is_some())
                || known.lock().unwrap_or_else(PoisonError::into_inner).contains(path)
        };
        let trouble = wakes.trouble.clone();
        let matters = move |event: &notify::Result<Event>| match event {
            Ok(event) if !event.need_rescan() => {
                let paths = event.paths.iter().filter(|path| is_lock(path));
                let locks: Vec<PathBuf> = paths.cloned().collect();
                let any = !locks.is_empty();
                wakes.spot(locks);
                if event.kind == EventKind::Create(CreateKind::Folder) {
                    wakes.grow();
                }
                any
            }
            // What was lost the next look finds.
            _ => {
                wakes.touch(false);
                true
            }
        };
        Self { folders: Files::start(trouble, kinds(), matters), named }
    }

    /// Watches these.
    pub(super) fn follow(&mut self, nests: inspect::Nests) {
        let named = nests.named.into_iter().collect();
        *self.named.lock().unwrap_or_else(PoisonError::into_inner) = named;
        self.folders.follow_folders(nests.folders);
    }
}

/// A lock is made, written, given to somebody else, or goes.
fn kinds() -> EventKindMask {
    EventKindMask::CREATE
        | EventKindMask::REMOVE
        | EventKindMask::ACCESS_CLOSE
        | EventKindMask::MODIFY_META
        | EventKindMask::MODIFY_NAME
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, Instant};

    use super::*;

    /// Longer than anything takes.
    const SOON: Duration = Duration::from_mins(5);

    #[derive(Debug)]
    struct Locks;

    impl Habitat for Locks {
        fn family_at(&self, path: &Path) -> Option<&'static str> {
            path.extension().is_some_and(|end| end == "lock").then_some("lockfile")
        }

        fn patterns(&self) -> Vec<Arc<str>> {
            Vec::new()
        }
    }

    /// What was spotted once it is anything.
    fn spotted(wakes: &Wakes) -> Vec<PathBuf> {
        let begun = Instant::now();
        loop {
            let spotted = wakes.take_spotted();
            if !spotted.is_empty() {
                return spotted;
            }
            assert!(begun.elapsed() < SOON);
            std::thread::yield_now();
        }
    }

    #[test]
    fn locks_that_come_and_go_are_spotted_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let wakes = Arc::new(Wakes::default());
        let mut nests = Nests::new(Arc::clone(&wakes), Some(Arc::new(Locks)));
        let follow =
            inspect::Nests { folders: vec![folder.path().to_owned()], named: vec![path("named")] };
        // Until it is watched. More than a few events a second are too many.
        let begun = Instant::now();
        let is_watched = || {
            fs::write(path("first.lock"), "").unwrap();
            fs::remove_file(path("first.lock")).unwrap();
            let written = Instant::now();
            while written.elapsed() < Duration::from_millis(200) {
                if !wakes.take_spotted().is_empty() {
                    return true;
                }
                std::thread::yield_now();
            }
            false
        };
        nests.follow(follow);
        while !is_watched() {
            assert!(begun.elapsed() < SOON);
        }
        fs::write(path("last.lock"), "").unwrap();
        while !spotted(&wakes).contains(&path("last.lock")) {}
        // Events come in order.
        fs::write(path("other"), "").unwrap();
        drop(fs::read(path("last.lock")).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        fs::write(path("named"), "").unwrap();
        let mut seen = Vec::new();
        while !seen.contains(&path("named")) {
            seen.extend(spotted(&wakes));
        }
        // To make a file is more than one event.
        let is_known = |seen: &PathBuf| [path("last.lock"), path("named")].contains(seen);
        assert!(seen.iter().all(is_known), "{seen:?}");
        fs::remove_file(path("last.lock")).unwrap();
        while !spotted(&wakes).contains(&path("last.lock")) {}
        assert_eq!(wakes.trouble.note(), None);
    }
}
