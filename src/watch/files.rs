//! Watches the lock files that a look showed, so that their next opening or closing is looked at
//! without waiting for the clock.
//!
//! A file system can hang whoever looks a path up, so all of this runs in a thread of its own, and
//! only on file systems that are known to answer. No file is opened.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use notify::event::ModifyKind;
use notify::{Config, ErrorKind, Event, EventKind, EventKindMask, RecommendedWatcher};
use notify::{RecursiveMode, WatchPathConfig, Watcher as _};

use super::Wakes;
use crate::model::{FileId, Lock, Mechanism, Note, Snapshot};

/// So many files at most.
const LIMIT: usize = 512;
/// A file with so many events a second is not watched for a while: each one costs whoever uses it.
const BUSY: u32 = 100;
/// How long that while is.
const REST: Duration = Duration::from_secs(30);

/// The watcher's end: says what is worth watching.
#[derive(Debug)]
pub(super) struct Files {
    /// `None` when there is no thread.
    orders: Option<Arc<SyncSender<Order>>>,
    trouble: Trouble,
}

#[derive(Debug)]
enum Order {
    /// These are the lock files now, the most important first.
    Follow(Vec<(PathBuf, Option<FileId>)>),
    /// Too much happens there.
    Busy(PathBuf),
    /// It was moved or removed; the next one of that name is another file.
    Gone(PathBuf),
}

impl Files {
    /// Watches lock files.
    pub(super) fn new(wakes: Arc<Wakes>) -> Self {
        Self::start(wakes.trouble.clone(), lock_files(), move |event| {
            wakes.touch(concerns_names(event));
            true
        })
    }

    /// Watches for events of some kinds; `matters` is told of each, and whether it does counts.
    pub(super) fn start(
        trouble: Trouble,
        kinds: EventKindMask,
        mut matters: impl FnMut(&notify::Result<Event>) -> bool + Send + 'static,
    ) -> Self {
        let (send, receive) = sync_channel(256);
        let send = Arc::new(send);
        // Weak, so that the thread ends with this end and not with its own event handler.
        let back = Arc::downgrade(&send);
        let for_thread = trouble.clone();
        let thread = thread::Builder::new().name("lock files".into()).spawn(move || {
            let mut events = Events::default();
            let handler = move |event: notify::Result<Event>| {
                let matters = matters(&event);
                if let (Some(order), Some(back)) = (events.order(event, matters), back.upgrade()) {
                    // When the thread is behind, the next event says the same.
                    let _ = back.try_send(order);
                }
            };
            let config = Config::default().with_event_kinds(kinds);
            match RecommendedWatcher::new(handler, config) {
                Ok(watcher) => Keeper::new(watcher, for_thread).run(&receive),
                Err(error) => for_thread.set(&error),
            }
        });
        let orders = match thread {
            Ok(_) => Some(send),
            Err(error) => {
                trouble.set(&error.into());
                None
            }
        };
        Self { orders, trouble }
    }

    /// Watches the lock files of a snapshot.
    pub(super) fn follow(&mut self, snapshot: &Snapshot) {
        let files = snapshot.locks.iter().filter_map(watchable).take(LIMIT);
        self.keep(files.map(|(path, file)| (path.to_owned(), file)).collect());
    }

    /// Watches these folders.
    pub(super) fn follow_folders(&mut self, folders: Vec<PathBuf>) {
        self.keep(folders.into_iter().take(LIMIT).map(|path| (path, None)).collect());
    }

    fn keep(&mut self, files: Vec<(PathBuf, Option<FileId>)>) {
        let Some(orders) = &self.orders else { return };
        // When the thread is behind, the next look says the same or better.
        let _ = orders.try_send(Order::Follow(files));
    }

    /// Why changes are not noticed at once, if they are not.
    pub(super) fn note(&self) -> Option<Note> {
        self.trouble.note()
    }
}

/// Tells what can become of a lock: somebody comes, goes, or replaces its file. (Where a file is
/// still open, its removal is no more than a change of its number of names.)
fn lock_files() -> EventKindMask {
    EventKindMask::ACCESS_OPEN
        | EventKindMask::ACCESS_CLOSE
        | EventKindMask::ACCESS_CLOSE_NOWRITE
        | EventKindMask::CREATE
        | EventKindMask::REMOVE
        | EventKindMask::MODIFY_META
        | EventKindMask::MODIFY_NAME
}

/// The path of a lock file that can be looked up without waiting for anybody. What locks by existing
/// is watched by its folder, and is no matter of who opens it.
fn watchable(lock: &Lock) -> Option<(&Path, Option<FileId>)> {
    if lock.mechanism == Mechanism::Exists {
        return None;
    }
    let path = lock.path.as_ref()?.as_path();
    let answers = lock.details.get("remote").is_some_and(|remote| *remote == false);
    (answers && !lock.deleted && path.is_absolute()).then_some((path, lock.file))
}

/// Whether a file may have been renamed, removed or replaced; so too where events were lost.
fn concerns_names(event: &notify::Result<Event>) -> bool {
    event
        .as_ref()
        .map_or(true, |event| event.need_rescan() || !matches!(event.kind, EventKind::Access(_)))
}

/// Counts events, to find files that are too busy to be watched.
#[derive(Debug, Default)]
struct Events {
    since: Option<Instant>,
    counts: HashMap<PathBuf, u32>,
}

impl Events {
    /// What follows from an event. Those that do not matter are too many when they are too many of one
    /// folder.
    fn order(&mut self, event: notify::Result<Event>, matters: bool) -> Option<Order> {
        // What an error lost, the look that it woke finds.
        let event = event.ok()?;
        let path = event.paths.into_iter().next()?;
        if matches!(event.kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))) {
            return Some(Order::Gone(path));
        }
        let path = if matters { path } else { path.parent()?.to_owned() };
        let now = Instant::now();
        if self.since.is_none_or(|since| now - since > Duration::from_secs(1)) {
            self.since = Some(now);
            self.counts.clear();
        }
        let count = self.counts.entry(path.clone()).or_default();
        *count += 1;
        (*count).is_multiple_of(BUSY).then_some(Order::Busy(path))
    }
}

/// What keeps files and folders from being watched, for the reports.
#[derive(Debug, Clone, Default)]
pub(super) struct Trouble(Arc<Mutex<Option<String>>>);

impl Trouble {
    fn set(&self, error: &notify::Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
    }

    pub(super) fn note(&self) -> Option<Note> {
        let error = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        error.as_ref().map(|error| Note {
            code: "no_file_events",
            text: format!("some changes are seen at the next look only: {error}"),
            would_help: Some("raise fs.inotify.max_user_watches or max_user_instances".into()),
        })
    }
}

/// Keeps the watches in line with the looks.
struct Keeper {
    watcher: RecommendedWatcher,
    trouble: Trouble,
    kept: HashMap<PathBuf, Kept>,
    resting: HashMap<PathBuf, Instant>,
    looks: u64,
}

struct Kept {
    file: Option<FileId>,
    /// The number of the last look that showed it: a lock that ended may be taken again soon.
    shown: u64,
}

impl Keeper {
    fn new(watcher: RecommendedWatcher, trouble: Trouble) -> Self {
        Self { watcher, trouble, kept: HashMap::new(), resting: HashMap::new(), looks: 0 }
    }

    fn run(mut self, orders: &Receiver<Order>) {
        for order in orders {
            match order {
                Order::Follow(files) => self.follow(files),
                Order::Gone(path) => self.forget(&path),
                Order::Busy(path) => self.rest(&path),
            }
        }
    }

    fn follow(&mut self, files: Vec<(PathBuf, Option<FileId>)>) {
        self.looks += 1;
        let now = Instant::now();
        self.resting.retain(|_, until| *until > now);
        for (path, file) in files {
            if self.resting.contains_key(&path) {
                continue;
            }
            match self.kept.get_mut(&path) {
                // Two files can have had one name: the first counts.
                Some(kept) if kept.file == file || kept.shown == self.looks => {
                    kept.shown = self.looks;
                }
                Some(_) => {
                    self.forget(&path);
                    self.watch(path, file);
                }
                None => self.watch(path, file),
            }
        }
        self.make_room();
    }

    fn watch(&mut self, path: PathBuf, file: Option<FileId>) {
        let how = WatchPathConfig::new(RecursiveMode::NonRecursive);
        match self.watcher.watch_with(&path, how.with_dereference_symlinks(false)) {
            Ok(()) => {
                self.kept.insert(path, Kept { file, shown: self.looks });
            }
            // A file that is gone or may not be read is left to the clock.
            Err(error) if !matches!(error.kind, ErrorKind::MaxFilesWatch) => {}
            Err(error) => self.trouble.set(&error),
        }
    }

    /// Does not watch a file for a while; when the events were of a watched folder, not that one.
    fn rest(&mut self, path: &Path) {
        for path in [Some(path), path.parent()].into_iter().flatten() {
            if self.kept.contains_key(path) {
                self.forget(path);
                self.resting.insert(path.to_owned(), Instant::now() + REST);
            }
        }
    }

    fn forget(&mut self, path: &Path) {
        if self.kept.remove(path).is_some() {
            // A file that was removed has taken its watch along.
            let _ = self.watcher.unwatch(path);
        }
    }

    /// Drops those that have not been shown for longest.
    fn make_room(&mut self) {
        let surplus = self.kept.len().saturating_sub(LIMIT);
        if surplus == 0 {
            return;
        }
        let mut oldest: Vec<_> =
            self.kept.iter().map(|(path, kept)| (kept.shown, path.clone())).collect();
        oldest.sort_unstable();
        for (_, path) in oldest.into_iter().take(surplus) {
            self.forget(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::mpsc::channel;

    use tempfile::TempDir;

    use super::*;

    /// Longer than anything takes.
    const SOON: Duration = Duration::from_mins(5);

    /// A folder with a lock file in it, and the events of what is kept.
    struct Desk {
        _folder: TempDir,
        path: PathBuf,
        keeper: Keeper,
        events: Receiver<Event>,
    }

    impl Desk {
        /// The lock file is followed.
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("lock");
            let (send, events) = channel();
            let handler = move |event: notify::Result<Event>| drop(send.send(event.unwrap()));
            let watcher = {
                let config = Config::default().with_event_kinds(lock_files());
                RecommendedWatcher::new(handler, config).unwrap()
            };
            let keeper = Keeper::new(watcher, Trouble::default());
            let mut desk = Self { _folder: folder, path, keeper, events };
            File::create(&desk.path).unwrap();
            desk.follow();
            desk
        }

        fn follow(&mut self) {
            self.keeper.follow(vec![(self.path.clone(), None)]);
        }

        fn event(&self) -> Event {
            self.events.recv_timeout(SOON).unwrap()
        }
    }

    #[test]
    fn opening_and_closing_is_an_event_each() {
        let desk = Desk::new();
        let reader = File::open(&desk.path).unwrap();
        assert!(desk.event().kind.is_access());
        drop(reader);
        assert!(desk.event().kind.is_access());
        assert!(desk.events.try_recv().is_err());
    }

    #[test]
    fn neighbours_are_not() {
        let desk = Desk::new();
        let other = desk.path.with_file_name("other");
        drop(File::create(&other).unwrap());
        drop(File::open(&other).unwrap());
        drop(File::open(&desk.path).unwrap());
        // Events come in order.
        for event in [desk.event(), desk.event()] {
            assert_eq!(event.paths, std::slice::from_ref(&desk.path));
        }
    }

    #[test]
    fn a_file_that_was_replaced_is_followed_again() {
        let mut desk = Desk::new();
        std::fs::remove_file(&desk.path).unwrap();
        let mut events = Events::default();
        let gone = (0..3).find_map(|_| events.order(Ok(desk.event()), true));
        assert!(matches!(gone, Some(Order::Gone(path)) if path == desk.path));
        desk.keeper.forget(&desk.path.clone());
        File::create(&desk.path).unwrap();
        desk.follow();
        drop(File::open(&desk.path).unwrap());
        assert!(desk.event().kind.is_access());
    }

    #[test]
    fn the_removal_of_an_open_file_is_an_event() {
        let desk = Desk::new();
        let _reader = File::open(&desk.path).unwrap();
        assert!(desk.event().kind.is_access());
        std::fs::remove_file(&desk.path).unwrap();
        assert!(desk.event().kind.is_modify());
    }

    #[test]
    fn a_busy_file_rests() {
        let mut desk = Desk::new();
        let mut events = Events::default();
        let order = (0..).find_map(|_| {
            drop(File::open(&desk.path).unwrap());
            events.order(Ok(desk.event()), true)
        });
        assert!(matches!(order, Some(Order::Busy(path)) if path == desk.path));
        desk.keeper.rest(&desk.path.clone());
        desk.follow();
        assert!(desk.keeper.kept.is_empty());
    }

    #[test]
    fn those_that_were_not_shown_for_longest_make_room() {
        let mut desk = Desk::new();
        let folder = desk.path.parent().unwrap().to_owned();
        let many = |name: &str, count: usize| -> Vec<(PathBuf, Option<FileId>)> {
            let path = |n| (folder.join(format!("{name}{n}")), None);
            let files: Vec<_> = (0..count).map(path).collect();
            for (path, _) in &files {
                File::create(path).unwrap();
            }
            files
        };
        desk.keeper.follow(many("a", LIMIT - 1));
        assert!(desk.keeper.kept.contains_key(&desk.path));
        desk.keeper.follow(many("b", 1));
        assert_eq!(desk.keeper.kept.len(), LIMIT);
        assert!(!desk.keeper.kept.contains_key(&desk.path));
        assert!(desk.keeper.kept.contains_key(&folder.join("b0")));
    }

    #[test]
    fn a_thread_takes_the_orders_and_ends_with_its_giver() {
        let wakes = Arc::new(Wakes::default());
        let desk = Desk::new();
        let files = Files::new(Arc::clone(&wakes));
        let orders = files.orders.clone().unwrap();
        let begun = Instant::now();
        while wakes.lock().asked.touched.is_none() {
            assert!(begun.elapsed() < SOON);
            orders.send(Order::Follow(vec![(desk.path.clone(), None)])).unwrap();
            drop(File::open(&desk.path).unwrap());
        }
        assert_eq!(files.note(), None);
        let end = Arc::downgrade(&wakes);
        drop((files, orders, wakes));
        while end.strong_count() > 0 {
            assert!(begun.elapsed() < SOON);
            thread::yield_now();
        }
    }

    #[test]
    fn only_files_that_answer_are_followed() {
        let lock = |path: &str, remote: Option<bool>| {
            let mut lock = crate::watch::tests::lock(path);
            if let Some(remote) = remote {
                lock.details.insert("remote", remote.into());
            }
            lock
        };
        assert!(watchable(&lock("/run/lock", Some(false))).is_some());
        assert!(watchable(&lock("/mnt/lock", Some(true))).is_none());
        assert!(watchable(&lock("/mnt/lock", None)).is_none());
        assert!(watchable(&lock("memfd:x", Some(false))).is_none());
        let gone = Lock { deleted: true, ..lock("/run/lock", Some(false)) };
        assert!(watchable(&gone).is_none());
    }
}
