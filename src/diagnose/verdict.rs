//! The judgement on a lock, and its reason in a sentence.

use std::collections::HashMap;
use std::path::Path;

use crate::model::{
    Certainty, Deadlock, Facts, Grant, LockFacts, LockId, Mechanism, Member, Naming, PathBytes,
    Pid, Process, Sharer, Taker, Verdict, harmless,
};

use super::phrase;
use super::stuck::Stuck;

/// So many are told by name, the others by their number.
const NAMED: usize = 3;

/// A lock that was left to somebody who hands it over.
const ESCROW: &str = "escrow by locktop";

/// A circle of at most so many is told step by step.
pub(super) const STEPS: usize = 4;

/// A verdict's reason: a sentence without its full stop if the verdict applies.
type Rule<'a> = fn(&Judge<'a>, &LockFacts) -> Option<String>;

/// What judging needs to know beyond the lock.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    facts: &'a Facts,
    stuck: &'a Stuck,
    /// The circles that each lock is part of.
    circles: HashMap<&'a LockId, Vec<&'a Deadlock>>,
    /// Those locks themselves.
    in_circles: HashMap<&'a LockId, &'a LockFacts>,
    /// All locks of each path that some locked file has lost to another.
    halves: HashMap<&'a Path, Vec<&'a LockFacts>>,
}

impl<'a> Judge<'a> {
    /// The rules, the most serious verdict first: the first that applies decides. Nothing that the
    /// kernel keeps can be stale.
    const RULES: [(Verdict, Rule<'a>); 7] = [
        (Verdict::Deadlock, Self::deadlock),
        (Verdict::Split, Self::split),
        (Verdict::Stale, Self::stale),
        (Verdict::Orphaned, Self::orphaned),
        (Verdict::Stuck, Self::stuck),
        (Verdict::Unknown, Self::unknown),
        (Verdict::Contended, Self::contended),
    ];

    pub(super) fn new(facts: &'a Facts, deadlocks: &'a [Deadlock], stuck: &'a Stuck) -> Self {
        let mut circles = HashMap::<_, Vec<_>>::new();
        for deadlock in deadlocks {
            for id in &deadlock.locks {
                circles.entry(id).or_default().push(deadlock);
            }
        }
        let in_circles = facts
            .locks
            .iter()
            .filter(|lock| circles.contains_key(&lock.id))
            .map(|lock| (&lock.id, lock))
            .collect();
        let path = |lock: &'a LockFacts| lock.path.as_ref().map(PathBytes::as_path);
        let lost = facts.locks.iter().filter(|lock| lock.naming == Naming::Another);
        let mut halves: HashMap<_, Vec<_>> =
            lost.filter_map(path).map(|path| (path, Vec::new())).collect();
        if !halves.is_empty() {
            for lock in &facts.locks {
                if let Some(half) = path(lock).and_then(|path| halves.get_mut(path)) {
                    half.push(lock);
                }
            }
        }
        Self { facts, stuck, circles, in_circles, halves }
    }

    /// The verdict and why.
    pub(super) fn judge(&self, lock: &LockFacts) -> (Verdict, String) {
        let decided =
            Self::RULES.iter().find_map(|(verdict, rule)| Some((*verdict, rule(self, lock)?)));
        let (verdict, mut why) = decided.unwrap_or_else(|| (Verdict::Held, self.keeping(lock)));
        let asides = [
            remark(lock).filter(|_| verdict != Verdict::Unknown),
            self.escrow(lock).filter(|_| !why.contains(ESCROW)),
            self.other_half(lock),
            unsure_name(lock),
            self.waits_for_itself(lock),
        ];
        for aside in asides.into_iter().flatten() {
            why.push_str("; ");
            why.push_str(&aside);
        }
        (verdict, why)
    }

    fn deadlock(&self, lock: &LockFacts) -> Option<String> {
        let (circle, others) = self.circles.get(&lock.id)?.split_first()?;
        let more = match others.len() {
            0 => String::new(),
            1 => "; it is part of 1 more circle".into(),
            count => format!("; it is part of {count} more circles"),
        };
        let unsure = if circle.certain {
            ""
        } else {
            "; not certain: a time limit, or a thread or process that was not seen waiting, could open the circle"
        };
        Some(format!("{}{more}{unsure}", self.circle(circle)))
    }

    fn circle(&self, circle: &Deadlock) -> String {
        let label = |id: &LockId| {
            self.in_circles.get(id).map_or_else(|| id.to_string(), |lock| phrase::label(lock))
        };
        let who = |pid| phrase::who(self.facts, pid);
        let wanted = |member: &Member| {
            let asker = member.through.map(who);
            phrase::through_a_child(asker.as_deref()) + &label(&member.wants)
        };
        match &*circle.members {
            [one] => {
                let it = one.through.map_or_else(|| "it".into(), |_| who(one.pid));
                format!("{} waits for {}, which {it} keeps itself", who(one.pid), wanted(one))
            }
            members if members.len() <= STEPS => {
                let steps = members.iter().map(|member| {
                    let holds = label(&member.holds);
                    format!("{} has {holds} and waits for {}", who(member.pid), wanted(member))
                });
                steps.collect::<Vec<_>>().join("; ")
            }
            members => format!(
                "{} processes wait for each other in a circle: {}",
                members.len(),
                phrase::list(members.iter().map(|member| who(member.pid)), NAMED)
            ),
        }
    }

    fn split(&self, lock: &LockFacts) -> Option<String> {
        (lock.naming == Naming::Another).then(|| {
            format!(
                "the path names another file by now, so whoever opens it does not see this lock; {}",
                self.keeping(lock)
            )
        })
    }

    #[expect(clippy::unused_self, reason = "as all rules")]
    fn stale(&self, lock: &LockFacts) -> Option<String> {
        lock.abandoned.as_deref().map(|proof| harmless(proof).into_owned())
    }

    fn orphaned(&self, lock: &LockFacts) -> Option<String> {
        let abandoned = |process: &Process| {
            process.group_leader_alive == Some(false)
                && process.container.is_none()
                && !in_service(process)
        };
        let is_left =
            |grant: &&Grant| lock.mechanism == Mechanism::Flock && grant.taker == Taker::Gone;
        lock.grants.iter().filter(is_left).find_map(|grant| {
            // Who keeps it in escrow does not make up for those that were left behind with it.
            let sharers = grant.sharers.iter().filter(|by| !by.is_escrow);
            let heirs: Vec<Sharer> = sharers.cloned().collect();
            let is_abandoned = |by: &Sharer| self.process(by.pid).is_some_and(abandoned);
            if heirs.is_empty() || !heirs.iter().all(is_abandoned) {
                return None;
            }
            let (taker, names, keep) = (taker(grant), self.names(&heirs), keeps(&heirs));
            Some(format!("{taker} has ended; {names}, left behind, {keep}"))
        })
    }

    fn stuck(&self, lock: &LockFacts) -> Option<String> {
        let grant = lock.grants.iter().find(|grant| {
            !grant.sharers.is_empty() && grant.sharers.iter().all(|by| self.stuck.has(by.pid))
        })?;
        let reason = |sharer: &Sharer| {
            let reason = self.stuck.reason(sharer.pid, self.facts)?;
            Some(format!("{} {reason}", phrase::who(self.facts, sharer.pid)))
        };
        let reasons: Vec<_> = grant.sharers.iter().take(NAMED).filter_map(reason).collect();
        let more = grant.sharers.len() - reasons.len();
        Some(match (reasons.len(), more) {
            (1, 0) => reasons.concat(),
            (_, 0) => format!("none of those who keep it can go on: {}", reasons.join("; ")),
            _ => format!(
                "none of those who keep it can go on: {}; and {more} more",
                reasons.join("; ")
            ),
        })
    }

    fn unknown(&self, lock: &LockFacts) -> Option<String> {
        let grant = lock.grants.iter().find(|grant| grant.sharers.is_empty())?;
        let reason =
            grant.remark.as_deref().map_or("who keeps it could not be seen".into(), harmless);
        let told = match (grant.taker, grant.recorded_pid) {
            (Taker::Gone, _) => format!("{} has ended; {reason}", taker(grant)),
            (Taker::HoldsNot, Some(pid)) => {
                format!("the kernel names pid {pid}, but that process does not keep it; {reason}")
            }
            _ => reason.into_owned(),
        };
        let others: Vec<_> = lock.grants.iter().flat_map(|grant| &grant.sharers).collect();
        Some(match others.len() {
            0 => told,
            _ => format!("{} and somebody else keep it together; {told}", self.names(others)),
        })
    }

    fn contended(&self, lock: &LockFacts) -> Option<String> {
        let (count, cut) = (lock.requests.len(), lock.queue_cut);
        let waiting = match (count, cut) {
            (0, _) => return None,
            (_, true) => format!("at least {count} wait"),
            (1, false) => "1 waits".into(),
            (_, false) => format!("{count} wait"),
        };
        let mut sharers = lock.grants.iter().flat_map(|grant| &grant.sharers);
        let only = sharers.next().filter(|_| sharers.next().is_none());
        let doing = only
            .filter(|only| only.certainty != Certainty::Recorded)
            .and_then(|only| self.process(only.pid).and_then(phrase::doing))
            .map_or_else(String::new, |doing| format!(" and {doing}"));
        Some(format!("{waiting}; {}{doing}", self.keeping(lock)))
    }

    /// Who keeps the lock, and what became of the one who took it.
    fn keeping(&self, lock: &LockFacts) -> String {
        match &*lock.grants {
            [] => "nobody was seen to keep it".into(),
            [grant] => self.keeping_grant(lock, grant),
            grants => {
                let mut sharers: Vec<&Sharer> =
                    grants.iter().flat_map(|grant| &grant.sharers).collect();
                sharers.sort_by_key(|sharer| sharer.pid);
                sharers.dedup_by_key(|sharer| sharer.pid);
                match sharers.len() {
                    0 => "nobody was seen to keep it".into(),
                    1 => format!("{} keeps it", self.names(sharers)),
                    _ => format!("{} keep it together", self.names(sharers)),
                }
            }
        }
    }

    fn keeping_grant(&self, lock: &LockFacts, grant: &Grant) -> String {
        let sharers = &grant.sharers;
        let (names, keeps) = (self.names(sharers), keeps(sharers));
        if sharers.is_empty() {
            return "nobody was seen to keep it".into();
        }
        if sharers.iter().all(|sharer| sharer.is_escrow) {
            let taken = match grant.taker {
                Taker::Gone => format!("; {} has ended", taker(grant)),
                _ => String::new(),
            };
            return format!("{ESCROW}: {names} {keeps} for whoever is next{taken}");
        }
        if sharers.iter().all(|sharer| sharer.certainty == Certainty::Recorded) {
            return format!("the kernel names {names}, whose descriptors could not be read");
        }
        match (grant.taker, grant.recorded_pid) {
            (Taker::Gone, _) => {
                let taker = taker(grant);
                let reason = self.in_charge(lock, sharers).unwrap_or_default();
                format!("{taker} has ended{reason}; {names} {keeps}")
            }
            (Taker::HoldsNot, Some(pid)) => format!(
                "the kernel names pid {pid}, but that process does not keep it; {names} {keeps}"
            ),
            _ if lock.mechanism == Mechanism::Exists
                && sharers.iter().all(|by| by.certainty == Certainty::Likely) =>
            {
                format!("probably {names} {keeps}")
            }
            _ => format!("{names} {keeps}"),
        }
    }

    /// Who keeps it for somebody else.
    fn escrow(&self, lock: &LockFacts) -> Option<String> {
        let sharers = lock.grants.iter().flat_map(|grant| &grant.sharers);
        let keepers: Vec<Sharer> = sharers.filter(|by| by.is_escrow).cloned().collect();
        let (names, keep) = (self.names(&keepers), keeps(&keepers));
        (!keepers.is_empty()).then(|| format!("{ESCROW}: {names} {keep} for whoever is next"))
    }

    /// Why a lock whose taker has ended is in order all the same.
    fn in_charge(&self, lock: &LockFacts, sharers: &[Sharer]) -> Option<String> {
        let processes = || sharers.iter().filter_map(|sharer| self.process(sharer.pid));
        let service = processes().find(|process| in_service(process));
        if let Some(unit) = service.and_then(|process| process.unit.as_deref()) {
            return Some(format!(" and left it to {}", harmless(unit)));
        }
        if let Some(container) = processes().find_map(|process| process.container.as_deref()) {
            let container = harmless(container);
            return Some(format!(" and left it to the container {container}"));
        }
        let led = processes().any(|process| process.group_leader_alive == Some(true));
        (led && lock.mechanism == Mechanism::Flock)
            .then(|| ", as flock(1) does when it locks a shell's own descriptor".into())
    }

    /// The other files that were or are at the path, and are locked as well.
    fn other_half(&self, lock: &LockFacts) -> Option<String> {
        let path = lock.path.as_ref()?;
        let others: Vec<_> = self
            .halves
            .get(path.as_path())?
            .iter()
            .filter(|other| {
                other.mechanism.conflicts_with(lock.mechanism)
                    && other.range.overlaps(&lock.range)
                    && (other.naming == Naming::Another) != (lock.naming == Naming::Another)
            })
            .collect();
        let ids = phrase::list(others.iter().map(|other| other.id.to_string()), NAMED);
        match (others.is_empty(), &lock.naming) {
            (true, _) => None,
            (false, Naming::Another) => {
                Some(format!("the file that is there now is locked too: {ids}"))
            }
            (false, _) => Some(format!(
                "an older file of this path is still locked, and its holder is not kept out: {ids}"
            )),
        }
    }

    /// A waiter that keeps the lock itself, through a descriptor that it inherited.
    fn waits_for_itself(&self, lock: &LockFacts) -> Option<String> {
        if lock.mechanism != Mechanism::Flock || self.circles.contains_key(&lock.id) {
            return None;
        }
        let sharers = || lock.grants.iter().flat_map(|grant| &grant.sharers);
        let sharer = lock
            .requests
            .iter()
            .find_map(|request| sharers().find(|sharer| Some(sharer.pid) == request.pid))?;
        Some(format!(
            "{}, which waits, itself keeps it{}",
            phrase::who(self.facts, sharer.pid),
            phrase::through(&sharer.fds)
        ))
    }

    fn process(&self, pid: Pid) -> Option<&Process> {
        self.facts.processes.get(&pid).map(|process| &**process)
    }

    fn names<'b>(
        &self,
        sharers: impl IntoIterator<Item = &'b Sharer, IntoIter: ExactSizeIterator>,
    ) -> String {
        phrase::list(sharers.into_iter().map(|by| phrase::who(self.facts, by.pid)), NAMED)
    }
}

/// `keeps it through descriptor 9`.
fn keeps(sharers: &[Sharer]) -> String {
    match sharers {
        [one] => format!("keeps it{}", phrase::through(&one.fds)),
        _ => "keep it".into(),
    }
}

/// What the source found odd about those who keep it.
fn remark(lock: &LockFacts) -> Option<String> {
    let remark = lock.grants.iter().find_map(|grant| grant.remark.as_deref())?;
    Some(harmless(remark).into_owned())
}

/// That a split could not be seen.
fn unsure_name(lock: &LockFacts) -> Option<String> {
    let Naming::Unknown(reason) = &lock.naming else { return None };
    let reason = harmless(reason);
    lock.path
        .as_ref()
        .map(|_| format!("whether its path still names it could not be told: {reason}"))
}

/// `whoever took it (pid 3246)`.
fn taker(grant: &Grant) -> String {
    let pid = grant.recorded_pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
    format!("whoever took it{pid}")
}

/// Whether the service manager is in charge of the process.
fn in_service(process: &Process) -> bool {
    process.unit.as_deref().is_some_and(|unit| unit.ends_with(".service"))
}

#[cfg(test)]
mod tests;
