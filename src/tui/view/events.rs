//! What has happened, newest first.

use locktop::model::{Event, EventKind, PathBytes, harmless};
use ratatui::layout::Rect;

use super::Painter;
use super::pen::Run;
use super::table::{GAP, side_by_side};
use crate::tui::action::Action;
use crate::tui::state::Extent;
use crate::tui::text;
use crate::tui::theme::Role;

/// Wide enough for milliseconds, and for what else there is to say.
const WIDE: u16 = 98;
/// Narrower than this there is a list.
const NARROW: u16 = 58;
/// Columns of the longest word for an event.
const WORD: u16 = 15;

/// What stands in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Time,
    Event,
    Lock,
    Who,
    Story,
}

impl Column {
    fn head(self) -> &'static str {
        match self {
            Self::Time => " TIME",
            Self::Event => "EVENT",
            Self::Lock => "LOCK",
            Self::Who => "WHO",
            Self::Story => "AFTER",
        }
    }
}

impl Painter<'_> {
    pub(super) fn draw_events(&mut self, area: Rect) {
        let state = self.state;
        let visible = state.log.visible(&state.filter);
        if visible.is_empty() {
            self.draw_no_events(area);
            return;
        }
        let columns = if area.width < NARROW { list(area) } else { layout(area) };
        let has_heads = area.width >= NARROW;
        for (column, cell) in columns.iter().filter(|_| has_heads) {
            let style = self.pen.style(Role::Head);
            self.pen.write(cell.x, area.y, cell.width, column.head(), style);
        }
        let head = u16::from(has_heads).min(area.height);
        let body = Rect { y: area.y + head, height: area.height - head, ..area };
        let chosen = state.log.place(&visible);
        let extent = Extent::around(body, state.screen.list.first, visible.len(), chosen);
        for (line, at) in body.rows().zip(extent.first..visible.len()) {
            let Some(entry) = visible.get(at) else { break };
            for (column, cell) in &columns {
                let cell = Rect { y: line.y, height: 1, ..*cell };
                self.draw_event_part(cell, *column, &entry.event, area.width >= WIDE);
            }
            self.mark(line, false, chosen == at);
            self.screen.hits.push((line, Action::ChooseEvent(entry.number)));
        }
        self.screen.list = extent;
    }

    fn draw_no_events(&mut self, area: Rect) {
        let log = &self.state.log;
        let said = match log.len() {
            0 => "Nothing has happened yet. What was there when the dashboard began is no event."
                .to_owned(),
            events => format!("None of {events} events fits the filter."),
        };
        let text = Rect { x: area.x + 2, width: area.width.saturating_sub(3), ..area };
        for (line, said) in text.rows().zip(text::wrap(&said, text.width.into())) {
            self.pen.write(line.x, line.y, line.width, &said, self.pen.style(Role::Plain));
        }
    }

    fn draw_event_part(&mut self, cell: Rect, column: Column, event: &Event, wide: bool) {
        let glyphs = self.pen.theme.glyphs;
        let mut role = Role::Plain;
        let content = match column {
            Column::Time => {
                role = Role::Muted;
                self.time_of(event, wide)
            }
            Column::Event => {
                role = role_of(event);
                event.kind.word().into()
            }
            Column::Lock => text::cut_path(&label(event), cell.width.into(), glyphs.cut),
            Column::Who => who(event).unwrap_or_else(|| glyphs.none.into()),
            Column::Story if wide => event.story(),
            Column::Story => brief(event, self.pen.theme.is_ascii()),
        };
        self.pen.write(cell.x, cell.y, cell.width, &content, self.pen.style(role));
    }

    /// When it happened: with a mark before it if that is known only by the looks before and after.
    fn time_of(&self, event: &Event, wide: bool) -> String {
        let (mark, form) = match (event.is_exact(), wide) {
            (true, true) => (" ", "%H:%M:%S.%3f"),
            (true, false) => (" ", "%H:%M:%S"),
            (false, _) => (self.pen.theme.glyphs.about, "%H:%M:%S"),
        };
        format!("{mark}{}", self.state.log.time(event.at, form))
    }

    /// The chosen event in full, for the lower part.
    pub(super) fn event_part(&self, room: usize) -> Vec<Vec<Run>> {
        let state = self.state;
        let Some(event) = state.log.chosen(&state.filter).filter(|_| state.log.shown) else {
            return Vec::new();
        };
        let who = who(event).unwrap_or_else(|| "somebody who could not be seen".into());
        let story = Some(event.story()).filter(|story| !story.is_empty());
        let parts: Vec<String> = [who, self.moment_of(event)].into_iter().chain(story).collect();
        let evidence: Vec<String> = event.evidence.iter().map(ToString::to_string).collect();
        let said = format!(
            "{}: {}. Known from: {}.",
            event.kind.word(),
            parts.join("; "),
            evidence.join(", ")
        );
        let style = self.pen.style(role_of(event));
        let lines = text::wrap(&said, room).into_iter();
        lines.map(|line| vec![(line, style)]).collect()
    }

    fn moment_of(&self, event: &Event) -> String {
        let log = &self.state.log;
        let at = log.time(event.at, "%Y-%m-%d %H:%M:%S.%3f");
        match event.not_before {
            Some(_) if event.is_exact() => format!("at {at}"),
            Some(from) => {
                let from = log.time(from, "%H:%M:%S.%3f");
                format!("between {from} and {}", log.time(event.at, "%H:%M:%S.%3f"))
            }
            None => format!("not after {at}"),
        }
    }

    /// The lock of the chosen event, where it is not held any more.
    pub(super) fn event_label(&self) -> Option<String> {
        let state = self.state;
        state.log.chosen(&state.filter).filter(|_| state.log.shown).map(label)
    }
}

/// What there is to say in a few columns: the new verdict, or how long it took.
fn brief(event: &Event, ascii: bool) -> String {
    match (event.verdicts, &event.duration) {
        (Some((_, now)), _) => now.word().into(),
        (None, Some(duration)) => duration.short(ascii),
        (None, None) => String::new(),
    }
}

fn label(event: &Event) -> String {
    event.path.as_ref().map_or_else(|| event.id.to_string(), PathBytes::display)
}

fn who(event: &Event) -> Option<String> {
    match (event.command.as_deref().map(harmless), event.pid) {
        (Some(command), Some(pid)) => Some(format!("{command} {pid}")),
        (None, Some(pid)) => Some(format!("pid {pid}")),
        (Some(command), None) => Some(command.into_owned()),
        (None, None) => None,
    }
}

fn role_of(event: &Event) -> Role {
    match event.kind {
        EventKind::Acquired | EventKind::Granted => Role::Good,
        EventKind::Queued | EventKind::GaveUp => Role::Warning,
        EventKind::Released => Role::Plain,
        EventKind::Forced | EventKind::Lost => Role::Alarm,
        EventKind::VerdictChanged => {
            event.verdicts.map_or(Role::Plain, |(_, now)| Role::Verdict(now))
        }
    }
}

/// The columns that fit, each with its place.
fn layout(area: Rect) -> Vec<(Column, Rect)> {
    let wide = area.width >= WIDE;
    let (time, who) = if wide { (13, 22) } else { (9, 15) };
    let rest = area.width.saturating_sub(2 + time + WORD + who + 4 * GAP);
    let story = if wide { rest * 3 / 5 } else { rest * 2 / 5 };
    let widths = [
        (Column::Time, time),
        (Column::Event, WORD),
        (Column::Lock, rest - story),
        (Column::Who, who),
        (Column::Story, story),
    ];
    side_by_side(area, &widths)
}

/// For small screens: when, what, and which lock.
fn list(area: Rect) -> Vec<(Column, Rect)> {
    let (time, word) = (9, 9);
    let rest = area.width.saturating_sub(2 + time + word + 2 * GAP);
    side_by_side(area, &[(Column::Time, time), (Column::Event, word), (Column::Lock, rest)])
}
