//! The `format` file of a tracepoint: which field lies where, in the kernel that runs.

/// Where a field lies in what the kernel writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) offset: usize,
    pub(super) size: usize,
    signed: bool,
}

impl Field {
    /// Its value; `None` where the bytes end before it, or where it is no number.
    pub(super) fn read(self, bytes: &[u8]) -> Option<i64> {
        let bytes = bytes.get(self.offset..self.offset.checked_add(self.size)?)?;
        Some(match (bytes.len(), self.signed) {
            (1, false) => i64::from(bytes[0]),
            (1, true) => i64::from(bytes[0].cast_signed()),
            (2, false) => u16::from_ne_bytes(bytes.try_into().ok()?).into(),
            (2, true) => i16::from_ne_bytes(bytes.try_into().ok()?).into(),
            (4, false) => u32::from_ne_bytes(bytes.try_into().ok()?).into(),
            (4, true) => i32::from_ne_bytes(bytes.try_into().ok()?).into(),
            (8, _) => i64::from_ne_bytes(bytes.try_into().ok()?),
            _ => return None,
        })
    }

    /// The same of a field that is no negative number.
    pub(super) fn read_unsigned(self, bytes: &[u8]) -> Option<u64> {
        Some(self.read(bytes)?.cast_unsigned())
    }
}

/// The format of one tracepoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Format {
    /// What `common_type` is in its events.
    pub(super) id: u64,
    fields: Vec<(String, Field)>,
    print: String,
}

impl Format {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let id = text.lines().find_map(|line| line.strip_prefix("ID:"))?.trim().parse().ok()?;
        let print = text.lines().find_map(|line| line.strip_prefix("print fmt:"));
        Some(Self { id, fields: fields(text), print: print.unwrap_or_default().into() })
    }

    /// The field that has one of these names, which differ between versions of the kernel.
    pub(super) fn field(&self, names: &[&'static str]) -> Result<Field, &'static str> {
        let called = |name: &&str| self.fields.iter().find(|(of, _)| of == name);
        let found = names.iter().find_map(called).map(|(_, field)| *field);
        found.ok_or(names.first().copied().unwrap_or_default())
    }

    /// The number that is printed as this word.
    pub(super) fn symbol(&self, word: &str) -> Option<i64> {
        let (before, _) = self.print.split_once(&format!("\"{word}\""))?;
        let number = before.rsplit('{').next()?.trim().trim_end_matches(',').trim();
        match number.strip_prefix("0x") {
            Some(hex) => i64::from_str_radix(hex, 16).ok(),
            None => number.parse().ok(),
        }
    }
}

/// All lines such as `field:unsigned long i_ino; offset:16; size:8; signed:0;`.
pub(super) fn fields(text: &str) -> Vec<(String, Field)> {
    text.lines().filter_map(field).collect()
}

fn field(line: &str) -> Option<(String, Field)> {
    let (mut name, mut offset, mut size, mut signed) = (None, None, None, false);
    for part in line.split(';') {
        let Some((key, value)) = part.split_once(':') else { continue };
        let value = value.trim();
        match key.trim() {
            "field" => name = value.split('[').next()?.rsplit([' ', '*']).next(),
            "offset" => offset = value.parse().ok(),
            "size" => size = value.parse().ok(),
            "signed" => signed = value == "1",
            _ => {}
        }
    }
    Some((name?.to_owned(), Field { offset: offset?, size: size?, signed }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: &str = "name: flock_lock_inode\nID: 1125\nformat:\n\
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n\
\tfield:struct file_lock * fl;\toffset:8;\tsize:8;\tsigned:0;\n\
\tfield:char comm[16];\toffset:16;\tsize:16;\tsigned:0;\n\
\tnonsense\n\
\tfield:int ret;\toffset:32;\tsize:4;\tsigned:1;\n\n\
print fmt: \"fl_flags=%s\", __print_flags(REC->flags, \"|\", { 1, \"FL_POSIX\" }, { 0x400, \"FL_OFDLCK\" })\n";

    #[test]
    fn fields_are_found_by_name() {
        let format = Format::parse(FORMAT).unwrap();
        assert_eq!(format.id, 1125);
        assert_eq!(
            format.field(&["fl_next", "fl"]),
            Ok(Field { offset: 8, size: 8, signed: false })
        );
        assert_eq!(format.field(&["comm"]).unwrap().offset, 16);
        assert_eq!(format.field(&["owner", "fl_owner"]), Err("owner"));
    }

    #[test]
    fn words_are_found_by_what_is_printed() {
        let format = Format::parse(FORMAT).unwrap();
        assert_eq!(format.symbol("FL_POSIX"), Some(1));
        assert_eq!(format.symbol("FL_OFDLCK"), Some(0x400));
        assert_eq!(format.symbol("FL_CLOSE"), None);
    }

    #[test]
    fn values_are_read_as_they_were_written() {
        let field = |size, signed| Field { offset: 1, size, signed };
        let bytes = [9, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
        assert_eq!(field(1, true).read(&bytes), Some(-1));
        assert_eq!(field(2, false).read(&bytes), Some(0xffff));
        assert_eq!(field(4, true).read(&bytes), Some(-1));
        assert_eq!(
            field(8, false).read_unsigned(&bytes),
            Some(u64::from_ne_bytes(bytes[1..].try_into().unwrap()))
        );
        assert_eq!(field(8, false).read(&bytes[..8]), None);
        assert_eq!(field(16, false).read(&[0; 40]), None);
        assert_eq!(Field { offset: usize::MAX, size: 2, signed: false }.read(&bytes), None);
    }
}
