//! Pictures of what we wait for and hold.

use locktop::acquire::Waiting;
use locktop::model::{Lock, Pid};

use super::*;
use crate::tui::action::Step;
use crate::tui::mine::{End, News, Number};
use crate::tui::order::Purpose::{self, Take, Wait};
use crate::tui::update::{Effect, hear};

const ME: Pid = 4242;

impl Desk {
    /// Asks for the chosen lock.
    fn ask(&mut self, purpose: Purpose) -> Number {
        match update(&mut self.state, Action::Ask(purpose), self.now) {
            Some(Effect::Begin(number, _)) => number,
            other => panic!("{other:?}"),
        }
    }

    fn hear(&mut self, number: Number, news: News) {
        hear(&mut self.state, number, news, self.now);
    }

    fn step(&mut self, by: i32) {
        update(&mut self.state, Action::Move(Step::Lines(by)), self.now);
    }

    fn later(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.state.tick(self.now);
    }
}

/// The machine with us in the queue of dpkg's lock and as the holder of postgres'.
fn with_us() -> Snapshot {
    let mut machine = samples::busy_machine();
    let us = samples::process(ME, "locktop", "root");
    for lock in &mut machine.locks {
        let name = lock.label();
        if name.contains("dpkg") {
            lock.waiters
                .push(samples::queued(lock.clone(), &[(Arc::clone(&us), 12, 1)]).waiters.remove(0));
            let last = lock.waiters.last_mut().unwrap();
            (last.position, last.place) = (Some(3), 3);
        }
        if name.contains("postgres") {
            let mut holder = lock.holders[0].clone();
            holder.process = Arc::clone(&us);
            lock.holders = [holder].into();
        }
    }
    machine
}

fn position(lock: Option<&Lock>, position: u32) -> News {
    News::Waiting(Box::new(Waiting {
        name: "x".into(),
        waited: Duration::ZERO,
        lock: lock.cloned().map(Box::new),
        position: Some(position),
        blind: None,
        looked: true,
        changed: true,
    }))
}

/// One of everything: a wait, a lock that is held, one that was free, one that was refused, one
/// whose wait is being cancelled, and one that the table does not know.
fn ours() -> Desk {
    let mut desk = Desk::new(with_us());
    desk.state.me = Some(ME);
    let row = |desk: &mut Desk, name: &str| {
        let rows = (0..desk.state.rows.len()).map(|at| desk.state.rows.get(at));
        let place = rows.flatten().position(|shown| shown.lock.label().contains(name)).unwrap();
        desk.state.choose(place);
    };
    row(&mut desk, "dpkg");
    desk.ask(Wait);
    row(&mut desk, "postgres");
    let held = desk.ask(Take);
    row(&mut desk, "nerdctl");
    let free = desk.ask(Wait);
    row(&mut desk, "orders");
    let refused = desk.ask(Take);
    row(&mut desk, "日本");
    let cancelled = desk.ask(Wait);
    desk.state.mine.choose(cancelled);
    desk.state.mine.shown = true;
    update(&mut desk.state, Action::Cancel, desk.now);
    desk.state.mine.shown = false;
    row(&mut desk, "stock");
    let other = desk.ask(Take);
    desk.later(2);
    desk.hear(held, News::Held(None));
    desk.hear(other, position(None, 1));
    desk.later(3);
    desk.hear(free, News::Over(End::Free));
    let why = "python3 (pid 4122) waits for a lock that this dashboard holds";
    desk.hear(refused, News::Over(End::Refused(why.into())));
    desk.later(20);
    desk.state.mine.shown = true;
    desk.state.mine.choose(1);
    desk
}

#[test]
fn everything_of_ours() {
    let mut desk = ours();
    insta::assert_snapshot!("ours_wide", dump(&desk.draw(120, 32)));
    insta::assert_snapshot!("ours_of_eighty_columns", desk.text(80, 24));
    insta::assert_snapshot!("ours_small", desk.text(40, 15));
}

#[test]
fn each_is_told_in_sentences() {
    let mut desk = ours();
    let mut told = Vec::new();
    for _ in 0..desk.state.mine.len() {
        let picture = desk.text(120, 32);
        let mut lines = picture.lines().skip_while(|line| !line.starts_with('├'));
        told.push(lines.nth(1).unwrap().trim_matches(['│', ' ']).to_owned());
        desk.step(1);
    }
    insta::assert_snapshot!(told.join("\n"), @r"
    You wait for posix:/var/lib/dpkg/lock-frontend, number 3 in its queue with 2 ahead, for 25s. When it is free the
    You hold flock:/var/lib/postgresql/shared.lock, in this dashboard, for 23s. x gives it back.
    flock:/var/lib/nerdctl/1935db59/volumes/default was free after 5.0s, and was not kept. a takes it.
    Refused: python3 (pid 4122) waits for a lock that this dashboard holds. i insists.
    You no longer want flock:/home/bob/日本語の長い名前のフォルダ/ロック.lock: leaving its queue.
    You wait for flock:/srv/app/stock.lock, next in its queue, for 25s. When it is yours the bell rings. c cancels.
    ");
}

#[test]
fn we_are_marked_in_the_table() {
    let mut desk = ours();
    desk.state.mine.shown = false;
    for (width, height) in [(120, 32), (80, 24)] {
        let table = desk.text(width, height);
        let row = table.lines().find(|line| line.contains("shared.lock")).unwrap();
        assert!(row.contains("you (locktop"), "{row}");
    }
    let list = desk.text(40, 15);
    assert!(list.contains("shared.lock (you)"), "{list}");
    desk = desk.press([Action::Tree]);
    let tree = desk.text(120, 32);
    assert!(tree.contains("you (locktop 4242)  waits 38s"), "{tree}");
}

#[test]
fn the_explanation_of_a_lock_tells_our_part_in_it() {
    let mut desk = ours();
    desk.state.mine.shown = false;
    let at = |desk: &Desk, name: &str| {
        let rows = (0..desk.state.rows.len()).map(|at| desk.state.rows.get(at));
        rows.flatten().position(|shown| shown.lock.label().contains(name)).unwrap()
    };
    let place = at(&desk, "dpkg");
    desk.state.choose(place);
    assert!(
        desk.text(120, 32).contains("You wait for posix:/var/lib/dpkg/lock-frontend, number 3")
    );
    let place = at(&desk, "postgres");
    desk.state.choose(place);
    assert!(desk.text(120, 32).contains("m, then x, gives it back"));
}

#[test]
fn times_of_ours_grow_without_a_look() {
    let mut desk = ours();
    assert!(desk.text(120, 32).contains("for 25s. When it is free"), "{}", desk.text(120, 32));
    desk.later(1);
    assert!(desk.text(120, 32).contains("for 26s. When it is free"), "{}", desk.text(120, 32));
}

#[test]
fn how_many_are_ours_is_in_the_header() {
    let mut desk = ours();
    for (width, said) in [
        (120, "mine: hold 1, wait 3, free 1, failed 1"),
        (80, "mine: hold 1, wait 3, free 1, failed 1"),
    ] {
        let header = desk.text(width, 24).lines().next().unwrap().to_owned();
        assert!(header.contains(said), "{header}");
    }
    let mut desk = Desk::new(samples::busy_machine());
    let number = desk.ask(Take);
    desk.step(1);
    desk.ask(Wait);
    desk.hear(number, News::Held(None));
    let header = desk.text(40, 15).lines().next().unwrap().to_owned();
    assert!(header.contains("hold 1, wait 1"), "{header}");
    let picture = desk.draw(80, 24);
    let at = Position { x: 12, y: 0 };
    assert!(
        picture
            .screen
            .hits
            .iter()
            .any(|(area, action)| area.contains(at) && *action == Action::Mine)
    );
}

#[test]
fn nothing_is_ours() {
    let mut desk = Desk::new(samples::busy_machine()).press([Action::Mine]);
    insta::assert_snapshot!(desk.text(80, 24));
    desk.state.read_only = true;
    assert!(desk.text(80, 24).contains("With --read-only nothing is"));
}

#[test]
fn leaving() {
    let mut desk = ours().press([Action::Quit]);
    let picture = desk.draw(80, 24);
    insta::assert_snapshot!(text(&picture));
    // What lies around the question cannot be clicked.
    let hits: Vec<_> = picture.screen.hits.iter().map(|(_, action)| action.clone()).collect();
    assert!(hits.contains(&Action::Leave) && hits.contains(&Action::Back), "{hits:?}");
    assert!(!hits.iter().any(|action| matches!(action, Action::ChooseMine(_))), "{hits:?}");
    insta::assert_snapshot!("leaving_small", desk.text(40, 15));
    assert!(desk.text(30, 6).contains("▸ stay"));
    let mut desk = desk.press([Action::Move(Step::Lines(1))]);
    assert!(desk.text(30, 6).contains("▸ leave"));
}

#[test]
fn typing_a_lock() {
    let mut desk = Desk::new(samples::busy_machine());
    desk.step(2);
    let mut desk = desk.press([Action::AskTyped(Take)]);
    let last = |desk: &mut Desk| desk.text(80, 24).lines().last().unwrap_or_default().to_owned();
    assert_eq!(last(&mut desk), " take: posix:/var/lib/dpkg/lock-frontend");
    let mut desk = desk.press([Action::EraseAll]);
    assert_eq!(last(&mut desk), " take:  a path, or flock:PATH, ofd:PATH");
    let desk = desk.press("gopher://日\u{202e}".chars().map(Action::Type));
    let mut desk = desk.press([Action::Accept]);
    let told = desk.text(80, 24);
    let mut below = told.lines().skip(22);
    assert!(below.next().unwrap().starts_with(" cannot use the target 'gopher://日"), "{told}");
    assert_eq!(below.next(), Some(" take: gopher://日\\u{202e}"));
    assert!(desk.draw(80, 24).cursor.is_some());
}

#[test]
fn the_cursor_is_always_to_be_seen() {
    let mut desk = Desk::new(samples::busy_machine()).press([Action::AskTyped(Wait)]);
    desk = desk.press("/a/very/long/path/日本語".repeat(9).chars().map(Action::Type));
    for width in 30..70 {
        let picture = desk.draw(width, 10);
        let cursor = picture.cursor.unwrap();
        assert!(picture.buffer.area.contains(cursor), "{width}: {cursor}");
    }
}

#[test]
fn read_only_is_said() {
    let mut desk = Desk::new(samples::busy_machine());
    desk.state.read_only = true;
    for (width, height) in [(120, 32), (80, 24)] {
        let bar = desk.text(width, height).lines().last().unwrap_or_default().to_owned();
        assert!(bar.contains("read-only") && !bar.contains("w wait"), "{bar}");
    }
    let mut desk = desk.press([Action::Help]);
    let help = desk.text(80, 120);
    assert_eq!(help.matches("off by --read-only").count(), 6, "{help}");
}

#[test]
fn ours_without_colours_or_in_ascii() {
    let mut desk = ours();
    desk.theme = Theme::new(false, true);
    for actions in [vec![], vec![Action::Quit], vec![Action::Back, Action::AskTyped(Wait)]] {
        desk = desk.press(actions);
        let picture = desk.draw(120, 32);
        let plain =
            |cell: &ratatui::buffer::Cell| (cell.fg, cell.bg) == (Color::Reset, Color::Reset);
        assert!(picture.buffer.content.iter().all(plain));
        let drawn = text(&picture).replace(|c: char| ('\u{3000}'..'\u{a000}').contains(&c), "");
        assert!(drawn.is_ascii(), "{drawn}");
    }
}

#[test]
fn ours_in_every_size() {
    let states = [
        vec![],
        vec![Action::Open],
        vec![Action::Quit, Action::Move(Step::Last)],
        vec![Action::AskTyped(Take), Action::Type('日'), Action::EraseAll, Action::Accept],
        vec![Action::DismissAll, Action::Help],
        vec![Action::Move(Step::Last), Action::ScrollDetail(Step::Last)],
    ];
    for actions in states {
        let mut desk = ours().press(actions.clone());
        for (width, height) in (1..70).flat_map(|width| (1..26).map(move |height| (width, height)))
        {
            let picture = desk.draw(width, height);
            for (hit, action) in &picture.screen.hits {
                let inside = picture.buffer.area.contains(Position { x: hit.x, y: hit.y });
                assert!(inside || hit.is_empty(), "{hit} {action:?}");
            }
        }
        for (width, height) in [(99, 16), (100, 16), (250, 15), (250, 60), (60, 200)] {
            desk.draw(width, height);
        }
    }
}
