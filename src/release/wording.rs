//! What a plan does and may cost, in sentences; harmless to print.

use std::ffi::OsString;

use super::plan::Plan;
use crate::diagnose::phrase::{self, plural};
use crate::model::{Content, Holder, Lock, PathBytes, State, Verdict, harmless};

/// What a plan is about, and the words for one or for many of them.
struct Them {
    names: String,
    count: usize,
}

impl Them {
    fn of(plan: &Plan) -> Self {
        let processes = plan.processes();
        let names = phrase::list(processes.iter().map(|by| by.process.label()), 8);
        Self { names, count: processes.len() }
    }

    fn say<'a>(&self, one: &'a str, many: &'a str) -> &'a str {
        plural(self.count, one, many)
    }
}

/// What letting them go on does, and its harm.
pub(super) fn resume(plan: &Plan) -> (String, String) {
    let them = Them::of(plan);
    let names = &them.names;
    let does = them.say(
        "goes on, and gives the lock back when it is done",
        "go on, and give the lock back when they are done",
    );
    let mut harm = String::from(them.say(
        "Nothing is lost. If somebody halted it on purpose, it goes on with what was to be stopped.",
        "Nothing is lost. If somebody halted them on purpose, they go on with what was to be \
         stopped.",
    ));
    let is_frozen = |state| state == Some(State::Frozen);
    if plan.victims.iter().any(|by| is_frozen(by.process.state)) {
        harm.push_str(" Everything else that is frozen in the same control group goes on too.");
    }
    if plan.victims.iter().any(|by| is_frozen(by.process.state) && by.process.container.is_some()) {
        harm.push_str(" The engine of the container may still take it for paused.");
    }
    (format!("{names} {does}."), harm)
}

/// What their end does.
pub(super) fn when_they_end(plan: &Plan, lock: &Lock, others: &[&Holder]) -> String {
    let them = Them::of(plan);
    let have = them.say("has ended", "have ended");
    format!("Once {} {have}, {}.", them.names, then(lock, others))
}

/// What their end costs.
pub(super) fn ended(plan: &Plan) -> String {
    let them = Them::of(plan);
    let mut harm = format!(
        "What {} {} doing stays unfinished; there is time to clean up.",
        them.names,
        them.say("is", "are")
    );
    for (state, until) in [
        (State::Uninterruptible, "its uninterruptible sleep ends"),
        (State::Traced, "its debugger lets it go on"),
    ] {
        let mut in_it = plan.processes().into_iter().filter(|by| by.process.state == Some(state));
        if let Some(by) = in_it.next() {
            let name = by.process.label();
            harm = format!("{harm} {name} takes the signal when {until}.");
        }
    }
    harm + &comes_back(plan)
}

/// What killing them costs.
pub(super) fn killed(plan: &Plan) -> String {
    let names = Them::of(plan).names;
    format!(
        "{names} cannot clean up: what is being written can stay half written.{}",
        comes_back(plan)
    )
}

/// Services are started again.
fn comes_back(plan: &Plan) -> String {
    let units = plan.processes().into_iter().filter_map(|by| by.process.unit.as_deref());
    let mut services = units.filter(|unit| unit.ends_with(".service"));
    let unit = services.next().map(harmless);
    unit.map_or_else(String::new, |unit| format!(" The unit {unit} may start it again."))
}

/// What keeping the lock does.
pub(super) fn kept(plan: &Plan, lock: &Lock, others: &[&Holder]) -> String {
    let them = Them::of(plan);
    format!(
        "locktop shares the lock before {} {} and keeps it afterwards: nobody gets in between. Once \
         it is handed over, {}.",
        them.names,
        them.say("ends", "end"),
        then(lock, others)
    )
}

/// What keeping it cannot prevent.
pub(super) fn unlocks_itself(plan: &Plan) -> &'static str {
    Them::of(plan).say(
        " If it unlocks by itself while it ends, the next one has the lock at once.",
        " If one of them unlocks by itself while it ends, the next one has the lock at once.",
    )
}

/// What an unlock does.
pub(super) fn at_once(plan: &Plan, lock: &Lock, others: &[&Holder]) -> String {
    let them = Them::of(plan);
    let lose = them.say("loses", "lose");
    format!("{} {lose} the lock at once; {}.", them.names, then(lock, others))
}

/// What an unlock costs those who lose the lock.
pub(super) fn unlocked(plan: &Plan) -> String {
    let them = Them::of(plan);
    format!(
        "{} {}: exclusion is broken, and what {} and the next one write can be destroyed.",
        them.names,
        them.say(
            "lives on without knowing, and goes on as if it had the lock",
            "live on without knowing, and go on as if they had the lock"
        ),
        them.say("it", "they")
    )
}

/// Who has the lock then.
fn then(lock: &Lock, others: &[&Holder]) -> String {
    if !others.is_empty() {
        let names = phrase::list(others.iter().map(|by| by.process.label()), 4);
        let have = plural(others.len(), "still has it", "still have it");
        return format!("{names} {have}");
    }
    match lock.waiters.first() {
        Some(waiter) => {
            let name = waiter.process.label();
            format!("the lock is free, and {name} is next in the queue")
        }
        None => "the lock is free; nobody waits in its queue".into(),
    }
}

/// The commands that remove what lies there.
pub(super) fn removal(lock: &Lock) -> Vec<String> {
    let Some(path) = &lock.path else { return Vec::new() };
    let content = lock.on_disk.as_ref().map(|there| &there.content);
    let Some(Content::Folder { names, .. }) = content else {
        return vec![format!("rm {}", path.display())];
    };
    let entry =
        |name: &OsString| format!("rm {}", PathBytes::new(path.as_path().join(name)).display());
    let mut steps: Vec<String> = names.iter().map(entry).collect();
    steps.push(format!("rmdir {}", path.display()));
    steps
}

/// What removing it does, and costs.
pub(super) fn removed(lock: &Lock) -> (String, String) {
    let form = lock.on_disk.as_ref().map_or("file", |there| there.content.form().word());
    let frees = format!("The {form} is gone, and with it the lock: whoever tries next has it.");
    let names = phrase::list(lock.holders.iter().map(|by| by.process.label()), 4);
    let harm = match (lock.verdict, &*lock.holders) {
        (Verdict::Stale, _) => format!(
            "Should somebody alive rely on the {form} all the same, exclusion is broken for him. \
             What whoever left it was doing may have stayed unfinished."
        ),
        (_, []) => format!(
            "Should somebody rely on the {form}, he does not notice: exclusion is broken, and what \
             he and the next one write can be destroyed."
        ),
        (_, holders) => format!(
            "{names} {}: exclusion is broken, and what {} and the next one write can be destroyed.",
            plural(
                holders.len(),
                "does not notice, and goes on as if it had the lock",
                "do not notice, and go on as if they had the lock"
            ),
            plural(holders.len(), "it", "they")
        ),
    };
    (frees, harm)
}

/// Who has a lock that was kept and handed over: `handed over: flock (pid 12) has it now`. Harmless to
/// print.
#[must_use]
pub fn handed_over(now: Option<&Lock>) -> String {
    let Some(lock) = now else { return "handed over: nobody has it now".into() };
    let mut names: Vec<_> = lock.holders.iter().map(|by| by.process.label()).collect();
    names.dedup();
    if names.is_empty() {
        return "handed over: somebody who cannot be seen from here has it now".into();
    }
    let has = plural(names.len(), "has", "have");
    format!("handed over: {} {has} it now", phrase::list(names.into_iter(), 8))
}
