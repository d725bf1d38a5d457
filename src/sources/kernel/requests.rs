//! Who waits: the table's requests, and the threads behind them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::Sighting;
use crate::model::{Evidence, FileId, How, Mechanism, Mode, Moment, Pid, Range, Request, Span};
use crate::system::procfs::locks::{Kind, Record, Table};
use crate::system::{Anatomy, LockCall, System, Wanted};

/// A thread that sleeps in a system call for a lock.
#[derive(Debug, Clone, Copy)]
struct Sleeper {
    pid: Pid,
    tid: Pid,
    wanted: Wanted,
    file: FileId,
    taken: bool,
}

/// Puts every request into the queue of its lock. With `beyond_table`, threads that wait for a lock
/// without standing in the table, as in a pid namespace, are queued too.
pub(super) fn enqueue(system: &System, locks: &mut [Sighting], table: &Table, beyond_table: bool) {
    let mut threads = Threads::of(system, table, beyond_table);
    for lock in locks.iter_mut() {
        let requests: Vec<(u32, Record)> = lock
            .entries
            .iter()
            .flat_map(|&place| table.entries[place].waiting.iter().copied())
            .collect();
        let nameless = requests.iter().filter(|(_, request)| request.kind == Kind::Ofd).count();
        for (depth, request) in requests {
            let waiter = threads.behind(
                system,
                &request,
                lock.keeper.as_ref().map(|keeper| keeper.stat.file),
                nameless,
            );
            let mechanism = request.kind.mechanism();
            lock.facts.requests.push(waiter.request(depth, mechanism, request.mode, request.range));
        }
    }
    if beyond_table {
        threads.enqueue_the_others(locks);
    }
    ask_once(locks);
    for lock in locks.iter_mut() {
        number(&mut lock.facts.requests);
    }
}

/// A thread waits for one lock at a time. A table that changes while it is read in pieces can have a
/// line twice, or one that was over when the next was read: the system call tells which is so.
fn ask_once(locks: &mut [Sighting]) {
    let thread = |request: &Request| request.pid.zip(request.tid);
    let requests = || locks.iter().flat_map(|lock| &lock.facts.requests);
    let mut asking: HashSet<(Pid, Pid)> =
        requests().filter(|request| request.fd.is_some()).filter_map(thread).collect();
    for lock in locks {
        lock.facts.requests.retain(|request| {
            request.fd.is_some() || thread(request).is_none_or(|thread| asking.insert(thread))
        });
    }
}

/// Numbers the requests in the order in which their turn comes: all that wait for the same go on
/// together, before those that wait for them. The list itself stays the tree.
fn number(requests: &mut [Request]) {
    let mut turns: Vec<&mut Request> = requests.iter_mut().collect();
    turns.sort_by_key(|request| request.depth);
    for (request, position) in turns.into_iter().zip(1..) {
        request.position = Some(position);
    }
}

/// The queue is first come, first served: of threads that could stand behind the same requests, the
/// one that has slept longest stands behind the first. Such are the threads of one process that ask
/// for the same, and those of any where the table names nobody.
fn order_alike(requests: &mut [Request]) {
    let mut alike: HashMap<_, Vec<usize>> = HashMap::new();
    for (index, request) in requests.iter().enumerate().filter(|(_, of)| of.tid.is_some()) {
        let told = request.pid.filter(|_| !request.inferred);
        let key = (told, request.mechanism, request.mode, request.range);
        alike.entry(key).or_default().push(index);
    }
    for places in alike.into_values().filter(|places| places.len() > 1) {
        let mut waiters: Vec<Request> =
            places.iter().map(|&place| requests[place].clone()).collect();
        waiters.sort_by_key(|waiter| std::cmp::Reverse(waiter.last_ran));
        for (place, waiter) in places.into_iter().zip(waiters) {
            let (position, depth) = (requests[place].position, requests[place].depth);
            requests[place] = Request { position, depth, ..waiter };
        }
    }
}

/// Who stands behind a request.
#[derive(Debug, Clone, Copy, Default)]
struct Waiter {
    pid: Option<Pid>,
    tid: Option<Pid>,
    fd: Option<i32>,
    inferred: bool,
}

impl Waiter {
    fn request(self, depth: u32, mechanism: Mechanism, mode: Mode, range: Range) -> Request {
        Request {
            pid: self.pid,
            tid: self.tid,
            inferred: self.inferred,
            timed: false,
            position: None,
            depth,
            mechanism,
            fd: self.fd,
            mode,
            range,
            waited: Span::default(),
            last_ran: None,
            passed_by: 0,
            how: How::Kernel,
            declared: false,
            tries: None,
            pause: None,
        }
    }
}

/// The threads that wait for locks, as far as they may be known.
struct Threads {
    sleepers: Vec<Sleeper>,
    by_pid: HashMap<Pid, Vec<usize>>,
}

impl Threads {
    fn of(system: &System, table: &Table, beyond_table: bool) -> Self {
        let requests = || table.entries.iter().flat_map(|entry| &entry.waiting);
        // Whoever waits by an open file description has no name in the table: ask everybody.
        let everybody = beyond_table || requests().any(|(_, request)| request.kind == Kind::Ofd);
        let pids = if everybody {
            system.pids().unwrap_or_default()
        } else {
            let mut pids: Vec<Pid> =
                requests().map(|(_, request)| request.pid).filter(|pid| *pid > 0).collect();
            pids.sort_unstable();
            pids.dedup();
            pids
        };
        let callers: Vec<_> = pids.into_iter().flat_map(|pid| callers(system, pid)).collect();
        let sleepers = sleepers(system, &callers);
        let mut by_pid: HashMap<Pid, Vec<usize>> = HashMap::new();
        for (index, sleeper) in sleepers.iter().enumerate() {
            by_pid.entry(sleeper.pid).or_default().push(index);
        }
        Self { sleepers, by_pid }
    }

    /// Finds the thread behind a request; `alike` requests of the lock have no name.
    fn behind(
        &mut self,
        system: &System,
        request: &Record,
        file: Option<FileId>,
        alike: usize,
    ) -> Waiter {
        if request.kind == Kind::Ofd {
            return self.nameless(request, file, alike);
        }
        if request.pid <= 0 {
            return Waiter::default();
        }
        let pid = request.pid;
        let fitting = self
            .by_pid
            .get(&pid)
            .into_iter()
            .flatten()
            .copied()
            .find(|&index| self.sleepers[index].fits(request, file));
        if let Some(index) = fitting {
            return self.sleepers[index].take(false);
        }
        // Where its system call may not be read, the only thread of a process is the one that waits.
        let tid = match system.stat(pid) {
            Ok(stat) if stat.threads == 1 => Some(pid),
            Ok(_) if request.kind.mechanism() == Mechanism::Lease => breaker(system, pid),
            _ => None,
        };
        Waiter { pid: Some(pid), tid, fd: None, inferred: false }
    }

    /// An open-file-description request: a thread that fits.
    fn nameless(&mut self, request: &Record, file: Option<FileId>, alike: usize) -> Waiter {
        let mut fitting = self.sleepers.iter_mut().filter(|sleeper| sleeper.fits(request, file));
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => only.take(alike > 1),
            (Some(first), Some(_)) => first.take(true),
            (None, _) => Waiter::default(),
        }
    }

    /// Queues the threads that stand in no table behind the locks of their files.
    fn enqueue_the_others(&mut self, locks: &mut [Sighting]) {
        for sleeper in self.sleepers.iter_mut().filter(|sleeper| !sleeper.taken) {
            let wanted = sleeper.wanted;
            let mode = wanted.mode.unwrap_or(Mode::Exclusive);
            let range = wanted.range.unwrap_or(Range::WHOLE);
            let file = sleeper.file;
            let blocks = |lock: &&mut Sighting| {
                lock.keeper.as_ref().is_some_and(|keeper| keeper.stat.file == file)
                    && lock.facts.mechanism.conflicts_with(wanted.mechanism)
                    && lock.facts.mode().conflicts_with(mode)
                    && lock.facts.range.overlaps(&range)
            };
            if let Some(lock) = locks.iter_mut().find(blocks) {
                let waiter = sleeper.take(true);
                lock.facts.requests.push(waiter.request(1, wanted.mechanism, mode, range));
            }
        }
    }
}

impl Sleeper {
    /// Makes it the one behind a request.
    fn take(&mut self, inferred: bool) -> Waiter {
        self.taken = true;
        Waiter { pid: Some(self.pid), tid: Some(self.tid), fd: Some(self.wanted.fd), inferred }
    }

    /// Whether this thread can be the one that made the request for that file.
    fn fits(&self, request: &Record, file: Option<FileId>) -> bool {
        let same_file = match (file, request.file) {
            (Some(file), _) => self.file == file,
            (None, Some(in_table)) => self.file.inode == in_table.inode,
            (None, None) => false,
        };
        !self.taken
            && same_file
            && self.wanted.mechanism == request.kind.mechanism()
            && self.wanted.mode.is_none_or(|mode| mode == request.mode)
            && self.wanted.range.is_none_or(|range| range == request.range)
    }
}

/// The threads of a process that sleep in a system call for a lock; none where it may not be read.
fn callers(system: &System, pid: Pid) -> Vec<(Pid, Pid, LockCall)> {
    let mut callers = Vec::new();
    let tids = match system.stat(pid) {
        Ok(stat) if stat.threads == 1 => vec![pid],
        _ => system.tids(pid).unwrap_or_default(),
    };
    for tid in tids {
        // Where one thread may not be read, none of them may.
        let Ok(call) = system.lock_call(pid, tid) else { break };
        callers.extend(call.map(|call| (pid, tid, call)));
    }
    callers
}

/// What those ask for, and on which files.
fn sleepers(system: &System, callers: &[(Pid, Pid, LockCall)]) -> Vec<Sleeper> {
    let sleeper = |(&(pid, tid, _), wanted): (&(Pid, Pid, LockCall), Wanted)| {
        let file = system.descriptor(pid, tid, wanted.fd).ok()?.file;
        Some(Sleeper { pid, tid, wanted, file, taken: false })
    };
    callers.iter().zip(system.wanted(callers)).filter_map(sleeper).collect()
}

/// The thread of a process that waits for a lease to be given up.
fn breaker(system: &System, pid: Pid) -> Option<Pid> {
    let tids = system.tids(pid).ok()?;
    tids.into_iter().find(|&tid| system.wchan(pid, tid).as_deref() == Some("__break_lease"))
}

/// How long each has waited: since its thread last ran at least, since the thread started at most;
/// and whether it has set itself a limit.
pub(super) fn bound_waits(
    system: &System,
    anatomy: &BTreeMap<Pid, Arc<Anatomy>>,
    at: Moment,
    locks: &mut [Sighting],
) {
    let holders: HashSet<Pid> = locks
        .iter()
        .flat_map(|lock| &lock.facts.grants)
        .flat_map(|grant| grant.sharers.iter().map(|sharer| sharer.pid))
        .collect();
    for lock in locks.iter_mut() {
        for request in &mut lock.facts.requests {
            // It matters where others may wait for the one who waits.
            request.timed =
                request.pid.is_some_and(|pid| holders.contains(&pid) && system.has_timer(pid));
            let Some(process) = request.pid.and_then(|pid| anatomy.get(&pid)) else { continue };
            request.last_ran = match request.tid {
                Some(tid) => process.idle(tid, at),
                // One of them waits: it has done so for at least as long as the last one ran.
                None => process.process.idle(at),
            };
            if let Some(start) = start_of(system, process, request.tid) {
                let age = at.uptime.saturating_sub(system.since_boot(start));
                request.waited.at_most(age, Evidence::ProcessStart);
            }
            if let Some(ran) = request.last_ran {
                request.waited.at_least(ran, Evidence::Scheduler);
            }
        }
        order_alike(&mut lock.facts.requests);
    }
}

/// When a thread started, in ticks; when the process did, where the thread is not known.
fn start_of(system: &System, process: &Anatomy, tid: Option<Pid>) -> Option<u64> {
    let pid = process.process.pid?;
    match tid {
        Some(tid) if tid != pid => Some(system.thread_stat(pid, tid).ok()?.start),
        _ => process.process.start,
    }
}
