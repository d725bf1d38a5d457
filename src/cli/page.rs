//! What the output is written on: how wide it is, whether it has colours, and which glyphs.

use std::borrow::Cow;
use std::env;
use std::io::{self, BufWriter, IsTerminal as _, StdoutLock};

use locktop::model::Verdict;
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use super::args::{Global, When};

/// Standard output as a page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    /// Columns of the terminal; `None` where it is none: then nothing is cut or wrapped.
    pub(crate) width: Option<usize>,
    pub(crate) colour: bool,
    pub(crate) glyphs: &'static Glyphs,
}

/// The glyphs that are not in every font.
#[derive(Debug)]
pub(crate) struct Glyphs {
    pub(crate) ascii: bool,
    /// In an empty cell.
    pub(crate) nothing: &'static str,
    /// Between a count and a time.
    pub(crate) dot: &'static str,
    /// For what was cut.
    pub(crate) cut: &'static str,
    /// A branch with more below it, what continues it, and the last one.
    pub(crate) branch: &'static str,
    pub(crate) trunk: &'static str,
    pub(crate) last: &'static str,
    /// Marks a circle.
    pub(crate) circle: &'static str,
}

const UNICODE: Glyphs = Glyphs {
    ascii: false,
    nothing: "–",
    dot: " · ",
    cut: "…",
    branch: "├─ ",
    trunk: "│  ",
    last: "└─ ",
    circle: "↻",
};

const ASCII: Glyphs = Glyphs {
    ascii: true,
    nothing: "-",
    dot: ", ",
    cut: "...",
    branch: "|- ",
    trunk: "|  ",
    last: "`- ",
    circle: "(circle)",
};

/// Codes for "select graphic rendition", from the sixteen colours that every theme has.
pub(crate) const BOLD: &str = "1";
pub(crate) const FAINT: &str = "2";

/// Standard output, to be written by as much as a pipe takes at once.
pub(crate) fn out() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(64 * 1024, io::stdout().lock())
}

impl Page {
    /// Standard output as it is now.
    pub(crate) fn stdout(global: Global) -> Self {
        let terminal = io::stdout().is_terminal();
        let colour = match global.color {
            When::Always => true,
            When::Never => false,
            When::Auto => terminal && colours_welcome(),
        };
        Self { width: terminal.then(columns), colour, glyphs: glyphs(global.ascii) }
    }

    /// Without a terminal.
    #[cfg(test)]
    pub(crate) const PIPE: Self = Self { width: None, colour: false, glyphs: &UNICODE };

    #[cfg(test)]
    pub(crate) const fn terminal(width: usize) -> Self {
        Self { width: Some(width), ..Self::PIPE }
    }

    #[cfg(test)]
    pub(crate) const fn ascii(self) -> Self {
        Self { glyphs: &ASCII, ..self }
    }

    #[cfg(test)]
    pub(crate) const fn coloured(self) -> Self {
        Self { colour: true, ..self }
    }

    /// `text` in the colour of `code`, if there are colours.
    pub(crate) fn paint<'a>(&self, text: &'a str, code: &str) -> Cow<'a, str> {
        if self.colour && !code.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m").into()
        } else {
            text.into()
        }
    }

    /// `text` as far as it fits a line.
    pub(crate) fn line<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.width {
            Some(width) => cut_end(text, width, self.glyphs.cut),
            None => text.into(),
        }
    }
}

/// Those that can be drawn.
pub(crate) fn glyphs(ascii: bool) -> &'static Glyphs {
    if ascii { &ASCII } else { &UNICODE }
}

fn colours_welcome() -> bool {
    let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    !set("NO_COLOR") && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// How wide the terminal is; 80 where it does not say.
pub(crate) fn columns() -> usize {
    match crossterm::terminal::window_size() {
        Ok(size) if size.columns > 0 => size.columns.into(),
        _ => 80,
    }
}

/// A verdict's colour. Its word is always there too.
pub(crate) fn colour_of(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Deadlock => "1;31",
        Verdict::Split => "1;35",
        Verdict::Stale | Verdict::Orphaned => "33",
        Verdict::Stuck => "31",
        Verdict::Unknown => "35",
        Verdict::Contended => "36",
        Verdict::Held => "32",
    }
}

/// `text` with its end cut off where it is wider than `width`.
pub(crate) fn cut_end<'a>(text: &'a str, width: usize, mark: &str) -> Cow<'a, str> {
    if text.width() <= width {
        return text.into();
    }
    let (mark, room) = mark_and_room(width, mark);
    format!("{}{mark}", head(text, room)).into()
}

/// `text` with its middle cut out where it is wider than `width`. The end, where a path has its
/// file's name, gets two thirds.
pub(crate) fn cut_middle<'a>(text: &'a str, width: usize, mark: &str) -> Cow<'a, str> {
    if text.width() <= width {
        return text.into();
    }
    let (mark, room) = mark_and_room(width, mark);
    let head = head(text, room / 3);
    format!("{head}{mark}{}", tail(text, room - head.width())).into()
}

/// The mark, if it leaves room for as much again; and the room.
fn mark_and_room(width: usize, mark: &str) -> (&str, usize) {
    let own = mark.width();
    if width >= 2 * own { (mark, width - own) } else { ("", width) }
}

fn head(text: &str, width: usize) -> &str {
    let mut used = 0;
    let end = text.grapheme_indices(true).find(|(_, piece)| {
        used += piece.width();
        used > width
    });
    end.map_or(text, |(at, _)| &text[..at])
}

fn tail(text: &str, width: usize) -> &str {
    let mut used = 0;
    let end = text.grapheme_indices(true).rev().find(|(_, piece)| {
        used += piece.width();
        used > width
    });
    end.map_or(text, |(at, piece)| &text[at + piece.len()..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_keeps_its_file_name() {
        let path = "/var/lib/nerdctl/1935db59/volumes/default/web";
        assert_eq!(cut_middle(path, 22, "…"), "/var/li…es/default/web");
        assert_eq!(cut_middle(path, 100, "…"), path);
        assert_eq!(cut_middle(path, 1, "..."), "b");
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(cut_end("ロックファイル", 7, "…"), "ロック…");
        assert_eq!(cut_end("ロックファイル", 6, "…"), "ロッ…");
    }

    proptest! {
        #[test]
        fn what_is_cut_fits(text in ".{0,40}", width in 0usize..50) {
            for mark in ["…", "..."] {
                prop_assert!(cut_end(&text, width, mark).width() <= width);
                prop_assert!(cut_middle(&text, width, mark).width() <= width);
            }
        }
    }
}
