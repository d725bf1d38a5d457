//! Records as Linux 6.18 printed them, and what they mean.

use std::time::Duration;

use super::machine::{Limits, Machine, Outcome};
use crate::model::{Device, EventKind, FileId, Mechanism, Mode, Pid, Range};
use crate::system::trace::{Answer, Asked, Loss, Record, What};

const MS: Duration = Duration::from_millis(1);
const FILE: FileId = FileId { device: Device { major: 8, minor: 1 }, inode: 5 };
const EX: Option<Mode> = Some(Mode::Exclusive);
const SH: Option<Mode> = Some(Mode::Shared);

/// A machine, and the time.
struct Desk {
    machine: Machine,
    now: Duration,
}

impl Desk {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        Self { machine: Machine::new(Duration::ZERO, limits), now: Duration::ZERO }
    }

    fn record(&mut self, tid: Pid, what: What) -> Outcome {
        self.now += MS;
        self.machine.enter(Record { at: self.now, tid, what })
    }

    /// Whoever asks for a flock, through an open file, is told this.
    fn flock(&mut self, tid: Pid, owner: u64, mode: Option<Mode>, answer: Answer) -> Vec<String> {
        self.asks(tid, owner, Mechanism::Flock, mode, Range::WHOLE, answer)
    }

    fn asks(
        &mut self,
        tid: Pid,
        owner: u64,
        mechanism: Mechanism,
        mode: Option<Mode>,
        range: Range,
        answer: Answer,
    ) -> Vec<String> {
        let asked = Asked { file: FILE, owner, pid: Some(tid), mechanism, mode, range, answer };
        sketch(&self.record(tid, What::Lock(asked)))
    }

    fn posix(&mut self, pid: Pid, mode: Option<Mode>, start: u64, end: u64) -> Vec<String> {
        let range = Range { start, end: Some(end) };
        self.asks(pid, pid.unsigned_abs().into(), Mechanism::Posix, mode, range, Answer::Yes)
    }

    /// Of what is held: the range, and since when in milliseconds, at the earliest and the latest.
    fn held(&self) -> Vec<String> {
        let held = self.machine.held_of(FILE);
        let ms = |time: Duration| time.as_millis();
        let mut held: Vec<_> = held
            .map(|of| {
                format!("{} {} {}-{}", of.mode.word(), of.range, ms(of.any_since), ms(of.all_since))
            })
            .collect();
        held.sort_unstable();
        held
    }
}

fn sketch(outcome: &Outcome) -> Vec<String> {
    let of = |told: &super::machine::Transition| {
        let lasted = told.lasted.map_or_else(String::new, |(min, max)| {
            let (min, max) = (min.as_millis(), max.as_millis());
            if min == max { format!(" after {min}") } else { format!(" after {min}-{max}") }
        });
        let range =
            if told.range == Range::WHOLE { String::new() } else { format!(" {}", told.range) };
        format!("{} {}{range}{lasted}", told.tid, told.kind)
    };
    let mut told: Vec<_> = outcome.transitions.iter().map(of).collect();
    told.extend(outcome.failed.iter().map(|tried| format!("{} tried", tried.tid)));
    told
}

#[test]
fn a_lock_is_taken_waited_for_and_handed_over() {
    let mut desk = Desk::new();
    assert_eq!(desk.flock(10, 1, EX, Answer::Yes), ["10 acquired"]);
    assert_eq!(desk.flock(11, 2, EX, Answer::Wait), ["11 queued"]);
    assert_eq!(desk.machine.waiting(11).unwrap().since, 2 * MS);
    assert_eq!(desk.flock(10, 1, None, Answer::Yes), ["10 released after 2"]);
    assert_eq!(desk.flock(11, 2, EX, Answer::Yes), ["11 granted after 2"]);
    assert_eq!(desk.held(), ["exclusive ~ 4-4"]);
    // Closed after it was unlocked.
    assert_eq!(desk.flock(10, 1, None, Answer::Yes), [""; 0]);
    assert_eq!(desk.flock(11, 2, None, Answer::Yes), ["11 released after 2"]);
    assert_eq!(desk.held(), [""; 0]);
}

#[test]
fn the_next_one_can_be_told_to_have_it_first() {
    let mut desk = Desk::new();
    desk.flock(10, 1, EX, Answer::Yes);
    desk.flock(11, 2, EX, Answer::Wait);
    assert_eq!(desk.flock(11, 2, EX, Answer::Yes), ["11 granted after 1"]);
    assert_eq!(desk.flock(10, 1, None, Answer::Yes), ["10 released after 3"]);
    assert_eq!(desk.held(), ["exclusive ~ 3-3"]);
}

#[test]
fn whoever_has_it_already_takes_nothing() {
    let mut desk = Desk::new();
    desk.flock(10, 1, SH, Answer::Yes);
    assert_eq!(desk.flock(10, 1, SH, Answer::Yes), [""; 0]);
    assert_eq!(desk.held(), ["shared ~ 1-1"]);
}

#[test]
fn a_conversion_lets_go_first() {
    let mut desk = Desk::new();
    desk.flock(10, 1, EX, Answer::Yes);
    assert_eq!(desk.flock(10, 1, SH, Answer::Yes), ["10 released after 1", "10 acquired"]);
    desk.flock(11, 2, SH, Answer::Yes);
    // Without success too: the kernel has dropped what it had.
    assert_eq!(desk.flock(10, 1, EX, Answer::No), ["10 released after 2", "10 tried"]);
    assert_eq!(desk.flock(11, 2, EX, Answer::Yes), ["11 released after 2", "11 acquired"]);
    assert_eq!(desk.held(), ["exclusive ~ 5-5"]);
}

#[test]
fn whoever_never_had_it_gives_nothing_back() {
    let mut desk = Desk::new();
    desk.flock(10, 1, EX, Answer::Yes);
    assert_eq!(desk.flock(11, 2, EX, Answer::No), ["11 tried"]);
    assert_eq!(desk.flock(11, 2, None, Answer::Yes), [""; 0]);
    assert_eq!(desk.machine.unlocks_seen(FILE, true).len(), 1);
    assert_eq!(desk.held(), ["exclusive ~ 1-1"]);
}

#[test]
fn a_waiter_that_is_killed_has_given_up_when_its_file_closes() {
    let mut desk = Desk::new();
    desk.flock(10, 1, EX, Answer::Yes);
    desk.flock(11, 2, EX, Answer::Wait);
    desk.now += 50 * MS;
    // It can have been over long before, had a handler run.
    assert_eq!(desk.flock(11, 2, None, Answer::Yes), ["11 gave-up after 0-51"]);
    assert!(desk.machine.waiting(11).is_none());
}

#[test]
fn a_waiter_that_two_looks_do_not_show_has_given_up() {
    let mut desk = Desk::new();
    desk.flock(10, 1, EX, Answer::Yes);
    desk.flock(11, 2, EX, Answer::Wait);
    let mut look = |began: u32, shown: bool| {
        let gone = desk.machine.seen_waiting(began * MS, (began + 1) * MS, &|_| shown);
        sketch(&Outcome { transitions: gone, failed: None })
    };
    assert_eq!(look(1, false), [""; 0], "it began to wait later");
    assert_eq!(look(10, true), [""; 0]);
    assert_eq!(look(20, false), [""; 0], "it may be on its way");
    assert_eq!(look(30, false), ["11 gave-up after 8-19"]);
}

#[test]
fn stopped_and_continued_it_has_waited_all_the_time() {
    let mut desk = Desk::new();
    desk.flock(10, 1, EX, Answer::Yes);
    desk.flock(11, 2, EX, Answer::Wait);
    assert_eq!(desk.flock(11, 2, EX, Answer::Wait), [""; 0]);
    desk.flock(10, 1, None, Answer::Yes);
    assert_eq!(desk.flock(11, 2, EX, Answer::Yes), ["11 granted after 3"]);
}

#[test]
fn bytes_split_and_grow_together() {
    let mut desk = Desk::new();
    assert_eq!(desk.posix(10, EX, 0, 99), ["10 acquired 0-99"]);
    assert_eq!(desk.posix(10, None, 40, 59), ["10 released 40-59 after 1"]);
    assert_eq!(desk.held(), ["exclusive 0-39 1-1", "exclusive 60-99 1-1"]);
    assert_eq!(desk.posix(10, EX, 0, 99), ["10 acquired 0-99"]);
    assert_eq!(desk.held(), ["exclusive 0-99 1-3"]);
    assert_eq!(desk.posix(10, SH, 0, 9), ["10 released 0-9 after 1-3", "10 acquired 0-9"]);
    // All that a process closes.
    assert_eq!(desk.posix(10, None, 0, i64::MAX as u64).len(), 2);
    assert_eq!(desk.held(), [""; 0]);
}

#[test]
fn what_was_held_at_a_look_can_be_over() {
    let mut desk = Desk::new();
    desk.flock(10, 1, EX, Answer::Yes);
    let look = desk.now;
    desk.flock(10, 1, None, Answer::Yes);
    desk.flock(11, 2, EX, Answer::Yes);
    let held: Vec<_> = desk
        .machine
        .held_at(look, FILE, Mechanism::Flock, Range::WHOLE)
        .map(|held| held.tid)
        .collect();
    assert_eq!(held, [10]);
    assert!(desk.machine.quiet_since(FILE) > look);
    desk.machine.looked(desk.now + MS);
    assert_eq!(desk.machine.held_at(look, FILE, Mechanism::Flock, Range::WHOLE).count(), 0);
}

#[test]
fn after_a_loss_nothing_is_known_of_before() {
    let mut desk = Desk::new();
    desk.flock(10, 1, EX, Answer::Yes);
    desk.flock(11, 2, EX, Answer::Wait);
    let loss = Loss { after: desk.now, before: 9 * MS, count: 3 };
    desk.machine.lose(loss);
    assert_eq!(desk.machine.since(), 9 * MS);
    assert_eq!(desk.machine.quiet_since(FILE), 9 * MS);
    assert_eq!(desk.held(), [""; 0]);
    desk.now = 10 * MS;
    // He has waited, but nobody knows whether all the time.
    assert_eq!(desk.flock(11, 2, EX, Answer::Yes), ["11 acquired"]);
}

#[test]
fn whoever_waits_for_a_lease_waits_until_it_does_not() {
    let mut desk = Desk::new();
    desk.record(11, What::BreakBegins(FILE));
    desk.record(11, What::BreakBegins(FILE));
    assert_eq!(desk.machine.waiting(11).unwrap().since, MS);
    assert_eq!(desk.record(11, What::BreakEnds(FILE)), Outcome::default());
    assert!(desk.machine.waiting(11).is_none());
}

#[test]
fn memory_is_bounded() {
    let limits = Limits { states: 100, ranges: 10 };
    let mut desk = Desk::with(limits);
    for number in 0..10_000_i32 {
        let file = FileId { inode: u64::from(number.unsigned_abs()), ..FILE };
        let asked = |mode, answer| Asked {
            file,
            owner: u64::from(number.unsigned_abs()),
            pid: None,
            mechanism: Mechanism::Posix,
            mode,
            range: Range { start: 20 * u64::from(number.unsigned_abs()), end: Some(3) },
            answer,
        };
        desk.record(number, What::Lock(asked(EX, Answer::Yes)));
        desk.record(number, What::Lock(asked(EX, Answer::Wait)));
        desk.record(-number, What::Lock(asked(None, Answer::Yes)));
        desk.posix(
            -1,
            EX,
            20 * u64::from(number.unsigned_abs()),
            20 * u64::from(number.unsigned_abs()) + 3,
        );
    }
    assert!(desk.machine.sizes().into_iter().all(|size| size <= 101), "{:?}", desk.machine.sizes());
    assert!(desk.machine.dropped() > 0);
    assert!(desk.machine.quiet_since(FileId { inode: 1, ..FILE }) > Duration::ZERO);
}

#[test]
fn kinds_that_are_told() {
    use super::{covers, tells};
    assert!(covers(Mechanism::Flock) && covers(Mechanism::Ofd) && !covers(Mechanism::Lease));
    assert!(tells(EventKind::GaveUp) && !tells(EventKind::VerdictChanged));
}
