//! Pages of the kernel's trace buffer, as `trace_pipe_raw` gives them: a header, and events packed
//! with the time since the one before. After `events/header_page`, `header_event`, and the kernel's
//! `include/linux/ring_buffer.h`.

use super::format::{Field, fields};

/// The commit word says that events were lost before this page,
const MISSED: u64 = 1 << 31;
/// and that behind the data stands how many.
const MISSED_STORED: u64 = 1 << 30;

/// Kinds of entries, in place of a length.
const PADDING: u32 = 29;
const TIME_EXTEND: u32 = 30;
const TIME_STAMP: u32 = 31;

/// Bits of a word that is a time in two parts.
const DELTA_BITS: u32 = 27;
/// Bits of an absolute time that fit in an entry; those above are the page's.
const STAMP_BITS: u32 = 59;

/// Where a page has its header and its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pages {
    timestamp: Field,
    commit: Field,
    data: Field,
}

/// What a page says besides its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Told {
    /// How many events were lost before it, at least, if any were.
    pub(super) lost: Option<u64>,
    /// Whether it could be read to its end.
    pub(super) whole: bool,
}

impl Pages {
    /// How the kernel that runs lays them out; `None` where that is not as we know it.
    pub(super) fn parse(header_page: &str, header_event: &str) -> Option<Self> {
        let known = [
            ("type_len", "5 bits"),
            ("time_delta", "27 bits"),
            ("array", "32 bits"),
            ("padding", "type == 29"),
            ("time_extend", "type == 30"),
            ("time_stamp", "type == 31"),
        ];
        let says = |(name, value): (&str, &str)| {
            let mut lines = header_event.lines().filter_map(|line| line.split_once(':'));
            lines.any(|(of, is)| of.trim() == name && is.split_whitespace().eq(value.split(' ')))
        };
        if !known.into_iter().all(says) {
            return None;
        }
        let fields = fields(header_page);
        let field = |name: &str| fields.iter().find(|(of, _)| of == name).map(|(_, field)| *field);
        let pages =
            Self { timestamp: field("timestamp")?, commit: field("commit")?, data: field("data")? };
        let sane = (64..=1 << 20).contains(&pages.data.size) && pages.data.offset <= 64;
        sane.then_some(pages)
    }

    /// How many bytes a page has.
    pub(super) fn size(self) -> usize {
        self.data.offset + self.data.size
    }

    /// Calls `each` with the time, in nanoseconds of the trace's clock, and the bytes of every event.
    /// Stops at what makes no sense.
    pub(super) fn read(self, page: &[u8], mut each: impl FnMut(u64, &[u8])) -> Told {
        let header = self.timestamp.read_unsigned(page).zip(self.commit.read_unsigned(page));
        let Some((start, commit)) = header else { return Told::default() };
        let data = page.get(self.data.offset..).unwrap_or_default();
        let length = (commit & (MISSED_STORED - 1)) as usize;
        let lost = (commit & MISSED != 0).then(|| {
            let count = data.get(length..length.saturating_add(size_of::<usize>()));
            let count = count.filter(|_| commit & MISSED_STORED != 0);
            let count = count.and_then(|count| count.try_into().ok()).map(usize::from_ne_bytes);
            count.map_or(1, |count| count as u64)
        });
        let whole = data.get(..length).is_some_and(|data| events(data, start, &mut each).is_some());
        Told { lost, whole }
    }
}

/// `None` where an entry is longer than what is left.
fn events(mut data: &[u8], mut now: u64, each: &mut impl FnMut(u64, &[u8])) -> Option<()> {
    while !data.is_empty() {
        let (kind, delta) = parts(word(data, 0)?);
        let length = match kind {
            // What is behind it has not been written.
            PADDING if delta == 0 => return Some(()),
            PADDING => (word(data, 4)? as usize).checked_add(4)?,
            TIME_EXTEND => {
                now = now.wrapping_add(u64::from(word(data, 4)?) << DELTA_BITS | u64::from(delta));
                8
            }
            TIME_STAMP => {
                let stamp = u64::from(word(data, 4)?) << DELTA_BITS | u64::from(delta);
                now = now >> STAMP_BITS << STAMP_BITS | stamp;
                8
            }
            0 => {
                now = now.wrapping_add(u64::from(delta));
                let length = (word(data, 4)? as usize).checked_add(4)?;
                each(now, data.get(8..length)?);
                length
            }
            words => {
                now = now.wrapping_add(u64::from(delta));
                let length = 4 + 4 * words as usize;
                each(now, data.get(4..length)?);
                length
            }
        };
        // Entries begin at words; none is shorter.
        data = data.get(length.max(4).next_multiple_of(4)..)?;
    }
    Some(())
}

fn word(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(data.get(at..at + 4)?.try_into().ok()?))
}

/// The kind or length of an entry, and the time since the one before: two bit fields of a word.
fn parts(word: u32) -> (u32, u32) {
    if cfg!(target_endian = "little") {
        (word & 31, word >> 5)
    } else {
        (word >> DELTA_BITS, word & ((1 << DELTA_BITS) - 1))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in super::super) const HEADER_PAGE: &str = "\
\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n\
\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n\
\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n\
\tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;\n";

    pub(in super::super) const HEADER_EVENT: &str = "# compressed entry header\n\
\ttype_len    :    5 bits\n\ttime_delta  :   27 bits\n\tarray       :   32 bits\n\n\
\tpadding     : type == 29\n\ttime_extend : type == 30\n\ttime_stamp : type == 31\n\
\tdata max type_len  == 28\n";

    fn pages() -> Pages {
        Pages::parse(HEADER_PAGE, HEADER_EVENT).unwrap()
    }

    fn joined(kind: u32, delta: u32) -> [u8; 4] {
        let word = if cfg!(target_endian = "little") {
            delta << 5 | kind
        } else {
            kind << DELTA_BITS | delta
        };
        word.to_ne_bytes()
    }

    /// A page that began at 1,000, with this commit flag, data, and what stands behind it.
    fn page(flags: u64, data: &[&[u8]], behind: &[u8]) -> Vec<u8> {
        let data = data.concat();
        let mut page = Vec::new();
        page.extend(1_000_u64.to_ne_bytes());
        page.extend((data.len() as u64 | flags).to_ne_bytes());
        page.extend(data);
        page.extend(behind);
        page.resize(4096, 0);
        page
    }

    fn read(page: &[u8]) -> (Vec<(u64, Vec<u8>)>, Told) {
        let mut events = Vec::new();
        let told = pages().read(page, |at, bytes| events.push((at, bytes.to_vec())));
        (events, told)
    }

    #[test]
    fn another_layout_is_declined() {
        assert!(Pages::parse(HEADER_PAGE, &HEADER_EVENT.replace("27 bits", "28 bits")).is_none());
        assert!(Pages::parse(HEADER_PAGE, &HEADER_EVENT.replace("== 30", "== 28")).is_none());
        assert!(Pages::parse(&HEADER_PAGE.replace("commit", "committed"), HEADER_EVENT).is_none());
        assert_eq!(pages().size(), 4096);
    }

    #[test]
    fn events_have_their_times() {
        let page = page(
            0,
            &[
                &joined(1, 5),
                b"abcd",
                &joined(TIME_EXTEND, 3),
                &2_u32.to_ne_bytes(),
                &joined(0, 1),
                &8_u32.to_ne_bytes(),
                b"wxyz",
                &joined(PADDING, 1),
                &4_u32.to_ne_bytes(),
                &joined(TIME_STAMP, 7),
                &1_u32.to_ne_bytes(),
                &joined(2, 0),
                b"12345678",
                &joined(PADDING, 0),
                b"never read",
            ],
            b"",
        );
        let (events, told) = read(&page);
        let later = 1_005 + (2 << 27) + 3 + 1;
        let expected = [
            (1_005, b"abcd".to_vec()),
            (later, b"wxyz".to_vec()),
            ((1 << 27) + 7, b"12345678".to_vec()),
        ];
        assert_eq!(events, expected);
        assert_eq!(told, Told { lost: None, whole: true });
    }

    #[test]
    fn losses_are_told() {
        let event = [&joined(1, 0)[..], b"abcd"].concat();
        let lost = |flags, behind: &[u8]| read(&page(flags, &[&event], behind)).1.lost;
        assert_eq!(lost(0, b""), None);
        assert_eq!(lost(MISSED, &42_u64.to_ne_bytes()), Some(1));
        assert_eq!(lost(MISSED | MISSED_STORED, &42_u64.to_ne_bytes()), Some(42));
    }

    proptest! {
        #[test]
        fn odd_bytes_are_no_harm(bytes: Vec<u8>, length in 0_usize..5000) {
            let (_, told) = read(&bytes);
            prop_assert!(bytes.len() >= 16 || !told.whole);
            let mut page = page(0, &[&bytes], b"");
            page.truncate(length);
            let (events, _) = read(&page);
            prop_assert!(events.len() <= bytes.len() / 4);
        }
    }
}
