//! What two looks prove, on made-up facts.

mod restored;

use std::borrow::Cow;

use super::*;
use crate::model::{
    Certainty, Details, Device, FileId, Grant, How, Mechanism, Naming, Range, Request, Sharer,
    Taker,
};

const SECOND: Duration = Duration::from_secs(1);

/// A table of locks, each taken by a process of its own, at `uptime` seconds.
struct Table {
    uptime: u64,
    locks: Vec<LockFacts>,
    processes: BTreeMap<Pid, Arc<Process>>,
    at_once: bool,
    kept: Vec<Kept>,
}

impl Table {
    fn at(uptime: u64) -> Self {
        Self {
            uptime,
            locks: Vec::new(),
            processes: BTreeMap::new(),
            at_once: true,
            kept: Vec::new(),
        }
    }

    fn process(mut self, pid: Pid, idle: Duration) -> Self {
        let ran_at = Duration::from_secs(self.uptime).checked_sub(idle);
        let process = Process { pid: Some(pid), start: Some(7), ran_at, ..Process::default() };
        self.processes.insert(pid, Arc::new(process));
        self
    }

    /// A lock taken by a living process that has not run for `idle`.
    fn held(mut self, inode: u64, pid: Pid, idle: Duration) -> Self {
        let place = self.locks.len() + self.kept.len();
        let mut lock = lock(inode, pid, Taker::Holds, place);
        lock.age.at_least(idle, Evidence::Scheduler);
        self.locks.push(lock);
        self.process(pid, idle)
    }

    /// A lock whose taker is gone.
    fn left(mut self, inode: u64, pid: Pid) -> Self {
        let place = self.locks.len() + self.kept.len();
        self.locks.push(lock(inode, pid, Taker::Gone, place));
        self
    }

    /// The lock of that number is as the last table had it, and stands next in this one.
    fn kept(mut self, inode: u64) -> Self {
        let id = lock(inode, 0, Taker::Holds, 0).id;
        self.kept.push(Kept { id, place: self.locks.len() + self.kept.len() });
        self
    }

    /// Makes a lock one that these processes share.
    fn shared_by(mut self, index: usize, readers: &[Pid]) -> Self {
        let lock = &mut self.locks[index];
        let grant = lock.grants[0].clone();
        let of =
            |&pid: &Pid| Grant { recorded_pid: Some(pid), mode: Mode::Shared, ..grant.clone() };
        lock.grants = readers.iter().map(of).collect();
        self
    }

    /// Gives a process so many threads.
    fn threads(mut self, pid: Pid, threads: u32) -> Self {
        let process = self.processes.get_mut(&pid).unwrap();
        Arc::make_mut(process).threads = Some(threads);
        self
    }

    fn waits(mut self, pid: Pid, idle: Duration) -> Self {
        let mut request = Request {
            pid: Some(pid),
            tid: Some(pid),
            inferred: false,
            timed: false,
            position: Some(1),
            depth: 1,
            mechanism: Mechanism::Flock,
            fd: Some(3),
            mode: Mode::Exclusive,
            range: Range::WHOLE,
            waited: Span::default(),
            last_ran: Some(idle),
            passed_by: 0,
            how: How::Kernel,
            declared: false,
            tries: None,
            pause: None,
        };
        request.waited.at_least(idle, Evidence::Scheduler);
        self.locks[0].requests.push(request);
        self.process(pid, idle)
    }

    fn enter(self, ledger: &mut Ledger) -> Facts {
        self.enter_told(ledger, &Testimony::default())
    }

    fn enter_told(self, ledger: &mut Ledger, testimony: &Testimony) -> Facts {
        let uptime = Duration::from_secs(self.uptime);
        let at = Moment { wall: jiff::Timestamp::UNIX_EPOCH, uptime };
        let look = Look {
            at,
            cost: Duration::ZERO,
            complete: true,
            absence_is_proof: self.at_once,
            notes: Vec::new(),
            locks: self.locks,
            declared: Vec::new(),
            kept: self.kept,
            processes: self.processes,
        };
        ledger.enter(at, vec![look], testimony)
    }
}

fn lock(inode: u64, pid: Pid, taker: Taker, place: usize) -> LockFacts {
    let file = FileId { device: Device { major: 8, minor: 1 }, inode };
    let sharer = Sharer { pid, fds: vec![3], certainty: Certainty::Proven, is_escrow: false };
    LockFacts {
        id: LockId::of_file("flock", file, Range::WHOLE),
        as_seen: AsSeen::of([]),
        family: Cow::Borrowed("flock"),
        mechanism: Mechanism::Flock,
        name: None,
        normal: false,
        file: Some(file),
        table_file: Some(file),
        path: None,
        naming: Naming::Same,
        range: Range::WHOLE,
        grants: vec![Grant {
            number: 1,
            mode: Mode::Exclusive,
            place,
            recorded_pid: Some(pid),
            taker,
            sharers: vec![sharer],
            elsewhere: None,
            remark: None,
        }],
        requests: Vec::new(),
        queue_cut: false,
        age: Span::default(),
        on_disk: None,
        abandoned: None,
        details: Details::default(),
    }
}

fn ledger() -> Ledger {
    Ledger::new(Host { name: "test".into(), boot_id: None })
}

#[test]
fn a_taker_that_slept_has_held_it_since_we_saw_it() {
    let mut ledger = ledger();
    Table::at(100).held(1, 10, SECOND).enter(&mut ledger);
    let facts = Table::at(160).held(1, 10, 61 * SECOND).enter(&mut ledger);
    assert_eq!(facts.locks[0].age.min, 61 * SECOND);
    assert_eq!(facts.locks[0].age.times_seen(), None);
}

#[test]
fn a_taker_that_is_gone_cannot_retake_it() {
    let mut ledger = ledger();
    Table::at(100).left(1, 10).enter(&mut ledger);
    Table::at(130).left(1, 10).enter(&mut ledger);
    let facts = Table::at(163).left(1, 10).enter(&mut ledger);
    assert_eq!(facts.locks[0].age.min, 63 * SECOND);
    assert_eq!(facts.locks[0].age.evidence, [Evidence::Observed]);
}

#[test]
fn a_taker_that_ran_may_have_retaken_it() {
    let mut ledger = ledger();
    Table::at(100).held(1, 10, SECOND).enter(&mut ledger);
    let facts = Table::at(160).held(1, 10, 2 * SECOND).enter(&mut ledger);
    assert_eq!(facts.locks[0].age.min, 2 * SECOND);
    assert_eq!(facts.locks[0].age.times_seen(), Some(2));
}

#[test]
fn another_taker_took_it_after_the_last_look() {
    let mut ledger = ledger();
    Table::at(100).held(1, 10, SECOND).enter(&mut ledger);
    let facts = Table::at(104).held(1, 11, Duration::ZERO).enter(&mut ledger);
    assert_eq!(facts.locks[0].age.max, Some(4 * SECOND));
    assert_eq!(facts.locks[0].age.times_seen(), None);
}

#[test]
fn what_was_not_in_a_whole_table_is_newer() {
    let mut ledger = ledger();
    Table::at(100).enter(&mut ledger);
    let facts = Table::at(104).held(1, 10, Duration::ZERO).enter(&mut ledger);
    assert_eq!(facts.locks[0].age.max, Some(4 * SECOND));

    let mut in_parts = Table::at(108).left(1, 10);
    in_parts.at_once = false;
    in_parts.enter(&mut ledger);
    let facts = Table::at(110).left(1, 10).left(2, 11).enter(&mut ledger);
    assert_eq!(facts.locks[1].age.max, None);
}

#[test]
fn a_record_that_moved_ahead_of_a_sleeper_was_retaken() {
    let mut ledger = ledger();
    Table::at(100).held(1, 10, 50 * SECOND).held(2, 11, SECOND).enter(&mut ledger);
    let facts =
        Table::at(104).held(2, 11, Duration::ZERO).held(1, 10, 54 * SECOND).enter(&mut ledger);
    let retaken = &facts.locks[0].age;
    assert_eq!((retaken.min, retaken.max), (Duration::ZERO, Some(4 * SECOND)));
    assert_eq!(facts.locks[1].age.min, 54 * SECOND);
}

#[test]
fn a_wait_lasts_while_its_thread_sleeps() {
    let mut ledger = ledger();
    Table::at(100).left(1, 9).waits(10, SECOND).enter(&mut ledger);
    let facts = Table::at(160).left(1, 9).waits(10, 61 * SECOND).enter(&mut ledger);
    assert_eq!(facts.locks[0].requests[0].waited.min, 61 * SECOND);
    // Woken by a signal, or done and back again: only the new sleep is certain.
    let facts = Table::at(170).left(1, 9).waits(10, 3 * SECOND).enter(&mut ledger);
    let waited = &facts.locks[0].requests[0].waited;
    assert_eq!((waited.min, waited.times_seen()), (3 * SECOND, Some(3)));
}

#[test]
fn the_fingerprint_is_of_the_holders() {
    let seen =
        |pid, uptime| Table::at(uptime).held(1, pid, SECOND).enter(&mut ledger()).locks[0].as_seen;
    assert_eq!(seen(10, 100), seen(10, 200));
    assert_ne!(seen(10, 100), seen(11, 100));
}

#[test]
fn a_reader_who_joins_does_not_renew_the_lock() {
    let mut ledger = ledger();
    // The first reader runs all the time; the second one's record is the newest of the table.
    let before = Table::at(100).held(9, 30, 50 * SECOND).held(1, 10, Duration::ZERO);
    before.shared_by(1, &[10]).enter(&mut ledger);
    let now = Table::at(104).held(1, 10, Duration::ZERO).held(9, 30, 54 * SECOND);
    let facts = now.process(11, Duration::ZERO).shared_by(0, &[11, 10]).enter(&mut ledger);
    assert_eq!((facts.locks[0].age.max, facts.locks[0].age.times_seen()), (None, Some(2)));
}

#[test]
fn a_reader_who_leaves_does_not_renew_other_locks() {
    let mut ledger = ledger();
    // The second reader's record is the newest, then comes the writer's, then the first reader's.
    let before = Table::at(100).held(1, 10, 50 * SECOND).held(2, 20, Duration::ZERO);
    let mut before = before.process(11, Duration::ZERO).shared_by(0, &[11, 10]);
    before.locks[0].grants[1].place = 2;
    before.enter(&mut ledger);
    let now = Table::at(104).held(2, 20, Duration::ZERO).held(1, 10, 54 * SECOND);
    let facts = now.shared_by(1, &[10]).enter(&mut ledger);
    assert_eq!((facts.locks[0].age.max, facts.retaken), (None, Vec::new()));
}

#[test]
fn a_thread_that_ended_may_have_retaken_it() {
    let age_with_threads_left = |threads| {
        let mut ledger = ledger();
        Table::at(100).held(1, 10, 50 * SECOND).threads(10, 2).enter(&mut ledger);
        let mut now = Table::at(160).held(1, 10, 110 * SECOND).threads(10, threads);
        now.locks[0].age = Span::default();
        now.enter(&mut ledger).locks[0].age.min
    };
    assert_eq!(age_with_threads_left(2), 110 * SECOND);
    assert_eq!(age_with_threads_left(1), Duration::ZERO);
}

#[test]
fn bytes_that_were_locked_with_others_are_not_new() {
    let mut ledger = ledger();
    let of_bytes = |mut table: Table, end| {
        let lock = &mut table.locks[0];
        let range = Range { start: 0, end: Some(end) };
        lock.mechanism = Mechanism::Posix;
        lock.range = range;
        lock.id = LockId::of_file("posix", lock.file.unwrap(), range);
        table
    };
    let table = |uptime| Table::at(uptime).held(1, 10, Duration::ZERO).waits(11, SECOND);
    table(90).enter(&mut ledger);
    of_bytes(table(100), 99).enter(&mut ledger);
    let facts = of_bytes(table(104), 49).enter(&mut ledger);
    assert_eq!(facts.locks[0].age.max, None);
    // Whoever waits for it waited for the whole before.
    assert_eq!(facts.locks[0].requests[0].waited.max, None);
}

#[test]
fn bytes_that_were_kept_meanwhile_are_not_new() {
    let mut ledger = ledger();
    let of_bytes = |mut table: Table, end| {
        let lock = &mut table.locks[0];
        lock.mechanism = Mechanism::Posix;
        lock.range = Range { start: 0, end: Some(end) };
        lock.id = LockId::of_file("posix", lock.file.unwrap(), lock.range);
        table
    };
    let facts = of_bytes(Table::at(100).left(1, 10), 99).enter(&mut ledger);
    let mut same = Table::at(102);
    same.kept = vec![Kept { id: facts.locks[0].id.clone(), place: 0 }];
    same.enter(&mut ledger);
    let facts = of_bytes(Table::at(104).left(1, 10), 49).enter(&mut ledger);
    assert_eq!(facts.locks[0].age.max, None);
}

#[test]
fn a_wait_whose_thread_becomes_known_is_not_new() {
    let mut ledger = ledger();
    let mut nameless = Table::at(100).left(1, 9).waits(10, SECOND);
    nameless.locks[0].requests[0].tid = None;
    nameless.enter(&mut ledger);
    let facts = Table::at(104).left(1, 9).waits(10, 5 * SECOND).enter(&mut ledger);
    assert_eq!(facts.locks[0].requests[0].waited.max, None);
    let facts = Table::at(106).left(1, 9).waits(11, SECOND).enter(&mut ledger);
    assert_eq!(facts.locks[0].requests[0].waited.max, Some(2 * SECOND));
}

#[test]
fn a_lock_that_was_kept_has_been_held_all_the_time() {
    let mut ledger = ledger();
    Table::at(100).held(1, 10, SECOND).enter(&mut ledger);
    Table::at(110).held(2, 11, SECOND).kept(1).enter(&mut ledger);
    Table::at(120).held(2, 11, SECOND).kept(1).enter(&mut ledger);
    let facts = Table::at(160).held(1, 10, 41 * SECOND).enter(&mut ledger);
    assert_eq!(facts.locks[0].age.min, 61 * SECOND);
    assert_eq!(facts.locks[0].age.times_seen(), None);
}

#[test]
fn a_lock_that_moved_ahead_of_one_that_was_kept_was_retaken() {
    let mut ledger = ledger();
    Table::at(100).held(1, 10, 50 * SECOND).held(2, 11, SECOND).enter(&mut ledger);
    let facts = Table::at(104).held(2, 11, Duration::ZERO).kept(1).enter(&mut ledger);
    assert_eq!(facts.locks[0].age.max, Some(4 * SECOND));
}

#[test]
fn where_a_lock_stands_is_followed_while_it_is_kept() {
    let mut ledger = ledger();
    Table::at(100).held(1, 10, 50 * SECOND).enter(&mut ledger);
    Table::at(101).held(2, 11, Duration::ZERO).kept(1).enter(&mut ledger);
    // Now it stands before the one that came to stand before it.
    let facts = Table::at(110).held(1, 10, Duration::ZERO).held(2, 11, 9 * SECOND);
    assert_eq!(facts.enter(&mut ledger).locks[0].age.max, Some(9 * SECOND));
}

/// The snapshot of a look, and its passing on by so many seconds.
fn passed(ledger: &mut Ledger, facts: Facts, seconds: u64) -> Snapshot {
    let mut snapshot = crate::diagnose::diagnose(facts);
    let mut at = snapshot.at;
    at.uptime += Duration::from_secs(seconds);
    ledger.pass(at.uptime, &mut snapshot, at);
    snapshot
}

#[test]
fn while_only_time_passes_locks_and_waits_grow_older() {
    let mut ledger = ledger();
    let facts = Table::at(100).held(1, 10, SECOND).waits(11, 2 * SECOND).enter(&mut ledger);
    let snapshot = passed(&mut ledger, facts, 7);
    assert_eq!(snapshot.locks[0].age.min, 8 * SECOND);
    assert_eq!(snapshot.locks[0].waiters[0].waited.min, 9 * SECOND);
    // What was there at that time counts from then on.
    let facts = Table::at(110).held(1, 12, Duration::ZERO).enter(&mut ledger);
    assert_eq!(facts.locks[0].age.max, Some(3 * SECOND));
}

#[test]
fn while_only_time_passes_gaps_are_still_counted() {
    let mut ledger = ledger();
    Table::at(100).held(1, 10, SECOND).enter(&mut ledger);
    let facts = Table::at(160).held(1, 10, 2 * SECOND).enter(&mut ledger);
    assert_eq!(facts.locks[0].age.times_seen(), Some(2));
    assert_eq!(passed(&mut ledger, facts, 1).locks[0].age.times_seen(), Some(3));
}

#[test]
fn readers_who_pass_a_writer_are_counted_while_he_waits() {
    let mut ledger = ledger();
    let mut look = |at, readers: &[Pid], idle| {
        let mut table = Table::at(at).held(1, readers[0], SECOND).waits(11, idle);
        let grants = readers.iter().map(|&pid| {
            let mut grant = table.locks[0].grants[0].clone();
            (grant.recorded_pid, grant.mode) = (Some(pid), Mode::Shared);
            grant.sharers[0].pid = pid;
            grant
        });
        table.locks[0].grants = grants.collect();
        let table = readers.iter().fold(table, |table, &pid| table.process(pid, SECOND));
        table.enter(&mut ledger).locks[0].requests[0].passed_by
    };
    assert_eq!(look(100, &[20, 21], SECOND), 0);
    assert_eq!(look(110, &[20, 21], 11 * SECOND), 0);
    assert_eq!(look(120, &[21], 21 * SECOND), 0, "one has left");
    assert_eq!(look(130, &[21, 22], 31 * SECOND), 1);
    assert_eq!(look(140, &[20, 23], 41 * SECOND), 3, "one has come back");
    // He ran in between: he may have had it.
    assert_eq!(look(150, &[24], SECOND), 0);
}

/// A testimony of the lock of that number.
fn told(inode: u64, by: u64, not_before: Option<u64>) -> Testimony {
    let since =
        Since { by: Duration::from_secs(by), not_before: not_before.map(Duration::from_secs) };
    let id = lock(inode, 0, Taker::Holds, 0).id;
    Testimony { held: HashMap::from([(id, since)]), ..Testimony::default() }
}

#[test]
fn what_was_told_is_exact_and_stays_so_as_far_as_it_is_proven() {
    let mut ledger = ledger();
    let exact = told(1, 95, Some(95));
    let age = |facts: Facts| facts.locks[0].age.clone();
    let seen = age(Table::at(100).held(1, 7, SECOND).enter_told(&mut ledger, &exact));
    assert_eq!((seen.min, seen.max), (5 * SECOND, Some(5 * SECOND)));
    assert_eq!(seen.evidence, [Evidence::Traced]);
    // Events were lost: it may be another one by now, and no older.
    let seen = age(Table::at(110).held(1, 7, SECOND).enter(&mut ledger));
    assert_eq!((seen.min, seen.max), (SECOND, Some(15 * SECOND)));
}

#[test]
fn a_lock_that_is_told_not_to_have_changed_is_the_same_whoever_runs() {
    let mut ledger = ledger();
    Table::at(100).held(1, 7, 40 * SECOND).enter(&mut ledger);
    let quiet = told(1, 50, None);
    let facts = Table::at(110).held(1, 7, SECOND).enter_told(&mut ledger, &quiet);
    let age = &facts.locks[0].age;
    assert_eq!(age.min, 60 * SECOND);
    assert_eq!(age.times_seen(), None);
}
