use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::model::{
    AsSeen, Certainty, Details, Device, FileId, Host, LockId, Mode, Moment, Note, PathBytes,
    Process, Range, Span, Verdict,
};
use crate::system::control_groups::Freezer;
use crate::system::rights::Tracing;

pub(in crate::release) fn holder(pid: Pid, state: State) -> Holder {
    let process = Process {
        pid: Some(pid),
        start: Some(7),
        command: Some("job".into()),
        user: Some("backup".into()),
        uid: Some(34),
        state: Some(state),
        ..Process::default()
    };
    Holder {
        process: Arc::new(process),
        host: None,
        certainty: Certainty::Proven,
        grant: 1,
        fds: vec![9],
        token: None,
    }
}

pub(in crate::release) fn lock(mechanism: Mechanism, holders: Vec<Holder>) -> Lock {
    let file = FileId { device: Device { major: 0xfe, minor: 0 }, inode: 101 };
    Lock {
        id: LockId::of_file(mechanism.word(), file, Range::WHOLE),
        as_seen: AsSeen::of([1]),
        family: Cow::Borrowed(mechanism.word()),
        mechanism,
        name: None,
        path: Some(PathBytes::new("/run/l")),
        path_base64: None,
        url: None,
        deleted: false,
        mode: Mode::Exclusive,
        range: Some(Range::WHOLE),
        verdict: Verdict::Held,
        normal: false,
        why: None,
        age: Span::default(),
        recorded_pid: None,
        methods: Method::fitting(mechanism, &holders),
        holders: holders.into(),
        records: Arc::default(),
        waiters: Vec::new(),
        behind: None,
        lease: None,
        fencing: None,
        details: Details::default(),
        on_disk: None,
        file: Some(file),
        table_file: Some(file),
    }
}

pub(in crate::release) fn snapshot() -> Snapshot {
    Snapshot {
        host: Host { name: "web".into(), boot_id: None },
        at: Moment { wall: Timestamp::UNIX_EPOCH, uptime: Duration::ZERO },
        cost: Duration::ZERO,
        complete: false,
        at_once: true,
        notes: vec![Note {
            code: "hidden_locks",
            text: "locks are hidden".into(),
            would_help: Some("look from outside the container".into()),
        }],
        locks: Vec::new(),
        deadlocks: Vec::new(),
        awaited: BTreeMap::default(),
        retaken: Vec::new(),
    }
}

pub(in crate::release) fn rights(tracing: Tracing) -> Rights {
    Rights {
        uid: Some(34),
        may_not_signal: HashSet::new(),
        tracing,
        ours: HashSet::from([99]),
        freezers: HashMap::new(),
    }
}

pub(in crate::release) fn proposed(lock: &Lock, rights: &Rights) -> Vec<Plan> {
    propose(lock, &snapshot(), &lock.holders.iter().collect::<Vec<_>>(), rights)
}

#[track_caller]
fn obstacle(plans: &[Plan], method: Method) -> Option<&Obstacle> {
    plans.iter().find(|plan| plan.method == method).unwrap().obstacle.as_ref()
}

#[track_caller]
fn assert_obstacle(plans: &[Plan], method: Method, cause: Cause, words: &str) {
    let obstacle = obstacle(plans, method).unwrap();
    assert_eq!(obstacle.cause, cause, "{obstacle:?}");
    assert!(obstacle.text.contains(words), "{obstacle:?}");
}

#[test]
fn what_release_takes_is_what_is_proposed() {
    let all = [Mechanism::Flock, Mechanism::Ofd, Mechanism::Posix, Mechanism::Lease];
    for (mechanism, state) in
        all.into_iter().flat_map(|one| [(one, State::Stopped), (one, State::Sleeping)])
    {
        let lock = lock(mechanism, vec![holder(5, state)]);
        let plans = proposed(&lock, &rights(Tracing::Allowed));
        let possible: Vec<_> =
            plans.iter().filter(|plan| plan.is_possible()).map(|plan| plan.method).collect();
        assert_eq!(possible, lock.methods, "{mechanism:?} {state:?}");
    }
}

#[test]
fn open_files_are_shared_only_where_yama_lets_us() {
    let lock = lock(Mechanism::Flock, vec![holder(5, State::Sleeping)]);
    let methods = [Method::Escrow, Method::Unlock];
    for method in methods {
        assert_eq!(obstacle(&proposed(&lock, &rights(Tracing::OwnOnly)), method), None);
        for tracing in [Tracing::WithCapability, Tracing::Forbidden] {
            let plans = proposed(&lock, &rights(tracing));
            assert_obstacle(&plans, method, Cause::Permission, "yama");
            assert_eq!(obstacle(&plans, Method::Terminate), None);
        }
        let stranger = Rights { uid: Some(1000), ..rights(Tracing::OwnOnly) };
        let plans = proposed(&lock, &stranger);
        assert_obstacle(&plans, method, Cause::Permission, "may not be shared");
    }
}

#[test]
fn nobody_is_touched_on_a_guess() {
    let likely = Holder { certainty: Certainty::Likely, ..holder(5, State::Sleeping) };
    for holders in [
        vec![],
        vec![likely],
        vec![
            holder(6, State::Sleeping),
            Holder { certainty: Certainty::Recorded, ..holder(5, State::Sleeping) },
        ],
    ] {
        let lock = lock(Mechanism::Flock, holders);
        for plan in proposed(&lock, &rights(Tracing::Allowed)) {
            let obstacle = plan.obstacle.unwrap();
            assert_eq!(obstacle.cause, Cause::Permission, "{obstacle:?}");
            assert!(obstacle.text.contains("cannot be seen from here"), "{obstacle:?}");
            let help = obstacle.would_help.unwrap();
            assert!(help.contains("outside the container"), "{help}");
        }
    }
}

#[test]
fn threads_of_the_kernel_and_what_we_run_in_are_left_alone() {
    let mut thread = holder(5, State::Idle);
    Arc::make_mut(&mut thread.process).kernel_thread = true;
    let plans = proposed(&lock(Mechanism::Lease, vec![thread]), &rights(Tracing::Allowed));
    assert_obstacle(&plans, Method::Kill, Cause::Method, "thread of the kernel");

    let ours = lock(Mechanism::Flock, vec![holder(99, State::Sleeping)]);
    let plans = proposed(&ours, &rights(Tracing::Allowed));
    for method in [Method::Terminate, Method::Escrow, Method::Kill] {
        assert_obstacle(&plans, method, Cause::Ourselves, "this runs in job");
    }
    assert!(plans.into_iter().all(|plan| plan.insist().is_possible()));
}

#[test]
fn the_frozen_are_thawed_by_whoever_may() {
    let lock = lock(Mechanism::Flock, vec![holder(5, State::Frozen)]);
    let freezer = |is_ours| Freezer {
        file: PathBuf::from("/sys/fs/cgroup/a\nb/cgroup.freeze"),
        order: "0",
        is_ours,
    };
    let with =
        |freezers| Rights { freezers: HashMap::from([(5, freezers)]), ..rights(Tracing::Allowed) };
    let plans = proposed(&lock, &with(vec![freezer(true)]));
    assert_eq!(plans[0].steps, [r"echo 0 > /sys/fs/cgroup/a\nb/cgroup.freeze"]);
    assert_eq!(plans[0].obstacle, None);
    assert_obstacle(&plans, Method::Terminate, Cause::Method, "is frozen");
    let plans = proposed(&lock, &with(vec![freezer(false)]));
    assert_obstacle(&plans, Method::Resume, Cause::Permission, "may not be written to");
    let plans = proposed(&lock, &with(Vec::new()));
    assert_obstacle(&plans, Method::Resume, Cause::Permission, "cannot be reached from here");
}

#[test]
fn one_and_several_read_well() {
    let mut sharers = vec![holder(5, State::Stopped), holder(6, State::Stopped)];
    sharers[1].grant = 2;
    let both = lock(Mechanism::Flock, sharers);
    let text = |plans: Vec<Plan>| {
        let lines = plans.iter().map(|plan| {
            format!("{}: {}\n{}\n{}", plan.method, plan.steps.join("; "), plan.frees, plan.harm)
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(text(proposed(&both, &rights(Tracing::Allowed))), @"
    resume: kill -CONT 5; kill -CONT 6
    job (pid 5) and job (pid 6) go on, and give the lock back when they are done.
    Nothing is lost. If somebody halted them on purpose, they go on with what was to be stopped.
    terminate: kill -TERM 5; kill -TERM 6; kill -CONT 5; kill -CONT 6
    Once job (pid 5) and job (pid 6) have ended, the lock is free; nobody waits in its queue.
    What job (pid 5) and job (pid 6) are doing stays unfinished; there is time to clean up.
    escrow: share the open file that has the lock: pidfd_getfd(2); kill -TERM 5; kill -TERM 6; kill -CONT 5; kill -CONT 6; keep the lock until it is handed over
    locktop shares the lock before job (pid 5) and job (pid 6) end and keeps it afterwards: nobody gets in between. Once it is handed over, the lock is free; nobody waits in its queue.
    What job (pid 5) and job (pid 6) are doing stays unfinished; there is time to clean up. If one of them unlocks by itself while it ends, the next one has the lock at once.
    kill: kill -KILL 5; kill -KILL 6
    Once job (pid 5) and job (pid 6) have ended, the lock is free; nobody waits in its queue.
    job (pid 5) and job (pid 6) cannot clean up: what is being written can stay half written.
    unlock: unlock descriptor 9 of job (pid 5) from outside: pidfd_getfd(2); unlock descriptor 9 of job (pid 6) from outside: pidfd_getfd(2)
    job (pid 5) and job (pid 6) lose the lock at once; the lock is free; nobody waits in its queue.
    job (pid 5) and job (pid 6) live on without knowing, and go on as if they had the lock: exclusion is broken, and what they and the next one write can be destroyed.
    ");
    let one = [&both.holders[0]];
    let plans = propose(&both, &snapshot(), &one, &rights(Tracing::Allowed));
    insta::assert_snapshot!(text(plans), @"
    resume: kill -CONT 5
    job (pid 5) goes on, and gives the lock back when it is done.
    Nothing is lost. If somebody halted it on purpose, it goes on with what was to be stopped.
    terminate: kill -TERM 5; kill -CONT 5
    Once job (pid 5) has ended, job (pid 6) still has it.
    What job (pid 5) is doing stays unfinished; there is time to clean up.
    escrow: share the open file that has the lock: pidfd_getfd(2); kill -TERM 5; kill -CONT 5; keep the lock until it is handed over
    locktop shares the lock before job (pid 5) ends and keeps it afterwards: nobody gets in between. Once it is handed over, job (pid 6) still has it.
    What job (pid 5) is doing stays unfinished; there is time to clean up. If it unlocks by itself while it ends, the next one has the lock at once.
    kill: kill -KILL 5
    Once job (pid 5) has ended, job (pid 6) still has it.
    job (pid 5) cannot clean up: what is being written can stay half written.
    unlock: unlock descriptor 9 of job (pid 5) from outside: pidfd_getfd(2)
    job (pid 5) loses the lock at once; job (pid 6) still has it.
    job (pid 5) lives on without knowing, and goes on as if it had the lock: exclusion is broken, and what it and the next one write can be destroyed.
    ");
}
