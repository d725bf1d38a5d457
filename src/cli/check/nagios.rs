//! The result as a monitoring plugin tells it, by the guidelines of
//! <https://www.monitoring-plugins.org/doc/guidelines.html>: a line with the state, what is wrong and
//! numbers behind a `|`, and further lines for people.

use std::io::{self, Write};

use locktop::model::{Verdict, harmless, short};

use super::Report;
use super::document::{Sums, seconds};
use super::finding::{Finding, Kind, first_waiter, label, longest_wait};
use crate::cli::failure::{Failure, Status};
use crate::cli::page;

/// Some that forward it take no more than a kilobyte, numbers included.
const LONGEST: usize = 600;

/// No more findings than this have a line.
const MOST_LINES: usize = 50;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ok,
    Critical,
    Unknown,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }

    fn status(self) -> Status {
        Status::Code(match self {
            Self::Ok => 0,
            Self::Critical => 2,
            Self::Unknown => 3,
        })
    }
}

/// Writes the report; `refused` is a target that could not be looked up.
pub(super) fn print(
    out: &mut impl Write,
    report: &Report,
    require_complete: bool,
    refused: Option<&Failure>,
) -> io::Result<Status> {
    let state = match &report.findings[..] {
        [_, ..] => State::Critical,
        [] if refused.is_some() || require_complete && report.blind.is_some() => State::Unknown,
        [] => State::Ok,
    };
    let refused = refused.and_then(Failure::text).map(ToOwned::to_owned);
    let words = [Some(summary(report)), refused, report.blind.clone()];
    let words = words.into_iter().flatten().collect::<Vec<_>>().join("; ");
    let words = plain(&words);
    let words = page::cut_end(&words, LONGEST, "...");
    writeln!(out, "LOCKTOP {} - {words} | {}", state.word(), numbers(report))?;
    for finding in report.findings.iter().take(MOST_LINES) {
        writeln!(out, "{}", plain(&finding.to_string()))?;
    }
    let more = report.findings.len().saturating_sub(MOST_LINES);
    if more > 0 {
        writeln!(out, "... and {more} more")?;
    }
    Ok(state.status())
}

/// Says why nothing can be told.
pub(super) fn unknown(failure: Failure) -> Result<Status, Failure> {
    let Some(text) = failure.text() else { return Err(failure) };
    let mut out = page::out();
    writeln!(out, "LOCKTOP UNKNOWN - {}", plain(text))?;
    out.flush()?;
    Ok(State::Unknown.status())
}

/// In one line, in which nothing begins the numbers.
fn plain(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("; ").replace('|', r"\x7c")
}

/// How many there are of each kind, and which is the worst.
fn summary(report: &Report) -> String {
    let Some(worst) = report.findings.first() else {
        let (locks, waiting) = (report.locks.len(), Sums::of(report).waiting);
        let locks = format!("{locks} {}", if locks == 1 { "lock" } else { "locks" });
        return format!("{locks}, {waiting} waiting, nothing found");
    };
    let of_kind = report.findings.chunk_by(|one, next| one.kind == next.kind);
    let counts: Vec<String> = of_kind.map(count).collect();
    format!("{}: {}", counts.join(", "), label(worst.lock))
}

/// The findings of one kind, of which the first is the worst.
fn count(findings: &[Finding]) -> String {
    let Some(worst) = findings.first() else { return String::new() };
    let (count, lock) = (findings.len(), worst.lock);
    match worst.kind {
        Kind::Verdict(Verdict::Deadlock) => format!("{count} in a deadlock"),
        Kind::Verdict(verdict) => format!("{count} {}", verdict.word()),
        Kind::Wait => {
            let who = first_waiter(lock).and_then(|first| first.process.command.as_deref());
            let who = who.map(|command| format!(" ({})", harmless(command)));
            let wait = short(longest_wait(lock));
            format!("{count} waiting for {wait}{}", who.unwrap_or_default())
        }
        Kind::Waiters => format!("{count} with up to {} waiting", lock.waiters.len()),
        Kind::Age => format!("{count} held for up to {}", short(lock.age.min)),
    }
}

/// `label=value;warn;crit;min`, as far as there is a limit; bounds are what is proven.
fn numbers(report: &Report) -> String {
    let (limits, sums) = (&report.limits, Sums::of(report));
    let limit = |limit: Option<String>| limit.unwrap_or_default();
    let time = |time| seconds(time).to_string();
    [
        format!("locks={};;;0", report.locks.len()),
        format!("waiting={};;;0", sums.waiting),
        format!("longest_wait={}s;;{};0", time(sums.longest_wait), limit(limits.wait.map(time))),
        format!(
            "longest_queue={};;{};0",
            sums.longest_queue,
            limit(limits.waiters.map(|most| most.to_string()))
        ),
        format!("oldest={}s;;{};0", time(sums.oldest), limit(limits.age.map(time))),
        format!("findings={};;0;0", report.findings.len()),
    ]
    .join(" ")
}

#[cfg(test)]
mod tests {
    use locktop::{Selection, Snapshot};

    use super::super::finding::Limits;
    use super::super::{Report, Scope};
    use super::*;
    use crate::cli::sample;

    const LIMITS: Limits =
        Limits { problems: true, age: None, wait: Some(Snapshot::LONG_WAIT), waiters: Some(5) };

    fn told(snapshot: &Snapshot, require_complete: bool) -> (String, Status) {
        let scope =
            Scope { selections: vec![Selection::all()], named: Vec::new(), refused: Vec::new() };
        let report = Report::of(snapshot, &scope, LIMITS);
        let mut out = Vec::new();
        let status = print(&mut out, &report, require_complete, None).unwrap();
        (String::from_utf8(out).unwrap(), status)
    }

    #[test]
    fn the_first_line_says_what_is_wrong() {
        let (text, status) = told(&sample::snapshot(), false);
        assert_eq!(status, Status::Code(2));
        insta::assert_snapshot!(text);
    }

    #[test]
    fn blindness_is_said_and_unknown_only_if_that_matters() {
        let mut snapshot = sample::snapshot();
        snapshot.locks.clear();
        for (required, status, word) in [(false, 0, "OK"), (true, 3, "UNKNOWN")] {
            let (text, told) = told(&snapshot, required);
            assert_eq!(told, Status::Code(status));
            assert!(
                text.starts_with(&format!("LOCKTOP {word} - 0 locks, 0 waiting, nothing found; "))
            );
            assert!(text.contains("14 processes of other users could not be read |"), "{text}");
        }
    }

    #[test]
    fn names_cannot_begin_the_numbers_and_leave_room_for_them() {
        let mut snapshot = sample::snapshot();
        let path = format!("/a|b\n|{}", "c|".repeat(2000));
        snapshot.locks = vec![sample::lock("@a", &path, Verdict::Stuck)];
        let (text, _) = told(&snapshot, false);
        let first = text.lines().next().unwrap();
        assert_eq!(text.matches('|').count(), 1, "{text}");
        assert!(first.contains("| locks=1;;;0 ") && first.len() < 1024, "{first}");
    }

    #[test]
    fn of_many_findings_some_have_a_line() {
        let mut snapshot = sample::snapshot();
        let stuck = sample::lock("@a", "/a", Verdict::Stuck);
        snapshot.locks = std::iter::repeat_n(stuck, MOST_LINES + 7).collect();
        let (text, _) = told(&snapshot, false);
        assert_eq!(text.lines().count(), 1 + MOST_LINES + 1);
        assert!(text.ends_with("... and 7 more\n"), "{text}");
    }
}
