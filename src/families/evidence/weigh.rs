//! The weighing itself: a pure function. Mixed evidence decides nothing.

use super::{Clock, Finding, Manners, Named, Start, Suspect, Testimony};
use crate::diagnose::phrase;
use crate::model::{Certainty, Elsewhere, OnDisk, Pid, Sharer, harmless};

/// So many are told by name.
const NAMED: usize = 3;

/// Who has it, by all that was heard.
pub(super) fn weigh(there: &OnDisk, manners: &Manners<'_>, heard: Testimony) -> Finding {
    match heard.named {
        Named::Elsewhere(other) => elsewhere(other),
        Named::Alive { ref suspect, number, start, ref inside } => {
            alive(there, manners, suspect, number, start, inside, heard.clock)
        }
        Named::Gone { number, ref inside } => gone(there, manners, number, inside, &heard),
        Named::Impossible(written) => {
            let why = format!("it names {written}, which no process can be");
            unnamed(manners, &why, &heard)
        }
        Named::Nobody(ref why) => unnamed(manners, &harmless(why), &heard),
    }
}

fn elsewhere(other: Elsewhere) -> Finding {
    let host = harmless(&other.host).into_owned();
    let whom = match (other.pid, &other.user) {
        (Some(pid), _) => format!("pid {pid} on {host}"),
        (None, Some(user)) => format!("{} on {host}", harmless(user)),
        (None, None) => format!("somebody on {host}"),
    };
    let remark = format!("it names {whom}, another machine, which cannot be looked at from here");
    Finding { elsewhere: Some(other), remark: Some(remark), ..Finding::default() }
}

fn alive(
    there: &OnDisk,
    manners: &Manners<'_>,
    suspect: &Suspect,
    number: Pid,
    start: Start,
    inside: &[Suspect],
    clock: Clock,
) -> Finding {
    let form = there.content.form().word();
    let who = suspect.process.label();
    let named = if number == suspect.pid {
        format!("it names pid {number}")
    } else {
        format!("it names thread {number} of {who}")
    };
    let mut finding = Finding { recorded: Some(suspect.pid), ..Finding::default() };
    let is_known = manners.is_known(suspect);
    // Numbers are given out again within the time in which starts look the same.
    if start == Start::Same && is_known != Some(false) {
        finding.holders = vec![suspect.sharer(Certainty::Proven, Vec::new())];
        finding.remark = Some(format!("the {form} names it and its start"));
        return finding;
    }
    if suspect.came_after(there.changed, clock) && is_known != Some(true) {
        let what = if number == suspect.pid { "number" } else { "thread's number" };
        finding.abandoned = Some(format!(
            "{named}, which has ended: {who}, who has that {what} now, started after the {form} \
             was last changed"
        ));
        return finding;
    }
    let doubt = if suspect.seems_to_come_after(there.changed) {
        let speaks_for = if is_known == Some(true) {
            "runs what makes such locks, but started"
        } else {
            "started"
        };
        Some(format!(
            "{who} {speaks_for} after the {form} was last changed: the number was given out again, \
             or the clock was set"
        ))
    } else if start == Start::Another {
        Some(format!("{who} is older than the {form}, but started at another time than it says"))
    } else if suspect.process.kernel_thread {
        Some(format!("{who} is a thread of the kernel, which takes no such locks"))
    } else if !suspect.can_have_made(there) {
        Some(format!("{who} runs as another user than the one whose {form} it is"))
    } else if is_known == Some(false) {
        let programs = phrase::list(manners.programs.iter().map(ToString::to_string), NAMED);
        Some(format!("{who} is not {programs}"))
    } else if number == 1 && is_known.is_none() {
        Some(format!("{who} is the first process, and in a container others have that number"))
    } else if let ([other, ..], None) = (inside, is_known) {
        let other = other.process.label();
        Some(format!("both {who} and, in its container, {other} have that number"))
    } else {
        None
    };
    if let Some(doubt) = doubt {
        finding.remark = Some(format!("{named}: {doubt}"));
    } else {
        finding.holders = vec![suspect.sharer(Certainty::Likely, Vec::new())];
        finding.remark =
            Some(format!("the {form} names it, and was last changed after it had started"));
    }
    finding
}

fn gone(
    there: &OnDisk,
    manners: &Manners<'_>,
    number: Pid,
    inside: &[Suspect],
    heard: &Testimony,
) -> Finding {
    let has_ended = format!("it names pid {number}, and no such process is alive");
    let mut finding = Finding { recorded: Some(number), ..Finding::default() };
    if !heard.writers.is_empty() {
        finding.holders = writers(heard);
        finding.remark = Some(format!("{has_ended}, but others have it open"));
        return finding;
    }
    let was_there = |by: &&Suspect| !by.came_after(there.changed, heard.clock);
    let inside: Vec<&Suspect> = inside.iter().filter(was_there).collect();
    if !inside.is_empty() {
        let names = names(&inside);
        finding.remark = Some(format!("{has_ended} here; in a container {names} has that number"));
        return finding;
    }
    if manners.heirs && !heard.at_work.is_empty() {
        finding.holders = at_work(heard);
        let names = names(&heard.at_work.iter().collect::<Vec<_>>());
        let is = phrase::plural(heard.at_work.len(), "is", "are");
        finding.remark = Some(format!("{has_ended}, but {names} {is} still at work there"));
        return finding;
    }
    match &heard.blind {
        Some(blind) => finding.remark = Some(format!("{has_ended} here, but {blind}")),
        None => finding.abandoned = Some(has_ended),
    }
    finding
}

/// For a lock that names nobody; `why` says how so.
fn unnamed(manners: &Manners<'_>, why: &str, heard: &Testimony) -> Finding {
    let mut finding = Finding::default();
    if !heard.writers.is_empty() {
        finding.holders = writers(heard);
        return finding;
    }
    let programs = phrase::list(manners.programs.iter().map(ToString::to_string), NAMED);
    if !heard.at_work.is_empty() {
        finding.holders = at_work(heard);
        finding.remark = Some(format!(
            "{why}, but {}, which {} such locks, {} at work there before it was made",
            names(&heard.at_work.iter().collect::<Vec<_>>()),
            phrase::plural(heard.at_work.len(), "makes", "make"),
            phrase::plural(heard.at_work.len(), "was", "were"),
        ));
        return finding;
    }
    let strays: Vec<&Suspect> = heard.strays.iter().collect();
    let reason = if manners.programs.is_empty() {
        Some("nobody was seen to have it open".into())
    } else if heard.is_fresh {
        Some("it was changed just now, and who did that was not seen".into())
    } else if !strays.is_empty() {
        let names = names(&strays);
        Some(format!("{names}, at work elsewhere, can have made it"))
    } else {
        heard.blind.clone().or_else(|| heard.half_blind.clone())
    };
    match reason {
        Some(reason) => finding.remark = Some(format!("{why}; {reason}")),
        None => {
            finding.abandoned = Some(format!(
                "nobody has it open, and no {programs} is alive that was there when it was made"
            ));
        }
    }
    finding
}

fn at_work(heard: &Testimony) -> Vec<Sharer> {
    heard.at_work.iter().map(|by| by.sharer(Certainty::Likely, Vec::new())).collect()
}

fn writers(heard: &Testimony) -> Vec<Sharer> {
    heard.writers.iter().map(|(by, fds)| by.sharer(Certainty::Likely, fds.clone())).collect()
}

fn names(suspects: &[&Suspect]) -> String {
    phrase::list(suspects.iter().map(|by| by.process.label()), NAMED)
}

impl Suspect {
    fn sharer(&self, certainty: Certainty, fds: Vec<i32>) -> Sharer {
        Sharer { pid: self.pid, fds, certainty, is_escrow: false }
    }
}

impl Manners<'_> {
    /// Whether a process runs a program that makes such locks; `None`: it is not known which do.
    fn is_known(&self, suspect: &Suspect) -> Option<bool> {
        if self.programs.is_empty() {
            return None;
        }
        let command = suspect.process.command.as_deref()?;
        Some(crate::system::census::is_one_of(self.programs, command.as_bytes()))
    }
}
