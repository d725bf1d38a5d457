//! What can be done about a lock, least harm first, in commands that an operator knows.
//!
//! The file of a kernel lock is never to be removed: that frees nothing and lets a second holder in.

use std::cmp::Reverse;

use serde::Serialize;

use crate::model::{
    Certainty, Deadlock, Lock, Mechanism, Member, Pid, Process, Snapshot, State, Verdict, harmless,
};

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

    fn plain(text: impl Into<String>) -> Self {
        Self::new(text, None)
    }
}

/// What can be done about a lock.
pub(super) fn for_lock(lock: &Lock, snapshot: &Snapshot) -> Vec<Advice> {
    let mut next = Vec::new();
    let processes = processes_of(lock);
    match lock.verdict {
        Verdict::Held if lock.waiters.is_empty() => {
            next.push(Advice::plain("Nothing needs to be done: nobody waits for it."));
        }
        Verdict::Deadlock => {
            let circles =
                snapshot.deadlocks.iter().filter(|circle| circle.locks.contains(&lock.id));
            next.extend(circles.filter_map(|circle| open(circle, snapshot)));
            next.push(prevention(lock, snapshot));
        }
        Verdict::Split => {
            next.push(both_halves(lock));
            next.extend(resume(&processes));
            next.push(Advice::plain("Let those who keep the old file finish."));
            next.extend(end(lock, &processes));
        }
        Verdict::Stuck => {
            next.extend(resume(&processes));
            next.extend(waited_for(&processes, snapshot));
            next.extend(end(lock, &processes));
        }
        Verdict::Unknown => next.push(look_as_root(lock, "See who holds it")),
        Verdict::Held | Verdict::Contended | Verdict::Orphaned | Verdict::Stale => {
            next.push(wait(lock));
            next.extend(ask(&processes));
            next.extend(end(lock, &processes));
        }
    }
    if lock.mechanism == Mechanism::Lease && !lock.waiters.is_empty() {
        let text = "Wait: the kernel takes the lease away by itself, so many seconds after somebody \
                    asked for the file.";
        next.insert(0, Advice::new(text, Some("cat /proc/sys/fs/lease-break-time".into())));
    }
    next.extend(hands_off(lock));
    next
}

/// What can be done about a process that cannot go on by itself.
pub(super) fn resume(processes: &[&Process]) -> Vec<Advice> {
    let of_state = |state| {
        let matching = processes.iter().copied().filter(move |by| by.state == Some(state));
        matching.collect::<Vec<_>>()
    };
    let mut next = Vec::new();
    let stopped = of_state(State::Stopped);
    if !stopped.is_empty() {
        next.push(Advice::new(
            format!("Let {} go on from where a signal stopped it.", names(&stopped)),
            command("kill -CONT", &stopped),
        ));
    }
    for process in of_state(State::Frozen) {
        next.push(thaw(process));
    }
    for process in of_state(State::Traced) {
        next.push(Advice::new(
            format!("Let the debugger of {} continue or detach.", phrase::name(process)),
            process.pid.map(|pid| format!("grep TracerPid /proc/{pid}/status")),
        ));
    }
    for process in of_state(State::Uninterruptible) {
        next.push(Advice::new(
            format!(
                "See to the device or file system that {} waits for: until that answers, no signal \
                 reaches it.",
                phrase::name(process)
            ),
            process.pid.map(|pid| format!("sudo cat /proc/{pid}/stack")),
        ));
    }
    next
}

fn thaw(process: &Process) -> Advice {
    let name = phrase::name(process);
    if let Some(container) = &process.container {
        let container = harmless(container);
        return Advice::plain(format!(
            "Thaw {name}: let the engine of the container {container} unpause it."
        ));
    }
    let unit = process.unit.as_deref().and_then(phrase::quoted);
    let thaw = match (unit, process.pid) {
        (Some(unit), _) => Some(format!("systemctl thaw {unit}")),
        (None, Some(pid)) => Some(format!(
            "echo 0 > \"/sys/fs/cgroup$(sed -n s/^0:://p /proc/{pid}/cgroup)/cgroup.freeze\""
        )),
        (None, None) => None,
    };
    Advice::new(
        format!("Thaw the control group of {name}, or the one above it that was frozen."),
        thaw,
    )
}

/// To look at the locks that the holders wait for.
fn waited_for(processes: &[&Process], snapshot: &Snapshot) -> Vec<Advice> {
    let waits = |lock: &Lock| {
        let mut waiters = lock.waiters.iter().filter_map(|waiter| waiter.process.pid);
        waiters.any(|pid| processes.iter().any(|process| process.pid == Some(pid)))
    };
    let locks = snapshot.locks.iter().filter(|lock| waits(lock)).take(AT_ONCE);
    locks.map(see).collect()
}

/// To look first at a lock that somebody waits for.
pub(super) fn see(lock: &Lock) -> Advice {
    let text = format!("See first to {}, for which it waits.", lock.label());
    Advice::new(text, Some(format!("locktop explain {}", lock.id)))
}

fn wait(lock: &Lock) -> Advice {
    let path = lock.path.as_ref().and_then(|path| path.as_path().to_str()).and_then(phrase::quoted);
    match (lock.mechanism, path) {
        (Mechanism::Flock, Some(path)) if !lock.deleted => Advice::new(
            "Wait in the queue: this returns when the lock was free, having had it for an instant.",
            Some(format!("flock {path} true")),
        ),
        _ => Advice::plain("Wait until its holder is done."),
    }
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
fn end(lock: &Lock, processes: &[&Process]) -> Option<Advice> {
    if processes.is_empty() {
        return None;
    }
    if lock.holders.iter().any(|holder| holder.certainty != Certainty::Proven) {
        return Some(look_as_root(lock, "Before anybody is ended, make sure who holds it"));
    }
    end_all(processes)
}

/// To end these processes, where signals can.
pub(super) fn end_all(processes: &[&Process]) -> Option<Advice> {
    if processes.iter().any(|process| process.kernel_thread) {
        let text = "A thread of the kernel cannot be ended: see to those for whom it acts, such as \
                    the clients of a file server.";
        return Some(Advice::plain(text));
    }
    let mut text = format!(
        "End {} with SIGTERM, which lets it clean up; what it was doing stays unfinished.",
        names(processes)
    );
    if processes.len() > 1 {
        text += " The lock goes when the last of them has gone.";
    }
    let has = |state| processes.iter().any(|by| by.state == Some(state));
    if has(State::Stopped) {
        text += " A stopped process takes the signal when it is continued.";
    }
    if has(State::Frozen) {
        text += " A frozen process takes the signal when it is thawed.";
    }
    if has(State::Uninterruptible) {
        text += " In uninterruptible sleep it takes the signal when that sleep ends.";
    }
    let service = processes
        .iter()
        .find_map(|process| process.unit.as_deref().filter(|unit| unit.ends_with(".service")));
    if let Some(unit) = service {
        text += &format!(" The unit {} may start it again.", harmless(unit));
    }
    text += " SIGKILL only if it ignores that: then nothing is cleaned up.";
    let stopped: Vec<_> =
        processes.iter().copied().filter(|by| by.state == Some(State::Stopped)).collect();
    let kill = match (command("kill", processes), command("kill -CONT", &stopped)) {
        (Some(kill), Some(resume)) => Some(format!("{kill}; {resume}")),
        (kill, _) => kill,
    };
    Some(Advice::new(text, kill))
}

/// To end the member of a circle that is likely to lose the least.
pub(super) fn open(circle: &Deadlock, snapshot: &Snapshot) -> Option<Advice> {
    let victims = |member: &Member| sharers(member, snapshot);
    // Few to end, then the youngest: it has done the least.
    let cheapest = circle
        .members
        .iter()
        .map(victims)
        .filter(|victims| !victims.is_empty() && victims.iter().all(|by| !by.kernel_thread))
        .min_by_key(|victims| (victims.len(), Reverse(victims.iter().map(|by| by.start).max())))?;
    let text = match (&*cheapest, &*circle.members) {
        ([one], [_]) => format!("End {}: it waits for itself.", phrase::name(one)),
        ([one], _) => format!(
            "End {}: that opens the circle, and the others go on. It was started last of those in \
             it that keep their lock alone, so it is likely to lose the least.",
            phrase::name(one)
        ),
        _ => format!(
            "End {} together: they keep the same open file, so the lock goes with the last of them.",
            names(&cheapest)
        ),
    };
    Some(Advice::new(text, command("kill", &cheapest)))
}

/// Everyone who keeps what a member of a circle keeps, through the same open file.
fn sharers<'a>(member: &Member, snapshot: &'a Snapshot) -> Vec<&'a Process> {
    let Some(lock) = snapshot.lock(&member.holds) else { return Vec::new() };
    let mut grants = lock.holders.iter().filter(|holder| holder.process.pid == Some(member.pid));
    let Some(grant) = grants.next().map(|holder| holder.grant) else { return Vec::new() };
    let sharers = lock.holders.iter().filter(|holder| holder.grant == grant);
    sharers.map(|holder| &*holder.process).collect()
}

fn prevention(lock: &Lock, snapshot: &Snapshot) -> Advice {
    let circle = snapshot.deadlocks.iter().find(|circle| circle.locks.contains(&lock.id));
    Advice::plain(match circle {
        Some(circle) if circle.members.len() == 1 => {
            "So that it does not come back: close the inherited descriptor before the program runs \
             that takes the lock again, as flock -o does."
        }
        Some(circle) if circle.locks.len() == 1 => {
            "So that it does not come back: take the lock exclusively from the start, instead of \
             shared first and exclusively then."
        }
        _ => "So that it does not come back: let all programs take these locks in the same order.",
    })
}

fn both_halves(lock: &Lock) -> Advice {
    let path = lock.path.as_ref().and_then(|path| path.as_path().to_str()).and_then(phrase::quoted);
    Advice::new(
        "See who holds the file that is at the path now: those two exclude nobody from each other.",
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

fn names(processes: &[&Process]) -> String {
    phrase::list(processes.iter().map(|process| phrase::name(process)), AT_ONCE)
}

/// `kill 12 13`; none for nobody, for somebody whose number is unknown, and for too many.
fn command(verb: &str, processes: &[&Process]) -> Option<String> {
    let pids: Option<Vec<Pid>> = processes.iter().map(|process| process.pid).collect();
    let pids = pids.filter(|pids| (1..=AT_ONCE).contains(&pids.len()))?;
    let pids: Vec<_> = pids.iter().map(ToString::to_string).collect();
    Some(format!("{verb} {}", pids.join(" ")))
}
