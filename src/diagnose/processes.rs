//! A process told by its locks: what it holds and what it waits for.

use crate::model::{
    Certainty, Deadlock, Holder, Lock, Moment, Pid, Process, Snapshot, Waiter, harmless,
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
    let mut sentences: Vec<_> = process.into_iter().map(introduction).collect();
    sentences.extend(several(&held, |(lock, holder)| holds(lock, holder)));
    sentences.extend(several(&wanted, |(lock, waiter)| waits(lock, waiter, snapshot, &people)));
    let is_in = |circle: &&Deadlock| {
        let mut members = circle.members.iter();
        members.any(|member| member.pid == pid || member.waits() == pid)
    };
    let circles: Vec<_> = snapshot.deadlocks.iter().filter(is_in).collect();
    sentences.extend(several(&circles, |circle| explain::told_circle(circle, snapshot, &people)));
    Explanation {
        headline: format!("{} {}", people.name(pid), summary(held.len(), wanted.len())),
        sentences,
        queue: held.iter().flat_map(|(lock, _)| behind(lock, pid, snapshot.at)).collect(),
        next: next(process, &held, &wanted, snapshot.at, advice::open(&circles, snapshot)),
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

/// `rsync (pid 3244) sleeps in do_select, run by backup, in the unit cron.service.`
fn introduction(process: &Process) -> String {
    let doing = phrase::doing(process).map_or_else(String::new, |doing| format!(" {doing}"));
    format!("{}{doing}{}.", phrase::name(process), portrait::circumstances(process))
}

fn holds(lock: &Lock, holder: &Holder) -> String {
    let with = match lock.holders.len() - 1 {
        0 => String::new(),
        others => format!(", with {others} {}", phrase::plural(others, "other", "others")),
    };
    let age = lock.age.sentence().map_or_else(String::new, |age| format!(", for {age}"));
    let waiting = match lock.waiters.len() {
        0 => "nobody waits for it".into(),
        1 => "1 waits for it".into(),
        count => format!("{count} wait for it"),
    };
    let why = lock.why.as_deref().filter(|_| lock.verdict.is_problem());
    let why = why.map_or_else(String::new, |why| format!(", since {}", harmless(why)));
    format!(
        "Holds {} {}{}{with}{age}; {waiting}; {}{why}.",
        what(lock),
        phrase::manner(lock.mode),
        phrase::through(&holder.fds),
        lock.verdict.word(),
    )
}

fn waits(lock: &Lock, waiter: &Waiter, snapshot: &Snapshot, people: &People<'_>) -> String {
    let span = waiter.waited.sentence().map_or_else(String::new, |span| format!(" for {span}"));
    let place = waiter
        .position
        .map_or_else(String::new, |place| format!(", at place {place} of its queue"));
    let behind = explain::behind(lock, waiter, snapshot, people);
    format!(
        "Waits{span} to have {}{} {}{place}{behind}.",
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
        text: format!("{}, for {}", explain::waits(waiter, at), what(lock)),
    };
    others.map(line).collect()
}

fn next(
    process: Option<&Process>,
    held: &[(&Lock, &Holder)],
    wanted: &[(&Lock, &Waiter)],
    at: Moment,
    circles: Vec<Advice>,
) -> Vec<Advice> {
    let mut next: Vec<_> =
        process.map(|process| advice::resume(&[process], at)).unwrap_or_default();
    let in_circles = !circles.is_empty();
    next.extend(circles);
    next.extend(wanted.iter().take(LOCKS).map(|(lock, _)| advice::see(lock)));
    let proven = held.iter().all(|(_, holder)| holder.certainty == Certainty::Proven);
    let in_the_way = held.iter().any(|(lock, _)| !lock.waiters.is_empty());
    if in_the_way && next.is_empty() {
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
