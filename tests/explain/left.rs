//! Locks that are with others than those who took them.

use crate::cast::{Cast, sleeps};
use crate::support::{records, state, wait_until};

#[test]
fn an_orphan() {
    let Some(cast) = Cast::with(&[]) else { return };
    let taker = cast.actor("script");
    taker.does("flock('l', EX)");
    let heir = taker.forks();
    cast.is_called(&heir, "rsync");
    sleeps(&heir);
    taker.ends();
    let _waiter = cast.waiter("report", "flock('l', EX)");
    cast.becomes("l", "orphaned");
    insta::assert_snapshot!(cast.told("l"), @"
    DIR/l: orphaned (flock lock, exclusive)
    Whoever took it (pid SCRIPT) has ended; rsync (pid RSYNC), left behind, keeps it through descriptor 3. Held for TIME. 1 process waits for it. rsync waits for a timer, last ran TIME ago. rsync: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
    Queue:
      report (pid REPORT, root) has waited TIME to have it exclusively
    What can be done, least harm first:
      - Wait your turn: this queues, takes the lock for an instant, and returns.
          locktop wait flock:DIR/l
      - End rsync (pid RSYNC) with SIGTERM: it can clean up, but what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
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
    sleeps(&heir);
    taker.does("os.close(f)");
    insta::assert_snapshot!(cast.told("l"), @"
    DIR/l: held (flock lock, exclusive)
    Held by rsync (pid RSYNC) through descriptor 3, for TIME. The kernel names pid SCRIPT, but that process does not keep it. rsync waits for a timer, last ran TIME ago. rsync: run by root, in the folder DIR, a child of script (pid SCRIPT), as: PLAY.
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
    sleeps(&heir);
    sleeps(&taker);
    let _waiter = cast.waiter("report", "flock('l', EX)");
    insta::assert_snapshot!(cast.told("l"), @"
    DIR/l: contended (flock lock, exclusive)
    Held by script (pid SCRIPT) and rsync (pid RSYNC), each through descriptor 3, for TIME. 1 process waits for it. script and rsync: each waits for a timer, last ran TIME ago. Both: run by root, in the folder DIR, as: PLAY. script: a child of theatre (pid THEATRE). rsync: a child of script (pid SCRIPT).
    Queue:
      report (pid REPORT, root) has waited TIME to have it exclusively
    What can be done, least harm first:
      - Wait your turn: this queues, takes the lock for an instant, and returns.
          locktop wait flock:DIR/l
      - End script (pid SCRIPT) and rsync (pid RSYNC) with SIGTERM: they can clean up, but what was under way stays unfinished. The lock is free once all of them have ended. SIGKILL only if that is ignored: then nothing is cleaned up.
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
    DIR/l: split (flock lock, exclusive)
    The path names another file by now, so whoever opens it does not see this lock; the file that is there now is locked too: @(l). Held by old (pid OLD) through descriptor 3, for TIME. 1 process waits for it. old waits for a timer, last ran TIME ago. old: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
    Queue:
      late (pid LATE, root) has waited TIME to have it exclusively
    What can be done, least harm first:
      - See who holds the file that is at the path now: the two do not keep each other out.
          locktop explain DIR/l
      - Let those who keep the old file finish.
      - End old (pid OLD) with SIGTERM: it can clean up, but what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
          locktop release @(the old l) --method terminate
      - Do not remove the file at the path: that frees nothing, and is how a lock is split.

    DIR/l: held (flock lock, exclusive)
    Held by new (pid NEW) through descriptor 3, for TIME. An older file of this path is still locked, and its holder is not kept out: @(the old l). new waits for a timer, last ran TIME ago. new: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
    What can be done, least harm first:
      - See who holds the older file of this path: the two do not keep each other out.
          locktop explain @(the old l)
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
    DIR/l: contended (flock lock, exclusive)
    Held by old (pid OLD) through descriptor 3, for TIME. 1 process waits for it. Its file has been removed from that path, but is still locked: whoever makes it anew is not kept out. old has done nothing for more than TIME: it waits for a timer. old: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
    Queue:
      late (pid LATE, root) has waited TIME to have it exclusively
    What can be done, least harm first:
      - Wait until its holder is done.
      - End old (pid OLD) with SIGTERM: it can clean up, but what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
          locktop release @(the old l) --method terminate
    ");
}
