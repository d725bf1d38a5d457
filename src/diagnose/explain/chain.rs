//! Whoever waits for one who waits in turn: who is at the end.

use std::collections::HashSet;

use crate::diagnose::phrase;
use crate::model::{Lock, Pid, Process, Snapshot, Verdict};

use super::People;

/// Longer chains are told as far as this.
const LINKS: usize = 100;

/// A lock that somebody waits for, and the only one who is in the way there.
#[derive(Debug, Clone, Copy)]
pub(in crate::diagnose) struct Link<'a> {
    pub(in crate::diagnose) lock: &'a Lock,
    pub(in crate::diagnose) holder: &'a Process,
}

/// The links behind a process, the nearest first, as far as each has one end only. A circle ends where
/// it closes.
pub(in crate::diagnose) fn behind<'a>(
    pid: Pid,
    snapshot: &'a Snapshot,
    people: &People<'a>,
) -> Vec<Link<'a>> {
    let mut links = Vec::new();
    let mut seen = HashSet::from([pid]);
    let mut next = link(pid, snapshot, people);
    while let Some(link_to_tell) = next.filter(|_| links.len() < LINKS) {
        links.push(link_to_tell);
        let pid = link_to_tell.holder.pid;
        next = pid.filter(|pid| seen.insert(*pid)).and_then(|pid| link(pid, snapshot, people));
    }
    links
}

fn link<'a>(pid: Pid, snapshot: &'a Snapshot, people: &People<'a>) -> Option<Link<'a>> {
    let waiters = snapshot.locks.iter().flat_map(|lock| &lock.waiters);
    let mut waits = waiters.filter(|waiter| waiter.process.pid == Some(pid));
    // Of one who waits in several threads no single end can be told.
    let waiter = waits.next().filter(|_| waits.next().is_none())?;
    let (first, others) = waiter.blocked_by.split_first()?;
    let holder = people.get(first.pid?)?;
    let alone = others.iter().all(|other| other.pid == first.pid);
    alone.then_some(())?;
    Some(Link { lock: snapshot.lock(&first.id)?, holder })
}

/// `/b is held by tar (pid 7), which waits in turn; at the end of the chain sort (pid 8) has /c, and
/// is stopped by a signal.`, unless the reason says so.
pub(super) fn told(lock: &Lock, snapshot: &Snapshot, people: &People<'_>) -> Option<String> {
    let [only] = &*lock.holders else { return None };
    if matches!(lock.verdict, Verdict::Stuck | Verdict::Deadlock) {
        return None;
    }
    let links = behind(only.process.pid?, snapshot, people);
    let (first, last) = (links.first()?, links.last()?);
    let doing = phrase::doing(last.holder);
    let held = format!("{} is held by {}", first.lock.label(), first.holder.label());
    Some(match (links.len(), doing) {
        (1, Some(doing)) => format!("{held}, which {doing}."),
        (1, None) => format!("{held}."),
        (_, doing) => format!(
            "{held}, which waits in turn; at the end of the chain {} has {}{}.",
            last.holder.label(),
            last.lock.label(),
            doing.map_or_else(String::new, |doing| format!(" and {doing}"))
        ),
    })
}
