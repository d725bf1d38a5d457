//! Who waits for whom, as a tree.

use ratatui::layout::Rect;

use super::Painter;
use super::pen::Run;
use crate::tui::action::Action;
use crate::tui::cells;
use crate::tui::state::Extent;
use crate::tui::theme::{Glyphs, Role};
use crate::tui::tree::{Kind, Node};

impl Painter<'_> {
    pub(super) fn draw_tree(&mut self, area: Rect) {
        let state = self.state;
        if state.tree.is_empty() {
            self.draw_nothing(area);
            return;
        }
        let chosen = state.place();
        let first = state.screen.list.first;
        let extent = Extent::around(area, first, state.tree.len(), chosen.unwrap_or_default());
        for (line, at) in area.rows().zip(extent.first..state.tree.len()) {
            let runs = self.told(&state.tree[at]);
            let text = Rect { x: line.x + 2, width: line.width.saturating_sub(2), ..line };
            self.pen.runs(text, &runs);
            let choice = state.choice(at);
            if choice
                .as_ref()
                .is_some_and(|it| it.waiter.is_none() && state.marks.contains(&it.lock))
            {
                self.draw_mark(line);
            }
            self.mark(line, false, chosen == Some(at));
            if let Some(choice) = choice {
                self.screen.hits.push((line, Action::Choose(choice)));
            }
        }
        self.screen.list = extent;
    }

    fn told(&self, node: &Node) -> Vec<Run> {
        let (theme, later) = (self.pen.theme, self.later());
        let (plain, muted) = (self.pen.style(Role::Plain), self.pen.style(Role::Muted));
        let lock = self.state.rows.snapshot().and_then(|snapshot| snapshot.locks.get(node.lock));
        let Some(lock) = lock else { return Vec::new() };
        let mut runs = vec![(stem(&node.last, theme.glyphs), muted)];
        if let Some(waiter) = node.waiter.and_then(|at| lock.waiters.get(at)) {
            let waited = waiter.waited.after(later).short(theme.is_ascii());
            runs.push((cells::person(&waiter.process, self.state.me), plain));
            runs.push((format!("  waits {waited}"), plain));
            return runs;
        }
        if !node.last.is_empty() {
            runs.push(("holds ".into(), muted));
        }
        runs.push((
            format!("{}  ", lock.verdict.word()),
            self.pen.style(Role::Verdict(lock.verdict)),
        ));
        runs.push((cells::place(lock), self.pen.style(Role::Title)));
        match node.kind {
            Kind::Plain if node.last.is_empty() => {
                let held = lock.age.after(later).short(theme.is_ascii());
                runs.push((
                    format!("  held by {}  {held}", cells::holder(lock, self.state.me)),
                    plain,
                ));
                runs.extend(self.all_behind(lock).map(|said| (format!("  {said}"), plain)));
            }
            Kind::Plain => {}
            Kind::Circle => {
                let said = format!("  {} and so they wait for each other", theme.glyphs.circle);
                runs.push((said, self.pen.style(Role::Alarm)));
            }
            Kind::Elsewhere => runs.push(("  told elsewhere".into(), muted)),
        }
        runs
    }
}

/// The lines that lead to a node.
pub(super) fn stem(last: &[bool], glyphs: &Glyphs) -> String {
    let Some((own, above)) = last.split_last() else { return String::new() };
    below(above, glyphs) + if *own { glyphs.last } else { glyphs.branch }
}

/// The lines that go on below a node.
pub(super) fn below(last: &[bool], glyphs: &Glyphs) -> String {
    last.iter().map(|last| if *last { "   " } else { glyphs.trunk }).collect()
}
