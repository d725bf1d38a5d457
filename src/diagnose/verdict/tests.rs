use std::time::Duration;

use crate::diagnose::sketch::{LockSketch, NOW, Sketch, flock, ofd};
use crate::model::{
    Certainty, Device, FileId, Lock, Mechanism, Naming, Pid, Process, Range, Sharer, State, Taker,
    Verdict,
};

/// The judged lock at `/a`.
fn judged(sketch: Sketch) -> Lock {
    let snapshot = sketch.judged();
    snapshot.locks.into_iter().find(|lock| lock.label() == "/a").unwrap()
}

fn why(lock: &Lock) -> String {
    lock.why.as_ref().unwrap().to_string()
}

/// A lock whose taker 3246 has ended, kept by 3244.
fn left_behind() -> LockSketch {
    flock("/a").held_by(&[3244]).grant(|grant| {
        grant.recorded_pid = Some(3246);
        grant.taker = Taker::Gone;
    })
}

fn rsync(process: &mut Process) {
    process.command = Some("rsync".into());
    process.group_leader_alive = Some(false);
}

#[test]
fn nobody_waits() {
    let lock = judged(Sketch::new().lock(flock("/a").held_by(&[5])));
    assert_eq!(lock.verdict, Verdict::Held);
    assert_eq!(why(&lock), "p5 (pid 5) keeps it through descriptor 9");
    assert_eq!((lock.recorded_pid, lock.holders[0].grant), (Some(5), 1));
}

#[test]
fn somebody_waits_for_one_who_is_at_work() {
    let sketch = Sketch::new()
        .lock(flock("/a").held_by(&[5]).wanted_by(6).wanted_by(7))
        .process(5, |process| process.wchan = Some("do_select".into()));
    let lock = judged(sketch);
    assert_eq!(lock.verdict, Verdict::Contended);
    assert_eq!(
        why(&lock),
        "2 wait; p5 (pid 5) keeps it through descriptor 9 and sleeps in do_select"
    );

    let cut = flock("/a").held_by(&[5]).wanted_by(6).with(|lock| lock.queue_cut = true);
    let cut = judged(Sketch::new().lock(cut));
    assert!(why(&cut).starts_with("at least 1 wait;"), "{}", why(&cut));
    assert_eq!(cut.details.get("queue_cut"), Some(&true.into()));
}

#[test]
fn several_readers_are_told_together() {
    let readers = (1..=9).fold(flock("/a"), |lock, pid| lock.read_by(&[pid]));
    let lock = judged(Sketch::new().lock(readers));
    assert_eq!(why(&lock), "p1 (pid 1), p2 (pid 2), p3 (pid 3) and 6 more keep it together");
}

#[test]
fn left_behind_with_nobody_in_charge_is_orphaned() {
    let lock = judged(Sketch::new().lock(left_behind()).process(3244, rsync));
    assert_eq!(lock.verdict, Verdict::Orphaned);
    assert_eq!(
        why(&lock),
        "whoever took it (pid 3246) has ended; rsync (pid 3244), left behind, keeps it through \
         descriptor 9"
    );

    let two = left_behind().grant(|grant| {
        let other = grant.sharers[0].clone();
        grant.sharers.push(Sharer { pid: 3250, ..other });
    });
    let two = Sketch::new().lock(two).process(3244, rsync).process(3250, rsync);
    assert_eq!(
        why(&judged(two)),
        "whoever took it (pid 3246) has ended; rsync (pid 3244) and rsync (pid 3250), left behind, \
         keep it"
    );
}

#[test]
fn somebody_in_charge_is_no_orphan() {
    let verdict = |alter: fn(&mut Process)| {
        let lock =
            judged(Sketch::new().lock(left_behind()).process(3244, rsync).process(3244, alter));
        (lock.verdict, why(&lock))
    };
    let (held, why) = verdict(|process| process.group_leader_alive = Some(true));
    assert_eq!(held, Verdict::Held);
    assert_eq!(
        why,
        "whoever took it (pid 3246) has ended, as flock(1) does when it locks a shell's own \
         descriptor; rsync (pid 3244) keeps it through descriptor 9"
    );
    let (held, why) = verdict(|process| process.unit = Some("cron.service".into()));
    assert_eq!(held, Verdict::Held);
    assert!(why.contains("(pid 3246) has ended and left it to cron.service; rsync"), "{why}");
    let (held, why) = verdict(|process| process.container = Some("3f9c".into()));
    assert_eq!(held, Verdict::Held);
    assert!(why.contains("left it to the container 3f9c"), "{why}");
    assert_eq!(verdict(|process| process.group_leader_alive = None).0, Verdict::Held);
    let taker_lives = left_behind().grant(|grant| grant.taker = Taker::Unreadable);
    assert_eq!(judged(Sketch::new().lock(taker_lives).process(3244, rsync)).verdict, Verdict::Held);
    assert_eq!(
        verdict(|process| process.unit = Some("session-3.scope".into())).0,
        Verdict::Orphaned
    );
}

#[test]
fn what_is_kept_for_the_next_one_is_no_orphan_but_hides_none() {
    let kept = |lock: LockSketch| lock.grant(|grant| grant.sharers[0].is_escrow = true);
    let lock = judged(Sketch::new().lock(kept(left_behind())).process(3244, rsync));
    assert_eq!(lock.verdict, Verdict::Held);
    assert_eq!(
        why(&lock),
        "escrow by locktop: rsync (pid 3244) keeps it through descriptor 9 for whoever is next; \
         whoever took it (pid 3246) has ended"
    );
    let stopped = |process: &mut Process| process.state = Some(State::Stopped);
    let lock = judged(Sketch::new().lock(kept(left_behind())).process(3244, stopped));
    assert_eq!(lock.verdict, Verdict::Stuck);
    assert!(why(&lock).contains("; escrow by locktop: "), "{}", why(&lock));
    let shared = kept(left_behind()).grant(|grant| {
        let keeper = grant.sharers[0].clone();
        grant.sharers.push(Sharer { pid: 3250, is_escrow: false, ..keeper });
    });
    let shared = Sketch::new().lock(shared).process(3244, rsync).process(3250, rsync);
    let lock = judged(shared);
    assert_eq!(lock.verdict, Verdict::Orphaned);
    assert_eq!(
        why(&lock),
        "whoever took it (pid 3246) has ended; rsync (pid 3250), left behind, keeps it through \
         descriptor 9; escrow by locktop: rsync (pid 3244) keeps it through descriptor 9 for \
         whoever is next"
    );
}

#[test]
fn only_flock_can_be_left_behind() {
    let ofd = left_behind().with(|lock| lock.mechanism = Mechanism::Ofd);
    assert_eq!(judged(Sketch::new().lock(ofd).process(3244, rsync)).verdict, Verdict::Held);
    let one_in_charge = left_behind().grant(|grant| {
        let other = grant.sharers[0].clone();
        grant.sharers.push(Sharer { pid: 1, ..other });
    });
    let sketch = Sketch::new().lock(one_in_charge).process(3244, rsync);
    assert_eq!(judged(sketch).verdict, Verdict::Held);
}

#[test]
fn a_stranger_with_the_number_is_not_accused() {
    let stranger = flock("/a").held_by(&[5]).grant(|grant| {
        grant.recorded_pid = Some(77);
        grant.taker = Taker::HoldsNot;
    });
    let lock = judged(Sketch::new().lock(stranger));
    assert_eq!(lock.verdict, Verdict::Held);
    assert_eq!(
        why(&lock),
        "the kernel names pid 77, but that process does not keep it; p5 (pid 5) keeps it through \
         descriptor 9"
    );

    let nobody = flock("/a").held_by(&[]).grant(|grant| {
        grant.recorded_pid = Some(77);
        grant.taker = Taker::HoldsNot;
        grant.remark = Some("no process has it open".into());
    });
    let lock = judged(Sketch::new().lock(nobody));
    assert_eq!(lock.verdict, Verdict::Unknown);
    assert!(lock.holders.is_empty());
    assert_eq!(
        why(&lock),
        "the kernel names pid 77, but that process does not keep it; no process has it open"
    );
}

#[test]
fn who_lives_but_cannot_be_read_holds_by_the_record() {
    let unreadable = flock("/a").held_by(&[]).wanted_by(6).grant(|grant| {
        grant.recorded_pid = Some(5);
        grant.taker = Taker::Unreadable;
    });
    let lock = judged(Sketch::new().lock(unreadable).process(5, |_| {}));
    assert_eq!(lock.verdict, Verdict::Contended);
    assert_eq!(
        why(&lock),
        "1 waits; the kernel names p5 (pid 5), whose descriptors could not be read"
    );
    assert_eq!(lock.holders[0].certainty, Certainty::Recorded);
    assert_eq!(lock.waiters[0].blocked_by[0].pid, Some(5));
}

#[test]
fn nobody_seen_is_unknown_even_beside_others() {
    let lock = judged(Sketch::new().lock(ofd("/a", 0, 9).held_by(&[]).wanted_by(6)));
    assert_eq!(lock.verdict, Verdict::Unknown);
    assert_eq!(why(&lock), "who keeps it could not be seen");
    let beside = judged(Sketch::new().lock(ofd("/a", 0, 9).read_by(&[1]).read_by(&[])));
    assert_eq!(beside.verdict, Verdict::Unknown);
    assert_eq!(
        why(&beside),
        "p1 (pid 1) and somebody else keep it together; who keeps it could not be seen"
    );
    let gone = left_behind().grant(|grant| grant.sharers.clear());
    assert_eq!(
        why(&judged(Sketch::new().lock(gone))),
        "whoever took it (pid 3246) has ended; who keeps it could not be seen"
    );
}

/// The reason for which a lock is stuck whose holder 5 is altered so; `None` if it is not.
fn stuck(alter: impl FnOnce(&mut Process)) -> Option<String> {
    let sketch = Sketch::new().lock(flock("/a").held_by(&[5])).process(5, alter);
    let lock = judged(sketch);
    (lock.verdict == Verdict::Stuck).then(|| why(&lock))
}

#[test]
fn holders_that_are_halted_are_stuck() {
    let reason = |state| stuck(|process| process.state = Some(state));
    assert_eq!(reason(State::Stopped).unwrap(), "p5 (pid 5) is stopped by a signal");
    assert_eq!(reason(State::Traced).unwrap(), "p5 (pid 5) is stopped by a debugger");
    assert_eq!(reason(State::Frozen).unwrap(), "p5 (pid 5) is frozen (its control group)");
    assert_eq!(reason(State::Sleeping), None);
    assert_eq!(reason(State::Uninterruptible), None, "for how long is not known");

    let asleep = |seconds| {
        stuck(|process| {
            process.state = Some(State::Uninterruptible);
            process.wchan = Some("nfs_wait".into());
            process.ran_at = NOW.checked_sub(Duration::from_secs(seconds));
        })
    };
    assert_eq!(asleep(9), None);
    assert_eq!(
        asleep(12).unwrap(),
        "p5 (pid 5) is in uninterruptible sleep in nfs_wait, waiting for an NFS server for 12s"
    );
}

#[test]
fn one_sharer_at_work_keeps_a_grant_from_being_stuck() {
    let stop = |process: &mut Process| process.state = Some(State::Stopped);
    let sketch = |lock: LockSketch| Sketch::new().lock(lock).process(1, stop);
    assert_eq!(judged(sketch(flock("/a").held_by(&[1, 2]))).verdict, Verdict::Held);
    let both = judged(sketch(flock("/a").held_by(&[1, 2])).process(2, stop));
    assert_eq!(
        why(&both),
        "none of those who keep it can go on: p1 (pid 1) is stopped by a signal; p2 (pid 2) is stopped by a \
         signal"
    );
    // Two open files: the one of process 1 does not go.
    assert_eq!(judged(sketch(flock("/a").read_by(&[1]).read_by(&[2]))).verdict, Verdict::Stuck);
}

/// Process 5 has `/a` and waits for `/b` of 4, which waits for `/c` of 3, which is stopped.
fn chain() -> Sketch {
    Sketch::new()
        .lock(flock("/a").held_by(&[5]).wanted_by(6))
        .lock(flock("/b").held_by(&[4]).wanted_by(5))
        .lock(flock("/c").held_by(&[3]).wanted_by(4))
        .process(3, |process| process.state = Some(State::Stopped))
}

#[test]
fn who_waits_for_the_stuck_is_stuck() {
    let snapshot = chain().judged();
    assert_eq!(snapshot.count(Verdict::Stuck), 3);
    let why = |path| snapshot.locks.iter().find(|lock| lock.label() == path).map(why).unwrap();
    assert_eq!(
        why("/b"),
        "p4 (pid 4) itself waits for /c, held by p3 (pid 3), which is stopped by a signal"
    );
    assert_eq!(
        why("/a"),
        "p5 (pid 5) itself waits for /b, held by p4 (pid 4), which waits in turn for p3 (pid 3), \
         which is stopped by a signal"
    );
}

#[test]
fn a_thread_a_sharer_or_a_lease_that_can_move_is_not_stuck() {
    let verdict = |sketch: Sketch| judged(sketch).verdict;
    let sharer = chain().with(|facts| {
        let sharers = &mut facts.locks[2].grants[0].sharers;
        sharers.push(Sharer { pid: 33, ..sharers[0].clone() });
    });
    assert_eq!(verdict(sharer), Verdict::Contended);
    assert_eq!(verdict(chain()), Verdict::Stuck);
    let threads = |threads| chain().process(5, move |process| process.threads = threads);
    assert_eq!(verdict(threads(Some(2))), Verdict::Contended);
    assert_eq!(verdict(threads(None)), Verdict::Contended);
    let lease = chain().with(|facts| facts.locks[1].mechanism = Mechanism::Lease);
    let lease = lease.with(|facts| facts.locks[1].requests[0].mechanism = Mechanism::Lease);
    assert_eq!(verdict(lease), Verdict::Contended);
}

#[test]
fn what_a_deadlocked_process_holds_besides_is_stuck_unless_a_thread_is_free() {
    let sketch = || {
        Sketch::new()
            .lock(flock("/a").held_by(&[1]))
            .lock(flock("/b").held_by(&[1]).wanted_by(2))
            .lock(flock("/c").held_by(&[2]).wanted_by(1))
    };
    let lock = judged(sketch());
    assert_eq!((lock.verdict, &*why(&lock)), (Verdict::Stuck, "p1 (pid 1) is in a deadlock"));
    let free = judged(sketch().process(1, |process| process.threads = Some(2)));
    assert_eq!(free.verdict, Verdict::Held);
}

fn file(inode: u64) -> FileId {
    FileId { device: Device { major: 0xfe, minor: 0 }, inode }
}

#[test]
fn both_halves_of_a_split_name_each_other() {
    let old = flock("/a").held_by(&[1]).with(|lock| {
        lock.naming = Naming::Another;
        lock.file = Some(file(500));
    });
    let new = flock("/a").held_by(&[2]).wanted_by(3);
    let elsewhere = flock("/b").held_by(&[4]);
    let record = ofd("/a", 0, 9).held_by(&[5]);
    let sketch = Sketch::new().lock(old).lock(new).lock(elsewhere).lock(record);
    let snapshot = sketch.judged();
    let half = |id: &str| snapshot.locks.iter().find(|lock| lock.id.as_str() == id).unwrap();

    let old = half("@flock:fe:00:500:~");
    assert_eq!((old.verdict, old.deleted), (Verdict::Split, true));
    assert_eq!(
        why(old),
        "the path names another file by now, so whoever opens it does not see this lock; p1 (pid 1) \
         keeps it through descriptor 9; the file that is there now is locked too: \
         @flock:fe:00:101:~"
    );
    let new = half("@flock:fe:00:101:~");
    assert_eq!((new.verdict, new.deleted), (Verdict::Contended, false));
    assert!(
        why(new).ends_with(
            "; an older file of this path is still locked, and its holder is not kept out: \
             @flock:fe:00:500:~"
        ),
        "{}",
        why(new)
    );
    assert!(!why(half("@ofd:fe:00:101:0-9")).contains("older"), "they never excluded each other");
}

#[test]
fn a_removed_file_alone_is_not_split() {
    let naming = |naming| {
        let lock = judged(Sketch::new().lock(flock("/a").held_by(&[1]).with(|lock| {
            lock.naming = naming;
        })));
        (lock.verdict, lock.deleted)
    };
    assert_eq!(naming(Naming::Nothing), (Verdict::Held, true));
    assert_eq!(naming(Naming::Unknown("it hangs".into())), (Verdict::Held, false));
}

#[test]
fn the_most_serious_verdict_wins() {
    let circle = |naming: Naming| {
        let a = flock("/a").held_by(&[1]).wanted_by(2).with(|lock| lock.naming = naming);
        let b = flock("/b").held_by(&[2]).wanted_by(1);
        let stop = |process: &mut Process| process.state = Some(State::Stopped);
        judged(Sketch::new().lock(a).lock(b).process(1, stop))
    };
    let lock = circle(Naming::Another);
    assert_eq!(lock.verdict, Verdict::Deadlock);
    assert_eq!(
        why(&lock),
        "p1 (pid 1) has /a and waits for /b; p2 (pid 2) has /b and waits for /a"
    );
    let stopped_orphan = Sketch::new().lock(left_behind()).process(3244, |process| {
        rsync(process);
        process.state = Some(State::Stopped);
    });
    assert_eq!(judged(stopped_orphan).verdict, Verdict::Orphaned);
}

#[test]
fn a_long_circle_is_told_by_its_length() {
    let pids: Vec<Pid> = (1..=9).collect();
    let sketch = pids.iter().fold(Sketch::new(), |sketch, &pid| {
        let path = if pid == 1 { "/a".into() } else { format!("/{pid}") };
        sketch.lock(flock(&path).held_by(&[pid]).wanted_by(if pid == 1 { 9 } else { pid - 1 }))
    });
    let lock = judged(sketch.with(|facts| facts.complete = false));
    assert_eq!(
        why(&lock),
        "9 processes wait for each other in a circle: p1 (pid 1), p2 (pid 2), p3 (pid 3) and 6 \
         more; not certain: a time limit, or a thread or process that was not seen waiting, could open the circle"
    );
}

#[test]
fn a_child_that_waits_for_what_it_inherited_is_told() {
    // `flock 9; flock l true` in a shell: the shell waits for its child.
    let lock = judged(Sketch::new().lock(flock("/a").held_by(&[1, 2]).wanted_by(2)));
    assert_eq!(lock.verdict, Verdict::Contended);
    assert_eq!(
        why(&lock),
        "1 waits; p1 (pid 1) and p2 (pid 2) keep it; p2 (pid 2), which waits, itself keeps it \
         through descriptor 9"
    );
}

#[test]
fn servers_and_files_that_exist_have_no_range() {
    let lock = |mechanism| {
        judged(Sketch::new().lock(flock("/a").held_by(&[1]).with(|lock| {
            lock.mechanism = mechanism;
        })))
        .range
    };
    assert_eq!(lock(Mechanism::Exists), None);
    assert_eq!(lock(Mechanism::Posix), Some(Range::WHOLE));
}

#[test]
fn whom_nothing_is_known_of_is_still_named_by_number() {
    let sketch = Sketch::new()
        .lock(flock("/a").held_by(&[5]).wanted_by(6).request(|request| request.pid = None))
        .with(|facts| facts.processes.clear());
    let lock = judged(sketch);
    assert_eq!(why(&lock), "1 waits; pid 5 keeps it through descriptor 9");
    assert_eq!(lock.holders[0].process.pid, Some(5));
    assert_eq!(lock.waiters[0].process.pid, None);
}
