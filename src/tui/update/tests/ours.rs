//! Waiting and taking, as far as the state goes.

use locktop::acquire::Waiting;
use locktop::model::{Mechanism, Pid};

use super::*;
use crate::tui::mine::{End, Entry, News, Stage};
use crate::tui::order::Purpose::{self, Take, Wait};

const ME: u32 = 4242;

impl Desk {
    /// Asks for the chosen lock; the entry's number.
    fn ask(&mut self, purpose: Purpose) -> Number {
        match self.press(Action::Ask(purpose)) {
            Some(Effect::Begin(number, order)) => {
                assert_eq!(order.purpose, purpose);
                number
            }
            other => panic!("{other:?}, {:?}", self.state.message),
        }
    }

    fn hear(&mut self, number: Number, news: News) -> Option<Effect> {
        hear(&mut self.state, number, news, self.now)
    }

    fn ends(&mut self, number: Number, end: End) -> Option<Effect> {
        self.hear(number, News::Over(end))
    }

    /// What was said last.
    fn said(&self) -> &str {
        self.state.message.as_ref().map_or("", |message| &message.text)
    }

    /// How far each entry is.
    fn words(&self) -> Vec<&'static str> {
        self.state.mine.iter().map(Entry::word).collect()
    }

    fn stage(&mut self, number: Number) -> Stage {
        self.state.mine.entry(number).unwrap().stage.clone()
    }
}

fn desk() -> Desk {
    let mut desk = Desk::new(three(100, [30, 20, 10]));
    desk.state.me = Pid::try_from(ME).ok();
    desk
}

fn waiting(position: u32) -> News {
    News::Waiting(Box::new(Waiting {
        name: "/run/a".into(),
        waited: SECOND,
        lock: None,
        position: Some(position),
        blind: None,
        looked: true,
        changed: true,
    }))
}

#[test]
fn a_wait_rings_when_the_lock_is_free() {
    let mut desk = desk();
    let number = desk.ask(Wait);
    assert_eq!(desk.said(), "waiting for flock:/run/a; m shows it");
    desk.wait(5 * SECOND);
    assert_eq!(desk.hear(number, waiting(2)), None);
    assert_eq!(desk.state.mine.counts().waiting, 1);
    desk.wait(5 * SECOND);
    assert_eq!(desk.ends(number, End::Free), Some(Effect::Bell));
    assert_eq!(desk.said(), "/run/a is free after 10s");
    // It stays as it is until it is dismissed.
    desk.wait(60 * SECOND);
    assert_eq!(desk.words(), ["free now"]);
    assert_eq!(desk.stage(number), Stage::Over { end: End::Free, lasted: 10 * SECOND });
    assert!(!desk.state.mine.counts().is_active());
    assert_eq!(desk.press(Action::Quit), Some(Effect::Quit));
}

#[test]
fn what_is_taken_is_held_until_it_is_given_back() {
    let mut desk = desk();
    let number = desk.ask(Take);
    desk.wait(3 * SECOND);
    assert_eq!(desk.hear(number, News::Held(None)), Some(Effect::Bell));
    assert_eq!(desk.said(), "/run/a is yours after 3.0s; m, then x, gives it back");
    desk.press(Action::Mine);
    assert_eq!(desk.press(Action::Cancel), None);
    assert!(desk.said().contains("x gives the lock back"), "{}", desk.said());
    desk.wait(7 * SECOND);
    assert_eq!(desk.press(Action::GiveBack), Some(Effect::GiveBack(number)));
    assert_eq!(desk.press(Action::GiveBack), None);
    assert_eq!(desk.words(), ["giving back"]);
    assert_eq!(desk.ends(number, End::Returned), None);
    assert_eq!(desk.stage(number), Stage::Over { end: End::Returned, lasted: 7 * SECOND });
}

#[test]
fn a_cancelled_wait_never_rings() {
    let mut desk = desk();
    let number = desk.ask(Wait);
    desk.press(Action::Mine);
    assert_eq!(desk.press(Action::GiveBack), None);
    assert!(desk.said().contains("c cancels the wait"), "{}", desk.said());
    assert_eq!(desk.press(Action::Cancel), Some(Effect::Cancel(number)));
    assert_eq!(desk.press(Action::Cancel), None);
    assert_eq!(desk.words(), ["cancelling"]);
    assert_eq!(desk.ends(number, End::Cancelled), None);
    assert_eq!(desk.words(), ["cancelled"]);
}

#[test]
fn a_lock_that_comes_in_the_instant_of_the_cancel_goes_back() {
    let mut desk = desk();
    let number = desk.ask(Take);
    desk.press(Action::Mine);
    desk.press(Action::Cancel);
    assert_eq!(desk.hear(number, News::Held(None)), Some(Effect::GiveBack(number)));
    assert_eq!(desk.words(), ["giving back"]);
    assert_eq!(desk.ends(number, End::Returned), None);
}

#[test]
fn nothing_is_asked_for_twice_at_once() {
    let mut desk = desk();
    let wait = desk.ask(Wait);
    assert_eq!(desk.press(Action::Ask(Wait)), None);
    assert!(desk.said().contains("waits for it already"), "{}", desk.said());
    let take = desk.ask(Take);
    desk.hear(take, News::Held(None));
    assert_eq!(desk.press(Action::Ask(Take)), None);
    assert!(desk.said().contains("has it already"), "{}", desk.said());
    desk.ends(wait, End::Free);
    desk.ends(take, End::Returned);
    desk.ask(Take);
    assert_eq!(desk.words(), ["free now", "given back", "waiting"]);
}

#[test]
fn several_are_under_way_at_once() {
    let mut desk = desk();
    let first = desk.ask(Wait);
    desk.press(Action::Move(Step::Lines(1)));
    let second = desk.ask(Take);
    assert_ne!(first, second);
    desk.press(Action::Mine);
    // The newest is chosen; the choice stays with its entry.
    desk.press(Action::Move(Step::Lines(-1)));
    assert_eq!(desk.press(Action::Cancel), Some(Effect::Cancel(first)));
    desk.ends(first, End::Cancelled);
    assert_eq!(desk.words(), ["cancelled", "waiting"]);
    desk.press(Action::Dismiss);
    assert_eq!(desk.words(), ["waiting"]);
    // What its thread says later is nobody's.
    assert_eq!(desk.hear(first, News::Held(None)), None);
    desk.press(Action::Dismiss);
    assert_eq!((desk.words(), desk.said()), (vec!["waiting"], "this is not over: waiting"));
    desk.press(Action::Back);
    assert_eq!(desk.state.mode(), Mode::List);
}

#[test]
fn all_that_is_over_is_dismissed_at_once() {
    let mut desk = desk();
    for _ in 0..3 {
        let number = desk.ask(Wait);
        desk.ends(number, End::Free);
    }
    let last = desk.ask(Take);
    desk.press(Action::DismissAll);
    assert_eq!(desk.words(), ["waiting"]);
    desk.ends(last, End::Failed("no".into()));
    desk.press(Action::DismissAll);
    assert_eq!(desk.words(), [""; 0]);
    for action in [Action::Cancel, Action::GiveBack, Action::Dismiss, Action::Insist, Action::Open]
    {
        desk.press(Action::Mine);
        assert_eq!(desk.press(action), None);
        desk.press(Action::Mine);
    }
}

#[test]
fn what_cannot_be_taken_says_why() {
    let mut lease = samples::lock(9, "/run/lease", &[samples::process(1, "x", "root")]);
    lease.mechanism = Mechanism::Lease;
    let mut desk = Desk::new(samples::snapshot(100, vec![lease]));
    for purpose in [Wait, Take] {
        assert_eq!(desk.press(Action::Ask(purpose)), None);
        assert!(desk.said().contains("lease"), "{}", desk.said());
    }
    assert_eq!(desk.state.mode(), Mode::List);
}

#[test]
fn a_lock_is_typed() {
    let mut desk = desk();
    desk.press(Action::AskTyped(Take));
    assert_eq!(desk.state.mode(), Mode::Prompt);
    // The chosen lock is offered.
    let Some(Effect::Begin(_, order)) = desk.press(Action::Accept) else { panic!("not begun") };
    assert_eq!((order.name().as_str(), order.lock.is_some()), ("flock:/run/a", true));
    desk.press(Action::AskTyped(Wait));
    desk.press(Action::EraseWord);
    desk.type_in("b.lock");
    let Some(Effect::Begin(_, order)) = desk.press(Action::Accept) else { panic!("not begun") };
    assert_eq!((order.name().as_str(), order.lock), ("flock:/run/b.lock", None));
    assert_eq!(desk.state.mode(), Mode::List);
}

#[test]
fn what_cannot_be_parsed_stays_in_the_line() {
    let mut desk = desk();
    desk.press(Action::AskTyped(Wait));
    desk.press(Action::EraseAll);
    for (text, why) in [("", "empty"), ("gopher://x", "scheme"), ("pid:1", "process")] {
        desk.type_in(text);
        assert_eq!(desk.press(Action::Accept), None);
        let Some(Overlay::Prompt(prompt)) = desk.state.overlays.last() else { panic!("closed") };
        assert!(prompt.problem.as_ref().unwrap().contains(why), "{prompt:?}");
        assert_eq!(prompt.line.text(), text);
        desk.press(Action::EraseAll);
        let Some(Overlay::Prompt(prompt)) = desk.state.overlays.last() else { panic!("closed") };
        assert_eq!(prompt.problem, None);
    }
    desk.press(Action::Back);
    assert_eq!((desk.state.mode(), desk.words()), (Mode::List, vec![]));
}

#[test]
fn where_nothing_is_chosen_a_lock_is_typed() {
    let mut desk = Desk::new(samples::snapshot(100, vec![]));
    assert_eq!(desk.press(Action::Ask(Take)), None);
    assert_eq!(desk.state.mode(), Mode::Prompt);
    desk.type_in("/run/new.lock");
    assert!(matches!(desk.press(Action::Accept), Some(Effect::Begin(1, _))));
}

#[test]
fn what_was_free_can_be_taken() {
    let mut desk = desk();
    let number = desk.ask(Wait);
    desk.ends(number, End::Free);
    desk.press(Action::Mine);
    // Its row is gone from the table by now.
    desk.see(samples::snapshot(200, vec![]));
    desk.ask(Take);
    assert_eq!(desk.words(), ["free now", "waiting"]);
}

#[test]
fn leaving_asks_while_something_would_end() {
    let mut desk = desk();
    let number = desk.ask(Take);
    for held in [false, true] {
        if held {
            desk.hear(number, News::Held(None));
        }
        assert_eq!(desk.press(Action::Quit), None);
        assert_eq!(desk.state.mode(), Mode::Leave);
        // Staying is what happens unless one says otherwise.
        assert_eq!(desk.press(Action::Accept), None);
        assert_eq!(desk.state.mode(), Mode::List);
        desk.press(Action::Quit);
        assert_eq!(desk.press(Action::Back), None);
        desk.press(Action::Quit);
        desk.press(Action::Move(Step::Lines(1)));
        assert_eq!(desk.press(Action::Accept), Some(Effect::Quit));
        assert_eq!(desk.press(Action::Leave), Some(Effect::Quit));
        desk.state.overlays.clear();
    }
    assert!(matches!(desk.press(Action::Interrupt), Some(Effect::Die(_))));
}

#[test]
fn a_refusal_can_be_insisted_on() {
    let mut desk = desk();
    let number = desk.ask(Take);
    desk.press(Action::Mine);
    assert_eq!(desk.press(Action::Insist), None);
    assert_eq!(desk.ends(number, End::Refused("it would wait for itself".into())), None);
    assert_eq!(desk.said(), "refused (m, then i, insists): it would wait for itself");
    let Some(Effect::Begin(next, order)) = desk.press(Action::Insist) else { panic!("not begun") };
    assert_ne!(next, number);
    assert_ne!(order, order.to(Wait));
    assert_eq!(desk.words(), ["waiting"]);
}

#[test]
fn a_failure_is_told_and_does_not_ring() {
    let mut desk = desk();
    let number = desk.ask(Wait);
    assert_eq!(desk.ends(number, End::Failed("cannot open /run/a: refused".into())), None);
    assert_eq!(desk.said(), "cannot open /run/a: refused");
    assert_eq!(desk.state.mine.counts().failed, 1);
}

#[test]
fn a_lock_that_is_lost_is_let_go_of() {
    let mut desk = desk();
    let number = desk.ask(Take);
    desk.hear(number, News::Held(None));
    let lost = || End::Lost("it ran out".into());
    assert_eq!(desk.ends(number, lost()), Some(Effect::GiveBack(number)));
    assert_eq!(desk.said(), "lost /run/a: it ran out");
    assert_eq!(desk.ends(number, lost()), None);
    assert_eq!(desk.words(), ["lost"]);
}

#[test]
fn a_file_that_was_replaced_is_told() {
    let mut desk = desk();
    let number = desk.ask(Take);
    assert_eq!(desk.hear(number, News::Replaced), None);
    assert_eq!(desk.said(), "/run/a was replaced: queueing anew");
    assert_eq!(desk.words(), ["waiting"]);
}

#[test]
fn read_only_asks_for_nothing() {
    let mut desk = desk();
    desk.state.read_only = true;
    for action in [Action::Ask(Wait), Action::Ask(Take), Action::AskTyped(Take), Action::Insist] {
        desk.state.message = None;
        assert_eq!(desk.press(action), None);
        assert!(desk.said().contains("--read-only"), "{}", desk.said());
    }
    assert_eq!((desk.state.mode(), desk.words()), (Mode::List, vec![]));
}
