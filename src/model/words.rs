//! Durations and spans as people read them.

use std::time::Duration;

use super::{Evidence, Span};

/// A duration in at most six characters: `0.4s`, `22s`, `12m04s`, `3h02m`, `5d03h`.
#[must_use]
pub fn short(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{seconds}.{}s", duration.subsec_millis() / 100),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86400, seconds / 3600 % 24),
    }
}

impl Span {
    /// The span in a table's cell: `12m04s`, `≥41m00s`, `≤3h02m`, `5.0s–12s`, or `?` when nothing is
    /// known. With `ascii`: `>=`, `<=`, `-`.
    #[must_use]
    pub fn short(&self, ascii: bool) -> String {
        let (least, most, to) = if ascii { (">=", "<=", "-") } else { ("≥", "≤", "–") };
        match (self.min, self.max) {
            (_, Some(max)) if self.is_exact() => short(max),
            (Duration::ZERO, Some(max)) => format!("{most}{}", short(max)),
            (min, Some(max)) => format!("{}{to}{}", short(min), short(max)),
            (Duration::ZERO, None) => "?".into(),
            (min, None) => format!("{least}{}", short(min)),
        }
    }

    /// The span in a sentence: `12m04s`, `at least 41m00s`, `at most 3h02m`, `between 5.0s and 12s`,
    /// or nothing when nothing is known.
    #[must_use]
    pub fn sentence(&self) -> Option<String> {
        Some(match (self.min, self.max) {
            (_, Some(max)) if self.is_exact() => short(max),
            (Duration::ZERO, Some(max)) => format!("at most {}", short(max)),
            (min, Some(max)) => format!("between {} and {}", short(min), short(max)),
            (Duration::ZERO, None) => return None,
            (min, None) => format!("at least {}", short(min)),
        })
    }

    /// How often it was seen, where it may have been released and retaken in between.
    #[must_use]
    pub fn times_seen(&self) -> Option<u32> {
        self.evidence.iter().find_map(|evidence| match evidence {
            Evidence::Seen(times) => Some(*times),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        let text = |ms| short(Duration::from_millis(ms));
        assert_eq!(text(449), "0.4s");
        assert_eq!(text(9_999), "9.9s");
        assert_eq!(text(59_999), "59s");
        assert_eq!(text(724_000), "12m04s");
        assert_eq!(text(3 * 3_600_000 + 120_000), "3h02m");
        assert_eq!(text(123 * 3_600_000), "5d03h");
    }

    #[test]
    fn spans_say_what_is_not_exact() {
        let span = |min, max: Option<u64>| Span {
            min: Duration::from_secs(min),
            max: max.map(Duration::from_secs),
            evidence: vec![],
        };
        assert_eq!(span(0, None).short(false), "?");
        assert_eq!(span(2460, None).short(false), "≥41m00s");
        assert_eq!(span(2460, None).short(true), ">=41m00s");
        assert_eq!(span(0, Some(60)).short(false), "≤1m00s");
        assert_eq!(span(99, Some(100)).short(false), "1m40s");
        assert_eq!(span(5, Some(12)).short(false), "5.0s–12s");
        assert_eq!(span(5, Some(12)).sentence().unwrap(), "between 5.0s and 12s");
    }
}
