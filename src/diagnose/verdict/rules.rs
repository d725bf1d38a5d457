//! The rules that decide, each in the words of its reason: clauses, if the verdict applies.

use crate::model::{
    Certainty, Clause, Deadlock, Grant, LockFacts, LockId, Mechanism, Member, Naming, Pid, Process,
    Sharer, Taker, harmless,
};

use super::super::{phrase, waits};
use super::keeping::{in_service, keeps, taker};
use super::{Judge, NAMED, STEPS};

impl Judge<'_> {
    pub(super) fn deadlock(&self, lock: &LockFacts) -> Option<Vec<Clause>> {
        let (circle, others) = self.circles.get(&lock.id)?.split_first()?;
        let more = match others.len() {
            0 => None,
            1 => Some("it is part of 1 more circle".into()),
            count => Some(format!("it is part of {count} more circles")),
        };
        let unsure = (!circle.certain).then(|| {
            "not certain: a time limit, or a thread or process that was not seen waiting, could \
             open the circle"
                .into()
        });
        let told = [self.circle(circle)].into_iter().chain(more).chain(unsure);
        Some(told.map(Clause::More).collect())
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

    pub(super) fn split(&self, lock: &LockFacts) -> Option<Vec<Clause>> {
        let moved =
            "the path names another file by now, so whoever opens it does not see this lock";
        (lock.naming == Naming::Another)
            .then(|| [vec![Clause::More(moved.into())], self.keeping(lock)].concat())
    }

    #[expect(clippy::unused_self, reason = "as all rules")]
    pub(super) fn stale(&self, lock: &LockFacts) -> Option<Vec<Clause>> {
        lock.abandoned.as_deref().map(|proof| vec![Clause::More(harmless(proof).into_owned())])
    }

    pub(super) fn orphaned(&self, lock: &LockFacts) -> Option<Vec<Clause>> {
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
            let told = [format!("{taker} has ended"), format!("{names}, left behind, {keep}")];
            Some(told.map(Clause::More).into())
        })
    }

    pub(super) fn stuck(&self, lock: &LockFacts) -> Option<Vec<Clause>> {
        let grant = lock.grants.iter().find(|grant| {
            !grant.sharers.is_empty() && grant.sharers.iter().all(|by| self.stuck.has(by.pid))
        })?;
        let reason = |sharer: &Sharer| {
            let reason = self.stuck.reason(sharer.pid, self.facts)?;
            Some(format!("{} {reason}", phrase::who(self.facts, sharer.pid)))
        };
        let reasons: Vec<_> = grant.sharers.iter().take(NAMED).filter_map(reason).collect();
        let more = grant.sharers.len() - reasons.len();
        let is_recorded = grant.sharers.iter().all(|by| by.certainty == Certainty::Recorded);
        let unsure = is_recorded.then(|| {
            "not certain: it is named by the kernel only, and who else keeps it could not be seen"
                .into()
        });
        let told = match (reasons.len(), more) {
            (1, 0) => reasons.concat(),
            (_, 0) => format!("none of those who keep it can go on: {}", reasons.join("; ")),
            _ => format!(
                "none of those who keep it can go on: {}; and {more} more",
                reasons.join("; ")
            ),
        };
        Some([told].into_iter().chain(unsure).map(Clause::More).collect())
    }

    pub(super) fn unknown(&self, lock: &LockFacts) -> Option<Vec<Clause>> {
        let grant = lock.grants.iter().find(|grant| grant.sharers.is_empty())?;
        let reason =
            grant.remark.as_deref().map_or("who keeps it could not be seen".into(), harmless);
        let others: Vec<_> = lock.grants.iter().flat_map(|grant| &grant.sharers).collect();
        let others = (!others.is_empty())
            .then(|| format!("{} and somebody else keep it together", self.names(others)));
        let named = match (grant.taker, grant.recorded_pid) {
            (Taker::Gone, _) => Some(format!("{} has ended", taker(grant))),
            (Taker::HoldsNot, Some(pid)) => {
                Some(format!("the kernel names pid {pid}, but that process does not keep it"))
            }
            _ => None,
        };
        let told = others.into_iter().chain(named).chain([reason.into_owned()]);
        Some(told.map(Clause::More).collect())
    }

    pub(super) fn contended(&self, lock: &LockFacts) -> Option<Vec<Clause>> {
        let (count, cut) = (lock.requests.len(), lock.queue_cut);
        let waiting = match (count, cut) {
            (0, _) => return None,
            (_, true) => format!("at least {count} wait"),
            (1, false) => "1 waits".into(),
            (_, false) => format!("{count} wait"),
        };
        let mut sharers = lock.grants.iter().flat_map(|grant| &grant.sharers);
        let only = sharers.next().filter(|_| sharers.next().is_none());
        let activity = only
            .filter(|only| only.certainty != Certainty::Recorded && !only.is_escrow)
            .and_then(|only| self.activity(only.pid));
        let mut clauses = vec![Clause::Waiting(waiting)];
        clauses.extend(self.keeping(lock));
        if let Some(Clause::Keeping { doing, .. }) = clauses.last_mut() {
            *doing = activity;
        }
        Some(clauses)
    }

    /// What a process is up to: at work; or idle for how long, and what it waits for.
    fn activity(&self, pid: Pid) -> Option<String> {
        let process = self.process(pid)?;
        if let Some(work) = process.progress.as_ref().and_then(waits::at_work) {
            return Some(work);
        }
        let queue = |pid| Some(phrase::label(self.wanted.get(&pid)?));
        let waits = waits::chain(self.facts, pid, &queue);
        let doing = waits.or_else(|| phrase::doing(process));
        match waits::idle(process, self.facts.at) {
            Some(idle) => Some(doing.map_or(idle.clone(), |doing| format!("{idle}: it {doing}"))),
            None => doing,
        }
    }
}
