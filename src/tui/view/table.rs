//! The table: a row a lock.

use locktop::model::short;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::Painter;
use crate::tui::action::Action;
use crate::tui::cells;
use crate::tui::rows::Shown;
use crate::tui::sort::Column;
use crate::tui::state::{Extent, View};
use crate::tui::text;
use crate::tui::theme::Role;

/// Wide enough for everything.
const WIDE: u16 = 98;
/// Between two columns.
pub(super) const GAP: u16 = 2;

impl Painter<'_> {
    /// What is shown in which order, on the frame's upper edge.
    pub(super) fn draw_list_title(&mut self, area: Rect) {
        let state = self.state;
        let title = match state.view {
            _ if state.log.shown => "Events",
            _ if state.mine.shown => "Mine",
            View::Table => "Locks",
            View::Tree => "Who waits for whom",
            View::Graph => "Who waits for whom: graph",
        };
        let left = self.pen.title(area, title);
        if state.mine.shown {
            return;
        }
        let order = match state.view {
            _ if state.log.shown => Some("newest first".into()),
            View::Table | View::Tree => Some(self.order()),
            View::Graph => None,
        };
        let mut said: Vec<String> = order.into_iter().collect();
        if state.problems && !state.log.shown {
            said.push("only problems".into());
        }
        if !state.marks.is_empty() && !state.log.shown {
            said.push(format!("{} marked", state.marks.len()));
        }
        if !state.filter.is_empty() {
            said.push(format!("/{}", locktop::model::harmless(state.filter.text())));
        }
        if said.is_empty() {
            return;
        }
        let separator = self.pen.theme.glyphs.horizontal;
        let said = said.join(&format!(" {separator}{separator} "));
        let room = area.right().saturating_sub(left + 4);
        let said = text::cut(&said, room.into(), self.pen.theme.glyphs.cut);
        let width = text::width(&said) as u16 + 2;
        let x = area.right().saturating_sub(width + 2);
        self.pen.write(x, area.y, width, &format!(" {said} "), self.pen.style(Role::Plain));
    }

    fn order(&self) -> String {
        let glyphs = self.pen.theme.glyphs;
        let sort = self.state.sort;
        let arrow = if sort.reversed { glyphs.ascending } else { glyphs.descending };
        let reversed = if sort.reversed { ", reversed" } else { "" };
        format!("{}{reversed} {arrow}", sort.column.order())
    }

    pub(super) fn draw_table(&mut self, area: Rect) {
        let columns = layout(area);
        let head = Rect { height: 1, ..area };
        for (column, cell) in &columns {
            let cell = Rect { y: head.y, height: 1, ..*cell };
            let style = self.pen.style(Role::Head);
            self.pen.write(cell.x, cell.y, cell.width, column.head(), style);
            self.screen.hits.push((cell, Action::SortBy(*column)));
        }
        let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
        self.draw_rows(body, |painter, line, shown| {
            for (column, cell) in &columns {
                painter.draw_cell(Rect { y: line.y, ..*cell }, *column, shown);
            }
        });
    }

    /// Draws the rows that fit, each with `draw`, and marks the chosen one.
    pub(super) fn draw_rows(&mut self, area: Rect, draw: impl Fn(&mut Self, Rect, Shown<'_>)) {
        let state = self.state;
        if state.rows.len() == 0 {
            self.draw_nothing(area);
            return;
        }
        let chosen = state.place();
        let first = state.screen.list.first;
        let extent = Extent::around(area, first, state.rows.len(), chosen.unwrap_or_default());
        for (line, at) in area.rows().zip(extent.first..state.rows.len()) {
            let Some(shown) = state.rows.get(at) else { continue };
            draw(self, line, shown);
            if state.marks.contains(&shown.lock.id) {
                self.draw_mark(line);
            }
            self.mark(line, shown.ended.is_some(), chosen == Some(at));
            if let Some(choice) = state.choice(at) {
                self.screen.hits.push((line, Action::Choose(choice)));
            }
        }
        self.screen.list = extent;
    }

    /// What stands before a lock that is to be freed with others.
    pub(super) fn draw_mark(&mut self, line: Rect) {
        let mark = self.pen.theme.glyphs.marked;
        self.pen.write(line.x + 1, line.y, 1, mark, self.pen.style(Role::Key));
    }

    /// Marks a line that has ended or is chosen.
    pub(super) fn mark(&mut self, line: Rect, ended: bool, chosen: bool) {
        if ended {
            self.pen.bleach(line);
            self.pen.tint(line, self.pen.style(Role::Ended));
        }
        if chosen {
            let style = self.pen.style(Role::Chosen);
            self.pen.write(line.x, line.y, 1, self.pen.theme.glyphs.chosen, style);
            self.pen.tint(line, style);
        }
    }

    /// Says why there is nothing in the list.
    pub(super) fn draw_nothing(&mut self, area: Rect) {
        let state = self.state;
        let said = match (state.rows.snapshot(), &state.feed.error) {
            (None, Some(_)) => "nothing could be seen yet".into(),
            (None, None) => format!("looking{}", self.pen.theme.glyphs.cut),
            (Some(_), _) if state.rows.total() > 0 && !state.filter.is_empty() => {
                "nothing fits the filter; esc lets go of it".into()
            }
            (Some(_), _) if state.rows.total() > 0 && state.problems => {
                "nothing needs a person; ! shows everything".into()
            }
            (Some(_), _) if state.view != View::Table && state.rows.len() > 0 => {
                "nobody waits for anybody".into()
            }
            (Some(_), _) => "no lock can be seen".to_owned(),
        };
        self.pen.write(area.x + 2, area.y, area.width.saturating_sub(2), &said, Style::new());
    }

    fn draw_cell(&mut self, cell: Rect, column: Column, shown: Shown<'_>) {
        let (lock, theme) = (shown.lock, self.pen.theme);
        let later = self.later();
        let mut style = self.pen.style(Role::Plain);
        let content = match column {
            Column::Verdict => {
                style = self.pen.style(Role::Verdict(lock.verdict));
                match shown.ended {
                    Some(_) => "ended".into(),
                    None => lock.verdict.word().to_owned(),
                }
            }
            Column::Lock => {
                text::cut_path(&cells::place(lock), cell.width.into(), theme.glyphs.cut)
            }
            Column::Kind => cells::kind(lock),
            Column::Holder if self.state.mine.keeps(&lock.id) => {
                let number = self.state.me.map(|me| format!(" {me}")).unwrap_or_default();
                format!("escrow by locktop{number} (you)")
            }
            Column::Holder => cells::holder(lock, self.state.me),
            Column::Held => match shown.ended {
                Some(since) => {
                    let moment = self.state.moment(self.now);
                    format!("{} ago", short(moment.saturating_duration_since(since)))
                }
                None => cells::held(lock, later, cell.width, theme),
            },
            Column::Queue if shown.ended.is_some() => String::new(),
            Column::Queue => cells::queue(lock, later, cell.width, theme),
        };
        self.pen.write(cell.x, cell.y, cell.width, &content, style);
    }

    /// How much older everything is than when it was seen.
    pub(super) fn later(&self) -> std::time::Duration {
        self.state.rows.age(self.state.moment(self.now))
    }
}

/// The columns that fit, each with its place.
fn layout(area: Rect) -> Vec<(Column, Rect)> {
    let wide = area.width >= WIDE;
    let (verdict, kind) = (9, if wide { 9 } else { 0 });
    let (held, queue) = if wide { (11, 12) } else { (8, 10) };
    let gaps = GAP * if wide { 5 } else { 4 };
    let rest = area.width.saturating_sub(2 + verdict + kind + held + queue + gaps);
    let holder = (rest * 2 / 5).min(32);
    let widths = [
        (Column::Verdict, verdict),
        (Column::Lock, rest - holder),
        (Column::Kind, kind),
        (Column::Holder, holder),
        (Column::Held, held),
        (Column::Queue, queue),
    ];
    side_by_side(area, &widths)
}

/// Columns of these widths, behind the mark of the chosen row; those without a width are left out.
pub(super) fn side_by_side<T: Copy>(area: Rect, widths: &[(T, u16)]) -> Vec<(T, Rect)> {
    let mut x = area.x + 2;
    let mut columns = Vec::new();
    for &(column, width) in widths.iter().filter(|(_, width)| *width > 0) {
        columns.push((column, Rect { x, width, height: 1, ..area }));
        x += width + GAP;
    }
    columns
}
