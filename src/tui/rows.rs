//! The rows of the table: which locks, in which order, and what became of those that ended.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use locktop::Selection;
use locktop::model::{Lock, LockId, Snapshot};

use super::filter::{Filter, Sieve};
use super::sort::{Rank, Sort};

/// How long a lock that ended stays.
const LINGER: Duration = Duration::from_secs(4);

/// One lock in the table.
#[derive(Debug)]
struct Row {
    id: LockId,
    place: Place,
    rank: Rank,
}

#[derive(Debug)]
enum Place {
    /// In the snapshot, at this index.
    Now(usize),
    /// Not any more since then.
    Ended(Box<Lock>, Instant),
}

/// A row to be shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown<'a> {
    pub(super) lock: &'a Lock,
    /// When it was found to have ended.
    pub(super) ended: Option<Instant>,
}

/// All rows, and those that the filter lets through in their order.
#[derive(Debug, Default)]
pub(super) struct Rows {
    snapshot: Option<Arc<Snapshot>>,
    /// When that was seen.
    seen_at: Option<Instant>,
    all: Vec<Row>,
    shown: Vec<usize>,
    sieve: Sieve,
}

impl Rows {
    /// What is shown.
    pub(super) fn snapshot(&self) -> Option<&Arc<Snapshot>> {
        self.snapshot.as_ref()
    }

    /// How long ago that was seen.
    pub(super) fn age(&self, now: Instant) -> Duration {
        self.seen_at.map_or(Duration::ZERO, |seen| now.saturating_duration_since(seen))
    }

    /// How many rows are shown.
    pub(super) fn len(&self) -> usize {
        self.shown.len()
    }

    /// The locks that are held now, without the filter.
    pub(super) fn now(&self) -> impl Iterator<Item = &Lock> {
        let rows = self.all.iter().filter_map(|row| self.look_up(row));
        rows.filter(|shown| shown.ended.is_none()).map(|shown| shown.lock)
    }

    /// How many those are.
    pub(super) fn total(&self) -> usize {
        self.now().count()
    }

    /// How many circles they are in.
    pub(super) fn circles(&self) -> usize {
        let circles = self.snapshot.iter().flat_map(|snapshot| &snapshot.deadlocks);
        circles.filter(|circle| self.now().any(|lock| circle.locks.contains(&lock.id))).count()
    }

    /// How many of the rows that are shown have not ended.
    pub(super) fn shown_now(&self) -> usize {
        let now = |at: &&usize| matches!(self.all[**at].place, Place::Now(_));
        self.shown.iter().filter(now).count()
    }

    /// The row at a place.
    pub(super) fn get(&self, at: usize) -> Option<Shown<'_>> {
        self.look_up(self.all.get(*self.shown.get(at)?)?)
    }

    /// Where the shown rows are in the snapshot; those that ended are nowhere.
    pub(super) fn in_snapshot(&self) -> impl Iterator<Item = usize> {
        self.shown.iter().filter_map(|at| match self.all[*at].place {
            Place::Now(place) => Some(place),
            Place::Ended(..) => None,
        })
    }

    /// Whether a lock is there, shown or not.
    pub(super) fn has(&self, id: &LockId) -> bool {
        self.all.iter().any(|row| row.id == *id)
    }

    /// The place of a lock.
    pub(super) fn position(&self, id: &LockId) -> Option<usize> {
        self.shown.iter().position(|at| self.all[*at].id == *id)
    }

    /// Goes on to another snapshot; rows that are not in it linger.
    pub(super) fn advance(&mut self, next: Arc<Snapshot>, selection: &Selection, now: Instant) {
        let last = self.snapshot.take();
        let mut old: HashMap<LockId, Row> =
            self.all.drain(..).map(|row| (row.id.clone(), row)).collect();
        for (at, lock) in next.locks.iter().enumerate() {
            if !selection.contains(lock) {
                continue;
            }
            let before = old.remove(&lock.id);
            let rank = Rank::of(lock, next.at.uptime, before.as_ref().map(|row| &row.rank));
            self.all.push(Row { id: lock.id.clone(), place: Place::Now(at), rank });
        }
        for (id, row) in old {
            let place = match (row.place, &last) {
                (Place::Ended(lock, since), _) => Place::Ended(lock, since),
                (Place::Now(at), Some(last)) => match last.locks.get(at) {
                    Some(lock) => Place::Ended(Box::new(lock.clone()), now),
                    None => continue,
                },
                (Place::Now(_), None) => continue,
            };
            self.all.push(Row { id, place, rank: row.rank });
        }
        self.snapshot = Some(next);
        self.seen_at = Some(now);
    }

    /// Lets go of rows that ended long enough ago. Whether there were any.
    pub(super) fn prune(&mut self, now: Instant) -> bool {
        let before = self.all.len();
        self.all.retain(|row| match row.place {
            Place::Now(_) => true,
            Place::Ended(_, since) => now.saturating_duration_since(since) < LINGER,
        });
        self.all.len() != before
    }

    /// Chooses and orders what is shown.
    pub(super) fn arrange(&mut self, filter: &Filter, problems: bool, sort: Sort) {
        let mut sieve = std::mem::take(&mut self.sieve);
        let mut shown: Vec<_> = (0..self.all.len())
            .filter_map(|at| Some((at, self.look_up(&self.all[at])?.lock)))
            .filter(|(_, lock)| !problems || Snapshot::is_problem(lock))
            .filter(|(_, lock)| sieve.passes(filter, lock))
            .collect();
        shown.sort_by(|(a, x), (b, y)| {
            sort.compare((x, &self.all[*a].rank), (y, &self.all[*b].rank))
        });
        self.shown = shown.into_iter().map(|(at, _)| at).collect();
        self.sieve = sieve;
    }

    fn look_up<'a>(&'a self, row: &'a Row) -> Option<Shown<'a>> {
        Some(match &row.place {
            Place::Now(at) => Shown { lock: self.snapshot.as_ref()?.locks.get(*at)?, ended: None },
            Place::Ended(lock, since) => Shown { lock, ended: Some(*since) },
        })
    }
}
