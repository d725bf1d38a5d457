//! The well-known locks, from `assets/catalogue.toml`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glob::{MatchOptions, Pattern};
use serde::Deserialize;

use crate::error::Error;

const EMBEDDED: &str = include_str!("../../assets/catalogue.toml");

/// What the catalogue says of a lock.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    path: String,
    pub(super) name: Arc<str>,
    #[serde(default)]
    pub(super) family: Option<Family>,
    #[serde(default)]
    pub(super) normal: bool,
}

/// How those who use a lock take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Family {
    /// flock(2): what is taken where nothing else is known.
    Flock,
    /// Record locks.
    Posix,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    lock: Vec<Entry>,
}

/// All entries, found by path.
#[derive(Debug)]
pub(super) struct Catalogue {
    exact: HashMap<PathBuf, Entry>,
    patterns: Vec<(Pattern, Entry)>,
    /// The last part of every path that can match a pattern, where that is fixed: almost every lock
    /// is told apart from all patterns by it alone.
    names: Vec<Option<String>>,
}

impl Catalogue {
    pub(super) fn embedded() -> Result<Self, Error> {
        Self::parse(EMBEDDED)
    }

    /// Whether the embedded catalogue can have something to say of a path: found out without parsing
    /// it, which costs more than taking a lock does.
    pub(super) fn may_know(path: &Path) -> bool {
        let Some(path) = path.to_str() else { return true };
        let last = |path: &str| path.rsplit('/').next().map(str::to_owned);
        EMBEDDED.lines().filter_map(|line| line.strip_prefix("path = \"")).any(|line| {
            let pattern = line.trim_end_matches('"');
            let start = pattern.split('*').next().unwrap_or_default();
            let name = last(pattern);
            let any_name = name.as_ref().is_some_and(|name| name.contains('*'));
            path.starts_with(start) && (any_name || name == last(path))
        })
    }

    fn parse(text: &str) -> Result<Self, Error> {
        let document: Document = toml::from_str(text)
            .map_err(|error| Error::usage(format!("cannot read the catalogue: {error}")))?;
        let mut catalogue = Self { exact: HashMap::new(), patterns: Vec::new(), names: Vec::new() };
        for entry in document.lock {
            if !entry.path.contains('*') {
                catalogue.exact.insert(PathBuf::from(&entry.path), entry);
                continue;
            }
            let pattern = Pattern::new(&entry.path).map_err(|error| {
                Error::usage(format!("cannot use the catalogue's path {}: {error}", entry.path))
            })?;
            let name = entry.path.rsplit('/').next().filter(|name| !name.contains('*'));
            catalogue.names.push(name.map(str::to_owned));
            catalogue.patterns.push((pattern, entry));
        }
        Ok(catalogue)
    }

    pub(super) fn find(&self, path: &Path) -> Option<&Entry> {
        if let Some(entry) = self.exact.get(path) {
            return Some(entry);
        }
        let last = path.file_name()?.to_str()?;
        let options = MatchOptions { require_literal_separator: true, ..MatchOptions::default() };
        self.patterns
            .iter()
            .zip(&self.names)
            .filter(|(_, name)| name.as_deref().is_none_or(|name| name == last))
            .map(|(pattern, _)| pattern)
            .find(|(pattern, _)| pattern.matches_path_with(path, options))
            .map(|(_, entry)| entry)
    }

    pub(super) fn places(&self) -> Vec<PathBuf> {
        self.exact.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybodys_locks_have_names() {
        let catalogue = Catalogue::embedded().unwrap();
        let name = |path: &str| catalogue.find(Path::new(path)).map(|entry| entry.name.to_string());
        assert_eq!(name("/var/lib/dpkg/lock-frontend").as_deref(), Some("dpkg frontend lock"));
        assert_eq!(name("/root/.cargo/.package-cache").as_deref(), Some("cargo package cache"));
        assert_eq!(
            name("/home/a/x/target/debug/.cargo-lock").as_deref(),
            Some("cargo build folder")
        );
        assert_eq!(name("/var/lib/dpkg/lock-frontend2"), None);
        assert_eq!(name("/tmp/lock"), None);
    }

    #[test]
    fn nothing_that_is_known_is_overlooked() {
        let catalogue = Catalogue::embedded().unwrap();
        let patterns = catalogue.patterns.iter().map(|(_, entry)| entry);
        for entry in catalogue.exact.values().chain(patterns) {
            let path = entry.path.replace("**", "a/b").replace('*', "c");
            assert!(catalogue.find(Path::new(&path)).is_some(), "{path}");
            assert!(Catalogue::may_know(Path::new(&path)), "{path}");
        }
        for path in ["/run/backup.lock", "/tmp/frontend", "/var/lib/dpkg", "/"] {
            assert!(!Catalogue::may_know(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn some_are_record_locks() {
        let catalogue = Catalogue::embedded().unwrap();
        let family = |path: &str| catalogue.find(Path::new(path)).unwrap().family;
        assert_eq!(family("/var/lib/dpkg/lock"), Some(Family::Posix));
        assert_eq!(family("/root/.cargo/.package-cache"), None);
    }

    #[test]
    fn unknown_keys_are_refused() {
        assert!(Catalogue::parse("[[lock]]\npath = \"/a\"\nname = \"a\"\ncolour = 1\n").is_err());
    }
}
