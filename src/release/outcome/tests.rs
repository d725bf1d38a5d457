use std::sync::Arc;

use super::*;
use crate::model::{How, Mechanism, Mode, Span, Waiter};
use crate::release::propose;
use crate::release::propose::tests::{holder, lock, proposed, rights, snapshot};
use crate::system::rights::Tracing;

/// The processes that have the lock, by number: 5 and 6 are those of the plan, others came later.
fn has(pids: &[(Pid, State)]) -> Snapshot {
    let holders: Vec<Holder> = pids.iter().map(|(pid, state)| holder(*pid, *state)).collect();
    let locks = if holders.is_empty() { Vec::new() } else { vec![lock(Mechanism::Flock, holders)] };
    Snapshot { locks, ..snapshot() }
}

/// The plan of that method against 5 and 6.
fn plan(method: Method, pids: &[Pid]) -> Plan {
    let holders = pids.iter().map(|pid| holder(*pid, State::Stopped)).collect();
    let mut lock = lock(Mechanism::Flock, holders);
    lock.recorded_pid = pids.first().copied();
    let plans = proposed(&lock, &rights(Tracing::Allowed));
    plans.into_iter().find(|plan| plan.method == method).unwrap()
}

fn told(plan: &Plan, after: &Snapshot, alive: &[Pid], heirs: Vec<ProcessId>) -> String {
    let outcome = plan.outcome(after, alive.to_vec(), None, heirs);
    let next = outcome.next.map_or_else(String::new, |next| format!(" / {next}"));
    format!("{} {}{next}", if outcome.freed { "+" } else { "-" }, outcome.text)
}

const SLEEPS: State = State::Sleeping;

#[test]
fn the_end_of_one_and_of_several_reads_well() {
    let mut inherited = has(&[(7, SLEEPS)]);
    inherited.locks[0].recorded_pid = Some(5);
    let of = |method: Method, pids: &[Pid]| {
        let plan = plan(method, pids);
        [
            told(&plan, &has(&[]), &[], Vec::new()),
            told(&plan, &has(&[(7, SLEEPS)]), &[], Vec::new()),
            told(&plan, &has(&[]), pids, Vec::new()),
            told(&plan, &has(&[(7, SLEEPS), (8, SLEEPS)]), pids, Vec::new()),
            told(&plan, &has(&[(5, SLEEPS)]), &[5], Vec::new()),
            told(&plan, &has(&[(5, State::Stopped)]), pids, Vec::new()),
            told(&plan, &has(&[(5, State::Uninterruptible)]), pids, Vec::new()),
            told(&plan, &inherited, &[], Vec::new()),
        ]
        .join("\n")
    };
    insta::assert_snapshot!(of(Method::Terminate, &[5]), @"
    + The lock is free.
    + job (pid 7) has the lock now.
    + job (pid 5) lives on without it; the lock is free.
    + job (pid 5) lives on without it; job (pid 7) and job (pid 8) have the lock now.
    - job (pid 5) has not ended, and still has the lock. / look what it does with 'locktop explain'; '--method kill' only if it never ends
    - job (pid 5) has not ended, and still has the lock. / let it go on with '--method resume': it has the signal, and takes it then
    - job (pid 5) has not ended, and still has the lock. / see to the device or file system that it waits for: until that answers, no signal reaches it
    - job (pid 7) has the lock now. / job (pid 7) has inherited the lock: release it once more to end what was left behind
    ");
    insta::assert_snapshot!(of(Method::Kill, &[5, 6]), @"
    + The lock is free.
    + job (pid 7) has the lock now.
    + job (pid 5) and job (pid 6) live on without it; the lock is free.
    + job (pid 5) and job (pid 6) live on without it; job (pid 7) and job (pid 8) have the lock now.
    - job (pid 5) has not ended, and still has the lock. / look again: what was killed ends as soon as the kernel lets it
    - job (pid 5) has not ended, and still has the lock. / look again: what was killed ends as soon as the kernel lets it
    - job (pid 5) has not ended, and still has the lock. / see to the device or file system that it waits for: until that answers, no signal reaches it
    - job (pid 7) has the lock now. / job (pid 7) has inherited the lock: release it once more to end what was left behind
    ");
}

#[test]
fn what_could_not_be_kept_is_told_with_the_reason() {
    let plan = plan(Method::Escrow, &[5, 6]);
    let heir = ProcessId { pid: 7, start: 7 };
    let texts = [
        told(&plan, &has(&[(7, SLEEPS)]), &[], Vec::new()),
        told(&plan, &has(&[(7, SLEEPS)]), &[], vec![heir]),
        told(&plan, &has(&[(5, SLEEPS)]), &[5], Vec::new()),
    ];
    insta::assert_snapshot!(texts.join("\n"), @"
    + It could not be kept: its holders unlocked it while ending. job (pid 7) has the lock now.
    - It could not be kept: job (pid 7) would have shared it. job (pid 7) has the lock now. / job (pid 7) has inherited the lock: release it once more to end what was left behind
    - job (pid 5) has not ended, and still has the lock. / look what it does with 'locktop explain'; '--method kill' only if it never ends
    ");
}

#[test]
fn what_became_of_an_unlock_and_of_the_halted_reads_well() {
    let unlock = plan(Method::Unlock, &[5]);
    let resume = plan(Method::Resume, &[5, 6]);
    let both = [(5, State::Stopped), (6, SLEEPS)];
    let texts = [
        told(&unlock, &has(&[]), &[], Vec::new()),
        told(&unlock, &has(&[(7, SLEEPS)]), &[], Vec::new()),
        told(&unlock, &has(&[(5, SLEEPS)]), &[], Vec::new()),
        told(&resume, &has(&[(5, SLEEPS), (6, SLEEPS)]), &[], Vec::new()),
        told(&resume, &has(&both), &[], Vec::new()),
        told(&resume, &has(&[]), &[], Vec::new()),
        told(&resume, &has(&[(7, SLEEPS)]), &[], Vec::new()),
    ];
    insta::assert_snapshot!(texts.join("\n"), @"
    + The lock is free.
    + job (pid 7) has the lock now.
    - job (pid 5) has the lock again: taken anew since the unlock.
    + job (pid 5) and job (pid 6) go on.
    - job (pid 5) is still halted, or halted again: see to whoever halts it.
    + job (pid 5) and job (pid 6) go on; the lock has been given back.
    + job (pid 5) and job (pid 6) go on; job (pid 7) has the lock now.
    ");
}

#[test]
fn the_end_of_a_waiter_reads_well() {
    let waiter = Waiter {
        process: Arc::clone(&holder(9, SLEEPS).process),
        host: None,
        position: Some(1),
        tid: Some(9),
        token: None,
        mode: Mode::Exclusive,
        range: None,
        waited: Span::default(),
        how: How::Kernel,
        tries: None,
        pause: None,
        blocked_by: Arc::new([]),
        endless: false,
        depth: 1,
        place: 0,
    };
    let mut queued = has(&[(5, SLEEPS)]);
    queued.locks[0].waiters.push(waiter);
    let plan = propose::end_waiter(&queued.locks[0], 9).unwrap();
    let texts = [
        format!("{} {}", plan.frees, plan.harm),
        told(&plan, &has(&[(5, SLEEPS)]), &[], Vec::new()),
        told(&plan, &has(&[(5, SLEEPS)]), &[9], Vec::new()),
        told(&plan, &queued, &[9], Vec::new()),
    ];
    insta::assert_snapshot!(texts.join("\n"), @"
    job (pid 9) waits no more; the lock stays where it is. What job (pid 9) waited to do is not done.
    + job (pid 9) waits no more.
    + job (pid 9) waits no more, and lives on.
    - job (pid 9) was told to end, and still waits. / look what it does: locktop explain pid:9
    ");
}
