//! What can be done about a lock, least harm first, in commands that an operator knows.
//!
//! The file of a kernel lock is never to be removed: that frees nothing and lets a second holder in.

mod go_on;
mod on_disk;

pub(super) use go_on::resume;
pub(crate) use on_disk::release_of;

use std::cmp::Reverse;
use std::collections::HashSet;

use serde::Serialize;

use crate::model::{
    Certainty, Deadlock, Lock, Mechanism, Member, Pid, Process, Range, Snapshot, State, Verdict,
    harmless,
};

use super::explain::{self, Link, People};
use super::phrase;

/// So many processes are ended by one command at most: more than that need a person's thought.
const AT_ONCE: usize = 8;

/// A thing that can be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// What it does and what it may cost.
    pub text: String,
    /// The command for it, where there is one.
    pub command: Option<String>,
}

impl Advice {
    fn new(text: impl Into<String>, command: Option<String>) -> Self {
        Self { text: text.into(), command }
    }

    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self::new(text, None)
    }
}

/// What can be done about a lock.
pub(super) fn for_lock(lock: &Lock, snapshot: &Snapshot) -> Vec<Advice> {
    if lock.mechanism == Mechanism::Exists {
        let mut next = out_of_circles(lock, snapshot);
        next.extend(on_disk::advice(lock, snapshot));
        return next;
    }
    let mut next = Vec::new();
    let processes = processes_of(lock);
    let resume = || resume(&processes, Some(&target(lock, snapshot)), snapshot.at);
    next.extend(older_half(lock, snapshot));
    match lock.verdict {
        Verdict::Held if !next.is_empty() => {}
        Verdict::Held if lock.waiters.is_empty() => {
            next.push(Advice::plain("Nothing needs to be done: nobody waits for it."));
        }
        Verdict::Deadlock => {
            next.extend(out_of_circles(lock, snapshot));
        }
        Verdict::Split => {
            next.push(both_halves(lock));
            next.extend(resume());
            next.push(Advice::plain("Let those who keep the old file finish."));
            next.extend(end(lock, &processes, snapshot));
        }
        Verdict::Stuck => {
            next.extend((lock.mechanism == Mechanism::Lease).then(|| wait(lock)));
            next.extend(resume());
            next.extend(waited_for(lock, &processes, snapshot));
            next.extend(end(lock, &processes, snapshot));
        }
        Verdict::Unknown if !snapshot.complete => next.push(look_as_root(lock, "See who holds it")),
        Verdict::Unknown => next.push(wait(lock)),
        Verdict::Held | Verdict::Contended | Verdict::Orphaned | Verdict::Stale => {
            next.extend(go_on::awaited(&processes));
            next.extend(waited_for(lock, &processes, snapshot));
            next.push(wait(lock));
            next.extend(ask(&processes));
            next.extend(end_who_waits_for_itself(lock));
            next.extend(end(lock, &processes, snapshot));
        }
    }
    next.extend(on_disk::breaking(lock).or_else(|| hands_off(lock)));
    once(next)
}

/// Each command once, where it is told first.
fn once(mut next: Vec<Advice>) -> Vec<Advice> {
    let mut told = HashSet::new();
    next.retain(|advice| advice.command.clone().is_none_or(|command| told.insert(command)));
    next
}

/// How to open the circles that a lock is in, and to keep them from coming back.
fn out_of_circles(lock: &Lock, snapshot: &Snapshot) -> Vec<Advice> {
    let is_in = |circle: &&Deadlock| circle.locks.contains(&lock.id);
    let circles: Vec<_> = snapshot.deadlocks.iter().filter(is_in).collect();
    let mut next = open(&circles, snapshot);
    next.extend(circles.first().map(|circle| prevention(circle)));
    next
}

/// To see to those for whom the holders of a lock wait.
fn waited_for(held: &Lock, processes: &[&Process], snapshot: &Snapshot) -> Vec<Advice> {
    let ahead = |process: &&Process| ahead(process, Some(held), snapshot);
    let mut next: Vec<_> = processes.iter().take(AT_ONCE).flat_map(ahead).collect();
    next.dedup();
    next
}

/// To look first at the end of the chain of those for whom a process waits, and to let go on whoever
/// is there.
pub(super) fn ahead(process: &Process, held: Option<&Lock>, snapshot: &Snapshot) -> Vec<Advice> {
    let waits = |lock: &&Lock| {
        process.pid.is_some()
            && held.is_none_or(|held| held.id != lock.id)
            && lock.waiters.iter().any(|waiter| waiter.process.pid == process.pid)
    };
    let wanted: Vec<&Lock> = snapshot.locks.iter().filter(waits).take(AT_ONCE).collect();
    let [only] = wanted[..] else { return wanted.into_iter().map(see).collect() };
    let people = People::of(snapshot);
    let chain = process.pid.map(|pid| explain::chain_behind(pid, snapshot, &people));
    match chain.as_deref().unwrap_or_default() {
        [.., Link { lock, holder }] if held.is_none_or(|held| held.id != lock.id) => {
            let look = if lock.id == only.id { see(lock) } else { see_end(lock) };
            let resume = resume(&[holder], Some(&target(lock, snapshot)), snapshot.at);
            [look].into_iter().chain(resume).collect()
        }
        _ => vec![see(only)],
    }
}

/// To look first at a lock that somebody waits for.
pub(super) fn see(lock: &Lock) -> Advice {
    look_at(lock, "for which it waits")
}

fn see_end(lock: &Lock) -> Advice {
    look_at(lock, "where the chain of those who wait ends")
}

fn look_at(lock: &Lock, why: &str) -> Advice {
    let text = format!("Look first at {}, {why}.", lock.label());
    Advice::new(text, Some(format!("locktop explain {}", lock.id)))
}

fn wait(lock: &Lock) -> Advice {
    if let Some(command) = wait_command(lock) {
        let text = match lock.mechanism {
            Mechanism::Flock => {
                "Wait your turn: this queues, takes the lock for an instant, and returns."
            }
            _ => "Wait: this returns when the lock is free, and takes nothing.",
        };
        return Advice::new(text, Some(command));
    }
    match lock.mechanism {
        Mechanism::Lease => Advice::new(
            "Wait: the kernel takes a lease away by itself, this many seconds after somebody else \
             opens the file.",
            Some("cat /proc/sys/fs/lease-break-time".into()),
        ),
        _ => Advice::plain("Wait until its holder is done."),
    }
}

/// For locks that this program can wait for, under a path that still leads to them.
fn wait_command(lock: &Lock) -> Option<String> {
    let path = lock.path.as_ref().filter(|_| !lock.deleted)?.as_path().to_str()?;
    if !matches!(lock.mechanism, Mechanism::Flock | Mechanism::Posix | Mechanism::Ofd) {
        return None;
    }
    let target = phrase::quoted(&format!("{}:{path}", lock.family))?;
    let range = lock.range.filter(|range| *range != Range::WHOLE);
    let range = range.map_or_else(String::new, |range| format!(" --range {range}"));
    Some(format!("locktop wait{range} {target}"))
}

/// To end a waiter that keeps the lock itself, as `flock l true` does in a shell that has locked `l`.
fn end_who_waits_for_itself(lock: &Lock) -> Option<Advice> {
    let holds = |pid| lock.holders.iter().any(|holder| holder.process.pid == Some(pid));
    let mut waiters = lock.waiters.iter().map(|waiter| &*waiter.process);
    let waiter = waiters.find(|waiter| {
        lock.mechanism == Mechanism::Flock && !waiter.kernel_thread && waiter.pid.is_some_and(holds)
    })?;
    let text = format!(
        "End {} with SIGTERM: it waits for what it keeps itself, and if the others who keep it wait \
         for its end, nothing moves before.",
        waiter.label()
    );
    Some(Advice::new(text, command("kill", &[waiter])))
}

fn ask(processes: &[&Process]) -> Option<Advice> {
    let mut people: Vec<_> =
        processes.iter().filter_map(|process| process.login_user.as_deref()).collect();
    people.sort_unstable();
    people.dedup();
    if people.is_empty() {
        return None;
    }
    let people = phrase::list(people.iter().map(|login| harmless(login).into_owned()), 3);
    Some(Advice::plain(format!("Ask {people}, in whose session it was started.")))
}

/// To end all holders.
fn end(lock: &Lock, processes: &[&Process], snapshot: &Snapshot) -> Option<Advice> {
    if processes.is_empty() {
        return None;
    }
    if lock.holders.iter().any(|holder| holder.certainty != Certainty::Proven) {
        return Some(look_as_root(lock, "Before anybody is ended, make sure who holds it"));
    }
    let Advice { text, command } = end_all(processes);
    // It looks again at the moment of acting, and asks.
    let release = || format!("locktop release {} --method terminate", target(lock, snapshot));
    let is_frozen = processes.iter().any(|process| process.state == Some(State::Frozen));
    // To release a lock from the frozen is to thaw them.
    let command = if is_frozen { command } else { command.map(|_| release()) };
    Some(Advice { text, command })
}

/// What names this lock alone: its path, or else its id.
fn target(lock: &Lock, snapshot: &Snapshot) -> String {
    let is_there = |other: &&Lock| other.path.is_some() && other.path == lock.path;
    let is_alone = snapshot.locks.iter().filter(is_there).nth(1).is_none();
    let path = lock.path.as_ref().filter(|_| is_alone && !lock.deleted);
    let path = path.and_then(|path| path.as_path().to_str()).and_then(phrase::quoted);
    path.unwrap_or_else(|| lock.id.to_string())
}

/// To end these processes, where signals can.
pub(super) fn end_all(processes: &[&Process]) -> Advice {
    if processes.iter().any(|process| process.kernel_thread) {
        return Advice::plain(
            "A thread of the kernel cannot be ended: see to those for whom it acts, such as the \
             clients of a file server.",
        );
    }
    let in_state = |state| processes.iter().copied().filter(move |by| by.state == Some(state));
    let any = |state| in_state(state).next().is_some();
    let service = processes
        .iter()
        .find_map(|process| process.unit.as_deref().filter(|unit| unit.ends_with(".service")));
    let clauses = [
        Some(format!(
            "End {} with SIGTERM: {} can clean up, but what was under way stays unfinished.",
            names(processes),
            phrase::plural(processes.len(), "it", "they")
        )),
        (processes.len() > 1).then(|| "The lock is free once all of them have ended.".into()),
        any(State::Stopped)
            .then(|| "A stopped process takes the signal when it is continued.".into()),
        any(State::Frozen).then(|| "A frozen process takes the signal when it is thawed.".into()),
        any(State::Uninterruptible)
            .then(|| "In uninterruptible sleep it takes the signal when that sleep ends.".into()),
        service.map(|unit| format!("The unit {} may start it again.", harmless(unit))),
        Some("SIGKILL only if that is ignored: then nothing is cleaned up.".into()),
    ];
    let stopped: Vec<_> = in_state(State::Stopped).collect();
    let kill = match (command("kill", processes), command("kill -CONT", &stopped)) {
        (Some(kill), Some(resume)) => Some(format!("{kill}; {resume}")),
        (kill, _) => kill,
    };
    Advice::new(clauses.into_iter().flatten().collect::<Vec<_>>().join(" "), kill)
}

/// To open these circles, each by ending as few as possible.
pub(super) fn open(circles: &[&Deadlock], snapshot: &Snapshot) -> Vec<Advice> {
    let people = People::of(snapshot);
    let mut ways: Vec<_> =
        circles.iter().filter_map(|circle| cheapest(circle, snapshot, &people)).collect();
    ways.sort_by_key(|(victims, _)| victims.len());
    let mut next = Vec::new();
    if circles.iter().any(|circle| !circle.certain) {
        next.push(Advice::plain(
            "Look again before anybody is ended: it is not certain that this lasts.",
        ));
    }
    for (_, advice) in ways {
        if !next.contains(&advice) {
            next.push(advice);
        }
    }
    next
}

/// To end the member of a circle that is likely to lose the least, and who that is.
fn cheapest<'a>(
    circle: &Deadlock,
    snapshot: &Snapshot,
    people: &People<'a>,
) -> Option<(Vec<&'a Process>, Advice)> {
    let circles_of = |pid| {
        let is_in = |circle: &&Deadlock| circle.members.iter().any(|member| member.pid == pid);
        snapshot.deadlocks.iter().filter(is_in).count()
    };
    let mut ways: Vec<_> = circle
        .members
        .iter()
        .map(|member| (circles_of(member.pid), keepers(member, people)))
        .filter(|(_, victims)| !victims.is_empty() && !victims.iter().any(|by| by.kernel_thread))
        .collect();
    // Few to end, for many circles; then the youngest, which has done the least.
    ways.sort_by_key(|(circles, victims)| {
        (victims.len(), Reverse(*circles), Reverse(victims.iter().map(|by| by.start).max()))
    });
    let ((_, victims), others) = ways.split_first()?;
    let mut others = others.iter().flat_map(|(_, others)| others).peekable();
    let youngest = others.peek().is_some()
        && others
            .all(|other| victims.iter().all(|by| other.start.is_some() && other.start < by.start));
    let names = names(victims);
    let text = if victims.len() > 1 {
        format!("End {names} together: they keep one open file, and the lock goes with the last.")
    } else if circle.members.len() == 1 {
        format!("End {names} with SIGTERM: it waits for what it keeps itself.")
    } else if youngest {
        format!(
            "End {names} with SIGTERM: that opens the circle. It is the youngest in it, so it is \
             likely to lose the least."
        )
    } else {
        format!("End {names} with SIGTERM: that opens the circle.")
    };
    let advice = Advice::new(text, command("kill", victims));
    Some((victims.clone(), advice))
}

/// Those whose end lets go of what a member of a circle keeps; nobody where one of them is unknown.
fn keepers<'a>(member: &Member, people: &People<'a>) -> Vec<&'a Process> {
    let keepers: Option<_> = member.keepers.iter().map(|&pid| people.get(pid)).collect();
    keepers.unwrap_or_default()
}

fn prevention(circle: &Deadlock) -> Advice {
    Advice::plain(match (circle.members.len(), circle.locks.len()) {
        (1, _) => {
            "So that it does not come back: close the inherited descriptor before the program runs \
             that takes the lock again, as flock -o does."
        }
        (_, 1) => {
            "So that it does not come back: take the lock exclusively from the start, instead of \
             shared first and exclusively then."
        }
        _ => "So that it does not come back: let all programs take these locks in the same order.",
    })
}

fn both_halves(lock: &Lock) -> Advice {
    let path = lock.path.as_ref().and_then(|path| path.as_path().to_str()).and_then(phrase::quoted);
    Advice::new(
        "See who holds the file that is at the path now: the two do not keep each other out.",
        path.map(|path| format!("locktop explain {path}")),
    )
}

fn look_as_root(lock: &Lock, purpose: &str) -> Advice {
    Advice::new(
        format!("{purpose}: look with the right to read every process's descriptors."),
        Some(format!("sudo locktop explain {}", lock.id)),
    )
}

/// Why the lock's file is to be left alone, where somebody could think of removing it.
fn hands_off(lock: &Lock) -> Option<Advice> {
    if lock.verdict == Verdict::Split {
        return Some(Advice::plain(
            "Do not remove the file at the path: that frees nothing, and is how a lock is split.",
        ));
    }
    let tempting = !matches!(lock.verdict, Verdict::Held | Verdict::Contended);
    let kernel = !matches!(lock.mechanism, Mechanism::Exists | Mechanism::Server);
    (tempting && kernel && !lock.deleted).then(|| {
        Advice::plain(
            "Do not remove the lock's file: that frees nothing, and lets a second holder in beside \
             the first.",
        )
    })
}

/// The holders of a lock, each process once.
fn processes_of(lock: &Lock) -> Vec<&Process> {
    let mut processes: Vec<_> = lock.holders.iter().map(|holder| &*holder.process).collect();
    processes.sort_by_key(|process| process.pid);
    processes.dedup_by_key(|process| process.pid);
    processes
}

/// The older file of the same path, if that is locked too.
fn older_half(lock: &Lock, snapshot: &Snapshot) -> Option<Advice> {
    let is_older = |other: &&Lock| {
        other.verdict == Verdict::Split
            && other.path == lock.path
            && other.mechanism.conflicts_with(lock.mechanism)
            && other.range.zip(lock.range).is_some_and(|(one, two)| one.overlaps(&two))
    };
    let older = snapshot.locks.iter().find(is_older).filter(|_| !lock.deleted)?;
    Some(Advice::new(
        "See who holds the older file of this path: the two do not keep each other out.",
        Some(format!("locktop explain {}", older.id)),
    ))
}

fn names(processes: &[&Process]) -> String {
    phrase::list(processes.iter().map(|process| process.label()), AT_ONCE)
}

/// `kill 12 13`; none for nobody, for somebody whose number is unknown, and for too many.
fn command(verb: &str, processes: &[&Process]) -> Option<String> {
    let pids: Option<Vec<Pid>> = processes.iter().map(|process| process.pid).collect();
    let pids = pids.filter(|pids| (1..=AT_ONCE).contains(&pids.len()))?;
    let pids: Vec<_> = pids.iter().map(ToString::to_string).collect();
    Some(format!("{verb} {}", pids.join(" ")))
}
