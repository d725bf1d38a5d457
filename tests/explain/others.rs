//! Who cannot see everything, and who is in charge elsewhere.

use crate::cast::{Cast, sleeps};
use crate::support::{Need, wait_until};

const CONTAINER: &str = "5f0c1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7";

#[test]
fn the_holder_belongs_to_another_user() {
    let Some(cast) = Cast::with(&[]) else { return };
    let _holder = cast.holder("backup", "flock('l', EX)");
    let _waiter = cast.waiter("report", "flock('l', EX)");
    insta::assert_snapshot!(cast.told_to_nobody("l"), @"
    DIR/l: contended (flock lock, exclusive)
    The kernel names backup (pid BACKUP), whose descriptors could not be read. Held for TIME. 1 process waits for it. backup sleeps, last ran TIME ago. backup: run by root, a child of theatre (pid THEATRE), as: PLAY.
    Queue:
      report (pid REPORT, root) has waited TIME to have it exclusively
    What can be done, least harm first:
      - Wait your turn: this queues, takes the lock for an instant, and returns.
          locktop wait flock:DIR/l
      - Before anybody is ended, make sure who holds it: look with the right to read every process's descriptors.
          sudo locktop explain @(l)
    What could not be seen:
      - MANY processes of other users could not be read (run as root, or give the binary cap_sys_ptrace and cap_dac_read_search)
    ");
}

/// What is said of a holder in a control group of that name.
fn told_in(name: &str) -> Option<String> {
    let cast = Cast::with(&[Need::Root])?;
    let stage = cast.scene.stage();
    let top = format!("locktop{}.slice", stage.pid);
    let group = stage.does(format!("control_group(None, {top:?}, {name:?})"));
    let holder = cast.actor("backup");
    holder.does(format!("write({group} + '/cgroup.procs', str(os.getpid()))"));
    holder.does("flock('l', EX)");
    sleeps(&holder);
    let _waiter = cast.waiter("report", "flock('l', EX)");
    Some(cast.told("l"))
}

#[test]
fn the_holder_is_a_service() {
    let Some(told) = told_in("backup.service") else { return };
    insta::assert_snapshot!(told, @"
    DIR/l: contended (flock lock, exclusive)
    Held by backup (pid BACKUP) through descriptor 3, for TIME. 1 process waits for it. backup has done nothing for more than TIME: it waits for a timer. backup: run by root, in the unit backup.service, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
    Queue:
      report (pid REPORT, root) has waited TIME to have it exclusively
    What can be done, least harm first:
      - Wait your turn: this queues, takes the lock for an instant, and returns.
          locktop wait flock:DIR/l
      - End backup (pid BACKUP) with SIGTERM: it can clean up, but what was under way stays unfinished. The unit backup.service may start it again. SIGKILL only if that is ignored: then nothing is cleaned up.
          locktop release DIR/l --method terminate
    ");
}

#[test]
fn the_holder_is_in_a_container() {
    let Some(told) = told_in(&format!("docker-{CONTAINER}.scope")) else { return };
    insta::assert_snapshot!(told, @"
    DIR/l: contended (flock lock, exclusive)
    Held by backup (pid BACKUP) through descriptor 3, for TIME. backup (pid BACKUP) runs in the container 5f0c1a2b3c4d, and report (pid REPORT), which waits, does not. 1 process waits for it. backup has done nothing for more than TIME: it waits for a timer. backup: run by root, in the container 5f0c1a2b3c4d, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
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
fn we_keep_it_for_whoever_is_next() {
    let Some(cast) = Cast::with(&[]) else { return };
    cast.keeps_its_log();
    cast.scene.stage().does("os.mkfifo('tell')");
    let holder = cast.holder("backup", "flock('l', EX)");
    let _waiter = cast.waiter("report", "flock('l', EX)");
    let binary = env!("CARGO_BIN_EXE_locktop");
    let script = "echo > running; read -r _ < tell";
    let path = cast.path("l");
    let keeper =
        format!("spawn({binary:?}, 'release', '--yes', {path:?}, '--', 'sh', '-c', {script:?})");
    let keeper = cast.scene.stage().does(keeper).as_i64().unwrap() as i32;
    cast.is(keeper, "KEEPER");
    cast.reads(binary, "LOCKTOP");
    wait_until("it keeps the lock", || cast.scene.path("running").exists().then_some(()));
    let report = cast.scene.look();
    let fd = report.at(&cast.scene.path("l"))["holders"][0]["fds"][0].to_string();
    cast.reads(&format!("descriptor {fd}"), "descriptor N");
    // What its threads do is its own affair.
    let told = cast.told("l");
    let (before, rest) = told.split_once("waits for it. locktop ").expect("what it does is told");
    let (_, after) = rest.split_once(" ago.").expect("when it ran last is told");
    let told = format!("{before}waits for it. locktop ACTS.{after}");
    drop(holder);
    insta::assert_snapshot!(told, @"
    DIR/l: contended (flock lock, exclusive)
    Escrow by locktop: locktop (pid KEEPER) keeps it through descriptor N for whoever is next; whoever took it (pid BACKUP) has ended. Held for TIME. 1 process waits for it. locktop ACTS. locktop: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: LOCKTOP release --yes DIR/l -- sh -c 'echo > running; read -r _ < tell'.
    Queue:
      report (pid REPORT, root) has waited TIME to have it exclusively
    What can be done, least harm first:
      - Wait your turn: this queues, takes the lock for an instant, and returns.
          locktop wait flock:DIR/l
      - End locktop (pid KEEPER) with SIGTERM: it can clean up, but what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
          locktop release DIR/l --method terminate
    ");
}
