//! A catalogue file, read strictly: every complaint names the file, the line and the key.

use std::collections::HashMap;
use std::fmt::Display;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::owner::Reader;
use super::entry::{Bytes, Entry, Family, Origin, Worktree, key_of};
use super::pattern;
use crate::error::Error;
use crate::model::{Form, harmless, harmless_bytes};

/// The keys of a `[[lock]]`.
const LOCK: [&str; 16] = [
    "path", "name", "family", "except", "owner", "beside", "programs", "idle", "stays", "roams",
    "heirs", "worktree", "normal", "take", "breaking", "link",
];

/// Of those, what only a lock on disk has: who holds another one, the kernel knows.
const ON_DISK: [&str; 7] = ["owner", "beside", "idle", "stays", "roams", "heirs", "take"];

/// The keys of a `[[range]]`.
const RANGE: [&str; 5] = ["start", "end", "name", "path", "link"];

/// The longest text that is taken.
const LONGEST: usize = 1000;

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) entries: Vec<Entry>,
    pub(super) ranges: Vec<Bytes>,
}

/// Reads a catalogue; `file` is `None` for the one that comes with the program.
///
/// # Errors
/// `is_usage`, with file, line and key.
pub(super) fn parse(text: &str, file: Option<&Arc<Path>>) -> Result<Parsed, Error> {
    let source = Source { text, file };
    let document = DeTable::parse(text).map_err(|error| source.no_toml(&error))?;
    let mut parsed = Parsed::default();
    for (key, value) in document.get_ref() {
        let kind: &str = key.get_ref();
        match kind {
            "lock" => {
                for table in source.tables("lock", &LOCK, value)? {
                    parsed.entries.push(entry(&table)?);
                }
            }
            "range" => {
                for table in source.tables("range", &RANGE, value)? {
                    parsed.ranges.push(bytes(&table)?);
                }
            }
            _ => {
                let text = format!("'{}': there are only [[lock]] and [[range]]", harmless(kind));
                return Err(source.error(&key.span(), text));
            }
        }
    }
    refuse_twins(&source, &parsed)?;
    Ok(parsed)
}

/// One path is one lock.
fn refuse_twins(source: &Source, parsed: &Parsed) -> Result<(), Error> {
    let mut seen = HashMap::new();
    for entry in &parsed.entries {
        let line = entry.origin.line;
        for path in &entry.path {
            if let Some(before) = seen.insert(path, line) {
                let text = format!("'path': {} is in line {before} already", harmless(path));
                return Err(source.error_at(line, text));
            }
        }
    }
    Ok(())
}

fn entry(table: &Table) -> Result<Entry, Error> {
    let family = table.word("family", &Family::ALL, Family::word)?.unwrap_or(Family::Flock);
    if !family.is_on_disk()
        && let Some(key) = ON_DISK.into_iter().find(|key| table.get(key).is_some())
    {
        let text = format!("is for lockfile and pidfile, and this is {}", family.word());
        return Err(table.error(key, text));
    }
    let forms = [Form::File, Form::Link, Form::Folder];
    Ok(Entry {
        name: table.required("name")?,
        family,
        path: table.paths()?.ok_or_else(|| table.missing("path"))?,
        except: table.texts("except")?.unwrap_or_default(),
        owner: table.word("owner", &Reader::ALL, Reader::word)?,
        beside: table.text("beside")?.map(|text| beside(table, text)).transpose()?,
        programs: table.texts("programs")?.unwrap_or_default(),
        idle: table.texts("idle")?.unwrap_or_default(),
        stays: table.texts("stays")?.unwrap_or_default(),
        roams: table.texts("roams")?.unwrap_or_default(),
        heirs: table.flag("heirs")?,
        worktree: worktrees(table)?,
        normal: table.flag("normal")?,
        take: table.word("take", &forms, key_of)?.unwrap_or(Form::File),
        breaking: table.text("breaking")?,
        link: table.text("link")?,
        origin: table.origin(),
    })
}

fn beside(table: &Table, text: Arc<str>) -> Result<Arc<str>, Error> {
    if text.contains('/') || !text.contains('*') {
        return Err(table.error("beside", "has to be a name in which * stands for the lock's"));
    }
    Ok(text)
}

fn worktrees(table: &Table) -> Result<Vec<Worktree>, Error> {
    let parse = |text: &Arc<str>| {
        Worktree::parse(text).ok_or_else(|| {
            let text = "has to be '.', '..', '../..' and so on, 'NAME/..' (the folder around NAME), \
                        or '@NAME' (the folder of what the file NAME names)";
            table.error("worktree", text)
        })
    };
    table.texts("worktree")?.iter().flatten().map(parse).collect()
}

fn bytes(table: &Table) -> Result<Bytes, Error> {
    let start = table.number("start")?;
    let end = table.number("end")?;
    if end < start {
        return Err(table.error("end", format!("is before the start, {start}")));
    }
    Ok(Bytes {
        name: table.required("name")?,
        start,
        end,
        path: table.paths()?.unwrap_or_default(),
        link: table.text("link")?,
        origin: table.origin(),
    })
}

/// A file, and where in it.
struct Source<'a> {
    text: &'a str,
    file: Option<&'a Arc<Path>>,
}

impl<'a> Source<'a> {
    fn line(&self, span: &Range<usize>) -> usize {
        1 + self.text.get(..span.start).unwrap_or_default().matches('\n').count()
    }

    fn error(&self, span: &Range<usize>, text: impl Display) -> Error {
        self.error_at(self.line(span), text)
    }

    fn error_at(&self, line: usize, text: impl Display) -> Error {
        let file = self.file.map_or("the embedded catalogue".into(), |file| {
            harmless_bytes(file.as_os_str().as_encoded_bytes())
        });
        Error::usage(format!("{file}, line {line}: {text}"))
    }

    /// What is no TOML, with what stands there if that is short.
    fn no_toml(&self, error: &toml::de::Error) -> Error {
        let span = error.span().unwrap_or_default();
        let message = harmless(error.message());
        match self.text.get(span.clone()).map(str::trim) {
            Some(there) if (1..=60).contains(&there.len()) => {
                self.error(&span, format_args!("{message}: {}", harmless(there)))
            }
            _ => self.error(&span, message),
        }
    }

    /// The tables of a `[[kind]]`, with no other keys than these.
    fn tables<'s>(
        &'s self,
        kind: &'static str,
        keys: &[&str],
        value: &'s Spanned<DeValue<'a>>,
    ) -> Result<Vec<Table<'s, 'a>>, Error> {
        let plain = || self.error(&value.span(), format!("'{kind}' has to be written [[{kind}]]"));
        let array = value.get_ref().as_array().ok_or_else(plain)?;
        let table = |value: &'s Spanned<DeValue<'a>>| {
            let fields = value.get_ref().as_table().ok_or_else(plain)?;
            for key in fields.keys() {
                let name: &str = key.get_ref();
                if !keys.contains(&name) {
                    let text = format!(
                        "'{}': there is no such key; [[{kind}]] has {}",
                        harmless(name),
                        keys.join(", ")
                    );
                    return Err(self.error(&key.span(), text));
                }
            }
            Ok(Table { source: self, kind, fields, span: value.span() })
        };
        array.iter().map(table).collect()
    }
}

/// A `[[lock]]` or `[[range]]`.
struct Table<'s, 'a> {
    source: &'s Source<'a>,
    kind: &'static str,
    fields: &'s DeTable<'a>,
    span: Range<usize>,
}

impl<'s, 'a> Table<'s, 'a> {
    fn get(&self, key: &str) -> Option<&'s Spanned<DeValue<'a>>> {
        self.fields.get(key)
    }

    fn origin(&self) -> Origin {
        Origin { file: self.source.file.cloned(), line: self.source.line(&self.span) }
    }

    /// What is wrong with a key.
    fn error(&self, key: &str, text: impl Display) -> Error {
        let span = self.get(key).map_or(self.span.clone(), Spanned::span);
        self.source.error(&span, format_args!("'{key}' {text}"))
    }

    fn missing(&self, key: &str) -> Error {
        self.error(key, format_args!("is missing in this [[{}]]", self.kind))
    }

    fn wrong_type(&self, key: &str, wanted: &str, value: &DeValue) -> Error {
        self.error(key, format_args!("has to be {wanted}, and is of type {}", value.type_str()))
    }

    fn text(&self, key: &str) -> Result<Option<Arc<str>>, Error> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let Some(text) = value.get_ref().as_str() else {
            return Err(self.wrong_type(key, "a text", value.get_ref()));
        };
        self.sound(key, text).map(Some)
    }

    fn sound(&self, key: &str, text: &str) -> Result<Arc<str>, Error> {
        match text.len() {
            0 => Err(self.error(key, "is empty")),
            1..=LONGEST => Ok(text.into()),
            _ => Err(self.error(key, format_args!("is longer than {LONGEST} bytes"))),
        }
    }

    fn required(&self, key: &str) -> Result<Arc<str>, Error> {
        self.text(key)?.ok_or_else(|| self.missing(key))
    }

    /// One text, or a list of some.
    fn texts(&self, key: &str) -> Result<Option<Vec<Arc<str>>>, Error> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let texts = match value.get_ref() {
            DeValue::String(text) => vec![self.sound(key, text)?],
            DeValue::Array(array) => {
                let text = |one: &Spanned<DeValue>| {
                    let text = one.get_ref().as_str().ok_or_else(|| {
                        let kind = one.get_ref().type_str();
                        let text =
                            format_args!("'{key}' has to list texts; this is of type {kind}");
                        self.source.error(&one.span(), text)
                    });
                    self.sound(key, text?)
                };
                array.iter().map(text).collect::<Result<_, _>>()?
            }
            other => return Err(self.wrong_type(key, "a text or a list of texts", other)),
        };
        if texts.is_empty() { Err(self.error(key, "is empty")) } else { Ok(Some(texts)) }
    }

    fn paths(&self) -> Result<Option<Vec<Arc<str>>>, Error> {
        let paths = self.texts("path")?;
        for path in paths.iter().flatten() {
            pattern::check(path)
                .map_err(|why| self.error("path", format_args!("{} {why}", harmless(path))))?;
        }
        Ok(paths)
    }

    fn flag(&self, key: &str) -> Result<bool, Error> {
        let Some(value) = self.get(key) else { return Ok(false) };
        let wrong = || self.wrong_type(key, "true or false", value.get_ref());
        value.get_ref().as_bool().ok_or_else(wrong)
    }

    fn number(&self, key: &str) -> Result<u64, Error> {
        let value = self.get(key).ok_or_else(|| self.missing(key))?.get_ref();
        let wrong = || self.wrong_type(key, "a number", value);
        let number = value.as_integer().ok_or_else(wrong)?;
        u64::from_str_radix(number.as_str(), number.radix())
            .map_err(|_| self.error(key, "is no number of a byte"))
    }

    /// One of some words.
    fn word<T: Copy>(
        &self,
        key: &str,
        all: &[T],
        word: impl Fn(T) -> &'static str,
    ) -> Result<Option<T>, Error> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let known = all.iter().copied().find(|one| word(*one) == &*text);
        known.map(Some).ok_or_else(|| {
            let words: Vec<_> = all.iter().map(|one| word(*one)).collect();
            let text = harmless(&text);
            self.error(key, format_args!("is '{text}', and can be {}", words.join(", ")))
        })
    }
}
