//! A lock told in plain sentences.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{
    Blocker, Certainty, Deadlock, Detail, Holder, How, Lock, LockId, Moment, Pid, Process,
    Snapshot, Span, Verdict, Waiter, harmless, short,
};

use super::advice::{self, Advice};
use super::stuck::halt;
use super::verdict::STEPS;
use super::{chains, phrase, portrait};

/// So many holders are told one by one, the others by their number.
const HOLDERS: usize = 5;

/// So many members of a circle are told one by one, the others by their number.
const MEMBERS: usize = 20;

/// So many circles are told one by one, the others by their number.
const CIRCLES: usize = 3;

/// What a good colleague would say of a lock. All texts are harmless to print.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// One line: the lock and its verdict.
    pub headline: String,
    /// Why it does not move, who has it, since when, what they do: sentences in that order.
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
    /// Such as `apt 1203 (alice) waits 12m04s in the kernel's queue`.
    pub text: String,
}

/// Explains one lock of a snapshot.
#[must_use]
pub fn explain(lock: &Lock, snapshot: &Snapshot) -> Explanation {
    let people = People::of(snapshot);
    Explanation {
        headline: headline(lock),
        sentences: sentences(lock, snapshot, &people),
        queue: queue(lock, snapshot, &people),
        next: advice::for_lock(lock, snapshot),
        unseen: unseen(snapshot),
    }
}

fn headline(lock: &Lock) -> String {
    let name =
        lock.name.as_deref().map_or_else(String::new, |name| format!(" ({})", harmless(name)));
    let family = harmless(&lock.family);
    let kind = match &lock.on_disk {
        Some(there) => format!("{family}, a {}", there.content.form().word()),
        None => format!("{family} lock, held {}", phrase::manner(lock.mode)),
    };
    format!("{}{}{name}: {} ({kind})", lock.label(), phrase::bytes(lock.range), lock.verdict.word())
}

fn sentences(lock: &Lock, snapshot: &Snapshot, people: &People<'_>) -> Vec<String> {
    let holders = &lock.holders[..lock.holders.len().min(HOLDERS)];
    let why = lock.why.as_deref().unwrap_or_default();
    // The judgement first, unless it says no more than what follows.
    let is_plain = why.is_empty() || holders.iter().any(|holder| why == keeps(holder));
    let mut sentences: Vec<String> = Vec::new();
    sentences.extend((!is_plain).then(|| judgement(lock, why)));
    sentences.extend(holders.iter().map(|holder| held_by(holder, lock)));
    match lock.holders.len() {
        0 if lock.verdict == Verdict::Stale => sentences.push("Nobody has it.".into()),
        0 => sentences.push("Who holds it could not be seen.".into()),
        count if count > HOLDERS => {
            sentences.push(format!("{} more hold it with them.", count - HOLDERS));
        }
        _ => {}
    }
    sentences.push(match &lock.on_disk {
        Some(there) if lock.holders.is_empty() => {
            there_since(&lock.age, there.content.form().word())
        }
        _ => since(&lock.age),
    });
    if lock.normal {
        sentences.push("To hold it for long is by design.".into());
    }
    if let Some(Detail::Text(meaning)) = lock.details.get("meaning") {
        sentences.push(harmless(meaning).into_owned());
    }
    if lock.deleted {
        sentences.push("Its file has been removed from that path, but is still locked.".into());
    }
    let circles: Vec<_> =
        snapshot.deadlocks.iter().filter(|circle| circle.locks.contains(&lock.id)).collect();
    sentences.extend(holders.iter().filter_map(|holder| doing(&holder.process, snapshot.at, why)));
    if circles.is_empty() {
        let others = || snapshot.locks.iter().filter(|other| other.id != lock.id);
        let waits = holders.iter().filter_map(|by| itself_waits(&by.process, others(), why));
        sentences.extend(waits);
    }
    // The reason tells the first circle step by step, unless it is long.
    let told = circles.iter().take(1).filter(|circle| circle.members.len() <= STEPS).count();
    let untold = circles.iter().take(CIRCLES).skip(told);
    sentences.extend(untold.map(|circle| told_circle(circle, snapshot, people)));
    if circles.len() > CIRCLES {
        sentences.push(format!("It is part of {} more circles.", circles.len() - CIRCLES));
    }
    sentences.extend(chains::told(lock, &circles));
    sentences
}

/// `Orphaned: whoever took it has ended; …`.
fn judgement(lock: &Lock, why: &str) -> String {
    let (first, rest) = lock.verdict.word().split_at(1);
    format!("{}{rest}: {}.", first.to_uppercase(), harmless(why))
}

/// What is said of a lock of which nothing else can be said.
fn keeps(holder: &Holder) -> String {
    format!("{} keeps it{}", phrase::name(&holder.process), phrase::through(&holder.fds))
}

/// `Held by rsync (pid 3244) through descriptor 9, run by backup, …`.
fn held_by(holder: &Holder, lock: &Lock) -> String {
    let verb = match holder.certainty {
        Certainty::Proven => "Held by",
        Certainty::Likely => "Probably held by",
        Certainty::Recorded => "By the record held by",
    };
    let checked = match holder.certainty {
        Certainty::Recorded => "; whether it really keeps the lock could not be checked",
        _ => "",
    };
    let on_host =
        lock.elsewhere(holder).map_or_else(String::new, |host| format!(" on {}", harmless(host)));
    format!(
        "{verb} {}{on_host}{}{}{checked}.",
        phrase::name(&holder.process),
        phrase::through(&holder.fds),
        portrait::circumstances(&holder.process)
    )
}

/// `Held for at least 41m00s.`
fn since(age: &Span) -> String {
    let span = match age.sentence() {
        Some(span) => format!("Held for {span}"),
        None => "For how long could not be told".into(),
    };
    let seen = age.times_seen().map(|times| {
        format!("; seen {times} times, and it may have been released and retaken in between")
    });
    format!("{span}{}.", seen.unwrap_or_default())
}

/// `The file has been there for 3h02m.`
fn there_since(age: &Span, form: &str) -> String {
    match age.sentence() {
        Some(span) => format!("The {form} has been there for {span}."),
        None => format!("How long the {form} has been there could not be told."),
    }
}

/// `rsync (pid 3244) sleeps in do_select, last ran 2.0s ago.`, unless the reason says so.
fn doing(process: &Process, at: Moment, why: &str) -> Option<String> {
    let doing = format!("{} {}", phrase::name(process), phrase::doing(process)?);
    let ran = process.idle(at).map(|ran| format!(", last ran {} ago", short(ran)));
    (!why.contains(&doing)).then(|| format!("{doing}{}.", ran.unwrap_or_default()))
}

/// `apt (pid 7) itself waits for /a.`, unless the reason says so.
fn itself_waits<'a>(
    process: &Process,
    others: impl Iterator<Item = &'a Lock>,
    why: &str,
) -> Option<String> {
    let pid = process.pid?;
    let waits = |lock: &&Lock| lock.waiters.iter().any(|waiter| waiter.process.pid == Some(pid));
    let locks: Vec<_> = others.filter(waits).collect();
    let labels = phrase::list(locks.iter().map(|lock| lock.label()), 3);
    let told = format!("{} itself waits for {labels}", phrase::name(process));
    (!locks.is_empty() && !why.contains(&told)).then(|| format!("{told}."))
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

fn queue(lock: &Lock, snapshot: &Snapshot, people: &People<'_>) -> Vec<QueueLine> {
    let mut lines: Vec<_> = lock
        .tree()
        .into_iter()
        .map(|waiter| QueueLine {
            depth: waiter.depth,
            text: format!(
                "{}{}",
                waits(waiter, snapshot.at),
                behind(lock, waiter, snapshot, people)
            ),
        })
        .collect();
    if lock.details.contains_key("queue_cut") {
        let text = "more wait: the queue was too long to be read to its end".into();
        lines.push(QueueLine { depth: 1, text });
    }
    lines
}

/// `apt 1203 (alice) waits 12m04s in the kernel's queue, wants it exclusively`.
pub(super) fn waits(waiter: &Waiter, at: Moment) -> String {
    let process = &waiter.process;
    let who = match (&process.command, process.pid) {
        (Some(command), Some(pid)) => format!("{} {pid}", harmless(command)),
        _ => phrase::name(process),
    };
    let user = portrait::user(process).map_or_else(String::new, |user| format!(" ({user})"));
    let span = waiter.waited.sentence().map_or_else(String::new, |span| format!(" {span}"));
    let how = match waiter.how {
        How::Kernel => "in the kernel's queue",
        How::Polling => "trying again and again",
        How::Engine => "in the server's queue",
    };
    let wants = match phrase::bytes(waiter.range) {
        whole if whole.is_empty() => " it".into(),
        bytes => bytes,
    };
    let manner = phrase::manner(waiter.mode);
    let halted = halt(process, at).map_or_else(String::new, |halt| format!(", but {halt}"));
    format!("{who}{user} waits{span} {how}, wants{wants} {manner}{halted}")
}

/// `, behind rsync (pid 3244)`; the lock is named where it is another than the queue's.
pub(super) fn behind(
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
        self.get(pid).map_or_else(|| format!("pid {pid}"), phrase::name)
    }
}

#[cfg(test)]
mod tests;
