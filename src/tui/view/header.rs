//! The first line: which machine, how many locks, and how fresh the picture is.

use locktop::model::{Verdict, harmless, short};
use ratatui::layout::Rect;
use std::time::Duration;

use super::Painter;
use super::pen::Run;
use crate::tui::action::Action;
use crate::tui::text;
use crate::tui::theme::Role;

/// A look that is later than this is worth a word.
const LATE: Duration = Duration::from_secs(5);
/// From this width on there is room for everything but numbers of the trace.
const ROOMY: u16 = 60;
/// And from this one for those.
const WIDE: u16 = 98;

impl Painter<'_> {
    pub(super) fn draw_header(&mut self, area: Rect) {
        let roomy = area.width >= ROOMY;
        let mut freshness = self.traced(area.width);
        freshness.extend(self.freshness(roomy));
        let right: usize = freshness.iter().map(|(content, _)| text::width(content)).sum();
        let right = u16::try_from(right).unwrap_or(u16::MAX).min(area.width);
        let fresh_at = area.right() - right;
        self.pen.runs(Rect { x: fresh_at, width: right, ..area }, &freshness);

        let title = (" locktop".to_owned(), self.pen.style(Role::Title));
        let mut x = self.draw_counts(area.x, area, fresh_at, [title]);
        let ours = self.ours(roomy);
        let start = x;
        let has_ours = ours.is_some();
        x = self.draw_counts(x, area, fresh_at, ours);
        self.screen.hits.push((Rect { x: start, width: x - start, ..area }, Action::Mine));
        let (mut machine, troubles) = (self.machine(), self.troubles());
        // Where there is little room, what is wrong comes first, and the machine's name is left out.
        if !roomy {
            machine.drain(..machine.len().min(1));
        }
        let needed: usize =
            machine.iter().chain(&troubles).map(|(said, _)| text::width(said) + 2).sum();
        let crowded = !roomy || has_ours && needed > fresh_at.saturating_sub(x).into();
        let [first, second] = if crowded { [troubles, machine] } else { [machine, troubles] };
        self.draw_counts(x, area, fresh_at, first.into_iter().chain(second));
    }

    /// Draws what has room before `end`; where there is room for more.
    fn draw_counts(
        &mut self,
        mut x: u16,
        area: Rect,
        end: u16,
        counts: impl IntoIterator<Item = Run>,
    ) -> u16 {
        for (content, style) in counts {
            let room = end.saturating_sub(x);
            // A count is shown whole or not at all.
            if text::width(&content) + 2 <= room.into() {
                x = self.pen.write(x, area.y, room, &content, style) + 2;
            }
        }
        x
    }

    /// What we hold, keep, free and wait for, and what came of it.
    fn ours(&self, roomy: bool) -> Option<Run> {
        let counts = self.state.mine.counts();
        let said: Vec<_> = [
            ("hold", counts.held),
            ("keep", counts.kept),
            ("freeing", counts.freeing),
            ("wait", counts.waiting),
            ("free", counts.free),
            ("failed", counts.failed),
        ]
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(word, count)| format!("{word} {count}"))
        .collect();
        if said.is_empty() {
            return None;
        }
        let head = if roomy { "mine: " } else { "" };
        let role = if counts.failed > 0 { Role::Alarm } else { Role::Key };
        Some((format!("{head}{}", said.join(", ")), self.pen.style(role)))
    }

    /// Which machine, how many locks there are, and how many wait.
    fn machine(&self) -> Vec<Run> {
        let rows = &self.state.rows;
        let Some(snapshot) = rows.snapshot() else { return Vec::new() };
        let (total, shown) = (rows.total(), rows.shown_now());
        let of = if shown == total { String::new() } else { format!("{shown} of ") };
        let locks = if total == 1 { "lock" } else { "locks" };
        let waiting: usize = rows.now().map(|lock| lock.waiters.len()).sum();
        let host = harmless(&snapshot.host.name).into_owned();
        let mut said = vec![host, format!("{of}{total} {locks}")];
        if waiting > 0 {
            said.push(format!("{waiting} waiting"));
        }
        said.into_iter().map(|said| (said, self.pen.style(Role::Plain))).collect()
    }

    /// How many locks are in which trouble.
    fn troubles(&self) -> Vec<Run> {
        let rows = &self.state.rows;
        let problems = Verdict::ALL.into_iter().filter(|verdict| verdict.is_problem());
        let counts = problems.map(|verdict| {
            let count = match verdict {
                Verdict::Deadlock => rows.circles(),
                verdict => rows.now().filter(|lock| lock.verdict == verdict).count(),
            };
            let plural = if verdict == Verdict::Deadlock && count > 1 { "s" } else { "" };
            let said = format!("{count} {}{plural}", verdict.word());
            (count > 0).then(|| (said, self.pen.style(Role::Verdict(verdict))))
        });
        counts.flatten().collect()
    }

    /// Whether locks are traced, and at which cost.
    fn traced(&self, width: u16) -> Vec<Run> {
        let said = self.state.trace.said(width >= WIDE, self.pen.theme.glyphs.dot);
        said.into_iter()
            .filter(|_| width >= ROOMY)
            .map(|(text, role)| (format!("{text}  "), self.pen.style(role)))
            .collect()
    }

    fn freshness(&self, roomy: bool) -> Vec<Run> {
        let (pen, feed, glyphs) = (&self.pen, &self.state.feed, self.pen.theme.glyphs);
        let plain = pen.style(Role::Plain);
        if let Some(frozen) = &self.state.frozen {
            let age = short(self.now.saturating_duration_since(frozen.since));
            let said = format!("{} frozen {age} ago ", glyphs.frozen);
            return vec![(said, pen.style(Role::Warning))];
        }
        let Some(at) = feed.at else {
            return vec![(format!("looking{} ", glyphs.cut), plain)];
        };
        let age = self.now.saturating_duration_since(at);
        if feed.error.is_some() || age > feed.interval + LATE {
            let seen = short(self.state.rows.age(self.now));
            return vec![(format!("last look {seen} ago "), pen.style(Role::Alarm))];
        }
        let live = format!("{} live {}", glyphs.live, short(feed.interval));
        let cost = if roomy { format!("  scan {} ", cost(feed.cost.shown)) } else { " ".into() };
        vec![(live, pen.style(Role::Good)), (cost, plain)]
    }
}

/// `4ms`, `1.2s`.
fn cost(cost: Duration) -> String {
    match cost.as_millis() {
        0 => "<1ms".into(),
        ms @ 1..1000 => format!("{ms}ms"),
        _ => short(cost),
    }
}
