//! Who has a lock, and who wants it.

use crate::cast::Cast;

#[test]
fn held_alone() {
    let Some(cast) = Cast::with(&[]) else { return };
    let _holder = cast.holder("backup", "flock('l', EX)");
    insta::assert_snapshot!(cast.told("l"), @"
    DIR/l: held (flock lock, held exclusively)
    Held by backup (pid BACKUP) through descriptor 3, run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY. Held for TIME. backup (pid BACKUP) sleeps in hrtimer_nanosleep, last ran TIME ago.
    What can be done, least harm first:
      - Nothing needs to be done: nobody waits for it.
    ");
}

#[test]
fn one_waits() {
    let Some(cast) = Cast::with(&[]) else { return };
    let _holder = cast.holder("backup", "flock('l', EX)");
    let _waiter = cast.waiter("report", "flock('l', EX)");
    insta::assert_snapshot!(cast.told("l"), @"
    DIR/l: contended (flock lock, held exclusively)
    Contended: 1 waits; backup (pid BACKUP) keeps it through descriptor 3 and sleeps in hrtimer_nanosleep. Held by backup (pid BACKUP) through descriptor 3, run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY. Held for TIME. backup (pid BACKUP) sleeps in hrtimer_nanosleep, last ran TIME ago.
    Queue:
      report REPORT (root) waits TIME in the kernel's queue, wants it exclusively, behind backup (pid BACKUP)
    What can be done, least harm first:
      - Wait in the queue: this takes the lock for an instant when its turn comes, and returns.
          locktop wait flock:DIR/l
      - End backup (pid BACKUP) with SIGTERM, which leaves time to clean up; what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
          locktop release DIR/l --method terminate
    ");
}

#[test]
fn three_wait_one_behind_the_other() {
    let Some(cast) = Cast::with(&[]) else { return };
    let _holder = cast.holder("backup", "flock('l', EX)");
    let _waiters = ["first", "second", "third"].map(|name| cast.waiter(name, "flock('l', EX)"));
    insta::assert_snapshot!(cast.told("l"), @"
    DIR/l: contended (flock lock, held exclusively)
    Contended: 3 wait; backup (pid BACKUP) keeps it through descriptor 3 and sleeps in hrtimer_nanosleep. Held by backup (pid BACKUP) through descriptor 3, run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY. Held for TIME. backup (pid BACKUP) sleeps in hrtimer_nanosleep, last ran TIME ago.
    Queue:
      first FIRST (root) waits TIME in the kernel's queue, wants it exclusively, behind backup (pid BACKUP)
        second SECOND (root) waits TIME in the kernel's queue, wants it exclusively, behind backup (pid BACKUP)
          third THIRD (root) waits TIME in the kernel's queue, wants it exclusively, behind backup (pid BACKUP)
    What can be done, least harm first:
      - Wait in the queue: this takes the lock for an instant when its turn comes, and returns.
          locktop wait flock:DIR/l
      - End backup (pid BACKUP) with SIGTERM, which leaves time to clean up; what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
          locktop release DIR/l --method terminate
    ");
}

#[test]
fn a_writer_waits_for_readers() {
    let Some(cast) = Cast::with(&[]) else { return };
    let _readers = ["tail", "search"].map(|name| cast.holder(name, "flock('l', SH)"));
    let _writer = cast.waiter("writer", "flock('l', EX)");
    insta::assert_snapshot!(cast.told("l"), @"
    DIR/l: contended (flock lock, held shared)
    Contended: 1 waits; tail (pid TAIL) and search (pid SEARCH) keep it together. Held by search (pid SEARCH) through descriptor 3, run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY. Held by tail (pid TAIL) through descriptor 3, run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY. Held for TIME. search (pid SEARCH) sleeps in hrtimer_nanosleep, last ran TIME ago. tail (pid TAIL) sleeps in hrtimer_nanosleep, last ran TIME ago.
    Queue:
      writer WRITER (root) waits TIME in the kernel's queue, wants it exclusively, behind search (pid SEARCH) and tail (pid TAIL)
    What can be done, least harm first:
      - Wait in the queue: this takes the lock for an instant when its turn comes, and returns.
          locktop wait flock:DIR/l
      - End tail (pid TAIL) and search (pid SEARCH) with SIGTERM, which leaves time to clean up; what was under way stays unfinished. The lock is free once all of them have ended. SIGKILL only if that is ignored: then nothing is cleaned up.
          locktop release DIR/l --method terminate
    ");
}

#[test]
fn a_chain_of_three_locks_has_a_root() {
    let Some(cast) = Cast::with(&[]) else { return };
    let _root = cast.holder("root-cause", "flock('a', EX)");
    let second = cast.actor("second");
    second.does("flock('b', EX)");
    second.waits("flock('a', EX)");
    let third = cast.actor("third");
    third.does("flock('c', EX)");
    third.waits("flock('b', EX)");
    let _last = cast.waiter("last", "flock('c', EX)");
    insta::assert_snapshot!(cast.told("c"), @"
    DIR/c: contended (flock lock, held exclusively)
    Contended: 1 waits; third (pid THIRD) keeps it through descriptor 3 and sleeps in locks_lock_inode_wait. Held by third (pid THIRD) through descriptor 3, run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY. Held for TIME. third (pid THIRD) sleeps in locks_lock_inode_wait, last ran TIME ago. third (pid THIRD) itself waits for DIR/b.
    Queue:
      last LAST (root) waits TIME in the kernel's queue, wants it exclusively, behind third (pid THIRD)
    What can be done, least harm first:
      - See first to DIR/b, for which it waits.
          locktop explain @(b)
      - Wait in the queue: this takes the lock for an instant when its turn comes, and returns.
          locktop wait flock:DIR/c
      - End third (pid THIRD) with SIGTERM, which leaves time to clean up; what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
          locktop release DIR/c --method terminate
    ");
    insta::assert_snapshot!(cast.told("a"), @"
    DIR/a: contended (flock lock, held exclusively)
    Contended: 1 waits; root-cause (pid ROOT-CAUSE) keeps it through descriptor 3 and sleeps in hrtimer_nanosleep. Held by root-cause (pid ROOT-CAUSE) through descriptor 3, run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY. Held for TIME. root-cause (pid ROOT-CAUSE) sleeps in hrtimer_nanosleep, last ran TIME ago.
    Queue:
      second SECOND (root) waits TIME in the kernel's queue, wants it exclusively, behind root-cause (pid ROOT-CAUSE)
    What can be done, least harm first:
      - Wait in the queue: this takes the lock for an instant when its turn comes, and returns.
          locktop wait flock:DIR/a
      - End root-cause (pid ROOT-CAUSE) with SIGTERM, which leaves time to clean up; what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
          locktop release DIR/a --method terminate
    ");
}

#[test]
fn a_process_with_two_locks_that_waits_for_a_third() {
    let Some(cast) = Cast::with(&[]) else { return };
    let _other = cast.holder("other", "flock('c', EX)");
    let busy = cast.actor("busy");
    busy.does("flock('a', EX); flock('b', EX)");
    busy.waits("flock('c', EX)");
    let _waiter = cast.waiter("waiter", "flock('a', EX)");
    insta::assert_snapshot!(cast.told_of(&format!("pid:{}", busy.pid)), @"
    busy (pid BUSY) holds 2 locks and waits for 1
    busy (pid BUSY) sleeps in locks_lock_inode_wait, run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY. Holds DIR/a exclusively through descriptor 3, for TIME; 1 waits for it; contended. Holds DIR/b exclusively through descriptor 4, for TIME; nobody waits for it; held. Waits for TIME to have DIR/c exclusively, at place 1 of its queue, behind other (pid OTHER).
    Queue:
      waiter WAITER (root) waits TIME in the kernel's queue, wants it exclusively, for DIR/a
    What can be done, least harm first:
      - See first to DIR/c, for which it waits.
          locktop explain @(c)
      - End busy (pid BUSY) with SIGTERM, which leaves time to clean up; what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
          kill BUSY
    ");
}
