use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use crate::diagnose::diagnose;
use crate::diagnose::graph::Graph;
use crate::diagnose::naive::{any_facts, awaits, cases, in_the_way, requests};
use crate::diagnose::sketch::{LockSketch, Sketch, flock};
use crate::model::{Behind, Facts, Grant, LockFacts, Pid, Snapshot, Span};

const MINUTE: Duration = Duration::from_mins(1);

fn behind<'a>(snapshot: &'a Snapshot, path: &str) -> Option<&'a Behind> {
    snapshot.locks.iter().find(|lock| lock.label() == path).unwrap().behind.as_ref()
}

#[test]
fn all_are_counted_who_wait_behind_the_end_of_a_chain() {
    let snapshot = Sketch::new()
        .lock(flock("/a").held_by(&[1]).wanted_by(2).wanted_by(3))
        .lock(flock("/b").held_by(&[2]).wanted_by(4))
        .lock(flock("/c").held_by(&[4]).wanted_by(5))
        .lock(flock("/d").held_by(&[5]))
        .judged();
    let told = |path| behind(&snapshot, path).map(|of| (of.waiters, of.waited.min, of.root));
    assert_eq!(told("/a"), Some((4, 4 * MINUTE, true)));
    assert_eq!(told("/b"), Some((2, 2 * MINUTE, false)));
    assert_eq!(told("/c"), Some((1, MINUTE, false)));
    assert_eq!(told("/d"), None);
}

#[test]
fn a_shell_that_waits_for_its_command_holds_up_others() {
    let snapshot = Sketch::new()
        .lock(flock("/a").held_by(&[1]).wanted_by(3))
        .lock(flock("/b").held_by(&[2]).wanted_by(4))
        .awaits(2, 3)
        .judged();
    let of_a = behind(&snapshot, "/a").unwrap();
    assert_eq!((of_a.waiters, of_a.root), (2, true), "the shell itself waits for no lock");
    assert!(!behind(&snapshot, "/b").unwrap().root);
}

#[test]
fn a_process_counts_once_with_its_longest_wait() {
    let snapshot = Sketch::new()
        .lock(flock("/a").held_by(&[1]).wanted_by(2).wanted_by(2).request(|request| {
            request.tid = Some(22);
            request.waited = Span { min: 3 * MINUTE, max: Some(4 * MINUTE), ..Span::default() };
        }))
        .judged();
    let of_a = behind(&snapshot, "/a").unwrap();
    assert_eq!((of_a.waiters, of_a.waited.min, of_a.waited.max), (1, 3 * MINUTE, None));
}

#[test]
fn in_a_circle_everybody_waits_behind_every_lock_and_none_is_the_end() {
    let snapshot = Sketch::new()
        .lock(flock("/a").held_by(&[1]).wanted_by(2))
        .lock(flock("/b").held_by(&[2]).wanted_by(1).wanted_by(3))
        .judged();
    for path in ["/a", "/b"] {
        let told = behind(&snapshot, path).unwrap();
        assert_eq!((told.waiters, told.root), (3, false));
    }
}

/// One process waits for the next, so many times; the last one waits for nobody.
fn chain(length: Pid) -> Facts {
    let link = |sketch: Sketch, pid: Pid| {
        let path = format!("/{pid}");
        sketch.lock(flock(&path).held_by(&[pid]).wanted_by(pid + 1))
    };
    (1..=length).fold(Sketch::new(), link).facts()
}

#[test]
fn where_steps_run_out_the_ends_of_chains_are_told_all_the_same() {
    let facts = chain(100);
    let told = super::within(1000, &facts, &Graph::of(&facts));
    assert_eq!(told[0].as_ref().unwrap().waiters, 100);
    assert!(told[99].is_none());
}

#[test]
fn a_crowd_behind_a_crowd_is_counted_without_a_step_for_each_pair() {
    let crowd = |path: &str, who: std::ops::Range<Pid>, wanted: std::ops::Range<Pid>| {
        let lock = who.fold(flock(path), |lock, pid| lock.read_by(&[pid]));
        wanted.fold(lock, LockSketch::wanted_by)
    };
    let facts = Sketch::new()
        .lock(crowd("/a", 1..1001, 1001..2001))
        .lock(crowd("/b", 1001..2001, 2001..3001))
        .facts();
    let told = super::within(20_000, &facts, &Graph::of(&facts));
    let waiters: Vec<_> = told.iter().map(|told| told.as_ref().unwrap().waiters).collect();
    assert_eq!(waiters, [2000, 1000]);
}

/// Who waits behind a lock, by definition: adds until nothing is added any more.
fn waiting(facts: &Facts, root: &LockFacts) -> BTreeMap<Option<Pid>, Vec<Span>> {
    let mut held_up: BTreeSet<Pid> = BTreeSet::new();
    let is_behind = |held_up: &BTreeSet<Pid>, lock: &LockFacts, grant: &Grant| {
        lock.id == root.id || grant.sharers.iter().any(|by| held_up.contains(&by.pid))
    };
    loop {
        let asking = requests(facts).filter(|(lock, request)| {
            in_the_way(facts, lock, request).any(|(lock, grant)| is_behind(&held_up, lock, grant))
        });
        let asking: Vec<_> = asking.map(|(_, request)| request).collect();
        let awaiting = facts.awaited.keys().filter(|&&pid| {
            awaits(facts, pid).is_some_and(|awaited| held_up.contains(&awaited.child))
        });
        let more: BTreeSet<_> =
            asking.iter().filter_map(|request| request.pid).chain(awaiting.copied()).collect();
        if more.is_subset(&held_up) {
            let mut waiting: BTreeMap<_, Vec<Span>> = BTreeMap::new();
            for request in asking {
                waiting.entry(request.pid).or_default().push(request.waited.clone());
            }
            return waiting;
        }
        held_up.extend(more);
    }
}

/// Whether one of the holders asks for a lock, or waits for one who does.
fn is_held_up(facts: &Facts, lock: &LockFacts) -> bool {
    let asks = |pid: Pid| requests(facts).any(|(_, request)| request.pid == Some(pid));
    lock.grants.iter().flat_map(|grant| &grant.sharers).any(|sharer| {
        let mut at = sharer.pid;
        while let Some(awaited) = awaits(facts, at) {
            at = awaited.child;
        }
        asks(at)
    })
}

proptest! {
    #![proptest_config(cases(3000))]

    #[test]
    fn the_quick_way_agrees(facts in any_facts()) {
        let snapshot = diagnose(facts.clone());
        for lock in &facts.locks {
            let mut waiting = waiting(&facts, lock);
            // Of each of these it is not known who it is.
            let unknown = waiting.remove(&None).unwrap_or_default();
            let each = unknown.into_iter().map(|span| vec![span]).chain(waiting.into_values());
            let each: Vec<_> = each.collect();
            let longest = |spans: &Vec<Span>| spans.iter().map(|span| span.min).max().unwrap();
            let at_most = |spans: &Vec<Span>| {
                let all: Option<Vec<_>> = spans.iter().map(|span| span.max).collect();
                all.map(|all| all.into_iter().max().unwrap())
            };
            let told = snapshot.lock(&lock.id).unwrap().behind.clone();
            let told = told.map(|of| (of.waiters, of.waited.min, of.waited.max, of.root));
            let expected = (!each.is_empty()).then(|| (
                each.len(),
                each.iter().map(longest).sum::<Duration>(),
                each.iter().map(at_most).sum::<Option<Duration>>(),
                !is_held_up(&facts, lock),
            ));
            prop_assert_eq!(told, expected);
        }
    }
}
