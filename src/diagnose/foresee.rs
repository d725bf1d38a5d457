//! Foresees whether a wait would close a circle, and so never end.
//!
//! Who asks is caught, and with it whoever waits for its end; then, step by step, whoever waits for
//! a grant that nobody but the caught could let go. Whatever is not certain catches nobody.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use crate::model::{
    Certainty, FileId, Holder, How, Lock, LockId, Mechanism, Mode, Pid, Range, Snapshot, Waiter,
};

use super::phrase;

/// Of two who close a circle the later one is to give way; if they began so close together, both.
const TOGETHER: Duration = Duration::from_secs(1);

/// A lock that somebody waits for, through an open file of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    /// As `stat` numbers it.
    pub(crate) file: FileId,
    pub(crate) mechanism: Mechanism,
    pub(crate) mode: Mode,
    pub(crate) range: Range,
    /// For how long, at most.
    pub(crate) waited: Duration,
}

/// What a snapshot does not tell of processes.
pub(crate) trait Kin {
    /// The process that wishes.
    fn us(&self) -> Pid;

    /// Whether it cannot let go, before its wish has come true, of what it has through this
    /// descriptor.
    fn keeps(&self, fd: i32) -> bool;

    /// The child whose end a process waits for, if it can do nothing else until then.
    fn awaited_child(&self, pid: Pid) -> Option<Pid>;

    /// How many threads of a process could let go of its locks.
    fn threads(&self, pid: Pid) -> Option<usize>;
}

/// The circle that a wait would close. Printed, it is a sentence without a full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Circle {
    /// The lock that was wished for.
    lock: String,
    /// Who has it and waits for what, and so on until it comes round.
    links: Vec<String>,
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lock, links } = self;
        let links = links.join("; ");
        write!(
            f,
            "waiting for {lock} would never end: {links}; run with --insist to wait all the same"
        )
    }
}

/// The circle that waiting for this closes, if that is certain and those in it waited before.
pub(crate) fn circle(snapshot: &Snapshot, wish: &Wish, kin: &impl Kin) -> Option<Circle> {
    let rivals: Vec<_> = snapshot
        .locks
        .iter()
        .filter(|lock| lock.file == Some(wish.file))
        .filter(|lock| lock.mechanism.conflicts_with(wish.mechanism))
        .filter(|lock| lock.range.is_some_and(|range| range.overlaps(&wish.range)))
        .flat_map(|lock| grants_against(lock, wish.mode))
        .filter(Grant::is_proven)
        .collect();
    if rivals.is_empty() {
        return None;
    }
    let caught = Caught::with(kin, Surroundings::of(snapshot, wish, kin, &rivals));
    let rival = rivals.iter().find(|grant| caught.has(grant))?;
    let lock = format!("{}{}", rival.lock.label(), phrase::bytes(Some(wish.range)));
    Some(Circle { lock, links: caught.links(rival) })
}

/// One open file, or for POSIX locks one process, that has a lock.
#[derive(Debug, Clone)]
struct Grant<'a> {
    lock: &'a Lock,
    sharers: Vec<&'a Holder>,
}

impl Grant<'_> {
    /// Whether all who were seen to share it really do.
    fn is_proven(&self) -> bool {
        self.sharers.iter().all(|sharer| sharer.certainty == Certainty::Proven)
    }
}

/// The grants of a lock that keep out one who wants it so, and stay until somebody lets go.
fn grants_against(lock: &Lock, mode: Mode) -> Vec<Grant<'_>> {
    if !lock.mode.conflicts_with(mode) || lock.mechanism == Mechanism::Lease {
        return Vec::new();
    }
    let mut grants: BTreeMap<u32, Vec<&Holder>> = BTreeMap::new();
    for holder in lock.holders.iter() {
        grants.entry(holder.grant).or_default().push(holder);
    }
    // A lock table that is read in pieces can show an exclusive lock beside shared ones: which of
    // them it is, nobody tells.
    if mode == Mode::Shared && grants.len() > 1 {
        return Vec::new();
    }
    grants.into_values().map(|sharers| Grant { lock, sharers }).collect()
}

/// What keeps a process from going on.
#[derive(Debug)]
struct Ties<'a> {
    child: Option<Pid>,
    threads: Option<usize>,
    /// For each of its waits, what is in the way.
    waits: Vec<Vec<Grant<'a>>>,
}

/// Those who decide whether the rivals of a wish ever go: who shares a grant, whom these wait for,
/// and so on.
struct Surroundings<'a> {
    /// Who has waited for less has not been there, or should see for itself what it closes.
    least: Duration,
    locks: HashMap<&'a LockId, &'a Lock>,
    waiters: HashMap<Pid, Vec<&'a Waiter>>,
    ties: BTreeMap<Pid, Ties<'a>>,
}

impl<'a> Surroundings<'a> {
    fn of(
        snapshot: &'a Snapshot,
        wish: &Wish,
        kin: &impl Kin,
        rivals: &[Grant<'a>],
    ) -> BTreeMap<Pid, Ties<'a>> {
        let mut waiters: HashMap<Pid, Vec<&Waiter>> = HashMap::new();
        for waiter in snapshot.locks.iter().flat_map(|lock| &lock.waiters) {
            waiters.entry(waiter.process.pid.unwrap_or_default()).or_default().push(waiter);
        }
        let locks = snapshot.locks.iter().map(|lock| (&lock.id, lock)).collect();
        // Who has slept for as long as the look took had all the while what it was seen with.
        let least = wish.waited.saturating_sub(TOGETHER).max(snapshot.cost);
        let mut found = Self { least, locks, waiters, ties: BTreeMap::new() };
        let mut unseen: Vec<Pid> = rivals.iter().flat_map(pids).collect();
        while let Some(pid) = unseen.pop() {
            if pid == kin.us() || found.ties.contains_key(&pid) {
                continue;
            }
            let ties = found.ties_of(pid, kin);
            unseen.extend(ties.child);
            unseen.extend(ties.waits.iter().flatten().flat_map(pids));
            found.ties.insert(pid, ties);
        }
        found.ties
    }

    fn ties_of(&self, pid: Pid, kin: &impl Kin) -> Ties<'a> {
        let waiters = self.waiters.get(&pid).map(Vec::as_slice).unwrap_or_default();
        let lasting = waiters.iter().filter(|waiter| {
            waiter.how == How::Kernel && waiter.endless && waiter.waited.min >= self.least
        });
        Ties {
            child: if waiters.is_empty() { kin.awaited_child(pid) } else { None },
            threads: if waiters.is_empty() { None } else { kin.threads(pid) },
            waits: lasting.map(|waiter| self.in_the_way_of(waiter)).collect(),
        }
    }

    fn in_the_way_of(&self, waiter: &'a Waiter) -> Vec<Grant<'a>> {
        let in_the_way: HashSet<_> = waiter.blocked_by.iter().map(|by| (&by.id, by.pid)).collect();
        let ids: BTreeSet<_> = waiter.blocked_by.iter().map(|by| &by.id).collect();
        let locks = ids.into_iter().filter_map(|id| self.locks.get(id));
        let grants = locks.flat_map(|lock| grants_against(lock, waiter.mode));
        grants
            .filter(|grant| {
                let mut sharers = grant.sharers.iter();
                sharers.all(|by| in_the_way.contains(&(&grant.lock.id, by.process.pid)))
                    && grant.is_proven()
            })
            .collect()
    }
}

fn pids(grant: &Grant<'_>) -> Vec<Pid> {
    grant.sharers.iter().filter_map(|sharer| sharer.process.pid).collect()
}

/// Why somebody is caught.
#[derive(Debug, Clone)]
enum Cause<'a> {
    /// It is us.
    Asks,
    /// It waits for the end of this child.
    Child(Pid),
    /// It waits for a grant that only the caught share.
    Lock(Grant<'a>),
}

/// Those who cannot go on before we do.
struct Caught<'a, K> {
    kin: &'a K,
    /// Why each is, and in which round it was found: by one of an earlier round.
    causes: HashMap<Pid, (usize, Cause<'a>)>,
}

impl<'a, K: Kin> Caught<'a, K> {
    /// Begins with us alone, and adds whomever those catch until it is nobody.
    fn with(kin: &'a K, mut free: BTreeMap<Pid, Ties<'a>>) -> Self {
        let mut caught = Self { kin, causes: HashMap::from([(kin.us(), (0, Cause::Asks))]) };
        for round in 1.. {
            let causes = free.iter().filter_map(|(&pid, ties)| Some((pid, caught.cause(ties)?)));
            let new: Vec<_> = causes.collect();
            if new.is_empty() {
                break;
            }
            for (pid, cause) in new {
                free.remove(&pid);
                caught.causes.insert(pid, (round, cause));
            }
        }
        caught
    }

    fn cause(&self, ties: &Ties<'a>) -> Option<Cause<'a>> {
        if let Some(child) = ties.child.filter(|child| self.causes.contains_key(child)) {
            return Some(Cause::Child(child));
        }
        let mut vain = ties.waits.iter().filter_map(|grants| grants.iter().find(|by| self.has(by)));
        let first = vain.next()?;
        let all = ties.threads.is_some_and(|threads| threads <= 1 + vain.count());
        all.then(|| Cause::Lock(first.clone()))
    }

    /// Whether only the caught could let it go.
    fn has(&self, grant: &Grant<'_>) -> bool {
        let is_tied = |sharer: &&Holder| match sharer.process.pid {
            Some(pid) if pid == self.kin.us() => {
                !sharer.fds.is_empty() && sharer.fds.iter().all(|&fd| self.kin.keeps(fd))
            }
            Some(pid) => self.causes.contains_key(&pid),
            None => false,
        };
        !grant.sharers.is_empty() && grant.sharers.iter().all(is_tied)
    }

    /// Who has this and waits for what, who has that, and so on.
    fn links(&self, grant: &Grant<'a>) -> Vec<String> {
        let mut links = Vec::new();
        let mut next = Some(grant.clone());
        while let Some(grant) = next {
            let it = if links.is_empty() { "it" } else { "that" };
            let Some(link) =
                grant.sharers.iter().map(|by| self.link(by, it)).min_by_key(Link::rank)
            else {
                break;
            };
            links.push(link.text);
            next = link.behind;
        }
        links
    }

    /// What there is to say of one who shares a grant.
    fn link(&self, holder: &Holder, it: &str) -> Link<'a> {
        let pid = holder.process.pid.unwrap_or_default();
        let (name, through) = (holder.process.label(), phrase::through(&holder.fds));
        let round = self.causes.get(&pid).map_or(0, |(round, _)| *round);
        match self.root(pid) {
            (root, Cause::Lock(grant)) => {
                let child = if root == pid {
                    String::new()
                } else {
                    format!(" for pid {root}, which waits")
                };
                let lock = format!("{}{}", grant.lock.label(), phrase::bytes(grant.lock.range));
                Link {
                    rank: (u8::from(root != pid), round),
                    text: format!("{name} has {it}{through} and waits{child} for {lock}"),
                    behind: Some(grant),
                }
            }
            _ if pid == self.kin.us() => Link {
                rank: (3, 0),
                text: format!("this process has {it} itself{through}"),
                behind: None,
            },
            // The farthest is more likely to be the one who took it.
            _ => Link {
                rank: (2, usize::MAX - round),
                text: format!(
                    "{name}, which started this, has {it}{through} and waits for this to end"
                ),
                behind: None,
            },
        }
    }

    /// The one whose end a process waits for, and why that cannot go on.
    fn root(&self, mut pid: Pid) -> (Pid, Cause<'a>) {
        // Each is caught by one of an earlier round, so this ends.
        loop {
            match self.causes.get(&pid) {
                Some((_, Cause::Child(child))) => pid = *child,
                Some((_, cause)) => return (pid, cause.clone()),
                None => return (pid, Cause::Asks),
            }
        }
    }
}

/// A clause of the sentence that tells a circle.
struct Link<'a> {
    /// Of those who share a grant, the one of the lowest rank is told.
    rank: (u8, usize),
    text: String,
    /// What is in the way of what it waits for.
    behind: Option<Grant<'a>>,
}

impl Link<'_> {
    fn rank(&self) -> (u8, usize) {
        self.rank
    }
}

#[cfg(test)]
mod tests;
