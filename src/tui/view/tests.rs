//! Pictures as text, and as runs of styles.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use locktop::Selection;
use locktop::model::Snapshot;
use locktop::watch::{Report, Seen};
use ratatui::style::{Color, Modifier, Style};

use super::*;
use crate::tui::action::{Action, Step};
use crate::tui::keys::Mode;
use crate::tui::samples;
use crate::tui::text;
use crate::tui::update::update;

mod events;
mod ours;
mod release;

/// A dashboard that has seen this, a second ago.
struct Desk {
    state: State,
    theme: Theme,
    now: Instant,
}

impl Desk {
    fn new(snapshot: Snapshot) -> Self {
        let mut desk = Self::empty();
        let seen = Seen {
            snapshot: Arc::new(snapshot),
            selection: Ok(Selection::all()),
            refused: Vec::new(),
            stalled: Duration::ZERO,
            tracing: Box::default(),
        };
        desk.state.receive(Report {
            outcome: Ok(seen),
            at: desk.now,
            cost: Duration::from_millis(4),
            interval: Duration::from_secs(1),
            note: None,
            events: Vec::new(),
        });
        desk.now += Duration::from_secs(1);
        desk
    }

    fn empty() -> Self {
        let theme = Theme::new(true, false);
        Self { state: State::default(), theme, now: Instant::now() }
    }

    fn press(mut self, actions: impl IntoIterator<Item = Action>) -> Self {
        for action in actions {
            assert_eq!(update(&mut self.state, action, self.now), None);
        }
        self
    }

    fn draw(&mut self, width: u16, height: u16) -> Picture {
        let picture = draw(&self.state, &self.theme, self.now, Rect::new(0, 0, width, height));
        self.state.screen = picture.screen.clone();
        picture
    }

    fn text(&mut self, width: u16, height: u16) -> String {
        text(&self.draw(width, height))
    }
}

/// The characters, a line a row.
fn text(picture: &Picture) -> String {
    let buffer = &picture.buffer;
    let mut text = String::new();
    for row in buffer.area.rows() {
        let mut line = String::new();
        let mut x = row.x;
        while x < row.right() {
            let symbol = buffer[(x, row.y)].symbol();
            line.push_str(symbol);
            x += (text::width(symbol) as u16).max(1);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Each run of characters of one style that is not plain: where it is, how it looks, what it says.
fn styles(picture: &Picture) -> String {
    let buffer = &picture.buffer;
    let mut told = String::new();
    for row in buffer.area.rows() {
        let mut run: Option<(u16, Style, String)> = None;
        let mut tell = |run: Option<(u16, Style, String)>| {
            if let Some((x, style, content)) = run.filter(|(_, style, _)| *style != plain()) {
                let _ = writeln!(told, "{:>2},{x:<3} {:<22} {content}", row.y, name(style));
            }
        };
        for x in row.left()..row.right() {
            let cell = &buffer[(x, row.y)];
            match &mut run {
                Some((_, style, content)) if *style == cell.style() => {
                    content.push_str(cell.symbol());
                }
                _ => tell(run.replace((x, cell.style(), cell.symbol().to_owned()))),
            }
        }
        tell(run);
    }
    told
}

fn plain() -> Style {
    ratatui::buffer::Cell::EMPTY.style()
}

fn name(style: Style) -> String {
    let colour = |colour: Option<Color>| colour.filter(|colour| *colour != Color::Reset);
    let mut words = Vec::new();
    words.extend(colour(style.fg).map(|fg| fg.to_string()));
    words.extend(colour(style.bg).map(|bg| format!("on {bg}")));
    words.extend(style.add_modifier.iter_names().map(|(name, _)| name.to_lowercase()));
    words.join(" ")
}

/// The picture with its styles.
fn dump(picture: &Picture) -> String {
    format!("{}\n{}", text(picture), styles(picture))
}

#[test]
fn the_graph_has_a_box_for_each_lock_that_hangs_on_the_chosen_one() {
    let mut desk = Desk::new(samples::chain()).press([Action::Graph]);
    insta::assert_snapshot!("graph_of_a_chain_100", desk.text(100, 30));
    insta::assert_snapshot!("graph_of_a_chain_80", desk.text(80, 24));
    insta::assert_snapshot!("graph_of_a_chain_50", desk.text(50, 20));
    let mut desk = Desk::new(samples::busy_machine()).press([Action::Graph]);
    insta::assert_snapshot!("graph_of_a_circle_100", desk.text(100, 30));
    insta::assert_snapshot!("graph_of_a_circle_80_styles", styles(&desk.draw(80, 24)));
    desk.theme = Theme::new(false, true);
    insta::assert_snapshot!("graph_of_a_circle_80_ascii", desk.text(80, 24));
}

#[test]
fn the_graph_follows_the_choice_and_scrolls_to_it() {
    let mut desk = Desk::new(samples::chain()).press([Action::Graph]);
    let first = desk.text(80, 24);
    assert!(first.contains("▸") && first.contains("1 contended"), "{first}");
    let mut desk = desk.press([Action::Move(Step::Last)]);
    let last = desk.text(80, 24);
    assert!(last.contains("/srv/c.lock") && last.contains("└"), "{last}");
    assert_eq!(desk.state.chosen_lock().unwrap().lock.label(), "/srv/c.lock");
    // What the chosen lock has nothing to do with is not there.
    assert!(!last.contains("free.lock") && !first.contains("free.lock"));
    let mut desk = desk.press([Action::Graph]);
    assert!(desk.text(80, 24).contains("free.lock"));
    assert_eq!(desk.state.chosen_lock().unwrap().lock.label(), "/srv/c.lock");
}

#[test]
fn the_graph_counts_whom_it_does_not_draw() {
    let mut snapshot = samples::chain();
    let at = snapshot.locks.iter().position(|lock| lock.label() == "/srv/c.lock").unwrap();
    let waiter = snapshot.locks[at].waiters[0].clone();
    snapshot.locks[at].waiters = vec![waiter; 20];
    let mut desk = Desk::new(snapshot).press([Action::Graph, Action::Move(Step::Last)]);
    let text = desk.text(100, 40);
    assert!(text.contains("and 15 more"), "{text}");
    assert_eq!(text.matches("make 304").count(), 5, "{text}");
}

#[test]
fn wide() {
    insta::assert_snapshot!(dump(&Desk::new(samples::busy_machine()).draw(120, 30)));
}

#[test]
fn of_eighty_columns() {
    insta::assert_snapshot!(dump(&Desk::new(samples::busy_machine()).draw(80, 24)));
}

#[test]
fn small() {
    insta::assert_snapshot!(dump(&Desk::new(samples::busy_machine()).draw(40, 15)));
}

#[test]
fn too_small() {
    insta::assert_snapshot!(Desk::new(samples::busy_machine()).text(20, 3), @"needs 30×6, has 20×3");
    insta::assert_snapshot!(Desk::new(samples::busy_machine()).text(1, 1), @"…");
}

#[test]
fn without_colours() {
    let mut desk = Desk::new(samples::busy_machine());
    desk.theme = Theme::new(false, false);
    let picture = desk.draw(120, 30);
    let uncoloured =
        |cell: &ratatui::buffer::Cell| (cell.fg, cell.bg) == (Color::Reset, Color::Reset);
    assert!(picture.buffer.content.iter().all(uncoloured));
    insta::assert_snapshot!(styles(&picture));
}

#[test]
fn in_ascii() {
    let mut desk = Desk::new(samples::busy_machine());
    desk.theme = Theme::new(true, true);
    let table = desk.text(120, 30);
    let drawn = table.replace(|c: char| ('\u{3000}'..'\u{a000}').contains(&c), "");
    assert!(drawn.is_ascii(), "{drawn}");
    insta::assert_snapshot!(table);
    for actions in
        [vec![Action::Tree], vec![Action::Help], vec![Action::Filter], vec![Action::SortMenu]]
    {
        let mut desk = Desk::new(samples::busy_machine()).press(actions);
        desk.theme = Theme::new(true, true);
        let drawn = desk.text(120, 30).replace(|c: char| ('\u{3000}'..'\u{a000}').contains(&c), "");
        assert!(drawn.is_ascii(), "{drawn}");
    }
}

#[test]
fn who_waits_for_whom() {
    let mut desk = Desk::new(samples::busy_machine()).press([Action::Tree]);
    insta::assert_snapshot!(dump(&desk.draw(120, 30)));
}

#[test]
fn the_explanation_on_the_whole_screen() {
    let open = [Action::Move(Step::Lines(2)), Action::Open];
    let mut desk = Desk::new(samples::busy_machine()).press(open);
    insta::assert_snapshot!(desk.text(80, 24));
    insta::assert_snapshot!(desk.text(40, 15));
}

#[test]
fn help() {
    let mut desk = Desk::new(samples::busy_machine()).press([Action::Help]);
    let top = desk.text(80, 24);
    let mut desk = desk.press([Action::Move(Step::Last)]);
    insta::assert_snapshot!(format!("{top}\n{}", desk.text(80, 24)));
}

#[test]
fn every_key_is_in_the_help() {
    let mut desk = Desk::new(samples::busy_machine()).press([Action::Help]);
    let help = desk.text(80, 140);
    for (mode, _) in Mode::ALL {
        for binding in crate::tui::keys::of(mode) {
            assert!(help.contains(binding.action.what()), "{:?}", binding.action);
        }
    }
}

#[test]
fn what_cannot_be_seen() {
    let mut desk = Desk::new(samples::busy_machine()).press([Action::Notes]);
    insta::assert_snapshot!(desk.text(80, 24));
}

#[test]
fn sorting() {
    let menu = [Action::SortMenu, Action::Move(Step::Lines(4))];
    let mut desk = Desk::new(samples::busy_machine()).press(menu);
    insta::assert_snapshot!(desk.text(80, 24));
}

#[test]
fn filtering() {
    let mut desk = Desk::new(samples::busy_machine()).press([Action::Filter]);
    insta::assert_snapshot!("hint", desk.text(80, 24).lines().last().unwrap_or_default());
    let mut desk = desk.press("verdict:st".chars().map(Action::Type));
    insta::assert_snapshot!(desk.text(80, 24));
    assert_eq!(desk.draw(80, 24).cursor, Some(Position { x: 12, y: 23 }));
    let mut desk = desk.press("xx".chars().map(Action::Type));
    insta::assert_snapshot!("nothing_fits", desk.text(80, 24));
}

#[test]
fn frozen() {
    let mut desk = Desk::new(samples::busy_machine()).press([Action::Freeze]);
    let before = desk.text(80, 24);
    desk.now += Duration::from_secs(90);
    let after = desk.text(80, 24);
    let rest = |text: &str| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(rest(&before), rest(&after));
    insta::assert_snapshot!(after.lines().next().unwrap_or_default());
}

#[test]
fn ages_grow_without_a_look() {
    let mut desk = Desk::new(samples::busy_machine());
    assert!(desk.text(120, 30).contains("≥41m01s"));
    desk.now += Duration::from_secs(1);
    assert!(desk.text(120, 30).contains("≥41m02s"));
}

#[test]
fn a_lock_that_ended_is_grey_and_says_so() {
    let mut desk = Desk::new(samples::busy_machine());
    let mut next = samples::busy_machine();
    next.locks.retain(|lock| !lock.label().contains("postgres"));
    let seen = Seen {
        snapshot: Arc::new(next),
        selection: Ok(Selection::all()),
        refused: Vec::new(),
        stalled: Duration::ZERO,
        tracing: Box::default(),
    };
    desk.state.receive(Report {
        outcome: Ok(seen),
        at: desk.now,
        cost: Duration::from_millis(4),
        interval: Duration::from_secs(1),
        note: None,
        events: Vec::new(),
    });
    desk.now += Duration::from_secs(2);
    let picture = desk.draw(120, 30);
    let row = text(&picture).lines().position(|line| line.contains(" ended "));
    let row = row.unwrap() as u16;
    assert!(picture.buffer[(5, row)].modifier.contains(Modifier::DIM));
    insta::assert_snapshot!(text(&picture).lines().nth(row.into()).unwrap_or_default());
}

#[test]
fn before_the_first_look() {
    insta::assert_snapshot!(Desk::empty().text(80, 24));
}

#[test]
fn nothing_is_locked() {
    let mut desk = Desk::new(samples::snapshot(10, Vec::new()));
    assert!(desk.text(80, 24).contains("no lock can be seen"));
    let mut desk = desk.press([Action::Tree]);
    assert!(desk.text(80, 24).contains("no lock can be seen"));
}

#[test]
fn every_size_is_drawn() {
    let states = [
        vec![],
        vec![Action::Open],
        vec![Action::Tree],
        vec![Action::Help],
        vec![Action::Notes],
        vec![Action::SortMenu, Action::Move(Step::Last)],
        vec![Action::Filter, Action::Type('日'), Action::Type('\u{202e}')],
        vec![Action::Move(Step::Last), Action::ScrollDetail(Step::Last)],
    ];
    for actions in states {
        let mut desk = Desk::new(samples::busy_machine()).press(actions.clone());
        for (width, height) in (1..70).flat_map(|width| (1..26).map(move |height| (width, height)))
        {
            let picture = desk.draw(width, height);
            assert_eq!(picture.buffer.area, Rect::new(0, 0, width, height), "{actions:?}");
            for (hit, _) in &picture.screen.hits {
                assert!(picture.buffer.area.contains(Position { x: hit.x, y: hit.y }), "{hit}");
            }
        }
        for (width, height) in [(99, 16), (100, 16), (250, 15), (250, 60), (60, 200)] {
            desk.draw(width, height);
        }
    }
}

#[test]
fn wide_characters_do_not_break_the_frame() {
    let mut desk = Desk::new(samples::busy_machine());
    for width in 60..140 {
        let picture = desk.draw(width, 24);
        for y in 2..22 {
            let edge = picture.buffer[(width - 1, y)].symbol();
            assert!(["│", "┤", "┘"].contains(&edge), "{width}: {y}: {edge}\n{}", text(&picture));
        }
    }
}

#[test]
fn nothing_harmful_is_drawn() {
    let mut desk = Desk::new(samples::busy_machine()).press([Action::Move(Step::Last)]);
    let text = desk.text(200, 60);
    assert!(text.contains("\\x1b[31m\\u{202e}"));
    assert!(!text.contains(['\u{1b}', '\u{202e}']));
}

#[test]
fn what_is_drawn_can_be_clicked() {
    let mut desk = Desk::new(samples::busy_machine());
    let picture = desk.draw(120, 30);
    let text = text(&picture);
    let at = |word: &str| {
        let lines = text.lines().enumerate().filter(|(_, line)| line.contains(word));
        let (y, line) = lines.last().unwrap();
        let x = text::width(&line[..line.find(word).unwrap()]);
        Position { x: x as u16, y: y as u16 }
    };
    let hit = |word: &str| {
        let hits = picture.screen.hits.iter().rev();
        hits.clone().find(|(area, _)| area.contains(at(word))).map(|(_, action)| action.clone())
    };
    assert_eq!(hit("QUEUE"), Some(Action::SortBy(crate::tui::sort::Column::Queue)));
    assert_eq!(hit("? help"), Some(Action::Help));
    assert_eq!(hit("14 processes"), Some(Action::Notes));
    let Some(Action::Choose(choice)) = hit("/var/lib/nerdctl") else { panic!("not a row") };
    assert!(choice.lock.as_str().contains("104"));
}
