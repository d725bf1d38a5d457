//! A process told by its locks: what it holds and what it waits for.

use crate::model::{
    Certainty, Deadlock, Holder, Lock, Moment, Pid, Process, Reason, Snapshot, Verdict, Waiter,
    harmless, short,
};

use super::advice::{self, Advice};
use super::explain::{self, Explanation, People, QueueLine};
use super::{phrase, portrait};

/// So many locks are told one by one, the others by their number.
const LOCKS: usize = 20;

/// Explains what a process holds and waits for.
///
/// A process that is in no lock of the snapshot is told as such: its descriptors may not have been
/// readable.
#[must_use]
pub fn explain_process(pid: Pid, snapshot: &Snapshot) -> Explanation {
    let people = People::of(snapshot);
    let held: Vec<_> = snapshot.locks.iter().flat_map(|lock| held_by(pid, lock)).collect();
    let wanted: Vec<_> = snapshot.locks.iter().flat_map(|lock| wanted_by(pid, lock)).collect();

    let process = people.get(pid);
    let is_in = |circle: &&Deadlock| {
        let mut members = circle.members.iter();
        // Whoever keeps with a member what is waited for is part of it.
        members.any(|member| member.pid == pid || member.waits() == pid)
            || held.iter().any(|(lock, _)| circle.locks.contains(&lock.id))
    };
    let circles: Vec<_> = snapshot.deadlocks.iter().filter(is_in).collect();
    let mut sentences = several(&circles, |circle| explain::told_circle(circle, snapshot, &people));
    sentences.extend(troubles(&held));
    sentences.extend(several(&wanted, |(lock, waiter)| waits(lock, waiter, snapshot, &people)));
    sentences.extend(several(&held, |(lock, holder)| holds(lock, holder)));
    if let Some(process) = process {
        let is_told = |doing: &String| sentences.iter().any(|told| told.contains(doing));
        let doing = phrase::doing(process).filter(|doing| !is_told(doing) && wanted.is_empty());
        sentences
            .extend(doing.map(|doing| {
                format!("{} {doing}{}.", command(process), ran(process, snapshot.at))
            }));
        sentences.extend(portrait::of_all(&[process], command));
    }
    Explanation {
        headline: format!("{} {}", people.name(pid), summary(held.len(), wanted.len())),
        sentences,
        queue: held.iter().flat_map(|(lock, _)| behind(lock, pid, snapshot.at)).collect(),
        next: next(process, &held, &wanted, snapshot, advice::open(&circles, snapshot)),
        unseen: explain::unseen(snapshot),
    }
}

fn held_by(pid: Pid, lock: &Lock) -> impl Iterator<Item = (&Lock, &Holder)> {
    let holders = lock.holders.iter().filter(move |holder| holder.process.pid == Some(pid));
    holders.map(move |holder| (lock, holder))
}

fn wanted_by(pid: Pid, lock: &Lock) -> impl Iterator<Item = (&Lock, &Waiter)> {
    let waiters = lock.waiters.iter().filter(move |waiter| waiter.process.pid == Some(pid));
    waiters.map(move |waiter| (lock, waiter))
}

/// `holds 2 locks and waits for 1`.
fn summary(held: usize, wanted: usize) -> String {
    let locks = |count| format!("{count} {}", phrase::plural(count, "lock", "locks"));
    match (held, wanted) {
        (0, 0) => "holds no lock and waits for none, as far as could be seen".into(),
        (held, 0) => format!("holds {} and waits for none", locks(held)),
        (0, wanted) => format!("waits for {} and holds none", locks(wanted)),
        (held, wanted) => format!("holds {} and waits for {wanted}", locks(held)),
    }
}

/// Its number is in the headline.
fn command(process: &Process) -> String {
    let command = process.command.as_deref();
    command.map_or_else(|| process.label(), |command| harmless(command).into_owned())
}

/// `, last ran 2.0s ago`.
fn ran(process: &Process, at: Moment) -> String {
    process.idle(at).map_or_else(String::new, |ran| format!(", last ran {} ago", short(ran)))
}

/// `It has /a exclusively through descriptor 9, for 12m04s; 2 wait for that.`
fn holds(lock: &Lock, holder: &Holder) -> String {
    let certainly = match holder.certainty {
        Certainty::Proven => "It has",
        Certainty::Likely => "It probably has",
        Certainty::Recorded => "On record it has",
    };
    let with = match lock.holders.len() - 1 {
        0 => String::new(),
        others => format!(", with {others} {}", phrase::plural(others, "other", "others")),
    };
    let age = lock.age.sentence().map_or_else(String::new, |age| format!(", for {age}"));
    let waiting = match explain::processes_waiting(lock) {
        0 => "nobody waits for that".into(),
        1 => "1 process waits for that".into(),
        count => format!("{count} processes wait for that"),
    };
    format!(
        "{certainly} {} {}{}{with}{age}; {waiting}.",
        what(lock),
        phrase::manner(lock.mode),
        phrase::through(&holder.fds),
    )
}

/// What keeps its locks from moving, each reason once. Circles are told on their own.
fn troubles(held: &[(&Lock, &Holder)]) -> Vec<String> {
    let mut told: Vec<(&Reason, String)> = Vec::new();
    let in_trouble = held
        .iter()
        .map(|(lock, _)| lock)
        .take(LOCKS)
        .filter(|lock| lock.verdict.is_problem() && lock.verdict != Verdict::Deadlock);
    for lock in in_trouble {
        let Some(why) = &lock.why else { continue };
        if told.iter().all(|(other, _)| *other != why) {
            let text = why.text();
            let sentence =
                format!("{} is {}: {}.", lock.label(), lock.verdict.word(), harmless(&text));
            told.push((why, sentence));
        }
    }
    told.into_iter().map(|(_, sentence)| sentence).collect()
}

/// `It has waited 12m04s to have /a exclusively, at place 2 of its queue, behind rsync (pid 3244).`
fn waits(lock: &Lock, waiter: &Waiter, snapshot: &Snapshot, people: &People<'_>) -> String {
    let waits = waiter
        .waited
        .sentence()
        .map_or_else(|| "It waits".into(), |span| format!("It has waited {span}"));
    let place = waiter
        .position
        .map_or_else(String::new, |place| format!(", at place {place} of its queue"));
    let behind = explain::behind(lock, waiter, snapshot, people);
    format!(
        "{waits} to have {}{} {}{place}{behind}.",
        lock.label(),
        phrase::bytes(waiter.range),
        phrase::manner(waiter.mode)
    )
}

fn what(lock: &Lock) -> String {
    let name =
        lock.name.as_deref().map_or_else(String::new, |name| format!(" ({})", harmless(name)));
    format!("{}{}{name}", lock.label(), phrase::bytes(lock.range))
}

/// Those who wait for a lock of the process.
fn behind(lock: &Lock, pid: Pid, at: Moment) -> Vec<QueueLine> {
    let tree = lock.tree().into_iter();
    let others = tree.filter(|waiter| waiter.process.pid != Some(pid));
    let line = |waiter: &Waiter| QueueLine {
        depth: waiter.depth,
        text: explain::waits(waiter, &lock.label(), at),
    };
    others.map(line).collect()
}

fn next(
    process: Option<&Process>,
    held: &[(&Lock, &Holder)],
    wanted: &[(&Lock, &Waiter)],
    snapshot: &Snapshot,
    circles: Vec<Advice>,
) -> Vec<Advice> {
    let lock = held.first().map(|(lock, _)| lock.id.to_string());
    let mut next: Vec<_> =
        process.map(|by| advice::resume(&[by], lock.as_deref(), snapshot.at)).unwrap_or_default();
    let in_circles = !circles.is_empty();
    next.extend(circles);
    match process.filter(|_| !in_circles) {
        Some(process) => next.extend(advice::ahead(process, None, snapshot)),
        None => next.extend(wanted.iter().take(LOCKS).map(|(lock, _)| advice::see(lock))),
    }
    let proven = held.iter().all(|(_, holder)| holder.certainty == Certainty::Proven);
    let in_the_way = held.iter().any(|(lock, _)| !lock.waiters.is_empty());
    let is_stuck = held.iter().any(|(lock, _)| lock.verdict == Verdict::Stuck);
    if in_the_way && next.is_empty() && !is_stuck {
        next.push(Advice::plain("Wait until it is done."));
    }
    if in_the_way && proven && !in_circles {
        next.extend(process.map(|process| advice::end_all(&[process])));
    }
    next
}

/// A sentence for each, the last of them for those that are too many.
fn several<T>(items: &[T], sentence: impl Fn(&T) -> String) -> Vec<String> {
    let mut sentences: Vec<_> = items.iter().take(LOCKS).map(sentence).collect();
    if items.len() > LOCKS {
        sentences.push(format!("And so on, {} more.", items.len() - LOCKS));
    }
    sentences
}
