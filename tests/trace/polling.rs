//! Those who try without queueing.

use locktop::model::{How, Lock, Waiter};

use crate::desk::Desk;
use crate::support::wait_until;

fn pollers(lock: &Lock) -> Vec<&Waiter> {
    lock.waiters.iter().filter(|waiter| waiter.how == How::Polling).collect()
}

/// The poller of a lock, once it has tried so often.
#[track_caller]
fn poller(desk: &mut Desk, name: &str, tries: u64) -> (Lock, Waiter) {
    wait_until("somebody is seen to try", || {
        let lock = desk.sees(name);
        let poller = pollers(&lock).first().copied().cloned()?;
        (poller.tries >= Some(tries)).then_some((lock, poller))
    })
}

const LOOP: &str = "
def polls(path, pause):
    f = opened(path)
    while True:
        try:
            return fcntl.flock(f, EX | NB)
        except BlockingIOError:
            time.sleep(pause)
";

#[test]
fn a_loop_of_failed_tries_is_a_waiter() {
    let Some(mut desk) = Desk::traced() else { return };
    let (holder, actor) = (desk.scene.actor(), desk.scene.actor());
    holder.does("f = flock('l', EX)");
    actor.does(LOOP);
    actor.begins("polls('l', 0.02)");
    // Of what was read after the look, the wait until the look knows nothing.
    let (lock, waiter) = wait_until("its wait is as long as its tries", || {
        let (lock, waiter) = poller(&mut desk, "l", 10);
        (waiter.waited.min >= waiter.pause? * 9).then_some((lock, waiter))
    });
    assert_eq!(waiter.process.pid, Some(actor.pid));
    assert_eq!(waiter.position, None);
    assert_eq!(lock.verdict.word(), "contended");
    assert_eq!(waiter.blocked_by[0].pid, Some(holder.pid));
    assert!(waiter.pause.is_some_and(|pause| pause.as_millis() >= 20), "{waiter:?}");
    let more = poller(&mut desk, "l", waiter.tries.unwrap() + 5).1;
    assert!(more.waited.min > waiter.waited.min);
    holder.does("os.close(f)");
    actor.answer();
    wait_until("it has it", || pollers(&desk.sees("l")).is_empty().then_some(()));
    assert_eq!(desk.sees("l").holders[0].process.pid, Some(actor.pid));
}

#[test]
fn whoever_ends_tries_no_more() {
    let Some(mut desk) = Desk::traced() else { return };
    let (holder, actor) = (desk.scene.actor(), desk.scene.actor());
    holder.does("posix('l', start=0, length=10)");
    actor.does(LOOP.replace("fcntl.flock(f, EX | NB)", "posix(f, WRITE, 5, 9)"));
    actor.begins("polls('l', 0.02)");
    let waiter = poller(&mut desk, "l", 3).1;
    assert_eq!(waiter.range.unwrap().start, 5);
    actor.ends();
    wait_until("it is gone", || pollers(&desk.sees("l")).is_empty().then_some(()));
}

#[test]
fn a_loop_of_a_shell_is_told_as_the_shell() {
    let Some(mut desk) = Desk::traced() else { return };
    let holder = desk.scene.actor();
    holder.does("f = flock('l', EX)");
    let shell = desk.scene.stage().does(
        "spawn('sh', '-c', 'while ! flock -n l true; do sleep 0.05; done; cat', \
         stdin=subprocess.PIPE)",
    );
    let shell = shell.as_i64().unwrap() as i32;
    let waiter = poller(&mut desk, "l", 4).1;
    assert_eq!(waiter.process.pid, Some(shell));
    assert_eq!(waiter.process.command.as_deref(), Some("sh"));
    holder.does("os.close(f)");
    wait_until("it tries no more", || {
        let seen = desk.looks();
        let waiters = seen.locks.iter().flat_map(|lock| &lock.waiters);
        let is_there = waiters.into_iter().any(|waiter| waiter.process.pid == Some(shell));
        (!is_there).then_some(())
    });
    desk.scene.stage().does(format!("end_input({shell})"));
}
