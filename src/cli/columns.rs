//! The columns of the table: their names, and what each says of a lock.

use std::collections::BTreeSet;

use clap::ValueEnum;
use locktop::model::{Certainty, Holder, Lock, Mechanism, Mode, PathBytes, Range, Span, harmless};

use super::cell::{Cell, Cut};
use super::page::Glyphs;

/// What can be printed of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Column {
    /// The judgement: deadlock, split, stale, orphaned, stuck, unknown, contended or held
    Verdict,
    /// The file, its range if locked in part, and the lock's name if it is well known
    Lock,
    /// The family, and X for exclusive or S for shared
    Kind,
    /// Who has it: command, pid and user; how many more
    Holder,
    /// For how long it has been held
    Held,
    /// How many wait, and the longest wait
    Queue,
    /// The id, which is a target for every command
    Id,
    /// A fingerprint of the holders
    AsSeen,
    /// The file, or the last name of a file that has none any more
    Path,
    /// The lock's name, if it is well known
    Name,
    /// What kind of lock it is to people
    Family,
    /// What makes it exclusive: flock, posix, ofd or lease
    Mechanism,
    /// exclusive or shared
    Mode,
    /// The locked bytes, ~ for the whole file
    Range,
    /// The pids of all holders
    Pid,
    /// The command names of all holders
    Command,
    /// The users of all holders
    User,
    /// The states of all holders: running, sleeping, stopped …
    State,
    /// The systemd units of all holders
    Unit,
    /// The containers of all holders
    Container,
    /// How sure the holders are: proven, likely or recorded
    Certainty,
    /// The pid that the kernel names
    Recorded,
    /// How many wait
    Waiters,
    /// The longest wait
    Wait,
    /// The reason of the verdict
    Why,
}

/// The columns if none are asked for.
pub(crate) const DEFAULT: [Column; 6] =
    [Column::Verdict, Column::Lock, Column::Kind, Column::Holder, Column::Held, Column::Queue];

/// The columns of what needs a person, if none are asked for.
pub(crate) const PROBLEMS: [Column; 4] =
    [Column::Verdict, Column::Lock, Column::Queue, Column::Why];

impl Column {
    /// Its name in capitals.
    pub(crate) fn heading(self) -> String {
        let name = self.to_possible_value();
        name.map(|name| name.get_name().to_uppercase()).unwrap_or_default()
    }

    pub(crate) fn cut(self) -> Cut {
        match self {
            Self::Lock | Self::Path => Cut::Middle,
            Self::Holder
            | Self::Name
            | Self::Pid
            | Self::Command
            | Self::User
            | Self::State
            | Self::Unit
            | Self::Container
            | Self::Certainty
            | Self::Why => Cut::End,
            _ => Cut::Never,
        }
    }

    /// What it says of a lock. Nothing is said where nothing is known.
    pub(crate) fn of(self, lock: &Lock, glyphs: &Glyphs) -> Cell {
        let known = |text: Option<String>| text.unwrap_or_else(|| glyphs.nothing.into()).into();
        match self {
            Self::Verdict => lock.verdict.word().to_owned().into(),
            Self::Lock => name_of(lock),
            Self::Kind => kind_of(lock).into(),
            Self::Holder => holder_of(lock),
            Self::Held => lock.age.short(glyphs.ascii).into(),
            Self::Queue => queue_of(lock, glyphs).into(),
            Self::Id => lock.id.to_string().into(),
            Self::AsSeen => lock.as_seen.to_string().into(),
            Self::Path => known(lock.path.as_ref().map(PathBytes::display)),
            Self::Name => known(lock.name.as_deref().map(|name| harmless(name).into())),
            Self::Family => lock.family.to_string().into(),
            Self::Mechanism => lock.mechanism.word().to_owned().into(),
            Self::Mode => lock.mode.word().to_owned().into(),
            Self::Range => known(lock.range.map(|range| range.to_string())),
            Self::Pid => known(each(lock, |one| one.process.pid.map(|pid| pid.to_string()))),
            Self::Command => known(each(lock, |one| one.process.command.clone())),
            Self::User => known(each(lock, user_of)),
            Self::State => known(each(lock, |one| one.process.state.map(|it| it.word().into()))),
            Self::Unit => known(each(lock, |one| one.process.unit.clone())),
            Self::Container => known(each(lock, |one| one.process.container.clone())),
            Self::Certainty => known(each(lock, |one| Some(one.certainty.word().into()))),
            Self::Recorded => known(lock.recorded_pid.map(|pid| pid.to_string())),
            Self::Waiters => count_of(lock).into(),
            Self::Wait => known(lock.longest_wait().map(|wait| wait.short(glyphs.ascii))),
            Self::Why => known(lock.why.as_ref().map(|why| harmless(&why.text()).into_owned())),
        }
    }
}

/// Where it is, and what a person has to know to tell it from others there.
pub(crate) fn name_of(lock: &Lock) -> Cell {
    let range = lock.range.filter(|range| *range != Range::WHOLE);
    let mut end = range.map(|range| format!(" [{range}]")).unwrap_or_default();
    if lock.deleted {
        end += " (deleted)";
    }
    let place = lock.label() + &end;
    match lock.name.as_deref().map(harmless) {
        Some(name) => {
            Cell { text: format!("{place} ({name})"), shorter: vec![place, name.into()], end }
        }
        None => Cell { text: place, shorter: Vec::new(), end },
    }
}

/// The family, and how it is held.
pub(crate) fn kind_of(lock: &Lock) -> String {
    let letter = match (lock.mechanism, lock.mode) {
        // What is held by existing has no modes.
        (Mechanism::Exists, _) => "",
        (_, Mode::Exclusive) => " X",
        (_, Mode::Shared) => " S",
    };
    format!("{}{letter}", lock.family)
}

fn holder_of(lock: &Lock) -> Cell {
    let Some(first) = lock.holders.first() else {
        let is_stale = lock.verdict == locktop::model::Verdict::Stale;
        return if is_stale { "nobody" } else { "nobody seen" }.to_owned().into();
    };
    if let Some(host) = lock.elsewhere(first) {
        return format!("{} on {}", without_user(first), harmless(host)).into();
    }
    let more = match lock.holders.len() {
        1 => String::new(),
        holders => format!(" +{}", holders - 1),
    };
    let full = person(first) + &more;
    match user_of(first) {
        Some(_) => Cell { text: full, shorter: vec![without_user(first) + &more], end: more },
        None => Cell { text: full, shorter: Vec::new(), end: more },
    }
}

/// A holder with command, pid and user.
pub(crate) fn person(holder: &Holder) -> String {
    match user_of(holder) {
        Some(user) => format!("{} {}", without_user(holder), harmless(&user)),
        None => without_user(holder),
    }
}

/// A holder with command and pid; `?` where nothing but that number is known for sure.
fn without_user(holder: &Holder) -> String {
    let doubt = if holder.certainty == Certainty::Recorded { "?" } else { "" };
    let process = &holder.process;
    match (process.command.as_deref().map(harmless), process.pid) {
        (Some(command), Some(pid)) => format!("{command} {pid}{doubt}"),
        (None, Some(pid)) => format!("pid {pid}{doubt}"),
        (Some(command), None) => command.into(),
        (None, None) => match (&holder.token, &holder.host) {
            (Some(token), _) => format!("token {}", harmless(token)),
            (None, Some(host)) => format!("somebody on {}", harmless(host)),
            (None, None) => "somebody".into(),
        },
    }
}

fn user_of(holder: &Holder) -> Option<String> {
    let uid = || holder.process.uid.map(|uid| uid.to_string());
    holder.process.user.clone().or_else(uid)
}

fn queue_of(lock: &Lock, glyphs: &Glyphs) -> String {
    match lock.longest_wait() {
        None => glyphs.nothing.into(),
        Some(wait) => format!("{}{}{}", count_of(lock), glyphs.dot, wait.short(glyphs.ascii)),
    }
}

/// How many wait; `+` where there are more than could be read.
fn count_of(lock: &Lock) -> String {
    format!("{}{}", lock.waiters.len(), if queue_is_cut(lock) { "+" } else { "" })
}

/// Whether the queue was too long to be read to its end.
pub(crate) fn queue_is_cut(lock: &Lock) -> bool {
    lock.details.contains_key("queue_cut")
}

/// A fact of all holders, each once.
fn each(lock: &Lock, fact: impl Fn(&Holder) -> Option<String>) -> Option<String> {
    let mut seen = BTreeSet::new();
    let facts: Vec<_> = lock
        .holders
        .iter()
        .filter_map(fact)
        .filter(|one| seen.insert(one.clone()))
        .map(|one| harmless(&one).into_owned())
        .collect();
    (!facts.is_empty()).then(|| facts.join(","))
}

/// A time in a sentence's end, if it is known: `12m04s`, `≥41m00s`.
pub(crate) fn known_time(span: &Span, glyphs: &Glyphs) -> Option<String> {
    span.sentence().map(|_| span.short(glyphs.ascii))
}
