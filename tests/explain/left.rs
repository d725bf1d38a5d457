//! Locks that are with others than those who took them.

use crate::cast::Cast;
use crate::support::{records, state, wait_until};

#[test]
fn an_orphan() {
    let Some(cast) = Cast::with(&[]) else { return };
    let taker = cast.actor("script");
    taker.does("flock('l', EX)");
    let heir = taker.forks();
    cast.is_called(&heir, "rsync");
    cast.sleeps(&heir);
    taker.ends();
    let _waiter = cast.waiter("report", "flock('l', EX)");
    cast.becomes("l", "orphaned");
    insta::assert_snapshot!(cast.told("l"), @"
    DIR/l: orphaned (flock lock, held exclusively)
    Orphaned: whoever took it (pid SCRIPT) has ended; rsync (pid RSYNC), left behind, keeps it through descriptor 3. Held by rsync (pid RSYNC) through descriptor 3, run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY. Held for TIME. rsync (pid RSYNC) sleeps in hrtimer_nanosleep, last ran TIME ago.
    Queue:
      report REPORT (root) waits TIME in the kernel's queue, wants it exclusively, behind rsync (pid RSYNC)
    What can be done, least harm first:
      - Wait in the queue: this takes the lock for an instant when its turn comes, and returns.
          locktop wait flock:DIR/l
      - End rsync (pid RSYNC) with SIGTERM, which leaves time to clean up; what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
          locktop release DIR/l --method terminate
      - Do not remove the lock's file: that frees nothing, and lets a second holder in beside the first.
    ");
    cast.keeps_its_log();
    // Asks at the terminal, and here is none.
    let command = cast.suggested("l", "terminate");
    cast.runs(&format!("{command} --yes"));
    wait_until("it is ended", || state(heir.pid).is_none().then_some(()));
}

#[test]
fn a_child_that_inherited_keeps_it() {
    let Some(cast) = Cast::with(&[]) else { return };
    let taker = cast.actor("script");
    taker.does("f = flock('l', EX)");
    let heir = taker.forks();
    cast.is_called(&heir, "rsync");
    cast.sleeps(&heir);
    taker.does("os.close(f)");
    insta::assert_snapshot!(cast.told("l"), @"
    DIR/l: held (flock lock, held exclusively)
    Held: the kernel names pid SCRIPT, but that process does not keep it; rsync (pid RSYNC) keeps it through descriptor 3. Held by rsync (pid RSYNC) through descriptor 3, run by root, in the folder DIR, a child of script (pid SCRIPT), as: PLAY. Held for TIME. rsync (pid RSYNC) sleeps in hrtimer_nanosleep, last ran TIME ago.
    What can be done, least harm first:
      - Nothing needs to be done: nobody waits for it.
    ");
}

#[test]
fn parent_and_child_keep_it() {
    let Some(cast) = Cast::with(&[]) else { return };
    let taker = cast.actor("script");
    taker.does("flock('l', EX)");
    let heir = taker.forks();
    cast.is_called(&heir, "rsync");
    cast.sleeps(&heir);
    cast.sleeps(&taker);
    let _waiter = cast.waiter("report", "flock('l', EX)");
    insta::assert_snapshot!(cast.told("l"), @"
    DIR/l: contended (flock lock, held exclusively)
    Contended: 1 waits; script (pid SCRIPT) and rsync (pid RSYNC) keep it. Held by script (pid SCRIPT) through descriptor 3, run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY. Held by rsync (pid RSYNC) through descriptor 3, run by root, in the folder DIR, a child of script (pid SCRIPT), as: PLAY. Held for TIME. script (pid SCRIPT) sleeps in hrtimer_nanosleep, last ran TIME ago. rsync (pid RSYNC) sleeps in hrtimer_nanosleep, last ran TIME ago.
    Queue:
      report REPORT (root) waits TIME in the kernel's queue, wants it exclusively, behind script (pid SCRIPT) and rsync (pid RSYNC)
    What can be done, least harm first:
      - Wait in the queue: this takes the lock for an instant when its turn comes, and returns.
          locktop wait flock:DIR/l
      - End script (pid SCRIPT) and rsync (pid RSYNC) with SIGTERM, which leaves time to clean up; what was under way stays unfinished. The lock is free once all of them have ended. SIGKILL only if that is ignored: then nothing is cleaned up.
          locktop release DIR/l --method terminate
    ");
}

#[test]
fn a_file_was_replaced_while_it_was_locked() {
    let Some(cast) = Cast::with(&[]) else { return };
    let _old = cast.holder("old", "flock('l', EX)");
    let _late = cast.waiter("late", "flock('l', EX)");
    std::fs::remove_file(cast.scene.path("l")).unwrap();
    let _new = cast.holder("new", "flock('l', EX)");
    insta::assert_snapshot!(cast.told("l"), @"
    DIR/l: split (flock lock, held exclusively)
    Split: the path names another file by now, so whoever opens it does not see this lock; old (pid OLD) keeps it through descriptor 3; the file that is there now is locked too: @(l). Held by old (pid OLD) through descriptor 3, run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY. Held for TIME. Its file has been removed from that path, but is still locked. old (pid OLD) sleeps in hrtimer_nanosleep, last ran TIME ago.
    Queue:
      late LATE (root) waits TIME in the kernel's queue, wants it exclusively, behind old (pid OLD)
    What can be done, least harm first:
      - See who holds the file that is at the path now: the two do not keep each other out.
          locktop explain DIR/l
      - Let those who keep the old file finish.
      - End old (pid OLD) with SIGTERM, which leaves time to clean up; what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
          locktop release @(the old l) --method terminate
      - Do not remove the file at the path: that frees nothing, and is how a lock is split.

    DIR/l: held (flock lock, held exclusively)
    Held: new (pid NEW) keeps it through descriptor 3; an older file of this path is still locked, and its holder is not kept out: @(the old l). Held by new (pid NEW) through descriptor 3, run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY. Held for TIME. new (pid NEW) sleeps in hrtimer_nanosleep, last ran TIME ago.
    What can be done, least harm first:
      - Nothing needs to be done: nobody waits for it.
    ");
}

#[test]
fn a_file_was_deleted_while_it_was_locked() {
    let Some(cast) = Cast::with(&[]) else { return };
    let old = cast.holder("old", "flock('l', EX)");
    let _late = cast.waiter("late", "flock('l', EX)");
    std::fs::remove_file(cast.scene.path("l")).unwrap();
    let report = cast.scene.look();
    let lock = report.at(&cast.scene.path("l"));
    assert_eq!(records(&cast.scene.path("l")), [], "no path leads to it: {}", old.pid);
    insta::assert_snapshot!(cast.told_of(lock["id"].as_str().unwrap()), @"
    DIR/l: contended (flock lock, held exclusively)
    Contended: 1 waits; old (pid OLD) keeps it through descriptor 3 and sleeps in hrtimer_nanosleep. Held by old (pid OLD) through descriptor 3, run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY. Held for TIME. Its file has been removed from that path, but is still locked. old (pid OLD) sleeps in hrtimer_nanosleep, last ran TIME ago.
    Queue:
      late LATE (root) waits TIME in the kernel's queue, wants it exclusively, behind old (pid OLD)
    What can be done, least harm first:
      - Wait until its holder is done.
      - End old (pid OLD) with SIGTERM, which leaves time to clean up; what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
          locktop release @(the old l) --method terminate
    ");
}
