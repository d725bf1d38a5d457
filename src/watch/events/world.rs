//! A made-up machine: processes that take locks, queue and let go, and a chronicle of looks at it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::ledger::{Ledger, Testimony};
use crate::model::{
    AsSeen, Certainty, Details, Device, EventKind, Evidence, Grant, Host, How, LockFacts, Look,
    Mode, Naming, Range, Request, Sharer, Span, State, Taker,
};

pub(super) const MS: Duration = Duration::from_millis(1);

/// What a look takes; nothing happens meanwhile.
const COST: Duration = Duration::from_millis(5);

pub(super) struct World {
    pub(super) now: Duration,
    files: BTreeMap<u64, File>,
    people: BTreeMap<Pid, Actor>,
    generation: u64,
    taken: usize,
    ledger: Ledger,
    chronicle: Chronicle,
    pub(super) selection: Selection,
    pub(super) acts: Vec<Act>,
    /// All that really happened.
    pub(super) history: Vec<Deed>,
}

#[derive(Default)]
struct File {
    /// Newest first, each with its number in the order of all.
    grants: Vec<(Pid, Mode, usize)>,
    queue: Vec<(Pid, Mode)>,
}

struct Actor {
    start: u64,
    ran_at: Duration,
    state: State,
}

/// Something that really happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deed {
    pub(super) at: Duration,
    pub(super) kind: EventKind,
    pub(super) file: u64,
    pub(super) pid: Pid,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            now: Duration::from_secs(1000),
            files: BTreeMap::new(),
            people: BTreeMap::new(),
            generation: 0,
            taken: 0,
            ledger: Ledger::new(Host { name: "test".into(), boot_id: None }),
            chronicle: Chronicle::default(),
            selection: Selection::all(),
            acts: Vec::new(),
            history: Vec::new(),
        }
    }

    pub(super) fn pass(&mut self, ms: u32) -> &mut Self {
        self.now += MS * ms;
        self
    }

    fn note(&mut self, kind: EventKind, file: u64, pid: Pid) {
        self.history.push(Deed { at: self.now, kind, file, pid });
    }

    pub(super) fn run(&mut self, pid: Pid) -> &mut Self {
        let (now, generation) = (self.now, &mut self.generation);
        let actor = self.people.entry(pid).or_insert_with(|| {
            *generation += 1;
            Actor { start: *generation, ran_at: now, state: State::Sleeping }
        });
        actor.ran_at = now;
        self
    }

    pub(super) fn waits(&self, pid: Pid) -> bool {
        self.files.values().any(|file| file.queue.iter().any(|(who, _)| *who == pid))
    }

    pub(super) fn has(&self, file: u64, pid: Pid) -> bool {
        self.files.get(&file).is_some_and(|file| file.grants.iter().any(|(who, ..)| *who == pid))
    }

    /// Takes the lock, or queues for it.
    pub(super) fn take(&mut self, file: u64, pid: Pid, mode: Mode) -> &mut Self {
        if self.waits(pid) || self.has(file, pid) {
            return self;
        }
        self.run(pid);
        let place = self.files.entry(file).or_default();
        if place.grants.iter().any(|(_, held, _)| held.conflicts_with(mode)) {
            place.queue.push((pid, mode));
            self.note(EventKind::Queued, file, pid);
        } else {
            self.taken += 1;
            place.grants.insert(0, (pid, mode, self.taken));
            self.note(EventKind::Acquired, file, pid);
        }
        self
    }

    /// Lets go; whose turn it is gets it.
    pub(super) fn release(&mut self, file: u64, pid: Pid) -> &mut Self {
        if self.has(file, pid) && !self.waits(pid) {
            self.run(pid);
            self.drop_grant(file, pid);
        }
        self
    }

    fn drop_grant(&mut self, file: u64, pid: Pid) {
        self.note(EventKind::Released, file, pid);
        let place = self.files.entry(file).or_default();
        place.grants.retain(|(who, ..)| *who != pid);
        let mut granted = Vec::new();
        while let Some(&(next, mode)) = place.queue.first() {
            if place.grants.iter().any(|(_, held, _)| held.conflicts_with(mode)) {
                break;
            }
            place.queue.remove(0);
            self.taken += 1;
            place.grants.insert(0, (next, mode, self.taken));
            granted.push(next);
        }
        for next in granted {
            self.run(next);
            self.note(EventKind::Granted, file, next);
        }
    }

    /// Waits no longer.
    pub(super) fn give_up(&mut self, pid: Pid) -> &mut Self {
        let waits =
            self.files.iter().find(|(_, file)| file.queue.iter().any(|(who, _)| *who == pid));
        if let Some(file) = waits.map(|(file, _)| *file) {
            self.run(pid);
            self.note(EventKind::GaveUp, file, pid);
            let queue = &mut self.files.get_mut(&file).unwrap().queue;
            queue.retain(|(who, _)| *who != pid);
        }
        self
    }

    pub(super) fn end(&mut self, pid: Pid) -> &mut Self {
        self.give_up(pid);
        let files: Vec<u64> = self.files.keys().copied().collect();
        for file in files {
            if self.has(file, pid) {
                self.drop_grant(file, pid);
            }
        }
        self.people.remove(&pid);
        self
    }

    /// Somebody else unlocks it, and the holder sleeps on.
    pub(super) fn rob(&mut self, file: u64, pid: Pid) -> &mut Self {
        self.drop_grant(file, pid);
        self
    }

    /// Who has the lock, and who waits for it.
    pub(super) fn state(&self, file: u64) -> (BTreeSet<Pid>, BTreeSet<Pid>) {
        let Some(file) = self.files.get(&file) else { return Default::default() };
        let holders = file.grants.iter().map(|(pid, ..)| *pid).collect();
        (holders, file.queue.iter().map(|(pid, _)| *pid).collect())
    }

    pub(super) fn files(&self) -> Vec<u64> {
        self.files.keys().copied().collect()
    }

    /// Looks, and tells what has happened.
    pub(super) fn look(&mut self) -> Vec<Event> {
        self.look_past(true, |_, _| false)
    }

    /// A look that is not of one moment, and that misses some locks (0) and waits (their pids).
    pub(super) fn look_past(
        &mut self,
        at_once: bool,
        misses: impl Fn(u64, Pid) -> bool,
    ) -> Vec<Event> {
        self.now += COST;
        let mut locks = Vec::new();
        for (number, file) in self.files.iter().filter(|(_, file)| !file.grants.is_empty()) {
            let lock = self.facts(*number, file, &misses);
            locks.extend((!misses(*number, 0)).then_some(lock));
        }
        let look = Look {
            at: self.moment(),
            cost: COST,
            complete: true,
            absence_is_proof: at_once,
            notes: Vec::new(),
            locks,
            kept: Vec::new(),
            declared: Vec::new(),
            processes: self.processes(),
        };
        let facts = self.ledger.enter(self.moment(), vec![look], &Testimony::default());
        let snapshot = Arc::new(crate::diagnose::diagnose(facts));
        let mut chronicle = std::mem::take(&mut self.chronicle);
        let selection = self.selection.clone();
        let events = chronicle.tell(&snapshot, &selection, self);
        self.chronicle = chronicle;
        events
    }

    fn moment(&self) -> Moment {
        let wall = Timestamp::UNIX_EPOCH + SignedDuration::try_from(self.now).unwrap();
        Moment { wall, uptime: self.now }
    }

    fn processes(&self) -> BTreeMap<Pid, Arc<Process>> {
        let process = |(pid, actor): (&Pid, &Actor)| {
            let process = Process {
                pid: Some(*pid),
                command: Some(format!("p{pid}")),
                start: Some(actor.start),
                threads: Some(1),
                ran_at: Some(actor.ran_at),
                state: Some(actor.state),
                ..Process::default()
            };
            (*pid, Arc::new(process))
        };
        self.people.iter().map(process).collect()
    }

    fn idle(&self, pid: Pid) -> Span {
        let mut span = Span::default();
        span.at_least(self.now.saturating_sub(self.people[&pid].ran_at), Evidence::Scheduler);
        span
    }

    fn facts(&self, number: u64, file: &File, misses: &impl Fn(u64, Pid) -> bool) -> LockFacts {
        let id = FileId { device: Device { major: 8, minor: 1 }, inode: number };
        let grant = |(number, &(pid, mode, taken)): (u32, &(Pid, Mode, usize))| Grant {
            number,
            mode,
            // The newest stand first.
            place: self.taken - taken,
            recorded_pid: Some(pid),
            taker: Taker::Holds,
            sharers: vec![Sharer {
                pid,
                fds: vec![3],
                certainty: Certainty::Proven,
                is_escrow: false,
            }],
            elsewhere: None,
            remark: None,
        };
        let grants: Vec<Grant> = (1..).zip(&file.grants).map(grant).collect();
        let request = |(position, &(pid, mode)): (u32, &(Pid, Mode))| Request {
            pid: Some(pid),
            tid: Some(pid),
            inferred: false,
            timed: false,
            position: Some(position),
            depth: 1,
            mechanism: Mechanism::Flock,
            fd: Some(3),
            mode,
            range: Range::WHOLE,
            waited: self.idle(pid),
            last_ran: Some(self.now.saturating_sub(self.people[&pid].ran_at)),
            passed_by: 0,
            tries: None,
            pause: None,
            how: How::Kernel,
            declared: false,
        };
        let seen = file.queue.iter().filter(|(pid, _)| !misses(number, *pid));
        LockFacts {
            id: LockId::of_file("flock", id, Range::WHOLE),
            as_seen: AsSeen::of([]),
            family: "flock".into(),
            mechanism: Mechanism::Flock,
            name: None,
            normal: false,
            file: Some(id),
            table_file: Some(id),
            path: Some(PathBytes::new(format!("/{number}"))),
            naming: Naming::Same,
            range: Range::WHOLE,
            // Of several holders the age is that of the one that has had it for longest.
            age: file
                .grants
                .iter()
                .map(|(pid, ..)| self.idle(*pid))
                .max_by_key(|age| age.min)
                .unwrap(),
            grants,
            requests: (1..).zip(seen).map(request).collect(),
            queue_cut: false,
            on_disk: None,
            abandoned: None,
            details: Details::default(),
        }
    }
}

impl Witness for World {
    fn life(&self, process: &Process, since: Duration) -> Life {
        let actor = process.pid.and_then(|pid| self.people.get(&pid));
        match actor.filter(|actor| Some(actor.start) == process.start) {
            None => Life::Gone,
            Some(actor) if actor.ran_at < since => Life::Slept,
            Some(_) => Life::Lives,
        }
    }

    fn lies_at(&self, _path: &PathBytes) -> Lies {
        Lies::Unknown
    }

    fn acts_on(&mut self, _lock: &LockId, _from: Timestamp, _until: Timestamp) -> Vec<Act> {
        self.acts.clone()
    }
}
