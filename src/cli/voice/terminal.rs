//! The line on the terminal that changes while somebody waits.

use std::env;
use std::io::{self, IsTerminal as _, Write as _};

use anstyle_progress::{TermProgress, supports_term_progress};
use locktop::command;

use super::super::page::{columns, cut_end, glyphs};
use super::notice;

/// The last line of the terminal on standard error, as far as it is ours.
pub(super) struct Terminal {
    ascii: bool,
    /// Whether it shows that something is under way, beside the text.
    has_progress: bool,
    drawn: bool,
}

impl Terminal {
    pub(super) fn new(ascii: bool) -> Self {
        // tmux would hand it to whatever terminal it is in, or not.
        let has_progress =
            env::var_os("TMUX").is_none() && supports_term_progress(io::stderr().is_terminal());
        Self { ascii, has_progress, drawn: false }
    }

    /// Whether standard error is one on which a line can change.
    pub(super) fn is_there() -> bool {
        io::stderr().is_terminal() && env::var_os("TERM").is_some_and(|term| term != "dumb")
    }

    /// Whether it is ours to draw on: not while we are in the background.
    pub(super) fn is_ours() -> bool {
        command::is_in_foreground()
    }

    /// Draws the line anew.
    pub(super) fn draw(&mut self, text: &str) {
        let text = format!("locktop: {text}");
        // Wider, it would begin another line; and what is typed, such as ^Z, is echoed behind it.
        let text = cut_end(&text, columns().saturating_sub(3), glyphs(self.ascii).cut);
        let progress = if self.has_progress { TermProgress::start() } else { TermProgress::none() };
        write(&format!("{progress}\r{text}\x1b[K"));
        self.drawn = true;
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let progress =
                if self.has_progress { TermProgress::remove() } else { TermProgress::none() };
            write(&format!("{progress}\r\x1b[K"));
        }
    }

    /// Rings the bell, and has the terminal notify where it can.
    pub(super) fn notify(&mut self, text: &str) {
        self.clear();
        write(&notice::sequence(text));
    }
}

/// At once. Where nothing can be said, waiting goes on.
fn write(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.clear();
    }
}
