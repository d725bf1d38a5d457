//! What `check --json` prints: the head of the document of `ls --json`, what was looked for, what
//! was seen of it, and the findings.

use std::time::Duration;

use locktop::model::Lock;
use serde::Serialize;

use super::Report;
use super::finding::{Finding, longest_wait};
use crate::cli::json::Head;

#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    limits: Limits,
    /// How many locks were looked at.
    locks: usize,
    waiting: usize,
    /// By what is proven.
    longest_wait_s: f64,
    longest_queue: usize,
    oldest_s: f64,
    /// How many may be older than the limit, for all that is known.
    uncertain_ages: Option<usize>,
    findings: Vec<Found<'a>>,
}

#[derive(Debug, Serialize)]
struct Limits {
    problems: bool,
    max_age_s: Option<f64>,
    max_wait_s: Option<f64>,
    max_waiters: Option<usize>,
}

#[derive(Debug, Serialize)]
struct Found<'a> {
    finding: &'static str,
    text: &'a str,
    lock: &'a Lock,
}

/// What was seen of the locks as a whole.
pub(super) struct Sums {
    pub(super) waiting: usize,
    pub(super) longest_wait: Duration,
    pub(super) longest_queue: usize,
    pub(super) oldest: Duration,
}

impl Sums {
    pub(super) fn of(report: &Report) -> Self {
        let locks = || report.locks.iter();
        let queues = || locks().map(|lock| lock.waiters.len());
        let ages = report.mortal.iter().map(|lock| lock.age.min);
        Self {
            waiting: queues().sum(),
            longest_wait: locks().map(|lock| longest_wait(lock)).max().unwrap_or_default(),
            longest_queue: queues().max().unwrap_or_default(),
            oldest: ages.max().unwrap_or_default(),
        }
    }
}

impl<'a> Document<'a> {
    pub(super) fn of(report: &'a Report<'a>) -> Self {
        let (snapshot, limits, sums) = (report.snapshot, &report.limits, Sums::of(report));
        let found = |finding: &'a Finding<'a>| Found {
            finding: finding.kind.word(),
            text: &finding.text,
            lock: finding.lock,
        };
        Self {
            head: Head::of(snapshot),
            limits: Limits {
                problems: limits.problems,
                max_age_s: limits.age.map(seconds),
                max_wait_s: limits.wait.map(seconds),
                max_waiters: limits.waiters,
            },
            locks: report.locks.len(),
            waiting: sums.waiting,
            longest_wait_s: seconds(sums.longest_wait),
            longest_queue: sums.longest_queue,
            oldest_s: seconds(sums.oldest),
            uncertain_ages: report.uncertain(),
            findings: report.findings.iter().map(found).collect(),
        }
    }
}

/// Seconds, to the millisecond.
pub(super) fn seconds(duration: Duration) -> f64 {
    duration.as_millis() as f64 / 1000.0
}
