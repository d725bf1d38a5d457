//! What we wait for, hold and free.

use locktop::model::{Lock, short};
use ratatui::layout::Rect;

use super::Painter;
use super::pen::Run;
use super::table::{GAP, side_by_side};
use crate::tui::action::Action;
use crate::tui::cells;
use crate::tui::keys::{self, Mode};
use crate::tui::mine::{End, Entry, Stage, Task};
use crate::tui::order::Purpose;
use crate::tui::state::Extent;
use crate::tui::text;
use crate::tui::theme::Role;

/// Wide enough for everything.
const WIDE: u16 = 98;
/// Narrower than this there is a list.
const NARROW: u16 = 58;

/// What stands in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    State,
    Want,
    Lock,
    Queue,
    Time,
    HasIt,
}

impl Column {
    fn head(self) -> &'static str {
        match self {
            Self::State => "STATE",
            Self::Want => "ASKED",
            Self::Lock => "LOCK",
            Self::Queue => "QUEUE",
            Self::Time => "FOR",
            Self::HasIt => "WHO HAS IT",
        }
    }
}

impl Painter<'_> {
    pub(super) fn draw_mine(&mut self, area: Rect) {
        let state = self.state;
        if state.mine.len() == 0 {
            self.draw_nothing_ours(area);
            return;
        }
        let columns = if area.width < NARROW { Vec::new() } else { layout(area) };
        for (column, cell) in &columns {
            let style = self.pen.style(Role::Head);
            self.pen.write(cell.x, area.y, cell.width, column.head(), style);
        }
        let head = u16::from(!columns.is_empty()).min(area.height);
        let body = Rect { y: area.y + head, height: area.height - head, ..area };
        let chosen = state.mine.place();
        let first = state.screen.list.first;
        let extent = Extent::around(body, first, state.mine.len(), chosen.unwrap_or_default());
        for (line, at) in body.rows().zip(extent.first..) {
            let Some(entry) = state.mine.get(at) else { break };
            if columns.is_empty() {
                self.draw_short(line, entry);
            }
            for (column, cell) in &columns {
                self.draw_part(Rect { y: line.y, ..*cell }, *column, entry);
            }
            self.mark(line, false, chosen == Some(at));
            self.screen.hits.push((line, Action::ChooseMine(entry.number)));
        }
        self.screen.list = extent;
    }

    fn draw_nothing_ours(&mut self, area: Rect) {
        let letter = |purpose| keys::letter(Mode::List, &Action::Ask(purpose));
        let (wait, take) = (letter(Purpose::Wait), letter(Purpose::Take));
        let said = if self.state.read_only {
            "With --read-only nothing is waited for, taken or freed.".into()
        } else {
            format!(
                "Nothing is waited for or held from here. In the list {wait} waits for the selected \
                 lock, and {take} takes it; {} and {} ask which.",
                wait.to_ascii_uppercase(),
                take.to_ascii_uppercase()
            )
        };
        let text = Rect { x: area.x + 2, width: area.width.saturating_sub(3), ..area };
        for (line, said) in text.rows().zip(text::wrap(&said, text.width.into())) {
            self.pen.write(line.x, line.y, line.width, &said, self.pen.style(Role::Plain));
        }
    }

    fn draw_part(&mut self, cell: Rect, column: Column, entry: &Entry) {
        let theme = self.pen.theme;
        let mut role = Role::Plain;
        let content = match column {
            Column::State => {
                role = role_of(entry);
                entry.word().into()
            }
            Column::Want => want(entry).into(),
            Column::Lock => text::cut_path(entry.task.place(), cell.width.into(), theme.glyphs.cut),
            Column::Queue => self.queue(entry, cell.width >= 10),
            Column::Time => short(entry.lasted(self.now)),
            Column::HasIt => self.who(entry),
        };
        self.pen.write(cell.x, cell.y, cell.width, &content, self.pen.style(role));
    }

    /// For small screens: how far it is, which lock, and the time.
    fn draw_short(&mut self, line: Rect, entry: &Entry) {
        let style = self.pen.style(role_of(entry));
        let x = self.pen.write(line.x + 2, line.y, 11, entry.word(), style).max(line.x + 13) + 1;
        let queue = self.queue(entry, false);
        let dot = self.pen.theme.glyphs.dot;
        let time = short(entry.lasted(self.now));
        let time = if entry.is_waiting() && queue != self.pen.theme.glyphs.none {
            format!("{queue} {dot} {time}")
        } else {
            time
        };
        let room = line.right().saturating_sub(x);
        let time_room = (text::width(&time) as u16).min(room * 2 / 3);
        let name_room = room.saturating_sub(time_room + 1);
        let place = entry.task.place();
        let name = place.rsplit('/').next().unwrap_or_default();
        let plain = self.pen.style(Role::Plain);
        self.pen.write(x, line.y, name_room, name, plain);
        self.pen.write(line.right() - time_room, line.y, time_room, &time, plain);
    }

    /// Our place in the queue, and how many are ahead.
    fn queue(&self, entry: &Entry, wide: bool) -> String {
        let glyphs = self.pen.theme.glyphs;
        let Some(position) = self.position(entry) else { return glyphs.none.into() };
        let ahead = match position {
            1 => "next".into(),
            _ => format!("{} ahead", position - 1),
        };
        if wide { format!("{position} {} {ahead}", glyphs.dot) } else { ahead }
    }

    /// Who has it, or what went wrong.
    fn who(&self, entry: &Entry) -> String {
        if let Some(trouble) = entry.trouble() {
            return trouble.to_owned();
        }
        match (&entry.stage, self.lock_of(entry)) {
            (Stage::Held { .. } | Stage::Returning { .. }, _) => "you, here".into(),
            (Stage::Kept { .. } | Stage::HandingOver { .. }, _) => "escrow by locktop".into(),
            (Stage::Over { end: End::Freed | End::HandedOver(_), .. }, None) => "nobody".into(),
            (
                Stage::Waiting { .. }
                | Stage::Cancelling { .. }
                | Stage::Freeing { .. }
                | Stage::Over { end: End::Freed | End::HandedOver(_), .. },
                Some(lock),
            ) => cells::holder(lock, self.state.me),
            _ => self.pen.theme.glyphs.none.into(),
        }
    }

    /// The lock as the table has it, else as the wait itself last saw it.
    fn lock_of<'a>(&'a self, entry: &'a Entry) -> Option<&'a Lock> {
        let in_table = || self.state.rows.snapshot()?.lock(entry.lock()?);
        in_table().or_else(|| entry.seen())
    }

    /// Our place in the queue, by the table where that knows us, else by the wait itself.
    fn position(&self, entry: &Entry) -> Option<u32> {
        if !entry.is_waiting() {
            return None;
        }
        let me = self.state.me;
        let waiters = self.lock_of(entry).map_or(&[][..], |lock| &lock.waiters);
        let mut ours = waiters.iter().filter(|waiter| cells::is_me(&waiter.process, me));
        match (ours.next(), ours.next()) {
            (Some(only), None) => only.position,
            // None of our threads, or several: the wait itself knows better.
            _ => entry.position(),
        }
    }

    /// What is told above the explanation of a lock: our part in it.
    pub(super) fn our_part(&self, room: usize) -> Vec<Vec<Run>> {
        let state = self.state;
        let told: Vec<(String, Role)> = if state.mine.shown {
            state
                .mine
                .chosen()
                .map(|entry| (self.story(entry), role_of(entry)))
                .into_iter()
                .collect()
        } else {
            let chosen = state.chosen.as_ref().map(|choice| &choice.lock);
            let ours = state.mine.iter().filter(|entry| !entry.is_over());
            let ours = ours.filter(|entry| entry.lock() == chosen && chosen.is_some());
            ours.map(|entry| (self.story(entry), role_of(entry))).collect()
        };
        let lines = told.into_iter().flat_map(|(said, role)| {
            let style = self.pen.style(role);
            text::wrap(&said, room).into_iter().map(move |line| vec![(line, style)])
        });
        lines.collect()
    }

    /// The entry in sentences.
    fn story(&self, entry: &Entry) -> String {
        let (name, lasted) = (entry.task.name(), short(entry.lasted(self.now)));
        let mine = |action: Action| {
            let key = keys::letter(Mode::Mine, &action);
            if self.state.mine.shown {
                key.to_string()
            } else {
                format!("{}, then {key},", keys::letter(Mode::List, &Action::Mine))
            }
        };
        match &entry.stage {
            Stage::Waiting { .. } => {
                let place = match self.position(entry) {
                    None => String::new(),
                    Some(1) => ", next in its queue".into(),
                    Some(place) => {
                        format!(", number {place} in its queue with {} ahead", place - 1)
                    }
                };
                let then = match entry.order().map(|order| order.purpose) {
                    Some(Purpose::Take) => "When it is yours the bell rings.",
                    _ => "When it is free the bell rings.",
                };
                let cancel = mine(Action::Cancel);
                format!("You wait for {name}{place}, for {lasted}. {then} {cancel} cancels.")
            }
            Stage::Cancelling { .. } => format!("You no longer want {name}: leaving its queue."),
            Stage::Held { .. } => {
                let key = mine(Action::GiveBack);
                format!("You hold {name}, in this dashboard, for {lasted}. {key} gives it back.")
            }
            Stage::Returning { .. } => format!("{name} is being given back."),
            Stage::Freeing { .. } | Stage::Kept { .. } | Stage::HandingOver { .. } => {
                self.story_of_act(entry)
            }
            Stage::Over { end, .. } => match end {
                End::Freed | End::NotFreed | End::HandedOver(_) | End::Untouched(_) => {
                    self.story_of_act(entry)
                }
                End::Free => {
                    let key = keys::letter(Mode::Mine, &Action::Ask(Purpose::Take));
                    format!("{name} was free after {lasted}, and was not kept. {key} takes it.")
                }
                End::Returned => format!("{name} was yours for {lasted}, and is given back."),
                End::Cancelled => format!("You waited for {name}, for {lasted}."),
                End::Refused(why) => {
                    let key = keys::letter(Mode::Mine, &Action::Insist);
                    format!("Refused: {} {key} insists.", sentence(why))
                }
                End::Lost(why) => {
                    format!("{name} was yours for {lasted}, and is lost: {}", sentence(why))
                }
                End::Failed(why) => format!("{name}: {}", sentence(why)),
            },
        }
    }
}

impl Painter<'_> {
    /// How freeing a lock goes, in one paragraph.
    fn story_of_act(&self, entry: &Entry) -> String {
        let Some(plan) = entry.plan() else { return String::new() };
        let head = match entry.stage {
            Stage::Kept { .. } => {
                format!("Kept: {}, after the end of {}.", plan.name, plan.whom())
            }
            _ => format!("{}: {} {}.", plan.name, plan.method, plan.whom()),
        };
        let told = self.told_act(entry).into_iter().map(|(said, _)| said);
        std::iter::once(head).chain(told).collect::<Vec<_>>().join(" ")
    }
}

/// With a full stop at its end.
fn sentence(why: &str) -> String {
    format!("{}.", why.trim_end_matches('.'))
}

fn want(entry: &Entry) -> &'static str {
    match &entry.task {
        Task::Ask(order) if order.purpose == Purpose::Wait => "wait",
        Task::Ask(_) => "take",
        Task::Free(plan) => plan.method.word(),
    }
}

fn role_of(entry: &Entry) -> Role {
    match &entry.stage {
        Stage::Held { .. } | Stage::Over { end: End::Free | End::Freed, .. } => Role::Good,
        Stage::Over { end: End::Returned | End::Cancelled | End::HandedOver(_), .. } => Role::Muted,
        Stage::Over { .. } => Role::Alarm,
        _ => Role::Warning,
    }
}

/// The columns that fit, each with its place.
fn layout(area: Rect) -> Vec<(Column, Rect)> {
    let wide = area.width >= WIDE;
    let (state, time) = (11, 6);
    let (want, queue) = if wide { (10, 12) } else { (0, 8) };
    let gaps = GAP * if wide { 5 } else { 4 };
    let rest = area.width.saturating_sub(2 + state + want + queue + time + gaps);
    let who = (rest * 2 / 5).min(40);
    let widths = [
        (Column::State, state),
        (Column::Want, want),
        (Column::Lock, rest - who),
        (Column::Queue, queue),
        (Column::Time, time),
        (Column::HasIt, who),
    ];
    side_by_side(area, &widths)
}
