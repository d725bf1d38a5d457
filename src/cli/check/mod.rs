//! `locktop check`: limits and problems, for monitoring.

mod document;
mod finding;
mod nagios;

use std::io::Write as _;

use locktop::model::{Lock, Note, short};
use locktop::{Folders, Inspector, Memory, Selection, Snapshot, Target, release};

use super::args::{Check, Global};
use super::failure::{Failure, Status};
use super::{json, page, pick, stderr};
use document::Document;
use finding::{Finding, Limits};

/// Looks once, and says what was found.
pub(crate) fn run(check: &Check, global: Global) -> Result<Status, Failure> {
    let result = judge(check, global);
    if !check.nagios {
        return result;
    }
    result.or_else(nagios::unknown)
}

/// Says what went wrong as a plugin does: by then nothing else can be told.
pub(crate) fn unknown(failure: Failure) -> Result<Status, Failure> {
    nagios::unknown(failure)
}

fn judge(check: &Check, global: Global) -> Result<Status, Failure> {
    let targets = pick::parse(&check.targets)?;
    let mut inspector = Inspector::new()?;
    inspector.expect_at(&targets, Folders::Below);
    let mut memory = Memory::usual();
    let forgotten = inspector.recall(&mut memory);
    let mut snapshot = inspector.snapshot_about(&[], Folders::Below)?;
    snapshot.notes.extend(forgotten);
    snapshot.notes.extend(inspector.remember(&memory));
    snapshot.notes.extend(release::leftovers(&targets));
    stderr::cost(&snapshot, global);

    let scope = Scope::of(&mut inspector, &snapshot, &targets)?;
    let report = Report::of(&snapshot, &scope, Limits::of(check));
    report.tell_uncertain(global);
    let mut out = page::out();
    if check.nagios {
        let refused = scope.refused.first();
        let status = nagios::print(&mut out, &report, check.require_complete, refused)?;
        out.flush()?;
        return Ok(status);
    }
    if check.json {
        json::print(&mut out, &Document::of(&report))?;
    } else {
        for finding in &report.findings {
            writeln!(out, "{}", report.line(finding))?;
        }
    }
    out.flush()?;
    if !check.json {
        stderr::notes(&snapshot, global);
    }
    Ok(report.status(check.require_complete, scope.tell_refused()))
}

/// What was asked for.
struct Scope {
    /// What is looked at.
    selections: Vec<Selection>,
    /// What is meant by name, and not only since it is below a folder.
    named: Vec<Selection>,
    /// What could not be looked up.
    refused: Vec<Failure>,
}

impl Scope {
    /// Looks each target up. Where none is left, that is a failure.
    fn of(
        inspector: &mut Inspector,
        snapshot: &Snapshot,
        targets: &[Target],
    ) -> Result<Self, Failure> {
        let mut scope = Self { selections: Vec::new(), named: Vec::new(), refused: Vec::new() };
        if targets.is_empty() {
            scope.selections.push(Selection::all());
        }
        for target in targets {
            let target = std::slice::from_ref(target);
            match inspector.select(snapshot, target, Folders::Below) {
                Ok(selection) => scope.selections.push(selection),
                Err(error) => scope.refused.push(error.into()),
            }
            let is_process = matches!(target, [Target::Pid(_)]);
            let named = inspector.select(snapshot, target, Folders::Themselves);
            // Why it cannot be looked up has been noted.
            scope.named.extend(named.ok().filter(|_| !is_process));
        }
        if scope.selections.is_empty()
            && let Some(last) = scope.refused.pop()
        {
            scope.tell_refused();
            return Err(last);
        }
        Ok(scope)
    }

    fn contains(&self, lock: &Lock) -> bool {
        self.selections.iter().any(|selection| selection.contains(lock))
    }

    fn names(&self, lock: &Lock) -> bool {
        self.named.iter().any(|selection| selection.contains(lock))
    }

    /// Says what could not be looked up; the first status of it.
    fn tell_refused(&self) -> Option<Status> {
        let statuses: Vec<Status> = self.refused.iter().map(Failure::tell).collect();
        statuses.first().copied()
    }
}

/// What came of a check.
struct Report<'a> {
    snapshot: &'a Snapshot,
    limits: Limits,
    /// Those that were asked for.
    locks: Vec<&'a Lock>,
    /// Those of them that can be too old.
    mortal: Vec<&'a Lock>,
    /// Worst first.
    findings: Vec<Finding<'a>>,
    /// What could not be seen, in words that are harmless to print.
    blind: Option<String>,
}

impl<'a> Report<'a> {
    fn of(snapshot: &'a Snapshot, scope: &Scope, limits: Limits) -> Self {
        let locks: Vec<&Lock> = snapshot.locks.iter().filter(|lock| scope.contains(lock)).collect();
        let can_be_old = |lock: &&&Lock| !lock.normal || scope.names(lock);
        let mortal: Vec<&Lock> = locks.iter().filter(can_be_old).copied().collect();
        let findings = finding::find(&locks, &mortal, &limits);
        Self { snapshot, limits, locks, mortal, findings, blind: blind_spots(snapshot) }
    }

    /// A finding with what could not be seen, which is part of every answer.
    fn line(&self, finding: &Finding) -> String {
        match &self.blind {
            Some(blind) => format!("{finding} ({blind})"),
            None => finding.to_string(),
        }
    }

    fn status(&self, require_complete: bool, refused: Option<Status>) -> Status {
        if let Some(refused) = refused {
            return refused;
        }
        match (&self.blind, &self.findings[..]) {
            (Some(_), _) if require_complete => Status::Unreadable,
            (_, []) => Status::Done,
            _ => Status::No,
        }
    }

    /// How many locks may be too old, for all that is known.
    fn uncertain(&self) -> Option<usize> {
        let limit = self.limits.age?;
        let may_be = |lock: &&&Lock| {
            lock.age.min <= limit && lock.age.max.is_none_or(|longest| longest > limit)
        };
        Some(self.mortal.iter().filter(may_be).count())
    }

    fn tell_uncertain(&self, global: Global) {
        if let (true, Some(limit), Some(count @ 1..)) =
            (global.verbose, self.limits.age, self.uncertain())
        {
            let locks = if count == 1 { "lock" } else { "locks" };
            let limit = short(limit);
            stderr::error(&format!(
                "{count} {locks} may have been held for longer than {limit}: that is not proven"
            ));
        }
    }
}

/// What could not be seen: all that a look notes, but for what is no matter of seeing.
fn blind_spots(snapshot: &Snapshot) -> Option<String> {
    const OTHERS: [&str; 3] = ["memory_", "catalogue_", "left_aside"];
    let is_blind = |note: &&Note| !OTHERS.iter().any(|code| note.code.starts_with(code));
    let spots: Vec<&str> =
        snapshot.notes.iter().filter(is_blind).map(|note| note.text.as_str()).collect();
    match (&spots[..], snapshot.complete) {
        ([], true) => None,
        ([], false) => Some("not everything could be seen".into()),
        _ => Some(spots.join("; ")),
    }
}
