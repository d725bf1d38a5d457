//! Who keeps a lock: what most reasons have in common.

use crate::model::{
    Certainty, Clause, Grant, LockFacts, Mechanism, Pid, Process, Sharer, Taker, harmless,
};

use super::super::phrase;
use super::{Judge, NAMED};

/// A lock that was left to somebody who hands it over.
pub(super) const ESCROW: &str = "escrow by locktop";

impl Judge<'_> {
    /// Who keeps the lock, and what became of the one who took it.
    pub(super) fn keeping(&self, lock: &LockFacts) -> Vec<Clause> {
        match &*lock.grants {
            [] => vec![nobody()],
            [grant] => self.keeping_grant(lock, grant),
            grants => {
                let mut sharers: Vec<&Sharer> =
                    grants.iter().flat_map(|grant| &grant.sharers).collect();
                sharers.sort_by_key(|sharer| sharer.pid);
                sharers.dedup_by_key(|sharer| sharer.pid);
                match sharers.len() {
                    0 => vec![nobody()],
                    1 => vec![who(format!("{} keeps it", self.names(sharers)))],
                    _ => vec![who(format!("{} keep it together", self.names(sharers)))],
                }
            }
        }
    }

    fn keeping_grant(&self, lock: &LockFacts, grant: &Grant) -> Vec<Clause> {
        let sharers = &grant.sharers;
        let (names, keeps) = (self.names(sharers), keeps(sharers));
        if sharers.is_empty() {
            return vec![nobody()];
        }
        if sharers.iter().all(|sharer| sharer.is_escrow) {
            let kept = format!("{ESCROW}: {names} {keeps} for whoever is next");
            let taken = (grant.taker == Taker::Gone).then(|| format!("{} has ended", taker(grant)));
            return [kept].into_iter().chain(taken).map(Clause::More).collect();
        }
        if sharers.iter().all(|sharer| sharer.certainty == Certainty::Recorded) {
            let recorded = format!("the kernel names {names}, whose descriptors could not be read");
            return vec![Clause::More(recorded)];
        }
        let told = format!("{names} {keeps}");
        match (grant.taker, grant.recorded_pid) {
            (Taker::Gone, _) => {
                let reason = self.in_charge(lock, sharers).unwrap_or_default();
                let ended = format!("{} has ended{reason}", taker(grant));
                vec![Clause::More(ended), who(told)]
            }
            (Taker::HoldsNot, Some(pid)) => {
                let other =
                    format!("the kernel names pid {pid}, but that process does not keep it");
                vec![Clause::More(other), who(told)]
            }
            _ if lock.mechanism == Mechanism::Exists
                && sharers.iter().all(|by| by.certainty == Certainty::Likely) =>
            {
                vec![who(format!("probably {told}"))]
            }
            _ => vec![who(told)],
        }
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

    pub(super) fn process(&self, pid: Pid) -> Option<&Process> {
        self.facts.processes.get(&pid).map(|process| &**process)
    }

    pub(super) fn names<'b>(
        &self,
        sharers: impl IntoIterator<Item = &'b Sharer, IntoIter: ExactSizeIterator>,
    ) -> String {
        phrase::list(sharers.into_iter().map(|by| phrase::who(self.facts, by.pid)), NAMED)
    }
}

fn nobody() -> Clause {
    Clause::More("nobody was seen to keep it".into())
}

fn who(who: String) -> Clause {
    Clause::Keeping { who, doing: None }
}

/// `keeps it through descriptor 9`.
pub(super) fn keeps(sharers: &[Sharer]) -> String {
    match sharers {
        [one] => format!("keeps it{}", phrase::through(&one.fds)),
        _ => "keep it".into(),
    }
}

/// `whoever took it (pid 3246)`.
pub(super) fn taker(grant: &Grant) -> String {
    let pid = grant.recorded_pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
    format!("whoever took it{pid}")
}

/// Whether the service manager is in charge of the process.
pub(super) fn in_service(process: &Process) -> bool {
    process.unit.as_deref().is_some_and(|unit| unit.ends_with(".service"))
}
