//! The explanation of the chosen lock.

use locktop::diagnose::{Explanation, QueueLine, explain};
use locktop::model::Verdict;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::Painter;
use super::pen::Run;
use super::tree::{below, stem};
use crate::tui::action::Action;
use crate::tui::cells;
use crate::tui::keys::{self, Mode};
use crate::tui::rows::Shown;
use crate::tui::state::Extent;
use crate::tui::text;
use crate::tui::theme::Role;

/// Deeper queues are drawn as if they were this deep.
const DEEPEST: usize = 12;

impl Painter<'_> {
    pub(super) fn draw_detail_title(&mut self, area: Rect) {
        let name = match (self.state.chosen_lock(), self.state.mine.chosen()) {
            (Some(shown), _) => cells::name(shown.lock),
            (None, Some(entry)) if self.state.mine.shown => entry.task.name(),
            _ => match self.event_label() {
                Some(label) => label,
                None => return,
            },
        };
        let line = self.pen.theme.glyphs.horizontal;
        self.pen.title(area, &format!("{name} {line}{line} why"));
    }

    pub(super) fn draw_detail(&mut self, area: Rect) {
        let area = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
        let lines = self.explanation(area.width.into());
        let extent = Extent::scrolled(area, self.state.detail.scroll, lines.len());
        for (line, runs) in area.rows().zip(&lines[extent.first..]) {
            self.pen.runs(line, runs);
        }
        self.draw_rest(extent);
        self.screen.detail = extent;
    }

    /// Says at the lower right how many lines follow.
    pub(super) fn draw_rest(&mut self, extent: Extent) {
        let area = extent.area;
        let below = extent.lines.saturating_sub(extent.first + usize::from(area.height));
        if below > 0 && area.height > 0 {
            let said = format!(" +{below} {}", self.pen.theme.glyphs.down);
            let width = (text::width(&said) as u16).min(area.width);
            let (x, y) = (area.right() - width, area.bottom() - 1);
            self.pen.write(x, y, width, &said, self.pen.style(Role::Key));
        }
    }

    fn explanation(&self, room: usize) -> Vec<Vec<Run>> {
        let (state, pen) = (self.state, &self.pen);
        let mut lines = self.event_part(room);
        if !state.log.shown {
            lines.extend(self.our_part(room));
        }
        let (Some(shown), Some(snapshot)) = (state.chosen_lock(), state.rows.snapshot()) else {
            return lines;
        };
        let (plain, muted) = (pen.style(Role::Plain), pen.style(Role::Muted));
        let told = explain(&cells::aged(shown.lock, self.later()), snapshot);
        let Explanation { headline, sentences, queue, next, unseen } = told;
        let mut say = |said: &str, style| {
            lines.extend(text::wrap(said, room).into_iter().map(|line| vec![(line, style)]));
        };
        if shown.ended.is_some() {
            say("It has ended; this is how it was last seen.", pen.style(Role::Warning));
        }
        say(&headline, pen.style(Role::Verdict(shown.lock.verdict)));
        say(&sentences.join(" "), plain);
        for (last, said) in tree(&queue) {
            let stems = [stem(&last, pen.theme.glyphs), below(&last, pen.theme.glyphs)];
            lines.extend(hung(stems, muted, said, plain, room));
        }
        let release = self.release_hint(shown);
        let heads = ["next: "].into_iter().chain(std::iter::repeat("  or: "));
        let told = next.iter().map(|advice| (&*advice.text, advice.command.as_ref(), plain));
        let key = pen.style(Role::Key);
        let hint = release.as_deref().map(|hint| (hint, None, key));
        for (head, (text, command, style)) in heads.zip(hint.into_iter().chain(told)) {
            let stems = [head.to_owned(), "      ".to_owned()];
            lines.extend(hung(stems, pen.style(Role::Title), text, style, room));
            if let Some(command) = command {
                lines.push(vec![(format!("      $ {command}"), key)]);
            }
        }
        for unseen in &unseen {
            lines.extend(
                text::wrap(unseen, room)
                    .into_iter()
                    .map(|line| vec![(line, pen.style(Role::Warning))]),
            );
        }
        lines
    }
}

impl Painter<'_> {
    /// `r ways to free it (3)`, where somebody could want that.
    fn release_hint(&self, shown: Shown<'_>) -> Option<String> {
        let (lock, state) = (shown.lock, self.state);
        let is_wanted = !lock.waiters.is_empty() || lock.verdict != Verdict::Held;
        let is_possible = shown.ended.is_none() && !state.read_only && !lock.methods.is_empty();
        let key = keys::letter(Mode::List, &Action::Release);
        (is_wanted && is_possible && !state.mine.keeps(&lock.id))
            .then(|| format!("{key} ways to free it ({})", lock.methods.len()))
    }
}

/// A wrapped text that hangs on a stem; below the first line, on the other one.
fn hung(
    [first, others]: [String; 2],
    stem: Style,
    said: &str,
    style: Style,
    room: usize,
) -> impl Iterator<Item = Vec<Run>> {
    let lines = text::wrap(said, room.saturating_sub(text::width(&first)));
    let stems = [first].into_iter().chain(std::iter::repeat(others));
    stems.zip(lines).map(move |(before, line)| vec![(before, stem), (line, style)])
}

/// The queue's lines, each with the branch that leads to it.
fn tree(queue: &[QueueLine]) -> Vec<(Vec<bool>, &str)> {
    let depth = |line: &QueueLine| (line.depth.max(1) as usize).min(DEEPEST);
    let mut open: Vec<bool> = Vec::new();
    // From the end: whether a later line of the same level follows before the branch closes.
    let mut lines: Vec<_> = queue
        .iter()
        .rev()
        .map(|line| {
            let depth = depth(line);
            open.resize(depth, false);
            let last = open.iter().map(|more| !more).collect();
            open[depth - 1] = true;
            (last, line.text.as_str())
        })
        .collect();
    lines.reverse();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_know_whether_siblings_follow() {
        let line = |depth, text: &str| QueueLine { depth, text: text.into() };
        let queue = [line(1, "a"), line(2, "b"), line(2, "c"), line(1, "d"), line(2, "e")];
        let told: Vec<_> = tree(&queue).into_iter().map(|(last, text)| (text, last)).collect();
        assert_eq!(
            told,
            [
                ("a", vec![false]),
                ("b", vec![false, false]),
                ("c", vec![false, true]),
                ("d", vec![true]),
                ("e", vec![true, true]),
            ]
        );
    }
}
