//! Hand-made snapshots for tests.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use locktop::Snapshot;
use locktop::model::{
    AsSeen, Blocker, Certainty, Deadlock, Details, Evidence, Holder, Host, How, Lock, LockId,
    Mechanism, Member, Method, Mode, Moment, Note, Parent, PathBytes, Pid, Process, Range, Span,
    State, Verdict, Waiter,
};

/// One lock of each kind that the tests need: a circle of two, an orphan with a queue, a well-known
/// lock, a shared one with a range, and one whose holder was not seen.
pub(crate) fn snapshot() -> Snapshot {
    let mut first = lock("@flock:fe:00:101:~", "/srv/a.lock", Verdict::Deadlock);
    first.holders = vec![holder(41, "python3", "alice")].into();
    first.waiters = vec![waiter(1, 1, 42, "python3", 12)];
    let mut second = lock("@flock:fe:00:102:~", "/srv/b.lock", Verdict::Deadlock);
    second.holders = vec![holder(42, "python3", "alice")].into();
    second.waiters = vec![waiter(1, 1, 41, "python3", 11)];

    let mut known = lock("@posix:fe:00:7:~", "/var/lib/dpkg/lock-frontend", Verdict::Contended);
    (known.family, known.mechanism) = ("posix".into(), Mechanism::Posix);
    known.name = Some("dpkg frontend lock".into());
    known.holders = vec![holder(991, "apt-get", "root")].into();
    known.waiters = vec![waiter(1, 1, 1203, "apt", 724)];

    let mut shared = lock("@ofd:fe:00:8:100-199", "/srv/größe.db", Verdict::Held);
    (shared.family, shared.mechanism) = ("ofd".into(), Mechanism::Ofd);
    (shared.mode, shared.range) = (Mode::Shared, Some(Range { start: 100, end: Some(199) }));
    shared.recorded_pid = None;
    shared.holders = vec![holder(51, "reader", "www"), holder(52, "reader", "www")].into();

    let mut nobody = lock("@flock:fe:00:9:~", "/tmp/x", Verdict::Unknown);
    nobody.deleted = true;
    nobody.age = Span::default();

    let cause = |lock: &Lock, pid| [Blocker { id: lock.id.clone(), pid: Some(pid) }].into();
    first.waiters[0].blocked_by = cause(&first, 41);
    second.waiters[0].blocked_by = cause(&second, 42);
    let deadlock = Deadlock {
        locks: vec![first.id.clone(), second.id.clone()],
        members: vec![member(41, &first, &second), member(42, &second, &first)],
        certain: true,
    };
    Snapshot {
        host: Host { name: "web-01".into(), boot_id: Some("0d6c".into()) },
        at: Moment {
            wall: "2026-11-21T06:40:12.123Z".parse().unwrap(),
            uptime: Duration::from_mins(150),
        },
        cost: Duration::from_micros(4200),
        complete: false,
        at_once: true,
        notes: vec![Note {
            code: "unreadable_processes",
            text: "14 processes of other users could not be read".into(),
            would_help: Some("run as root, or give the binary cap_sys_ptrace".into()),
        }],
        locks: vec![first, second, orphan(), known, shared, nobody],
        deadlocks: vec![deadlock],
        awaited: BTreeMap::default(),
        retaken: Vec::new(),
    }
}

/// The lock of the README's example: its taker has ended, a child keeps it.
fn member(pid: Pid, holds: &Lock, wants: &Lock) -> Member {
    let (holds, wants) = (holds.id.clone(), wants.id.clone());
    Member { pid, holds, wants, through: None, keepers: vec![pid] }
}

pub(crate) fn orphan() -> Lock {
    let mut lock = lock("@flock:fe:00:10010699:~", "/run/backup.lock", Verdict::Orphaned);
    lock.name = Some("nightly backup".into());
    lock.why = Some("whoever took it (pid 3246) has ended".into());
    lock.recorded_pid = Some(3246);
    lock.holders = vec![holder(3244, "rsync", "backup")].into();
    lock.waiters = vec![
        waiter(1, 1, 3247, "flock", 62),
        waiter(2, 2, 3249, "bash", 44),
        waiter(3, 1, 3250, "flock", 10),
    ];
    lock.waiters[2].mode = Mode::Shared;
    lock.waiters[0].blocked_by =
        [Blocker { id: lock.id.clone(), pid: lock.holders[0].process.pid }].into();
    lock
}

pub(crate) fn lock(id: &str, path: &str, verdict: Verdict) -> Lock {
    Lock {
        id: LockId::from_text(id),
        as_seen: AsSeen::of([7]),
        family: "flock".into(),
        mechanism: Mechanism::Flock,
        name: None,
        path: Some(PathBytes::new(path)),
        path_base64: None,
        url: None,
        deleted: false,
        mode: Mode::Exclusive,
        range: Some(Range::WHOLE),
        verdict,
        normal: false,
        why: None,
        age: Span {
            min: Duration::from_millis(63_200),
            max: None,
            evidence: vec![Evidence::Observed],
        },
        recorded_pid: Some(1),
        holders: Arc::default(),
        records: Arc::default(),
        waiters: Vec::new(),
        behind: None,
        lease: None,
        fencing: None,
        details: Details::default(),
        methods: &[Method::Terminate, Method::Kill],
        on_disk: None,
        file: None,
        table_file: None,
    }
}

pub(crate) fn holder(pid: Pid, command: &str, user: &str) -> Holder {
    Holder {
        process: Arc::new(process(pid, command, user)),
        host: Some("web-01".into()),
        certainty: Certainty::Proven,
        grant: 1,
        fds: vec![9],
        token: None,
    }
}

pub(crate) fn waiter(position: u32, depth: u32, pid: Pid, command: &str, seconds: u64) -> Waiter {
    Waiter {
        process: Arc::new(process(pid, command, "root")),
        host: Some("web-01".into()),
        position: Some(position),
        tid: Some(pid),
        token: None,
        mode: Mode::Exclusive,
        range: Some(Range::WHOLE),
        waited: Span {
            min: Duration::from_secs(seconds),
            max: Some(Duration::from_secs(seconds)),
            evidence: vec![Evidence::Scheduler, Evidence::ProcessStart],
        },
        how: How::Kernel,
        tries: None,
        pause: None,
        blocked_by: Arc::new([]),
        endless: true,
        depth,
        place: position,
    }
}

fn process(pid: Pid, command: &str, user: &str) -> Process {
    Process {
        pid: Some(pid),
        started_at: Some("2026-11-21T06:38:52.1Z".parse().unwrap()),
        command: Some(command.into()),
        cmdline: Some(vec![OsString::from(command), "-a".into()]),
        user: Some(user.into()),
        uid: Some(34),
        login_user: Some("alice".into()),
        state: Some(State::Sleeping),
        wchan: Some("do_select".into()),
        cwd: Some(PathBytes::new("/")),
        tty: None,
        parent: Some(Parent { pid: 1, command: Some("systemd".into()) }),
        unit: Some("cron.service".into()),
        container: None,
        ..Process::default()
    }
}
