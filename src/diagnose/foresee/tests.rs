use std::collections::HashMap;

use super::*;
use crate::diagnose::sketch::{LockSketch, Sketch, flock, ofd, posix};
use crate::model::{Facts, LockFacts, Sharer};

/// The process that wishes.
const US: Pid = 1;

/// What is known of processes beyond the sketch: parents and the children that they wait for.
#[derive(Debug, Clone, Default)]
struct Family {
    awaited: HashMap<Pid, Pid>,
    threads: HashMap<Pid, usize>,
    /// Descriptors of ours that another thread can close.
    loose: Vec<i32>,
}

impl Kin for Family {
    fn us(&self) -> Pid {
        US
    }

    fn keeps(&self, fd: i32) -> bool {
        !self.loose.contains(&fd)
    }

    fn awaited_child(&self, pid: Pid) -> Option<Pid> {
        self.awaited.get(&pid).copied()
    }

    fn threads(&self, pid: Pid) -> Option<usize> {
        Some(self.threads.get(&pid).copied().unwrap_or(1))
    }
}

/// Parents and the children that they wait for.
fn waiting<const N: usize>(awaited: [(Pid, Pid); N]) -> Family {
    Family { awaited: HashMap::from(awaited), ..Family::default() }
}

fn wish(facts: &Facts, path: &str, mode: Mode) -> Wish {
    let at =
        |lock: &&LockFacts| lock.path.as_ref().is_some_and(|it| it.as_path().as_os_str() == path);
    let lock = facts.locks.iter().find(at).expect("a lock that was sketched");
    Wish {
        file: lock.file.unwrap(),
        mechanism: lock.mechanism,
        mode,
        range: lock.range,
        waited: Duration::ZERO,
    }
}

fn told(sketch: Sketch, mode: Mode, kin: &Family) -> Option<String> {
    let facts = sketch.facts();
    let wish = wish(&facts, "/l", mode);
    let snapshot = crate::diagnose::diagnose(facts);
    circle(&snapshot, &wish, kin).map(|circle| circle.to_string())
}

/// What is said of an exclusive wish for `/l`.
fn of<const N: usize>(locks: [LockSketch; N], kin: &Family) -> Option<String> {
    told(locks.into_iter().fold(Sketch::new(), Sketch::lock), Mode::Exclusive, kin)
}

/// The middle of the sentence.
fn links(text: Option<String>) -> String {
    let text = text.expect("a circle");
    let text = text.strip_prefix("waiting for /l would never end: ").expect("the beginning");
    text.strip_suffix("; run with --insist to wait all the same").expect("the end").into()
}

#[test]
fn what_was_inherited_is_never_let_go() {
    let kin = Family::default();
    assert_eq!(
        links(of([flock("/l").held_by(&[US])], &kin)),
        "this process has it itself through descriptor 9"
    );
    // The shell that started us shares it and waits for us.
    assert_eq!(
        links(of([flock("/l").held_by(&[12, US])], &waiting([(12, US)]))),
        "p12 (pid 12), which started this, has it through descriptor 9 and waits for this to end"
    );
    // It has something else to do.
    assert_eq!(of([flock("/l").held_by(&[12, US])], &kin), None);
    // Another thread can give it back.
    let loose = Family { loose: vec![9], ..Family::default() };
    assert_eq!(of([flock("/l").held_by(&[US])], &loose), None);
}

#[test]
fn a_parent_that_waits_for_us_lets_nothing_go() {
    let lock = || flock("/l").held_by(&[12]);
    assert_eq!(
        links(of([lock()], &waiting([(12, 13), (13, US)]))),
        "p12 (pid 12), which started this, has it through descriptor 9 and waits for this to end"
    );
    assert_eq!(of([lock()], &waiting([(12, 13)])), None, "13 has something else to do");
    assert_eq!(of([lock()], &Family::default()), None);
    assert_eq!(of([flock("/l").held_by(&[12, 14])], &waiting([(12, US)])), None, "14 goes on");
    let reader = lock().with(|lock| lock.grants[0].mode = Mode::Shared);
    assert!(of([reader.clone()], &waiting([(12, US)])).is_some());
    let sketch = Sketch::new().lock(reader);
    assert_eq!(told(sketch, Mode::Shared, &waiting([(12, US)])), None, "it can be shared");
}

#[test]
fn one_reader_that_never_goes_is_enough() {
    let lock = flock("/l").read_by(&[20]).read_by(&[12]).read_by(&[21]);
    let circle = links(of([lock], &waiting([(12, US)])));
    assert!(circle.starts_with("p12 (pid 12)"), "{circle}");
}

#[test]
fn a_lock_that_is_merely_contended_is_waited_for() {
    let lock = flock("/l").held_by(&[2]).wanted_by(3).wanted_by(US);
    assert_eq!(of([lock, flock("/m").held_by(&[US])], &waiting([(3, US)])), None);
}

#[test]
fn crossed_wishes_are_told_step_by_step() {
    let crossed = || [flock("/l").held_by(&[5]), flock("/m").held_by(&[12]).wanted_by(5)];
    assert_eq!(
        links(of(crossed(), &waiting([(12, US)]))),
        "p5 (pid 5) has it through descriptor 9 and waits for /m; p12 (pid 12), which started this, \
         has that through descriptor 9 and waits for this to end"
    );
    assert_eq!(of(crossed(), &Family::default()), None);

    // Both trees are of shells that wait: 6 waits for 5, which waits for the lock of ours.
    let trees = [flock("/l").held_by(&[6]), flock("/m").held_by(&[12, US]).wanted_by(5)];
    assert_eq!(
        links(of(trees, &waiting([(12, US), (6, 7), (7, 5)]))),
        "p6 (pid 6) has it through descriptor 9 and waits for pid 5, which waits for /m; p12 (pid \
         12), which started this, has that through descriptor 9 and waits for this to end"
    );
}

#[test]
fn who_waits_in_vain_is_caught_whatever_lies_between() {
    let locks = [
        flock("/l").held_by(&[2]),
        flock("/a").held_by(&[3]).wanted_by(2),
        flock("/b").held_by(&[4]).wanted_by(3),
        flock("/c").held_by(&[US]).wanted_by(4).wanted_by(9),
    ];
    let circle = links(of(locks, &Family::default()));
    assert_eq!(circle.matches("; p").count(), 2, "{circle}");
    assert!(circle.ends_with("; this process has that itself through descriptor 9"), "{circle}");
}

#[test]
fn a_circle_of_others_is_not_ours() {
    let locks = [
        flock("/l").held_by(&[2]).wanted_by(3),
        flock("/a").held_by(&[3]).wanted_by(2),
        flock("/b").held_by(&[US]),
    ];
    assert_eq!(of(locks, &Family::default()), None);
}

#[test]
fn what_is_not_certain_catches_nobody() {
    let kin = || waiting([(12, US)]);
    let with = |alter: &dyn Fn(LockSketch) -> LockSketch, kin: &Family| {
        of([flock("/l").held_by(&[5]), alter(flock("/m").held_by(&[12]).wanted_by(5))], kin)
    };
    assert!(with(&|lock| lock, &kin()).is_some());
    assert_eq!(with(&|lock| lock.request(|by| by.timed = true), &kin()), None);
    assert_eq!(with(&|lock| lock.request(|by| by.inferred = true), &kin()), None);
    assert_eq!(with(&|lock| lock.request(|by| by.how = How::Polling), &kin()), None);
    let just_begun = |lock: LockSketch| {
        lock.request(|by| {
            by.waited.min = Duration::from_millis(1);
        })
    };
    assert_eq!(with(&just_begun, &kin()), None);
    let recorded =
        |lock: LockSketch| lock.grant(|grant| grant.sharers[0].certainty = Certainty::Recorded);
    assert_eq!(with(&recorded, &kin()), None);
    let lease = |lock: LockSketch| lock.with(|lock| lock.mechanism = Mechanism::Lease);
    assert_eq!(with(&lease, &kin()), None);
    let busy = Family { threads: HashMap::from([(5, 2)]), ..kin() };
    assert_eq!(with(&|lock| lock, &busy), None);
    let both = |lock: LockSketch| lock.wanted_by(5).request(|by| by.tid = Some(55));
    assert!(with(&both, &busy).is_some());
    assert_eq!(of([recorded(flock("/l").held_by(&[12]))], &kin()), None);
    assert_eq!(of([flock("/l").held_by(&[])], &kin()), None);
}

#[test]
fn record_locks_of_both_kinds_are_in_the_way_where_they_overlap() {
    let of = |lock: LockSketch| {
        let wished = ofd("/l", 10, 19).held_by(&[30]);
        of([wished, lock], &waiting([(12, US)]))
    };
    let circle = of(posix("/l", 15, 99).held_by(&[12])).expect("a circle");
    assert!(circle.starts_with("waiting for /l bytes 10-19 would never end: p12"), "{circle}");
    assert!(of(ofd("/l", 0, 10).held_by(&[12])).is_some());
    assert_eq!(of(ofd("/l", 20, 99).held_by(&[12])), None);
    assert_eq!(of(flock("/l").held_by(&[12])), None);
    assert_eq!(of(ofd("/m", 0, 10).held_by(&[12])), None);
}

#[test]
fn of_two_who_cross_the_later_gives_way() {
    let facts = [flock("/l").held_by(&[5]), flock("/m").held_by(&[US]).wanted_by(5)];
    let facts = facts.into_iter().fold(Sketch::new(), Sketch::lock).facts();
    let mut wish = wish(&facts, "/l", Mode::Exclusive);
    let snapshot = crate::diagnose::diagnose(facts);
    // The other has waited for a minute.
    for (seconds, is_refused) in [(0, true), (59, true), (60, true), (62, false), (600, false)] {
        wish.waited = Duration::from_secs(seconds);
        let told = circle(&snapshot, &wish, &Family::default());
        assert_eq!(told.is_some(), is_refused, "{seconds}");
    }
}

/// The rule as plainly as it can be said, to check the other against.
mod naive {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn is_stuck(by: &Sharer, caught: &BTreeSet<Pid>, kin: &Family) -> bool {
        let kept = by.pid != US || by.fds.iter().all(|fd| !kin.loose.contains(fd));
        by.certainty == Certainty::Proven && caught.contains(&by.pid) && kept
    }

    /// Whether something on this file is in the way of a flock, and stays.
    fn in_vain(
        facts: &Facts,
        file: FileId,
        mode: Mode,
        caught: &BTreeSet<Pid>,
        kin: &Family,
    ) -> bool {
        let on_file = facts.locks.iter().filter(|lock| lock.file == Some(file));
        let mut grants = on_file.flat_map(|lock| &lock.grants);
        grants.any(|grant| {
            (grant.mode == Mode::Exclusive || mode == Mode::Exclusive)
                && !grant.sharers.is_empty()
                && grant.sharers.iter().all(|by| is_stuck(by, caught, kin))
        })
    }

    /// Adds who is caught until nobody is added any more.
    fn caught(facts: &Facts, kin: &Family) -> BTreeSet<Pid> {
        let mut caught = BTreeSet::from([US]);
        loop {
            let before = caught.len();
            for pid in facts.processes.keys().copied().chain(kin.awaited.keys().copied()) {
                let all = facts.locks.iter().flat_map(|lock| {
                    lock.requests.iter().map(move |request| (lock.file.unwrap(), request))
                });
                let mine: Vec<_> = all.filter(|(_, request)| request.pid == Some(pid)).collect();
                let vain = mine
                    .iter()
                    .filter(|(file, by)| !by.timed && in_vain(facts, *file, by.mode, &caught, kin))
                    .count();
                let awaits = kin.awaited.get(&pid).is_some_and(|child| caught.contains(child));
                if mine.is_empty() && awaits || vain > 0 && vain >= kin.threads(pid).unwrap() {
                    caught.insert(pid);
                }
            }
            if caught.len() == before {
                return caught;
            }
        }
    }

    fn any_lock() -> impl Strategy<Value = LockSketch> {
        let pid = || 1..6i32;
        let grant = (prop::collection::btree_set(pid(), 1..3), 0..12u8);
        let grants = (any::<bool>(), prop::collection::vec(grant, 1..4));
        let requests = prop::collection::vec((pid(), any::<bool>(), 0..6u8), 0..4);
        let path = prop::sample::select(vec!["/l", "/a", "/b", "/c"]);
        (path, grants, requests).prop_map(|(path, (shared, grants), requests)| {
            let most = if shared { usize::MAX } else { 1 };
            let lock = grants.into_iter().take(most).fold(flock(path), |lock, (pids, odd)| {
                let pids: Vec<_> = pids.into_iter().collect();
                let lock = if shared { lock.read_by(&pids) } else { lock.held_by(&pids) };
                lock.grant(|grant| match odd {
                    0 => grant.sharers[0].certainty = Certainty::Recorded,
                    1 => grant.sharers[0].fds.push(10),
                    _ => {}
                })
            });
            requests.into_iter().fold(lock, |lock, (pid, shared, odd)| {
                lock.wanted_by(pid).request(|request| {
                    request.tid = None;
                    request.timed = odd == 0;
                    if shared {
                        request.mode = Mode::Shared;
                    }
                })
            })
        })
    }

    fn any_family() -> impl Strategy<Value = Family> {
        let awaited = prop::collection::hash_map(2..6i32, 1..6i32, 0..3);
        let threads = prop::collection::hash_map(2..6i32, 2..3usize, 0..3);
        (awaited, threads, any::<bool>()).prop_map(|(awaited, threads, loose)| Family {
            awaited,
            threads,
            loose: if loose { vec![10] } else { Vec::new() },
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]
        #[test]
        fn the_quick_way_agrees(
            locks in prop::collection::vec(any_lock(), 1..7),
            kin in any_family(),
            shared: bool,
        ) {
            let first = Sketch::new().lock(flock("/l").with(|lock| lock.grants.clear()));
            let facts = locks.into_iter().fold(first, Sketch::lock).with(|facts| {
                let mut ids = BTreeSet::new();
                facts.locks.reverse();
                facts.locks.retain(|lock| ids.insert(lock.id.clone()));
            }).facts();
            let mode = if shared { Mode::Shared } else { Mode::Exclusive };
            let wish = wish(&facts, "/l", mode);
            let expected = in_vain(&facts, wish.file, mode, &caught(&facts, &kin), &kin);
            let told = circle(&crate::diagnose::diagnose(facts), &wish, &kin);
            prop_assert_eq!(told.is_some(), expected, "{:?}", told);
        }
    }
}
