//! Those who try again and again: they stand in no queue, and only their failed tries show them.
//!
//! A process that tries is told as itself. In a loop of a shell each try is made by another process;
//! then the nearest of their ancestors that outlives them is the one who tries.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use super::machine::Try;
use crate::model::{FileId, Mechanism, Mode, Pid, Range};

/// So many who try are remembered,
const SERIES: usize = 1 << 10;
/// and so many births.
const BIRTHS: usize = 1 << 13;
/// So many generations are gone up: a command substitution in a subshell of a loop has three.
const GENERATIONS: usize = 6;
/// Whoever has not tried for so many of its pauses has given up,
const MISSED: u32 = 3;
/// but not before that time.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is asked of processes.
pub(super) trait Kin {
    /// The parent of a process.
    fn parent(&self, pid: Pid) -> Option<Pid>;
    /// What tells it from a later one of its number; `None` when it has ended.
    fn start(&self, pid: Pid) -> Option<u64>;
}

/// Somebody who tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Series {
    pub(super) file: FileId,
    pub(super) mechanism: Mechanism,
    pub(super) mode: Mode,
    pub(super) range: Range,
    /// Who.
    pub(super) pid: Pid,
    start: Option<u64>,
    /// Whether its children make the tries.
    pub(super) by_children: bool,
    /// The first and the last failed try that are known.
    pub(super) first: Duration,
    pub(super) last: Duration,
    pub(super) tries: u64,
    /// Its ancestors, the nearest first, as far as they are known.
    ancestors: Vec<Pid>,
}

impl Series {
    /// The mean time from a try to the next; `None` for a single try.
    pub(super) fn pause(&self) -> Option<Duration> {
        let pauses = u32::try_from(self.tries.checked_sub(1)?).unwrap_or(u32::MAX);
        (pauses > 0).then(|| self.last.saturating_sub(self.first) / pauses)
    }

    /// Whether it can be taken to go on.
    fn goes_on(&self, now: Duration) -> bool {
        let patience = self.pause().map_or(PATIENCE, |pause| (pause * MISSED).max(PATIENCE));
        now.saturating_sub(self.last) <= patience
    }

    fn is_about(&self, tried: &Try) -> bool {
        let (mine, its) = (self.mechanism, tried.asked.mechanism);
        self.file == tried.asked.file && mine.conflicts_with(its)
    }

    fn tries_again(&mut self, tried: &Try) {
        self.tries += 1;
        self.first = self.first.min(tried.at);
        self.last = self.last.max(tried.at);
        self.mode = tried.asked.mode.unwrap_or(self.mode);
        self.range = tried.asked.range;
    }
}

/// All who try.
#[derive(Debug, Default)]
pub(super) struct Polling {
    series: Vec<Series>,
    parents: HashMap<Pid, Pid>,
    /// In the order of time.
    births: VecDeque<Pid>,
    /// When a try was last made by somebody of whom nothing is left.
    nobody_at: Option<Duration>,
}

impl Polling {
    /// `parent` has made `child`.
    pub(super) fn born(&mut self, parent: Pid, child: Pid) {
        if self.births.len() >= BIRTHS
            && let Some(oldest) = self.births.pop_front()
        {
            self.parents.remove(&oldest);
        }
        self.parents.insert(child, parent);
        self.births.push_back(child);
    }

    /// Somebody has tried in vain.
    pub(super) fn tried(&mut self, tried: &Try, kin: &dyn Kin) {
        let pid = tried.asked.pid.unwrap_or(tried.tid);
        let mut about = self.series.iter_mut().filter(|series| series.is_about(tried));
        if let Some(series) = about.find(|series| series.pid == pid && !series.by_children) {
            return series.tries_again(tried);
        }
        let ancestors = self.ancestors(pid, kin);
        let mut about = self.series.iter_mut().filter(|series| series.is_about(tried));
        let is_of = |series: &&mut Series| series.by_children && ancestors.contains(&series.pid);
        if let Some(series) = about.find(is_of) {
            return series.tries_again(tried);
        }
        if self.series.len() >= SERIES {
            let oldest = self.series.iter().enumerate().min_by_key(|(_, series)| series.last);
            if let Some((oldest, _)) = oldest {
                self.series.swap_remove(oldest);
            }
        }
        self.series.push(Series {
            file: tried.asked.file,
            mechanism: tried.asked.mechanism,
            mode: tried.asked.mode.unwrap_or(Mode::Exclusive),
            range: tried.asked.range,
            pid,
            start: kin.start(pid),
            by_children: false,
            first: tried.at,
            last: tried.at,
            tries: 1,
            ancestors,
        });
    }

    /// Somebody has got the lock: it needs to try no more.
    pub(super) fn got(&mut self, file: FileId, mechanism: Mechanism, pid: Pid, kin: &dyn Kin) {
        let is_about =
            |series: &Series| series.file == file && series.mechanism.conflicts_with(mechanism);
        if !self.series.iter().any(is_about) {
            return;
        }
        let ancestors = self.ancestors(pid, kin);
        self.series.retain(|series| {
            let got_it = series.pid == pid || series.by_children && ancestors.contains(&series.pid);
            !(is_about(series) && got_it)
        });
    }

    /// Finds out who has ended, and whose children those were; forgets who has given up.
    pub(super) fn settle(&mut self, now: Duration, kin: &dyn Kin) {
        let (alive, ended): (Vec<_>, Vec<_>) = std::mem::take(&mut self.series)
            .into_iter()
            .partition(|series| series.start.is_some() && kin.start(series.pid) == series.start);
        self.series = alive;
        let mut left: BTreeMap<_, Series> = BTreeMap::new();
        for series in ended {
            let mut ancestors = series.ancestors.iter().copied();
            let heir = ancestors.find_map(|pid| Some((pid, kin.start(pid)?)));
            // Whoever has come to the first process has lost those who made it.
            let Some((pid, start)) = heir.filter(|(pid, _)| *pid > 1) else {
                self.nobody_at = self.nobody_at.max(Some(series.last));
                continue;
            };
            let same = self.series.iter_mut().find(|of| {
                of.pid == pid
                    && of.by_children
                    && of.file == series.file
                    && of.mechanism.conflicts_with(series.mechanism)
            });
            if let Some(same) = same {
                same.join(&series);
                continue;
            }
            let key = (pid, series.file, series.mechanism);
            if let Some(same) = left.get_mut(&key) {
                same.join(&series);
            } else {
                let generation = series.ancestors.iter().position(|of| *of == pid);
                let above = generation.map_or(0, |place| place + 1);
                let ancestors = series.ancestors.get(above..).unwrap_or_default().to_vec();
                let series =
                    Series { pid, start: Some(start), by_children: true, ancestors, ..series };
                left.insert(key, series);
            }
        }
        self.series.extend(left.into_values());
        self.series.retain(|series| series.goes_on(now));
        self.nobody_at = self.nobody_at.filter(|at| now.saturating_sub(*at) <= 6 * PATIENCE);
    }

    /// Whether it would help to know who is born of whom.
    pub(super) fn wants_births(&self) -> bool {
        self.nobody_at.is_some() || self.series.iter().any(|series| series.by_children)
    }

    /// Those who have tried more than once.
    pub(super) fn told(&self) -> impl Iterator<Item = &Series> {
        self.series.iter().filter(|series| series.tries > 1)
    }

    fn ancestors(&self, pid: Pid, kin: &dyn Kin) -> Vec<Pid> {
        let mut ancestors = Vec::new();
        let mut of = pid;
        while ancestors.len() < GENERATIONS {
            // Whoever has lost its parent has got another; what was seen at its birth stays true.
            let Some(parent) = self.parents.get(&of).copied().or_else(|| kin.parent(of)) else {
                break;
            };
            if parent <= 1 || ancestors.contains(&parent) || parent == pid {
                break;
            }
            ancestors.push(parent);
            of = parent;
        }
        ancestors
    }
}

impl Series {
    fn join(&mut self, other: &Self) {
        self.tries += other.tries;
        self.first = self.first.min(other.first);
        if other.last > self.last {
            (self.last, self.mode, self.range) = (other.last, other.mode, other.range);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::model::Device;
    use crate::system::trace::{Answer, Asked};

    const SECOND: Duration = Duration::from_secs(1);

    /// Who lives, and who is whose parent.
    #[derive(Default)]
    struct Family(RefCell<BTreeMap<Pid, Pid>>);

    impl Family {
        fn has(&self, pid: Pid, parent: Pid) {
            self.0.borrow_mut().insert(pid, parent);
        }

        fn loses(&self, pid: Pid) {
            self.0.borrow_mut().remove(&pid);
        }
    }

    impl Kin for Family {
        fn parent(&self, pid: Pid) -> Option<Pid> {
            self.0.borrow().get(&pid).copied()
        }

        fn start(&self, pid: Pid) -> Option<u64> {
            self.0.borrow().contains_key(&pid).then_some(7)
        }
    }

    fn tried(pid: Pid, at: Duration) -> Try {
        let file = FileId { device: Device { major: 8, minor: 1 }, inode: 5 };
        let asked = Asked {
            file,
            owner: 1,
            pid: Some(pid),
            mechanism: Mechanism::Flock,
            mode: Some(Mode::Exclusive),
            range: Range::WHOLE,
            answer: Answer::No,
        };
        Try { at, tid: pid, asked }
    }

    fn told(polling: &Polling) -> Vec<(Pid, bool, u64, Option<Duration>)> {
        let of = |series: &Series| (series.pid, series.by_children, series.tries, series.pause());
        polling.told().map(of).collect()
    }

    #[test]
    fn one_process_that_tries_is_told_as_itself() {
        let (mut polling, family) = (Polling::default(), Family::default());
        family.has(40, 39);
        for n in 0..5 {
            polling.tried(&tried(40, n * SECOND), &family);
        }
        polling.settle(5 * SECOND, &family);
        assert_eq!(told(&polling), [(40, false, 5, Some(SECOND))]);
        polling.settle(14 * SECOND, &family);
        assert_eq!(told(&polling).len(), 1);
        polling.settle(15 * SECOND, &family);
        assert_eq!(told(&polling), []);
    }

    #[test]
    fn whoever_gets_it_or_ends_tries_no_more() {
        let (mut polling, family) = (Polling::default(), Family::default());
        for pid in [40, 50] {
            family.has(pid, 39);
            polling.tried(&tried(pid, SECOND), &family);
            polling.tried(&tried(pid, 2 * SECOND), &family);
        }
        let file = tried(40, SECOND).asked.file;
        polling.got(file, Mechanism::Flock, 40, &family);
        assert_eq!(told(&polling).len(), 1);
        family.loses(50);
        polling.settle(3 * SECOND, &family);
        assert_eq!(told(&polling), []);
    }

    #[test]
    fn a_loop_of_children_is_its_parent() {
        let (mut polling, family) = (Polling::default(), Family::default());
        family.has(39, 1);
        for n in 0..4 {
            let child = 40 + n;
            polling.born(39, child);
            polling.tried(&tried(child, SECOND * n.unsigned_abs()), &family);
            polling.settle(SECOND * n.unsigned_abs(), &family);
        }
        assert_eq!(told(&polling), [(39, true, 4, Some(SECOND))]);
        assert!(polling.wants_births());
        polling.born(39, 60);
        polling.got(tried(40, SECOND).asked.file, Mechanism::Flock, 60, &family);
        assert_eq!(told(&polling), []);
    }

    #[test]
    fn loops_of_one_script_stay_apart() {
        let (mut polling, family) = (Polling::default(), Family::default());
        for shell in [38, 39] {
            family.has(shell, 30);
        }
        family.has(30, 1);
        for n in 0..3_i32 {
            for shell in [38, 39] {
                let child = shell * 100 + n;
                polling.born(shell, child);
                polling.tried(&tried(child, SECOND * n.unsigned_abs()), &family);
            }
            polling.settle(SECOND * n.unsigned_abs(), &family);
        }
        let pids: Vec<_> =
            told(&polling).into_iter().map(|(pid, _, tries, _)| (pid, tries)).collect();
        assert_eq!(pids, [(38, 3), (39, 3)]);
    }

    #[test]
    fn strangers_are_not_made_one() {
        let (mut polling, family) = (Polling::default(), Family::default());
        for n in 0..4 {
            polling.tried(&tried(40 + n, SECOND * n.unsigned_abs()), &family);
            polling.settle(SECOND * n.unsigned_abs(), &family);
        }
        assert_eq!(told(&polling), []);
        assert!(polling.wants_births(), "then they would be known");
        polling.settle(2 * 60 * SECOND, &family);
        assert!(!polling.wants_births());
    }

    #[test]
    fn memory_is_bounded() {
        let (mut polling, family) = (Polling::default(), Family::default());
        for n in 0..20_000 {
            polling.born(n, n + 1);
            polling.tried(&tried(n, SECOND), &family);
        }
        assert!(polling.series.len() <= SERIES && polling.parents.len() <= BIRTHS);
    }
}
