//! What a look asks of the machine.

use std::time::Duration;

use super::{Held, Machine, Owner, Transition, Unlock, Waiting};
use crate::model::{FileId, Mechanism, Pid, Range};

impl Machine {
    /// Who held these bytes of a file at `then`, which is not long ago.
    pub(in super::super) fn held_at(
        &self,
        then: Duration,
        file: FileId,
        mechanism: Mechanism,
        range: Range,
    ) -> impl Iterator<Item = &Held> {
        let ended = self.ended.of(&(file, mechanism, range)).iter();
        let ended = ended.filter(move |ended| ended.at >= then).map(|ended| &ended.held);
        let is_it = move |held: &&Held| (held.mechanism, held.range) == (mechanism, range);
        let all = self.held_of(file).filter(is_it).chain(ended);
        all.filter(move |held| held.all_since <= then)
    }

    /// Since when nothing has changed about who holds what of a file.
    pub(in super::super) fn quiet_since(&self, file: FileId) -> Duration {
        self.changed.get(&file).copied().unwrap_or(self.unknown_until).max(self.unknown_until)
    }

    pub(in super::super) fn waiting(&self, tid: Pid) -> Option<&Waiting> {
        self.waiting.get(&tid)
    }

    #[cfg(test)]
    pub(in super::super) fn sizes(&self) -> [usize; 5] {
        let (held, waiting) = (self.held.len(), self.waiting.len());
        [held, waiting, self.ended.len(), self.unlocks.len(), self.changed.len()]
    }

    /// Who unlocked something of a file, a flock or bytes, that nobody was known to have.
    pub(in super::super) fn unlocks_seen(&self, file: FileId, is_flock: bool) -> &[Unlock] {
        self.unlocks.of(&(file, is_flock))
    }

    /// Whether the taking of a lock of these bytes was traced, of one that is held or was lately.
    pub(in super::super) fn knows(&self, file: FileId, mechanism: Mechanism, range: Range) -> bool {
        let is_it = |held: &Held| (held.mechanism, held.range) == (mechanism, range);
        self.held_of(file).any(is_it)
            || self.has_ended_since(Duration::ZERO, file, mechanism, range)
    }

    pub(in super::super) fn held_of(&self, file: FileId) -> impl Iterator<Item = &Held> {
        let first = Owner { file, is_flock: false, address: 0 };
        let last = Owner { file, is_flock: true, address: u64::MAX };
        self.held.range(first..=last).flat_map(|(_, held)| held)
    }

    pub(in super::super) fn has_ended_since(
        &self,
        then: Duration,
        file: FileId,
        mechanism: Mechanism,
        range: Range,
    ) -> bool {
        self.ended.of(&(file, mechanism, range)).iter().any(|ended| ended.at >= then)
    }

    /// A look that began at `began` showed all who wait: these threads. Those who waited before and are
    /// not among them have given up.
    pub(in super::super) fn seen_waiting(
        &mut self,
        began: Duration,
        at: Duration,
        shown: &dyn Fn(Pid) -> bool,
    ) -> Vec<Transition> {
        let mut gone = Vec::new();
        self.waiting.retain(|tid, waiting| {
            if shown(*tid) {
                waiting.seen = waiting.seen.max(began);
                waiting.missed = None;
                return true;
            }
            if waiting.seen >= began || waiting.mechanism == Mechanism::Lease {
                return true;
            }
            let Some(missed) = waiting.missed else {
                waiting.missed = Some(at);
                return true;
            };
            gone.push(waiting.gave_up(*tid, waiting.seen, missed));
            false
        });
        gone
    }

    /// The next look begins later than this one did.
    pub(in super::super) fn looked(&mut self, began: Duration) {
        self.ended.clear();
        self.unlocks.clear();
        let mut forgotten = self.unknown_until;
        self.changed.retain(|_, at| {
            let is_new = *at >= began;
            if !is_new {
                forgotten = forgotten.max(*at);
            }
            is_new
        });
        self.unknown_until = forgotten;
    }
}
