//! One line of text that is typed.

use unicode_segmentation::UnicodeSegmentation as _;

/// The text, and the place in it where letters appear.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Line {
    text: String,
    at: usize,
}

/// Where the place goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Left,
    Right,
    Start,
    End,
}

impl Line {
    /// A text with the place behind it.
    pub(super) fn new(text: String) -> Self {
        let at = text.len();
        Self { text, at }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What is before the place, and what is behind it.
    pub(super) fn halves(&self) -> (&str, &str) {
        self.text.split_at(self.at)
    }

    pub(super) fn insert(&mut self, c: char) {
        self.text.insert(self.at, c);
        self.at += c.len_utf8();
    }

    /// Takes away what is before the place.
    pub(super) fn erase(&mut self) {
        self.erase_from(self.left());
    }

    /// Takes away what is behind the place.
    pub(super) fn delete(&mut self) {
        let end = self.right();
        self.text.replace_range(self.at..end, "");
    }

    /// Takes away a word, which one of these ends.
    pub(super) fn erase_word(&mut self, ends: &[char]) {
        let word = self.halves().0.trim_end_matches(ends);
        self.erase_from(word.rfind(ends).map_or(0, |end| end + 1));
    }

    /// Takes away everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn go(&mut self, way: Way) {
        self.at = match way {
            Way::Left => self.left(),
            Way::Right => self.right(),
            Way::Start => 0,
            Way::End => self.text.len(),
        };
    }

    fn left(&self) -> usize {
        self.halves().0.grapheme_indices(true).next_back().map_or(0, |(at, _)| at)
    }

    fn right(&self) -> usize {
        self.at + self.halves().1.graphemes(true).next().map_or(0, str::len)
    }

    fn erase_from(&mut self, start: usize) {
        self.text.replace_range(start..self.at, "");
        self.at = start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn letters_appear_at_the_place() {
        let mut line = Line::new("/run/a.lock".into());
        line.go(Way::Start);
        line.go(Way::Right);
        line.insert('日');
        assert_eq!(line.halves(), ("/日", "run/a.lock"));
        line.erase();
        line.delete();
        line.go(Way::End);
        line.erase();
        assert_eq!(line.text(), "/un/a.loc");
    }

    #[test]
    fn words_end_where_parts_of_paths_do() {
        let mut line = Line::new("flock:/run/a b/".into());
        for left in ["flock:/run/a ", "flock:/run/", "flock:/", "", ""] {
            line.erase_word(&[' ', '/', ':']);
            assert_eq!(line.text(), left);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn the_place_is_always_in_the_text(text in "\\PC{0,10}", keys in "[lrsedwi]{0,20}") {
            let mut line = Line::new(text);
            for key in keys.chars() {
                match key {
                    'l' => line.go(Way::Left),
                    'r' => line.go(Way::Right),
                    's' => line.go(Way::Start),
                    'e' => line.erase(),
                    'd' => line.delete(),
                    'w' => line.erase_word(&[' ', '/']),
                    // Joins what is before it.
                    _ => line.insert('\u{301}'),
                }
                let (before, behind) = line.halves();
                prop_assert_eq!(format!("{before}{behind}"), line.text());
            }
        }
    }
}
