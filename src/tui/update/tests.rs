//! What actions and reports do to the state.

use std::sync::Arc;
use std::time::{Duration, Instant};

use locktop::Selection;
use locktop::model::{LockId, Snapshot, Verdict};
use locktop::watch::{Report, Seen};

use super::*;
use crate::tui::keys::Mode;
use crate::tui::samples;
use crate::tui::sort::Sort;

mod happened;
mod ours;
mod release;

const SECOND: Duration = Duration::from_secs(1);

/// A dashboard and a clock that only the test moves.
struct Desk {
    state: State,
    now: Instant,
}

impl Desk {
    fn new(first: Snapshot) -> Self {
        let mut desk = Self { state: State::default(), now: Instant::now() };
        desk.see(first);
        desk
    }

    /// A second later, a look shows this.
    fn see(&mut self, snapshot: Snapshot) {
        self.now += SECOND;
        let seen = Seen {
            snapshot: Arc::new(snapshot),
            selection: Ok(Selection::all()),
            refused: Vec::new(),
            stalled: Duration::ZERO,
            tracing: Box::default(),
        };
        self.state.receive(Report {
            outcome: Ok(seen),
            at: self.now,
            cost: Duration::from_millis(4),
            interval: SECOND,
            note: None,
            events: Vec::new(),
        });
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.state.tick(self.now);
    }

    fn press(&mut self, action: Action) -> Option<Effect> {
        update(&mut self.state, action, self.now)
    }

    fn type_in(&mut self, text: &str) {
        for c in text.chars() {
            assert_eq!(self.press(Action::Type(c)), None);
        }
    }

    /// The names of the rows' files, from top to bottom; in brackets if ended.
    fn rows(&self) -> Vec<String> {
        let rows = (0..self.state.rows.len()).filter_map(|at| self.state.rows.get(at));
        rows.map(|row| {
            let name = row.lock.label().rsplit('/').next().unwrap_or_default().to_owned();
            if row.ended.is_some() { format!("({name})") } else { name }
        })
        .collect()
    }

    fn chosen(&self) -> String {
        let lock = self.state.chosen_lock().map(|shown| shown.lock.label());
        lock.unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned()
    }
}

/// Three locks, with so many seconds of waiting each; 0: nobody waits.
fn three(uptime: u64, waits: [u64; 3]) -> Snapshot {
    let locks = ["a", "b", "c"].iter().zip(waits).zip(1..).map(|((name, wait), inode)| {
        let holder = samples::process(100 + inode, name, "root");
        let lock = samples::lock(inode as u64, &format!("/run/{name}"), &[holder]);
        let waiter = (samples::process(200 + inode, "waiter", "root"), wait, 1);
        if wait > 0 { samples::queued(lock, &[waiter]) } else { lock }
    });
    samples::snapshot(uptime, locks.collect())
}

#[test]
fn the_choice_follows_its_lock() {
    let mut desk = Desk::new(three(100, [30, 20, 10]));
    assert_eq!(
        (desk.rows(), desk.chosen()),
        (vec!["a".into(), "b".into(), "c".into()], "a".into())
    );
    desk.press(Action::Move(Step::Lines(1)));
    desk.see(three(101, [0, 21, 90]));
    assert_eq!((desk.rows()[1].as_str(), desk.chosen().as_str()), ("b", "b"));
    desk.see(three(102, [40, 0, 0]));
    assert_eq!((desk.rows()[1].as_str(), desk.chosen().as_str()), ("b", "b"));
    desk.see(three(103, [40, 0, 90]));
    assert_eq!((desk.rows()[2].as_str(), desk.chosen().as_str()), ("b", "b"));
}

#[test]
fn jitter_does_not_reorder() {
    let mut desk = Desk::new(three(100, [30, 30, 30]));
    let before = desk.rows();
    for (uptime, waits) in [(101, [30, 32, 31]), (102, [33, 31, 32]), (103, [32, 33, 33])] {
        desk.see(three(uptime, waits));
        assert_eq!(desk.rows(), before);
    }
    desk.see(three(104, [34, 34, 60]));
    assert_eq!(desk.rows()[0], "c");
}

#[test]
fn a_verdict_reorders() {
    let mut desk = Desk::new(three(100, [30, 20, 10]));
    let mut next = three(101, [31, 21, 11]);
    next.locks.iter_mut().find(|lock| lock.label() == "/run/c").unwrap().verdict = Verdict::Stuck;
    desk.see(next);
    assert_eq!(desk.rows(), ["c", "a", "b"]);
}

#[test]
fn a_lock_that_ended_lingers_in_its_place() {
    let mut desk = Desk::new(three(100, [30, 20, 10]));
    let mut next = three(101, [31, 21, 11]);
    next.locks.retain(|lock| lock.label() != "/run/b");
    desk.see(next.clone());
    assert_eq!(desk.rows(), ["a", "(b)", "c"]);
    assert_eq!(desk.state.rows.total(), 2);
    desk.see(next);
    desk.wait(2 * SECOND);
    assert_eq!(desk.rows(), ["a", "(b)", "c"]);
    desk.wait(2 * SECOND);
    assert_eq!(desk.rows(), ["a", "c"]);
}

#[test]
fn a_lock_that_comes_back_in_time_is_the_same_row() {
    let mut desk = Desk::new(three(100, [30, 20, 10]));
    desk.press(Action::Move(Step::Lines(1)));
    desk.see(three(101, [31, 0, 11]).without("/run/b"));
    desk.see(three(102, [32, 22, 12]));
    assert_eq!((desk.rows()[1].as_str(), desk.chosen().as_str()), ("b", "b"));
}

#[test]
fn when_the_chosen_lock_is_gone_its_neighbour_is_chosen() {
    let mut desk = Desk::new(three(100, [30, 20, 10]));
    desk.press(Action::Move(Step::Last));
    desk.see(three(101, [31, 21, 0]).without("/run/c"));
    assert_eq!(desk.chosen(), "c");
    desk.wait(10 * SECOND);
    assert_eq!(desk.chosen(), "b");
    desk.see(samples::snapshot(102, vec![]));
    desk.wait(10 * SECOND);
    assert_eq!((desk.rows().len(), desk.chosen().as_str()), (0, ""));
    desk.see(three(103, [1, 2, 3]));
    assert_ne!(desk.chosen(), "");
}

trait Without {
    fn without(self, path: &str) -> Self;
}

impl Without for Snapshot {
    fn without(mut self, path: &str) -> Self {
        self.locks.retain(|lock| lock.label() != path);
        self
    }
}

#[test]
fn a_frozen_picture_stays_while_looking_goes_on() {
    let mut desk = Desk::new(three(100, [30, 20, 10]));
    desk.press(Action::Freeze);
    let moment = desk.state.moment(desk.now);
    desk.see(three(101, [0, 0, 0]).without("/run/a"));
    desk.wait(60 * SECOND);
    assert_eq!(desk.rows(), ["a", "b", "c"]);
    assert_eq!(desk.state.moment(desk.now), moment);
    assert_eq!(desk.state.rows.snapshot().map(|seen| seen.at.uptime), Some(100 * SECOND));
    desk.press(Action::Freeze);
    assert_eq!(desk.rows(), ["(a)", "b", "c"]);
    assert_eq!(desk.state.moment(desk.now), desk.now);
}

#[test]
fn a_filter_narrows_while_it_is_typed() {
    let mut desk = Desk::new(samples::busy_machine());
    let all = desk.rows().len();
    desk.press(Action::Filter);
    desk.type_in("path:dpkg");
    assert_eq!(desk.rows(), ["lock-frontend"]);
    desk.press(Action::EraseWord);
    assert_eq!(desk.rows().len(), all);
    desk.type_in("verdict:stale x");
    desk.press(Action::Erase);
    assert_eq!(desk.press(Action::Accept), None);
    assert_eq!((desk.state.mode(), desk.rows()), (Mode::List, vec!["index.lock".into()]));
    desk.press(Action::Filter);
    desk.press(Action::EraseAll);
    assert_eq!(desk.rows().len(), all);
    // What was there before comes back, then goes.
    desk.press(Action::Back);
    assert_eq!(desk.rows(), ["index.lock"]);
    desk.press(Action::Back);
    assert_eq!(desk.rows().len(), all);
}

#[test]
fn every_column_sorts_both_ways() {
    let mut desk = Desk::new(samples::busy_machine());
    for column in Column::ALL {
        desk.state.sort = Sort { column, reversed: false };
        desk.state.arrange();
        let forth = desk.rows();
        desk.press(Action::SortBy(column));
        let mut back = desk.rows();
        back.reverse();
        assert_eq!(forth, back, "{column:?}");
    }
    desk.state.sort = Sort::default();
    desk.press(Action::SortBy(Column::Held));
    assert_eq!(desk.rows()[0], "lock-frontend");
    desk.press(Action::SortBy(Column::Queue));
    assert_eq!(desk.rows()[0], "lock-frontend");
    desk.press(Action::SortBy(Column::Lock));
    assert_eq!(desk.rows()[0], "index.lock");
}

#[test]
fn the_menu_sorts() {
    let mut desk = Desk::new(samples::busy_machine());
    desk.press(Action::SortMenu);
    desk.press(Action::Move(Step::Lines(1)));
    desk.press(Action::Accept);
    let by_lock = Sort { column: Column::Lock, reversed: false };
    assert_eq!((desk.state.sort, desk.state.mode()), (by_lock, Mode::List));
}

#[test]
fn problems_are_what_needs_a_person() {
    let mut desk = Desk::new(samples::busy_machine());
    desk.press(Action::Problems);
    assert_eq!(desk.rows(), ["stock.lock", "orders.lock", "lock-frontend", "index.lock"]);
    desk.press(Action::Problems);
    assert_eq!(desk.rows().len(), 7);
}

#[test]
fn the_tree_and_the_table_share_their_choice() {
    let mut desk = Desk::new(samples::busy_machine());
    let at = desk.rows().iter().position(|name| name == "lock-frontend").unwrap();
    desk.state.choose(at);
    desk.press(Action::Tree);
    assert_eq!(desk.chosen(), "lock-frontend");
    let place = desk.state.place().unwrap();
    desk.press(Action::Move(Step::Lines(1)));
    assert_eq!((desk.state.place(), desk.chosen().as_str()), (Some(place + 1), "lock-frontend"));
    // The same look again: the waiter's line stays chosen.
    desk.see(samples::busy_machine());
    assert_eq!(desk.state.place(), Some(place + 1));
    desk.press(Action::Tree);
    assert_eq!(desk.state.place(), Some(at));
}

#[test]
fn a_click_chooses_and_another_opens() {
    let mut desk = Desk::new(three(100, [30, 20, 10]));
    let choice = desk.state.choice(2).unwrap();
    desk.press(Action::Choose(choice.clone()));
    assert_eq!((desk.chosen().as_str(), desk.state.mode()), ("c", Mode::List));
    desk.press(Action::Choose(choice));
    assert_eq!(desk.state.mode(), Mode::Detail);
    desk.press(Action::Back);
    assert_eq!(desk.state.mode(), Mode::List);
}

#[test]
fn a_click_on_a_row_that_moved_meanwhile_chooses_what_was_seen() {
    let mut desk = Desk::new(three(100, [30, 20, 10]));
    let choice = desk.state.choice(2).unwrap();
    desk.see(three(101, [0, 0, 50]));
    desk.press(Action::Choose(choice));
    assert_eq!(desk.chosen(), "c");
}

#[test]
fn overlays_stack() {
    let mut desk = Desk::new(three(100, [30, 20, 10]));
    desk.press(Action::Open);
    desk.press(Action::Help);
    assert_eq!(desk.state.mode(), Mode::Page);
    desk.press(Action::Back);
    assert_eq!(desk.state.mode(), Mode::Detail);
    desk.press(Action::Open);
    assert_eq!(desk.state.mode(), Mode::List);
}

#[test]
fn what_reaches_beyond_the_state_is_an_effect() {
    let mut desk = Desk::new(three(100, [30, 20, 10]));
    assert_eq!(desk.press(Action::CopyPath), Some(Effect::Copy("/run/a".into())));
    assert!(desk.state.message.is_some());
    desk.wait(10 * SECOND);
    assert!(desk.state.message.is_none());
    assert_eq!(desk.press(Action::Quit), Some(Effect::Quit));
    assert_eq!(desk.press(Action::Suspend), Some(Effect::Suspend));
    assert!(matches!(desk.press(Action::Interrupt), Some(Effect::Die(_))));
}

#[test]
fn nothing_is_done_with_nothing() {
    let mut desk = Desk { state: State::default(), now: Instant::now() };
    for action in [Action::Open, Action::Tree, Action::CopyPath, Action::CopyExplanation] {
        assert_eq!(desk.press(action), None);
    }
    for step in [Step::Lines(1), Step::Pages(-1), Step::First, Step::Last] {
        desk.press(Action::Move(step));
        desk.press(Action::ScrollDetail(step));
    }
    assert_eq!(desk.state.mode(), Mode::List);
}

#[test]
fn a_failed_look_keeps_the_picture() {
    let mut desk = Desk::new(three(100, [30, 20, 10]));
    let error = locktop::Target::parse("".as_ref()).unwrap_err();
    desk.state.receive(Report {
        outcome: Err(error.into()),
        at: desk.now,
        cost: SECOND,
        interval: SECOND,
        note: None,
        events: Vec::new(),
    });
    assert!(desk.state.feed.error.is_some());
    assert_eq!(desk.rows().len(), 3);
    desk.see(three(101, [31, 21, 11]));
    assert!(desk.state.feed.error.is_none());
}

#[test]
fn the_cost_is_shown_steadily() {
    let mut desk = Desk::new(three(100, [30, 20, 10]));
    let shown = desk.state.feed.cost.shown;
    let mut look = |ms| {
        desk.state.receive(Report {
            outcome: Err(locktop::Target::parse("".as_ref()).unwrap_err().into()),
            at: desk.now,
            cost: Duration::from_millis(ms),
            interval: SECOND,
            note: None,
            events: Vec::new(),
        });
        desk.state.feed.cost.shown
    };
    for ms in [3, 5, 4, 6, 3, 9, 4] {
        assert_eq!(look(ms), shown);
    }
    assert!((0..50).map(|_| look(80)).last() > Some(shown * 10));
}

#[test]
fn a_thousand_locks_can_come_and_go() {
    let many = |from: u64| {
        let locks = (from..from + 1000).map(|inode| {
            samples::lock(inode, &format!("/run/{inode}"), &[samples::process(1, "x", "root")])
        });
        samples::snapshot(100 + from, locks.collect())
    };
    let mut desk = Desk::new(many(0));
    desk.press(Action::Move(Step::Last));
    desk.see(many(500));
    assert_eq!((desk.rows().len(), desk.state.rows.total()), (1500, 1000));
    assert!(desk.state.rows.position(&LockId::from_text("@flock:fe:00:1:~")).is_some());
    desk.wait(10 * SECOND);
    assert_eq!(desk.rows().len(), 1000);
}
