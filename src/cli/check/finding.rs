//! What is wrong with a lock.

use std::cmp::Reverse;
use std::fmt;
use std::time::Duration;

use locktop::Snapshot;
use locktop::model::{Holder, Lock, Range, Verdict, Waiter, harmless, short};

use crate::cli::args::Check;

/// What is too much.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Whether a verdict that needs a person is.
    pub(super) problems: bool,
    /// For a lock to be held.
    pub(super) age: Option<Duration>,
    /// For somebody to wait.
    pub(super) wait: Option<Duration>,
    /// So many may wait.
    pub(super) waiters: Option<usize>,
}

impl Limits {
    /// Without any, problems are what is looked for; a long wait is one of them.
    pub(super) fn of(check: &Check) -> Self {
        let none =
            check.max_age.is_none() && check.max_wait.is_none() && check.max_waiters.is_none();
        let problems = check.problems || none;
        let waits = [check.max_wait, problems.then_some(Snapshot::LONG_WAIT)];
        Self {
            problems,
            age: check.max_age,
            wait: waits.into_iter().flatten().min(),
            waiters: check.max_waiters,
        }
    }
}

/// The sort of it, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Its verdict needs a person.
    Verdict(Verdict),
    /// Somebody has waited for too long.
    Wait,
    /// Too many wait.
    Waiters,
    /// It has been held for too long.
    Age,
}

impl Kind {
    /// The word that a line begins with, and that programs know it by.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Verdict(verdict) => verdict.word(),
            Self::Wait => "wait",
            Self::Waiters => "waiters",
            Self::Age => "age",
        }
    }
}

/// One thing that is wrong with one lock. Printed, it is harmless: `WORD: LOCK: TEXT`.
#[derive(Debug)]
pub(super) struct Finding<'a> {
    pub(super) kind: Kind,
    pub(super) lock: &'a Lock,
    pub(super) text: String,
}

impl fmt::Display for Finding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.kind.word(), label(self.lock), self.text)
    }
}

/// All that is wrong with these locks, worst first. Only those that are `mortal` can be too old.
pub(super) fn find<'a>(
    locks: &[&'a Lock],
    mortal: &[&'a Lock],
    limits: &Limits,
) -> Vec<Finding<'a>> {
    let mut findings: Vec<Finding> = Vec::new();
    for lock in locks {
        findings.extend(limits.problems.then(|| of_verdict(lock)).flatten());
        findings.extend(limits.wait.and_then(|limit| of_wait(lock, limit)));
        findings.extend(limits.waiters.and_then(|limit| of_waiters(lock, limit)));
    }
    let age = |limit| mortal.iter().filter_map(move |lock| of_age(lock, limit));
    findings.extend(limits.age.into_iter().flat_map(age));
    findings.sort_by_cached_key(|finding| (finding.kind, Reverse(finding.size())));
    findings
}

impl Finding<'_> {
    /// By which the worse of two of a kind is known.
    fn size(&self) -> Duration {
        match self.kind {
            Kind::Verdict(_) | Kind::Wait => longest_wait(self.lock),
            Kind::Waiters => Duration::from_secs(self.lock.waiters.len() as u64),
            Kind::Age => self.lock.age.min,
        }
    }
}

fn of_verdict(lock: &Lock) -> Option<Finding<'_>> {
    if lock.normal || !lock.verdict.is_problem() {
        return None;
    }
    let text = lock.why.as_ref().map_or_else(|| "it needs a person".into(), ToString::to_string);
    Some(Finding { kind: Kind::Verdict(lock.verdict), lock, text })
}

fn of_wait(lock: &Lock, limit: Duration) -> Option<Finding<'_>> {
    let first = first_waiter(lock).filter(|first| first.waited.min > limit)?;
    let text = format!(
        "{} has waited for {}, longer than {}; {}",
        first.process.label(),
        first.waited.sentence().unwrap_or_default(),
        short(limit),
        held_by(lock),
    );
    Some(Finding { kind: Kind::Wait, lock, text })
}

fn of_waiters(lock: &Lock, limit: usize) -> Option<Finding<'_>> {
    let count = lock.waiters.len();
    if count <= limit {
        return None;
    }
    let least = if lock.details.contains_key("queue_cut") { "at least " } else { "" };
    let wait = if count == 1 { "waits" } else { "wait" };
    let text = format!("{least}{count} {wait} for it, more than {limit}; {}", held_by(lock));
    Some(Finding { kind: Kind::Waiters, lock, text })
}

fn of_age(lock: &Lock, limit: Duration) -> Option<Finding<'_>> {
    if lock.age.min <= limit {
        return None;
    }
    let age = lock.age.sentence().unwrap_or_default();
    let text = format!("held for {age}, longer than {}; {}", short(limit), held_by(lock));
    Some(Finding { kind: Kind::Age, lock, text })
}

/// Who has waited for the longest, by what is proven.
pub(super) fn first_waiter(lock: &Lock) -> Option<&Waiter> {
    lock.waiters.iter().max_by_key(|waiter| waiter.waited.min)
}

/// For how long.
pub(super) fn longest_wait(lock: &Lock) -> Duration {
    first_waiter(lock).map(|first| first.waited.min).unwrap_or_default()
}

/// Which lock it is, with its bytes and its name: `/var/lib/dpkg/lock [0-9] (dpkg lock)`.
pub(super) fn label(lock: &Lock) -> String {
    let bytes = lock.range.filter(|range| *range != Range::WHOLE);
    let bytes = bytes.map(|range| format!(" [{range}]")).unwrap_or_default();
    let name = lock.name.as_deref().map(|name| format!(" ({})", harmless(name)));
    format!("{}{bytes}{}", lock.label(), name.unwrap_or_default())
}

fn held_by(lock: &Lock) -> String {
    let name = |holder: &Holder| holder.process.label();
    match &lock.holders[..] {
        [] => "nobody is seen to have it".into(),
        [one] => format!("{} has it", name(one)),
        [one, others @ ..] => format!("{} and {} more have it", name(one), others.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::sample;
    use super::*;

    const NONE: Limits = Limits { problems: false, age: None, wait: None, waiters: None };

    fn said(locks: &[Lock], limits: &Limits) -> Vec<String> {
        let locks: Vec<&Lock> = locks.iter().collect();
        find(&locks, &locks, limits).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn limits_are_exceeded_by_what_is_more() {
        let lock = [sample::orphan()];
        let of = |wait, waiters, age| {
            let seconds = |limit: Option<u64>| limit.map(Duration::from_millis);
            let limits = Limits { wait: seconds(wait), waiters, age: seconds(age), ..NONE };
            said(&lock, &limits).len()
        };
        assert_eq!([of(Some(61_999), None, None), of(Some(62_000), None, None)], [1, 0]);
        assert_eq!([of(None, Some(2), None), of(None, Some(3), None)], [1, 0]);
        assert_eq!([of(None, None, Some(63_199)), of(None, None, Some(63_200))], [1, 0]);
    }

    #[test]
    fn what_is_worst_comes_first() {
        let snapshot = sample::snapshot();
        let limits = Limits {
            problems: true,
            age: Some(Duration::from_secs(63)),
            wait: Some(Duration::from_mins(1)),
            waiters: Some(2),
        };
        insta::assert_snapshot!(said(&snapshot.locks, &limits).join("\n"));
    }

    #[test]
    fn what_is_long_by_design_is_no_problem() {
        let mut lock = sample::lock("@a", "/a", Verdict::Stuck);
        lock.normal = true;
        let limits = Limits { problems: true, age: Some(Duration::ZERO), ..NONE };
        assert!(find(&[&lock], &[], &limits).is_empty());
        assert_eq!(find(&[&lock], &[&lock], &limits).len(), 1);
    }

    #[test]
    fn names_are_harmless() {
        let mut lock = sample::lock("@a", "/a\n\u{1b}[2J", Verdict::Held);
        lock.name = Some("b\nc".into());
        lock.holders = [sample::holder(7, "d\ne", "root")].into();
        let limits = Limits { age: Some(Duration::ZERO), ..NONE };
        let [line] = &said(&[lock], &limits)[..] else { panic!("not one") };
        assert!(!line.contains(char::is_control), "{line:?}");
    }
}
