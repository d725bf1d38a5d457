//! Wakes to looks: a thread that looks at the locks whenever that is worth its cost.
//!
//! Three things wake it: the clock, changes of watched lock files, and [`Watcher::look_now`]. It
//! does one look at a time, with at most one queued behind it, and all looks together take no more
//! than a hundredth of the time; after a very slow look the next one comes after a minute all the
//! same.
//!
//! ```no_run
//! use locktop::watch::Watcher;
//! use locktop::Folders;
//!
//! let (send, reports) = std::sync::mpsc::channel();
//! let watcher = Watcher::start(Vec::new(), Folders::Below, move |report| {
//!     // Nobody listens any more: the watcher is about to be dropped.
//!     let _ = send.send(report);
//! })?;
//! for report in reports.iter().take(3) {
//!     let seen = report.outcome?;
//!     println!("{} locks, {:?} until the next look", seen.snapshot.locks.len(), report.interval);
//! }
//! drop(watcher);
//! # Ok::<(), locktop::Error>(())
//! ```

mod acts;
mod events;
mod files;
mod nests;
mod pace;
mod story;
mod witness;

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::inspect::{Folders, Inspector, Meter, Selection};
use crate::model::{Event, LockId, Note, Snapshot, Target, Tracing};
use crate::sources::trace::Silencer;
use crate::system::give_memory_back;
use acts::Acts;
use events::Chronicle;
use files::{Files, Trouble};
use nests::Nests;
use pace::{Asked, Pace};
use story::Story;
use witness::Machine;

/// How long a look that hangs may delay [`Watcher`]'s drop.
const PATIENCE: Duration = Duration::from_millis(300);

/// The same where a trace would be left behind, which whoever comes next has to remove.
const TRACE_PATIENCE: Duration = Duration::from_secs(2);

/// So many places are noted between two looks; what is beyond that the next search finds.
const SPOTTED: usize = 1_000;

/// After a look in full at so many locks there is memory worth giving back.
const MANY: usize = 1_000;

/// One look, and how often there are any.
#[derive(Debug)]
pub struct Report {
    /// What was seen, or why nothing could be.
    pub outcome: Result<Seen, Error>,
    /// When the look ended.
    pub at: Instant,
    /// What it took of the machine: its time, less what it spent waiting without being in the way.
    pub cost: Duration,
    /// From one look to the next by the clock, as things are now.
    pub interval: Duration,
    /// Why changes of lock files are not noticed at once, if they are not.
    pub note: Option<Note>,
    /// What has happened since the look before, in order; of the locks that were asked for.
    pub events: Vec<Event>,
}

/// What a look showed.
#[derive(Debug)]
pub struct Seen {
    /// All locks.
    pub snapshot: Arc<Snapshot>,
    /// Those of them that were asked for, or why that cannot be told.
    pub selection: Result<Selection, Error>,
    /// Why some of the targets could not be looked up, where others could and were waited for.
    pub refused: Vec<Error>,
    /// For how long it held up everybody's locks.
    pub stalled: Duration,
    /// Whether and how locks are traced.
    pub tracing: Box<Tracing>,
}

/// Looks again and again in a thread of its own, until dropped.
#[derive(Debug)]
pub struct Watcher {
    wakes: Arc<Wakes>,
    ended: Receiver<()>,
}

impl Watcher {
    /// Starts to look at once; `deliver` is called with each report, in the watcher's thread.
    ///
    /// # Errors
    /// When the system refuses a thread, or the program is damaged.
    pub fn start(
        targets: Vec<Target>,
        folders: Folders,
        deliver: impl FnMut(Report) + Send + 'static,
    ) -> Result<Self, Error> {
        Self::begin(targets, folders, Absent::Refused, false, deliver)
    }

    /// The same for whoever wants to hear of what comes: a path at which there is nothing yet is one
    /// at which something may come to be, and a target that cannot be looked up does not keep the
    /// others from being told of. `traced`: from the first look on, as by [`trace`](Self::trace).
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn await_events(
        targets: Vec<Target>,
        folders: Folders,
        traced: bool,
        deliver: impl FnMut(Report) + Send + 'static,
    ) -> Result<Self, Error> {
        Self::begin(targets, folders, Absent::Awaited, traced, deliver)
    }

    fn begin(
        targets: Vec<Target>,
        folders: Folders,
        absent: Absent,
        traced: bool,
        deliver: impl FnMut(Report) + Send + 'static,
    ) -> Result<Self, Error> {
        let mut inspector = Inspector::new()?;
        if absent == Absent::Awaited {
            inspector.await_absent();
        }
        let wakes = Arc::new(Wakes::default());
        wakes.change(|wishes| wishes.trace = traced);
        let rung = Arc::clone(&wakes);
        inspector.ring_at_news(move || rung.touch(false));
        let mut nests = Nests::new(Arc::clone(&wakes), inspector.habitat());
        let spotted = Arc::clone(&wakes);
        let mut places_are_known = false;
        let mut missing = 0;
        let (mut chronicle, mut acts) = (Chronicle::default(), Acts::usual());
        let (mut story, mut is_traced) = (Story::default(), false);
        let look = move |wishes: Asked| {
            if wishes.names {
                inspector.doubt_names();
            }
            inspector.spotted(&spotted.take_spotted());
            inspector.wonder_about(spotted.chosen());
            if wishes.grown {
                inspector.folders_came();
            }
            // Looks places up, which can take a while: not in the caller's thread.
            if !std::mem::replace(&mut places_are_known, true) {
                inspector.expect_at(&targets, folders);
            }
            let wants_trace = spotted.wants_trace();
            if wants_trace != std::mem::replace(&mut is_traced, wants_trace) {
                if wants_trace {
                    inspector.trace();
                } else {
                    inspector.stop_tracing();
                }
                spotted.change(|wishes| wishes.silencer = inspector.silencer());
            }
            let glances = inspector.glances();
            let seen = look(&mut inspector, &targets, folders, absent);
            nests.follow(inspector.nests());
            let seen = seen?;
            // What may not be looked up is nowhere.
            let selection = seen.selection.as_ref().ok().cloned().unwrap_or(Selection::nothing());
            let before = std::mem::replace(&mut missing, selection.absent().count());
            places_are_known = missing >= before;
            let only_time_passed = inspector.glances() != glances;
            let mut witness = Machine { inspector: &inspector, acts: &mut acts };
            let snapshot = &seen.snapshot;
            let events = if only_time_passed {
                chronicle.pass(snapshot, &selection, &mut witness)
            } else {
                chronicle.tell(snapshot, &selection, &mut witness)
            };
            let events = story.join(events, inspector.take_traced(), &selection, &seen.snapshot);
            Ok((seen, events))
        };
        Self::start_with(wakes, look, deliver)
    }

    fn start_with(
        wakes: Arc<Wakes>,
        look: impl FnMut(Asked) -> Result<(Seen, Vec<Event>), Error> + Send + 'static,
        deliver: impl FnMut(Report) + Send + 'static,
    ) -> Result<Self, Error> {
        let (end, ended) = sync_channel(1);
        let shared = Arc::clone(&wakes);
        thread::Builder::new()
            .name("looks".into())
            .spawn(move || {
                run(&shared, look, deliver);
                // Whoever dropped the watcher may have lost patience.
                let _ = end.send(());
            })
            .map_err(|error| Error::unreachable(format!("cannot start a thread: {error}")))?;
        Ok(Self { wakes, ended })
    }

    /// Looks as soon as the look that is under way, if any, has ended.
    pub fn look_now(&self) {
        self.wakes.change(|wishes| wishes.asked.now = true);
    }

    /// Has the next looks find out what the holders of this lock are up to, even if nobody waits for
    /// it: whether they are at work, and what they wait for.
    pub fn wonder_about(&self, lock: Option<LockId>) {
        self.wakes.lock().chosen = lock;
    }

    /// Begins to trace locks, or no longer does, as [`Inspector::trace`] does; [`Seen::tracing`] tells how
    /// that goes. What is traced has exact times, wakes the watcher at once, and is told also of locks
    /// that came and went between two looks.
    pub fn trace(&self, on: bool) {
        self.wakes.change(|wishes| {
            wishes.trace = on;
            wishes.asked.now = true;
        });
    }

    /// Stops looking until [`resume`](Self::resume); a look that is under way is still reported.
    pub fn pause(&self) {
        self.wakes.change(|wishes| wishes.paused = true);
    }

    /// Goes on looking.
    pub fn resume(&self) {
        self.wakes.change(|wishes| wishes.paused = false);
    }
}

/// Ends the thread, and waits for it unless its look hangs.
impl Drop for Watcher {
    fn drop(&mut self) {
        self.wakes.change(|wishes| wishes.stop = true);
        let is_traced = self.wakes.lock().silencer.is_some();
        let patience = if is_traced { TRACE_PATIENCE } else { PATIENCE };
        if self.ended.recv_timeout(patience).is_ok() {
            return;
        }
        // Patience is over, or the thread is gone. What it leaves behind must cost nobody anything.
        if let Some(silencer) = self.wakes.lock().silencer.take() {
            silencer.silence();
        }
    }
}

/// What a target is at which there is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Absent {
    Refused,
    Awaited,
}

fn look(
    inspector: &mut Inspector,
    targets: &[Target],
    folders: Folders,
    absent: Absent,
) -> Result<Seen, Error> {
    let before = inspector.stalled();
    let glances = inspector.glances();
    let snapshot = inspector.look()?;
    if inspector.glances() == glances && snapshot.locks.len() >= MANY {
        give_memory_back();
    }
    let stalled = inspector.stalled().saturating_sub(before);
    let (selection, refused) = match (targets, absent) {
        ([], _) => (Ok(Selection::all()), Vec::new()),
        (targets, Absent::Refused) => (inspector.select(&snapshot, targets, folders), Vec::new()),
        (targets, Absent::Awaited) => select_each(inspector, &snapshot, targets, folders),
    };
    Ok(Seen { snapshot, selection, refused, stalled, tracing: inspector.tracing().into() })
}

/// What those targets mean that can be looked up, and why others cannot.
fn select_each(
    inspector: &mut Inspector,
    snapshot: &Snapshot,
    targets: &[Target],
    folders: Folders,
) -> (Result<Selection, Error>, Vec<Error>) {
    let mut refused = Vec::new();
    let mut all: Option<Selection> = None;
    for target in targets {
        match inspector.select(snapshot, std::slice::from_ref(target), folders) {
            Ok(one) => all = Some(all.map_or(one.clone(), |all| all.and(one))),
            Err(error) => refused.push(error),
        }
    }
    match (all, refused.pop()) {
        (None, Some(last)) => (Err(refused.into_iter().next().unwrap_or(last)), Vec::new()),
        (all, last) => {
            refused.extend(last);
            (Ok(all.unwrap_or(Selection::nothing())), refused)
        }
    }
}

fn run(
    wakes: &Arc<Wakes>,
    mut look: impl FnMut(Asked) -> Result<(Seen, Vec<Event>), Error>,
    mut deliver: impl FnMut(Report),
) {
    let mut files = Files::new(Arc::clone(wakes));
    let mut pace = Pace::new(Instant::now());
    let mut fingerprint = None;
    while let Some(asked) = wakes.wait(&pace) {
        let (begun, meter) = (Instant::now(), Meter::start());
        let (outcome, events) = match look(asked) {
            Ok((seen, events)) => (Ok(seen), events),
            Err(error) => (Err(error), Vec::new()),
        };
        let stalled = outcome.as_ref().map_or(Duration::ZERO, |seen| seen.stalled);
        let (at, cost) = (Instant::now(), meter.cost(stalled));
        let seen = outcome.as_ref().ok().map(|seen| fingerprint_of(&seen.snapshot));
        let changed = fingerprint.is_some_and(|before| seen.is_some_and(|seen| seen != before));
        fingerprint = seen.or(fingerprint);
        pace.looked(begun, at, cost, changed);
        if let Ok(seen) = &outcome {
            files.follow(&seen.snapshot);
        }
        let (interval, note) = (pace.interval(), files.note());
        deliver(Report { outcome, at, cost, interval, note, events });
    }
}

/// Tells looks apart by who has and wants which lock, whatever their order.
fn fingerprint_of(snapshot: &Snapshot) -> u64 {
    snapshot.locks.iter().fold(0, |sum, lock| {
        let mut hasher = DefaultHasher::new();
        (&lock.id, lock.as_seen, lock.verdict, lock.waiters.len()).hash(&mut hasher);
        sum ^ hasher.finish()
    })
}

/// What the watcher's thread is told by others, and sleeps on.
#[derive(Debug, Default)]
struct Wakes {
    wishes: Mutex<Wishes>,
    changed: Condvar,
    trouble: Trouble,
}

#[derive(Debug, Default)]
struct Wishes {
    asked: Asked,
    /// Where something has come or gone.
    spotted: Vec<PathBuf>,
    /// The lock of whose holders somebody wants to know more.
    chosen: Option<LockId>,
    paused: bool,
    trace: bool,
    /// For a trace that is running.
    silencer: Option<Silencer>,
    stop: bool,
}

impl Wakes {
    /// A watched file was touched; `names`: and may have another name by now, or none.
    fn touch(&self, names: bool) {
        let mut wishes = self.lock();
        wishes.asked.names |= names;
        if wishes.asked.touched.is_none() {
            wishes.asked.touched = Some(Instant::now());
            self.changed.notify_one();
        }
    }

    /// Locks have come or gone at these paths.
    fn spot(&self, paths: Vec<PathBuf>) {
        if !paths.is_empty() {
            let mut wishes = self.lock();
            let room = SPOTTED.saturating_sub(wishes.spotted.len());
            wishes.spotted.extend(paths.into_iter().take(room));
            drop(wishes);
            self.touch(false);
        }
    }

    /// There is a new folder: that alone is no reason to look.
    fn grow(&self) {
        self.lock().asked.grown = true;
    }

    fn take_spotted(&self) -> Vec<PathBuf> {
        std::mem::take(&mut self.lock().spotted)
    }

    fn chosen(&self) -> Option<LockId> {
        self.lock().chosen.clone()
    }

    fn wants_trace(&self) -> bool {
        self.lock().trace
    }

    fn change(&self, change: impl FnOnce(&mut Wishes)) {
        change(&mut self.lock());
        self.changed.notify_one();
    }

    /// Sleeps until a look is due, and takes what was asked for; `None` to stop.
    fn wait(&self, pace: &Pace) -> Option<Asked> {
        let mut wishes = self.lock();
        loop {
            if wishes.stop {
                return None;
            }
            let now = Instant::now();
            let due = pace.due(wishes.asked);
            if !wishes.paused && due <= now {
                return Some(std::mem::take(&mut wishes.asked));
            }
            wishes = if wishes.paused {
                self.changed.wait(wishes).unwrap_or_else(PoisonError::into_inner)
            } else {
                let sleep = self.changed.wait_timeout(wishes, due - now);
                sleep.unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }

    /// The wishes are plain values: whoever panicked while changing them left them usable.
    fn lock(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(crate) mod tests;
