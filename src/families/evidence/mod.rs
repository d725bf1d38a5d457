//! Who has a lock that lies on disk: what it says, and what speaks for and against that.
//!
//! Strongest first: content with a process and its start; a process that is named and is older than
//! the lock; a process that has it open; a program, known to make such locks, that works in its
//! folder. That it is old proves nothing.

mod weigh;

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::model::{Elsewhere, Moment, OnDisk, Owner, Pid, Process, Sharer};
use crate::system::System;
use crate::system::census::number_of_folder;
use weigh::weigh;

/// How far apart the clocks of processes and files can be, and how exactly it is known how far a
/// clock was set.
const CLOCKS: SignedDuration = SignedDuration::from_secs(5);

/// What a lock says of a start is rounded, and was read some time after it.
const STARTS: SignedDuration = SignedDuration::from_secs(3);

/// Whoever made it may still be about to say so.
const FRESH: Duration = Duration::from_secs(5);

/// What is known of a kind of lock.
#[derive(Debug, Default)]
pub(super) struct Manners<'a> {
    /// The programs that make it; empty: any.
    pub(super) programs: &'a [Arc<str>],
    /// Words in the command lines of such programs that never make it.
    pub(super) idle: &'a [Arc<str>],
    /// Commands with which such a program makes no other lock than that of the folder around it.
    pub(super) stays: &'a [Arc<str>],
    /// Variables and options with which it works on another folder all the same.
    pub(super) roams: &'a [Arc<str>],
    /// The name of the folder by which it knows the one around it.
    pub(super) anchor: Option<&'a str>,
    /// Whether those at work there need it still when the one that it names has ended.
    pub(super) heirs: bool,
    /// The folders in which they work; empty: that is not known.
    pub(super) workplaces: Vec<Cow<'a, Path>>,
}

/// What was found out about a lock.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) holders: Vec<Sharer>,
    pub(super) elsewhere: Option<Elsewhere>,
    /// Whom it names, as the kernel here numbers processes.
    pub(super) recorded: Option<Pid>,
    /// How it is proven that nothing alive keeps it.
    pub(super) abandoned: Option<String>,
    /// What is odd, or why nothing can be said.
    pub(super) remark: Option<String>,
}

/// All that was found out about who has it.
#[derive(Debug)]
struct Testimony {
    named: Named,
    /// Those who have it open for writing.
    writers: Vec<(Suspect, Vec<i32>)>,
    /// Those who run a program that makes such locks, and were there when it was made: in its
    /// folder, and elsewhere or where that may not be known.
    at_work: Vec<Suspect>,
    strays: Vec<Suspect>,
    /// Why it proves nothing that somebody was not found.
    blind: Option<String>,
    /// Why it proves nothing that nobody was seen to have it open.
    half_blind: Option<String>,
    is_fresh: bool,
    clock: Clock,
}

/// By how much a lock that was changed earlier may look older than it is, beside processes, whose
/// starts are told by the clock of now: so far was the clock set forward since the machine started.
/// `None`: that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Clock(Option<SignedDuration>);

/// What became of the process that a lock names.
#[derive(Debug)]
enum Named {
    /// It names none, and why.
    Nobody(String),
    /// It names one of another machine.
    Elsewhere(Elsewhere),
    /// No process can have that number.
    Impossible(i64),
    /// Nobody here has that number; these have it in a container.
    Gone { number: Pid, inside: Vec<Suspect> },
    /// Somebody has it. `inside`: others have it in a container.
    Alive { suspect: Suspect, number: Pid, start: Start, inside: Vec<Suspect> },
}

/// What a lock says of the start of its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Untold,
    /// That of the process which has the number now.
    Same,
    Another,
}

/// A process that could have a lock.
#[derive(Debug, Clone)]
struct Suspect {
    pid: Pid,
    process: Arc<Process>,
    users: Option<[u32; 4]>,
}

/// Asks for the evidence.
#[derive(Debug)]
pub(super) struct Inquiry<'a> {
    system: &'a System,
    host: Arc<str>,
    at: Moment,
    clock: Clock,
    /// Why processes of this machine may be out of sight.
    blind: Option<String>,
}

impl<'a> Inquiry<'a> {
    pub(super) fn begin(system: &'a System, at: Moment) -> Self {
        let blind = if !system.in_first_pid_namespace() {
            Some("inside a container, processes outside cannot be seen".into())
        } else if system.hides_processes() {
            Some("/proc hides processes of other users".into())
        } else {
            None
        };
        let clock = Clock(system.clock_was_set(at));
        Self { system, host: system.host().name, at, clock, blind }
    }

    /// What speaks for and against whom.
    pub(super) fn find_out(
        &self,
        there: &OnDisk,
        owner: Result<Owner, String>,
        manners: &Manners<'_>,
    ) -> Finding {
        let owner =
            owner.unwrap_or_else(|why| Owner { purpose: Some(why.into()), ..Owner::default() });
        weigh(there, manners, self.hear(there, &owner, manners))
    }

    fn hear(&self, there: &OnDisk, owner: &Owner, manners: &Manners<'_>) -> Testimony {
        let is_ours = owner.host.as_deref().map(|host| is_same_host(host, &self.host));
        let shared = (there.shared_with_others && is_ours != Some(true))
            .then(|| "its file system is shared with other machines".to_owned());
        let mut testimony = Testimony {
            named: self.named(there, owner, is_ours),
            writers: Vec::new(),
            at_work: Vec::new(),
            strays: Vec::new(),
            blind: self.blind.clone().or(shared),
            half_blind: None,
            is_fresh: since(self.at, there.changed) < FRESH,
            clock: self.clock,
        };
        if !matches!(testimony.named, Named::Alive { .. } | Named::Elsewhere(_)) {
            self.hear_writers(there, &mut testimony);
            self.hear_programs(there, manners, &mut testimony);
        }
        testimony
    }

    fn named(&self, there: &OnDisk, owner: &Owner, is_ours: Option<bool>) -> Named {
        if let (Some(host), Some(false)) = (&owner.host, is_ours) {
            let pid = owner.pid.and_then(|pid| Pid::try_from(pid).ok());
            let host = Arc::clone(host);
            return Named::Elsewhere(Elsewhere { host, pid, user: owner.user.clone() });
        }
        let Some(written) = owner.pid else {
            let why = owner.purpose.as_deref().unwrap_or("it does not say whose it is");
            return Named::Nobody(why.into());
        };
        let Some(number) = Pid::try_from(written).ok().filter(|number| *number > 0) else {
            return Named::Impossible(written);
        };
        let inside = || {
            let pids = self.system.numbered_inside(number).unwrap_or_default();
            self.suspects(&pids)
        };
        // The number can be that of a thread.
        let status = self.system.status(number);
        let pid = status.as_ref().map_or(number, |status| status.process);
        let suspect = self.suspects(&[pid]).pop().filter(|_| self.system.is_alive(pid));
        let Some(suspect) = suspect else { return Named::Gone { number, inside: inside() } };
        let start = match (owner.started_at, suspect.process.started_at) {
            (Some(told), Some(real)) if is_near(told, real, STARTS) => Start::Same,
            // It can have been told before the clock was set.
            (Some(told), Some(real)) if real < told || self.clock.tells_later(real, told) => {
                Start::Another
            }
            _ => Start::Untold,
        };
        let inside = if start == Start::Same || there.uid == 0 { Vec::new() } else { inside() };
        Named::Alive { suspect, number, start, inside }
    }

    fn hear_writers(&self, there: &OnDisk, testimony: &mut Testimony) {
        let files = HashSet::from([there.file]);
        let openers = match self.system.writers_of(&files) {
            Ok(openers) => openers,
            Err(error) => {
                testimony.half_blind = Some(format!("/proc cannot be read: {error}"));
                return;
            }
        };
        for (pid, fds) in openers.writers.into_values().flatten() {
            testimony.writers.extend(self.suspects(&[pid]).into_iter().map(|by| (by, fds.clone())));
        }
        // Nobody else can have made it.
        let could_have = |pid: &&Pid| {
            self.system.status(**pid).is_some_and(|status| status.users.contains(&there.uid))
        };
        let count = openers.unreadable.iter().filter(could_have).count();
        if count > 0 {
            let processes = if count == 1 { "process" } else { "processes" };
            testimony.half_blind =
                Some(format!("the open files of {count} {processes} of its owner may not be seen"));
        }
    }

    fn hear_programs(&self, there: &OnDisk, manners: &Manners<'_>, testimony: &mut Testimony) {
        if manners.programs.is_empty() {
            return;
        }
        let running = match self.system.running(manners.programs) {
            Ok(running) => running,
            Err(error) => {
                testimony.half_blind = Some(format!("/proc cannot be read: {error}"));
                return;
            }
        };
        let pids: Vec<Pid> = running.iter().map(|(pid, _)| *pid).collect();
        let folders = manners.workplaces.iter().filter_map(|folder| number_of_folder(folder).ok());
        let folders: Vec<_> = folders.collect();
        let made = there.birth.unwrap_or(there.changed);
        for suspect in self.suspects(&pids) {
            // Heirs are its owner's children.
            let came_after = !manners.heirs && suspect.came_after(made, self.clock);
            if came_after || suspect.has_command(manners.idle) {
                continue;
            }
            let works_in = |folder| self.system.works_in(suspect.pid, folder).unwrap_or(false);
            if folders.iter().copied().any(works_in) {
                testimony.at_work.push(suspect);
            } else if self.can_roam(&suspect, manners) {
                testimony.strays.push(suspect);
            }
        }
    }

    /// Whether a program at work elsewhere can have made it.
    fn can_roam(&self, suspect: &Suspect, manners: &Manners<'_>) -> bool {
        let Some(anchor) = manners.anchor.filter(|_| suspect.has_command(manners.stays)) else {
            return true;
        };
        // What may not be known can be.
        self.system.was_started_with(suspect.pid, manners.roams).unwrap_or(true)
            || !self.system.is_anchored(suspect.pid, anchor).unwrap_or(false)
    }

    fn suspects(&self, pids: &[Pid]) -> Vec<Suspect> {
        let portraits = self.system.portraits(pids);
        let suspect = |(pid, process): (Pid, Arc<Process>)| {
            let users = self.system.status(pid).map(|status| status.users);
            Suspect { pid, process, users }
        };
        let mut suspects: Vec<Suspect> = portraits.into_iter().map(suspect).collect();
        suspects.sort_by_key(|suspect| suspect.pid);
        suspects
    }
}

impl Suspect {
    /// Whether it certainly started after that.
    fn came_after(&self, moment: Timestamp, clock: Clock) -> bool {
        self.process.started_at.is_some_and(|started| clock.tells_later(started, moment))
    }

    /// Whether it started after that if nobody has set the clock.
    fn seems_to_come_after(&self, moment: Timestamp) -> bool {
        self.came_after(moment, Clock(Some(SignedDuration::ZERO)))
    }

    /// Whether its command is one of these: the first word that is neither an option nor belongs to
    /// one. A later word can mean anything.
    fn has_command(&self, commands: &[Arc<str>]) -> bool {
        let line = self.process.cmdline.as_deref().unwrap_or_default();
        let mut words = line.iter().skip(1).map(|word| word.to_str().unwrap_or_default());
        let command = loop {
            match words.next() {
                // As git has them; of other options it is not known what belongs to them.
                Some("-C" | "-c") => _ = words.next(),
                Some(option) if option.starts_with("--") && option.contains('=') => {}
                word => break word,
            }
        };
        command.is_some_and(|command| commands.iter().any(|known| **known == *command))
    }

    /// Whether its user can have made a file of that one. The administrator makes files for anybody,
    /// and many who started as he do not end as he.
    fn can_have_made(&self, there: &OnDisk) -> bool {
        there.uid == 0 || self.users.is_none_or(|users| users.contains(&there.uid))
    }
}

impl Clock {
    /// Whether `a`, by the clock of now, is certainly after `b`, by the clock of then.
    fn tells_later(self, a: Timestamp, b: Timestamp) -> bool {
        self.0.is_some_and(|set| a.duration_since(b) > set.saturating_add(CLOCKS))
    }
}

/// `web-01` and `web-01.example.org` are the same where one of them has no domain.
fn is_same_host(a: &str, b: &str) -> bool {
    let name = |host: &str| host.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let has_domain = |host: &str| host.contains('.');
    a.eq_ignore_ascii_case(b) || name(a) == name(b) && !(has_domain(a) && has_domain(b))
}

fn is_near(a: Timestamp, b: Timestamp, width: SignedDuration) -> bool {
    a.duration_since(b).abs() <= width
}

/// How long ago, by a clock that may have been set back since.
fn since(at: Moment, moment: Timestamp) -> Duration {
    Duration::try_from(at.wall.duration_since(moment)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
