//! Facts drawn by hand, for tests: `Sketch::new().lock(flock("/x").held_by(&[1]).wanted_by(2))`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::model::{
    AsSeen, AwaitedEnd, Certainty, Details, Device, Facts, FileId, Grant, Host, How, LockFacts,
    LockId, Mechanism, Mode, Moment, Naming, PathBytes, Pid, Process, Range, Request, Sharer, Span,
    State, Taker,
};

/// When it is, as time since boot.
pub(super) const NOW: Duration = Duration::from_secs(4000);

/// Facts in the making. Everybody who is mentioned is a sleeping process of one thread, `pN`.
#[derive(Debug)]
pub(super) struct Sketch {
    facts: Facts,
    /// The files, by path.
    files: HashMap<String, u64>,
}

impl Sketch {
    pub(super) fn new() -> Self {
        Self {
            facts: Facts {
                host: Host { name: "web-01".into(), boot_id: None },
                at: Moment { wall: Timestamp::UNIX_EPOCH, uptime: NOW },
                cost: Duration::from_millis(5),
                complete: true,
                at_once: false,
                notes: Vec::new(),
                locks: Vec::new(),
                retaken: Vec::new(),
                processes: BTreeMap::new(),
                awaited: BTreeMap::new(),
            },
            files: HashMap::new(),
        }
    }

    /// Adds a lock and those whom it mentions. Locks of one path are on one file.
    pub(super) fn lock(mut self, sketch: LockSketch) -> Self {
        let mut lock = sketch.lock;
        if lock.file.is_none() {
            let next = self.files.len() as u64 + 101;
            let inode = *self.files.entry(sketch.path).or_insert(next);
            lock.file = Some(FileId { device: Device { major: 0xfe, minor: 0 }, inode });
        }
        let file = lock.file.unwrap();
        lock.id = LockId::of_file(&lock.family, file, lock.range);
        let sharers = lock.grants.iter().flat_map(|grant| &grant.sharers).map(|by| by.pid);
        for pid in sharers.chain(lock.requests.iter().filter_map(|request| request.pid)) {
            self.facts.processes.entry(pid).or_insert_with(|| Arc::new(ordinary(pid)));
        }
        self.facts.locks.push(lock);
        self
    }

    /// Alters a process, and adds it before if need be.
    pub(super) fn process(mut self, pid: Pid, alter: impl FnOnce(&mut Process)) -> Self {
        let processes = &mut self.facts.processes;
        let process = processes.entry(pid).or_insert_with(|| Arc::new(ordinary(pid)));
        alter(Arc::make_mut(process));
        self
    }

    /// A process waits for the end of its child, and has done so for a minute.
    pub(super) fn awaits(mut self, parent: Pid, child: Pid) -> Self {
        self.facts.awaited.insert(parent, AwaitedEnd { child, timed: false });
        let ran_at = Some(NOW.saturating_sub(Duration::from_mins(1)));
        self.process(parent, |process| process.ran_at = ran_at).process(child, |_| ())
    }

    /// Alters anything else.
    pub(super) fn with(mut self, alter: impl FnOnce(&mut Facts)) -> Self {
        alter(&mut self.facts);
        self
    }

    pub(super) fn facts(self) -> Facts {
        self.facts
    }

    /// The judged facts.
    pub(super) fn judged(self) -> crate::model::Snapshot {
        super::diagnose(self.facts)
    }
}

fn ordinary(pid: Pid) -> Process {
    Process {
        pid: Some(pid),
        command: Some(format!("p{pid}")),
        state: Some(State::Sleeping),
        start: Some(1000 + pid as u64),
        threads: Some(1),
        group: Some(pid),
        group_leader_alive: Some(true),
        ..Process::default()
    }
}

/// A lock in the making.
#[derive(Debug, Clone)]
pub(super) struct LockSketch {
    lock: LockFacts,
    path: String,
}

pub(super) fn flock(path: &str) -> LockSketch {
    LockSketch::new(Mechanism::Flock, path, Range::WHOLE)
}

pub(super) fn posix(path: &str, start: u64, end: u64) -> LockSketch {
    LockSketch::new(Mechanism::Posix, path, Range { start, end: Some(end) })
}

pub(super) fn ofd(path: &str, start: u64, end: u64) -> LockSketch {
    LockSketch::new(Mechanism::Ofd, path, Range { start, end: Some(end) })
}

impl LockSketch {
    fn new(mechanism: Mechanism, path: &str, range: Range) -> Self {
        let lock = LockFacts {
            id: LockId::from_text("@"),
            as_seen: AsSeen::of([]),
            family: mechanism.word().into(),
            mechanism,
            name: None,
            normal: false,
            file: None,
            table_file: None,
            path: Some(PathBytes::new(path)),
            naming: Naming::Same,
            range,
            grants: Vec::new(),
            requests: Vec::new(),
            queue_cut: false,
            age: Span::default(),
            on_disk: None,
            abandoned: None,
            details: Details::default(),
        };
        Self { lock, path: path.into() }
    }

    /// One exclusive grant, shared by these through their descriptor 9; the first has taken it.
    pub(super) fn held_by(self, pids: &[Pid]) -> Self {
        self.granted(Mode::Exclusive, pids)
    }

    /// One shared grant.
    pub(super) fn read_by(self, pids: &[Pid]) -> Self {
        self.granted(Mode::Shared, pids)
    }

    fn granted(mut self, mode: Mode, pids: &[Pid]) -> Self {
        let place = self.lock.grants.len();
        let sharer =
            |&pid| Sharer { pid, fds: vec![9], certainty: Certainty::Proven, is_escrow: false };
        let recorded_pid = pids.first().copied().filter(|_| self.lock.mechanism != Mechanism::Ofd);
        self.lock.grants.push(Grant {
            number: place as u32 + 1,
            mode,
            place,
            recorded_pid,
            taker: recorded_pid.map_or(Taker::Unrecorded, |_| Taker::Holds),
            sharers: pids.iter().map(sharer).collect(),
            elsewhere: None,
            remark: None,
        });
        self
    }

    /// A request for the same, exclusively, by the first thread of a process.
    pub(super) fn wanted_by(mut self, pid: Pid) -> Self {
        let position = self.lock.requests.len() as u32 + 1;
        self.lock.requests.push(Request {
            pid: Some(pid),
            tid: Some(pid),
            inferred: false,
            timed: false,
            position: Some(position),
            depth: 1,
            mechanism: self.lock.mechanism,
            fd: None,
            mode: Mode::Exclusive,
            range: self.lock.range,
            waited: Span { min: Duration::from_mins(1), ..Span::default() },
            last_ran: Some(Duration::from_mins(1)),
            passed_by: 0,
            how: How::Kernel,
            declared: false,
            tries: None,
            pause: None,
        });
        self
    }

    /// Alters the grant that was added last.
    pub(super) fn grant(mut self, alter: impl FnOnce(&mut Grant)) -> Self {
        alter(self.lock.grants.last_mut().unwrap());
        self
    }

    /// Alters the request that was added last.
    pub(super) fn request(mut self, alter: impl FnOnce(&mut Request)) -> Self {
        alter(self.lock.requests.last_mut().unwrap());
        self
    }

    /// Alters anything else.
    pub(super) fn with(mut self, alter: impl FnOnce(&mut LockFacts)) -> Self {
        alter(&mut self.lock);
        self
    }
}
