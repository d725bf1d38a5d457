//! Times as intervals with their evidence, since the kernel keeps no times of locks.

use std::fmt;
use std::time::Duration;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// What a bound of a [`Span`] rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evidence {
    /// We watched it without a gap in which it could have been released.
    Observed,
    /// A tracepoint reported the instant.
    Traced,
    /// The scheduler says when the process last ran.
    Scheduler,
    /// It cannot be older than the process.
    ProcessStart,
    /// The lock file says so.
    Content,
    /// Birth or change of the file.
    FileTimes,
    /// The lock server says so.
    Engine,
    /// Seen this many times; it may have been released and retaken in between.
    Seen(u32),
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Observed => "observed",
            Self::Traced => "traced",
            Self::Scheduler => "scheduler",
            Self::ProcessStart => "process start",
            Self::Content => "content",
            Self::FileTimes => "file times",
            Self::Engine => "engine",
            Self::Seen(times) => return write!(f, "seen {times} times"),
        })
    }
}

impl Serialize for Evidence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How long something has lasted: at least `min`, at most `max` (`None`: no upper bound is known).
///
/// In JSON `{"min_s": …, "max_s": …, "evidence": […]}`, in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Span {
    /// Lower bound.
    pub min: Duration,
    /// Upper bound, if one is known.
    pub max: Option<Duration>,
    /// What the bounds rest on, without repetition.
    pub evidence: Vec<Evidence>,
}

impl Span {
    /// Raises the lower bound to `min` if that narrows the span, and notes why.
    pub fn at_least(&mut self, min: Duration, evidence: Evidence) {
        // Bounds from two clocks can cross by their error; the upper one is then the safer.
        let min = self.max.map_or(min, |max| min.min(max));
        if min > self.min {
            self.min = min;
            self.note(evidence);
        }
    }

    /// Lowers the upper bound to `max` if that narrows the span, and notes why.
    pub fn at_most(&mut self, max: Duration, evidence: Evidence) {
        if self.max.is_none_or(|known| max < known) {
            self.max = Some(max);
            self.min = self.min.min(max);
            self.note(evidence);
        }
    }

    /// Adds a word of evidence once.
    pub fn note(&mut self, evidence: Evidence) {
        if !self.evidence.contains(&evidence) {
            self.evidence.push(evidence);
        }
    }

    /// The same span, seen `later`.
    #[must_use]
    pub fn after(&self, later: Duration) -> Self {
        Self {
            min: self.min + later,
            max: self.max.map(|max| max + later),
            evidence: self.evidence.clone(),
        }
    }

    /// Lets so much time pass: it has lasted that bit longer.
    pub fn pass(&mut self, time: Duration) {
        self.min += time;
        self.max = self.max.map(|max| max + time);
    }

    /// Whether the bounds are close enough to be printed as one number.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.max.is_some_and(|max| {
            let width = max.saturating_sub(self.min);
            width <= Duration::from_millis(500) || width <= max / 20
        })
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut span = serializer.serialize_struct("Span", 3)?;
        span.serialize_field("min_s", &seconds(self.min))?;
        span.serialize_field("max_s", &self.max.map(seconds))?;
        span.serialize_field("evidence", &self.evidence)?;
        span.end()
    }
}

/// Seconds, to the millisecond.
fn seconds(duration: Duration) -> f64 {
    duration.as_millis() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_span_only_narrows() {
        let mut span = Span::default();
        span.at_least(5 * SECOND, Evidence::Scheduler);
        span.at_least(3 * SECOND, Evidence::Observed);
        assert_eq!((span.min, span.max), (5 * SECOND, None));
        span.at_most(9 * SECOND, Evidence::ProcessStart);
        span.at_most(20 * SECOND, Evidence::FileTimes);
        assert_eq!((span.min, span.max), (5 * SECOND, Some(9 * SECOND)));
        assert_eq!(span.evidence, [Evidence::Scheduler, Evidence::ProcessStart]);
    }

    #[test]
    fn bounds_never_cross() {
        let mut span = Span::default();
        span.at_most(4 * SECOND, Evidence::ProcessStart);
        span.at_least(7 * SECOND, Evidence::Scheduler);
        assert!(span.min <= span.max.unwrap());
    }

    #[test]
    fn json_is_in_seconds() {
        let span = Span {
            min: Duration::from_millis(63_200),
            max: None,
            evidence: vec![Evidence::Observed, Evidence::Seen(3)],
        };
        assert_eq!(
            serde_json::to_string(&span).unwrap(),
            r#"{"min_s":63.2,"max_s":null,"evidence":["observed","seen 3 times"]}"#
        );
    }
}
