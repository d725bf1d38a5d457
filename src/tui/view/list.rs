//! The list for small screens: verdict, name, and the one time that matters most.

use ratatui::layout::Rect;

use super::Painter;
use crate::tui::cells;
use crate::tui::text;
use crate::tui::theme::Role;

/// The column of times.
const TIME: u16 = 11;

impl Painter<'_> {
    pub(super) fn draw_list(&mut self, area: Rect) {
        self.draw_rows(area, |painter, line, shown| {
            let (pen, lock) = (&mut painter.pen, shown.lock);
            let verdict = match shown.ended {
                Some(_) => "ended",
                None => lock.verdict.word(),
            };
            let style = pen.style(Role::Verdict(lock.verdict));
            let x = pen.write(line.x + 2, line.y, 9, verdict, style).max(line.x + 11) + 1;
            let later = painter.later();
            let pen = &mut painter.pen;
            let time = match lock.waiters.len() {
                0 => cells::held(lock, later, TIME, pen.theme),
                _ => cells::queue(lock, later, TIME, pen.theme),
            };
            let time = text::pad_left(&time, 7);
            let room = line.right().saturating_sub(x);
            let time_room = (text::width(&time) as u16).min(room / 2);
            let name_room = room - time_room - 1;
            let me = painter.state.me;
            let mut people = lock.holders.iter().map(|holder| &holder.process);
            let mine = if people.any(|holder| cells::is_me(holder, me)) { " (you)" } else { "" };
            let room = usize::from(name_room).saturating_sub(mine.len());
            let name = text::cut_path(&cells::name(lock), room, pen.theme.glyphs.cut);
            pen.write(x, line.y, name_room, &format!("{name}{mine}"), pen.style(Role::Plain));
            let time_at = line.right() - time_room;
            pen.write(time_at, line.y, time_room, &time, pen.style(Role::Plain));
        });
    }
}
