//! What the judgement says of a lock, without what is said of every lock.

use crate::diagnose::phrase;
use crate::model::{Lock, Process};

use super::People;

/// So many holders the judgement tells by name.
const NAMED: usize = 3;

/// The clauses of the reason that say more than who has the lock and how many wait. Harmless to
/// print.
pub(super) fn of(lock: &Lock) -> String {
    let why = lock.why.as_deref().unwrap_or_default();
    let plain = plain(lock);
    let says_more = |clause: &&str| !plain.iter().any(|plain| plain == clause);
    why.split("; ").filter(says_more).collect::<Vec<_>>().join("; ")
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
    for holder in lock.holders.iter().take(NAMED) {
        // `rsync (pid 3244) keeps it through descriptor 9`.
        let keeps =
            format!("{} keeps it{}", phrase::name(&holder.process), phrase::through(&holder.fds));
        clauses.extend(phrase::doing(&holder.process).map(|doing| format!("{keeps} and {doing}")));
        clauses.push(format!("probably {keeps}"));
        clauses.push(keeps);
    }
    clauses
}

fn names(processes: &[&Process]) -> String {
    phrase::list(processes.iter().map(|process| phrase::name(process)), NAMED)
}
