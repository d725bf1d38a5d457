//! Who has a lock, and who wants it.

use crate::cast::Cast;

#[test]
fn held_alone() {
    let Some(cast) = Cast::with(&[]) else { return };
    let _holder = cast.holder("backup", "flock('l', EX)");
    insta::assert_snapshot!(cast.told("l"), @"
    DIR/l: held (flock lock, exclusive)
    Held by backup (pid BACKUP) through descriptor 3, for TIME. backup waits for a timer, last ran TIME ago. backup: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
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
    DIR/l: contended (flock lock, exclusive)
    Held by backup (pid BACKUP) through descriptor 3, for TIME. 1 process waits for it. backup has done nothing for more than TIME: it waits for a timer. backup: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
    Queue:
      report (pid REPORT, root) has waited TIME to have it exclusively
    What can be done, least harm first:
      - Wait your turn: this queues, takes the lock for an instant, and returns.
          locktop wait flock:DIR/l
      - End backup (pid BACKUP) with SIGTERM: it can clean up, but what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
          locktop release DIR/l --method terminate
    ");
}

#[test]
fn three_wait_one_behind_the_other() {
    let Some(cast) = Cast::with(&[]) else { return };
    let _holder = cast.holder("backup", "flock('l', EX)");
    let _waiters = ["first", "second", "third"].map(|name| cast.waiter(name, "flock('l', EX)"));
    insta::assert_snapshot!(cast.told("l"), @"
    DIR/l: contended (flock lock, exclusive)
    Held by backup (pid BACKUP) through descriptor 3, for TIME. 3 processes wait for it, the longest for TIME. backup has done nothing for more than TIME: it waits for a timer. backup: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
    Queue:
      first (pid FIRST, root) has waited TIME to have it exclusively
        second (pid SECOND, root) has waited TIME to have it exclusively
          third (pid THIRD, root) has waited TIME to have it exclusively
    What can be done, least harm first:
      - Wait your turn: this queues, takes the lock for an instant, and returns.
          locktop wait flock:DIR/l
      - End backup (pid BACKUP) with SIGTERM: it can clean up, but what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
          locktop release DIR/l --method terminate
    ");
}

#[test]
fn a_writer_waits_for_readers() {
    let Some(cast) = Cast::with(&[]) else { return };
    let _readers = ["tail", "search"].map(|name| cast.holder(name, "flock('l', SH)"));
    let _writer = cast.waiter("writer", "flock('l', EX)");
    insta::assert_snapshot!(cast.told("l"), @"
    DIR/l: contended (flock lock, shared)
    Held by search (pid SEARCH) and tail (pid TAIL), each through descriptor 3, for TIME. 1 process waits for it. search and tail: each waits for a timer, last ran TIME ago. Both: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
    Queue:
      writer (pid WRITER, root) has waited TIME to have it exclusively
    What can be done, least harm first:
      - Wait your turn: this queues, takes the lock for an instant, and returns.
          locktop wait flock:DIR/l
      - End tail (pid TAIL) and search (pid SEARCH) with SIGTERM: they can clean up, but what was under way stays unfinished. The lock is free once all of them have ended. SIGKILL only if that is ignored: then nothing is cleaned up.
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
    DIR/c: contended (flock lock, exclusive)
    Held by third (pid THIRD) through descriptor 3, for TIME. 1 process waits for it. third has done nothing for more than TIME: it itself waits for DIR/b. DIR/b is held by second (pid SECOND), which waits in turn; at the end of the chain root-cause (pid ROOT-CAUSE) has DIR/a and waits for a timer. third: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
    Queue:
      last (pid LAST, root) has waited TIME to have it exclusively
    What can be done, least harm first:
      - Look first at DIR/a, where the chain of those who wait ends.
          locktop explain @(a)
      - Wait your turn: this queues, takes the lock for an instant, and returns.
          locktop wait flock:DIR/c
      - End third (pid THIRD) with SIGTERM: it can clean up, but what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
          locktop release DIR/c --method terminate
    ");
    insta::assert_snapshot!(cast.told("a"), @"
    DIR/a: contended (flock lock, exclusive)
    Held by root-cause (pid ROOT-CAUSE) through descriptor 3, for TIME. 1 process waits for it. In all 3 processes wait behind it, together for TIME. root-cause has done nothing for more than TIME: it waits for a timer. root-cause: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
    Queue:
      second (pid SECOND, root) has waited TIME to have it exclusively
    What can be done, least harm first:
      - Wait your turn: this queues, takes the lock for an instant, and returns.
          locktop wait flock:DIR/a
      - End root-cause (pid ROOT-CAUSE) with SIGTERM: it can clean up, but what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
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
    It has waited TIME to have DIR/c exclusively, at place 1 of its queue, behind other (pid OTHER). It has DIR/a exclusively through descriptor 3, for TIME; 1 process waits for that. It has DIR/b exclusively through descriptor 4, for TIME; nobody waits for that. busy: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
    Queue:
      waiter (pid WAITER, root) has waited TIME to have DIR/a exclusively
    What can be done, least harm first:
      - Look first at DIR/c, for which it waits.
          locktop explain @(c)
      - End busy (pid BUSY) with SIGTERM: it can clean up, but what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
          kill BUSY
    ");
}
