//! What differs from one run to the next, by words that do not.

use std::path::Path;

/// Words for values that are known; longer values go first, so that none hides in another.
#[derive(Debug, Default)]
pub(crate) struct Words {
    texts: Vec<(String, String)>,
    numbers: Vec<(u64, String)>,
}

impl Words {
    /// This text is to be read as that word. Nothing hides nothing.
    pub(crate) fn text(&mut self, value: impl Into<String>, word: impl Into<String>) {
        let value = value.into();
        if !value.is_empty() {
            self.texts.push((value, word.into()));
            self.texts.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        }
    }

    /// A path, as it is printed.
    pub(crate) fn path(&mut self, path: &Path, word: &str) {
        self.text(path.to_str().expect("paths of tests are UTF-8"), word);
    }

    /// This number, where it stands alone, is to be read as that word.
    pub(crate) fn number(&mut self, number: i32, word: impl Into<String>) {
        self.numbers.push((u64::from(number.unsigned_abs()), word.into()));
    }

    /// The text with all known values replaced, and all times by `TIME`.
    pub(crate) fn redact(&self, text: &str) -> String {
        let known = self
            .texts
            .iter()
            .fold(text.to_owned(), |text, (value, word)| text.replace(value.as_str(), word));
        let spans = ["between TIME and TIME", "at least TIME", "at most TIME"];
        let timed = alnum_runs(&known, |run| is_duration(run).then(|| "TIME".into()));
        let timed = spans.iter().fold(timed, |text, span| text.replace(span, "TIME"));
        alnum_runs(&timed, |run| {
            let number: u64 = run.parse().ok()?;
            let (_, word) = self.numbers.iter().find(|(known, _)| *known == number)?;
            Some(word.clone())
        })
    }
}

/// Every run of letters, digits and points between digits goes through the function.
fn alnum_runs(text: &str, word: impl Fn(&str) -> Option<String>) -> String {
    let mut told = String::new();
    let mut run = String::new();
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let in_number = c == '.'
            && run.ends_with(|c: char| c.is_ascii_digit())
            && characters.peek().is_some_and(char::is_ascii_digit);
        if c.is_ascii_alphanumeric() || in_number {
            run.push(c);
        } else {
            told.push_str(&word(&run).unwrap_or_else(|| run.clone()));
            run.clear();
            told.push(c);
        }
    }
    told.push_str(&word(&run).unwrap_or(run));
    told
}

/// `0.4s`, `22s`, `12m04s`, `3h02m`, `5d03h`.
fn is_duration(run: &str) -> bool {
    let units = run.trim_start_matches(|c: char| c.is_ascii_digit() || "smhd.".contains(c));
    units.is_empty()
        && run.starts_with(|c: char| c.is_ascii_digit())
        && run.ends_with(['s', 'm', 'h', 'd'])
}

#[test]
fn what_is_known_is_replaced_and_nothing_else() {
    let mut words = Words::default();
    words.number(12, "HOLDER");
    words.text("/tmp/x", "DIR");
    words.text("/tmp/x/y", "DEEPER");
    assert_eq!(
        words.redact("kill 12; /tmp/x/l /tmp/x/y 112 12m04s between 0.4s and 3.0s (pid 12) 1.12"),
        "kill HOLDER; DIR/l DEEPER 112 TIME TIME (pid HOLDER) 1.12"
    );
}
