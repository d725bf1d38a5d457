use std::time::Duration;

use crate::diagnose::sketch::{LockSketch, Sketch, flock, ofd, posix};
use crate::model::{
    Certainty, Deadlock, How, Lock, LockId, Mechanism, Mode, Pid, Snapshot, Verdict,
};

fn judged(locks: impl IntoIterator<Item = LockSketch>) -> Snapshot {
    locks.into_iter().fold(Sketch::new(), Sketch::lock).judged()
}

fn members(deadlock: &Deadlock) -> Vec<Pid> {
    deadlock.members.iter().map(|member| member.pid).collect()
}

fn lock<'a>(snapshot: &'a Snapshot, path: &str) -> &'a Lock {
    snapshot.locks.iter().find(|lock| lock.label() == path).unwrap()
}

fn verdict(snapshot: &Snapshot, path: &str) -> Verdict {
    lock(snapshot, path).verdict
}

fn why(snapshot: &Snapshot, path: &str) -> String {
    lock(snapshot, path).why.as_ref().unwrap().to_string()
}

/// The only circle.
fn only(snapshot: &Snapshot) -> &Deadlock {
    let [deadlock] = &*snapshot.deadlocks else { panic!("{:?}", snapshot.deadlocks) };
    deadlock
}

#[test]
fn a_circle_of_two_is_told_once_and_in_order() {
    let snapshot = judged([
        flock("/a").held_by(&[41]).wanted_by(42),
        flock("/b").held_by(&[42]).wanted_by(41),
    ]);
    let deadlock = only(&snapshot);
    assert!(deadlock.certain);
    assert_eq!(members(deadlock), [41, 42]);
    let [a, b] = ["@flock:fe:00:101:~", "@flock:fe:00:102:~"];
    let told: Vec<_> = deadlock
        .members
        .iter()
        .map(|member| (member.holds.as_str(), member.wants.as_str()))
        .collect();
    assert_eq!(told, [(a, b), (b, a)]);
    assert_eq!(deadlock.locks.iter().map(LockId::as_str).collect::<Vec<_>>(), [b, a]);
    assert_eq!(snapshot.count(Verdict::Deadlock), 2);
}

#[test]
fn a_circle_of_three_keeps_its_direction() {
    let snapshot = judged([
        flock("/a").held_by(&[1]).wanted_by(3),
        flock("/b").held_by(&[2]).wanted_by(1),
        flock("/c").held_by(&[3]).wanted_by(2),
    ]);
    let deadlock = only(&snapshot);
    assert_eq!(members(deadlock), [1, 2, 3]);
    for (member, next) in deadlock.members.iter().zip(deadlock.members.iter().cycle().skip(1)) {
        assert_eq!(member.wants, next.holds);
    }
}

#[test]
fn who_waits_for_what_it_inherited_waits_for_itself() {
    let snapshot = judged([flock("/a").held_by(&[7]).wanted_by(7)]);
    assert_eq!(members(only(&snapshot)), [7]);
    assert_eq!(
        snapshot.locks[0].why.as_ref().unwrap().text(),
        "p7 (pid 7) waits for /a, which it keeps itself"
    );
}

#[test]
fn a_sharer_outside_can_unlock_for_all() {
    let free =
        judged([flock("/a").held_by(&[1, 9]).wanted_by(2), flock("/b").held_by(&[2]).wanted_by(1)]);
    assert!(free.deadlocks.is_empty());
    assert_eq!(verdict(&free, "/a"), Verdict::Contended);

    // The same, but the other sharer is caught as well.
    let caught = judged([
        flock("/a").held_by(&[1, 9]).wanted_by(2),
        flock("/b").held_by(&[2]).wanted_by(1).wanted_by(9),
    ]);
    assert_eq!(caught.deadlocks.iter().map(members).collect::<Vec<_>>(), [[1, 2], [2, 9]]);
}

#[test]
fn one_of_two_separate_readers_is_enough() {
    // Reader 3 works on, but the grant of reader 1 stays.
    let snapshot = judged([
        flock("/a").read_by(&[1]).read_by(&[3]).wanted_by(2),
        flock("/b").held_by(&[2]).wanted_by(1),
    ]);
    assert_eq!(members(only(&snapshot)), [1, 2]);
    assert!(only(&snapshot).certain);
}

#[test]
fn readers_who_both_want_more_are_caught_on_one_lock() {
    let upgrade = |mechanism: fn(&str, u64, u64) -> LockSketch| {
        mechanism("/a", 0, 9)
            .read_by(&[1])
            .read_by(&[2])
            .wanted_by(1)
            .request(|request| request.fd = Some(9))
            .wanted_by(2)
            .request(|request| request.fd = Some(9))
    };
    for snapshot in [judged([upgrade(ofd)]), judged([upgrade(posix)])] {
        let deadlock = only(&snapshot);
        assert_eq!(members(deadlock), [1, 2]);
        assert_eq!(deadlock.locks.len(), 1);
        let blockers: Vec<_> =
            snapshot.locks[0].waiters.iter().map(|waiter| waiter.blocked_by[0].pid).collect();
        assert_eq!(blockers, [Some(2), Some(1)]);
    }
}

#[test]
fn ones_own_open_file_is_not_in_the_way() {
    let waiting = |fd| {
        judged([ofd("/a", 0, 9).read_by(&[1]).wanted_by(1).request(|request| request.fd = fd)])
    };
    assert!(waiting(Some(9)).deadlocks.is_empty());
    assert!(waiting(None).deadlocks.is_empty(), "nobody is accused on a guess");
    assert_eq!(members(only(&waiting(Some(4)))), [1], "through another open it waits for itself");

    let posix = judged([posix("/a", 0, 9).held_by(&[1]).wanted_by(1)]);
    assert!(posix.deadlocks.is_empty());
    assert!(posix.locks[0].waiters[0].blocked_by.is_empty());
}

#[test]
fn record_locks_of_both_kinds_make_circles_that_the_kernel_does_not_refuse() {
    let snapshot = judged([
        posix("/a", 0, 9).held_by(&[1]).wanted_by(2).request(|request| {
            request.mechanism = Mechanism::Ofd;
        }),
        ofd("/a", 20, 29).held_by(&[2]),
        // Listed behind another range of the same file, and wanting across both.
        ofd("/a", 30, 39).held_by(&[3]).wanted_by(1).request(|request| {
            request.mechanism = Mechanism::Posix;
            request.range.start = 25;
        }),
    ]);
    assert_eq!(members(only(&snapshot)), [1, 2]);
    let waiter = snapshot.locks.iter().flat_map(|lock| &lock.waiters).find(|by| by.tid == Some(1));
    let blockers: Vec<_> = waiter.unwrap().blocked_by.iter().map(|by| by.pid.unwrap()).collect();
    assert_eq!(blockers, [2, 3]);

    // A process that asks for an OFD lock is kept out by its own POSIX lock.
    let alone = posix("/a", 0, 9).held_by(&[1]).wanted_by(1);
    let alone = judged([alone.request(|request| request.mechanism = Mechanism::Ofd)]);
    assert_eq!(members(only(&alone)), [1]);
}

#[test]
fn those_behind_a_circle_are_not_in_it() {
    let snapshot = judged([
        flock("/a").held_by(&[1]).wanted_by(2).wanted_by(5),
        flock("/b").held_by(&[2]).wanted_by(1),
        flock("/c").held_by(&[5]).wanted_by(6),
    ]);
    assert_eq!(members(only(&snapshot)), [1, 2]);
    assert_eq!(verdict(&snapshot, "/c"), Verdict::Stuck);
    assert_eq!(
        why(&snapshot, "/c"),
        "p5 (pid 5) itself waits for /a, held by p1 (pid 1), which is in a deadlock"
    );
}

#[test]
fn a_path_between_two_circles_is_in_neither() {
    let snapshot = judged([
        flock("/a").held_by(&[1]).wanted_by(2),
        flock("/b").held_by(&[2]).wanted_by(1),
        flock("/c").held_by(&[3]).wanted_by(4),
        flock("/d").held_by(&[4]).wanted_by(3),
        // A second thread of 2 waits for 9, which waits for 3.
        flock("/e").held_by(&[9]).wanted_by(2).request(|request| request.tid = Some(22)),
        flock("/f").held_by(&[3]).wanted_by(9),
    ]);
    let circles: Vec<_> = snapshot.deadlocks.iter().map(members).collect();
    assert_eq!(circles, [[1, 2], [3, 4]]);
}

/// A circle of two with something odd about process 1.
fn odd(alter: impl FnOnce(LockSketch) -> LockSketch) -> Sketch {
    let a = flock("/a").held_by(&[1]).wanted_by(2);
    let b = flock("/b").held_by(&[2]).wanted_by(1);
    Sketch::new().lock(a).lock(alter(b))
}

#[test]
fn certain_is_what_nothing_unseen_can_open() {
    let certain = |sketch: Sketch| only(&sketch.judged()).certain;
    assert!(certain(odd(|lock| lock)));
    assert!(!certain(odd(|lock| lock).process(1, |process| process.threads = Some(2))));
    assert!(!certain(odd(|lock| lock).process(1, |process| process.threads = None)));
    assert!(!certain(odd(|lock| lock).with(|facts| facts.complete = false)));
    assert!(!certain(odd(|lock| lock.request(|request| request.inferred = true))));
    assert!(!certain(odd(|lock| lock.request(|request| request.timed = true))));
    assert!(!certain(odd(|lock| lock.grant(|grant| {
        grant.sharers[0].certainty = Certainty::Recorded;
    }))));
    let ran = Some(Duration::from_millis(2));
    let restless = || {
        odd(|lock| {
            lock.request(|request| {
                request.last_ran = ran;
                request.waited.min = Duration::ZERO;
            })
        })
    };
    assert!(!certain(restless()), "its thread ran while we looked");
    assert!(certain(restless().with(|facts| facts.at_once = true)));

    // Both threads of process 1 wait for 2.
    let both = odd(|lock| lock.wanted_by(1).request(|request| request.tid = Some(11)));
    assert!(certain(both.process(1, |process| process.threads = Some(2))));
    // The lock table had one thread twice.
    let twice = odd(|lock| lock.wanted_by(1));
    assert!(!certain(twice.process(1, |process| process.threads = Some(2))));
}

#[test]
fn an_unsure_sharer_that_is_in_another_circle_leaves_this_one_uncertain() {
    let sketch = Sketch::new()
        .lock(flock("/a").held_by(&[1, 3]).wanted_by(2))
        .lock(flock("/b").held_by(&[2]).wanted_by(1))
        .lock(flock("/c").held_by(&[3]).wanted_by(4))
        .lock(flock("/d").held_by(&[4]).wanted_by(3))
        .process(4, |process| process.threads = Some(5));
    let snapshot = sketch.judged();
    assert_eq!(snapshot.deadlocks.len(), 2);
    assert!(snapshot.deadlocks.iter().all(|circle| !circle.certain));
}

#[test]
fn what_ends_by_itself_is_no_deadlock() {
    let polling = odd(|lock| lock.request(|request| request.how = How::Polling));
    assert!(polling.judged().deadlocks.is_empty());

    let lease = |path: &str| flock(path).with(|lock| lock.mechanism = Mechanism::Lease);
    let snapshot =
        judged([lease("/a").held_by(&[1]).wanted_by(2), lease("/b").held_by(&[2]).wanted_by(1)]);
    assert!(snapshot.deadlocks.is_empty());
    assert_eq!(snapshot.locks[0].waiters[0].blocked_by.len(), 1);
}

#[test]
fn grants_whose_sharers_are_unknown_are_no_proof() {
    let snapshot =
        judged([flock("/a").held_by(&[]).wanted_by(2), flock("/b").held_by(&[2]).wanted_by(1)]);
    assert!(snapshot.deadlocks.is_empty());
    let unseen = snapshot.locks.iter().find(|lock| lock.label() == "/a").unwrap();
    assert_eq!(unseen.waiters[0].blocked_by[0].pid, None);
}

#[test]
fn a_hub_with_many_readers_is_told_in_circles_of_two_up_to_a_bound() {
    let readers: Vec<Pid> = (10..2010).collect();
    let a = readers.iter().fold(flock("/a").wanted_by(1), |lock, &pid| lock.read_by(&[pid]));
    let b = readers.iter().fold(flock("/b").held_by(&[1]), |lock, &pid| lock.wanted_by(pid));
    let snapshot = judged([a, b]);
    assert_eq!(snapshot.deadlocks.len(), super::MOST_CIRCLES);
    assert!(snapshot.deadlocks.iter().all(|circle| circle.members.len() == 2));
}

#[test]
fn a_long_queue_behind_many_holders_shares_its_blockers() {
    let holders: Vec<Pid> = (10..1010).collect();
    let lock = holders.iter().fold(flock("/a"), |lock, &pid| lock.read_by(&[pid]));
    let lock = (2000..3000).fold(lock, LockSketch::wanted_by);
    let snapshot = judged([lock]);
    let waiters = &snapshot.locks[0].waiters;
    assert!(waiters.iter().all(|waiter| waiter.blocked_by.len() == 1000));
    assert!(std::sync::Arc::ptr_eq(&waiters[0].blocked_by, &waiters[999].blocked_by));
}

#[test]
fn readers_wait_for_writers_only() {
    let lock = flock("/a").read_by(&[1]).wanted_by(2).request(|request| {
        request.mode = Mode::Shared;
    });
    assert!(judged([lock]).locks[0].waiters[0].blocked_by.is_empty());
}

/// A shell has a lock while the command that it waits for asks for another one.
fn a_shell_waits_for_its_command() -> Sketch {
    Sketch::new()
        .lock(flock("/a").held_by(&[1]).wanted_by(4))
        .lock(flock("/b").held_by(&[4]).wanted_by(3))
        .awaits(1, 2)
        .awaits(2, 3)
}

#[test]
fn who_waits_for_the_end_of_a_child_lets_go_of_nothing() {
    let snapshot = a_shell_waits_for_its_command().judged();
    let circle = only(&snapshot);
    assert!(circle.certain);
    assert_eq!(members(circle), [1, 4]);
    let askers: Vec<_> = circle.members.iter().map(|member| member.through).collect();
    assert_eq!(askers, [Some(3), None]);
    assert_eq!(circle.members[0].keepers, [3], "when that ends, the others go on");
    assert_eq!(
        why(&snapshot, "/a"),
        "p1 (pid 1) has /a and waits for the end of p3 (pid 3), which waits for /b; \
         p4 (pid 4) has /b and waits for /a"
    );
}

#[test]
fn who_may_stop_waiting_for_a_child_leaves_a_circle_uncertain() {
    let timed = a_shell_waits_for_its_command().with(|facts| {
        facts.awaited.get_mut(&2).unwrap().timed = true;
    });
    assert!(!only(&timed.judged()).certain);
    let ran = |process: &mut crate::model::Process| process.ran_at = None;
    assert!(!only(&a_shell_waits_for_its_command().process(1, ran).judged()).certain);
    let more = |process: &mut crate::model::Process| process.threads = Some(2);
    assert!(!only(&a_shell_waits_for_its_command().process(2, more).judged()).certain);
    let gone_on = a_shell_waits_for_its_command().with(|facts| _ = facts.awaited.remove(&2));
    assert!(gone_on.judged().deadlocks.is_empty());
}

#[test]
fn a_lock_that_is_handed_down_is_told_by_the_one_who_asks() {
    // flock(1) has it, and so has the command that it waits for.
    let snapshot = Sketch::new()
        .lock(flock("/a").held_by(&[1, 2]).wanted_by(4))
        .lock(flock("/b").held_by(&[3, 4]).wanted_by(2))
        .awaits(1, 2)
        .awaits(3, 4)
        .judged();
    let circle = only(&snapshot);
    assert_eq!(members(circle), [2, 4]);
    let keepers: Vec<_> = circle.members.iter().map(|member| &*member.keepers).collect();
    assert_eq!(keepers, [[2], [4]]);
}

#[test]
fn a_command_that_wants_what_its_own_shell_has_never_gets_it() {
    let snapshot = Sketch::new().lock(flock("/a").held_by(&[1]).wanted_by(2)).awaits(1, 2).judged();
    assert_eq!(members(only(&snapshot)), [1]);
    assert_eq!(
        snapshot.locks[0].why.as_ref().unwrap().text(),
        "p1 (pid 1) waits for the end of p2 (pid 2), which waits for /a, which p1 (pid 1) keeps \
         itself"
    );
}
