//! Boxes over the rest.

use ratatui::layout::Rect;

use super::Painter;
use crate::tui::action::Action;
use crate::tui::sort::Column;
use crate::tui::text;
use crate::tui::theme::Role;

impl Painter<'_> {
    /// A framed box in the middle of an area; what is inside of it.
    pub(super) fn draw_popup(&mut self, area: Rect, width: u16, height: u16, title: &str) -> Rect {
        let (width, height) = (width.min(area.width), height.min(area.height));
        let x = area.x + (area.width - width) / 2;
        let y = area.y + (area.height - height) / 2;
        let popup = Rect { x, y, width, height };
        self.pen.clear(popup, self.pen.style(Role::Plain));
        // What lies under the box cannot be clicked.
        self.screen.hits.retain(|(hit, _)| !hit.intersects(popup));
        let inner = self.pen.frame(popup);
        self.pen.title(popup, title);
        inner
    }

    pub(super) fn draw_sort_menu(&mut self, area: Rect, at: usize) {
        let height = Column::ALL.len() as u16 + 2;
        let inner = self.draw_popup(area, 34, height, "Sort");
        let first = (at + 1).saturating_sub(inner.height.into());
        for (line, nth) in inner.rows().zip(first..Column::ALL.len()) {
            let column = Column::ALL[nth];
            let head = text::pad(column.head(), 8);
            let said = format!("  {head} {}", column.order());
            self.pen.write(line.x, line.y, line.width, &said, self.pen.style(Role::Plain));
            self.mark(line, false, nth == at);
            self.screen.hits.push((line, Action::SortBy(column)));
        }
    }
}
