//! Who waits for whom as plainly as it can be said, to check the quick ways against, and facts of any
//! kind to check them with.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::sketch::{LockSketch, NOW, Sketch, flock, ofd, posix};
use crate::model::{
    AwaitedEnd, Certainty, Evidence, Facts, Grant, How, LockFacts, Mechanism, Mode, Pid, Request,
    Span,
};

/// Everybody who can be part of such facts.
pub(super) const PIDS: std::ops::Range<Pid> = 1..8;

/// The same cases at every run.
pub(super) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(41),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// The grants that have to go before a request can be granted.
pub(super) fn in_the_way<'a>(
    facts: &'a Facts,
    on: &'a LockFacts,
    request: &'a Request,
) -> impl Iterator<Item = (&'a LockFacts, &'a Grant)> {
    let same_file = facts.locks.iter().filter(|lock| lock.file == on.file);
    let grants = same_file.flat_map(|lock| lock.grants.iter().map(move |grant| (lock, grant)));
    grants.filter(|(lock, grant)| {
        let me = grant.sharers.iter().find(|sharer| Some(sharer.pid) == request.pid);
        let mine = match (lock.mechanism, request.mechanism) {
            (Mechanism::Posix, Mechanism::Posix) => me.is_some(),
            (Mechanism::Ofd, Mechanism::Ofd) => {
                me.is_some_and(|me| request.fd.is_none_or(|fd| me.fds.contains(&fd)))
            }
            _ => false,
        };
        lock.mechanism.conflicts_with(request.mechanism)
            && (grant.mode == Mode::Exclusive || request.mode == Mode::Exclusive)
            && lock.range.overlaps(&request.range)
            && !mine
    })
}

/// Every request with its lock.
pub(super) fn requests(facts: &Facts) -> impl Iterator<Item = (&LockFacts, &Request)> {
    facts.locks.iter().flat_map(|lock| lock.requests.iter().map(move |request| (lock, request)))
}

/// The child for whose end a process waits, unless it asks for a lock.
pub(super) fn awaits(facts: &Facts, pid: Pid) -> Option<AwaitedEnd> {
    let asks = requests(facts).any(|(_, request)| request.pid == Some(pid));
    facts.awaited.get(&pid).copied().filter(|_| !asks)
}

/// What is taken for sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Possible,
    Certain,
}

impl Rule {
    /// How many of its threads have to be held up.
    fn threads(self, facts: &Facts, pid: Pid) -> usize {
        match self {
            Self::Possible => 1,
            Self::Certain => {
                facts.processes[&pid].threads.map_or(usize::MAX, |count| count as usize)
            }
        }
    }

    pub(super) fn holds_up(self, request: &Request) -> bool {
        let sure = !request.inferred && !request.timed && request.last_ran.is_some();
        (request.how == How::Kernel || request.declared) && (self == Self::Possible || sure)
    }

    pub(super) fn stays(self, lock: &LockFacts, grant: &Grant) -> bool {
        let proven = grant.sharers.iter().all(|by| by.certainty == Certainty::Proven);
        lock.mechanism != Mechanism::Lease
            && !grant.sharers.is_empty()
            && (self == Self::Possible || proven)
    }

    pub(super) fn awaits(self, facts: &Facts, pid: Pid) -> Option<Pid> {
        let still = facts.processes[&pid].ran_at.is_some();
        let awaited = awaits(facts, pid)?;
        (self == Self::Possible || still && !awaited.timed).then_some(awaited.child)
    }

    /// Everybody who is in a set of which each is held up by that set.
    pub(super) fn caught(self, facts: &Facts) -> BTreeSet<Pid> {
        let bit = |pid: Pid| 1_u32 << pid;
        // For each request that counts: whose it is, and who shares each grant in its way.
        let waits: Vec<(Pid, Vec<u32>)> = requests(facts)
            .filter(|(_, request)| self.holds_up(request))
            .filter_map(|(lock, request)| {
                let grants = in_the_way(facts, lock, request);
                let staying = grants.filter(|(lock, grant)| self.stays(lock, grant));
                let sharers = staying.map(|(_, grant)| {
                    grant.sharers.iter().map(|by| bit(by.pid)).fold(0, |all, one| all | one)
                });
                Some((request.pid?, sharers.collect()))
            })
            .collect();
        let awaited: Vec<_> =
            PIDS.filter_map(|pid| Some((pid, self.awaits(facts, pid)?))).collect();
        let needed: Vec<_> = PIDS.map(|pid| (pid, self.threads(facts, pid))).collect();
        let holds_itself_up = |set: u32| {
            needed.iter().filter(|(pid, _)| set & bit(*pid) != 0).all(|&(pid, needed)| {
                let in_vain =
                    |sharers: &Vec<u32>| sharers.iter().any(|sharers| sharers & !set == 0);
                let asks = waits.iter().filter(|(by, sharers)| *by == pid && in_vain(sharers));
                let ends = awaited.iter().filter(|(by, of)| *by == pid && set & bit(*of) != 0);
                asks.count() + ends.count() >= needed
            })
        };
        let sets = (0..bit(PIDS.end)).step_by(2).filter(|&set| holds_itself_up(set));
        let all = sets.fold(0, |all, set| all | set);
        PIDS.filter(|&pid| all & bit(pid) != 0).collect()
    }

    /// For whom one of the caught waits in vain.
    pub(super) fn next(self, facts: &Facts, caught: &BTreeSet<Pid>, pid: Pid) -> BTreeSet<Pid> {
        let asks = requests(facts)
            .filter(|(_, request)| request.pid == Some(pid) && self.holds_up(request))
            .flat_map(|(lock, request)| in_the_way(facts, lock, request))
            .filter(|(lock, grant)| {
                self.stays(lock, grant) && grant.sharers.iter().all(|by| caught.contains(&by.pid))
            })
            .flat_map(|(_, grant)| grant.sharers.iter().map(|by| by.pid));
        asks.chain(self.awaits(facts, pid).filter(|child| caught.contains(child))).collect()
    }
}

/// A request for what a lock has.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each says something of its own")]
struct Asked {
    pid: Option<Pid>,
    fd: i32,
    shared: bool,
    /// For the other kind of record lock.
    other: bool,
    polls: bool,
    declared: bool,
    inferred: bool,
    timed: bool,
    runs: bool,
    waited: Span,
}

impl Asked {
    fn of(self, lock: LockSketch) -> LockSketch {
        lock.wanted_by(self.pid.unwrap_or_default()).request(|request| {
            request.pid = self.pid;
            request.tid = None;
            request.fd = Some(self.fd);
            request.mode = if self.shared { Mode::Shared } else { Mode::Exclusive };
            request.declared = self.polls && self.declared;
            request.how = if self.polls { How::Polling } else { How::Kernel };
            (request.inferred, request.timed) = (self.inferred, self.timed);
            request.last_ran = Some(Duration::from_mins(1)).filter(|_| !self.runs);
            request.waited = self.waited;
            request.mechanism = match (request.mechanism, self.other) {
                (Mechanism::Posix, true) => Mechanism::Ofd,
                (Mechanism::Ofd, true) => Mechanism::Posix,
                (mechanism, _) => mechanism,
            };
        })
    }
}

fn any_request() -> impl Strategy<Value = Asked> {
    let pid = prop::option::weighted(0.9, PIDS);
    let rare = || prop::bool::weighted(0.1);
    let traits = (any::<bool>(), any::<bool>(), rare(), rare(), rare(), rare(), any::<bool>());
    let waited = (1..100_u64, prop::option::weighted(0.8, 0..100_u64));
    (pid, traits, 8..10_i32, waited).prop_map(|(pid, traits, fd, (waited, more))| {
        let (shared, other, polls, inferred, timed, runs, declared) = traits;
        let waited = Span {
            min: Duration::from_secs(if runs { 0 } else { waited }),
            max: more.map(|more| Duration::from_secs(waited + more)),
            evidence: vec![Evidence::Observed],
        };
        Asked { pid, fd, shared, other, polls, declared, inferred, timed, runs, waited }
    })
}

fn any_lock() -> impl Strategy<Value = LockSketch> {
    let sharers = prop::collection::btree_set(PIDS, 0..3);
    let grant = (any::<bool>(), sharers, prop::bool::weighted(0.1));
    let grants = prop::collection::vec(grant, 1..3);
    let requests = prop::collection::vec(any_request(), 0..4);
    let path = prop::sample::select(vec!["/a", "/b", "/c"]);
    (0..16_u8, path, 0..3_u64, 0..2_u64, grants, requests).prop_map(
        |(mechanism, path, start, more, grants, requests)| {
            let lock = match mechanism {
                0..6 => flock(path),
                6..10 => posix(path, start, start + more),
                10..15 => ofd(path, start, start + more),
                _ => flock(path).with(|lock| lock.mechanism = Mechanism::Lease),
            };
            let lock = grants.into_iter().fold(lock, |lock, (shared, pids, unsure)| {
                let pids: Vec<_> = pids.into_iter().collect();
                let lock = if shared { lock.read_by(&pids) } else { lock.held_by(&pids) };
                lock.grant(|grant| {
                    if let Some(sharer) = grant.sharers.first_mut().filter(|_| unsure) {
                        sharer.certainty = Certainty::Likely;
                    }
                })
            });
            requests.into_iter().fold(lock, |lock, request| request.of(lock))
        },
    )
}

/// Files, byte ranges and modes; grants that several share, some of them unsure; leases; processes of
/// one thread and of two; requests in queues and by polling, limited, inferred, and of nobody known;
/// parents that wait for children.
pub(super) fn any_facts() -> impl Strategy<Value = Facts> {
    let process = (1..3_u32, prop::bool::weighted(0.8), prop::option::weighted(0.3, 1..3_i32));
    let processes = prop::collection::vec(process, PIDS.len());
    (prop::collection::vec(any_lock(), 1..9), processes, prop::bool::weighted(0.1)).prop_map(
        |(locks, processes, timed)| {
            let sketch = locks.into_iter().fold(Sketch::new(), Sketch::lock).with(|facts| {
                let mut ids = BTreeSet::new();
                facts.locks.retain(|lock| ids.insert(lock.id.clone()));
            });
            let set = |sketch: Sketch, (pid, (threads, still, child)): (Pid, _)| {
                let child: Option<Pid> = child;
                let sketch = match child.map(|more| pid + more).filter(|by| PIDS.contains(by)) {
                    Some(child) => sketch.awaits(pid, child),
                    None => sketch,
                };
                sketch.process(pid, |process| {
                    process.threads = Some(threads);
                    process.ran_at = NOW.checked_sub(Duration::from_mins(1)).filter(|_| still);
                })
            };
            let sketch = PIDS.zip(processes).fold(sketch, set);
            let limit = |facts: &mut Facts| {
                if let Some(awaited) = facts.awaited.values_mut().next() {
                    awaited.timed = timed;
                }
            };
            sketch.with(limit).facts()
        },
    )
}

mod circles {
    use super::*;
    use crate::diagnose::diagnose;
    use crate::model::{Deadlock, LockId, Member};

    fn in_a_circle(facts: &Facts, caught: &BTreeSet<Pid>, pid: Pid) -> bool {
        let mut reached = BTreeSet::new();
        let mut new = Rule::Possible.next(facts, caught, pid);
        while let Some(at) = new.pop_first() {
            if reached.insert(at) {
                new.extend(Rule::Possible.next(facts, caught, at));
            }
        }
        reached.contains(&pid)
    }

    /// The processes from a member to the one that asks.
    fn line(facts: &Facts, member: &Member) -> Vec<Pid> {
        let mut line = vec![member.pid];
        while *line.last().unwrap() != member.waits() {
            line.push(awaits(facts, *line.last().unwrap()).unwrap().child);
        }
        line
    }

    /// The grants that can be meant by a member's wanting what another holds.
    fn meant<'a>(
        facts: &'a Facts,
        member: &'a Member,
        after: &'a Member,
    ) -> Vec<(&'a LockFacts, &'a Request, &'a Grant)> {
        let asks = requests(facts).filter(|(_, request)| request.pid == Some(member.waits()));
        asks.flat_map(|(lock, request)| {
            in_the_way(facts, lock, request).map(move |(lock, grant)| (lock, request, grant))
        })
        .filter(|(lock, _, grant)| {
            lock.id == member.wants && grant.sharers.iter().any(|by| by.pid == after.pid)
        })
        .collect()
    }

    /// Whether all that a circle rests on is certain: at best, and at worst.
    fn certainty(facts: &Facts, circle: &Deadlock, surely: &BTreeSet<Pid>) -> (bool, bool) {
        let (mut best, mut worst) = (true, true);
        for (member, after) in steps(circle) {
            let caught = line(facts, member).iter().all(|pid| surely.contains(pid));
            let is_sure = |(lock, _, grant): &(&LockFacts, &Request, &Grant)| {
                Rule::Certain.stays(lock, grant)
                    && grant.sharers.iter().all(|by| surely.contains(&by.pid))
            };
            let possible = |(lock, request, grant): &(&LockFacts, &Request, &Grant)| {
                Rule::Possible.stays(lock, grant) && Rule::Possible.holds_up(request)
            };
            let mut meant = meant(facts, member, after);
            meant.retain(possible);
            best &= caught && meant.iter().any(is_sure);
            worst &= caught && meant.iter().all(is_sure);
        }
        (best, worst)
    }

    fn steps(circle: &Deadlock) -> impl Iterator<Item = (&Member, &Member)> {
        circle.members.iter().zip(circle.members.iter().cycle().skip(1))
    }

    proptest! {
        #![proptest_config(cases(3000))]

        #[test]
        fn the_quick_way_agrees(facts in any_facts()) {
            let caught = Rule::Possible.caught(&facts);
            let surely = Rule::Certain.caught(&facts);
            let asks = |pid: &Pid| requests(&facts).any(|(_, request)| request.pid == Some(*pid));
            let expected: BTreeSet<_> = caught
                .iter()
                .copied()
                .filter(asks)
                .filter(|&pid| in_a_circle(&facts, &caught, pid))
                .collect();
            let snapshot = diagnose(facts.clone());
            let members = || snapshot.deadlocks.iter().flat_map(|circle| &circle.members);
            let told: BTreeSet<_> = members().map(Member::waits).collect();
            prop_assert_eq!(told, expected);
            let mut circles: Vec<BTreeSet<Pid>> = Vec::new();
            for circle in &snapshot.deadlocks {
                let once: BTreeSet<_> = circle.members.iter().map(Member::waits).collect();
                prop_assert_eq!(once.len(), circle.members.len());
                prop_assert!(!circles.contains(&once), "told twice");
                circles.push(once);
                for (member, after) in steps(circle) {
                    prop_assert_eq!(&member.wants, &after.holds);
                    let next = Rule::Possible.next(&facts, &caught, member.waits());
                    prop_assert!(next.contains(&after.pid));
                    prop_assert!(!member.keepers.is_empty());
                }
                let (best, worst) = certainty(&facts, circle, &surely);
                prop_assert!(best || !circle.certain, "certain without proof");
                prop_assert!(circle.certain || !worst, "proven, but not certain");
            }
        }

        #[test]
        fn what_a_circle_needs_ended_opens_it(facts in any_facts()) {
            let caught = Rule::Possible.caught(&facts);
            for circle in &diagnose(facts.clone()).deadlocks {
                for (before, member) in steps(circle) {
                    let lets_go = |facts: &Facts| meant(facts, before, member).is_empty();
                    let mut rest = facts.clone();
                    end(&mut rest, &member.keepers);
                    prop_assert!(lets_go(&rest), "{:?} of {caught:?}", member.keepers);
                }
            }
        }

        #[test]
        fn everything_in_the_way_is_told(facts in any_facts()) {
            let snapshot = diagnose(facts.clone());
            for on in &facts.locks {
                let judged = snapshot.lock(&on.id).unwrap();
                for (request, waiter) in on.requests.iter().zip(&judged.waiters) {
                    let expected: BTreeSet<(LockId, Option<Pid>)> = in_the_way(&facts, on, request)
                        .flat_map(|(lock, grant)| {
                            let nobody = grant.sharers.is_empty().then_some(None);
                            let pids = grant.sharers.iter().map(|by| Some(by.pid)).chain(nobody);
                            pids.map(|pid| (lock.id.clone(), pid))
                        })
                        .collect();
                    let told: BTreeSet<_> =
                        waiter.blocked_by.iter().map(|by| (by.id.clone(), by.pid)).collect();
                    prop_assert_eq!(told.len(), waiter.blocked_by.len());
                    prop_assert_eq!(told, expected);
                }
            }
        }
    }

    /// Ends processes, and then whoever waited for the end of one of them.
    fn end(facts: &mut Facts, pids: &[Pid]) {
        let mut ended: BTreeSet<Pid> = pids.iter().copied().collect();
        while let Some(pid) = PIDS
            .filter(|pid| !ended.contains(pid))
            .find(|&pid| awaits(facts, pid).is_some_and(|awaited| ended.contains(&awaited.child)))
        {
            ended.insert(pid);
        }
        for grant in facts.locks.iter_mut().flat_map(|lock| &mut lock.grants) {
            grant.sharers.retain(|by| !ended.contains(&by.pid));
        }
    }
}
