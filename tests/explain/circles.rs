//! Those who wait for each other.

use crate::cast::Cast;
use crate::support::{Record, records, wait_until};

/// Each has a lock and waits for that of the next.
fn circle(cast: &Cast, names: &[&str]) -> Vec<crate::support::Actor> {
    let actors: Vec<_> = names.iter().map(|name| cast.younger(name)).collect();
    for (number, actor) in actors.iter().enumerate() {
        actor.does(format!("flock('{number}.lock', EX)"));
    }
    for (number, actor) in actors.iter().enumerate() {
        actor.waits(format!("flock('{}.lock', EX)", (number + 1) % actors.len()));
    }
    cast.becomes("0.lock", "deadlock");
    actors
}

#[test]
fn two_in_a_circle() {
    let Some(cast) = Cast::with(&[]) else { return };
    let _actors = circle(&cast, &["left", "right"]);
    insta::assert_snapshot!(cast.told("0.lock"), @"
    DIR/0.lock: deadlock (flock lock, held exclusively)
    Deadlock: left (pid LEFT) has DIR/0.lock and waits for DIR/1.lock; right (pid RIGHT) has DIR/1.lock and waits for DIR/0.lock. Held by left (pid LEFT) through descriptor 3, run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY. Held for TIME. left (pid LEFT) sleeps in locks_lock_inode_wait, last ran TIME ago.
    Queue:
      right RIGHT (root) waits TIME in the kernel's queue, wants it exclusively, behind left (pid LEFT)
    What can be done, least harm first:
      - End right (pid RIGHT) with SIGTERM: that opens the circle. It is the youngest in it, so it is likely to lose the least.
          kill RIGHT
      - So that it does not come back: let all programs take these locks in the same order.
      - Do not remove the lock's file: that frees nothing, and lets a second holder in beside the first.
    ");
}

#[test]
fn three_in_a_circle_and_the_way_out() {
    let Some(cast) = Cast::with(&[]) else { return };
    let actors = circle(&cast, &["one", "two", "three"]);
    insta::assert_snapshot!(cast.told("0.lock"), @"
    DIR/0.lock: deadlock (flock lock, held exclusively)
    Deadlock: one (pid ONE) has DIR/0.lock and waits for DIR/1.lock; two (pid TWO) has DIR/1.lock and waits for DIR/2.lock; three (pid THREE) has DIR/2.lock and waits for DIR/0.lock. Held by one (pid ONE) through descriptor 3, run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY. Held for TIME. one (pid ONE) sleeps in locks_lock_inode_wait, last ran TIME ago.
    Queue:
      three THREE (root) waits TIME in the kernel's queue, wants it exclusively, behind one (pid ONE)
    What can be done, least harm first:
      - End three (pid THREE) with SIGTERM: that opens the circle. It is the youngest in it, so it is likely to lose the least.
          kill THREE
      - So that it does not come back: let all programs take these locks in the same order.
      - Do not remove the lock's file: that frees nothing, and lets a second holder in beside the first.
    ");
    insta::assert_snapshot!(cast.told_of(&format!("pid:{}", actors[0].pid)), @"
    one (pid ONE) holds 1 lock and waits for 1
    one (pid ONE) sleeps in locks_lock_inode_wait, run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY. Holds DIR/0.lock exclusively through descriptor 3, for TIME; 1 waits for it; deadlock, since one (pid ONE) has DIR/0.lock and waits for DIR/1.lock; two (pid TWO) has DIR/1.lock and waits for DIR/2.lock; three (pid THREE) has DIR/2.lock and waits for DIR/0.lock. Waits for TIME to have DIR/1.lock exclusively, at place 1 of its queue, behind two (pid TWO). In a circle: one (pid ONE) waits for DIR/1.lock, which two (pid TWO) keeps; two (pid TWO) waits for DIR/2.lock, which three (pid THREE) keeps; three (pid THREE) waits for DIR/0.lock, which one (pid ONE) keeps; by themselves they never go on.
    Queue:
      three THREE (root) waits TIME in the kernel's queue, wants it exclusively, for DIR/0.lock
    What can be done, least harm first:
      - End three (pid THREE) with SIGTERM: that opens the circle. It is the youngest in it, so it is likely to lose the least.
          kill THREE
      - See first to DIR/1.lock, for which it waits.
          locktop explain @(1.lock)
    ");
    cast.follows("0.lock", "kill");
    // Whoever waited for it has its lock now.
    actors[1].answer();
}

#[test]
fn one_waits_for_what_it_inherited() {
    let Some(cast) = Cast::with(&[]) else { return };
    let script = cast.scene.shell("exec 9>l; flock 9; exec flock l true", &[]);
    cast.is(script.pid, "SCRIPT");
    let lock = cast.scene.path("l");
    wait_until("the script waits for itself", || {
        let waits = |record: &Record| record.waits && record.pid == script.pid;
        records(&lock).iter().any(waits).then_some(())
    });
    cast.becomes("l", "deadlock");
    insta::assert_snapshot!(cast.told("l"), @"
    DIR/l: deadlock (flock lock, held exclusively)
    Deadlock: flock (pid SCRIPT) waits for DIR/l, which it keeps itself. Held by flock (pid SCRIPT) through descriptor 9, run by root, in the folder DIR, a child of theatre (pid THEATRE), as: flock l true. Held for TIME. flock (pid SCRIPT) sleeps in locks_lock_inode_wait, last ran TIME ago.
    Queue:
      flock SCRIPT (root) waits TIME in the kernel's queue, wants it exclusively, behind flock (pid SCRIPT)
    What can be done, least harm first:
      - End flock (pid SCRIPT) with SIGTERM: it waits for what it keeps itself.
          kill SCRIPT
      - So that it does not come back: close the inherited descriptor before the program runs that takes the lock again, as flock -o does.
      - Do not remove the lock's file: that frees nothing, and lets a second holder in beside the first.
    ");
    cast.follows("l", "kill");
    wait_until("nobody has it", || records(&lock).is_empty().then_some(()));
}
