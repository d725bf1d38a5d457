//! What the dashboard knows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use locktop::Selection;
use locktop::model::{LockId, Note, Pid, Snapshot};
use locktop::watch::Report;
use ratatui::layout::Rect;

use super::action::Action;
use super::filter::Filter;
use super::graph::Graph;
use super::keys::Mode;
use super::line::Line;
use super::log::Log;
use super::mine::Mine;
use super::order::{Order, Purpose};
use super::release::{self, Dialog};
use super::rows::{Rows, Shown};
use super::sort::Sort;
use super::theme::Role;
use super::trace::Trace;
use super::tree::{self, Node};

/// How long a short message stays.
const MESSAGE: Duration = Duration::from_secs(4);
/// How long one stays that tells of trouble.
const TROUBLE: Duration = Duration::from_secs(15);

/// Everything that a picture is drawn from.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) rows: Rows,
    pub(super) view: View,
    /// The lines of [`View::Tree`].
    pub(super) tree: Vec<Node>,
    /// The boxes of [`View::Graph`].
    pub(super) graph: Graph,
    pub(super) chosen: Option<Choice>,
    /// The locks that are to be freed together.
    pub(super) marks: BTreeSet<LockId>,
    pub(super) filter: Filter,
    pub(super) sort: Sort,
    /// Whether only what needs a person is shown.
    pub(super) problems: bool,
    pub(super) detail: Detail,
    /// What we wait for, hold and free.
    pub(super) mine: Mine,
    /// What has happened.
    pub(super) log: Log,
    pub(super) trace: Trace,
    /// Our own number.
    pub(super) me: Option<Pid>,
    /// Whether no lock may be asked for or freed.
    pub(super) read_only: bool,
    /// What lies over the rest, the topmost last.
    pub(super) overlays: Vec<Overlay>,
    pub(super) frozen: Option<Frozen>,
    pub(super) feed: Feed,
    pub(super) message: Option<Message>,
    /// What the last picture put where.
    pub(super) screen: Screen,
    selection: Selection,
}

/// What the upper part shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum View {
    /// All locks.
    #[default]
    Table,
    /// Who waits for whom.
    Tree,
    /// What the chosen lock has to do with others.
    Graph,
}

/// The chosen line: it stays with its lock, wherever that goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) lock: LockId,
    /// In the tree: the waiter whose line it is.
    pub(super) waiter: Option<Pid>,
    /// Where it was last, for when it is gone.
    pub(super) place: usize,
}

/// The explanation of the chosen lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Detail {
    /// Whether it has the whole screen.
    pub(super) open: bool,
    pub(super) scroll: usize,
}

/// What lies over the rest.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Overlay {
    /// A page of text.
    Page { page: Page, scroll: usize },
    /// The line that takes a filter, and the filter to return to.
    Filter { before: Filter },
    /// The menu of columns, and the place in it.
    Sort { at: usize },
    /// The line that takes a lock's name.
    Prompt(Prompt),
    /// The question before leaving, and which answer is chosen.
    Leave { leaves: bool },
    /// The ways to free locks.
    Release(Box<Dialog>),
}

/// A lock that is being typed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Prompt {
    pub(super) purpose: Purpose,
    pub(super) line: Line,
    /// What the line stands for as long as it is not changed.
    pub(super) offered: Option<Order>,
    /// What is wrong with what was typed.
    pub(super) problem: Option<String>,
}

/// A page of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    Help,
    Notes,
}

/// A picture that is held.
#[derive(Debug)]
pub(super) struct Frozen {
    pub(super) since: Instant,
    /// What was seen meanwhile.
    next: Option<(Arc<Snapshot>, Selection, Instant)>,
}

/// How the looks are going.
#[derive(Debug, Default)]
pub(super) struct Feed {
    /// When the last report came.
    pub(super) at: Option<Instant>,
    pub(super) cost: Cost,
    pub(super) interval: Duration,
    /// Why the last look failed, if it did.
    pub(super) error: Option<String>,
    note: Option<Note>,
}

/// What looks cost, on average; shown steadily, so that a picture at rest stays at rest.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cost {
    pub(super) shown: Duration,
    average: Duration,
}

impl Cost {
    fn after(self, cost: Duration) -> Self {
        let average = if self.average.is_zero() { cost } else { (self.average * 7 + cost) / 8 };
        let steady = average < self.shown * 3 / 2 && self.shown < average * 3 / 2;
        Self { shown: if steady { self.shown } else { average }, average }
    }
}

/// A short message.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) text: String,
    pub(super) role: Role,
    until: Instant,
}

/// What a picture put where: for the mouse, and for moving by pages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Screen {
    /// What a click does; the topmost last.
    pub(super) hits: Vec<(Rect, Action)>,
    pub(super) list: Extent,
    pub(super) detail: Extent,
    pub(super) page: Extent,
}

/// A part of the screen that shows some lines of many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) area: Rect,
    /// The first line that is shown.
    pub(super) first: usize,
    pub(super) lines: usize,
}

impl Extent {
    /// Shows `lines` from `first` on, but no emptiness behind the last one.
    pub(super) fn scrolled(area: Rect, first: usize, lines: usize) -> Self {
        Self { area, first: first.min(lines.saturating_sub(area.height.into())), lines }
    }

    /// Shows `lines` so that the line `at` is among them, moving as little as possible.
    pub(super) fn around(area: Rect, first: usize, lines: usize, at: usize) -> Self {
        let height = usize::from(area.height);
        let lowest = (at + 1).saturating_sub(height);
        Self::scrolled(area, first.clamp(lowest, at.max(lowest)), lines)
    }
}

impl State {
    /// Nothing seen yet. `me` is our own number; times are told as in the zone.
    pub(super) fn new(me: u32, read_only: bool, zone: TimeZone) -> Self {
        let log = Log::of_zone(zone);
        Self { me: Pid::try_from(me).ok(), read_only, log, ..Self::default() }
    }

    /// What has the keyboard.
    pub(super) fn mode(&self) -> Mode {
        match self.overlays.last() {
            Some(Overlay::Page { .. }) => Mode::Page,
            Some(Overlay::Filter { .. }) => Mode::Filter,
            Some(Overlay::Sort { .. }) => Mode::Sort,
            Some(Overlay::Prompt(_)) => Mode::Prompt,
            Some(Overlay::Leave { .. }) => Mode::Leave,
            Some(Overlay::Release(dialog)) => match dialog.stage {
                release::Stage::Asking { .. } => Mode::Agree,
                release::Stage::Typing { .. } => Mode::Word,
                _ => Mode::Release,
            },
            None if self.detail.open => Mode::Detail,
            None if self.log.shown => Mode::Events,
            None if self.mine.shown => Mode::Mine,
            None => Mode::List,
        }
    }

    /// The dialog in which locks are freed, wherever it lies.
    pub(super) fn dialog(&self) -> Option<&Dialog> {
        self.overlays.iter().find_map(|overlay| match overlay {
            Overlay::Release(dialog) => Some(&**dialog),
            _ => None,
        })
    }

    pub(super) fn dialog_mut(&mut self) -> Option<&mut Dialog> {
        self.overlays.iter_mut().find_map(|overlay| match overlay {
            Overlay::Release(dialog) => Some(&mut **dialog),
            _ => None,
        })
    }

    /// What was seen last, though the picture may be held.
    pub(super) fn newest(&self) -> Option<&Arc<Snapshot>> {
        let next = self.frozen.as_ref().and_then(|frozen| frozen.next.as_ref());
        next.map(|(snapshot, ..)| snapshot).or(self.rows.snapshot())
    }

    /// The moment that the picture shows.
    pub(super) fn moment(&self, now: Instant) -> Instant {
        self.frozen.as_ref().map_or(now, |frozen| frozen.since)
    }

    /// The chosen lock, or that of the chosen entry of ours.
    pub(super) fn chosen_lock(&self) -> Option<Shown<'_>> {
        if self.log.shown {
            return self.lock_in_sight(&self.log.chosen(&self.filter)?.id);
        }
        if self.mine.shown {
            let lock = self.rows.snapshot()?.lock(self.mine.chosen()?.lock()?)?;
            return Some(Shown { lock, ended: None });
        }
        self.lock_in_sight(&self.chosen.as_ref()?.lock)
    }

    fn lock_in_sight(&self, id: &LockId) -> Option<Shown<'_>> {
        let row = self.rows.position(id).and_then(|at| self.rows.get(at));
        row.or_else(|| Some(Shown { lock: self.rows.snapshot()?.lock(id)?, ended: None }))
    }

    /// Whether something is chosen that has an explanation.
    pub(super) fn has_choice(&self) -> bool {
        if self.mine.shown { self.mine.chosen().is_some() } else { self.chosen.is_some() }
    }

    /// How many lines the list has.
    pub(super) fn lines(&self) -> usize {
        match self.view {
            View::Table => self.rows.len(),
            View::Tree => self.tree.len(),
            View::Graph => self.graph.blocks.len(),
        }
    }

    /// The place of the chosen line in the list.
    pub(super) fn place(&self) -> Option<usize> {
        self.place_of(self.chosen.as_ref()?)
    }

    /// Where a choice is by now; in the tree, if its waiter is gone, the line of its lock.
    pub(super) fn place_of(&self, choice: &Choice) -> Option<usize> {
        match self.view {
            View::Table => return self.rows.position(&choice.lock),
            View::Graph => return self.graph.position(self.index(&choice.lock)?),
            View::Tree => {}
        }
        let find = |fits: &dyn Fn(Choice) -> bool| {
            (0..self.tree.len()).find(|at| self.choice(*at).is_some_and(fits))
        };
        find(&|line| line.is_same(choice)).or_else(|| find(&|line| line.lock == choice.lock))
    }

    /// What choosing the line at a place chooses.
    pub(super) fn choice(&self, place: usize) -> Option<Choice> {
        match self.view {
            View::Table => {
                let lock = self.rows.get(place)?.lock.id.clone();
                Some(Choice { lock, waiter: None, place })
            }
            View::Tree => {
                let node = self.tree.get(place)?;
                let lock = self.rows.snapshot()?.locks.get(node.lock)?;
                let waiter = node.waiter.and_then(|at| lock.waiters.get(at)?.process.pid);
                Some(Choice { lock: lock.id.clone(), waiter, place })
            }
            View::Graph => {
                let block = self.graph.blocks.get(place)?;
                let lock = self.rows.snapshot()?.locks.get(block.lock)?.id.clone();
                Some(Choice { lock, waiter: None, place })
            }
        }
    }

    /// What cannot be seen.
    pub(super) fn notes(&self) -> impl Iterator<Item = &Note> {
        let seen = self.rows.snapshot().into_iter().flat_map(|snapshot| &snapshot.notes);
        seen.chain(&self.feed.note)
    }

    /// Shows a short message.
    pub(super) fn say(&mut self, text: impl Into<String>, now: Instant) {
        self.message = Some(Message { text: text.into(), role: Role::Good, until: now + MESSAGE });
    }

    /// Shows a short message that something did not work.
    pub(super) fn warn(&mut self, text: impl Into<String>, now: Instant) {
        self.message = Some(Message { text: text.into(), role: Role::Alarm, until: now + TROUBLE });
    }

    /// Takes what a look brought.
    pub(super) fn receive(&mut self, report: Report) {
        let Report { outcome, at, cost, interval, note, events, .. } = report;
        self.log.receive(events, self.frozen.is_some());
        let error = match outcome {
            Err(error) => Some(error.to_string()),
            Ok(seen) => {
                let (selection, error) = match seen.selection {
                    Ok(selection) => (selection, None),
                    Err(error) => (self.selection.clone(), Some(error.to_string())),
                };
                if let Some(note) = self.trace.hear(*seen.tracing, at) {
                    let help = note.would_help.map(|help| format!(": {help}"));
                    self.warn(format!("{}{}", note.text, help.unwrap_or_default()), at);
                }
                if let Some(dialog) = self.dialog_mut() {
                    dialog.compare(&seen.snapshot);
                }
                match &mut self.frozen {
                    Some(frozen) => frozen.next = Some((seen.snapshot, selection, at)),
                    None => self.show(seen.snapshot, selection, at),
                }
                error
            }
        };
        let cost = self.feed.cost.after(cost);
        self.feed = Feed { at: Some(at), cost, interval, error, note };
    }

    /// Holds the picture, or goes on to what was seen meanwhile.
    pub(super) fn freeze(&mut self, now: Instant) {
        let frozen = self.frozen.take();
        if frozen.is_some() {
            self.log.let_go();
        }
        match frozen {
            None => self.frozen = Some(Frozen { since: now, next: None }),
            Some(Frozen { next: Some((snapshot, selection, at)), .. }) => {
                self.show(snapshot, selection, at);
            }
            Some(Frozen { next: None, .. }) => {}
        }
    }

    /// What time alone changes.
    pub(super) fn tick(&mut self, now: Instant) {
        if self.message.as_ref().is_some_and(|message| message.until <= now) {
            self.message = None;
        }
        if self.frozen.is_none() && self.rows.prune(now) {
            self.arrange();
        }
    }

    fn show(&mut self, snapshot: Arc<Snapshot>, selection: Selection, at: Instant) {
        self.rows.advance(snapshot, &selection, at);
        self.selection = selection;
        self.arrange();
    }

    /// Brings the lines in line with snapshot, filter and order; the choice follows its lock.
    pub(super) fn arrange(&mut self) {
        self.marks.retain(|id| self.rows.has(id));
        self.rows.arrange(&self.filter, self.problems, self.sort);
        self.tree = match (self.view, self.rows.snapshot()) {
            (View::Tree, Some(snapshot)) => tree::forest(snapshot, self.rows.in_snapshot()),
            _ => Vec::new(),
        };
        self.graph = self.graph_of_choice();
        let last = self.chosen.as_ref().map_or(0, |chosen| chosen.place);
        let place = self.place().unwrap_or(last.min(self.lines().saturating_sub(1)));
        self.choose(place);
    }

    /// What the chosen lock has to do with others; where it has ended, what one of these has, or else
    /// the first in the list.
    fn graph_of_choice(&self) -> Graph {
        let Some(snapshot) = self.rows.snapshot().filter(|_| self.view == View::Graph) else {
            return Graph::default();
        };
        let chosen = self.chosen.iter().map(|chosen| &chosen.lock);
        let others = self.graph.blocks.iter().map(|block| &block.id);
        let mut near = chosen.chain(others).filter_map(|id| self.index(id));
        let lock = near.next().or_else(|| self.rows.in_snapshot().next());
        lock.map_or_else(Graph::default, |lock| Graph::around(snapshot, lock))
    }

    /// Where a lock is in the snapshot.
    fn index(&self, id: &LockId) -> Option<usize> {
        self.rows.snapshot()?.locks.iter().position(|lock| lock.id == *id)
    }

    /// Chooses the line at a place.
    pub(super) fn choose(&mut self, place: usize) {
        let next = self.choice(place);
        let lock = |choice: &Option<Choice>| choice.as_ref().map(|choice| choice.lock.clone());
        if lock(&next) != lock(&self.chosen) {
            self.detail.scroll = 0;
        }
        self.chosen = next;
    }
}

impl Choice {
    /// Whether both are about the same thing, wherever that is.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.lock, self.waiter) == (&other.lock, other.waiter)
    }
}
