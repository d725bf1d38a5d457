//! Freeing locks, as far as the state goes.

use locktop::release::Progress;

use super::*;
use crate::tui::mine::{Came, Doing, End, Entry, News};
use crate::tui::release::Stage;

fn desk() -> Desk {
    Desk::new(samples::stopped_machine())
}

impl Desk {
    /// Opens the dialog, and has the plans found.
    fn opens(&mut self) -> Vec<LockId> {
        let effect = self.press(Action::Release);
        self.finds(effect)
    }

    fn finds(&mut self, effect: Option<Effect>) -> Vec<LockId> {
        let Some(Effect::Plan(number, locks)) = effect else {
            panic!("{effect:?}, {:?}", self.state.message)
        };
        let snapshot = Arc::clone(self.state.newest().unwrap());
        hear_plans(&mut self.state, number, samples::found(&snapshot, &locks));
        locks
    }

    /// Goes down to the method's offer, and takes it.
    fn takes(&mut self, method: &str) {
        let offers = &self.state.dialog().unwrap().offers;
        let is_meant = |offer: &crate::tui::release::Offer| {
            offer.name.as_deref().unwrap_or(offer.plans[0].method.word()).starts_with(method)
        };
        let at = offers.iter().position(is_meant).unwrap();
        for _ in 0..=at {
            assert_eq!(self.press(Action::Move(Step::Lines(1))), None);
        }
        assert_eq!(self.press(Action::Accept), None);
    }

    fn frees(&mut self, action: Action) -> Vec<Number> {
        match self.press(action) {
            Some(Effect::Free(acts)) => acts.into_iter().map(|(number, _)| number).collect(),
            other => panic!("{other:?}, {:?}", self.state.message),
        }
    }

    fn hears(&mut self, number: Number, news: News) {
        assert_eq!(hear(&mut self.state, number, news, self.now), None);
    }

    fn says(&self) -> &str {
        self.state.message.as_ref().map_or("", |message| &message.text)
    }
}

fn came(freed: bool, kept: bool) -> News {
    let (text, now) = ("The lock is free.".into(), "nobody".into());
    News::Came(Box::new(Came { freed, text, now, next: None, kept, unlogged: None }))
}

#[test]
fn the_default_is_to_touch_nothing() {
    for action in [Action::Accept, Action::Back] {
        let mut desk = desk();
        desk.opens();
        assert_eq!(desk.press(action), None);
        assert_eq!((desk.state.mode(), desk.state.mine.len()), (Mode::List, 0));
    }
    // Before anything was found, too.
    let mut desk = desk();
    desk.press(Action::Release);
    assert_eq!(desk.press(Action::Accept), None);
    assert_eq!(desk.state.mode(), Mode::List);
}

#[test]
fn whoever_is_faster_than_the_search_agrees_to_nothing_unseen() {
    let mut desk = desk();
    let effect = desk.press(Action::Release);
    desk.press(Action::Move(Step::Lines(1)));
    assert_eq!(desk.press(Action::Accept), None);
    assert_eq!(desk.press(Action::Agree), None);
    desk.finds(effect);
    assert_eq!((desk.state.mode(), desk.state.dialog().unwrap().at), (Mode::Release, Some(0)));
    desk.press(Action::Back);
    let effect = desk.press(Action::Release);
    desk.press(Action::Move(Step::Last));
    desk.finds(effect);
    assert_eq!(desk.state.dialog().unwrap().offer().unwrap().plans[0].method.word(), "end-waiter");
}

#[test]
fn down_enter_and_y_do_it_once() {
    let mut desk = desk();
    desk.opens();
    desk.press(Action::Move(Step::Lines(1)));
    desk.press(Action::Accept);
    assert_eq!(desk.state.mode(), Mode::Agree);
    let [number] = desk.frees(Action::Agree)[..] else { panic!("not one") };
    for action in [Action::Agree, Action::LookAgain, Action::ChooseOffer(0)] {
        assert_eq!(desk.press(action), None);
    }
    // Nor through another dialog.
    assert_eq!(desk.press(Action::Accept), None);
    assert_eq!(desk.press(Action::Release), None);
    assert!(desk.says().contains("is freeing it already"), "{}", desk.says());
    desk.hears(number, News::Doing(Doing::Checking));
    desk.hears(number, News::Doing(Doing::Step(Progress::Looking, desk.now)));
    desk.hears(number, came(true, false));
    assert_eq!(desk.says(), "/run/nightly.lock: The lock is free.");
    assert_eq!(desk.state.mine.iter().map(Entry::word).collect::<Vec<_>>(), ["done"]);
    assert!(matches!(desk.press(Action::Release), Some(Effect::Plan(..))));
}

#[test]
fn a_question_is_a_no_unless_answered() {
    for action in [Action::Accept, Action::Back] {
        let mut desk = desk();
        desk.opens();
        desk.takes("terminate");
        let Some(Effect::Decline(plans, "the answer was no")) = desk.press(action) else {
            panic!("not declined")
        };
        assert_eq!(plans[0].method.word(), "terminate");
        assert_eq!((desk.state.mode(), desk.state.mine.len()), (Mode::List, 0));
    }
}

#[test]
fn what_is_drastic_wants_its_word() {
    for method in ["kill", "unlock"] {
        let mut desk = desk();
        desk.opens();
        desk.takes(method);
        assert_eq!(desk.state.mode(), Mode::Word);
        assert_eq!(desk.press(Action::Agree), None);
        for wrong in ["y", "yes", "terminate", "Kill", "kil"] {
            desk.type_in(wrong);
            assert_eq!(desk.press(Action::Accept), None);
            let stage = &desk.state.dialog().unwrap().stage;
            assert!(matches!(stage, Stage::Typing { wrong: true, .. }), "{stage:?}");
        }
        desk.type_in(&format!("x{method}"));
        desk.press(Action::EraseWord);
        desk.type_in(method);
        assert_eq!(desk.frees(Action::Accept).len(), 1);
    }
    let mut desk = desk();
    desk.opens();
    desk.takes("kill");
    assert!(matches!(desk.press(Action::Accept), Some(Effect::Decline(..))));
}

#[test]
fn what_is_not_possible_cannot_be_chosen() {
    let mut desk = Desk::new(samples::busy_machine());
    desk.state.choose(2);
    assert_eq!(desk.chosen(), "lock-frontend");
    desk.opens();
    desk.takes("escrow");
    assert_eq!(desk.state.mode(), Mode::Release);
    assert!(desk.says().contains("belongs to its process"), "{}", desk.says());
}

#[test]
fn who_waits_can_be_ended_too() {
    let mut desk = desk();
    desk.opens();
    desk.takes("end-waiter");
    let plans = desk.state.dialog().unwrap().unconfirmed();
    assert_eq!(plans[0].whom(), "borg (pid 4130)");
    assert_eq!(desk.frees(Action::Agree).len(), 1);
}

#[test]
fn plans_for_another_search_are_too_late() {
    let mut desk = desk();
    let Some(Effect::Plan(number, locks)) = desk.press(Action::Release) else {
        panic!("no search")
    };
    let found = samples::found(desk.state.newest().unwrap(), &locks);
    desk.press(Action::Back);
    desk.press(Action::Release);
    hear_plans(&mut desk.state, number, found);
    assert_eq!(desk.state.dialog().unwrap().stage, Stage::Looking);
}

/// The machine with other holders of the first lock.
fn taken_over() -> Snapshot {
    let mut machine = samples::stopped_machine();
    let nightly = machine.locks.iter_mut().find(|lock| lock.label().contains("nightly")).unwrap();
    nightly.as_seen = locktop::model::AsSeen::of([77]);
    machine
}

#[test]
fn what_changes_meanwhile_cannot_be_agreed_to() {
    for (next, change) in [
        (taken_over(), "it has other holders now"),
        (samples::stopped_machine().without("/run/nightly.lock"), "nobody has it any more"),
    ] {
        let mut desk = desk();
        desk.opens();
        // While one chooses, is asked, and types.
        desk.see(next.clone());
        assert_eq!(desk.state.dialog().unwrap().subjects[0].change, Some(change));
        desk.takes("resume");
        assert_eq!(desk.state.mode(), Mode::Release);
        desk.see(samples::stopped_machine());
        assert_eq!(desk.press(Action::Accept), None);
        assert_eq!(desk.state.mode(), Mode::Agree);
        desk.see(next.clone());
        assert!(matches!(desk.press(Action::Agree), Some(Effect::Decline(..))));
        desk.see(samples::stopped_machine());
        desk.takes("kill");
        desk.type_in("kill");
        // Even if the picture is held.
        desk.press(Action::Freeze);
        desk.see(next);
        let Some(Effect::Decline(plans, _)) = desk.press(Action::Accept) else {
            panic!("not declined")
        };
        assert_eq!((plans.len(), desk.state.mode()), (1, Mode::Release));
        assert_eq!(desk.state.mine.len(), 0);
    }
}

#[test]
fn looking_again_is_about_who_has_it_now() {
    let mut desk = desk();
    desk.opens();
    desk.see(taken_over());
    let effect = desk.press(Action::LookAgain);
    desk.finds(effect);
    assert!(!desk.state.dialog().unwrap().has_changed());
    desk.see(taken_over().without("/run/nightly.lock"));
    assert_eq!(desk.press(Action::LookAgain), None);
    assert_eq!((desk.says(), desk.state.mode()), ("nobody has it any more", Mode::List));
}

#[test]
fn marked_locks_are_freed_together() {
    let mut desk = desk();
    desk.press(Action::Mark);
    assert_eq!(desk.chosen(), "hourly.lock");
    desk.press(Action::Mark);
    assert_eq!(desk.opens().len(), 2);
    desk.takes("the least harm");
    let methods: Vec<_> =
        desk.state.dialog().unwrap().unconfirmed().iter().map(|plan| plan.method.word()).collect();
    assert_eq!(methods, ["resume", "terminate"]);
    let numbers = desk.frees(Action::Agree);
    assert_eq!((numbers.len(), desk.state.marks.len()), (2, 0));
    desk.hears(numbers[0], came(true, false));
    assert_eq!(desk.press(Action::LookAgain), None);
    desk.hears(numbers[1], News::Over(End::Untouched("it has other holders".into())));
    let effect = desk.press(Action::LookAgain);
    assert_eq!(desk.finds(effect).len(), 2);
}

#[test]
fn one_word_for_all_that_want_one() {
    let mut desk = desk();
    desk.press(Action::Mark);
    desk.press(Action::Mark);
    desk.opens();
    desk.takes("kill, wherever");
    assert_eq!(desk.state.mode(), Mode::Word);
    desk.type_in("kill");
    assert_eq!(desk.frees(Action::Accept).len(), 2);
}

#[test]
fn marks_follow_their_locks_and_go_with_them() {
    let mut desk = desk();
    desk.press(Action::Mark);
    desk.press(Action::Reverse);
    assert_eq!(desk.state.marks.len(), 1);
    desk.press(Action::Filter);
    desk.type_in("hourly");
    desk.press(Action::Accept);
    assert!(desk.opens()[0].as_str().contains("201"), "the marked one, though it is hidden");
    desk.press(Action::Back);
    // First the marks, then the filter.
    desk.press(Action::Back);
    assert_eq!((desk.state.marks.len(), desk.rows().len()), (0, 1));
    desk.press(Action::Back);
    desk.press(Action::Mark);
    desk.see(samples::snapshot(10_001, vec![]));
    desk.wait(10 * SECOND);
    assert_eq!(desk.state.marks.len(), 0);
}

#[test]
fn what_is_kept_is_handed_over_once_on_a_key() {
    let mut desk = desk();
    desk.opens();
    desk.takes("escrow");
    let numbers = desk.frees(Action::Agree);
    desk.hears(numbers[0], came(true, true));
    // Leaving would hand it over.
    desk.press(Action::Back);
    desk.press(Action::Quit);
    assert_eq!(desk.state.mode(), Mode::Leave);
    desk.press(Action::Back);
    desk.press(Action::Mine);
    assert_eq!(desk.press(Action::GiveBack), Some(Effect::HandOver(numbers.clone())));
    assert_eq!(desk.press(Action::GiveBack), None);
    desk.hears(numbers[0], News::Over(End::HandedOver("handed over: nobody has it now".into())));
    assert!(desk.says().ends_with("handed over: nobody has it now"), "{}", desk.says());
    assert_eq!(desk.press(Action::Quit), Some(Effect::Quit));
}

#[test]
fn read_only_frees_nothing() {
    let mut desk = desk();
    desk.state.read_only = true;
    assert_eq!(desk.press(Action::Release), None);
    assert!(desk.says().contains("--read-only"), "{}", desk.says());
    assert_eq!(desk.state.mode(), Mode::List);
}
