//! Other locks than those of whole files by flock(2).

use std::fs;

use crate::cast::{Cast, waits_for_a_child};
use crate::support::{Need, wait_until};

#[test]
fn a_range_of_bytes() {
    let Some(cast) = Cast::with(&[]) else { return };
    let _holder = cast.holder("accounts", "posix('l', WRITE, 0, 10)");
    let _waiter = cast.waiter("report", "posix('l', READ, 0, 5, wait=True)");
    insta::assert_snapshot!(cast.told("l"), @"
    DIR/l bytes 0-9: contended (posix lock, exclusive)
    Held by accounts (pid ACCOUNTS) through descriptor 3, for TIME. 1 process waits for it. accounts has done nothing for more than TIME: it waits for a timer. accounts: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
    Queue:
      report (pid REPORT, root) has waited TIME to have bytes 0-4 shared
    What can be done, least harm first:
      - Wait: this returns when the lock is free, and takes nothing.
          locktop wait --range 0-9 posix:DIR/l
      - End accounts (pid ACCOUNTS) with SIGTERM: it can clean up, but what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
          locktop release DIR/l --method terminate
    ");
}

#[test]
fn an_open_file_description() {
    let Some(cast) = Cast::with(&[]) else { return };
    let _holder = cast.holder("accounts", "ofd('l')");
    let _waiter = cast.waiter("report", "ofd('l', wait=True)");
    insta::assert_snapshot!(cast.told("l"), @"
    DIR/l: contended (ofd lock, exclusive)
    Held by accounts (pid ACCOUNTS) through descriptor 3, for TIME. 1 process waits for it. accounts has done nothing for more than TIME: it waits for a timer. accounts: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
    Queue:
      report (pid REPORT, root) has waited TIME to have it exclusively
    What can be done, least harm first:
      - Wait: this returns when the lock is free, and takes nothing.
          locktop wait ofd:DIR/l
      - End accounts (pid ACCOUNTS) with SIGTERM: it can clean up, but what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
          locktop release DIR/l --method terminate
    ");
}

#[test]
fn a_lease_that_somebody_breaks() {
    let Some(cast) = Cast::with(&[]) else { return };
    let _holder = cast.holder("samba", "lease('l')");
    let _breaker = cast.waiter("report", "open('l')");
    insta::assert_snapshot!(cast.told("l"), @"
    DIR/l: contended (lease lock, shared)
    Held by samba (pid SAMBA) through descriptor 3, for TIME. 1 process waits for it. samba has done nothing for more than TIME: it waits for a timer. samba: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
    Queue:
      report (pid REPORT, root) has waited TIME to have it shared
    What can be done, least harm first:
      - Wait: the kernel takes a lease away by itself, this many seconds after somebody else opens the file.
          cat /proc/sys/fs/lease-break-time
      - End samba (pid SAMBA) with SIGTERM: it can clean up, but what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
          locktop release DIR/l --method terminate
    ");
}

#[test]
fn a_writer_of_sqlite() {
    let Some(cast) = Cast::with(&[Need::Program("sqlite3")]) else { return };
    let sql = "create table t(x); begin immediate; insert into t values(1);\n\
               .shell echo $$ >begins; mv begins begun; read -r _ <pause\n";
    fs::write(cast.scene.path("sql"), sql).unwrap();
    cast.scene.stage().does("os.mkfifo('pause')");
    let shell = cast.scene.shell("exec sqlite3 db <sql", &[]);
    cast.is(shell.pid, "SQLITE3");
    let child = wait_until("it writes", || {
        fs::read_to_string(cast.scene.path("begun")).ok()?.trim().parse().ok()
    });
    cast.is(child, "CHILD");
    waits_for_a_child(shell.pid);
    insta::assert_snapshot!(cast.told("db"), @"
    DIR/db bytes 1073741825-1073741825 (SQLite writer): held (posix lock, exclusive)
    Held by sqlite3 (pid SQLITE3) through descriptor 3, for TIME. sqlite3 waits for the end of its child sh (pid CHILD), last ran TIME ago. sqlite3: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: sqlite3 db.
    What can be done, least harm first:
      - Nothing needs to be done: nobody waits for it.

    DIR/db bytes 1073741826-1073742335 (SQLite database): held (posix lock, shared)
    Held by sqlite3 (pid SQLITE3) through descriptor 3, for TIME. sqlite3 waits for the end of its child sh (pid CHILD), last ran TIME ago. sqlite3: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: sqlite3 db.
    What can be done, least harm first:
      - Nothing needs to be done: nobody waits for it.
    ");
}
