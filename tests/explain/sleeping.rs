//! What holders are up to: at work, or waiting for something else than a lock.

use portable_pty::CommandBuilder;
use rustix::process::{Pid, Signal, kill_process};

use crate::cast::{Cast, place, sleeps, waits_for_a_child};
use crate::support::{Screen, records, state, wait_until};

#[test]
fn a_holder_reads_a_pipe_whose_writer_is_stopped() {
    let Some(cast) = Cast::with(&[]) else { return };
    let reader = cast.actor("import");
    reader.does("source, sink = os.pipe()");
    let writer = reader.forks();
    cast.is_called(&writer, "export");
    writer.does("os.close(source)");
    sleeps(&writer);
    reader.does("os.close(sink); flock('l', EX)");
    reader.begins("os.read(source, 1)");
    wait_until("it reads", || place(reader.pid)?.contains("pipe_read").then_some(()));
    let _waiter = cast.waiter("report", "flock('l', EX)");
    writer.stops();
    insta::assert_snapshot!(cast.told("l"), @"
    DIR/l: stuck (flock lock, exclusive)
    import (pid IMPORT) waits for input through a pipe from export (pid EXPORT), which is stopped by a signal. Held by import through descriptor 4, for TIME. 1 process waits for it. import: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
    Queue:
      report (pid REPORT, root) has waited TIME to have it exclusively
    What can be done, least harm first:
      - Let export (pid EXPORT) go on, for which import (pid IMPORT) waits: a signal stopped it.
          kill -CONT EXPORT
      - End import (pid IMPORT) with SIGTERM: it can clean up, but what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
          locktop release DIR/l --method terminate
      - Do not remove the lock's file: that frees nothing, and lets a second holder in beside the first.
    ");
    insta::assert_snapshot!(cast.told_of(&format!("pid:{}", reader.pid)), @"
    import (pid IMPORT) holds 1 lock and waits for none
    DIR/l is stuck: import (pid IMPORT) waits for input through a pipe from export (pid EXPORT), which is stopped by a signal. It has DIR/l exclusively through descriptor 4, for TIME; 1 process waits for that. import: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
    Queue:
      report (pid REPORT, root) has waited TIME to have DIR/l exclusively
    What can be done, least harm first:
      - Let export (pid EXPORT) go on, for which import (pid IMPORT) waits: a signal stopped it.
          kill -CONT EXPORT
      - End import (pid IMPORT) with SIGTERM: it can clean up, but what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
          kill IMPORT
    ");
}

#[test]
fn a_holder_waits_for_a_child_that_is_stopped() {
    let Some(cast) = Cast::with(&[]) else { return };
    let parent = cast.actor("make");
    let child = parent.forks();
    cast.is_called(&child, "compile");
    sleeps(&child);
    parent.does("flock('l', EX)");
    parent.begins(format!("os.waitpid({}, 0)", child.pid));
    waits_for_a_child(parent.pid);
    let _waiter = cast.waiter("report", "flock('l', EX)");
    child.stops();
    insta::assert_snapshot!(cast.told("l"), @"
    DIR/l: stuck (flock lock, exclusive)
    make (pid MAKE) waits for the end of its child compile (pid COMPILE), which is stopped by a signal. Held by make through descriptor 3, for TIME. 1 process waits for it. make: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
    Queue:
      report (pid REPORT, root) has waited TIME to have it exclusively
    What can be done, least harm first:
      - Let compile (pid COMPILE) go on, for which make (pid MAKE) waits: a signal stopped it.
          kill -CONT COMPILE
      - End make (pid MAKE) with SIGTERM: it can clean up, but what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
          locktop release DIR/l --method terminate
      - Do not remove the lock's file: that frees nothing, and lets a second holder in beside the first.
    ");
    cast.follows("l", "CONT");
    cast.becomes("l", "contended");
}

#[test]
fn a_holder_asks_a_question() {
    let Some(cast) = Cast::with(&[]) else { return };
    let mut command = CommandBuilder::new("python3");
    let program = "import fcntl\nf = open('l', 'w')\nfcntl.flock(f, 2)\ninput('sure?')\n";
    std::fs::write(cast.scene.path("ask"), program).unwrap();
    command.arg("ask");
    command.cwd(cast.scene.folder());
    let mut screen = Screen::start(command);
    screen.wait_for("sure?");
    let pid = screen.pid();
    cast.is(pid, "ASKS");
    wait_until("it waits for the answer", || (state(pid)? == 'S').then_some(()));
    let terminal = std::fs::read_link(format!("/proc/{pid}/fd/0")).unwrap();
    cast.reads(terminal.strip_prefix("/dev").unwrap().to_str().unwrap(), "TERMINAL");
    let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    cast.reads(line.split('\0').next().unwrap(), "PYTHON");
    cast.is_ourselves();
    let _waiter = cast.waiter("report", "flock('l', EX)");
    let told = cast.told("l");
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    drop(screen.ends());
    insta::assert_snapshot!(told, @"
    DIR/l: contended (flock lock, exclusive)
    Held by python3 (pid ASKS) through descriptor 3, for TIME. 1 process waits for it. python3 has done nothing for more than TIME: it waits for an answer on the terminal TERMINAL. python3: run by root, on the terminal TERMINAL, in the folder DIR, a child of debugger (pid DEBUGGER), as: PYTHON ask.
    Queue:
      report (pid REPORT, root) has waited TIME to have it exclusively
    What can be done, least harm first:
      - Answer python3 (pid ASKS) on the terminal TERMINAL, or ask whoever sits there.
      - Wait your turn: this queues, takes the lock for an instant, and returns.
          locktop wait flock:DIR/l
      - End python3 (pid ASKS) with SIGTERM: it can clean up, but what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
          locktop release DIR/l --method terminate
    ");
    wait_until("it has ended", || {
        records(&cast.scene.path("l")).iter().all(|record| record.pid != pid).then_some(())
    });
}

#[test]
fn a_holder_is_at_work() {
    let Some(cast) = Cast::with(&[]) else { return };
    let worker = cast.actor("worker");
    worker.does("flock('l', EX)");
    worker.begins("while True: pass");
    let _waiter = cast.waiter("report", "flock('l', EX)");
    let share = " % of a CPU";
    // While we watched, others may have had the CPU.
    let told = wait_until("it is seen at work", || {
        Some(cast.told("l")).filter(|told| told.contains(share))
    });
    let (before, after) = told.split_once(share).unwrap();
    let before = before.trim_end_matches(|c: char| c.is_ascii_digit());
    insta::assert_snapshot!(format!("{before}MUCH{share}{after}"), @"
    DIR/l: contended (flock lock, exclusive)
    Held by worker (pid WORKER) through descriptor 3, for TIME. 1 process waits for it. worker is at work: used MUCH % of a CPU in the last TIME. worker: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
    Queue:
      report (pid REPORT, root) has waited TIME to have it exclusively
    What can be done, least harm first:
      - Wait your turn: this queues, takes the lock for an instant, and returns.
          locktop wait flock:DIR/l
      - End worker (pid WORKER) with SIGTERM: it can clean up, but what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
          locktop release DIR/l --method terminate
    ");
}
