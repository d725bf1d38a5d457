//! A lock told in plain sentences.

mod chain;
mod holders;
mod queue;
mod reason;

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use crate::model::{
    Deadlock, Detail, Lock, LockId, Mode, Pid, Process, Snapshot, Span, Verdict, harmless,
};

use super::advice::{self, Advice};
use super::verdict::STEPS;
use super::{chains, phrase};

pub(super) use chain::{Link, behind as chain_behind};
pub(super) use queue::{behind, waits};
use reason::Reason;

/// So many members of a circle are told one by one, the others by their number.
const MEMBERS: usize = 20;

/// So many circles are told one by one, the others by their number.
const CIRCLES: usize = 3;

/// What a good colleague would say of a lock. All texts are harmless to print.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// One line: the lock and its verdict.
    pub headline: String,
    /// Why it does not move, who has it and since when, who waits, what the holders do and who they
    /// are: sentences in that order.
    pub sentences: Vec<String>,
    /// The queue, a line a waiter.
    pub queue: Vec<QueueLine>,
    /// What can be done next, least harm first.
    pub next: Vec<Advice>,
    /// What could not be seen and bears on this.
    pub unseen: Vec<String>,
}

/// One waiter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueueLine {
    /// How deep it stands in the tree of waiting, from 1.
    pub depth: u32,
    /// Such as `apt (pid 1203, alice) has waited 12m04s to have it exclusively`.
    pub text: String,
}

/// Explains one lock of a snapshot.
#[must_use]
pub fn explain(lock: &Lock, snapshot: &Snapshot) -> Explanation {
    let people = People::of(snapshot);
    Explanation {
        headline: headline(lock),
        sentences: sentences(lock, snapshot, &people),
        queue: queue::lines(lock, snapshot, &people),
        next: advice::for_lock(lock, snapshot),
        unseen: unseen(snapshot),
    }
}

fn headline(lock: &Lock) -> String {
    let name =
        lock.name.as_deref().map_or_else(String::new, |name| format!(" ({})", harmless(name)));
    let family = harmless(&lock.family);
    let kind = match (&lock.on_disk, lock.mode) {
        (Some(there), _) => format!("{family}, a {}", there.content.form().word()),
        (None, Mode::Shared) => format!("{family} lock, shared"),
        (None, Mode::Exclusive) => format!("{family} lock, exclusive"),
    };
    format!("{}{}{name}: {} ({kind})", lock.label(), phrase::bytes(lock.range), lock.verdict.word())
}

fn sentences(lock: &Lock, snapshot: &Snapshot, people: &People<'_>) -> Vec<String> {
    let reason = Reason::of(lock);
    // What keeps it from moving comes first, what is only remarkable after.
    let is_first = lock.verdict < Verdict::Contended || holders::are_told(lock, &reason);
    let mut sentences = holders::held(lock, &reason, is_first);
    if !reason.more.is_empty() {
        let place = if is_first { 0 } else { sentences.len() };
        sentences.insert(place, reason::sentence(&reason.more, people));
    }
    sentences.extend(waiting(lock));
    if let Some(Detail::Text(meaning)) = lock.details.get("meaning") {
        sentences.push(harmless(meaning).into_owned());
    }
    if lock.normal {
        sentences.push("It is meant to be held for long.".into());
    }
    if lock.deleted && lock.verdict != Verdict::Split {
        sentences.push(
            "Its file has been removed from that path, but is still locked: whoever makes it anew \
             is not kept out."
                .into(),
        );
    }
    let circles: Vec<_> =
        snapshot.deadlocks.iter().filter(|circle| circle.locks.contains(&lock.id)).collect();
    if circles.is_empty() {
        let others = || snapshot.locks.iter().filter(|other| other.id != lock.id);
        sentences.extend(holders::that_wait(lock, others, &reason));
    }
    // The reason tells the first circle step by step, unless it is long.
    let told = circles.iter().take(1).filter(|circle| circle.members.len() <= STEPS).count();
    let untold = circles.iter().take(CIRCLES).skip(told);
    sentences.extend(untold.map(|circle| told_circle(circle, snapshot, people)));
    if circles.len() > CIRCLES {
        sentences.push(format!("It is part of {} more circles.", circles.len() - CIRCLES));
    }
    sentences.extend(chains::told(lock, &circles));
    sentences.extend(holders::doing(lock, snapshot, &reason));
    sentences.extend(chain::told(lock, snapshot, people));
    sentences.extend(holders::themselves(lock, &reason));
    sentences
}

/// How many processes wait for a lock; those that nothing is known of count one each.
pub(super) fn processes_waiting(lock: &Lock) -> usize {
    let pids = || lock.waiters.iter().map(|waiter| waiter.process.pid);
    let known: HashSet<_> = pids().flatten().collect();
    known.len() + pids().filter(Option::is_none).count()
}

/// `3 processes wait for it, the longest for 12m04s.`
fn waiting(lock: &Lock) -> Option<String> {
    let count = processes_waiting(lock);
    let holds = |pid| lock.holders.iter().any(|by| by.process.pid == pid);
    let waits_for_itself = count == 1
        && lock.verdict == Verdict::Deadlock
        && lock.waiters.iter().all(|waiter| holds(waiter.process.pid));
    let longest = lock.longest_wait().and_then(Span::sentence);
    let longest = longest.filter(|_| count > 1);
    let longest = longest.map_or_else(String::new, |span| format!(", the longest for {span}"));
    let at_least = if lock.details.contains_key("queue_cut") { "At least " } else { "" };
    let wait = phrase::plural(count, "process waits", "processes wait");
    (count > 0 && !waits_for_itself).then(|| format!("{at_least}{count} {wait} for it{longest}."))
}

pub(super) fn told_circle(circle: &Deadlock, snapshot: &Snapshot, people: &People<'_>) -> String {
    let steps = circle.members.iter().enumerate().take(MEMBERS).map(|(number, member)| {
        let next = &circle.members[(number + 1) % circle.members.len()];
        let next = if next.waits() == member.pid { "it".into() } else { people.name(next.pid) };
        let asker = member.through.map(|asker| people.name(asker));
        let wants = phrase::through_a_child(asker.as_deref()) + &label(snapshot, &member.wants);
        format!("{} waits for {wants}, which {next} keeps", people.name(member.pid))
    });
    let mut steps = steps.collect::<Vec<_>>().join("; ");
    if let more @ 1.. = circle.members.len().saturating_sub(MEMBERS) {
        steps = format!("{steps}; and so on, {more} more");
    }
    let ways_out = if circle.certain {
        "by themselves they never go on"
    } else {
        "whether a thread or process that was not seen waiting can open this circle is not certain"
    };
    format!("In a circle: {steps}; {ways_out}.")
}

/// The name of a lock of this snapshot in a sentence.
pub(super) fn label(snapshot: &Snapshot, id: &LockId) -> String {
    snapshot.lock(id).map_or_else(
        || id.to_string(),
        |lock| format!("{}{}", lock.label(), phrase::bytes(lock.range)),
    )
}

/// What the look was blind to, with what would change that.
pub(super) fn unseen(snapshot: &Snapshot) -> Vec<String> {
    if snapshot.complete {
        return Vec::new();
    }
    let told = snapshot.notes.iter().map(|note| {
        let help = note.would_help.as_deref().map(|help| format!(" ({})", harmless(help)));
        format!("{}{}", harmless(&note.text), help.unwrap_or_default())
    });
    told.collect()
}

/// The names of all holders and waiters of a snapshot.
pub(super) struct People<'a>(BTreeMap<Pid, &'a Process>);

impl<'a> People<'a> {
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        let holders = snapshot.locks.iter().flat_map(|lock| lock.holders.iter());
        let waiters = snapshot.locks.iter().flat_map(|lock| &lock.waiters);
        let processes =
            holders.map(|holder| &*holder.process).chain(waiters.map(|waiter| &*waiter.process));
        Self(processes.filter_map(|process| Some((process.pid?, process))).collect())
    }

    pub(super) fn get(&self, pid: Pid) -> Option<&'a Process> {
        self.0.get(&pid).copied()
    }

    pub(super) fn name(&self, pid: Pid) -> String {
        self.get(pid).map_or_else(|| format!("pid {pid}"), Process::label)
    }
}

#[cfg(test)]
mod tests;
