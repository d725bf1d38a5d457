//! The state as a picture. Nothing here changes the state.

mod bar;
mod detail;
mod events;
mod graph;
mod header;
mod list;
mod mine;
mod page;
mod pen;
mod popup;
mod release;
mod table;
mod tree;

use std::time::Instant;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::state::{Overlay, Screen, State, View};
use super::theme::{Role, Theme};
use pen::Pen;

/// Below this there is no list.
const SMALLEST: (u16, u16) = (30, 6);
/// From this on there is a frame, with the explanation under the table.
const FRAMED: (u16, u16) = (60, 16);

/// A picture, and what it put where.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) buffer: Buffer,
    /// Where text is typed.
    pub(super) cursor: Option<Position>,
    pub(super) screen: Screen,
}

/// Draws the state as it is `now`.
pub(super) fn draw(state: &State, theme: &Theme, now: Instant, area: Rect) -> Picture {
    let mut buffer = Buffer::empty(area);
    let mut view = Painter {
        pen: Pen { buffer: &mut buffer, theme },
        state,
        now,
        screen: Screen::default(),
        cursor: None,
    };
    view.draw(area);
    let Painter { screen, cursor, .. } = view;
    Picture { buffer, cursor, screen }
}

/// Draws one picture.
struct Painter<'a> {
    pen: Pen<'a>,
    state: &'a State,
    now: Instant,
    screen: Screen,
    cursor: Option<Position>,
}

impl Painter<'_> {
    fn draw(&mut self, area: Rect) {
        if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
            self.draw_too_small(area);
            return;
        }
        let line = |y| Rect { y, height: 1, ..area };
        let bottom = area.bottom() - 1;
        self.draw_header(line(area.y));
        let mut body = Rect { y: area.y + 1, height: area.height - 2, ..area };
        if self.has_remark() {
            body.height -= 1;
            self.draw_remark(line(bottom - 1));
        }
        if area.width >= FRAMED.0 && area.height >= FRAMED.1 {
            self.draw_framed(body);
        } else if self.state.detail.open {
            self.draw_detail(body);
        } else {
            self.draw_upper(body);
        }
        match self.state.overlays.last() {
            Some(Overlay::Filter { .. }) => self.draw_input(line(bottom)),
            Some(Overlay::Prompt(prompt)) => self.draw_prompt(line(bottom), prompt),
            _ => self.draw_bar(line(bottom), self.state.mode()),
        }
        for overlay in &self.state.overlays {
            match overlay {
                Overlay::Page { page, scroll } => self.draw_page(body, *page, *scroll),
                Overlay::Sort { at } => self.draw_sort_menu(body, *at),
                Overlay::Leave { leaves } => self.draw_leave(body, *leaves),
                Overlay::Release(dialog) => self.draw_release(body, dialog),
                Overlay::Filter { .. } | Overlay::Prompt(_) => {}
            }
        }
    }

    /// What is ours, the table, the tree, the graph or the list.
    fn draw_upper(&mut self, area: Rect) {
        match self.state.view {
            _ if self.state.log.shown => self.draw_events(area),
            _ if self.state.mine.shown => self.draw_mine(area),
            View::Tree => self.draw_tree(area),
            View::Graph => self.draw_graph(area),
            View::Table if area.width < FRAMED.0 => self.draw_list(area),
            View::Table => self.draw_table(area),
        }
    }

    /// The list, and the explanation under it.
    fn draw_framed(&mut self, area: Rect) {
        let inner = self.pen.frame(area);
        if self.state.detail.open {
            self.draw_detail_title(Rect { height: 1, ..area });
            self.draw_detail(inner);
            return;
        }
        let detail = (inner.height / 2).min(14);
        let upper = Rect { height: inner.height - detail - 1, ..inner };
        let ruler = Rect { y: upper.bottom(), height: 1, ..area };
        let lower = Rect { y: upper.bottom() + 1, height: detail, ..inner };
        self.draw_list_title(Rect { height: 1, ..area });
        self.draw_upper(upper);
        self.pen.ruler(ruler, self.pen.theme.glyphs.joints);
        self.draw_detail_title(ruler);
        self.draw_detail(lower);
    }

    fn draw_too_small(&mut self, area: Rect) {
        let times = self.pen.theme.glyphs.times;
        let (width, height) = SMALLEST;
        let needs =
            format!("needs {width}{times}{height}, has {}{times}{}", area.width, area.height);
        self.pen.write(area.x, area.y, area.width, &needs, self.pen.style(Role::Warning));
    }
}

#[cfg(test)]
mod tests;
