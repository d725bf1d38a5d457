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
use crate::model::{FileId, Lock, Note, Snapshot};

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
    pub(super) fn new(wakes: Arc<Wakes>) -> Self {
        let trouble = Trouble::default();
        let (send, receive) = sync_channel(256);
        let send = Arc::new(send);
        // Weak, so that the thread ends with this end and not with its own event handler.
        let back = Arc::downgrade(&send);
        let for_thread = trouble.clone();
        let thread = thread::Builder::new().name("lock files".into()).spawn(move || {
            let mut events = Events::default();
            let handler = move |event: notify::Result<Event>| {
                wakes.touch();
                if let (Some(order), Some(back)) = (events.order(event), back.upgrade()) {
                    // When the thread is behind, the next event says the same.
                    let _ = back.try_send(order);
                }
            };
            match RecommendedWatcher::new(handler, Config::default().with_event_kinds(kinds())) {
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
        let Some(orders) = &self.orders else { return };
        let files = snapshot.locks.iter().filter_map(watchable).take(LIMIT);
        let files = files.map(|(path, file)| (path.to_owned(), file)).collect();
        // When the thread is behind, the next look says the same or better.
        let _ = orders.try_send(Order::Follow(files));
    }

    /// Why changes are not noticed at once, if they are not.
    pub(super) fn note(&self) -> Option<Note> {
        self.trouble.note()
    }
}

/// What can become of a lock: somebody comes, goes, or replaces its file.
fn kinds() -> EventKindMask {
    EventKindMask::ACCESS_OPEN
        | EventKindMask::ACCESS_CLOSE
        | EventKindMask::ACCESS_CLOSE_NOWRITE
        | EventKindMask::CREATE
        | EventKindMask::REMOVE
        | EventKindMask::MODIFY_NAME
}

/// The path of a lock file that can be looked up without waiting for anybody.
fn watchable(lock: &Lock) -> Option<(&Path, Option<FileId>)> {
    let path = lock.path.as_ref()?.as_path();
    let answers = lock.details.get("remote").is_some_and(|remote| remote == false);
    (answers && !lock.deleted && path.is_absolute()).then_some((path, lock.file))
}

/// Counts events, to find files that are too busy to be watched.
#[derive(Debug, Default)]
struct Events {
    since: Option<Instant>,
    counts: HashMap<PathBuf, u32>,
}

impl Events {
    fn order(&mut self, event: notify::Result<Event>) -> Option<Order> {
        // What an error lost, the look that it woke finds.
        let event = event.ok()?;
        let path = event.paths.into_iter().next()?;
        if matches!(event.kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))) {
            return Some(Order::Gone(path));
        }
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

/// What keeps files from being watched, for the reports.
#[derive(Debug, Clone, Default)]
struct Trouble(Arc<Mutex<Option<String>>>);

impl Trouble {
    fn set(&self, error: &notify::Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
    }

    fn note(&self) -> Option<Note> {
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
                Order::Busy(path) => {
                    let parent = path.parent().map(Path::to_owned);
                    for path in [Some(path), parent].into_iter().flatten() {
                        if self.kept.contains_key(&path) {
                            self.forget(&path);
                            self.resting.insert(path, Instant::now() + REST);
                        }
                    }
                }
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
                Some(kept) if kept.file == file => kept.shown = self.looks,
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
