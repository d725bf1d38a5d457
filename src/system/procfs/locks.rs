//! The kernel's lock table, `/proc/locks`, and the same lines in `/proc/PID/fdinfo/FD`.
//!
//! A line is `ID: [indent-> ]TYPE STATE ACCESS PID MAJ:MIN:INODE START END`, after the kernel's
//! `fs/locks.c:lock_get_status`. Requests that wait follow what blocks them in preorder, and the
//! blanks before `->` tell how deep they stand.

use crate::model::{FileId, Mechanism, Mode, Pid, Range};

/// The first word of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Flock,
    Posix,
    Ofd,
    Lease,
    Delegation,
}

impl Kind {
    pub(crate) fn mechanism(self) -> Mechanism {
        match self {
            Self::Flock => Mechanism::Flock,
            Self::Posix => Mechanism::Posix,
            Self::Ofd => Mechanism::Ofd,
            Self::Lease | Self::Delegation => Mechanism::Lease,
        }
    }
}

/// One line: a lock that somebody has (`depth` 0) or a request for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Record {
    pub(crate) kind: Kind,
    pub(crate) mode: Mode,
    /// The thread group that took it; -1 for open file descriptions, 0 or less for owners that are
    /// not local or not in our pid namespace.
    pub(crate) pid: Pid,
    /// `None` for a request without a file, such as that of a lease breaker.
    pub(crate) file: Option<FileId>,
    pub(crate) range: Range,
    /// A lease that its holder was asked to give back: what is printed as its mode is what it will
    /// become, not what it is.
    pub(crate) breaking: bool,
}

/// A granted lock with the requests that stand behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where it stands in the table, from 0.
    pub(crate) place: usize,
    pub(crate) granted: Record,
    /// Depth in the tree of waiting, from 1, and the request.
    pub(crate) waiting: Vec<(u32, Record)>,
}

/// The table, as far as it could be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Table {
    pub(crate) entries: Vec<Entry>,
    /// The first lines that could not be understood, and how many there were.
    pub(crate) odd_lines: Vec<String>,
    pub(crate) odd: usize,
    /// At least this many records are hidden by our pid namespace.
    pub(crate) hidden: u64,
}

/// How many odd lines are kept to be shown.
const ODD_LINES_KEPT: usize = 3;

impl Table {
    /// Reads a table; lines that make no sense are counted and left out.
    pub(crate) fn parse(text: &[u8]) -> Self {
        let mut table = Self::default();
        let mut last_ordinal = 0;
        // Requests behind a line that made no sense belong to nobody whom we know.
        let mut orphaned = false;
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let Some((ordinal, depth, record)) = parse_line(line) else {
                if !is_request(line) {
                    orphaned = true;
                    last_ordinal += 1;
                }
                table.note_odd(line);
                continue;
            };
            if depth == 0 {
                table.hidden += ordinal.saturating_sub(last_ordinal + 1);
                last_ordinal = ordinal;
                orphaned = false;
                let place = table.entries.len();
                table.entries.push(Entry { place, granted: record, waiting: Vec::new() });
            } else {
                match table.entries.last_mut() {
                    Some(entry) if !orphaned => entry.waiting.push((depth, record)),
                    _ => table.note_odd(line),
                }
            }
        }
        table
    }

    fn note_odd(&mut self, line: &[u8]) {
        self.odd += 1;
        if self.odd_lines.len() < ODD_LINES_KEPT {
            let line = &line[..line.len().min(160)];
            self.odd_lines.push(crate::model::harmless_bytes(line).into_owned());
        }
    }
}

fn is_request(line: &[u8]) -> bool {
    line.windows(2).any(|two| two == b"->")
}

/// Ordinal, depth and record of a line.
pub(crate) fn parse_line(line: &[u8]) -> Option<(u64, u32, Record)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let ordinal = number(line[..colon].trim_ascii())?;
    let rest = &line[colon + 1..];
    let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
    let rest = &rest[blanks..];
    let (depth, rest) = match rest.strip_prefix(b"->") {
        // One blank separates, the others are the indent; kernels before 5.13 print one level.
        Some(rest) => (u32::try_from(blanks.max(1)).ok()?, rest),
        None => (0, rest),
    };

    let mut words = rest.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let kind = match words.next()? {
        b"FLOCK" => Kind::Flock,
        b"POSIX" | b"ACCESS" => Kind::Posix,
        b"OFDLCK" => Kind::Ofd,
        b"LEASE" => Kind::Lease,
        b"DELEG" => Kind::Delegation,
        _ => return None,
    };
    // ADVISORY, MANDATORY, MSNFS, *NOINODE*; for leases ACTIVE, BREAKING, BREAKER.
    let breaking = words.next()? == b"BREAKING";
    let mode = match words.next()? {
        b"READ" => Mode::Shared,
        // A lease that is being broken prints what it will become; until then it excludes.
        b"WRITE" | b"RW" | b"UNLCK" | b"NONE" => Mode::Exclusive,
        _ => return None,
    };
    let pid = str::from_utf8(words.next()?).ok()?.parse().ok()?;
    let file = parse_file(words.next()?)?;
    let start = number(words.next()?)?;
    let end = match words.next()? {
        b"EOF" => None,
        end => Some(number(end)?),
    };
    if words.next().is_some() || end.is_some_and(|end| end < start) {
        return None;
    }
    Some((ordinal, depth, Record { kind, mode, pid, file, range: Range { start, end }, breaking }))
}

/// `MAJ:MIN:INODE`, or `<none>:0`. The outer `None` is an error.
#[expect(clippy::option_option, reason = "a file, no file, nonsense")]
fn parse_file(word: &[u8]) -> Option<Option<FileId>> {
    if word.starts_with(b"<none>") {
        return Some(None);
    }
    let word = str::from_utf8(word).ok()?;
    let (device, inode) = word.rsplit_once(':')?;
    Some(Some(FileId { device: device.parse().ok()?, inode: inode.parse().ok()? }))
}

fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() || word.len() > 20 {
        return None;
    }
    word.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Device;
    use proptest::prelude::*;

    fn parse(text: &str) -> Table {
        Table::parse(text.as_bytes())
    }

    /// Captured on Linux 6.18.
    const CAPTURED: &str = "\
1: POSIX  ADVISORY  WRITE 2178 fe:00:382078 0 EOF
2: FLOCK  ADVISORY  WRITE 991 fe:00:10010699 0 EOF
2: -> FLOCK  ADVISORY  WRITE 1203 fe:00:10010699 0 EOF
2:  -> FLOCK  ADVISORY  READ 1204 fe:00:10010699 0 EOF
3: OFDLCK ADVISORY  READ -1 00:2b:7 100 199
";

    #[test]
    fn captured_lines_are_understood() {
        let table = parse(CAPTURED);
        assert_eq!((table.odd, table.hidden, table.entries.len()), (0, 0, 3));
        let queue = &table.entries[1];
        assert_eq!(queue.granted.pid, 991);
        let depths: Vec<_> =
            queue.waiting.iter().map(|(depth, request)| (*depth, request.pid)).collect();
        assert_eq!(depths, [(1, 1203), (2, 1204)]);
        let ofd = table.entries[2].granted;
        assert_eq!(
            (ofd.kind, ofd.mode, ofd.pid, ofd.range),
            (Kind::Ofd, Mode::Shared, -1, Range { start: 100, end: Some(199) })
        );
        let device = Device { major: 0, minor: 0x2b };
        assert_eq!(ofd.file, Some(FileId { device, inode: 7 }));
    }

    /// Written from `lock_get_status`: leases, a breaker without a file, delegations, odd states.
    #[test]
    fn lines_after_the_kernels_printing_code() {
        let table = parse(
            "1: LEASE  BREAKING  UNLCK 4121 fe:00:5 0 EOF\n\
             1: -> LEASE  BREAKER   READ 4122 <none>:0 0 EOF\n\
             2: DELEG  ACTIVE    READ 88 fe:00:6 0 EOF\n\
             3: POSIX  *NOINODE* READ 9 <none>:0 0 0\n\
             4: FLOCK  MSNFS     RW    7 00:1f:8 0 EOF\n",
        );
        assert_eq!((table.odd, table.entries.len()), (0, 4));
        assert_eq!(table.entries[0].waiting[0].1.file, None);
        assert!(table.entries[0].granted.breaking && !table.entries[1].granted.breaking);
        assert_eq!(table.entries[1].granted.kind, Kind::Delegation);
    }

    #[test]
    fn odd_lines_are_noted_and_their_requests_with_them() {
        let table = parse(
            "1: UNKNOWN UNKNOWN  READ 1 fe:00:1 0 EOF\n\
             1: -> POSIX  ADVISORY  WRITE 2 fe:00:1 0 EOF\n\
             2: POSIX  ADVISORY  WRITE 3 fe:00:1 0 EOF\n\
             \x1b[2J\n",
        );
        assert_eq!((table.odd, table.entries.len()), (3, 1));
        assert!(table.entries[0].waiting.is_empty());
        assert!(table.odd_lines.iter().all(|line| !line.contains('\x1b')));
    }

    #[test]
    fn a_gap_in_the_ordinals_tells_of_hidden_records() {
        let table = parse(
            "3: FLOCK ADVISORY WRITE 1 fe:00:1 0 EOF\n7: FLOCK ADVISORY WRITE 1 fe:00:2 0 EOF\n",
        );
        assert_eq!(table.hidden, 2 + 3);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(text in proptest::collection::vec(any::<u8>(), 0..400)) {
            let table = Table::parse(&text);
            let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
            let read = table.entries.iter().map(|entry| 1 + entry.waiting.len()).sum::<usize>();
            prop_assert_eq!(read + table.odd, lines);
        }

        #[test]
        fn what_the_kernel_prints_is_read_back(
            ordinal in 1_u64..1_000_000, depth in 0_u32..40, pid in -1_i32..5_000_000,
            major in 0_u32..4096, minor in 0_u32..1_048_576, inode: u64,
            start in 0_u64..1 << 62, length in proptest::option::of(0_u64..1 << 62),
        ) {
            let end = length.map(|length| start + length);
            let range = Range { start, end };
            let file = FileId { device: Device { major, minor }, inode };
            let arrow = if depth == 0 { String::new() } else { format!("{:1$}-> ", "", depth as usize - 1) };
            let end = end.map_or("EOF".into(), |end| end.to_string());
            let line = format!("{ordinal}: {arrow}POSIX  ADVISORY  WRITE {pid} {file} {start} {end}");
            let record = Record { kind: Kind::Posix, mode: Mode::Exclusive, pid, file: Some(file), range, breaking: false };
            prop_assert_eq!(parse_line(line.as_bytes()), Some((ordinal, depth, record)));
        }
    }
}
