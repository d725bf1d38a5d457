//! Text by display width: cut, padded, wrapped.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// How many columns a text takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The beginning of `text`, at most `room` columns wide; `mark` stands for what is missing.
pub(super) fn cut(text: &str, room: usize, mark: &str) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    let (kept, mark) = head(text, room.saturating_sub(mark.width()), mark, room);
    format!("{kept}{mark}")
}

/// The same for paths: the middle goes, so that both where it is and its name can be read.
pub(super) fn cut_path(path: &str, room: usize, mark: &str) -> String {
    if path.width() <= room {
        return path.to_owned();
    }
    let left = room.saturating_sub(mark.width());
    let name = path.rfind('/').map_or("", |at| &path[at..]);
    // The name gets what it needs, but leaves a third to where it is.
    let tail = tail(path, name.width().min(left - left / 3));
    let (head, mark) = head(path, left - tail.width(), mark, room);
    format!("{head}{mark}{tail}")
}

/// The end of `text`, at most `room` columns wide.
pub(super) fn end(text: &str, room: usize) -> &str {
    tail(text, room)
}

/// `text` and blanks, exactly `room` columns wide.
pub(super) fn pad(text: &str, room: usize) -> String {
    let blanks = room.saturating_sub(text.width());
    format!("{text}{:blanks$}", "")
}

/// Blanks and `text`, at least `room` columns wide.
pub(super) fn pad_left(text: &str, room: usize) -> String {
    let blanks = room.saturating_sub(text.width());
    format!("{:blanks$}{text}", "")
}

/// Lines of at most `room` columns, broken at blanks where there are any.
pub(super) fn wrap(text: &str, room: usize) -> Vec<String> {
    let room = room.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let mut word = word;
        if !line.is_empty() && line.width() + 1 + word.width() > room {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        while line.width() + word.width() > room {
            let part = prefix(word, room - line.width());
            // A character that is wider than the room stands alone.
            let part = if part.is_empty() && line.is_empty() { first(word) } else { part };
            line.push_str(part);
            lines.push(std::mem::take(&mut line));
            word = &word[part.len()..];
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

fn head<'a>(text: &'a str, room: usize, mark: &'a str, all: usize) -> (&'a str, &'a str) {
    if mark.width() > all { (prefix(text, all), "") } else { (prefix(text, room), mark) }
}

fn prefix(text: &str, room: usize) -> &str {
    let mut taken = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        taken += grapheme.width();
        if taken > room {
            return &text[..at];
        }
    }
    text
}

fn tail(text: &str, room: usize) -> &str {
    let mut taken = 0;
    let mut from = text.len();
    for (at, grapheme) in text.grapheme_indices(true).rev() {
        taken += grapheme.width();
        if taken > room {
            break;
        }
        from = at;
    }
    &text[from..]
}

fn first(text: &str) -> &str {
    text.graphemes(true).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_fits_stays() {
        assert_eq!(cut("abc", 3, "…"), "abc");
        assert_eq!(cut_path("/a/b", 4, "…"), "/a/b");
    }

    #[test]
    fn a_path_keeps_its_name() {
        assert_eq!(cut_path("/var/lib/nerdctl/volumes/default", 20, "…"), "/var/lib/ne…/default");
        assert_eq!(cut_path("/var/lib/dpkg/lock-frontend", 20, "..."), "/var/...ock-frontend");
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(cut("日本語", 5, "…"), "日本…");
        assert_eq!(cut("日本語", 4, "…"), "日…");
        assert_eq!(pad("日", 4), "日  ");
    }

    #[test]
    fn lines_break_at_blanks() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("", 5), [""]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn nothing_is_wider_than_its_room(text in "\\PC{0,40}", room in 0usize..30) {
            for mark in ["…", "..."] {
                prop_assert!(width(&cut(&text, room, mark)) <= room);
                prop_assert!(width(&cut_path(&text, room, mark)) <= room);
            }
            for line in wrap(&text, room) {
                let widest = text.graphemes(true).map(width).max().unwrap_or_default();
                prop_assert!(width(&line) <= room.max(widest));
            }
        }
    }
}
