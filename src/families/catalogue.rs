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
    pub(super) normal: bool,
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
    fn unknown_keys_are_refused() {
        assert!(Catalogue::parse("[[lock]]\npath = \"/a\"\nname = \"a\"\ncolour = 1\n").is_err());
    }
}
