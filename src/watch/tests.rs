//! Looks that are made up, files that are real.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

use super::*;
use crate::model::{
    AsSeen, Details, Device, Facts, FileId, Host, Lock, LockFacts, LockId, Mechanism, Moment,
    Naming, PathBytes, Range, Span,
};

/// Long enough for a busy machine.
const SOON: Duration = Duration::from_mins(5);

fn snapshot(locks: Vec<LockFacts>) -> Snapshot {
    crate::diagnose::diagnose(Facts {
        host: Host { name: "host".into(), boot_id: None },
        at: Moment { wall: jiff::Timestamp::UNIX_EPOCH, uptime: Duration::ZERO },
        cost: Duration::ZERO,
        complete: true,
        at_once: true,
        notes: Vec::new(),
        locks,
        retaken: Vec::new(),
        processes: BTreeMap::new(),
        awaited: BTreeMap::new(),
    })
}

fn facts(path: &str) -> LockFacts {
    let file = FileId { device: Device { major: 0, minor: 1 }, inode: 7 };
    LockFacts {
        id: LockId::of_file("flock", file, Range::WHOLE),
        as_seen: AsSeen::of([1]),
        family: "flock".into(),
        mechanism: Mechanism::Flock,
        name: None,
        normal: false,
        file: Some(file),
        table_file: Some(file),
        path: Some(PathBytes::new(path)),
        naming: Naming::Same,
        range: Range::WHOLE,
        grants: Vec::new(),
        requests: Vec::new(),
        queue_cut: false,
        age: Span::default(),
        on_disk: None,
        abandoned: None,
        details: Details::default(),
    }
}

/// A lock of a file.
pub(crate) fn lock(path: &str) -> Lock {
    snapshot(vec![facts(path)]).locks.remove(0)
}

fn seen() -> Seen {
    Seen {
        snapshot: Arc::new(snapshot(Vec::new())),
        selection: Ok(Selection::all()),
        refused: Vec::new(),
        stalled: Duration::ZERO,
        tracing: Box::default(),
    }
}

#[test]
fn it_looks_at_once_and_again() {
    let (send, reports) = channel();
    let _watcher = Watcher::start_with(
        Arc::default(),
        |_| Ok((seen(), Vec::new())),
        move |report| drop(send.send(report)),
    );
    for _ in 0..3 {
        assert!(reports.recv_timeout(SOON).unwrap().outcome.is_ok());
    }
}

#[test]
fn errors_are_reported_and_looking_goes_on() {
    let (send, reports) = channel();
    let mut looks = 0;
    let look = move |_| {
        looks += 1;
        if looks == 1 { Err(Error::usage("not yet")) } else { Ok((seen(), Vec::new())) }
    };
    let _watcher = Watcher::start_with(Arc::default(), look, move |report| drop(send.send(report)));
    assert!(reports.recv_timeout(SOON).unwrap().outcome.is_err());
    assert!(reports.recv_timeout(SOON).unwrap().outcome.is_ok());
}

#[test]
fn dropping_ends_it() {
    let (send, reports) = channel();
    let watcher = Watcher::start_with(
        Arc::default(),
        |_| Ok((seen(), Vec::new())),
        move |report| drop(send.send(report)),
    );
    reports.recv_timeout(SOON).unwrap();
    drop(watcher);
    // The channel closes when the thread lets go of its end.
    while reports.recv_timeout(SOON).is_ok() {}
    assert!(reports.recv().is_err());
}

#[test]
fn a_look_that_hangs_does_not_keep_anybody() {
    let (begun, looking) = channel();
    let (_hold, held) = channel::<()>();
    let look = move |_| {
        begun.send(()).unwrap();
        // Until the test is over.
        let _ = held.recv();
        Ok((seen(), Vec::new()))
    };
    let watcher = Watcher::start_with(Arc::default(), look, |_| {}).unwrap();
    looking.recv_timeout(SOON).unwrap();
    let dropped = Instant::now();
    drop(watcher);
    assert!(dropped.elapsed() < SOON / 2, "{:?}", dropped.elapsed());
}

/// A watcher whose looks wait to be let through, one by one.
fn gated() -> (Watcher, Sender<()>, Receiver<()>, Arc<AtomicUsize>) {
    let (go, gate) = channel();
    let (begun, looking) = channel();
    let looks = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&looks);
    let look = move |_| {
        let _ = begun.send(());
        let _ = gate.recv();
        count.fetch_add(1, Ordering::SeqCst);
        Ok((seen(), Vec::new()))
    };
    (Watcher::start_with(Arc::default(), look, |_| {}).unwrap(), go, looking, looks)
}

#[test]
fn many_requests_during_a_look_are_one_look() {
    let (watcher, go, looking, looks) = gated();
    looking.recv_timeout(SOON).unwrap();
    for _ in 0..100 {
        watcher.look_now();
    }
    go.send(()).unwrap();
    looking.recv_timeout(SOON).unwrap();
    watcher.pause();
    go.send(()).unwrap();
    // All others were about the look that has ended: nothing is asked for any more.
    while looks.load(Ordering::SeqCst) < 2 {
        thread::yield_now();
    }
    assert!(!watcher.wakes.lock().asked.now);
    assert!(looking.try_recv().is_err());
}

#[test]
fn a_pause_lasts_until_it_is_over() {
    let (watcher, go, looking, _) = gated();
    looking.recv_timeout(SOON).unwrap();
    watcher.pause();
    watcher.look_now();
    go.send(()).unwrap();
    assert!(looking.recv_timeout(Duration::from_millis(300)).is_err());
    watcher.resume();
    looking.recv_timeout(SOON).unwrap();
    drop(go);
}

#[test]
fn many_touches_are_one() {
    let wakes = Wakes::default();
    wakes.touch(true);
    let first = wakes.lock().asked.touched;
    wakes.touch(false);
    assert_eq!(wakes.lock().asked.touched, first);
    assert!(wakes.lock().asked.names);
}

#[test]
fn the_fingerprint_is_of_who_has_what_in_any_order() {
    let other = || LockFacts { id: LockId::from_text("@other"), ..facts("/b") };
    let of = |locks| fingerprint_of(&snapshot(locks));
    let (one, both) = (of(vec![facts("/a")]), of(vec![facts("/a"), other()]));
    assert_eq!(both, of(vec![other(), facts("/a")]));
    assert_ne!(one, both);
    assert_ne!(one, of(vec![LockFacts { as_seen: AsSeen::of([2]), ..facts("/a") }]));
}
