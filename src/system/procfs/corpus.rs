//! The files of `tests/corpus`: `captured-…` were printed by a kernel of that version, `written-…`
//! were written after the kernel's printing code or to be odd.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::fdinfo::FdInfo;
use super::locks::{Record, Table};

fn corpus(kind: &str) -> Vec<(String, Vec<u8>)> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(kind);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// One record, a word for each of its parts.
fn line(record: &Record) -> String {
    let file = record.file.map_or_else(|| "no file".into(), |file| file.to_string());
    let breaking = if record.breaking { " breaking" } else { "" };
    format!(
        "{:?} {} pid {} {file} {}{breaking}",
        record.kind,
        record.mode.word(),
        record.pid,
        record.range
    )
}

fn expect(kind: &str, name: &str, told: &str) {
    insta::with_settings!({
        snapshot_path => format!("{}/tests/corpus/expected", env!("CARGO_MANIFEST_DIR")),
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!(format!("{kind}-{name}"), told);
    });
}

#[test]
fn lock_tables_are_understood() {
    for (name, text) in corpus("locks") {
        let table = Table::parse(&text);
        let mut told = format!("odd {} hidden {}\n", table.odd, table.hidden);
        for entry in &table.entries {
            let _ = writeln!(told, "{}", line(&entry.granted));
            for (depth, request) in &entry.waiting {
                let _ = writeln!(told, "{:>1$} {2}", ">", *depth as usize, line(request));
            }
        }
        expect("locks", &name, &told);
    }
}

#[test]
fn descriptors_are_understood() {
    for (name, text) in corpus("fdinfo") {
        let info = FdInfo::parse(&text);
        let mut told = format!("in flight {}\n", info.in_flight);
        for record in &info.locks {
            let _ = writeln!(told, "{}", line(record));
        }
        expect("fdinfo", &name, &told);
    }
}

proptest! {
    /// A byte here and there is another, and the end is missing: every line is still either
    /// understood or counted.
    #[test]
    fn damaged_tables_lose_lines_but_nothing_else(
        file: prop::sample::Index,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        end: prop::sample::Index,
    ) {
        let files = corpus("locks");
        let mut text = file.get(&files).1.clone();
        for (at, byte) in damage {
            let at = at.index(text.len());
            text[at] = byte;
        }
        text.truncate(end.index(text.len()) + 1);
        let table = Table::parse(&text);
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
        let read = table.entries.iter().map(|entry| 1 + entry.waiting.len()).sum::<usize>();
        prop_assert_eq!(read + table.odd, lines);
        let _ = FdInfo::parse(&text);
    }
}
