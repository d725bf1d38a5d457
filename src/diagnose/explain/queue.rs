//! Those who wait, a line each.

use std::collections::HashSet;

use crate::diagnose::stuck::halt;
use crate::diagnose::{phrase, portrait};
use crate::model::{Blocker, How, Lock, Moment, Snapshot, Waiter};

use super::{People, QueueLine, label};

pub(super) fn lines(lock: &Lock, snapshot: &Snapshot, people: &People<'_>) -> Vec<QueueLine> {
    let holders: HashSet<_> = lock.holders.iter().map(|by| by.process.pid).collect();
    // That it waits for all who have the lock goes without saying.
    let is_plain = |waiter: &Waiter| {
        let blockers: HashSet<_> = waiter.blocked_by.iter().map(|by| by.pid).collect();
        waiter.blocked_by.iter().all(|by| by.id == lock.id) && blockers == holders
    };
    let line = |waiter: &Waiter| {
        let behind =
            if is_plain(waiter) { String::new() } else { behind(lock, waiter, snapshot, people) };
        let text = format!("{}{behind}", waits(waiter, "it", snapshot.at));
        QueueLine { depth: waiter.depth, text }
    };
    let mut lines: Vec<_> = lock.tree().into_iter().map(line).collect();
    if lock.details.contains_key("queue_cut") {
        let text = "more wait: the queue was too long to be read to its end".into();
        lines.push(QueueLine { depth: 1, text });
    }
    lines
}

/// `apt (pid 1203, alice) has waited 12m04s to have it exclusively`.
pub(in crate::diagnose) fn waits(waiter: &Waiter, what: &str, at: Moment) -> String {
    let process = &waiter.process;
    let name = process.label();
    let who = match (portrait::user(process), name.strip_suffix(')')) {
        (Some(user), Some(name)) if process.pid.is_some() => format!("{name}, {user})"),
        (Some(user), _) => format!("{name} ({user})"),
        (None, _) => name,
    };
    let waits = match waiter.waited.sentence() {
        Some(span) => format!("has waited {span}"),
        None => "waits".into(),
    };
    let how = match waiter.how {
        How::Kernel => String::new(),
        How::Polling => waiter.trying().map(|trying| format!(", and {trying}")).unwrap_or_default(),
        How::Engine => ", in the server's queue".into(),
    };
    let wanted = match phrase::bytes(waiter.range) {
        whole if whole.is_empty() => what.into(),
        bytes if what == "it" => bytes.trim_start().to_owned(),
        bytes => format!("{what}{bytes}"),
    };
    let manner = phrase::manner(waiter.mode);
    let halted = halt(process, at).map_or_else(String::new, |halt| format!(", but {halt}"));
    format!("{who} {waits} to have {wanted} {manner}{how}{halted}")
}

/// `, behind rsync (pid 3244)`; the lock is named where it is another than the queue's.
pub(in crate::diagnose) fn behind(
    lock: &Lock,
    waiter: &Waiter,
    snapshot: &Snapshot,
    people: &People<'_>,
) -> String {
    let blocker = |blocker: &Blocker| {
        let who = blocker.pid.map_or_else(|| "somebody unseen".into(), |pid| people.name(pid));
        if blocker.id == lock.id {
            who
        } else {
            format!("{who} ({})", label(snapshot, &blocker.id))
        }
    };
    if waiter.blocked_by.is_empty() {
        return String::new();
    }
    format!(", behind {}", phrase::list(waiter.blocked_by.iter().map(blocker), 3))
}
