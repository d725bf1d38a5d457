//! The well-known locks: those of `assets/catalogue.toml`, the machine's, and the user's.

mod entry;
mod parse;
mod pattern;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
mod users;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Error;
use crate::model::{Note, Range};
pub use entry::{Bytes, Entry, Family, Origin, Worktree};
use pattern::Index;

const EMBEDDED: &str = include_str!("../../../assets/catalogue.toml");

/// All that is known of well-known locks, found by path.
///
/// A file of the user's comes before the machine's, `/etc/locktop/catalogue.toml`, and that before
/// what comes with the program. The user's is `locktop/catalogue.toml` in `$XDG_CONFIG_HOME`, or
/// else in `~/.config`.
///
/// ```
/// use std::path::Path;
/// use locktop::catalogue::Catalogue;
///
/// let catalogue = Catalogue::embedded()?;
/// let entry = catalogue.find(Path::new("/var/lib/dpkg/lock-frontend")).unwrap();
/// assert_eq!(&*entry.name, "dpkg frontend lock");
/// # Ok::<(), locktop::Error>(())
/// ```
#[derive(Debug)]
pub struct Catalogue {
    /// What comes first counts first.
    files: Vec<One>,
}

/// Whether the embedded catalogue can know a path: all that is in quotes there and begins with a slash
/// is a path or a pattern.
fn may_be_embedded(path: &str) -> bool {
    let mut patterns = EMBEDDED.split('"').filter(|text| text.starts_with('/'));
    patterns.any(|pattern| pattern::matches(pattern, path))
}

/// One file's.
#[derive(Debug)]
struct One {
    file: Option<Arc<Path>>,
    entries: Vec<Entry>,
    ranges: Vec<Bytes>,
    index: Index,
}

impl One {
    fn parse(text: &str, file: Option<Arc<Path>>) -> Result<Self, Error> {
        let parsed = parse::parse(text, file.as_ref())?;
        let mut index = Index::default();
        for (number, entry) in parsed.entries.iter().enumerate() {
            for path in &entry.path {
                index.add(path, number).map_err(Error::usage)?;
            }
        }
        Ok(Self { file, entries: parsed.entries, ranges: parsed.ranges, index })
    }

    fn find(&self, path: &str) -> Option<&Entry> {
        let name = path.rsplit('/').next().unwrap_or_default();
        let meant = |entry: &&Entry| !entry.except.iter().any(|not| pattern::matches(not, name));
        self.index.find(path).filter_map(|number| self.entries.get(number)).find(meant)
    }
}

impl Catalogue {
    /// What comes with the program, and nothing else.
    ///
    /// # Errors
    /// When the program is damaged.
    pub fn embedded() -> Result<Self, Error> {
        Ok(Self { files: vec![One::parse(EMBEDDED, None)?] })
    }

    /// All of it.
    ///
    /// # Errors
    /// `is_usage` when a file of the user's or the machine's makes no sense, with its line and key, or
    /// when others may write to it; otherwise when one cannot be read.
    pub fn read() -> Result<Self, Error> {
        Self::gather(users::files(), Err)
    }

    /// All of it that can be used, and what to tell of files that cannot.
    ///
    /// # Errors
    /// When the program is damaged.
    pub fn load() -> Result<(Self, Vec<Note>), Error> {
        Self::load_from(users::files())
    }

    fn load_from(files: Vec<PathBuf>) -> Result<(Self, Vec<Note>), Error> {
        let mut notes = Vec::new();
        let catalogue = Self::gather(files, |error| {
            notes.push(Note {
                code: "catalogue_unusable",
                text: format!("a catalogue of well-known locks is left out: {error}"),
                would_help: Some("mend that file; 'locktop catalogue' reads it again".into()),
            });
            Ok(())
        })?;
        Ok((catalogue, notes))
    }

    /// What is in files, those first that come first, and what comes with the program.
    fn gather(
        files: Vec<PathBuf>,
        mut failed: impl FnMut(Error) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let mut all = Vec::new();
        for path in files {
            match users::read(&path) {
                Ok(one) => all.extend(one),
                Err(error) => failed(error)?,
            }
        }
        all.push(One::parse(EMBEDDED, None)?);
        Ok(Self { files: all })
    }

    /// Whether the catalogue can have something to say of a path: found out without parsing it, which
    /// costs more than taking a lock does.
    pub(super) fn may_know(path: &Path) -> bool {
        may_be_embedded(&path.to_string_lossy()) || users::are_there()
    }

    /// What is known of the lock at an absolute path without links on its way. Of what is not UTF-8 in
    /// it, nothing is known but that it is there.
    #[must_use]
    pub fn find(&self, path: &Path) -> Option<&Entry> {
        let path = path.to_string_lossy();
        self.files.iter().find_map(|one| one.find(&path))
    }

    /// What is known of locked bytes, of all files or of the one at that path: what tells most of them.
    #[must_use]
    pub fn range(&self, range: Range, path: Option<&Path>) -> Option<&Bytes> {
        // Almost all locks are of whole files, and a lock to the end of a file has no meaning here.
        range.end?;
        let path = path.map(Path::to_string_lossy);
        let is_there = |bytes: &Bytes| match &path {
            _ if bytes.path.is_empty() => true,
            Some(path) => bytes.path.iter().any(|pattern| pattern::matches(pattern, path)),
            None => false,
        };
        let of_one = |one: &'_ One| {
            let all = one.ranges.iter().enumerate();
            let all = all.filter(|(_, bytes)| bytes.contain(range) && is_there(bytes));
            all.min_by_key(|(_, bytes)| bytes.extent()).map(|(number, _)| number)
        };
        self.files.iter().find_map(|one| one.ranges.get(of_one(one)?))
    }

    /// What is known of locks of a family wherever they are: the first entry of it.
    pub(super) fn of_family(&self, word: &str) -> Option<&Entry> {
        self.entries().find(|entry| entry.family.word() == word)
    }

    /// All entries, those first that come first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.files.iter().flat_map(|one| &one.entries)
    }

    /// All bytes with a meaning.
    pub fn ranges(&self) -> impl Iterator<Item = &Bytes> {
        self.files.iter().flat_map(|one| &one.ranges)
    }

    /// The files that were read, besides what comes with the program.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().filter_map(|one| one.file.as_deref())
    }

    /// Where well-known locks of the kernel's are: paths, no patterns.
    pub(super) fn places(&self) -> Vec<PathBuf> {
        let kernels = self.entries().filter(|entry| !entry.family.is_on_disk());
        let paths = kernels.flat_map(|entry| &entry.path).filter(|path| pattern::is_exact(path));
        paths.map(|path| PathBuf::from(&**path)).collect()
    }

    /// Where well-known locks on disk may be, for whoever looks at everything: paths, and patterns
    /// whose every `*` is within one folder.
    pub(crate) fn lock_files_to_look_at(&self) -> Vec<(Arc<str>, &Entry)> {
        let on_disk = self.entries().filter(|entry| entry.family.may_lie_on_disk());
        let all = on_disk.flat_map(|entry| entry.path.iter().map(move |path| (path, entry)));
        let few = all.filter(|(path, _)| pattern::is_bounded(path));
        few.map(|(path, entry)| (Arc::clone(path), entry)).collect()
    }
}
