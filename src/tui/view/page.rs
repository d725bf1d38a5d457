//! Pages of text over everything: the help, and what cannot be seen.

use ratatui::layout::Rect;

use super::Painter;
use super::pen::Run;
use crate::tui::filter;
use crate::tui::keys::{self, Binding, Mode};
use crate::tui::state::{Extent, Page};
use crate::tui::text;
use crate::tui::theme::Role;

/// Lines that are longer are hard to read.
const WIDEST: u16 = 76;
/// The column of keys.
const KEYS: usize = 16;

impl Painter<'_> {
    pub(super) fn draw_page(&mut self, area: Rect, page: Page, scroll: usize) {
        let width = area.width.min(WIDEST);
        let room = usize::from(width.saturating_sub(4));
        let (title, lines) = match page {
            Page::Help => ("Help", self.help(room)),
            Page::Notes => ("What cannot be seen", self.told_notes(room)),
        };
        let height = area.height.min(u16::try_from(lines.len() + 2).unwrap_or(u16::MAX));
        let inner = self.draw_popup(area, width, height, title);
        let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
        let extent = Extent::scrolled(inner, scroll, lines.len());
        for (line, runs) in inner.rows().zip(&lines[extent.first..]) {
            self.pen.runs(line, runs);
        }
        self.draw_rest(extent);
        self.screen.page = extent;
    }

    /// All keys, and the filter's syntax.
    fn help(&self, room: usize) -> Vec<Vec<Run>> {
        let mut lines = Vec::new();
        let mut said: Vec<&Binding> = Vec::new();
        for (mode, name) in Mode::ALL {
            // What a mode has in common with one above is told there.
            let own: Vec<_> = keys::of(mode)
                .filter(|binding| !said.iter().any(|told| std::ptr::eq(*told, *binding)))
                .collect();
            if own.is_empty() {
                continue;
            }
            self.heading(&mut lines, name);
            for binding in &own {
                let glyphs = self.pen.theme.glyphs;
                let names: Vec<_> = binding.keys.iter().map(|key| key.name(glyphs)).collect();
                let what = binding.action.what();
                let off = self.state.read_only && binding.action.asks();
                let what = if off { format!("off by --read-only: {what}") } else { what.into() };
                self.entry(&mut lines, room, &names.join(" "), &what);
            }
            said.extend(own);
        }
        self.heading(&mut lines, "What a filter can say");
        for (syntax, what) in filter::SYNTAX {
            self.entry(&mut lines, room, syntax, what);
        }
        lines
    }

    fn heading(&self, lines: &mut Vec<Vec<Run>>, text: &str) {
        if !lines.is_empty() {
            lines.push(Vec::new());
        }
        lines.push(vec![(text.to_owned(), self.pen.style(Role::Title))]);
    }

    fn entry(&self, lines: &mut Vec<Vec<Run>>, room: usize, name: &str, what: &str) {
        let (key, plain) = (self.pen.style(Role::Key), self.pen.style(Role::Plain));
        let name = text::cut(name, KEYS, self.pen.theme.glyphs.cut);
        let names = [text::pad(&name, KEYS + 1)].into_iter();
        let names = names.chain(std::iter::repeat(text::pad("", KEYS + 1)));
        let told = text::wrap(what, room.saturating_sub(KEYS + 1));
        lines.extend(names.zip(told).map(|(name, what)| vec![(name, key), (what, plain)]));
    }

    fn told_notes(&self, room: usize) -> Vec<Vec<Run>> {
        let (plain, warning) = (self.pen.style(Role::Plain), self.pen.style(Role::Warning));
        let mut lines: Vec<Vec<Run>> = Vec::new();
        for note in self.state.notes() {
            lines
                .extend(text::wrap(&note.text, room).into_iter().map(|line| vec![(line, warning)]));
            if let Some(help) = &note.would_help {
                let help = format!("What would help: {help}.");
                lines.extend(text::wrap(&help, room).into_iter().map(|line| vec![(line, plain)]));
            }
            lines.push(Vec::new());
        }
        lines.pop();
        if lines.is_empty() {
            lines.push(vec![("Nothing is hidden from this user.".into(), plain)]);
        }
        lines
    }
}
