use std::fs;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::acquire::Pauses;
use crate::system::locking::Thread;

/// Longer than anything takes.
const SOON: Duration = Duration::from_mins(5);

/// A folder with a lock file in it.
struct Desk {
    _folder: TempDir,
    path: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        Self { _folder: folder, path }
    }

    /// A request that wakes by events alone.
    fn request(&self, mode: Mode, range: Option<Range>) -> Record {
        let never = Duration::from_hours(1);
        let pauses = Pauses { first: never, growth: 1.0, longest: never };
        let want = Want { mode, range, create: Some(0o666), form: None, text: None, pauses };
        Record::open(self.path.clone(), want).unwrap()
    }

    fn taken(&self) -> Box<dyn Held> {
        self.request(Mode::Exclusive, None).try_take().unwrap().unwrap()
    }

    fn replace(&self) {
        let other = self.path.with_extension("new");
        File::create(&other).unwrap();
        fs::rename(&other, &self.path).unwrap();
    }

    /// Waits in the queue, in a thread of its own.
    fn queue_up(&self) -> Queued {
        let mut request = self.request(Mode::Exclusive, None);
        let stop = Arc::new(Stop::default());
        let (tell, end) = channel();
        let for_thread = Arc::clone(&stop);
        thread::spawn(move || {
            let ended = request.block(&for_thread);
            drop(tell.send((ended, request)));
        });
        Queued { stop, end }
    }
}

struct Queued {
    stop: Arc<Stop>,
    end: Receiver<(Result<Blocked, Error>, Record)>,
}

impl Queued {
    fn end(self) -> (Blocked, Record) {
        let (blocked, request) = self.end.recv_timeout(SOON).unwrap();
        (blocked.unwrap(), request)
    }

    /// Ends it, however early that comes.
    fn stop(self) -> Blocked {
        loop {
            self.stop.set(Thread::wake);
            if let Ok((blocked, _)) = self.end.recv_timeout(Duration::from_millis(1)) {
                return blocked.unwrap();
            }
        }
    }
}

#[test]
fn one_has_it_alone_and_some_share_it() {
    let desk = Desk::new();
    let held = desk.taken();
    assert!(desk.request(Mode::Shared, None).try_take().unwrap().is_none());
    assert_eq!(desk.request(Mode::Shared, None).is_free().unwrap(), Some(false));
    held.give_back().unwrap();
    let first = desk.request(Mode::Shared, None).try_take().unwrap().unwrap();
    assert_eq!(desk.request(Mode::Shared, None).is_free().unwrap(), Some(true));
    let _second = desk.request(Mode::Shared, None).try_take().unwrap().unwrap();
    assert!(desk.request(Mode::Exclusive, None).try_take().unwrap().is_none());
    let place = first.place();
    assert_eq!((place.family, place.range), ("ofd", Range::WHOLE));
    assert!(place.id.unwrap().is_well_formed());
}

#[test]
fn parts_do_not_exclude_each_other() {
    let desk = Desk::new();
    let part = |start, end| desk.request(Mode::Exclusive, Some(Range { start, end: Some(end) }));
    let _one = part(0, 9).try_take().unwrap().unwrap();
    let _other = part(10, 19).try_take().unwrap().unwrap();
    assert!(part(9, 10).try_take().unwrap().is_none());
}

#[test]
fn giving_it_back_frees_it_for_all_and_leaving_it_does_not() {
    let desk = Desk::new();
    let held = desk.taken();
    let inherited = held.file().unwrap().try_clone().unwrap();
    held.leave();
    assert_eq!(desk.request(Mode::Shared, None).is_free().unwrap(), Some(false));
    record::unlock(&inherited, Range::WHOLE).unwrap();
    let held = desk.taken();
    let _inherited = held.file().unwrap().try_clone().unwrap();
    held.give_back().unwrap();
    assert_eq!(desk.request(Mode::Shared, None).is_free().unwrap(), Some(true));
}

#[test]
fn who_waits_in_the_queue_is_served_or_stopped() {
    let desk = Desk::new();
    let held = desk.taken();
    assert!(matches!(desk.queue_up().stop(), Blocked::Stopped));
    let queued = desk.queue_up();
    held.give_back().unwrap();
    let (Blocked::Taken(held), _) = queued.end() else { panic!("not taken") };
    assert!(desk.request(Mode::Shared, None).try_take().unwrap().is_none());
    held.give_back().unwrap();
}

#[test]
fn the_lock_of_a_replaced_file_is_none() {
    let desk = Desk::new();
    let mut late = desk.request(Mode::Exclusive, None);
    let before = late.place();
    desk.replace();
    let held = late.try_take().unwrap().unwrap();
    assert_ne!(held.place().file, before.file);
    assert_eq!(desk.request(Mode::Shared, None).is_free().unwrap(), Some(false));

    let queued = desk.queue_up();
    // Whether it blocks already or not: it must not end with the old file.
    desk.replace();
    held.give_back().unwrap();
    let (blocked, mut request) = queued.end();
    let held = match blocked {
        Blocked::Taken(held) => held,
        Blocked::Changed => request.try_take().unwrap().unwrap(),
        Blocked::Stopped => panic!("nobody stopped it"),
    };
    assert_eq!(Some(crate::system::locking::number_of(&desk.path).unwrap()), held.place().file);
}

#[test]
fn lingering_ends_when_the_file_is_closed_or_goes_away() {
    let desk = Desk::new();
    for close in [true, false] {
        let held = desk.taken();
        let want = Want { create: None, ..desk.request(Mode::Exclusive, None).want };
        let mut request = Record::open(desk.path.clone(), want).unwrap();
        let stop = Arc::new(Stop::default());
        // The first time only begins to watch.
        request.linger(&stop).unwrap();
        assert_eq!(request.is_free().unwrap(), Some(false));
        let (tell, end) = channel();
        thread::spawn(move || {
            while request.is_free().unwrap() == Some(false) {
                request.linger(&stop).unwrap();
            }
            let _ = tell.send(());
        });
        if close {
            drop(held);
        } else {
            fs::remove_file(&desk.path).unwrap();
        }
        end.recv_timeout(SOON).unwrap();
    }
}

#[test]
fn what_cannot_be_written_to_can_be_asked_and_shared() {
    // A program that runs: not even root may write to it.
    let path = std::env::current_exe().unwrap();
    let want = |mode| Want {
        mode,
        range: None,
        create: None,
        form: None,
        text: None,
        pauses: Pauses::default(),
    };
    let mut alone = Record::open(path.clone(), want(Mode::Exclusive)).unwrap();
    assert!(alone.is_free().unwrap().is_some());
    let error = alone.try_take().unwrap_err();
    assert!(error.is_permission() && error.to_string().contains("share the lock"), "{error}");
    assert!(alone.block(&Arc::default()).unwrap_err().is_permission());
    assert!(Record::open(path, want(Mode::Shared)).unwrap().try_take().is_ok());
}

#[test]
fn what_cannot_be_locked_is_an_error_that_helps() {
    let desk = Desk::new();
    let folder = desk.path.parent().unwrap().to_owned();
    let want = desk.request(Mode::Exclusive, None).want;
    let mut request = Record::open(folder, want.clone()).unwrap();
    let error = request.try_take().unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("flock:"), "{error}");

    let odd = Some(Range { start: 2, end: Some(1) });
    let error = Record::open(desk.path.clone(), Want { range: odd, ..want.clone() }).unwrap_err();
    assert!(error.is_usage(), "{error}");

    let nowhere = desk.path.with_file_name("nowhere");
    let error = Record::open(nowhere, Want { create: None, ..want }).unwrap_err();
    assert!(error.is_gone(), "{error}");

    for (code, word) in
        [(libc::ENOLCK, "local"), (libc::EOPNOTSUPP, "local"), (libc::EINVAL, "flock:")]
    {
        let error = failed(&desk.path, io::Error::from_raw_os_error(code));
        assert!(error.is_unsupported() && error.to_string().contains(word), "{error}");
    }
}
