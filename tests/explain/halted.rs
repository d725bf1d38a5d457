//! Holders that cannot go on.

use serde_json::json;

use crate::cast::{Cast, Debugger, place, sleeps};
use crate::support::{Need, state, wait_until};

#[test]
fn a_stopped_holder_and_the_way_on() {
    let Some(cast) = Cast::with(&[]) else { return };
    let holder = cast.holder("backup", "flock('l', EX)");
    let _waiter = cast.waiter("report", "flock('l', EX)");
    holder.stops();
    insta::assert_snapshot!(cast.told("l"), @"
    DIR/l: stuck (flock lock, exclusive)
    backup (pid BACKUP) is stopped by a signal. Held by backup through descriptor 3, for TIME. 1 process waits for it. backup: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
    Queue:
      report (pid REPORT, root) has waited TIME to have it exclusively
    What can be done, least harm first:
      - Let backup (pid BACKUP) go on from where a signal stopped it.
          kill -CONT BACKUP
      - End backup (pid BACKUP) with SIGTERM: it can clean up, but what was under way stays unfinished. A stopped process takes the signal when it is continued. SIGKILL only if that is ignored: then nothing is cleaned up.
          locktop release DIR/l --method terminate
      - Do not remove the lock's file: that frees nothing, and lets a second holder in beside the first.
    ");
    cast.follows("l", "CONT");
    wait_until("it goes on", || (state(holder.pid) == Some('S')).then_some(()));
}

#[test]
fn a_stopped_holder_as_a_process() {
    let Some(cast) = Cast::with(&[]) else { return };
    let holder = cast.holder("backup", "flock('l', EX)");
    let _waiter = cast.waiter("report", "flock('l', EX)");
    holder.stops();
    insta::assert_snapshot!(cast.told_of(&format!("pid:{}", holder.pid)), @"
    backup (pid BACKUP) holds 1 lock and waits for none
    DIR/l is stuck: backup (pid BACKUP) is stopped by a signal. It has DIR/l exclusively through descriptor 3, for TIME; 1 process waits for that. backup: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
    Queue:
      report (pid REPORT, root) has waited TIME to have DIR/l exclusively
    What can be done, least harm first:
      - Let backup (pid BACKUP) go on from where a signal stopped it.
          kill -CONT BACKUP
      - End backup (pid BACKUP) with SIGTERM: it can clean up, but what was under way stays unfinished. A stopped process takes the signal when it is continued. SIGKILL only if that is ignored: then nothing is cleaned up.
          kill BACKUP; kill -CONT BACKUP
    ");
}

#[test]
fn a_chain_ends_with_one_that_is_stopped_and_the_way_on() {
    let Some(cast) = Cast::with(&[]) else { return };
    let root = cast.holder("root-cause", "flock('a', EX)");
    let second = cast.actor("second");
    second.does("flock('b', EX)");
    second.waits("flock('a', EX)");
    let third = cast.actor("third");
    third.does("flock('c', EX)");
    third.waits("flock('b', EX)");
    let _last = cast.waiter("last", "flock('c', EX)");
    root.stops();
    insta::assert_snapshot!(cast.told("c"), @"
    DIR/c: stuck (flock lock, exclusive)
    third (pid THIRD) itself waits for DIR/b, held by second (pid SECOND), which waits in turn for root-cause (pid ROOT-CAUSE), which is stopped by a signal. Held by third through descriptor 3, for TIME. 1 process waits for it. third: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
    Queue:
      last (pid LAST, root) has waited TIME to have it exclusively
    What can be done, least harm first:
      - Look first at DIR/a, where the chain of those who wait ends.
          locktop explain @(a)
      - Let root-cause (pid ROOT-CAUSE) go on from where a signal stopped it.
          kill -CONT ROOT-CAUSE
      - End third (pid THIRD) with SIGTERM: it can clean up, but what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
          locktop release DIR/c --method terminate
      - Do not remove the lock's file: that frees nothing, and lets a second holder in beside the first.
    ");
    cast.follows("c", "CONT");
    cast.becomes("c", "contended");
}

#[test]
fn a_holder_in_a_debugger() {
    let Some(cast) = Cast::with(&[]) else { return };
    let holder = cast.holder("backup", "flock('l', EX)");
    let _waiter = cast.waiter("report", "flock('l', EX)");
    let _debugger = Debugger::of(&holder);
    cast.is_ourselves();
    insta::assert_snapshot!(cast.told("l"), @"
    DIR/l: stuck (flock lock, exclusive)
    backup (pid BACKUP) is stopped by the debugger debugger (pid DEBUGGER). Held by backup through descriptor 3, for TIME. 1 process waits for it. backup: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
    Queue:
      report (pid REPORT, root) has waited TIME to have it exclusively
    What can be done, least harm first:
      - Let the debugger debugger (pid DEBUGGER) continue backup (pid BACKUP) or detach from it.
      - End backup (pid BACKUP) with SIGTERM: it can clean up, but what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
          locktop release DIR/l --method terminate
      - Do not remove the lock's file: that frees nothing, and lets a second holder in beside the first.
    ");
}

#[test]
fn a_frozen_holder_and_the_way_on() {
    let Some(cast) = Cast::with(&[]) else { return };
    cast.keeps_its_log();
    let stage = cast.scene.stage();
    let group = stage.does("control_group(None, f'locktop-{os.getpid()}')");
    let group = group.as_str().unwrap();
    let holder = cast.actor("backup");
    holder.does(format!("write('{group}/cgroup.procs', str(os.getpid()))"));
    holder.does("flock('l', EX)");
    sleeps(&holder);
    stage.does(format!("write('{group}/cgroup.freeze', '1')"));
    let is_frozen = format!("'frozen 1' in read('{group}/cgroup.events')");
    wait_until("it is frozen", || (stage.does(&is_frozen) == json!(true)).then_some(()));
    let _waiter = cast.waiter("report", "flock('l', EX)");
    insta::assert_snapshot!(cast.told("l"), @"
    DIR/l: stuck (flock lock, exclusive)
    backup (pid BACKUP) is frozen (its control group). Held by backup through descriptor 3, for TIME. 1 process waits for it. backup: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
    Queue:
      report (pid REPORT, root) has waited TIME to have it exclusively
    What can be done, least harm first:
      - Thaw the control group of backup (pid BACKUP), or the one above it that was frozen.
          locktop release DIR/l --method resume
      - End backup (pid BACKUP) with SIGTERM: it can clean up, but what was under way stays unfinished. A frozen process takes the signal when it is thawed. SIGKILL only if that is ignored: then nothing is cleaned up.
          kill BACKUP
      - Do not remove the lock's file: that frees nothing, and lets a second holder in beside the first.
    ");
    cast.runs(&format!("{} --yes", cast.suggested("l", "resume")));
    cast.becomes("l", "contended");
}

#[test]
fn a_holder_that_no_signal_reaches() {
    let Some(cast) = Cast::with(&[Need::Root]) else { return };
    let holder = cast.actor("backup");
    // Its child inherits no descriptor: these locks belong to the process.
    holder.does("posix('l')");
    let _waiter = cast.waiter("report", "posix('l', wait=True)");
    holder.begins("vfork()");
    wait_until("it sleeps uninterruptibly", || (state(holder.pid) == Some('D')).then_some(()));
    cast.becomes("l", "stuck");
    cast.reads(&place(holder.pid).unwrap(), "VFORK");
    cast.child_is(holder.pid, "CHILD");
    insta::assert_snapshot!(cast.told("l"), @"
    DIR/l: stuck (posix lock, exclusive)
    backup (pid BACKUP) is in uninterruptible sleep in VFORK: it waits for the start of a program by its child backup (pid CHILD), and has for TIME. Held by backup (pid BACKUP) through descriptor 3, for TIME. 1 process waits for it. backup (pid BACKUP): run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
    Queue:
      report (pid REPORT, root) has waited TIME to have it exclusively
    What can be done, least harm first:
      - See to what backup (pid BACKUP) waits for, such as a device or a file system: until that answers, no signal reaches it.
          sudo cat /proc/BACKUP/stack
      - End backup (pid BACKUP) with SIGTERM: it can clean up, but what was under way stays unfinished. In uninterruptible sleep it takes the signal when that sleep ends. SIGKILL only if that is ignored: then nothing is cleaned up.
          locktop release DIR/l --method terminate
      - Do not remove the lock's file: that frees nothing, and lets a second holder in beside the first.
    ");
}
