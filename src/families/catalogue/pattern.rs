//! Paths and patterns, and which of many a path matches.

use std::collections::HashMap;
use std::ops::Range;

use glob::{MatchOptions, Pattern};

/// What makes a text a pattern.
const WILD: [char; 3] = ['*', '?', '['];

/// Why a text is no path or pattern of ours.
pub(super) fn check(text: &str) -> Result<(), String> {
    let Some(parts) = text.strip_prefix('/') else {
        return Err(
            "has to be an absolute path; /**/NAME stands for that name in any folder".into()
        );
    };
    if parts.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err("has to be written without '//', '/./', '/../' and '/' at its end".into());
    }
    if !parts.contains(|c| !"*?./".contains(c)) {
        return Err("matches almost everything".into());
    }
    Pattern::new(text).map(drop).map_err(|error| format!("is no pattern: {}", error.msg))
}

/// Whether it is one path.
pub(super) fn is_exact(text: &str) -> bool {
    !text.contains(WILD)
}

/// Whether it stands for few enough files to look for them: below folders that it names, and not
/// below all that are in them.
pub(super) fn is_bounded(text: &str) -> bool {
    !text.contains("**")
}

/// Whether a pattern matches, for less than compiling it where it does not.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    if is_exact(pattern) {
        return pattern == path;
    }
    let marks = Marks::of(pattern);
    marks.may_match(pattern, path, last(path))
        && Pattern::new(pattern).is_ok_and(|it| is_match(&it, path))
}

fn is_match(pattern: &Pattern, path: &str) -> bool {
    let options = MatchOptions { require_literal_separator: true, ..MatchOptions::default() };
    pattern.matches_with(path, options)
}

/// The last name of a path or pattern.
fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// By what a pattern tells quickly what it does not match, as places in its text: what a path has to
/// begin with, what it has to have in it, and what its last name has to begin and end with.
#[derive(Debug)]
struct Marks {
    start: Range<usize>,
    within: Range<usize>,
    prefix: Range<usize>,
    suffix: Range<usize>,
}

impl Marks {
    fn of(pattern: &str) -> Self {
        let end = pattern.len();
        let name = end - last(pattern).len();
        let start = 0..pattern.find(WILD).unwrap_or(end);
        let wild = pattern[name..].find(WILD);
        let prefix = name..wild.map_or(end, |at| name + at);
        // A class may hold anything but its end.
        let suffix = pattern[name..].rfind(['*', '?', ']']).map_or(name, |at| name + at + 1)..end;
        Self { start, within: longest_between(&pattern[..name]), prefix, suffix }
    }

    fn may_match(&self, pattern: &str, path: &str, name: &str) -> bool {
        let of = |place: &Range<usize>| &pattern[place.clone()];
        name.ends_with(of(&self.suffix))
            && name.starts_with(of(&self.prefix))
            && path.starts_with(of(&self.start))
            && path.contains(of(&self.within))
    }
}

/// The longest part of a pattern's folders that stands between two wild ones, with its slashes.
fn longest_between(folders: &str) -> Range<usize> {
    let mut longest = 0..0;
    let mut at = 0;
    for part in folders.split(WILD) {
        // What is in a class is not what it says.
        if part.len() > longest.len() && !folders.contains('[') {
            longest = at..at + part.len();
        }
        at += part.len() + 1;
    }
    longest
}

/// Many paths and patterns, each with the number of what it stands for.
#[derive(Debug, Default)]
pub(super) struct Index {
    exact: HashMap<Box<str>, usize>,
    /// By their last name.
    named: HashMap<Box<str>, Vec<Wild>>,
    others: Vec<Wild>,
}

#[derive(Debug)]
struct Wild {
    pattern: Pattern,
    marks: Marks,
    stands_for: usize,
}

impl Wild {
    fn matches(&self, path: &str, name: &str) -> bool {
        self.marks.may_match(self.pattern.as_str(), path, name) && is_match(&self.pattern, path)
    }
}

impl Index {
    /// Adds one that [`check`] has found nothing against.
    pub(super) fn add(&mut self, text: &str, stands_for: usize) -> Result<(), String> {
        if is_exact(text) {
            self.exact.insert(text.into(), stands_for);
            return Ok(());
        }
        let pattern = Pattern::new(text).map_err(|error| error.msg.to_owned())?;
        let wild = Wild { pattern, marks: Marks::of(text), stands_for };
        let name = last(text);
        if name.contains(WILD) {
            self.others.push(wild);
        } else {
            self.named.entry(name.into()).or_default().push(wild);
        }
        Ok(())
    }

    /// What the path stands for: the most exact first.
    pub(super) fn find<'a>(&'a self, path: &'a str) -> impl Iterator<Item = usize> + 'a {
        let name = last(path);
        let exact = self.exact.get(path).copied();
        let named = self.named.get(name).into_iter().flatten();
        let wild = named.chain(&self.others).filter(move |wild| wild.matches(path, name));
        exact.into_iter().chain(wild.map(|wild| wild.stands_for))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_is_one_name_and_two_are_any_folders() {
        assert!(matches("/**/.git/index.lock", "/.git/index.lock"));
        assert!(matches("/**/.git/index.lock", "/a/b/.git/index.lock"));
        assert!(!matches("/**/.git/index.lock", "/a/b/.git/x/index.lock"));
        assert!(matches("/tmp/.X*-lock", "/tmp/.X0-lock"));
        assert!(!matches("/tmp/.X*-lock", "/tmp/.X0/a-lock"));
        assert!(matches("/**/.*.sw[a-p]", "/a/.b.c.swp"));
        assert!(!matches("/**/.*.sw[a-p]", "/a/.b.c.swx"));
        assert!(matches("/a/[]]b", "/a/]b"));
        assert!(matches("/run/x", "/run/x") && !matches("/run/x", "/run/xy"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let why = |text| check(text).unwrap_err();
        for text in ["", "x", "~/x", "**/x"] {
            assert!(why(text).starts_with("has to be an absolute path"), "{text}");
        }
        for text in ["/", "/a//b", "/a/", "/a/../b", "/./a"] {
            assert!(why(text).starts_with("has to be written without"), "{text}");
        }
        for text in ["/**", "/*", "/**/*", "/**/.*"] {
            assert_eq!(why(text), "matches almost everything", "{text}");
        }
        for text in ["/a/[b", "/a**/b", "/a/***"] {
            assert!(why(text).starts_with("is no pattern"), "{text}");
        }
    }

    const PATTERNS: [&str; 9] =
        ["/a", "/a/b", "/**/b", "/a/*/b", "/**/a*", "/**/*b", "/**/a*b", "/**/[ab]?", "/a/**/b/*"];

    proptest! {
        /// What is told apart by ends and names is what the patterns themselves say.
        #[test]
        fn no_match_is_overlooked(path in "(/[ab]{1,3}){1,4}") {
            let mut index = Index::default();
            for (number, pattern) in PATTERNS.iter().enumerate() {
                index.add(pattern, number).unwrap();
            }
            let mut found: Vec<usize> = index.find(&path).collect();
            found.sort_unstable();
            let all = 0..PATTERNS.len();
            let plain = |at: &usize| is_match(&Pattern::new(PATTERNS[*at]).unwrap(), &path);
            prop_assert_eq!(&found, &all.clone().filter(plain).collect::<Vec<_>>());
            let quick = |at: &usize| matches(PATTERNS[*at], &path);
            prop_assert_eq!(&found, &all.filter(quick).collect::<Vec<_>>());
        }
    }
}
