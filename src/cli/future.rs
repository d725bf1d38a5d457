//! Commands that are promised and not there yet.

use std::ffi::{OsStr, OsString};
use std::path::Path;

const WORDS: [&str; 14] = [
    "wait",
    "run",
    "hold",
    "release",
    "watch",
    "check",
    "audit",
    "catalogue",
    "history",
    "record",
    "metrics",
    "config",
    "completions",
    "man",
];

/// The promised command that stands in a command's place, unless a file has that name: then it is a
/// target.
pub(crate) fn command(arguments: &[OsString]) -> Option<&'static str> {
    let mut words = arguments.iter().map(OsString::as_os_str);
    let first = loop {
        match words.next()? {
            // The one global option with a value of its own.
            option if option == "--color" => drop(words.next()),
            option if is_option(option) => {}
            word => break word,
        }
    };
    let word = WORDS.into_iter().find(|word| first == *word)?;
    (!Path::new(word).exists()).then_some(word)
}

fn is_option(word: &OsStr) -> bool {
    word.as_encoded_bytes().starts_with(b"-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_place(line: &str) -> Option<&'static str> {
        let arguments: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        command(&arguments)
    }

    #[test]
    fn only_the_first_word_is_a_command() {
        assert_eq!(in_place("hold /run/x"), Some("hold"));
        assert_eq!(in_place("run -x /run/x -- true"), Some("run"));
        assert_eq!(in_place("-q --color never watch --json"), Some("watch"));
        assert_eq!(in_place("ls hold"), None);
        assert_eq!(in_place("--color hold"), None);
        assert_eq!(in_place("./hold"), None);
        assert_eq!(in_place(""), None);
    }
}
