//! JSON as it is printed: a document whose lists have a line for each element, such as a lock, so
//! that it can be read, searched and compared; and that does no harm to a terminal.

use std::io::{self, Write};

use jiff::Timestamp;
use locktop::Snapshot;
use locktop::model::{Note, harmless};
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// What every document that tells of a look begins with, as that of `ls` does.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Head<'a> {
    schema: u32,
    host: &'a str,
    boot_id: Option<&'a str>,
    looked_at: Timestamp,
    complete: bool,
    notes: &'a [Note],
}

impl<'a> Head<'a> {
    pub(crate) fn of(snapshot: &'a Snapshot) -> Self {
        Self {
            schema: Snapshot::SCHEMA,
            host: &snapshot.host.name,
            boot_id: snapshot.host.boot_id.as_deref(),
            looked_at: snapshot.at.wall,
            complete: snapshot.complete,
            notes: &snapshot.notes,
        }
    }
}

/// Writes the document and a line feed.
pub(crate) fn print(
    out: &mut impl Write,
    document: &impl Serialize,
) -> Result<(), serde_json::Error> {
    document.serialize(&mut Serializer::with_formatter(&mut *out, Lines::default()))?;
    out.write_all(b"\n").map_err(serde_json::Error::io)
}

/// The document in one line, without a line feed.
pub(crate) fn line(document: &impl Serialize) -> String {
    let mut out = Vec::new();
    // Neither the documents nor a list of bytes can fail.
    let _ = document.serialize(&mut Serializer::with_formatter(&mut out, Harmless));
    String::from_utf8_lossy(&out).into_owned()
}

/// Compact, and nothing a terminal would act on.
struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        text: &str,
    ) -> io::Result<()> {
        escape(writer, text)
    }
}

/// The document's fields and the elements of its lists begin a line; all below that is compact.
#[derive(Debug, Default)]
struct Lines {
    depth: usize,
    empty: bool,
}

impl Lines {
    /// How deep a value can lie and still begin a line: the document's fields, and the elements of
    /// the lists in them.
    const DEEPEST: usize = 2;

    fn open<W: Write + ?Sized>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.empty = true;
        writer.write_all(bracket)
    }

    fn close<W: Write + ?Sized>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        if self.depth < Self::DEEPEST && !self.empty {
            self.line(writer)?;
        }
        self.empty = false;
        writer.write_all(bracket)
    }

    fn element<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.empty = false;
        if !first {
            writer.write_all(b",")?;
        }
        if self.depth <= Self::DEEPEST { self.line(writer) } else { Ok(()) }
    }

    fn line<W: Write + ?Sized>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| writer.write_all(b"  "))
    }
}

impl Formatter for Lines {
    fn begin_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"[")
    }

    fn end_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"]")
    }

    fn begin_array_value<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.element(writer, first)
    }

    fn begin_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"{")
    }

    fn end_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"}")
    }

    fn begin_object_key<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.element(writer, first)
    }

    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        text: &str,
    ) -> io::Result<()> {
        escape(writer, text)
    }
}

/// Escapes everything that a terminal would act on or that deceives the eye. JSON itself asks for
/// that only below U+0020, and those never get here.
fn escape<W: Write + ?Sized>(writer: &mut W, text: &str) -> io::Result<()> {
    if text.bytes().all(|byte| byte < 0x7f) || harmless(text) == text {
        return writer.write_all(text.as_bytes());
    }
    let mut buffer = [0; 4];
    for c in text.chars() {
        let one: &str = c.encode_utf8(&mut buffer);
        if harmless(one) == one {
            writer.write_all(one.as_bytes())?;
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use locktop::model::Verdict;
    use serde_json::{Value, json};

    use super::super::sample;
    use super::*;

    fn text(document: &impl Serialize) -> String {
        let mut out = Vec::new();
        print(&mut out, document).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_lock_has_a_line() {
        let snapshot = sample::snapshot();
        let text = text(&snapshot);
        let own_line = |line: &&str| line.starts_with("    {\"id\":");
        assert_eq!(text.lines().filter(own_line).count(), snapshot.locks.len());
        assert_eq!(
            serde_json::from_str::<Value>(&text).unwrap(),
            serde_json::to_value(&snapshot).unwrap()
        );
        insta::assert_snapshot!(text.lines().take(9).collect::<Vec<_>>().join("\n"), @r#"
        {
          "schema":1,
          "host":"web-01",
          "boot_id":"0d6c",
          "looked_at":"2026-11-21T06:40:12.123Z",
          "complete":false,
          "notes":[
            {"code":"unreadable_processes","text":"14 processes of other users could not be read","would_help":"run as root, or give the binary cap_sys_ptrace"}
          ],
        "#);
        assert!(text.ends_with("\n  ]\n}\n"), "{text}");
    }

    #[test]
    fn an_empty_list_is_short() {
        let mut snapshot = sample::snapshot();
        snapshot.locks.clear();
        assert!(text(&snapshot).contains("\n  \"locks\":[],\n"));
    }

    #[test]
    fn the_document_has_the_names_that_were_promised() {
        let mut snapshot = sample::snapshot();
        snapshot.locks = vec![sample::orphan()];
        let document: Value = serde_json::from_str(&text(&snapshot)).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
    }

    #[test]
    fn terminals_get_no_orders() {
        let harmful = "a\x1b[2J\x7f\u{9b}31m\u{202e}\u{200b}\u{feff}\u{e0041}ü\n";
        let printed = text(&[harmful]);
        assert_eq!(
            printed,
            "[\n  \"a\\u001b[2J\\u007f\\u009b31m\\u202e\\u200b\\ufeff\\udb40\\udc41ü\\n\"\n]\n"
        );
        assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), json!([harmful]));
    }

    proptest::proptest! {
        #[test]
        fn what_is_printed_is_what_was_meant(texts: Vec<String>) {
            let printed = text(&texts);
            proptest::prop_assert_eq!(serde_json::from_str::<Vec<String>>(&printed).unwrap(), texts);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_no_utf8_comes_in_base64_too() {
        use std::os::unix::ffi::OsStringExt as _;
        let mut lock = sample::lock("@a", "", Verdict::Held);
        let path = locktop::model::PathBytes::new(OsString::from_vec(b"/\xff\x1b".to_vec()));
        (lock.path_base64, lock.path) = (path.base64(), Some(path));
        let document: Value = serde_json::from_str(&text(&lock)).unwrap();
        assert_eq!(document["path"], "/\u{fffd}\u{1b}");
        assert_eq!(document["path_base64"], "L/8b");
    }
}
