//! What can be done about a lock that lies on disk.

use super::{AT_ONCE, Advice, ask, end_all, resume};
use crate::diagnose::phrase;
use crate::model::{Detail, Lock, Process, Snapshot, Verdict, harmless};

/// Least harm first.
pub(super) fn advice(lock: &Lock, snapshot: &Snapshot) -> Vec<Advice> {
    let mut next = Vec::new();
    let processes = super::processes_of(lock);
    match lock.verdict {
        Verdict::Stale => next.push(remove(lock)),
        Verdict::Unknown => {
            next.extend(see_elsewhere(lock));
            next.push(wait(lock));
            next.push(insist(lock));
        }
        _ => {
            next.extend(resume(&processes, target(lock).as_deref(), snapshot.at));
            next.push(wait(lock));
            next.extend(ask(&processes));
            next.extend(end(lock, &processes));
        }
    }
    next.extend(breaking(lock));
    next
}

fn wait(lock: &Lock) -> Advice {
    let command = target(lock).map(|target| format!("locktop wait {target}"));
    Advice::new("Wait: this returns when it is free, and takes nothing.", command)
}

fn remove(lock: &Lock) -> Advice {
    let command = release_of(lock);
    Advice::new(
        format!(
            "Remove the {}: it is looked at again before, and exactly that is removed.",
            form(lock)
        ),
        command,
    )
}

fn insist(lock: &Lock) -> Advice {
    let release = |target| format!("locktop release {target} --method remove --insist");
    Advice::new(
        format!(
            "Remove the {} only once you know that nobody has it: whoever does, does not notice, \
             and the next one gets in beside him.",
            form(lock)
        ),
        target(lock).map(release),
    )
}

/// Whoever is named there can be asked about there.
fn see_elsewhere(lock: &Lock) -> Option<Advice> {
    let (holder, host) =
        lock.holders.iter().find_map(|holder| Some((holder, lock.elsewhere(holder)?)))?;
    let command = match (phrase::quoted(host), holder.process.pid) {
        (Some(host), Some(pid)) if !host.starts_with('\'') => Some(format!("ssh {host} ps {pid}")),
        _ => None,
    };
    Some(Advice::new(format!("Look on {} whether its owner is alive.", harmless(host)), command))
}

/// To end those whom it names; nobody is ended on a guess.
fn end(lock: &Lock, processes: &[&Process]) -> Option<Advice> {
    if processes.is_empty() || processes.len() > AT_ONCE {
        return None;
    }
    let is_named = |process: &&Process| process.pid == lock.recorded_pid;
    let Advice { text, command } = end_all(processes);
    if !processes.iter().all(is_named) {
        return Some(Advice::plain(format!(
            "{text} That it belongs to {} is only likely: look first at what is going on there.",
            super::names(processes)
        )));
    }
    let release = |_| Some(format!("locktop release {} --method terminate", target(lock)?));
    Some(Advice::new(text, command.and_then(release)))
}

/// What to know before.
pub(super) fn breaking(lock: &Lock) -> Option<Advice> {
    match lock.details.get("breaking") {
        Some(Detail::Text(text)) => Some(Advice::plain(harmless(text).into_owned())),
        _ => None,
    }
}

fn form(lock: &Lock) -> &'static str {
    lock.on_disk.as_ref().map_or("file", |there| there.content.form().word())
}

/// The command that removes a lock that was left behind.
pub(crate) fn release_of(lock: &Lock) -> Option<String> {
    target(lock).map(|target| format!("locktop release {target}"))
}

/// What names this lock, as a shell reads it.
fn target(lock: &Lock) -> Option<String> {
    let path = lock.path.as_ref()?.as_path().to_str()?;
    phrase::quoted(&format!("{}:{path}", lock.family))
}
