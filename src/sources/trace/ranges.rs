//! The bytes that one owner has locked: they split and grow together as the kernel's records do.

use super::machine::Held;
use crate::model::Range;

/// What became of other bytes when some were taken.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// These were held in another mode.
    pub(super) converted: Vec<Held>,
}

/// Adds bytes that were granted; `None`: all of them were held so already.
pub(super) fn take(held: &mut Vec<Held>, new: Held) -> Option<Taken> {
    let covers = |of: &Held| of.mode == new.mode && contains(of.range, new.range);
    if held.iter().any(covers) {
        return None;
    }
    let mut merged = new;
    let mut others = Vec::new();
    held.retain(|of| {
        let grows = of.mode == new.mode && touches(of.range, new.range);
        if grows {
            merged.range = hull(merged.range, of.range);
            merged.any_since = merged.any_since.min(of.any_since);
        } else if of.range.overlaps(&new.range) {
            others.push(*of);
            return false;
        }
        !grows
    });
    held.extend_from_slice(&others);
    let converted = if others.is_empty() { Vec::new() } else { cut(held, new.range) };
    held.push(merged);
    Some(Taken { converted })
}

/// Removes bytes, and returns what was removed.
pub(super) fn cut(held: &mut Vec<Held>, range: Range) -> Vec<Held> {
    let mut gone = Vec::new();
    let mut left = Vec::new();
    for of in held.drain(..) {
        let Some(common) = intersection(of.range, range) else {
            left.push(of);
            continue;
        };
        gone.push(Held { range: common, ..of });
        if of.range.start < common.start {
            left.push(Held { range: Range { end: Some(common.start - 1), ..of.range }, ..of });
        }
        if let Some(end) = common.end.filter(|end| *end < last(of.range)) {
            left.push(Held { range: Range { start: end + 1, ..of.range }, ..of });
        }
    }
    *held = left;
    gone
}

fn last(range: Range) -> u64 {
    range.end.unwrap_or(u64::MAX)
}

fn contains(outer: Range, inner: Range) -> bool {
    outer.start <= inner.start && last(outer) >= last(inner)
}

/// Whether they overlap, or nothing is between them.
fn touches(one: Range, other: Range) -> bool {
    one.start <= last(other).saturating_add(1) && other.start <= last(one).saturating_add(1)
}

fn hull(one: Range, other: Range) -> Range {
    let end = one.end.zip(other.end).map(|(one, other)| one.max(other));
    Range { start: one.start.min(other.start), end }
}

fn intersection(one: Range, other: Range) -> Option<Range> {
    let end = match (one.end, other.end) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    let common = Range { start: one.start.max(other.start), end };
    one.overlaps(&other).then_some(common)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::model::{Mechanism, Mode};

    fn held(start: u64, end: Option<u64>, mode: Mode, since: u64) -> Held {
        let since = Duration::from_secs(since);
        Held {
            mechanism: Mechanism::Posix,
            mode,
            range: Range { start, end },
            tid: 1,
            pid: Some(1),
            all_since: since,
            any_since: since,
        }
    }

    fn sketch(held: &[Held]) -> Vec<String> {
        let mut sorted = held.to_vec();
        sorted.sort_by_key(|held| held.range);
        sorted
            .iter()
            .map(|of| {
                format!(
                    "{} {} {}-{}",
                    of.range,
                    of.mode.word(),
                    of.any_since.as_secs(),
                    of.all_since.as_secs()
                )
            })
            .collect()
    }

    #[test]
    fn a_part_that_is_given_back_leaves_two() {
        let mut all = vec![held(0, Some(99), Mode::Exclusive, 1)];
        let gone = cut(&mut all, Range { start: 40, end: Some(59) });
        assert_eq!(sketch(&gone), ["40-59 exclusive 1-1"]);
        assert_eq!(sketch(&all), ["0-39 exclusive 1-1", "60-99 exclusive 1-1"]);
        // The kernel says what it has grown to.
        assert!(
            take(&mut all, held(0, Some(99), Mode::Exclusive, 5)).unwrap().converted.is_empty()
        );
        assert_eq!(sketch(&all), ["0-99 exclusive 1-5"]);
        assert_eq!(take(&mut all, held(3, Some(4), Mode::Exclusive, 6)), None);
    }

    #[test]
    fn another_mode_takes_its_bytes_away() {
        let mut all = vec![held(0, None, Mode::Exclusive, 1)];
        let taken = take(&mut all, held(0, Some(9), Mode::Shared, 2)).unwrap();
        assert_eq!(sketch(&taken.converted), ["0-9 exclusive 1-1"]);
        assert_eq!(sketch(&all), ["0-9 shared 2-2", "10-EOF exclusive 1-1"]);
    }

    proptest! {
        /// Against a map of bytes.
        #[test]
        fn bytes_are_held_as_one_by_one(steps in prop::collection::vec((0_u64..24, 0_u64..24, 0..3_u8), 0..40)) {
            let mut all = Vec::new();
            let mut bytes = [None::<Mode>; 24];
            for (number, (one, other, what)) in steps.into_iter().enumerate() {
                let (start, end) = (one.min(other), one.max(other));
                let mode = match what { 0 => None, 1 => Some(Mode::Shared), _ => Some(Mode::Exclusive) };
                match mode {
                    Some(mode) => { take(&mut all, held(start, Some(end), mode, number as u64)); }
                    None => { cut(&mut all, Range { start, end: Some(end) }); }
                }
                bytes[start as usize..=end as usize].fill(mode);
                for (at, byte) in bytes.iter().enumerate() {
                    let range = Range { start: at as u64, end: Some(at as u64) };
                    let covering: Vec<_> = all.iter().filter(|of| of.range.overlaps(&range)).map(|of| of.mode).collect();
                    prop_assert_eq!(covering, byte.iter().copied().collect::<Vec<_>>());
                }
                prop_assert!(all.iter().all(|of| of.any_since <= of.all_since));
            }
        }
    }
}
