//! The kernel's trace as a witness: it is told of every request, grant and release at its instant, and
//! so makes exact what looks only bound, and shows who tries without standing in a queue.

mod machine;
mod past;
mod polling;
mod ranges;
mod telling;
mod testifying;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::model::{FileId, Moment, Note, Tracing};
use crate::system::System;
pub(crate) use crate::system::trace::Silencer;
use crate::system::trace::{Batch, Loss, Reason, Record, Stop, Tracer, Waiter, What};
use machine::{Limits, Machine};
use polling::Polling;
use telling::{Onlooker, Told};
pub(crate) use telling::{covers, tells};

/// From an event to its reading: it has settled by then, and whoever made it may still be there.
const SETTLE: Duration = Duration::from_micros(1_500);
/// From a reading of the trace to the next one: whoever is traced wakes us once in that time. The
/// buffers last for five times as long.
const PAUSE: Duration = Duration::from_millis(8);

/// So many transitions are kept until somebody takes them.
const UNTOLD: usize = 100_000;

/// A running trace, with a thread of its own that reads it.
#[derive(Debug)]
pub(crate) struct Trace {
    shared: Arc<Mutex<Shared>>,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
    since: Moment,
    past: past::Past,
}

/// What the reading thread and whoever looks have in common.
#[derive(Debug)]
struct Shared {
    tracer: Tracer,
    machine: Machine,
    polling: Polling,
    onlooker: Onlooker,
    /// What has happened, and nobody has taken yet.
    told: Vec<Told>,
    /// All that happened since then is among it, or was taken.
    told_since: Duration,
    /// All that happened until then has been read.
    until: Duration,
    events: u64,
    lost: u64,
    cost: Duration,
    follows_forks: bool,
    /// What is traced, if not all files.
    only: Option<HashSet<FileId>>,
    trouble: Option<Note>,
}

impl Trace {
    /// Begins to trace the locks of these files, or all. `kilobytes`: another size than usual for
    /// the buffer of each processor. `wake` is called, from a thread of its own, when something has
    /// happened.
    pub(crate) fn start(
        system: &System,
        files: Option<HashSet<FileId>>,
        kilobytes: Option<u32>,
        wake: impl Fn() + Send + 'static,
    ) -> Result<Self, Note> {
        let list = files.as_ref().map(|files| files.iter().copied().collect::<Vec<_>>());
        let tracer = Tracer::start(system, list.as_deref(), kilobytes).map_err(Reason::note)?;
        let since = system.now();
        let failed = |error: io::Error| Reason::Failed("begin to read the trace", error).note();
        let (waiter, stop) = (tracer.waiter().map_err(failed)?, tracer.stopper());
        let shared = Arc::new(Mutex::new(Shared {
            trouble: without(tracer.missing()),
            tracer,
            machine: Machine::new(since.uptime, Limits::default()),
            polling: Polling::default(),
            onlooker: Onlooker::new(system.again()),
            told: Vec::new(),
            told_since: since.uptime,
            until: since.uptime,
            events: 0,
            lost: 0,
            cost: Duration::ZERO,
            follows_forks: false,
            only: files,
        }));
        let of_thread = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("trace".into())
            .spawn(move || read_on(&of_thread, &waiter, &wake))
            .map_err(failed)?;
        Ok(Self { shared, stop, thread: Some(thread), since, past: past::Past::default() })
    }

    /// How it goes.
    pub(crate) fn state(&self, now: Moment) -> Tracing {
        let shared = lock(&self.shared);
        let unbroken = now.uptime.saturating_sub(shared.machine.since());
        let wall =
            now.wall.checked_sub(jiff::SignedDuration::try_from(unbroken).unwrap_or_default());
        Tracing {
            since: Some(self.since),
            unbroken_since: Some(Moment {
                wall: wall.unwrap_or(now.wall),
                uptime: shared.machine.since(),
            }),
            events: shared.events,
            lost: shared.lost + shared.machine.dropped(),
            cost: shared.cost,
            declined: shared.trouble.clone(),
        }
    }

    /// Traces these files only, or all.
    pub(crate) fn only(&self, files: Option<HashSet<FileId>>, system: &System) {
        let mut shared = lock(&self.shared);
        if shared.only == files {
            return;
        }
        let list = files.as_ref().map(|files| files.iter().copied().collect::<Vec<_>>());
        match shared.tracer.only(list.as_deref()) {
            Ok(()) => {
                // What is new is known from now on; so is what stayed, rather than told apart.
                shared.machine.forget(system.now().uptime);
                shared.only = files;
            }
            Err(error) => shared.fail(&error),
        }
    }
}

impl Trace {
    /// What silences it if nobody can wait for its end.
    pub(crate) fn silencer(&self) -> Option<Silencer> {
        lock(&self.shared).tracer.silencer().ok()
    }

    /// Since when everything has been told, as time since boot.
    pub(crate) fn unbroken_since(&self) -> Duration {
        let shared = lock(&self.shared);
        shared.machine.since().max(shared.told_since)
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        self.stop.stop();
        // The thread has the pipes open, with which the instance could not be removed. It waits for
        // nobody but us.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The shared state is whole between two readings: whoever panicked in one left it usable.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read_on(shared: &Mutex<Shared>, waiter: &Waiter, wake: &impl Fn()) {
    loop {
        match waiter.wait() {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return lock(shared).fail(&error),
        }
        if !waiter.pause(SETTLE) {
            return;
        }
        let has_news = lock(shared).read();
        if has_news {
            wake();
        }
        if !waiter.pause(PAUSE) {
            return;
        }
    }
}

fn without(missing: &[&'static str]) -> Option<Note> {
    (!missing.is_empty()).then(|| Note {
        code: "trace_incomplete",
        text: format!("this kernel lacks tracepoints: {}", missing.join(", ")),
        would_help: None,
    })
}

impl Shared {
    /// Reads what has happened; whether there was anything of interest.
    fn read(&mut self) -> bool {
        let now = self.onlooker.system.now().uptime;
        let before = crate::system::thread_time();
        let has_news = match self.tracer.read(now) {
            Ok(batch) => self.take(batch),
            Err(error) => {
                self.fail(&error);
                false
            }
        };
        let spent = crate::system::thread_time().zip(before);
        self.cost += spent.map_or(Duration::ZERO, |(now, before)| now.saturating_sub(before));
        has_news
    }

    fn take(&mut self, batch: Batch) -> bool {
        let Batch { records, mut losses, until } = batch;
        self.until = self.until.max(until);
        losses.sort_by_key(|loss| loss.before);
        let mut losses = losses.into_iter().peekable();
        let (mut has_news, first) = (false, self.told.len());
        self.onlooker.begin();
        for record in records {
            while let Some(loss) = losses.next_if(|loss| loss.before <= record.at) {
                self.lose(loss);
            }
            has_news |= self.enter(record);
        }
        losses.for_each(|loss| self.lose(loss));
        let first = first.min(self.told.len());
        if self.told[first..].iter().any(Told::is_nameless) {
            let commands = self.tracer.commands();
            telling::name(&mut self.told[first..], &commands);
        }
        self.polling.settle(self.until, &self.onlooker);
        let wants_forks = self.polling.wants_births();
        if wants_forks != self.follows_forks {
            self.tracer.follow_forks(wants_forks);
            self.follows_forks = wants_forks;
        }
        has_news
    }

    fn enter(&mut self, record: Record) -> bool {
        if let What::Fork { child } = record.what {
            self.polling.born(record.tid, child);
            return false;
        }
        self.events += 1;
        let is_ours = self.onlooker.is_ours(&record);
        let outcome = self.machine.enter(record);
        if let Some(tried) = &outcome.failed {
            self.polling.tried(tried, &self.onlooker);
        }
        for transition in outcome.transitions {
            let is_success = matches!(
                transition.kind,
                crate::model::EventKind::Acquired | crate::model::EventKind::Granted
            );
            if is_success {
                let pid = transition.pid.unwrap_or(transition.tid);
                let (file, mechanism) = (transition.file, transition.mechanism);
                self.polling.got(file, mechanism, pid, &self.onlooker);
            }
            self.tell(transition);
        }
        !is_ours
    }

    fn tell(&mut self, transition: machine::Transition) {
        if self.told.len() >= UNTOLD {
            // Nobody listens, or far too slowly: the newer half is enough.
            let left_out = self.told.drain(..UNTOLD / 2).map(|told| told.transition.at).max();
            self.told_since = self.told_since.max(left_out.unwrap_or_default());
            self.lost += UNTOLD as u64 / 2;
        }
        self.told.push(self.onlooker.tell(transition));
    }

    fn lose(&mut self, loss: Loss) {
        self.lost += loss.count;
        self.machine.lose(loss);
    }

    fn fail(&mut self, error: &io::Error) {
        self.machine.forget(self.onlooker.system.now().uptime);
        self.trouble = Some(Note {
            code: "trace_failed",
            text: format!("the trace of locks cannot be read any more: {error}"),
            would_help: None,
        });
    }
}
