//! Draws text into a buffer, never beyond it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::tui::text;
use crate::tui::theme::{Role, Theme};

/// Draws with a theme.
pub(super) struct Pen<'a> {
    pub(super) buffer: &'a mut Buffer,
    pub(super) theme: &'a Theme,
}

/// A piece of text with its style.
pub(super) type Run = (String, Style);

impl Pen<'_> {
    pub(super) fn style(&self, role: Role) -> Style {
        self.theme.style(role)
    }

    /// Writes text at a place, at most `room` columns wide; what is too long ends in a mark.
    /// Returns the column behind it.
    pub(super) fn write(&mut self, x: u16, y: u16, room: u16, content: &str, style: Style) -> u16 {
        let content = text::cut(content, room.into(), self.theme.glyphs.cut);
        self.put(x, y, room, &content, style)
    }

    /// Writes runs one after the other; what is too long is cut off.
    pub(super) fn runs(&mut self, area: Rect, runs: &[Run]) -> u16 {
        let mut x = area.x;
        for (content, style) in runs {
            let room = area.right().saturating_sub(x);
            if text::width(content) > room.into() {
                return self.write(x, area.y, room, content, *style);
            }
            x = self.put(x, area.y, room, content, *style);
        }
        x
    }

    /// Fills an area with a blank of this style.
    pub(super) fn clear(&mut self, area: Rect, style: Style) {
        let area = area.intersection(self.buffer.area);
        for position in area.positions() {
            self.buffer[position].reset();
            self.buffer[position].set_style(style);
        }
    }

    /// Takes the styles away from what is there.
    pub(super) fn bleach(&mut self, area: Rect) {
        for position in area.intersection(self.buffer.area).positions() {
            self.buffer[position].set_style(Style::reset());
        }
    }

    /// Puts a style over what is there.
    pub(super) fn tint(&mut self, area: Rect, style: Style) {
        self.buffer.set_style(area.intersection(self.buffer.area), style);
    }

    /// A horizontal line from one end to the other, with its ends.
    pub(super) fn ruler(&mut self, area: Rect, [left, right]: [&str; 2]) {
        let style = self.style(Role::Border);
        let middle = self.theme.glyphs.horizontal.repeat(area.width.saturating_sub(2).into());
        self.put(area.x, area.y, area.width, &format!("{left}{middle}{right}"), style);
    }

    /// A frame along the edge of an area; what is inside of it.
    pub(super) fn frame(&mut self, area: Rect) -> Rect {
        let glyphs = self.theme.glyphs;
        let style = self.style(Role::Border);
        let [top_left, top_right, bottom_left, bottom_right] = glyphs.corners;
        let line = |y| Rect { y, height: 1, ..area };
        self.ruler(line(area.y), [top_left, top_right]);
        for y in area.y + 1..area.bottom().saturating_sub(1) {
            self.put(area.x, y, 1, glyphs.vertical, style);
            self.put(area.right().saturating_sub(1), y, 1, glyphs.vertical, style);
        }
        self.ruler(line(area.bottom().saturating_sub(1)), [bottom_left, bottom_right]);
        area.inner(ratatui::layout::Margin::new(1, 1))
    }

    /// A title on a frame's upper edge, with a blank on both sides.
    pub(super) fn title(&mut self, area: Rect, title: &str) -> u16 {
        let room = area.width.saturating_sub(4);
        let title = text::cut(title, room.saturating_sub(2).into(), self.theme.glyphs.cut);
        self.put(area.x + 2, area.y, room, &format!(" {title} "), self.style(Role::Title))
    }

    fn put(&mut self, x: u16, y: u16, room: u16, content: &str, style: Style) -> u16 {
        let area = self.buffer.area;
        if x >= area.right() || y >= area.bottom() {
            return x;
        }
        // Nothing of the style that was there shows through.
        self.buffer.set_stringn(x, y, content, room.into(), Style::reset().patch(style)).0
    }
}
