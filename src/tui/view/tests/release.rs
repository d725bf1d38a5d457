//! Pictures of the dialog in which locks are freed.

use std::collections::HashSet;

use locktop::release::Progress;

use super::*;
use crate::tui::mine::{Came, Doing, End, News, Number};
use crate::tui::update::{Effect, hear, hear_plans};

impl Desk {
    fn opens(&mut self) {
        let effect = update(&mut self.state, Action::Release, self.now);
        let Some(Effect::Plan(number, locks)) = effect else { panic!("{effect:?}") };
        let snapshot = Arc::clone(self.state.newest().unwrap());
        hear_plans(&mut self.state, number, samples::found(&snapshot, &locks));
    }

    fn downs(self, times: usize) -> Self {
        self.press(vec![Action::Move(Step::Lines(1)); times])
    }

    fn frees(&mut self, action: Action) -> Vec<Number> {
        match update(&mut self.state, action, self.now) {
            Some(Effect::Free(acts)) => acts.into_iter().map(|(number, _)| number).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn hears(&mut self, number: Number, news: News) {
        hear(&mut self.state, number, news, self.now);
    }
}

/// A dialog about the lock whose holder is stopped.
fn dialog() -> Desk {
    let mut desk = Desk::new(samples::stopped_machine());
    desk.opens();
    desk
}

fn came(text: &str, kept: bool) -> News {
    let (text, now) = (text.into(), "rsync 4121 backup".into());
    News::Came(Box::new(Came { freed: true, text, now, next: None, kept, unlogged: None }))
}

#[test]
fn every_way_is_told() {
    insta::assert_snapshot!("release_wide", dump(&dialog().draw(100, 60)));
    insta::assert_snapshot!("release_of_eighty_columns", dialog().text(80, 24));
    insta::assert_snapshot!("release_small", dialog().text(40, 15));
    insta::assert_snapshot!("release_small_chosen", dialog().downs(3).text(40, 15));
}

#[test]
fn what_is_not_possible_says_why() {
    let mut desk = Desk::new(samples::busy_machine());
    desk.state.choose(2);
    desk.opens();
    insta::assert_snapshot!(desk.text(100, 50));
}

#[test]
fn the_question() {
    let mut desk = dialog().downs(1).press([Action::Accept]);
    insta::assert_snapshot!("release_question", desk.text(80, 24));
    let mut desk = dialog().downs(4).press([Action::Accept]);
    desk = desk.press("kil".chars().map(Action::Type));
    let picture = desk.draw(80, 24);
    let cursor = picture.cursor.unwrap();
    insta::assert_snapshot!("release_word", text(&picture));
    assert_eq!(picture.buffer[(cursor.x - 1, cursor.y)].symbol(), "l");
    let mut desk = desk.press([Action::Accept]);
    insta::assert_snapshot!("release_wrong_word", desk.text(40, 15));
}

#[test]
fn several_locks() {
    let mut desk = Desk::new(samples::stopped_machine()).press([Action::Mark, Action::Mark]);
    insta::assert_snapshot!("release_marked", desk.text(80, 12));
    insta::assert_snapshot!("release_marked_list", desk.text(40, 15));
    desk.opens();
    insta::assert_snapshot!("release_several", desk.text(80, 30));
    let mut desk = desk.downs(1).press([Action::Accept]);
    insta::assert_snapshot!("release_several_question", desk.text(80, 30));
}

#[test]
fn how_it_goes() {
    let mut desk = dialog().downs(2).press([Action::Accept]);
    let numbers = desk.frees(Action::Agree);
    desk.hears(numbers[0], News::Doing(Doing::Checking));
    assert!(desk.text(80, 24).contains("looking whether all is as it was seen"));
    let waits = Doing::Step(Progress::WaitsFor(vec![4121]), desk.now);
    desk.hears(numbers[0], News::Doing(waits));
    desk.now += Duration::from_secs(3);
    insta::assert_snapshot!("release_waits", desk.text(80, 24));
    desk.hears(numbers[0], came("borg (pid 4130) has the lock now.", false));
    insta::assert_snapshot!("release_done", desk.text(80, 24));
    let mut desk = desk.press([Action::Accept, Action::Mine]);
    insta::assert_snapshot!("release_in_mine", desk.text(100, 24));
}

#[test]
fn a_lock_that_is_kept() {
    let mut desk = dialog().downs(3).press([Action::Accept]);
    let numbers = desk.frees(Action::Agree);
    let text = "locktop keeps the lock until it is handed over.";
    desk.hears(numbers[0], came(text, true));
    insta::assert_snapshot!("release_kept", desk.text(80, 24));
    let mut desk = desk.press([Action::Accept]);
    let table = desk.text(120, 30);
    assert!(table.contains("escrow by locktop"), "{table}");
    let mut desk = desk.press([Action::Mine]);
    insta::assert_snapshot!("release_kept_in_mine", desk.text(100, 24));
    desk = desk.press([Action::Quit]);
    insta::assert_snapshot!("release_kept_leave", desk.text(80, 24));
}

#[test]
fn a_failure_is_told_and_so_is_a_change() {
    let mut desk = dialog().downs(1).press([Action::Accept]);
    let numbers = desk.frees(Action::Agree);
    let why = "nothing was touched: /run/nightly.lock: it has other holders than before";
    desk.hears(numbers[0], News::Over(End::Untouched(why.into())));
    insta::assert_snapshot!("release_untouched", desk.text(80, 24));

    let mut desk = dialog();
    let mut next = samples::stopped_machine();
    next.locks.retain(|lock| !lock.label().contains("nightly"));
    desk.state.dialog_mut().unwrap().compare(&next);
    insta::assert_snapshot!("release_changed", desk.text(80, 24));
    insta::assert_snapshot!("release_changed_small", desk.text(40, 15));
}

/// The dialog in each of its states.
fn all() -> Vec<Desk> {
    let marked = || {
        let mut desk = Desk::new(samples::stopped_machine()).press([Action::Mark, Action::Mark]);
        desk.opens();
        desk
    };
    let looking = || {
        let mut desk = Desk::new(samples::stopped_machine());
        update(&mut desk.state, Action::Release, desk.now);
        desk
    };
    let acting = || {
        let mut desk = marked().downs(1).press([Action::Accept]);
        let numbers = desk.frees(Action::Agree);
        desk.hears(numbers[1], came("The lock is free.", true));
        desk
    };
    vec![
        looking(),
        dialog(),
        dialog().downs(1),
        dialog().downs(5),
        dialog().downs(6),
        dialog().downs(1).press([Action::Accept]),
        dialog().downs(1).press([Action::Accept, Action::Move(Step::Lines(1))]),
        dialog().downs(5).press([Action::Accept, Action::Type('日'), Action::Type('\u{202e}')]),
        marked(),
        marked().downs(1).press([Action::Accept]),
        acting(),
    ]
}

#[test]
fn every_size_of_every_state() {
    for (nth, mut desk) in all().into_iter().enumerate() {
        for (width, height) in (1..70).flat_map(|width| (1..26).map(move |height| (width, height)))
        {
            let picture = desk.draw(width, height);
            for (hit, _) in &picture.screen.hits {
                assert!(picture.buffer.area.contains(Position { x: hit.x, y: hit.y }), "{hit}");
            }
            let drawn = text(&picture);
            if width >= 30 && height >= 6 && (1..5).contains(&nth) {
                assert!(drawn.contains("cancel: touch nothing"), "{width}×{height}:\n{drawn}");
            }
        }
    }
}

#[test]
fn frames_stay_whole_and_nothing_harmful_is_drawn() {
    for mut desk in all() {
        for width in 60..110 {
            let picture = desk.draw(width, 24);
            let drawn = text(&picture);
            assert!(!drawn.contains(['\u{1b}', '\u{202e}']), "{drawn}");
            let edges: HashSet<&str> =
                (2..22).map(|y| picture.buffer[(width - 1, y)].symbol()).collect();
            assert!(
                edges.iter().all(|edge| ["│", "┤", "┘", "┐"].contains(edge)),
                "{width}: {edges:?}\n{drawn}"
            );
        }
    }
}

#[test]
fn without_colours_or_in_ascii() {
    for mut desk in all() {
        desk.theme = Theme::new(false, true);
        let picture = desk.draw(100, 40);
        let is_plain =
            |cell: &ratatui::buffer::Cell| (cell.fg, cell.bg) == (Color::Reset, Color::Reset);
        assert!(picture.buffer.content.iter().all(is_plain));
        let drawn = text(&picture).replace(|c: char| ('\u{3000}'..'\u{a000}').contains(&c), "");
        assert!(drawn.is_ascii(), "{drawn}");
    }
}

#[test]
fn only_the_dialog_and_the_keys_can_be_clicked() {
    let mut desk = dialog();
    let picture = desk.draw(100, 50);
    let belongs = |action: &Action| {
        matches!(
            action,
            Action::Back
                | Action::ChooseOffer(_)
                | Action::Accept
                | Action::LookAgain
                | Action::Help
                | Action::Move(_)
        )
    };
    for (_, action) in &picture.screen.hits {
        assert!(belongs(action), "{action:?}");
    }
    let offers: HashSet<usize> = picture
        .screen
        .hits
        .iter()
        .filter_map(
            |(_, action)| {
                if let Action::ChooseOffer(at) = action { Some(*at) } else { None }
            },
        )
        .collect();
    assert_eq!(offers.len(), 6);
}

#[test]
fn the_explanation_tells_the_key() {
    let mut desk = Desk::new(samples::stopped_machine());
    assert!(desk.text(100, 40).contains("next: r ways to free it (5)"));
    desk.state.read_only = true;
    assert!(!desk.text(100, 40).contains("ways to free it"));
}
