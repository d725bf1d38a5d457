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

    /// The question before leaving; what is chosen is marked.
    pub(super) fn draw_leave(&mut self, area: Rect, leaves: bool) {
        let counts = self.state.mine.counts();
        let told = [
            (counts.held, "This dashboard holds", "Leaving gives back what is held."),
            (counts.kept, "This dashboard keeps", "Leaving hands over what is kept."),
            (counts.freeing, "This dashboard is freeing", "Leaving does not call that off."),
            (counts.waiting, "This dashboard waits for", "Leaving cancels what waits."),
        ];
        let told = told.iter().filter(|(count, ..)| *count > 0);
        let lines: Vec<_> = told
            .flat_map(|(count, what, then)| {
                let locks = if *count == 1 { "lock" } else { "locks" };
                [format!("{what} {count} {locks}."), (*then).to_owned()]
            })
            .collect();
        // Nothing but this and the keys can be clicked.
        self.screen.hits.retain(|(hit, action)| {
            hit.y >= area.bottom()
                && matches!(action, Action::Accept | Action::Back | Action::Leave)
        });
        let inner = self.draw_popup(area, 40, lines.len() as u16 + 4, "Leave?");
        let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
        let plain = self.pen.style(Role::Plain);
        // Where there is no room for all, the answers have it.
        let answers = inner.bottom().saturating_sub(2).max(inner.y);
        for (line, said) in inner.rows().take_while(|line| line.y < answers).zip(&lines) {
            self.pen.write(line.x, line.y, line.width, said, plain);
        }
        let choices = [("stay", false, Action::Back), ("leave", true, Action::Leave)];
        // In a single line there is only the chosen one.
        let hidden = usize::from(leaves && inner.height < 2);
        let choices = choices.into_iter().skip(hidden);
        for ((word, is, action), y) in choices.zip(answers..inner.bottom()) {
            let line = Rect { y, height: 1, ..inner };
            self.pen.write(line.x + 2, y, line.width.saturating_sub(2), word, plain);
            self.mark(line, false, is == leaves);
            self.screen.hits.push((line, action));
        }
    }
}
