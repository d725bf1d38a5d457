//! The lines at the bottom: what cannot be seen, the keys, and what is typed.

use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use super::Painter;
use crate::tui::action::{Action, Step};
use crate::tui::keys::{self, Binding, Mode};
use crate::tui::text;
use crate::tui::theme::Role;

impl Painter<'_> {
    /// Whether there is something to say above the keys.
    pub(super) fn has_remark(&self) -> bool {
        let state = self.state;
        state.message.is_some() || state.feed.error.is_some() || state.notes().next().is_some()
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
        if let Some(message) = &state.message {
            return (message.text.clone(), Role::Good);
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
        let bindings: Vec<_> = keys::of(mode).filter(|binding| binding.bar.is_some()).collect();
        let (first, last) = bindings.split_at(bindings.len().saturating_sub(2));
        let kept: u16 = last.iter().map(|binding| self.width(binding)).sum();
        let mut x = area.x + 1;
        let limit = area.right().saturating_sub(kept);
        for binding in first {
            if x + self.width(binding) > limit {
                break;
            }
            x = self.draw_key(x, area, binding);
        }
        for binding in last {
            x = self.draw_key(x, area, binding);
        }
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
        let typed = locktop::model::harmless(self.state.filter.text()).into_owned();
        let rows = &self.state.rows;
        let found = format!(" {} of {} ", rows.shown_now(), rows.total());
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
}
