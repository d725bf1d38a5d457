//! Which key does what, as a table: the keymap, the help and the key bar are made from it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::action::{Action, Step};
use super::line::Way;
use super::order::Purpose;
use super::theme::Glyphs;

/// What has the keyboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// The table, or who waits for whom.
    List,
    /// What we wait for and hold.
    Mine,
    /// What has happened.
    Events,
    /// The explanation on the whole screen.
    Detail,
    /// A page of text over everything.
    Page,
    /// The line that takes the filter.
    Filter,
    /// The menu of columns.
    Sort,
    /// The line that takes a lock's name.
    Prompt,
    /// The question before leaving.
    Leave,
    /// The ways to free a lock, and what comes of it.
    Release,
    /// The question before that.
    Agree,
    /// The line that takes the word for what is drastic.
    Word,
}

impl Mode {
    /// All of them with their heads in the help.
    pub(super) const ALL: [(Self, &'static str); 12] = [
        (Self::List, "List"),
        (Self::Mine, "Mine"),
        (Self::Events, "Events"),
        (Self::Detail, "Explanation"),
        (Self::Filter, "Filter"),
        (Self::Sort, "Sort menu"),
        (Self::Page, "Pages"),
        (Self::Prompt, "Typing a lock"),
        (Self::Leave, "Leaving while waiting or holding"),
        (Self::Release, "Freeing a lock"),
        (Self::Agree, "Freeing a lock: the question"),
        (Self::Word, "Freeing a lock: the word"),
    ];
}

/// A key, with Ctrl or without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    code: KeyCode,
    ctrl: bool,
}

const fn key(code: KeyCode) -> Key {
    Key { code, ctrl: false }
}

const fn char(c: char) -> Key {
    key(KeyCode::Char(c))
}

const fn ctrl(c: char) -> Key {
    Key { code: KeyCode::Char(c), ctrl: true }
}

impl Key {
    /// Its name.
    pub(super) fn name(self, glyphs: &Glyphs) -> String {
        match self.code {
            KeyCode::Char(' ') => "space".into(),
            KeyCode::Char(c) if self.ctrl => format!("^{}", c.to_ascii_uppercase()),
            KeyCode::Char(c) => c.to_string(),
            KeyCode::F(n) => format!("F{n}"),
            KeyCode::Up => glyphs.up.into(),
            KeyCode::Down => glyphs.down.into(),
            KeyCode::Enter => glyphs.enter.into(),
            KeyCode::Esc => "esc".into(),
            KeyCode::Backspace => "backspace".into(),
            KeyCode::PageUp => "pgup".into(),
            KeyCode::PageDown => "pgdn".into(),
            KeyCode::Home => "home".into(),
            KeyCode::End => "end".into(),
            other => format!("{other:?}").to_lowercase(),
        }
    }
}

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Self {
        Self { code: event.code, ctrl: event.modifiers.contains(KeyModifiers::CONTROL) }
    }
}

/// Keys that do the same in some modes.
#[derive(Debug)]
pub(super) struct Binding {
    pub(super) modes: &'static [Mode],
    pub(super) keys: &'static [Key],
    pub(super) action: Action,
    /// Its word in the key bar, if it is there.
    pub(super) bar: Option<&'static str>,
}

/// Where Ctrl-C is an interrupt; elsewhere it leaves what could be meant by that.
const INTERRUPTIBLE: &[Mode] = &[
    Mode::List,
    Mode::Mine,
    Mode::Events,
    Mode::Detail,
    Mode::Page,
    Mode::Filter,
    Mode::Sort,
    Mode::Prompt,
    Mode::Leave,
];
const EVERYWHERE: &[Mode] = &[
    Mode::List,
    Mode::Mine,
    Mode::Events,
    Mode::Detail,
    Mode::Page,
    Mode::Filter,
    Mode::Sort,
    Mode::Prompt,
    Mode::Leave,
    Mode::Release,
    Mode::Agree,
    Mode::Word,
];
const READING: &[Mode] = &[Mode::List, Mode::Detail];
/// What a filter narrows, and a held picture holds.
const FILTERED: &[Mode] = &[Mode::List, Mode::Events, Mode::Detail];
/// Where a lock or something of ours is chosen.
const CHOOSING: &[Mode] = &[Mode::List, Mode::Mine, Mode::Detail];
/// All that a dialog can lie over.
const VIEWS: &[Mode] = &[Mode::List, Mode::Mine, Mode::Events, Mode::Detail];
const MINE: &[Mode] = &[Mode::Mine];
/// Where the explanation is below.
const LISTS: &[Mode] = &[Mode::List, Mode::Mine, Mode::Events];
const EVENTS: &[Mode] = &[Mode::Events];
const MOVING: &[Mode] =
    &[Mode::List, Mode::Mine, Mode::Events, Mode::Detail, Mode::Page, Mode::Sort];
const TYPING: &[Mode] = &[Mode::Filter, Mode::Prompt, Mode::Word];
const PROMPT: &[Mode] = &[Mode::Prompt];
const LEAVE: &[Mode] = &[Mode::Leave];
const ANSWERING: &[Mode] = &[Mode::Leave, Mode::Agree];
const RELEASE: &[Mode] = &[Mode::Release];
const RELEASING: &[Mode] = &[Mode::Release, Mode::Agree, Mode::Word];

const fn bind(
    modes: &'static [Mode],
    keys: &'static [Key],
    action: Action,
    bar: Option<&'static str>,
) -> Binding {
    Binding { modes, keys, action, bar }
}

static BINDINGS: &[Binding] = &[
    // First, so that the bar of a small screen has them.
    bind(MINE, &[char('c'), key(KeyCode::Delete)], Action::Cancel, Some("cancel")),
    bind(MINE, &[char('x')], Action::GiveBack, Some("give back")),
    bind(MINE, &[char('d')], Action::Dismiss, Some("dismiss")),
    bind(MINE, &[char('D')], Action::DismissAll, None),
    bind(MINE, &[char('i')], Action::Insist, Some("insist")),
    bind(RELEASE, &[char('x')], Action::GiveBack, Some("hand over")),
    bind(RELEASE, &[key(KeyCode::Up), char('k')], Action::Move(Step::Lines(-1)), None),
    bind(RELEASE, &[key(KeyCode::Down), char('j')], Action::Move(Step::Lines(1)), Some("move")),
    bind(MOVING, &[key(KeyCode::Up), char('k')], Action::Move(Step::Lines(-1)), None),
    bind(MOVING, &[key(KeyCode::Down), char('j')], Action::Move(Step::Lines(1)), Some("move")),
    bind(MOVING, &[key(KeyCode::PageUp), ctrl('b')], Action::Move(Step::Pages(-1)), None),
    bind(MOVING, &[key(KeyCode::PageDown), ctrl('f')], Action::Move(Step::Pages(1)), None),
    bind(MOVING, &[key(KeyCode::Home)], Action::Move(Step::First), None),
    bind(MOVING, &[key(KeyCode::End), char('G')], Action::Move(Step::Last), None),
    bind(ANSWERING, &[key(KeyCode::Left), key(KeyCode::Up)], Action::Move(Step::Lines(-1)), None),
    bind(ANSWERING, &[key(KeyCode::Right), key(KeyCode::Down)], Action::Move(Step::Lines(1)), None),
    bind(&[Mode::List, Mode::Mine], &[key(KeyCode::Enter)], Action::Open, Some("open")),
    bind(EVENTS, &[key(KeyCode::Enter)], Action::GoTo, Some("to the lock")),
    bind(&[Mode::Detail], &[key(KeyCode::Enter)], Action::Open, Some("back")),
    bind(
        &[Mode::Sort, Mode::Filter, Mode::Prompt],
        &[key(KeyCode::Enter)],
        Action::Accept,
        Some("take"),
    ),
    bind(
        &[Mode::Leave, Mode::Release, Mode::Agree, Mode::Word],
        &[key(KeyCode::Enter)],
        Action::Accept,
        Some("choose"),
    ),
    bind(
        &[Mode::Page, Mode::Sort, Mode::Filter, Mode::Prompt],
        &[key(KeyCode::Esc)],
        Action::Back,
        Some("back"),
    ),
    bind(CHOOSING, &[key(KeyCode::Esc)], Action::Back, None),
    bind(EVENTS, &[key(KeyCode::Esc)], Action::Back, None),
    bind(RELEASING, &[key(KeyCode::PageUp)], Action::ScrollDetail(Step::Pages(-1)), None),
    bind(RELEASING, &[key(KeyCode::PageDown)], Action::ScrollDetail(Step::Pages(1)), None),
    bind(LISTS, &[char('K')], Action::ScrollDetail(Step::Lines(-1)), None),
    bind(LISTS, &[char('J')], Action::ScrollDetail(Step::Lines(1)), None),
    bind(CHOOSING, &[char('w')], Action::Ask(Purpose::Wait), Some("wait")),
    bind(CHOOSING, &[char('a')], Action::Ask(Purpose::Take), Some("take")),
    bind(CHOOSING, &[char('r')], Action::Release, Some("release")),
    bind(&[Mode::List], &[char(' ')], Action::Mark, None),
    bind(CHOOSING, &[char('W')], Action::AskTyped(Purpose::Wait), None),
    bind(CHOOSING, &[char('A')], Action::AskTyped(Purpose::Take), None),
    bind(READING, &[char('m')], Action::Mine, Some("mine")),
    bind(MINE, &[char('m')], Action::Mine, Some("list")),
    bind(EVENTS, &[char('E')], Action::Events, Some("list")),
    bind(EVENTS, &[char('m')], Action::Mine, Some("mine")),
    bind(FILTERED, &[char('/')], Action::Filter, Some("filter")),
    bind(READING, &[char('s')], Action::SortMenu, Some("sort")),
    bind(READING, &[char('S')], Action::Reverse, None),
    bind(READING, &[char('!')], Action::Problems, Some("problems")),
    bind(READING, &[char('t')], Action::Tree, Some("tree")),
    bind(READING, &[char('g')], Action::Graph, Some("graph")),
    bind(&[Mode::List, Mode::Mine, Mode::Detail], &[char('E')], Action::Events, Some("events")),
    bind(FILTERED, &[char('p')], Action::Freeze, Some("freeze")),
    bind(READING, &[char('y')], Action::CopyPath, Some("copy")),
    bind(READING, &[char('Y')], Action::CopyExplanation, None),
    bind(VIEWS, &[char('T')], Action::Trace, None),
    bind(VIEWS, &[char('n')], Action::Notes, None),
    bind(VIEWS, &[key(KeyCode::F(5)), ctrl('l')], Action::Refresh, None),
    bind(TYPING, &[key(KeyCode::Backspace), ctrl('h')], Action::Erase, None),
    bind(TYPING, &[ctrl('w')], Action::EraseWord, None),
    bind(TYPING, &[ctrl('u')], Action::EraseAll, Some("clear")),
    bind(PROMPT, &[key(KeyCode::Delete), ctrl('d')], Action::Delete, None),
    bind(PROMPT, &[key(KeyCode::Left), ctrl('b')], Action::Cursor(Way::Left), None),
    bind(PROMPT, &[key(KeyCode::Right), ctrl('f')], Action::Cursor(Way::Right), None),
    bind(PROMPT, &[key(KeyCode::Home), ctrl('a')], Action::Cursor(Way::Start), None),
    bind(PROMPT, &[key(KeyCode::End), ctrl('e')], Action::Cursor(Way::End), None),
    bind(LEAVE, &[key(KeyCode::Esc), char('n')], Action::Back, Some("stay")),
    bind(LEAVE, &[char('y')], Action::Leave, Some("leave")),
    bind(&[Mode::Agree], &[char('y')], Action::Agree, Some("yes")),
    bind(RELEASE, &[char('r')], Action::LookAgain, Some("look again")),
    bind(VIEWS, &[char('?'), key(KeyCode::F(1))], Action::Help, Some("help")),
    bind(RELEASE, &[char('?'), key(KeyCode::F(1))], Action::Help, Some("help")),
    bind(RELEASE, &[key(KeyCode::Esc), char('q'), ctrl('c')], Action::Back, Some("close")),
    bind(
        &[Mode::Agree],
        &[key(KeyCode::Esc), char('n'), char('q'), ctrl('c')],
        Action::Back,
        Some("no"),
    ),
    bind(&[Mode::Word], &[key(KeyCode::Esc), ctrl('c')], Action::Back, Some("no")),
    bind(&[Mode::Page], &[char('?')], Action::Back, None),
    bind(MOVING, &[char('q')], Action::Quit, Some("quit")),
    bind(EVERYWHERE, &[ctrl('z')], Action::Suspend, None),
    bind(INTERRUPTIBLE, &[ctrl('c')], Action::Interrupt, None),
];

/// The bindings of a mode.
pub(super) fn of(mode: Mode) -> impl Iterator<Item = &'static Binding> {
    BINDINGS.iter().filter(move |binding| binding.modes.contains(&mode))
}

/// The name of the key for an action that a letter does, for sentences.
pub(super) fn letter(mode: Mode, action: &Action) -> char {
    let bindings = of(mode).filter(|binding| binding.action == *action);
    let letter = |key: &Key| if let KeyCode::Char(c) = key.code { Some(c) } else { None };
    bindings.flat_map(|binding| binding.keys).find_map(letter).unwrap_or('?')
}

/// What a key does in a mode.
pub(super) fn action(mode: Mode, event: KeyEvent) -> Option<Action> {
    let key = Key::from(event);
    if let Some(binding) = of(mode).find(|binding| binding.keys.contains(&key)) {
        return Some(binding.action.clone());
    }
    let altered = event.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    match event.code {
        KeyCode::Char(c) if TYPING.contains(&mode) && !altered => Some(Action::Type(c)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_key_means_two_things() {
        for (mode, name) in Mode::ALL {
            let mut seen = HashSet::new();
            for key in of(mode).flat_map(|binding| binding.keys) {
                assert!(seen.insert(format!("{key:?}")), "{name}: {key:?}");
            }
        }
    }

    #[test]
    fn there_is_a_way_out_of_every_mode() {
        for (mode, name) in Mode::ALL {
            let out = |action: &Action| matches!(action, Action::Quit | Action::Back);
            assert!(of(mode).any(|binding| out(&binding.action)), "{name}");
        }
    }

    #[test]
    fn letters_are_typed_where_text_is_taken() {
        let press = |mode, c| action(mode, KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
        assert_eq!(press(Mode::Filter, 'q'), Some(Action::Type('q')));
        assert_eq!(press(Mode::Prompt, 'q'), Some(Action::Type('q')));
        assert_eq!(press(Mode::List, 'q'), Some(Action::Quit));
        assert_eq!(press(Mode::Leave, 'q'), None);
        let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        for (mode, name) in Mode::ALL {
            let out = if RELEASING.contains(&mode) { Action::Back } else { Action::Interrupt };
            assert_eq!(action(mode, ctrl_c), Some(out), "{name}");
        }
    }
}
