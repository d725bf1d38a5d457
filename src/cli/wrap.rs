//! Prose, broken at spaces to the width of the page.

use unicode_width::UnicodeWidthStr as _;

/// Lines longer than this are tiring to read.
const COMFORT: usize = 100;

/// `text` in lines: `first` before the first, as many spaces before the others. A word that is
/// wider than the page is left whole, so that a path or a command can still be copied.
pub(crate) fn wrap(text: &str, first: &str, width: Option<usize>) -> String {
    let indent = first.width();
    let mut lines = String::from(first);
    let Some(width) = width.map(|width| width.min(COMFORT)) else {
        return lines + text;
    };
    let mut used = indent;
    for word in text.split(' ') {
        let fresh = used == indent;
        if !fresh && used + 1 + word.width() > width {
            lines.push('\n');
            lines.extend(std::iter::repeat_n(' ', indent));
            used = indent;
        } else if !fresh {
            lines.push(' ');
            used += 1;
        }
        lines.push_str(word);
        used += word.width();
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_spaces_and_hang() {
        assert_eq!(wrap("one two three", "- ", Some(9)), "- one two\n  three");
        assert_eq!(wrap("one two three", "- ", None), "- one two three");
    }

    #[test]
    fn a_long_word_stays_whole() {
        assert_eq!(wrap("see /a/very/long/path now", "", Some(6)), "see\n/a/very/long/path\nnow");
        assert_eq!(wrap("a b", "", Some(0)), "a\nb");
    }

    #[test]
    fn wide_terminals_get_readable_lines() {
        let text = "word ".repeat(100);
        assert!(wrap(text.trim_end(), "", Some(500)).lines().all(|line| line.width() <= COMFORT));
    }
}
