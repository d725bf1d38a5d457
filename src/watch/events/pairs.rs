//! Which lock of one look is which of the next.

use std::collections::HashMap;

use crate::model::{Lock, LockId, Snapshot};

/// The locks of two looks.
#[derive(Debug, Default)]
pub(super) struct Pairs<'a> {
    /// Those that both show, and that are not plainly as they were.
    pub(super) changed: Vec<(&'a Lock, &'a Lock)>,
    /// Those that only the earlier one shows.
    pub(super) gone: Vec<&'a Lock>,
    /// Those that only the later one shows.
    pub(super) come: Vec<&'a Lock>,
}

impl<'a> Pairs<'a> {
    /// Both are in nearly the same order, so that most meet their like without being searched for.
    pub(super) fn of(before: &'a Snapshot, now: &'a Snapshot) -> Self {
        let mut pairs = Self::default();
        let (mut old, mut new) = (&before.locks[..], &now.locks[..]);
        let (mut strays, mut newcomers) = (Vec::new(), Vec::new());
        while let ([first_old, rest_old @ ..], [first_new, rest_new @ ..]) = (old, new) {
            if first_old.id == first_new.id {
                pairs.meet(first_old, first_new, &now.retaken);
                (old, new) = (rest_old, rest_new);
            } else if rest_new.first().is_some_and(|next| next.id == first_old.id) {
                newcomers.push(first_new);
                new = rest_new;
            } else if rest_old.first().is_some_and(|next| next.id == first_new.id) {
                strays.push(first_old);
                old = rest_old;
            } else {
                strays.push(first_old);
                newcomers.push(first_new);
                (old, new) = (rest_old, rest_new);
            }
        }
        strays.extend(old);
        newcomers.extend(new);
        let mut strays: HashMap<&LockId, &Lock> =
            strays.into_iter().map(|lock| (&lock.id, lock)).collect();
        for lock in newcomers {
            match strays.remove(&lock.id) {
                Some(before) => pairs.meet(before, lock, &now.retaken),
                None => pairs.come.push(lock),
            }
        }
        pairs.gone.extend(strays.into_values());
        pairs.gone.sort_by(|a, b| a.id.cmp(&b.id));
        pairs
    }

    fn meet(&mut self, before: &'a Lock, now: &'a Lock, retaken: &[LockId]) {
        let is_quiet = before.as_seen == now.as_seen
            && before.verdict == now.verdict
            && before.records == now.records
            && !retaken.contains(&now.id);
        if !is_quiet {
            self.changed.push((before, now));
        }
    }
}
