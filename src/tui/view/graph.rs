//! What one lock has to do with others, as boxes and lines: who waits, for which lock, and who has it.

use locktop::model::{Behind, Lock, Process, harmless};
use ratatui::layout::Rect;

use super::pen::Run;
use super::{FRAMED, Painter};
use crate::tui::action::Action;
use crate::tui::cells;
use crate::tui::graph::{Block, Wants};
use crate::tui::state::{Choice, Extent};
use crate::tui::text;
use crate::tui::theme::Role;

/// So many waiters and holders of a lock are drawn; the others are counted.
const MOST: usize = 6;
/// Before a box and behind it.
const ARROW: u16 = 3;

/// A line of the drawing.
#[derive(Debug, Clone, Copy)]
enum Line {
    /// A circle is told.
    Circle(usize),
    /// Of a block, by its place.
    Of(usize, Part),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Top,
    Row(usize),
    Bottom,
}

/// The columns of the drawing.
#[derive(Debug, Clone, Copy)]
struct Columns {
    waiters: Rect,
    lock: Rect,
    holders: Rect,
}

impl Columns {
    fn of(line: Rect) -> Self {
        let column = |x, width| Rect { x, width, ..line };
        let start = line.x + 2;
        let room = line.width.saturating_sub(2 + 2 * ARROW);
        let (left, middle) = (room * 31 / 100, room * 36 / 100);
        let box_at = start + left + ARROW;
        let right_at = box_at + middle + ARROW;
        Self {
            waiters: column(start, left),
            lock: column(box_at, middle),
            holders: column(right_at, line.right().saturating_sub(right_at + 1)),
        }
    }
}

impl<'a> Painter<'a> {
    pub(super) fn draw_graph(&mut self, area: Rect) {
        let state = self.state;
        if state.graph.blocks.is_empty() {
            self.draw_nothing(area);
            return;
        }
        let has_boxes = area.width >= FRAMED.0;
        let lines = self.lines(has_boxes);
        let chosen = state.place();
        let is_at = |part| {
            lines.iter().position(
                |line| matches!(line, Line::Of(at, of) if Some(*at) == chosen && *of == part),
            )
        };
        let (top, bottom) = (is_at(Part::Top), is_at(Part::Bottom));
        let body = if has_boxes { self.draw_heads(area) } else { area };
        let first = state.screen.list.first;
        // All of the chosen box, or else its beginning.
        let extent = Extent::around(body, first, lines.len(), bottom.or(top).unwrap_or_default());
        let extent = Extent::around(body, extent.first, lines.len(), top.unwrap_or_default());
        for (row, &line) in body.rows().zip(&lines[extent.first..]) {
            match line {
                Line::Circle(number) => self.draw_circle(row, number),
                Line::Of(at, part) if has_boxes => self.draw_boxed(row, at, part),
                Line::Of(at, part) => self.draw_plain(row, at, part),
            }
            let Line::Of(at, part) = line else { continue };
            if let Some(choice) = state.choice(at) {
                self.mark_block(row, part, &choice, chosen == Some(at));
                self.screen.hits.push((row, Action::Choose(choice)));
            }
        }
        self.screen.list = extent;
    }

    fn mark_block(&mut self, row: Rect, part: Part, choice: &Choice, is_chosen: bool) {
        if part != Part::Top {
            return;
        }
        if self.state.marks.contains(&choice.lock) {
            self.draw_mark(row);
        }
        self.mark(row, false, is_chosen);
    }

    /// Every line, whether it is on the screen or not.
    fn lines(&self, has_boxes: bool) -> Vec<Line> {
        let graph = &self.state.graph;
        let mut lines: Vec<Line> = (0..graph.circles.len()).map(Line::Circle).collect();
        for (at, block) in graph.blocks.iter().enumerate() {
            let holders = rows(block.holders.len());
            let more = self.block(at).and_then(|(_, lock)| behind(lock)).is_some();
            let waiters = rows(block.waiters.len()) + usize::from(more);
            // In a box stand a path and a kind.
            let rows = if has_boxes { waiters.max(holders).max(2) } else { waiters + holders };
            lines.push(Line::Of(at, Part::Top));
            lines.extend((0..rows).map(|row| Line::Of(at, Part::Row(row))));
            lines.extend(has_boxes.then_some(Line::Of(at, Part::Bottom)));
        }
        lines
    }

    fn draw_heads(&mut self, area: Rect) -> Rect {
        let columns = Columns::of(Rect { height: 1, ..area });
        let style = self.pen.style(Role::Head);
        for (column, head) in
            [(columns.waiters, "WAITS"), (columns.lock, "LOCK"), (columns.holders, "HAS IT")]
        {
            self.pen.write(column.x, column.y, column.width, head, style);
        }
        Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area }
    }

    /// `↻ a circle: 1 ─▶ 2 ─▶ 1`.
    fn draw_circle(&mut self, row: Rect, number: usize) {
        let glyphs = self.pen.theme.glyphs;
        let numbers: Vec<_> =
            self.state.graph.circles[number].iter().map(ToString::to_string).collect();
        let step = format!(" {} ", self.arrow());
        let said = format!("{} a circle: {}", glyphs.circle, numbers.join(&step));
        let room = row.width.saturating_sub(2);
        self.pen.write(row.x + 2, row.y, room, &said, self.pen.style(Role::Alarm));
    }

    fn draw_boxed(&mut self, row: Rect, at: usize, part: Part) {
        let Some((block, lock)) = self.block(at) else { return };
        let columns = Columns::of(row);
        let glyphs = self.pen.theme.glyphs;
        let [top_left, top_right, bottom_left, bottom_right] = glyphs.corners;
        match part {
            Part::Top => {
                self.pen.ruler(columns.lock, [top_left, top_right]);
                self.draw_title(columns.lock, at, lock);
            }
            Part::Bottom => self.pen.ruler(columns.lock, [bottom_left, bottom_right]),
            Part::Row(number) => {
                self.draw_inside(columns.lock, number, lock);
                self.draw_waiter(columns.waiters, number, block, lock);
                self.draw_holder(columns.holders, number, block, lock);
            }
        }
    }

    /// `1 contended` on the upper edge of a box.
    fn draw_title(&mut self, edge: Rect, at: usize, lock: &Lock) {
        let x = edge.x + 2;
        let room = edge.width.saturating_sub(4);
        let title = Rect { x, width: room, ..edge };
        let verdict = (lock.verdict.word().to_owned(), self.pen.style(Role::Verdict(lock.verdict)));
        let runs: Vec<Run> = vec![
            (format!(" {} ", at + 1), self.pen.style(Role::Title)),
            verdict,
            (" ".into(), self.pen.style(Role::Plain)),
        ];
        self.pen.runs(title, &runs);
    }

    fn draw_inside(&mut self, inside: Rect, number: usize, lock: &Lock) {
        let glyphs = self.pen.theme.glyphs;
        let style = self.pen.style(Role::Border);
        self.pen.write(inside.x, inside.y, 1, glyphs.vertical, style);
        self.pen.write(inside.right().saturating_sub(1), inside.y, 1, glyphs.vertical, style);
        let room = inside.width.saturating_sub(4);
        let (content, role) = match number {
            0 => (text::cut_path(&cells::place(lock), room.into(), glyphs.cut), Role::Title),
            1 => {
                let held = lock.age.after(self.later()).short(self.pen.theme.is_ascii());
                (format!("{} {} {held}", cells::kind(lock), glyphs.dot), Role::Plain)
            }
            _ => return,
        };
        self.pen.write(inside.x + 2, inside.y, room, &content, self.pen.style(role));
    }

    /// `apt 1203 12m ───▶`.
    fn draw_waiter(&mut self, cell: Rect, number: usize, block: &Block, lock: &Lock) {
        let (plain, border) = (self.pen.style(Role::Plain), self.pen.style(Role::Border));
        if number == rows(lock.waiters.len()) {
            let said = self.all_behind(lock).unwrap_or_default();
            self.pen.write(cell.x, cell.y, cell.width, &said, plain);
            return;
        }
        let Some(said) = self.waiter(cell.width, number, block, lock) else { return };
        let x = self.pen.write(cell.x, cell.y, cell.width, &said, plain);
        let Some(more) = (cell.right() + ARROW).checked_sub(x + 2) else { return };
        let glyphs = self.pen.theme.glyphs;
        let line = format!(" {}{}", glyphs.horizontal.repeat(more.into()), glyphs.arrow);
        self.pen.write(x, cell.y, more + 2, &line, border);
    }

    /// A waiter, and what it holds up: `apt 1203 (2) 12m`.
    fn waiter(&self, room: u16, number: usize, block: &Block, lock: &Lock) -> Option<String> {
        if let Some(more) = more(number, lock.waiters.len()) {
            return Some(format!("and {more} more"));
        }
        let waiter = lock.waiters.get(number)?;
        let time = waiter.waited.after(self.later()).short(self.pen.theme.is_ascii());
        let holds = match block.waiters.get(number).map(Vec::as_slice) {
            None | Some([]) => String::new(),
            Some(numbers) => format!(" ({})", list(numbers)),
        };
        let rest = format!("{holds} {time}");
        Some(format!("{}{rest}", self.person_in(&waiter.process, room, &rest)))
    }

    /// `in all 7 wait, 1h12m`, where that is more than the queue.
    pub(super) fn all_behind(&self, lock: &Lock) -> Option<String> {
        let mut behind = behind(lock)?.clone();
        behind.pass(self.later());
        let waited = behind.waited.short(self.pen.theme.is_ascii());
        Some(format!("in all {} wait, {waited}", behind.waiters))
    }

    /// `─▶ apt-get 991 ─▶ 2 ↻ circle`.
    fn draw_holder(&mut self, cell: Rect, number: usize, block: &Block, lock: &Lock) {
        let (plain, border) = (self.pen.style(Role::Plain), self.pen.style(Role::Border));
        let wants = block.holders.get(number);
        let Some((said, rest)) = self.holder(cell.width, number, wants, lock) else { return };
        let arrow = self.arrow();
        self.pen.write(cell.x.saturating_sub(ARROW), cell.y, ARROW, &arrow, border);
        let is_circle = wants.is_some_and(|wants| wants.circle);
        let alarm = self.pen.style(Role::Alarm);
        let runs = [(said, plain), (rest, if is_circle { alarm } else { plain })];
        self.pen.runs(cell, &runs);
    }

    /// A holder, and what it waits for.
    fn holder(
        &self,
        room: u16,
        number: usize,
        wants: Option<&Wants>,
        lock: &Lock,
    ) -> Option<(String, String)> {
        if let Some(more) = more(number, lock.holders.len()) {
            return Some((format!("and {more} more"), String::new()));
        }
        let Some(holder) = lock.holders.get(number) else {
            let nobody = number == 0 && lock.holders.is_empty();
            return nobody.then(|| (cells::holder(lock, self.state.me), String::new()));
        };
        let circle = self.pen.theme.glyphs.circle;
        let rest = match wants {
            Some(Wants { locks, circle: true }) if locks.is_empty() => format!(" {circle} circle"),
            Some(Wants { locks, circle: true }) => {
                format!(" {} {} {circle} circle", self.arrow(), list(locks))
            }
            Some(Wants { locks, .. }) if !locks.is_empty() => {
                format!(" {} {}", self.arrow(), list(locks))
            }
            _ => String::new(),
        };
        Some((self.person_in(&holder.process, room, &rest), rest))
    }

    /// Where there is no room for boxes: a line each.
    fn draw_plain(&mut self, row: Rect, at: usize, part: Part) {
        let Some((block, lock)) = self.block(at) else { return };
        let line = Rect { x: row.x + 2, width: row.width.saturating_sub(2), ..row };
        let (plain, muted) = (self.pen.style(Role::Plain), self.pen.style(Role::Muted));
        let room = line.width.saturating_sub(9);
        let runs: Vec<Run> = match part {
            Part::Row(number) if number < rows(block.holders.len()) => {
                let wants = block.holders.get(number);
                let Some((said, rest)) = self.holder(room, number, wants, lock) else { return };
                vec![("  has it ".into(), muted), (said + &rest, plain)]
            }
            Part::Row(number) => {
                let number = number - rows(block.holders.len());
                let all = || self.all_behind(lock).filter(|_| number == rows(block.waiters.len()));
                let said = self.waiter(room, number, block, lock).or_else(all);
                let Some(said) = said else { return };
                vec![("  waits  ".into(), muted), (said, plain)]
            }
            Part::Top | Part::Bottom => vec![
                (format!("{} ", at + 1), self.pen.style(Role::Title)),
                (format!("{} ", lock.verdict.word()), self.pen.style(Role::Verdict(lock.verdict))),
                (cells::name(lock), self.pen.style(Role::Title)),
            ],
        };
        self.pen.runs(line, &runs);
    }

    fn block(&self, at: usize) -> Option<(&'a Block, &'a Lock)> {
        let block = self.state.graph.blocks.get(at)?;
        Some((block, self.state.rows.snapshot()?.locks.get(block.lock)?))
    }

    /// A person in what `rest` leaves of the room: the user goes first.
    fn person_in(&self, process: &Process, room: u16, rest: &str) -> String {
        let room = usize::from(room).saturating_sub(text::width(rest));
        let full = cells::person(process, self.state.me);
        if text::width(&full) <= room {
            return full;
        }
        let cut = self.pen.theme.glyphs.cut;
        let Some(pid) = process.pid.map(|pid| pid.to_string()) else {
            return text::cut(&full, room, cut);
        };
        let command = process.command.as_deref().map(harmless).unwrap_or_default();
        let command = text::cut(&command, room.saturating_sub(pid.len() + 1), cut);
        if command.is_empty() { pid } else { format!("{command} {pid}") }
    }

    fn arrow(&self) -> String {
        let glyphs = self.pen.theme.glyphs;
        format!("{}{}", glyphs.horizontal, glyphs.arrow)
    }
}

/// How many lines are drawn for so many people.
fn rows(count: usize) -> usize {
    if count > MOST { MOST } else { count.max(1) }
}

/// How many are not drawn, in the last line where that is so.
fn more(number: usize, count: usize) -> Option<usize> {
    (count > MOST && number + 1 == MOST).then(|| count + 1 - MOST)
}

fn list(numbers: &[usize]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Who wait behind it, where that is more than its queue.
fn behind(lock: &Lock) -> Option<&Behind> {
    lock.behind.as_ref().filter(|behind| behind.waiters > lock.waiters.len())
}
