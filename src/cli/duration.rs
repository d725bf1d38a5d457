//! Durations as people type them: `90`, `0.5`, `250ms`, `1m30s`, `2h`, `1d`.

use std::time::Duration;

/// The units, and how many seconds they have.
const UNITS: [(&str, f64); 7] = [
    ("ms", 0.001),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
    ("d", 86400.0),
    ("w", 604_800.0),
    ("y", 31_536_000.0),
];

/// Reads a duration: a number of seconds, or numbers with units. One that is longer than any clock
/// runs is as long as there can be.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    read(text).ok_or_else(|| {
        "a duration is a number of seconds, or numbers with the units ms, s, m, h, d, w, y, such as \
         0.5, 250ms or 1m30s"
            .into()
    })
}

fn read(text: &str) -> Option<Duration> {
    if let Some(seconds) = number(text) {
        return Some(times(seconds, 1.0));
    }
    let mut sum = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let (count, behind) = split(rest, |c| c.is_ascii_digit() || c == '.');
        let (unit, behind) = split(behind, |c| c.is_ascii_alphabetic());
        let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
        sum = sum.saturating_add(times(number(count)?, *seconds));
        rest = behind;
    }
    (!text.is_empty()).then_some(sum)
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

/// Digits with at most one point: what else `parse` knows is no duration.
fn number(text: &str) -> Option<f64> {
    let plain = |c: char| c.is_ascii_digit() || c == '.';
    text.parse().ok().filter(|_| text.chars().all(plain))
}

fn times(count: f64, seconds: f64) -> Duration {
    Duration::try_from_secs_f64(count * seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, milliseconds) in [
            ("90", 90_000),
            ("0.5", 500),
            (".007", 7),
            ("5.", 5000),
            ("250ms", 250),
            ("1m30s", 90_000),
            ("1.5h", 5_400_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            ("3y", 94_608_000_000),
            ("0", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn no_duration_is_too_long() {
        for text in ["99999999999999999999999999", "999999999999999999999y", &"9".repeat(400)] {
            assert_eq!(parse(text), Ok(Duration::MAX), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["", " ", "s", "-1", "+1", "1e3", "inf", "NaN", ".", "1.2.3", "1m30", "5 s", "1x", "1S"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
