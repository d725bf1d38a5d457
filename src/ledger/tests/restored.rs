//! What a ledger knows that goes on from the text of another.

use proptest::prelude::*;

use super::*;
use crate::ledger::saved::MOST_BYTES;

/// Another process's ledger, which has read what this one has written.
fn handed_over(from: &Ledger) -> Ledger {
    let (text, left_out) = from.save().unwrap();
    assert_eq!(left_out, 0);
    let mut restored = ledger();
    restored.restore(&text, false).unwrap();
    restored
}

/// One of a few locks: its file, its taker, for how long that has slept, and what is odd about it.
type Draw = (u64, Pid, u64, u8);

fn table(uptime: u64, draws: &[Draw], at_once: bool) -> Table {
    let mut table = Table::at(uptime);
    table.at_once = at_once;
    let mut seen = HashSet::new();
    for &(inode, pid, idle, odd) in draws {
        if !seen.insert(inode) {
            continue;
        }
        let idle = Duration::from_secs(idle);
        table = if odd == 0 { table.left(inode, pid) } else { table.held(inode, pid, idle) };
        let lock = table.locks.last_mut().unwrap();
        match odd {
            1 => lock.grants[0].mode = Mode::Shared,
            2 => (lock.mechanism, lock.grants[0].recorded_pid) = (Mechanism::Ofd, None),
            _ => {}
        }
    }
    let waits = draws.first().filter(|_| !table.locks.is_empty());
    match waits {
        Some(&(_, pid, idle, _)) => table.waits(pid + 10, Duration::from_secs(idle)),
        None => table,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn one_that_goes_on_says_the_same_as_one_that_never_ended(
        looks in prop::collection::vec(
            (1..30_u64, prop::collection::vec((1..4_u64, 10..13, 0..40_u64, 0..4_u8), 0..4), any::<bool>()),
            1..8,
        )
    ) {
        let mut lasting = ledger();
        let mut process = ledger();
        let mut uptime = 100;
        for (pause, draws, at_once) in looks {
            uptime += pause;
            let told = table(uptime, &draws, at_once).enter(&mut lasting);
            prop_assert_eq!(table(uptime, &draws, at_once).enter(&mut process), told);
            process = handed_over(&process);
        }
    }
}

#[test]
fn a_number_that_can_have_been_reused_proves_nothing() {
    let age = |reused| {
        let mut first = ledger();
        Table::at(100).left(1, 10).enter(&mut first);
        let mut second = ledger();
        second.restore(&first.save().unwrap().0, reused).unwrap();
        Table::at(160).left(1, 10).enter(&mut second).locks[0].age.clone()
    };
    assert_eq!((age(false).min, age(false).times_seen()), (60 * SECOND, None));
    assert_eq!((age(true).min, age(true).times_seen()), (Duration::ZERO, Some(2)));
}

#[test]
fn what_goes_by_another_name_now_is_not_new() {
    let mut first = ledger();
    let mut before = Table::at(100).held(1, 10, Duration::ZERO);
    let lock = &mut before.locks[0];
    lock.id = LockId::of_file("ipfs", lock.file.unwrap(), Range::WHOLE);
    before.enter(&mut first);
    let facts = Table::at(160).held(1, 10, Duration::ZERO).held(2, 11, SECOND);
    let facts = facts.enter(&mut handed_over(&first));
    assert_eq!([facts.locks[0].age.max, facts.locks[1].age.max], [None, Some(60 * SECOND)]);
}

#[test]
fn whoever_was_not_seen_may_have_unlocked_an_open_file() {
    let mut first = ledger();
    let anonymous = |uptime, idle| {
        let mut table = Table::at(uptime).held(1, 10, idle);
        table.locks[0].grants[0].recorded_pid = None;
        table.locks[0].age = Span::default();
        table
    };
    anonymous(100, SECOND).enter(&mut first);
    let age = |ledger: &mut Ledger| {
        let facts = anonymous(160, 61 * SECOND).enter(ledger);
        facts.locks[0].age.min
    };
    assert_eq!(age(&mut handed_over(&first)), 60 * SECOND);
    first.last.as_mut().unwrap().complete = false;
    assert_eq!(age(&mut handed_over(&first)), Duration::ZERO);
}

#[test]
fn of_too_many_those_are_kept_that_were_seen_first() {
    let mut first = ledger();
    Table::at(100).left(1, 10).left(2, 10).enter(&mut first);
    let mut crowd = Table::at(110).left(1, 10).left(2, 10);
    for inode in 10..20_000 {
        crowd = crowd.left(inode, 11);
    }
    crowd.enter(&mut first);
    let (text, left_out) = first.save().unwrap();
    assert!(left_out >= 9_992 && text.len() < MOST_BYTES + 1000, "{left_out}, {}", text.len());
    let mut second = ledger();
    second.restore(&text, false).unwrap();
    let facts = Table::at(160).left(1, 10).left(2, 10).left(5, 12).enter(&mut second);
    let ages: Vec<_> = facts.locks.iter().map(|lock| lock.age.min).collect();
    assert_eq!(ages, [60 * SECOND, 60 * SECOND, Duration::ZERO]);
    // It can be one of those that were left out.
    assert_eq!(facts.locks[2].age.max, None);
}

#[test]
fn what_cannot_be_read_changes_nothing() {
    let mut first = ledger();
    Table::at(100).left(1, 10).enter(&mut first);
    let (text, _) = first.save().unwrap();
    for damaged in ["", "{}", &text[..text.len() - 3], &text.replace("flock\"", "clock\"")] {
        let mut second = ledger();
        assert!(second.restore(damaged, false).is_err(), "{damaged}");
        assert!(second.last.is_none() && second.held.is_empty());
    }
}
