//! What lets processes go on that cannot, or that wait for somebody: it takes nothing from anybody.

use crate::diagnose::phrase;
use crate::diagnose::stuck::halt;
use crate::model::{Moment, Peer, Process, State, Wake, What, harmless};

use super::{Advice, command, names};

/// What can be done about processes that their own state keeps from going on; `target` names a lock
/// that they have.
pub(in crate::diagnose) fn resume(
    processes: &[&Process],
    target: Option<&str>,
    at: Moment,
) -> Vec<Advice> {
    let of_state = |state| {
        let halted = processes.iter().copied().filter(|process| halt(process, at).is_some());
        halted.filter(|process| process.state == Some(state)).collect::<Vec<_>>()
    };
    let mut next = Vec::new();
    let stopped = of_state(State::Stopped);
    if !stopped.is_empty() {
        next.push(Advice::new(
            format!(
                "Let {} go on from where a signal stopped {}.",
                names(&stopped),
                phrase::plural(stopped.len(), "it", "them")
            ),
            command("kill -CONT", &stopped),
        ));
    }
    for process in of_state(State::Frozen) {
        next.push(thaw(process, target));
    }
    for process in of_state(State::Traced) {
        next.push(detach(process));
    }
    for process in of_state(State::Uninterruptible) {
        next.push(Advice::new(
            format!(
                "See to what {} waits for, such as a device or a file system: until that answers, no \
                 signal reaches it.",
                process.label()
            ),
            process.pid.map(|pid| format!("sudo cat /proc/{pid}/stack")),
        ));
    }
    next.extend(awaited(processes));
    next
}

fn detach(process: &Process) -> Advice {
    let name = process.label();
    match (&process.tracer, process.pid) {
        (Some(_), _) => Advice::plain(format!(
            "Let {} continue {name} or detach from it.",
            phrase::debugger(process)
        )),
        (None, pid) => Advice::new(
            format!("Let whoever debugs {name} continue it or detach; this says who that is."),
            pid.map(|pid| format!("grep TracerPid /proc/{pid}/status")),
        ),
    }
}

fn thaw(process: &Process, target: Option<&str>) -> Advice {
    let name = process.label();
    if let Some(container) = &process.container {
        let container = harmless(container);
        return Advice::plain(format!(
            "Thaw {name}: let the engine of the container {container} unpause it."
        ));
    }
    let unit = process.unit.as_deref().and_then(phrase::quoted);
    // The service manager remembers what it froze; else it takes to find out which group above it is.
    let thaw = unit.map(|unit| format!("systemctl thaw {unit}"));
    let thaw =
        thaw.or_else(|| target.map(|lock| format!("locktop release {lock} --method resume")));
    Advice::new(
        format!("Thaw the control group of {name}, or the one above it that was frozen."),
        thaw,
    )
}

/// What lets those go on that do not wait for a lock: an answer, or whoever owes them something and is
/// halted.
pub(super) fn awaited(processes: &[&Process]) -> Vec<Advice> {
    let mut next = Vec::new();
    for process in processes {
        let waits = process.waits_for.iter().flatten();
        for thing in waits.flat_map(|wait| &wait.any_of) {
            next.extend(answer(thing, process));
            next.extend(thing.by.iter().filter_map(|peer| wake(peer, process)));
        }
    }
    next.dedup();
    next.truncate(super::AT_ONCE);
    next
}

fn answer(thing: &Wake, process: &Process) -> Option<Advice> {
    let terminal = thing.name.as_deref().filter(|_| thing.what == What::Terminal)?;
    Some(Advice::plain(format!(
        "Answer {} on the terminal {}, or ask whoever sits there.",
        process.label(),
        harmless(terminal)
    )))
}

fn wake(peer: &Peer, process: &Process) -> Option<Advice> {
    let name = match &peer.command {
        Some(command) => format!("{} (pid {})", harmless(command), peer.pid),
        None => format!("pid {}", peer.pid),
    };
    let whose = format!("for which {} waits", process.label());
    Some(match peer.state? {
        State::Stopped => Advice::new(
            format!("Let {name} go on, {whose}: a signal stopped it."),
            Some(format!("kill -CONT {}", peer.pid)),
        ),
        State::Traced => Advice::new(
            format!("Let whoever debugs {name}, {whose}, continue it or detach."),
            Some(format!("grep TracerPid /proc/{}/status", peer.pid)),
        ),
        State::Frozen => {
            Advice::plain(format!("Thaw the control group of {name}, {whose}, or the one above."))
        }
        _ => return None,
    })
}
