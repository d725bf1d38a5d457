//! Made-up machines for tests.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use locktop::model::{
    AsSeen, Behind, Blocker, Certainty, Deadlock, Details, Device, Event, EventKind, Evidence,
    FileId, Holder, Host, How, Lock, LockId, Mechanism, Member, Method, Mode, Moment, Note, Parent,
    PathBytes, Pid, Process, Range, Snapshot, Span, State, Verdict, Waiter,
};
use locktop::release::{self, Cause, Plan};

use super::release::Found;

/// A process.
pub(super) fn process(pid: Pid, command: &str, user: &str) -> Arc<Process> {
    Arc::new(Process {
        pid: Some(pid),
        started_at: "2026-11-21T06:00:01Z".parse().ok(),
        command: Some(command.into()),
        cmdline: Some(vec![command.into(), "--now".into()]),
        user: Some(user.into()),
        uid: Some(1000),
        state: Some(State::Sleeping),
        cwd: Some(PathBytes::new("/var/cache/apt")),
        parent: Some(Parent { pid: 1, command: Some("systemd".into()) }),
        start: Some(100),
        ..Process::default()
    })
}

/// At least so many seconds, and at most.
pub(super) fn span(min: u64, max: Option<u64>) -> Span {
    Span {
        min: Duration::from_secs(min),
        max: max.map(Duration::from_secs),
        evidence: vec![Evidence::Observed],
    }
}

/// A lock that nobody waits for, held by its holders.
pub(super) fn lock(inode: u64, path: &str, holders: &[Arc<Process>]) -> Lock {
    let file = FileId { device: Device { major: 0xfe, minor: 0 }, inode };
    Lock {
        id: LockId::of_file("flock", file, Range::WHOLE),
        as_seen: AsSeen::of([inode]),
        family: Cow::Borrowed("flock"),
        mechanism: Mechanism::Flock,
        name: None,
        path: Some(PathBytes::new(path)),
        path_base64: None,
        url: None,
        deleted: false,
        mode: Mode::Exclusive,
        range: Some(Range::WHOLE),
        verdict: Verdict::Held,
        normal: false,
        why: None,
        age: span(22, Some(22)),
        recorded_pid: holders.first().and_then(|process| process.pid),
        holders: holders
            .iter()
            .map(|process| Holder {
                process: Arc::clone(process),
                host: None,
                certainty: Certainty::Proven,
                grant: 1,
                fds: vec![9],
                token: None,
            })
            .collect(),
        records: Arc::default(),
        waiters: Vec::new(),
        behind: None,
        lease: None,
        fencing: None,
        details: Details::default(),
        methods: &[],
        on_disk: None,
        file: Some(file),
        table_file: Some(file),
    }
}

/// The lock with a queue: who waits, for how many seconds, and how deep in the queue's tree.
pub(super) fn queued(mut lock: Lock, queue: &[(Arc<Process>, u64, u32)]) -> Lock {
    let blockers: Arc<[Blocker]> = lock
        .holders
        .iter()
        .map(|holder| Blocker { id: lock.id.clone(), pid: holder.process.pid })
        .collect();
    lock.verdict = Verdict::Contended;
    lock.waiters = queue
        .iter()
        .zip(1..)
        .map(|((process, seconds, depth), position)| Waiter {
            process: Arc::clone(process),
            host: None,
            position: Some(position),
            tid: process.pid,
            token: None,
            mode: Mode::Exclusive,
            range: Some(Range::WHOLE),
            waited: span(*seconds, Some(*seconds)),
            how: How::Kernel,
            tries: None,
            pause: None,
            blocked_by: Arc::clone(&blockers),
            endless: true,
            depth: *depth,
            place: position,
        })
        .collect();
    lock
}

/// The lock, judged.
pub(super) fn judged(mut lock: Lock, verdict: Verdict, why: &str) -> Lock {
    lock.verdict = verdict;
    lock.why = Some(why.into());
    lock
}

/// A snapshot of these locks, looked at so many seconds after boot.
pub(super) fn snapshot(uptime: u64, locks: Vec<Lock>) -> Snapshot {
    let mut snapshot = Snapshot {
        host: Host { name: "web-01".into(), boot_id: None },
        at: Moment {
            wall: "2026-11-21T06:40:12Z".parse().unwrap(),
            uptime: Duration::from_secs(uptime),
        },
        cost: Duration::from_millis(4),
        complete: true,
        at_once: true,
        notes: Vec::new(),
        locks,
        deadlocks: Vec::new(),
        awaited: BTreeMap::default(),
        retaken: Vec::new(),
    };
    snapshot.sort();
    snapshot
}

/// A machine with one of everything.
pub(super) fn busy_machine() -> Snapshot {
    let (python, worker) = (process(4121, "python3", "alice"), process(4122, "python3", "alice"));
    let orders = lock(101, "/srv/app/orders.lock", &[Arc::clone(&python)]);
    let orders = queued(orders, &[(Arc::clone(&worker), 660, 1)]);
    let stock = queued(lock(102, "/srv/app/stock.lock", &[worker]), &[(python, 661, 1)]);
    let circle = "two processes wait for each other in a circle";
    let (orders, stock) =
        (judged(orders, Verdict::Deadlock, circle), judged(stock, Verdict::Deadlock, circle));

    let apt = process(991, "apt-get", "root");
    let queue = [(process(1203, "apt", "alice"), 724, 1), (process(1377, "dpkg", "root"), 190, 2)];
    let mut dpkg = lock(103, "/var/lib/dpkg/lock-frontend", &[apt]);
    dpkg.family = Cow::Borrowed("posix");
    dpkg.mechanism = Mechanism::Posix;
    dpkg.id = LockId::of_file("posix", dpkg.file.unwrap(), Range::WHOLE);
    dpkg.name = Some("dpkg frontend lock".into());
    dpkg.age = span(2460, None);
    let dpkg =
        judged(queued(dpkg, &queue), Verdict::Stuck, "its holder is in uninterruptible sleep");

    let volumes = "/var/lib/nerdctl/1935db59/volumes/default";
    let nerdctl = lock(104, volumes, &[process(2231, "nerdctl", "root")]);
    let nerdctl = queued(nerdctl, &[(process(2240, "nerdctl", "root"), 3, 1)]);
    let index = lock(105, "/home/bob/shop/.git/index.lock", &[]);
    let index = judged(index, Verdict::Stale, "nothing alive keeps it");
    let shared = [process(70, "postgres", "postgres"), process(71, "postgres", "postgres")];
    let mut shared = lock(106, "/var/lib/postgresql/shared.lock", &shared);
    shared.mode = Mode::Shared;
    let wide = lock(
        107,
        "/home/bob/日本語の長い名前のフォルダ/ロック.lock",
        &[process(80, "a\u{1b}[31m\u{202e}", "bob")],
    );

    let members = [(4121, &orders, &stock), (4122, &stock, &orders)];
    let members = members.map(|(pid, holds, wants)| Member {
        pid,
        holds: holds.id.clone(),
        wants: wants.id.clone(),
        through: None,
        keepers: vec![pid],
    });
    let circle = Deadlock {
        locks: vec![orders.id.clone(), stock.id.clone()],
        members: members.to_vec(),
        certain: true,
    };
    let mut snapshot = snapshot(10_000, vec![orders, stock, dpkg, nerdctl, index, shared, wide]);
    snapshot.deadlocks.push(circle);
    snapshot.complete = false;
    snapshot.notes.push(Note {
        code: "unreadable_processes",
        text: "14 processes of other users could not be read".into(),
        would_help: Some("run as root, or give the binary cap_sys_ptrace".into()),
    });
    snapshot
}

/// Three locks, of which the holder of each but the first waits for the one before: that of the third
/// only through a child.
pub(super) fn chain() -> Snapshot {
    let [root, second, shell, command, last] = [
        process(300, "rsync", "backup"),
        process(301, "borg", "backup"),
        process(302, "sh", "alice"),
        process(303, "flock", "alice"),
        process(304, "make", "bob"),
    ];
    let other = process(305, "cp", "bob");
    let behind = |mut lock: Lock, waiters, minutes: u64, root| {
        let waited = span(minutes * 60, Some(minutes * 60));
        lock.behind = Some(Behind { waiters, waited, root });
        judged(lock, Verdict::Contended, "somebody waits")
    };
    let a =
        queued(lock(301, "/srv/a.lock", &[root]), &[(Arc::clone(&second), 600, 1), (other, 90, 1)]);
    let b = queued(lock(302, "/srv/b.lock", &[second]), &[(command, 300, 1)]);
    let c = queued(lock(303, "/srv/c.lock", &[shell]), &[(last, 60, 1)]);
    let free = lock(304, "/srv/free.lock", &[process(306, "cat", "bob")]);
    let locks = vec![behind(a, 4, 18, true), behind(b, 2, 6, false), behind(c, 1, 1, false), free];
    let mut snapshot = snapshot(10_000, locks);
    snapshot.awaited.insert(302, 303);
    snapshot
}

/// The machine that most often wants a lock freed: its holder is stopped, and somebody waits.
pub(super) fn stopped_machine() -> Snapshot {
    let mut sleeper = process(4121, "rsync", "backup");
    Arc::make_mut(&mut sleeper).state = Some(State::Stopped);
    let nightly = lock(201, "/run/nightly.lock", &[sleeper]);
    let nightly = queued(nightly, &[(process(4130, "borg", "backup"), 700, 1)]);
    let why = "rsync (pid 4121) is stopped by a signal";
    let other = lock(202, "/run/hourly.lock", &[process(4140, "find\u{1b}[31m日本", "root")]);
    let mut locks = vec![judged(nightly, Verdict::Stuck, why), other];
    for lock in &mut locks {
        lock.methods = Method::fitting(lock.mechanism, &lock.holders);
    }
    snapshot(10_000, locks)
}

/// What is found for these locks by somebody who may do everything.
pub(super) fn found(snapshot: &Snapshot, locks: &[LockId]) -> Vec<Found> {
    let may = |mut plan: Plan| {
        plan.obstacle = plan.obstacle.filter(|by| by.cause == Cause::Method);
        plan
    };
    let locks = locks.iter().filter_map(|id| snapshot.lock(id));
    locks
        .map(|lock| {
            let waiters = lock.waiters.iter().filter_map(|by| by.process.pid);
            Found {
                plans: release::plans(lock, snapshot).into_iter().map(may).collect(),
                waiters: waiters
                    .filter_map(|pid| release::end_waiter(lock, pid))
                    .map(may)
                    .collect(),
            }
        })
        .collect()
}

/// Something that happened to a lock, before the look of [`busy_machine`].
pub(super) fn event(kind: EventKind) -> Event {
    let wall: jiff::Timestamp = "2026-11-21T06:40:12Z".parse().unwrap();
    let at = Moment { wall, uptime: Duration::from_secs(1000) };
    let earlier = Duration::from_millis(900);
    let not_before = Moment { wall: wall - earlier, uptime: at.uptime.saturating_sub(earlier) };
    let exact = matches!(kind, EventKind::Acquired | EventKind::Queued);
    let lasted = !exact;
    let is_verdict = kind == EventKind::VerdictChanged;
    let file = FileId { device: Device { major: 0xfe, minor: 0 }, inode: 1 };
    Event {
        kind,
        at,
        not_before: Some(if exact { at } else { not_before }),
        id: LockId::of_file("flock", file, Range::WHOLE),
        path: Some(PathBytes::new("/var/lib/dpkg/lock-frontend")),
        pid: Some(991),
        command: Some("apt-get".into()),
        duration: lasted.then(|| span(2460, None)),
        verdicts: is_verdict.then_some((Verdict::Held, Verdict::Stuck)),
        remark: is_verdict.then(|| "apt-get (pid 991) has been in uninterruptible sleep".into()),
        evidence: vec![Evidence::Observed],
    }
}
