//! The lines at the bottom: what cannot be seen, the keys, and what is typed.

use locktop::model::harmless;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use super::Painter;
use crate::tui::action::{Action, Step};
use crate::tui::keys::{self, Binding, Mode};
use crate::tui::mine::{End, Stage};
use crate::tui::order::{Order, Purpose};
use crate::tui::state::{Overlay, Prompt};
use crate::tui::text;
use crate::tui::theme::Role;

/// Stands for the keys that ask for locks, where those are off.
const READ_ONLY: &str = "read-only";

impl Painter<'_> {
    /// Whether there is something to say above the keys.
    pub(super) fn has_remark(&self) -> bool {
        let state = self.state;
        self.problem().is_some()
            || state.message.is_some()
            || state.feed.error.is_some()
            || state.notes().next().is_some()
    }

    /// What is wrong with what was typed.
    fn problem(&self) -> Option<&String> {
        match self.state.overlays.last() {
            Some(Overlay::Prompt(prompt)) => prompt.problem.as_ref(),
            _ => None,
        }
    }

    /// What was just done, what went wrong, or what cannot be seen.
    pub(super) fn draw_remark(&mut self, area: Rect) {
        let (said, role) = self.remark();
        let mut x = area.x + 1;
        if role == Role::Warning {
            self.screen.hits.push((area, Action::Notes));
            let binding = keys::of(Mode::List).find(|binding| binding.action == Action::Notes);
            let key = binding.map(|binding| self.key(binding)).unwrap_or_default();
            x = self.pen.write(x, area.y, area.width, &key, self.pen.style(Role::Key)) + 1;
        }
        let room = area.right().saturating_sub(x + 1);
        self.pen.write(x, area.y, room, &said, self.pen.style(role));
    }

    fn remark(&self) -> (String, Role) {
        let state = self.state;
        if let Some(problem) = self.problem() {
            return (problem.clone(), Role::Alarm);
        }
        if let Some(message) = &state.message {
            return (message.text.clone(), message.role);
        }
        if let Some(error) = &state.feed.error {
            return (error.clone(), Role::Alarm);
        }
        let notes: Vec<_> = state.notes().collect();
        let Some(first) = notes.first() else { return (String::new(), Role::Plain) };
        let more = match notes.len() - 1 {
            0 => String::new(),
            more => format!("({more} more) "),
        };
        let help = first.would_help.as_ref().map(|help| format!(": {help}"));
        (format!("{more}{}{}", first.text, help.unwrap_or_default()), Role::Warning)
    }

    /// The keys that work here. The last two, help and the way out, always have a place.
    pub(super) fn draw_bar(&mut self, area: Rect, mode: Mode) {
        let applies = |binding: &&Binding| binding.bar.is_some() && self.applies(&binding.action);
        let bindings: Vec<_> = keys::of(mode).filter(applies).collect();
        let (first, last) = bindings.split_at(bindings.len().saturating_sub(2));
        let kept: u16 = last.iter().map(|binding| self.width(binding)).sum();
        let mut x = area.x + 1;
        let limit = area.right().saturating_sub(kept);
        let mut told = false;
        for binding in first {
            if self.state.read_only && binding.action.asks() {
                if !told && x + READ_ONLY.len() as u16 + 2 <= limit {
                    let style = self.pen.style(Role::Warning);
                    x = self.pen.write(x, area.y, limit - x, READ_ONLY, style) + 2;
                    told = true;
                }
                continue;
            }
            if x + self.width(binding) > limit {
                break;
            }
            x = self.draw_key(x, area, binding);
        }
        for binding in last {
            x = self.draw_key(x, area, binding);
        }
    }

    /// Whether it does something where we are: what can be done with an entry of ours depends on how
    /// far that is.
    fn applies(&self, action: &Action) -> bool {
        let stage = self.state.mine.chosen().map(|entry| &entry.stage);
        match action {
            Action::Cancel => matches!(stage, Some(Stage::Waiting { .. })),
            Action::LookAgain => !self.dialog_acts(),
            Action::GiveBack if self.state.dialog().is_some() => self.dialog_keeps(),
            Action::GiveBack => matches!(stage, Some(Stage::Held { .. } | Stage::Kept { .. })),
            Action::Dismiss => matches!(stage, Some(Stage::Over { .. })),
            Action::Insist => matches!(stage, Some(Stage::Over { end: End::Refused(_), .. })),
            _ => true,
        }
    }

    /// Whether the dialog shows a lock that we keep.
    fn dialog_keeps(&self) -> bool {
        self.dialog_has(|stage| matches!(stage, Stage::Kept { .. }))
    }

    /// Whether the dialog shows how something is done.
    fn dialog_acts(&self) -> bool {
        self.dialog_has(|stage| matches!(stage, Stage::Freeing { .. }))
    }

    fn dialog_has(&self, is_so: impl Fn(&Stage) -> bool) -> bool {
        let Some(dialog) = self.state.dialog() else { return false };
        self.state.mine.iter().any(|entry| dialog.shows(entry.number) && is_so(&entry.stage))
    }

    fn draw_key(&mut self, x: u16, area: Rect, binding: &Binding) -> u16 {
        let (key, word) = (self.key(binding), binding.bar.unwrap_or_default());
        let room = |x: u16| area.right().saturating_sub(x);
        let mid = self.pen.write(x, area.y, room(x), &key, self.pen.style(Role::Key)) + 1;
        let end = self.pen.write(mid, area.y, room(mid), word, Style::new());
        let hit = Rect { x, y: area.y, width: end.saturating_sub(x), height: 1 };
        self.screen.hits.push((hit, binding.action.clone()));
        end + 2
    }

    fn key(&self, binding: &Binding) -> String {
        let glyphs = self.pen.theme.glyphs;
        match binding.action {
            // Both ways have one place.
            Action::Move(Step::Lines(1)) => glyphs.up_down.into(),
            _ => binding.keys.first().map(|key| key.name(glyphs)).unwrap_or_default(),
        }
    }

    fn width(&self, binding: &Binding) -> u16 {
        let word = binding.bar.unwrap_or_default();
        (text::width(&self.key(binding)) + 1 + text::width(word) + 2) as u16
    }

    /// The line that takes the filter.
    pub(super) fn draw_input(&mut self, area: Rect) {
        let typed = harmless(self.state.filter.text()).into_owned();
        let rows = &self.state.rows;
        let (shown, total) = match &self.state.log {
            log if log.shown => (log.visible(&self.state.filter).len(), log.len()),
            _ => (rows.shown_now(), rows.total()),
        };
        let found = format!(" {shown} of {total} ");
        let found_room = (text::width(&found) as u16).min(area.width / 3);
        let room = area.width.saturating_sub(found_room + 4);
        let x = self.pen.write(area.x + 1, area.y, 2, "/", self.pen.style(Role::Key));
        let shown = text::end(&typed, room.into());
        let x = self.pen.write(x, area.y, room, shown, self.pen.style(Role::Plain));
        self.cursor = Some(Position { x: x.min(area.right() - 1), y: area.y });
        if typed.is_empty() {
            let hint = "words, or path: pid: user: family: verdict: and ! for not";
            self.pen.write(
                x + 1,
                area.y,
                room.saturating_sub(1),
                hint,
                self.pen.style(Role::Muted),
            );
        }
        let at = area.right() - found_room;
        self.pen.write(at, area.y, found_room, &found, self.pen.style(Role::Plain));
    }

    /// The line that takes a lock's name.
    pub(super) fn draw_prompt(&mut self, area: Rect, prompt: &Prompt) {
        let verb = match prompt.purpose {
            Purpose::Wait => "wait for",
            Purpose::Take => "take",
        };
        let label = match prompt.as_offered().and_then(Order::range) {
            Some(range) => format!("{verb} bytes {range} of: "),
            None => format!("{verb}: "),
        };
        let room = |x: u16| area.right().saturating_sub(x + 1);
        let label_at = area.x + 1;
        let key = self.pen.style(Role::Key);
        let x = self.pen.write(label_at, area.y, area.width / 2, &label, key);
        let plain = self.pen.style(Role::Plain);
        let (before, behind) = prompt.line.halves();
        let (before, behind) = (harmless(before), harmless(behind));
        // What is behind the cursor has the rest, but the cursor is always to be seen.
        let shown = text::end(&before, room(x).into());
        let cursor = self.pen.write(x, area.y, room(x), shown, plain);
        self.cursor = Some(Position { x: cursor.min(area.right() - 1), y: area.y });
        self.pen.write(cursor, area.y, room(cursor), &behind, plain);
        if before.is_empty() && behind.is_empty() {
            let hint = "a path, or flock:PATH, ofd:PATH";
            let muted = self.pen.style(Role::Muted);
            self.pen.write(cursor + 1, area.y, room(cursor + 1), hint, muted);
        }
    }
}
