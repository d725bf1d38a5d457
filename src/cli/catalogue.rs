//! `locktop catalogue`: the well-known locks.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{self, PathBuf};

use locktop::catalogue::{Bytes, Catalogue, Entry, Family};
use locktop::model::{Form, PathBytes, harmless, harmless_bytes};
use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use super::args::{Catalogue as Arguments, Global};
use super::failure::{Failure, Status};
use super::page::{self, BOLD, Page, cut_end, cut_middle};
use super::wrap::wrap;
use super::{json, stderr};

/// Prints all of it, or what it knows of some paths.
pub(crate) fn run(arguments: &Arguments, global: Global) -> Result<Status, Failure> {
    let catalogue = Catalogue::read()?;
    let known: Vec<Known> =
        arguments.paths.iter().map(|path| Known::of(path, &catalogue)).collect::<Result<_, _>>()?;
    let mut out = page::out();
    if arguments.json {
        json::print(&mut out, &Document::of(&catalogue, &known))?;
    } else if known.is_empty() {
        print_all(&mut out, &catalogue, &Page::stdout(global))?;
    } else {
        print_known(&mut out, &known, &Page::stdout(global))?;
    }
    out.flush()?;
    for unknown in known.iter().filter(|known| known.lock.is_none()) {
        stderr::remark(global, &format!("{} is no well-known lock", unknown.path.display()));
    }
    if known.is_empty() {
        for file in catalogue.files() {
            let file = harmless_bytes(file.as_os_str().as_encoded_bytes());
            stderr::remark(global, &format!("with what {file} adds"));
        }
    }
    let all = known.iter().all(|known| known.lock.is_some());
    Ok(if all { Status::Done } else { Status::No })
}

/// What `catalogue --json` prints.
#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    /// The files that were read besides what comes with the program.
    files: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paths: Option<&'a [Known<'a>]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locks: Option<Vec<&'a Entry>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ranges: Option<Vec<&'a Bytes>>,
}

impl<'a> Document<'a> {
    fn of(catalogue: &'a Catalogue, known: &'a [Known<'a>]) -> Self {
        let all = known.is_empty();
        Self {
            schema: 1,
            files: catalogue.files().map(|file| file.to_string_lossy().into_owned()).collect(),
            paths: (!all).then_some(known),
            locks: all.then(|| catalogue.entries().collect()),
            ranges: all.then(|| catalogue.ranges().collect()),
        }
    }
}

/// What is known of a path.
#[derive(Debug, Serialize)]
struct Known<'a> {
    path: PathBytes,
    path_base64: Option<String>,
    lock: Option<&'a Entry>,
}

impl<'a> Known<'a> {
    /// Of a path as it is written, or as it is with no links on its way; nothing need be there.
    fn of(path: &OsStr, catalogue: &'a Catalogue) -> Result<Self, Failure> {
        let path = path::absolute(path).map_err(|error| {
            let text = format!("cannot use '{}': {error}", harmless_bytes(path.as_encoded_bytes()));
            Failure::usage(text)
        })?;
        let real = match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) => folder.canonicalize().ok().map(|it| it.join(name)),
            _ => None,
        };
        let of = |path: &PathBuf| catalogue.find(path);
        let lock = real.as_ref().and_then(of).or_else(|| of(&path));
        let path = PathBytes::new(path);
        Ok(Self { path_base64: path.base64(), path, lock })
    }
}

/// Between columns.
const GAP: &str = "  ";

/// Names are not cut below this.
const LEAST: usize = 16;

/// A line for each path or pattern.
fn print_all(out: &mut impl Write, catalogue: &Catalogue, page: &Page) -> io::Result<()> {
    let mut rows = Vec::new();
    for entry in catalogue.entries() {
        for path in &entry.path {
            rows.push([harmless(&entry.name), entry.family.word().into(), harmless(path)]);
        }
    }
    for bytes in catalogue.ranges() {
        let place = if bytes.path.is_empty() { "any file".into() } else { bytes.path.join(" ") };
        let place = format!("{} [{}-{}]", harmless(&place), bytes.start, bytes.end);
        rows.push([harmless(&bytes.name), "posix".into(), place.into()]);
    }
    let heading = ["NAME", "FAMILY", "PATH"].map(Into::into);
    let widest = |at: usize| {
        rows.iter().chain([&heading]).map(|row: &[std::borrow::Cow<str>; 3]| row[at].width()).max()
    };
    let mut name = widest(0).unwrap_or_default();
    let family = widest(1).unwrap_or_default();
    let mut path = usize::MAX;
    if let Some(width) = page.width {
        let room = width.saturating_sub(family + 2 * GAP.len());
        name = name.min((room / 2).max(LEAST));
        path = room.saturating_sub(name);
    }
    let mut line = |row: &[std::borrow::Cow<str>; 3], code: &str| {
        let cut = page.glyphs.cut;
        let first = cut_end(&row[0], name, cut);
        let padding = " ".repeat(name - first.width());
        let second = &row[1];
        let third = cut_middle(&row[2], path, cut);
        let line = format!("{first}{padding}{GAP}{second:family$}{GAP}{third}");
        writeln!(out, "{}", page.paint(&page.line(&line), code))
    };
    line(&heading, BOLD)?;
    rows.iter().try_for_each(|row| line(row, ""))
}

/// What is known of each path, in full.
fn print_known(out: &mut impl Write, known: &[Known], page: &Page) -> io::Result<()> {
    let known = known.iter().filter_map(|known| Some((&known.path, known.lock?)));
    for (at, (path, entry)) in known.enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        let title = format!("{}: {}", path.display(), harmless(&entry.name));
        writeln!(out, "{}", page.paint(&wrap(&title, "", page.width), BOLD))?;
        for (key, text) in facts(path, entry) {
            writeln!(out, "{}", wrap(&harmless(&text), &format!("  {key:<11}"), page.width))?;
        }
    }
    Ok(())
}

/// What there is to say of it, with a word for each.
fn facts(path: &PathBytes, entry: &Entry) -> Vec<(&'static str, String)> {
    let mut facts = vec![("locked by", manner(entry))];
    if entry.family.is_on_disk() {
        let told = entry.reader().told();
        let owner = match entry.beside(path.as_path()) {
            Some(beside) => {
                let beside = beside.file_name().unwrap_or_default().to_string_lossy().into_owned();
                format!("{told}: in {beside} beside it, where there is one")
            }
            None => told.to_owned(),
        };
        facts.push(("owner", owner));
    }
    if !entry.programs.is_empty() {
        let idle = match &entry.idle[..] {
            [] => String::new(),
            idle => format!("; not as {}", idle.join(", ")),
        };
        facts.push(("made by", entry.programs.join(", ") + &idle));
    }
    if let Some(folder) = entry.worktree.iter().find_map(|tree| tree.of(path.as_path())) {
        facts.push(("at work in", folder.to_string_lossy().into_owned()));
    }
    if entry.normal {
        facts.push(("held long", "as it is meant to be".into()));
    }
    if let Some(breaking) = &entry.breaking {
        facts.push(("know", breaking.to_string()));
    }
    if let Some(link) = &entry.link {
        facts.push(("see", link.to_string()));
    }
    facts.push(("known as", entry.path.join(" ")));
    let origin = match &entry.origin.file {
        Some(file) => format!("{}, line {}", file.display(), entry.origin.line),
        None => "what comes with locktop".into(),
    };
    facts.push(("from", origin));
    facts
}

fn manner(entry: &Entry) -> String {
    let how = match (entry.family, entry.take) {
        (Family::Flock, _) => "flock(2)",
        (Family::Posix, _) => "a record lock, fcntl(2)",
        (Family::Lockfile, Form::File) => "existing, as a file",
        (Family::Lockfile, Form::Link) => "existing, as a symbolic link",
        (Family::Lockfile, Form::Folder) => "existing, as a folder",
        (Family::Pidfile, _) => "naming a process that is alive",
        (Family::Ipfs, _) => "a record lock, as IPFS repositories are",
        (Family::Nerdctl, _) => "flock(2), as nerdctl does",
        _ => "ways of its own",
    };
    format!("{how} ({})", entry.family.word())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let catalogue = Catalogue::embedded().unwrap();
        for width in [1, 20, 40, 60, 80, 200] {
            let text = written(|out| print_all(out, &catalogue, &Page::terminal(width)));
            for line in text.lines() {
                assert!(line.width() <= width, "{width}: {line:?}");
            }
        }
    }

    #[test]
    fn a_path_keeps_its_end() {
        let catalogue = Catalogue::embedded().unwrap();
        let text = written(|out| print_all(out, &catalogue, &Page::terminal(70)));
        let is_its = |line: &str| line.starts_with("containerd") && line.ends_with("meta.db");
        assert!(text.lines().any(is_its), "{text}");
    }

    #[test]
    fn in_a_pipe_nothing_is_cut_and_every_line_is_whole() {
        let catalogue = Catalogue::embedded().unwrap();
        let text = written(|out| print_all(out, &catalogue, &Page::PIPE));
        let paths: usize = catalogue.entries().map(|entry| entry.path.len()).sum();
        assert_eq!(text.lines().count(), 1 + paths + catalogue.ranges().count());
        for entry in catalogue.entries() {
            for path in &entry.path {
                let is_its = |line: &str| line.starts_with(&*entry.name) && line.ends_with(&**path);
                assert!(text.lines().any(is_its), "{path}");
            }
        }
        assert!(text.contains("SQLite writer  "), "{text}");
    }

    #[test]
    fn one_is_told_in_full() {
        let catalogue = Catalogue::embedded().unwrap();
        let tell = |path: &str, width| {
            let known = [Known::of(OsStr::new(path), &catalogue).unwrap()];
            written(|out| print_known(out, &known, &Page::terminal(width)))
        };
        insta::assert_snapshot!(tell("/nowhere/.git/index.lock", 80));
        insta::assert_snapshot!(tell("/var/lib/dpkg/lock", 60));
        insta::assert_snapshot!(tell("/nowhere/.#x\u{1b}[2J", 100));
        assert_eq!(tell("/nowhere/else", 80), "");
    }

    #[test]
    fn the_document_names_paths_that_nobody_knows() {
        let catalogue = Catalogue::embedded().unwrap();
        let known = [Known::of(OsStr::new("/nowhere"), &catalogue).unwrap()];
        let document = serde_json::to_value(Document::of(&catalogue, &known)).unwrap();
        let nothing = serde_json::json!({
            "schema": 1,
            "files": [],
            "paths": [{"path": "/nowhere", "path_base64": null, "lock": null}],
        });
        assert_eq!(document, nothing);
        let document = serde_json::to_value(Document::of(&catalogue, &[])).unwrap();
        assert!(document["locks"].as_array().unwrap().len() > 50);
        assert_eq!(document["ranges"][2]["name"], "SQLite writer");
    }
}
