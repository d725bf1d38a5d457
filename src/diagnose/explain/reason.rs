//! What the judgement says of a lock, without what is said of every lock.

use crate::diagnose::phrase;
use crate::model::{Holder, Lock, Process, harmless};

use super::People;

/// So many holders the judgement tells by name.
const NAMED: usize = 3;

/// The reason, taken apart. Harmless to print.
#[derive(Debug, Default)]
pub(super) struct Reason {
    /// The clauses that say more than who has the lock and how many wait.
    pub(super) more: String,
    /// What the only holder is up to: `has done nothing for more than 12m: it waits for a timer`.
    pub(super) activity: Option<String>,
}

impl Reason {
    pub(super) fn of(lock: &Lock) -> Self {
        let plain = plain(lock);
        let active: Vec<_> = lock.holders.iter().take(1).map(|by| keeps(by) + " and ").collect();
        let mut reason = Self::default();
        let mut more: Vec<&str> = Vec::new();
        // Whether the clause before was about what the holder is up to.
        let mut goes_on = false;
        let why = harmless(lock.why.as_deref().unwrap_or_default());
        for clause in why.split("; ") {
            let activity = active.iter().find_map(|keeps| clause.strip_prefix(keeps.as_str()));
            if let Some(activity) = activity {
                reason.activity = Some(activity.to_owned());
                goes_on = true;
            } else if let Some(told) = &mut reason.activity
                && goes_on
                && clause.starts_with("or for ")
            {
                told.push_str("; ");
                told.push_str(clause);
            } else {
                goes_on = false;
                more.extend((!plain.iter().any(|plain| plain == clause)).then_some(clause));
            }
        }
        reason.more = more.join("; ");
        reason
    }
}

/// As a sentence; names of processes are written as they write themselves.
pub(super) fn sentence(reason: &str, people: &People<'_>) -> String {
    let named = || {
        let (_, number) = reason.split_once("(pid ")?;
        let pid = number.split(')').next()?.parse().ok()?;
        reason.starts_with(&people.name(pid)).then_some(())
    };
    let (first, rest) = reason.split_at(reason.chars().next().map_or(0, char::len_utf8));
    if named().is_some() || reason.starts_with("pid ") {
        format!("{reason}.")
    } else {
        format!("{}{rest}.", first.to_uppercase())
    }
}

/// Clauses that say nothing but who has it, or that somebody waits.
fn plain(lock: &Lock) -> Vec<String> {
    let mut processes: Vec<&Process> = lock.holders.iter().map(|by| &*by.process).collect();
    let listed = names(&processes);
    processes.sort_by_key(|process| process.pid);
    processes.dedup_by_key(|process| process.pid);
    let waiting = lock.waiters.len();
    let mut clauses = vec![
        "1 waits".into(),
        format!("{waiting} wait"),
        format!("at least {waiting} wait"),
        format!("{listed} keep it"),
        format!("{} keep it together", names(&processes)),
    ];
    for keeps in lock.holders.iter().take(NAMED).map(keeps) {
        clauses.push(format!("probably {keeps}"));
        clauses.push(keeps);
    }
    clauses
}

/// `rsync (pid 3244) keeps it through descriptor 9`.
fn keeps(holder: &Holder) -> String {
    format!("{} keeps it{}", holder.process.label(), phrase::through(&holder.fds))
}

fn names(processes: &[&Process]) -> String {
    phrase::list(processes.iter().map(|process| process.label()), NAMED)
}
