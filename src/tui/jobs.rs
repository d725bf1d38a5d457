//! The threads that wait for locks and free them, and the locks that they brought.
//!
//! Whatever ends the process calls [`Jobs::end`] before: then nothing stays locked behind it.

use std::collections::HashMap;
use std::io;
use std::mem::take;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use locktop::acquire::{Cancel, Progress};
use locktop::release::Escrow;
use locktop::{Error, Guard};

use super::events::Event;
use super::mine::{End, News, Number};
use super::order::{Order, Purpose};

mod release;

/// How long giving everything back may delay the end of the process.
const PATIENCE: Duration = Duration::from_secs(5);

/// All of them. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Jobs(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    send: Sender<Event>,
    desk: Mutex<Desk>,
    left: Condvar,
}

#[derive(Debug, Default)]
struct Desk {
    /// Whether the process is about to end: nothing new is begun or kept.
    closed: bool,
    waits: HashMap<Number, Cancel>,
    held: HashMap<Number, Guard>,
    /// Locks whose holders have ended.
    kept: HashMap<Number, Escrow>,
    /// How many threads are at work.
    busy: usize,
}

impl Jobs {
    /// None yet; what they tell goes to `send`.
    pub(super) fn new(send: Sender<Event>) -> Self {
        let (desk, left) = (Mutex::default(), Condvar::new());
        Self(Arc::new(Shared { send, desk, left }))
    }

    /// Begins to wait, in a thread of its own.
    pub(super) fn begin(&self, number: Number, order: Order) {
        let cancel = Cancel::new();
        let mut desk = self.desk();
        if desk.closed {
            return;
        }
        desk.waits.insert(number, cancel.clone());
        drop(desk);
        let jobs = self.clone();
        let begun = self.work("wait", move || {
            let end = jobs.carry_out(number, &order, &cancel);
            jobs.desk().waits.remove(&number);
            if let Some(end) = end {
                jobs.tell(number, News::Over(end));
            }
        });
        if let Err(error) = begun {
            self.desk().waits.remove(&number);
            self.tell(number, News::Over(End::Failed(format!("cannot start a thread: {error}"))));
        }
    }

    /// Ends a wait; its thread tells when it has left the queue.
    pub(super) fn cancel(&self, number: Number) {
        let cancel = self.desk().waits.get(&number).cloned();
        if let Some(cancel) = cancel {
            cancel.cancel();
        }
    }

    /// Gives a lock back, in a thread of its own: its file system may take its time.
    pub(super) fn give_back(&self, number: Number) {
        let Some(guard) = self.desk().held.remove(&number) else { return };
        let jobs = self.clone();
        let begun = self.work("give back", move || {
            let end = guard.release().map_or_else(|error| end_of(&error), |()| End::Returned);
            jobs.tell(number, News::Over(end));
        });
        if begun.is_err() {
            // The guard went with the thread that could not be had, and gave it back.
            self.tell(number, News::Over(End::Returned));
        }
    }

    /// Ends every wait and gives everything back, for good. Returns when that is done or took too
    /// long. May be called from any thread, again and again.
    pub(super) fn end(&self) {
        let (waits, held, kept) = {
            let mut desk = self.desk();
            desk.closed = true;
            // At once, so that whoever else ends us meanwhile waits for that too.
            desk.busy += desk.held.len() + desk.kept.len();
            let desk = &mut *desk;
            (take(&mut desk.waits), take(&mut desk.held), take(&mut desk.kept))
        };
        for cancel in waits.into_values() {
            cancel.cancel();
        }
        for guard in held.into_values() {
            // Without a thread it is given back here. Whether that worked nobody is there to hear.
            let _ = self.start("give back", move || drop(guard.release()));
        }
        for escrow in kept.into_values() {
            let _ = self.start("hand over", move || drop(escrow));
        }
        let waited = self.0.left.wait_timeout_while(self.desk(), PATIENCE, |desk| desk.busy > 0);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits, and for a lock to have, keeps it. How it ended, unless it is kept.
    fn carry_out(&self, number: Number, order: &Order, cancel: &Cancel) -> Option<End> {
        let jobs = self.clone();
        let request = order.request(cancel).on_progress(move |progress| match progress {
            Progress::Waiting(waiting) => {
                jobs.tell(number, News::Waiting(Box::new(waiting.clone())));
            }
            Progress::Replaced { .. } => jobs.tell(number, News::Replaced),
            _ => {}
        });
        let outcome = match order.purpose {
            Purpose::Wait => request.wait_until_free().map(|()| Some(End::Free)),
            Purpose::Take => request.take().and_then(|guard| self.keep(number, guard, cancel)),
        };
        outcome.unwrap_or_else(|error| Some(end_of(&error)))
    }

    /// Keeps a lock, unless somebody has called it off in the meantime.
    fn keep(&self, number: Number, guard: Guard, cancel: &Cancel) -> Result<Option<End>, Error> {
        let mut desk = self.desk();
        if desk.closed || cancel.is_cancelled() {
            drop(desk);
            return guard.release().map(|()| Some(End::Cancelled));
        }
        self.tell(number, News::Held(guard.id().cloned()));
        let jobs = self.clone();
        guard.on_lost(move || {
            let why = "it could not be kept alive in time, and may be somebody else's by now";
            jobs.tell(number, News::Over(End::Lost(why.into())));
        });
        desk.held.insert(number, guard);
        Ok(None)
    }

    /// Does something in a thread of its own.
    fn work(&self, name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.desk().busy += 1;
        self.start(name, work)
    }

    /// The same for work that has been counted already.
    fn start(&self, name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let jobs = self.clone();
        let done = move || {
            jobs.desk().busy -= 1;
            jobs.0.left.notify_all();
        };
        let after = done.clone();
        let begun = thread::Builder::new().name(name.into()).spawn(move || {
            work();
            done();
        });
        if begun.is_err() {
            after();
        }
        begun.map(drop)
    }

    fn tell(&self, number: Number, news: News) {
        self.send(Event::Mine(number, news));
    }

    fn send(&self, event: Event) {
        // Nobody listens any more: the dashboard is about to end.
        let _ = self.0.send.send(event);
    }

    /// Nobody panics while holding it; if somebody did, it would still be whole.
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end_of(error: &Error) -> End {
    if error.is_cancelled() {
        End::Cancelled
    } else if error.is_deadlock() {
        End::Refused(error.to_string())
    } else if error.is_lost() {
        End::Lost(error.to_string())
    } else {
        End::Failed(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::mpsc::{Receiver, channel};

    use tempfile::TempDir;

    use super::*;

    /// Longer than anything takes.
    const SOON: Duration = Duration::from_mins(5);

    struct Bench {
        folder: TempDir,
        jobs: Jobs,
        events: Receiver<Event>,
    }

    impl Bench {
        fn new() -> Self {
            let (send, events) = channel();
            Self { folder: tempfile::tempdir().unwrap(), jobs: Jobs::new(send), events }
        }

        fn begin(&self, number: Number, purpose: Purpose, name: &str) {
            let path = self.folder.path().join(name);
            let order = Order::parse(&format!("flock:{}", path.display()), purpose).unwrap();
            self.jobs.begin(number, order);
        }

        /// What the next thing is that is told of a job, but for how it waits.
        fn next(&self) -> (Number, News) {
            loop {
                match self.events.recv_timeout(SOON).unwrap() {
                    Event::Mine(_, News::Waiting(_)) => {}
                    Event::Mine(number, news) => return (number, news),
                    other => panic!("{other:?}"),
                }
            }
        }

        /// Somebody else who has the lock.
        fn rival(&self, name: &str) -> File {
            let file = File::create(self.folder.path().join(name)).unwrap();
            file.lock().unwrap();
            file
        }

        fn is_free(&self, name: &str) -> bool {
            let file = File::open(self.folder.path().join(name)).unwrap();
            let is_free = file.try_lock().is_ok();
            // Not by closing it: a child that another test starts has it open, too, until it
            // executes.
            file.unlock().unwrap();
            is_free
        }
    }

    fn ended(news: (Number, News)) -> (Number, End) {
        match news {
            (number, News::Over(end)) => (number, end),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_taken_is_kept_until_it_is_given_back() {
        let bench = Bench::new();
        bench.begin(1, Purpose::Take, "lock");
        assert!(matches!(bench.next(), (1, News::Held(Some(_)))));
        assert!(!bench.is_free("lock"));
        bench.jobs.give_back(1);
        assert_eq!(ended(bench.next()), (1, End::Returned));
        assert!(bench.is_free("lock"));
        // Nothing is there to be given back any more.
        bench.jobs.give_back(1);
        bench.jobs.cancel(1);
    }

    #[test]
    fn waits_end_each_for_itself() {
        let bench = Bench::new();
        let (one, other) = (bench.rival("one"), bench.rival("other"));
        bench.begin(1, Purpose::Wait, "one");
        bench.begin(2, Purpose::Take, "other");
        bench.jobs.cancel(2);
        assert_eq!(ended(bench.next()), (2, End::Cancelled));
        one.unlock().unwrap();
        assert_eq!(ended(bench.next()), (1, End::Free));
        other.unlock().unwrap();
        assert!(bench.is_free("one") && bench.is_free("other"));
    }

    #[test]
    fn what_does_not_work_says_why() {
        let bench = Bench::new();
        bench.begin(1, Purpose::Wait, "missing");
        let (1, End::Failed(why)) = ended(bench.next()) else { panic!("not failed") };
        assert!(why.contains("missing"), "{why}");
    }

    #[test]
    fn the_end_leaves_nothing_locked_and_begins_nothing() {
        let bench = Bench::new();
        let _rival = bench.rival("other");
        bench.begin(1, Purpose::Take, "lock");
        assert!(matches!(bench.next(), (1, News::Held(_))));
        bench.begin(2, Purpose::Take, "other");
        let jobs = bench.jobs.clone();
        thread::spawn(move || jobs.end()).join().unwrap();
        assert!(bench.is_free("lock"));
        assert_eq!(bench.jobs.desk().busy, 0);
        bench.begin(3, Purpose::Take, "lock");
        bench.jobs.end();
        assert!(bench.is_free("lock"));
        assert_eq!(ended(bench.next()), (2, End::Cancelled));
        assert!(bench.events.try_recv().is_err());
    }

    #[test]
    fn what_comes_after_it_was_called_off_goes_back() {
        let bench = Bench::new();
        let path = bench.folder.path().join("lock");
        let target = locktop::Target::Path(path);
        let cancelled = Cancel::new();
        cancelled.cancel();
        let guard = target.acquire().take().unwrap();
        assert!(matches!(bench.jobs.keep(1, guard, &cancelled), Ok(Some(End::Cancelled))));
        assert!(bench.is_free("lock"));
        let guard = target.acquire().take().unwrap();
        bench.jobs.end();
        assert!(matches!(bench.jobs.keep(2, guard, &Cancel::new()), Ok(Some(End::Cancelled))));
        assert!(bench.is_free("lock"));
    }
}
