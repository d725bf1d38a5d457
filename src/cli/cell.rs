//! A cell of the table: what it says, and how that gets shorter.

use std::borrow::Cow;

use unicode_width::UnicodeWidthStr as _;

use super::page::{cut_end, cut_middle};

/// No text is cut to less than this, as far as its cell goes.
pub(crate) const LEAST: usize = 8;

/// Where a text loses what does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Never,
    Middle,
    End,
}

/// A text and shorter ways to say it, best first. Harmless to print.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) shorter: Vec<String>,
    /// The end of what is cut if no way fits; it stays as long as there is room.
    pub(crate) end: String,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

impl Cell {
    /// The best way to say it within a width.
    pub(crate) fn within(&self, width: usize, cut: Cut, mark: &str) -> Cow<'_, str> {
        let mut ways = std::iter::once(&self.text).chain(&self.shorter);
        if let Some(way) = ways.find(|way| way.width() <= width) {
            return way.into();
        }
        let whole = self.shorter.first().unwrap_or(&self.text);
        let stem = whole.strip_suffix(self.end.as_str()).unwrap_or(whole);
        let end = if width >= LEAST + self.end.width() { self.end.as_str() } else { "" };
        let room = width.saturating_sub(end.width());
        let stem = match cut {
            Cut::Never => return whole.into(),
            Cut::Middle => cut_middle(stem, room, mark),
            Cut::End => cut_end(stem, room, mark),
        };
        if end.is_empty() { stem } else { format!("{stem}{end}").into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_way_that_fits_is_taken() {
        let cell = Cell {
            text: "/var/lib/dpkg/lock [0-9] (dpkg lock)".into(),
            shorter: vec!["/var/lib/dpkg/lock [0-9]".into(), "dpkg lock".into()],
            end: " [0-9]".into(),
        };
        let within = |width| cell.within(width, Cut::Middle, "…").into_owned();
        assert_eq!(within(36), cell.text);
        assert_eq!(within(35), "/var/lib/dpkg/lock [0-9]");
        assert_eq!(within(23), "dpkg lock");
        assert_eq!(within(8), "/v…/lock");
    }

    #[test]
    fn the_end_is_kept_while_there_is_room() {
        let cell = Cell {
            text: "/srv/db/main.sqlite [0-9]".into(),
            end: " [0-9]".into(),
            ..Cell::default()
        };
        let within = |width| cell.within(width, Cut::Middle, "…").into_owned();
        assert_eq!(within(24), "/srv/…/main.sqlite [0-9]");
        assert_eq!(within(14), "/s…qlite [0-9]");
        assert_eq!(within(13), "/srv…n.sqlite");
    }
}
