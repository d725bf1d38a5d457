//! A lock told in plain sentences.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{
    Blocker, Certainty, Deadlock, Holder, How, Lock, LockId, Pid, Process, Snapshot, Span, Waiter,
    harmless, harmless_bytes,
};

use super::advice::{self, Advice};
use super::phrase;

/// So many holders are told one by one, the others by their number.
const HOLDERS: usize = 5;

/// The most characters of a command line that are told.
const COMMAND_LINE: usize = 200;

/// What a good colleague would say of a lock. All texts are harmless to print.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// One line: the lock and its verdict.
    pub headline: String,
    /// Who has it, since when, what it does, why it does not move: sentences in that order.
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
    format!(
        "{}{}{name}: {} ({} lock, held {})",
        lock.label(),
        phrase::bytes(lock.range),
        lock.verdict.word(),
        harmless(&lock.family),
        phrase::manner(lock.mode),
    )
}

fn sentences(lock: &Lock, snapshot: &Snapshot, people: &People<'_>) -> Vec<String> {
    let mut sentences: Vec<_> = lock.holders.iter().take(HOLDERS).map(held_by).collect();
    match lock.holders.len() {
        0 => sentences.push("Who holds it could not be seen.".into()),
        count if count > HOLDERS => {
            sentences.push(format!("{} more hold it with them.", count - HOLDERS));
        }
        _ => {}
    }
    sentences.push(since(&lock.age));
    if lock.normal {
        sentences.push("To hold it for long is by design.".into());
    }
    if lock.deleted {
        sentences.push("Its file has been removed from that path, but is still locked.".into());
    }
    sentences.extend(lock.holders.iter().take(HOLDERS).filter_map(doing));
    if let Some(why) = &lock.why {
        sentences.push(format!("Judged {}: {}.", lock.verdict.word(), harmless(why)));
    }
    let circles = snapshot.deadlocks.iter().filter(|circle| circle.locks.contains(&lock.id));
    sentences.extend(circles.map(|circle| told_circle(circle, snapshot, people)));
    sentences
}

/// `Held by rsync (pid 3244) through descriptor 9, run by backup, …`.
fn held_by(holder: &Holder) -> String {
    let verb = match holder.certainty {
        Certainty::Proven => "Held by",
        Certainty::Likely => "Probably held by",
        Certainty::Recorded => "By the record held by",
    };
    let checked = match holder.certainty {
        Certainty::Recorded => "; whether it really keeps the lock could not be checked",
        _ => "",
    };
    format!(
        "{verb} {}{}{}{checked}.",
        phrase::name(&holder.process),
        phrase::through(&holder.fds),
        circumstances(&holder.process)
    )
}

/// `, run by root (logged in as alice), in cron.service, on pts/3, in /srv: rsync -a /srv nas:`,
/// with its leading comma; what is unknown is left out.
pub(super) fn circumstances(process: &Process) -> String {
    let mut told = String::new();
    if let Some(user) = user(process) {
        told += &format!(", run by {user}");
    }
    if process.kernel_thread {
        told += ", a thread of the kernel that acts for others, such as clients of a file server";
    }
    if let Some(unit) = &process.unit {
        told += &format!(", in the unit {}", harmless(unit));
    }
    if let Some(container) = &process.container {
        told += &format!(", in the container {}", harmless(container));
    }
    if let Some(tty) = &process.tty {
        told += &format!(", on the terminal {}", harmless(tty));
    }
    // Daemons all work in `/`.
    if let Some(cwd) = process.cwd.as_ref().filter(|cwd| cwd.as_path().parent().is_some()) {
        told += &format!(", in the folder {}", cwd.display());
    }
    if let Some(parent) = &process.parent {
        let command = parent.command.as_deref().map(|command| format!("{} ", harmless(command)));
        told += &format!(", started by {}(pid {})", command.unwrap_or_default(), parent.pid);
    }
    if let Some(line) = command_line(process) {
        told += &format!(", as: {line}");
    }
    told
}

/// `root (logged in as alice)`.
fn user(process: &Process) -> Option<String> {
    let user = match (&process.user, process.uid) {
        (Some(user), _) => harmless(user).into_owned(),
        (None, Some(uid)) => format!("user {uid}"),
        (None, None) => return None,
    };
    Some(match &process.login_user {
        Some(login) if process.user.as_ref() != Some(login) => {
            format!("{user} (logged in as {})", harmless(login))
        }
        _ => user,
    })
}

fn command_line(process: &Process) -> Option<String> {
    let words = process.cmdline.as_ref().filter(|words| !words.is_empty())?;
    let words: Vec<_> = words.iter().map(|word| harmless_bytes(word.as_encoded_bytes())).collect();
    let line = words.join(" ");
    Some(match line.char_indices().nth(COMMAND_LINE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    })
}

/// `Held for at least 41m00s.`
fn since(age: &Span) -> String {
    let mut told = match age.sentence() {
        Some(span) => format!("Held for {span}"),
        None => "For how long could not be seen".into(),
    };
    if let Some(times) = age.times_seen() {
        told += &format!("; seen {times} times, it may have been released and retaken in between");
    }
    told + "."
}

fn doing(holder: &Holder) -> Option<String> {
    let process = &holder.process;
    let ran = process.last_ran.map(|ran| format!(", last ran {} ago", crate::model::short(ran)));
    Some(format!(
        "{} {}{}.",
        phrase::name(process),
        phrase::doing(process)?,
        ran.unwrap_or_default()
    ))
}

pub(super) fn told_circle(circle: &Deadlock, snapshot: &Snapshot, people: &People<'_>) -> String {
    let label = |id: &LockId| label(snapshot, id);
    let steps = circle.members.iter().enumerate().map(|(number, member)| {
        let next = &circle.members[(number + 1) % circle.members.len()];
        let next = if next.pid == member.pid { "it".into() } else { people.name(next.pid) };
        format!(
            "{} waits for {}, which {next} keeps",
            people.name(member.pid),
            label(&member.wants)
        )
    });
    let steps = steps.collect::<Vec<_>>().join("; ");
    let ways_out = if circle.certain {
        "nothing opens this circle but ending one of them"
    } else {
        "unless a thread or process that was not seen waiting lets go, this circle stays"
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
        .waiters
        .iter()
        .map(|waiter| QueueLine {
            depth: waiter.depth,
            text: format!("{}{}", waits(waiter), behind(lock, waiter, snapshot, people)),
        })
        .collect();
    if lock.details.contains_key("queue_cut") {
        let text = "more wait: the queue was too long to be read to its end".into();
        lines.push(QueueLine { depth: 1, text });
    }
    lines
}

/// `apt 1203 (alice) waits 12m04s in the kernel's queue, exclusively`.
pub(super) fn waits(waiter: &Waiter) -> String {
    let process = &waiter.process;
    let who = match (&process.command, process.pid) {
        (Some(command), Some(pid)) => format!("{} {pid}", harmless(command)),
        _ => phrase::name(process),
    };
    let user = user(process).map_or_else(String::new, |user| format!(" ({user})"));
    let waited = waiter.waited.sentence().map_or_else(String::new, |span| format!(" {span}"));
    let how = match waiter.how {
        How::Kernel => "in the kernel's queue",
        How::Polling => "trying again and again",
        How::Engine => "in the server's queue",
    };
    let wants = waiter.mode.word();
    format!("{who}{user} waits{waited} {how}, wants it {wants}{}", phrase::bytes(waiter.range))
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
        let holders = snapshot.locks.iter().flat_map(|lock| &lock.holders);
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
