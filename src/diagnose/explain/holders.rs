//! Those who have a lock: since when, what they do, and who they are.

use super::reason::Reason;
use crate::diagnose::{phrase, portrait};
use crate::model::{
    Certainty, Holder, Lock, Process, Snapshot, Span, State, Verdict, harmless, short,
};

/// So many holders are told one by one, the others by their number.
const HOLDERS: usize = 5;

fn told(lock: &Lock) -> &[Holder] {
    &lock.holders[..lock.holders.len().min(HOLDERS)]
}

/// Whether the reason leaves nothing to say of them but since when.
pub(super) fn are_told(lock: &Lock, reason: &Reason) -> bool {
    let is_told = |holder: &Holder| {
        let keeps = format!("keeps it{}", phrase::through(&holder.fds));
        reason.more.contains(&holder.process.label())
            && (holder.certainty == Certainty::Recorded || reason.more.contains(&keeps))
    };
    match &*lock.holders {
        [] => true,
        [one] => is_told(one),
        _ => false,
    }
}

/// `Held by rsync (pid 3244) through descriptor 9, for at least 41m00s.`
pub(super) fn held(lock: &Lock, reason: &Reason, reason_is_first: bool) -> Vec<String> {
    let there = lock.on_disk.as_ref().map(|there| there.content.form().word());
    let since = match (there, lock.age.sentence()) {
        (Some(form), Some(span)) => format!("The {form} has been there for {span}."),
        (Some(form), None) => format!("How long the {form} has been there could not be told."),
        (None, _) => match age(&lock.age) {
            Some(age) => format!("Held {age}."),
            None => "For how long could not be told.".into(),
        },
    };
    if lock.holders.is_empty() {
        let nobody = match lock.verdict {
            Verdict::Stale => None,
            _ if there.is_some() => Some("Whether anybody has it could not be told."),
            _ if reason.more.contains("be seen") => None,
            _ => Some("Who holds it could not be seen."),
        };
        return nobody.map(String::from).into_iter().chain([since]).collect();
    }
    if are_told(lock, reason) {
        return vec![since];
    }
    let before = if reason_is_first { &*reason.more } else { "" };
    let by = |certainty| lock.holders.iter().filter(move |by| by.certainty == certainty);
    let kinds = [
        ("Held by", Certainty::Proven),
        ("Probably held by", Certainty::Likely),
        ("On record held by", Certainty::Recorded),
    ];
    let mut sentences: Vec<_> = kinds
        .into_iter()
        .map(|(verb, kind)| (verb, by(kind).collect::<Vec<_>>()))
        .filter(|(_, holders)| !holders.is_empty())
        .map(|(verb, holders)| format!("{verb} {}", names(lock, &holders, before)))
        .collect();
    match (&mut sentences[..], age(&lock.age)) {
        ([one], Some(age)) => {
            one.push_str(", ");
            one.push_str(&age);
        }
        (_, Some(age)) => sentences.push(format!("Held {age}")),
        (_, None) => sentences.push("For how long could not be told".into()),
    }
    if by(Certainty::Recorded).next().is_some() && reason.more.is_empty() {
        sentences.push("Whether that is so could not be checked".into());
    }
    sentences.into_iter().map(|sentence| sentence + ".").collect()
}

/// How a holder is called once its number was told: by its command alone, unless that of another of
/// them, or of somebody in the reason, is the same.
fn short_name(process: &Process, lock: &Lock, before: &str) -> String {
    let name = process.label();
    let Some(command) = &process.command else { return name };
    let same = |other: &Process| other.pid != process.pid && other.command == process.command;
    let of_several = lock.holders.iter().any(|by| same(&by.process))
        || lock.waiters.iter().any(|by| same(&by.process));
    let command = harmless(command);
    let mentions = before.matches(&*format!("{command} (pid ")).count();
    if of_several || mentions > before.matches(&*name).count() {
        name
    } else {
        command.into_owned()
    }
}

/// `tail (pid 7) and grep (pid 8), each through descriptor 3`.
fn names(lock: &Lock, holders: &[&Holder], before: &str) -> String {
    let through = |holder: &Holder| phrase::through(&holder.fds);
    let alike = holders.iter().all(|by| by.fds == holders[0].fds);
    let name = |holder: &&Holder| {
        let host = lock.elsewhere(holder);
        let host = host.map_or_else(String::new, |host| format!(" on {}", harmless(host)));
        let through = if alike { String::new() } else { through(holder) };
        let name = holder.process.label();
        let is_new = holders.len() > 1 || !before.contains(&name);
        let name = if is_new { name } else { short_name(&holder.process, lock, before) };
        format!("{name}{host}{through}")
    };
    let names = phrase::list(holders.iter().map(name), HOLDERS);
    match (alike, &*through(holders[0])) {
        (false, _) | (_, "") => names,
        (true, through) if holders.len() == 1 => format!("{names}{through}"),
        (true, through) => format!("{names}, each{through}"),
    }
}

/// `for at least 41m00s`, if that could be told.
fn age(age: &Span) -> Option<String> {
    let span = age.sentence()?;
    let seen = age.times_seen().map(|times| {
        format!(" (seen {times} times: it may have been released and retaken in between)")
    });
    Some(format!("for {span}{}", seen.unwrap_or_default()))
}

/// `rsync sleeps in do_select, last ran 2.0s ago.`, unless the reason says so, or that it waits for
/// a lock. Those who do the same are told together.
pub(super) fn doing(lock: &Lock, snapshot: &Snapshot, reason: &Reason) -> Vec<String> {
    if let (Some(activity), [only]) = (&reason.activity, &*lock.holders) {
        return vec![format!("{} {activity}.", short_name(&only.process, lock, &reason.more))];
    }
    let waiters = || snapshot.locks.iter().flat_map(|lock| &lock.waiters);
    let waits = |process: &Process| {
        process.state == Some(State::Sleeping)
            && waiters().any(|waiter| waiter.process.pid == process.pid)
    };
    let mut groups: Vec<(String, Vec<&Process>)> = Vec::new();
    for process in told(lock).iter().map(|holder| &*holder.process) {
        let Some(doing) = phrase::doing(process) else { continue };
        if waits(process) || reason.more.contains(&format!("{} {doing}", process.label())) {
            continue;
        }
        match groups.iter_mut().find(|(other, _)| *other == doing) {
            Some((_, group)) => group.push(process),
            None => groups.push((doing, vec![process])),
        }
    }
    let sentence = |(doing, group): (String, Vec<&Process>)| {
        let names = phrase::list(
            group.iter().map(|process| short_name(process, lock, &reason.more)),
            HOLDERS,
        );
        let latest = group.iter().filter_map(|process| process.idle(snapshot.at)).min();
        let ran = latest.map_or_else(String::new, |ran| format!(", last ran {} ago", short(ran)));
        match &group[..] {
            [_] => format!("{names} {doing}{ran}."),
            _ => format!("{names}: each {doing}{ran}."),
        }
    };
    groups.into_iter().map(sentence).collect()
}

/// `apt itself waits for /a.`, unless the reason says so.
pub(super) fn that_wait<'a, L: Iterator<Item = &'a Lock>>(
    lock: &Lock,
    others: impl Fn() -> L,
    reason: &Reason,
) -> Vec<String> {
    if reason.activity.as_ref().is_some_and(|activity| activity.contains("itself waits for ")) {
        return Vec::new();
    }
    let waits = |process: &Process| {
        let pid = process.pid?;
        let wants = |lock: &&Lock| lock.waiters.iter().any(|by| by.process.pid == Some(pid));
        let labels: Vec<_> = others().filter(wants).map(Lock::label).collect();
        let labels = phrase::list(labels.into_iter(), 3);
        let is_told = reason.more.contains(&format!("{} itself waits", process.label()));
        (!labels.is_empty() && !is_told).then(|| {
            format!("{} itself waits for {labels}.", short_name(process, lock, &reason.more))
        })
    };
    told(lock).iter().filter_map(|holder| waits(&holder.process)).collect()
}

/// `rsync: run by backup, in the folder /srv, a child of systemd (pid 1), as: rsync -a /srv nas:.`
pub(super) fn themselves(lock: &Lock, reason: &Reason) -> Vec<String> {
    let holders: Vec<&Process> = told(lock).iter().map(|holder| &*holder.process).collect();
    portrait::of_all(&holders, |process| short_name(process, lock, &reason.more))
}
