//! What is added to a reason, whatever the verdict.

use jiff::SignedDuration;

use crate::model::{
    Detail, Grant, LockFacts, Mechanism, Mode, Naming, Pid, Process, Request, Sharer, Taker,
    harmless,
};

use super::super::{phrase, portrait};
use super::keeping::{ESCROW, keeps};
use super::{Judge, NAMED};

impl Judge<'_> {
    /// What the source found odd about those who keep it.
    #[expect(clippy::unused_self, reason = "as all asides")]
    pub(super) fn remark(&self, lock: &LockFacts) -> Option<String> {
        let remark = lock.grants.iter().find_map(|grant| grant.remark.as_deref())?;
        Some(harmless(remark).into_owned())
    }

    /// Who keeps it for somebody else.
    pub(super) fn escrow(&self, lock: &LockFacts) -> Option<String> {
        let sharers = lock.grants.iter().flat_map(|grant| &grant.sharers);
        let keepers: Vec<Sharer> = sharers.filter(|by| by.is_escrow).cloned().collect();
        let (names, keep) = (self.names(&keepers), keeps(&keepers));
        (!keepers.is_empty()).then(|| format!("{ESCROW}: {names} {keep} for whoever is next"))
    }

    /// The other files that were or are at the path, and are locked as well.
    pub(super) fn other_half(&self, lock: &LockFacts) -> Option<String> {
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
    pub(super) fn waits_for_itself(&self, lock: &LockFacts) -> Option<String> {
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

    /// That a split could not be seen.
    #[expect(clippy::unused_self, reason = "as all asides")]
    pub(super) fn unsure_name(&self, lock: &LockFacts) -> Option<String> {
        let Naming::Unknown(reason) = &lock.naming else { return None };
        let reason = harmless(reason);
        lock.path
            .as_ref()
            .map(|_| format!("whether its path still names it could not be told: {reason}"))
    }

    /// A writer who waits while readers keep coming.
    pub(super) fn starved(&self, lock: &LockFacts) -> Option<String> {
        if lock.mode() != Mode::Shared {
            return None;
        }
        let (writer, passed) = lock
            .requests
            .iter()
            .filter(|request| request.mode == Mode::Exclusive)
            .map(|request| (request, self.passed(lock, request)))
            .max_by_key(|(_, passed)| *passed)
            .filter(|(_, passed)| *passed > 0)?;
        let who = writer.pid.map_or_else(|| "somebody".into(), |pid| phrase::who(self.facts, pid));
        let waited = writer.waited.sentence();
        let waited = waited.map_or_else(String::new, |waited| format!(" for {waited}"));
        let readers = phrase::plural(passed, "reader has", "readers have");
        Some(format!(
            "{who} has waited{waited} to have it alone, and {passed} {readers} taken it since: \
             readers pass a writer who waits, so it starves if they keep coming"
        ))
    }

    /// How many readers have certainly come since a writer began to wait: they were seen to, or did
    /// not exist then.
    fn passed(&self, lock: &LockFacts, writer: &Request) -> usize {
        let waited = SignedDuration::try_from(writer.waited.min).unwrap_or(SignedDuration::MAX);
        let is_younger = |pid: Pid| {
            let started = self.process(pid).and_then(|process| process.started_at);
            started.is_some_and(|started| {
                self.facts.at.wall.duration_since(started) + START_TICK < waited
            })
        };
        // Whoever inherited it did not take it.
        let took = |grant: &Grant| grant.recorded_pid.filter(|_| grant.taker == Taker::Holds);
        let younger = lock.grants.iter().filter_map(took).filter(|pid| is_younger(*pid)).count();
        younger.max(writer.passed_by as usize)
    }

    /// A holder in another container than those who wait.
    pub(super) fn elsewhere(&self, lock: &LockFacts) -> Option<String> {
        let sharers = lock.grants.iter().flat_map(|grant| &grant.sharers);
        let waiters: Vec<&Process> =
            lock.requests.iter().filter_map(|request| self.process(request.pid?)).collect();
        let (holder, waiter, place) =
            sharers.filter_map(|sharer| self.process(sharer.pid)).find_map(|holder| {
                let place = container(holder)?;
                let is_elsewhere =
                    |waiter: &&&Process| container(waiter).is_none_or(|other| other != place);
                Some((holder, *waiters.iter().find(is_elsewhere)?, place))
            })?;
        let inner =
            holder.inner_pid.map_or_else(String::new, |pid| format!(", as pid {pid} there"));
        Some(format!(
            "{} runs in {place}{inner}, and {}, which waits, {}",
            holder.label(),
            waiter.label(),
            container(waiter).map_or_else(|| "does not".into(), |other| format!("in {other}"))
        ))
    }

    /// A file that other machines can lock, too.
    #[expect(clippy::unused_self, reason = "as all asides")]
    pub(super) fn remote(&self, lock: &LockFacts) -> Option<String> {
        if lock.details.get("remote") != Some(&Detail::Flag(true)) {
            return None;
        }
        let text = |name| match lock.details.get(name) {
            Some(Detail::Text(text)) => Some(harmless(text)),
            _ => None,
        };
        let filesystem = text("filesystem")?;
        let source = text("source").map_or_else(String::new, |source| format!(" ({source})"));
        let place = format!("its file is on {filesystem}{source}");
        Some(match text("locks_reach").as_deref() {
            Some("server") => format!(
                "{place}: those on other machines who hold it or wait for it cannot be seen from here"
            ),
            Some("machine") => format!(
                "{place}, mounted so that locks stay on this machine: nobody on another one is \
                 kept out"
            ),
            _ => format!("{place}: whether it keeps out other machines cannot be told from here"),
        })
    }
}

/// Starts are counted in ticks of so long.
const START_TICK: SignedDuration = SignedDuration::from_millis(20);

/// Where a process runs, if not where everybody does.
fn container(process: &Process) -> Option<String> {
    let named = process.container.as_deref();
    let named =
        named.map(|container| format!("the container {}", harmless(portrait::short(container))));
    named.or_else(|| process.inner_pid.map(|_| "a pid namespace of its own".into()))
}

#[cfg(test)]
mod tests;
