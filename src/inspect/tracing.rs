//! The inspector told by the kernel what happens between its looks.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::Inspector;
use crate::ledger::Testimony;
use crate::model::{
    Event, EventKind, FileId, How, Look, Mechanism, Note, PathBytes, Snapshot, Tracing,
};
use crate::sources::trace::{Silencer, Trace, covers, tells};
use crate::system::procfs::mounts::Mount;
use crate::system::{Answer, Ask, System};

/// So many events are kept for whoever takes them.
const UNTAKEN: usize = 100_000;

/// What the trace has told, and of what it tells all.
#[derive(Debug, Clone, Default)]
pub struct Traced {
    /// What has happened since it was asked last, in order.
    pub events: Vec<Event>,
    /// All that has happened since then to the locks that it [tells](Self::tells) of is among these
    /// events or those taken before; as time since boot. `None` where nothing is traced.
    pub since: Option<Duration>,
}

impl Traced {
    /// Whether all such events of such locks since then have been told, so that nobody has to infer
    /// them from looks. `then` is a time since boot.
    #[must_use]
    pub fn tells(&self, kind: EventKind, mechanism: Mechanism, then: Duration) -> bool {
        self.since.is_some_and(|since| since <= then) && covers(mechanism) && tells(kind)
    }
}

/// The trace, if there is one.
#[derive(Debug, Default)]
pub(super) struct Tracks {
    trace: Option<Trace>,
    declined: Option<Note>,
    untaken: Vec<Event>,
    /// Since when events are told without a gap.
    since: Option<Duration>,
    /// The only files that matter; `None`: any can.
    named: Option<Vec<PathBuf>>,
    /// Whether the last look was of one moment.
    pub(super) at_once: bool,
    /// Whether the last look showed somebody who tries.
    showed_pollers: bool,
    last: Option<Arc<Snapshot>>,
}

impl Inspector {
    /// Has the kernel tell each request, grant and release of a lock at its instant, from now on: ages
    /// and waits of what happens then are exact, [`take_traced`](Self::take_traced) has what happened
    /// between two looks, and looks show those who try again and again without queueing.
    ///
    /// Needs root, Linux with tracefs, and its first pid namespace; where it cannot be,
    /// [`tracing`](Self::tracing) says why, and all else goes on as before. Uses a trace buffer of its
    /// own, which [`stop_tracing`](Self::stop_tracing) and dropping remove; what a killed process left
    /// is removed here.
    pub fn trace(&mut self) -> Tracing {
        self.trace_in(None)
    }

    /// The same with buffers of another size than usual, in kilobytes for each processor.
    #[doc(hidden)]
    pub fn trace_with_buffers(&mut self, kilobytes: u32) -> Tracing {
        self.trace_in(Some(kilobytes))
    }

    fn trace_in(&mut self, kilobytes: Option<u32>) -> Tracing {
        if self.tracks.trace.is_none() {
            let files = self.traced_files();
            let bell = self.scope.bell.clone();
            let wake = move || {
                if let Some(bell) = &bell {
                    bell.ring();
                }
            };
            match Trace::start(&self.system, files, kilobytes, wake) {
                Ok(trace) => {
                    self.tracks.declined = None;
                    self.tracks.trace = Some(trace);
                }
                Err(note) => self.tracks.declined = Some(note),
            }
        }
        self.tracing()
    }

    /// What silences the trace, from any thread, if this one hangs.
    pub(crate) fn silencer(&self) -> Option<Silencer> {
        self.tracks.trace.as_ref()?.silencer()
    }

    /// Traces no longer, and removes the trace's buffer.
    pub fn stop_tracing(&mut self) {
        self.tracks.trace = None;
        self.tracks.declined = None;
        self.tracks.since = None;
        // Whoever tries is not seen any more.
        self.last = None;
    }

    /// Whether and how locks are traced.
    #[must_use]
    pub fn tracing(&self) -> Tracing {
        match &self.tracks.trace {
            Some(trace) => trace.state(self.system.now()),
            None => Tracing { declined: self.tracks.declined.clone(), ..Tracing::default() },
        }
    }

    /// What the trace has told of all locks until the last look, and nobody has taken yet.
    pub fn take_traced(&mut self) -> Traced {
        let events = std::mem::take(&mut self.tracks.untaken);
        Traced { events, since: self.tracks.since }
    }

    /// Has only those files traced that matter by now.
    pub(super) fn aim_trace(&mut self) {
        if self.tracks.trace.is_some() && self.tracks.named.is_some() {
            let files = self.traced_files();
            if let Some(trace) = &self.tracks.trace {
                trace.only(files, &self.system);
            }
        }
    }

    /// The numbers of the files that were named; `None` where others matter too.
    fn traced_files(&self) -> Option<HashSet<FileId>> {
        let can_be_others = self.scope.everywhere || !self.scope.folders.is_empty();
        let named = self.tracks.named.as_ref().filter(|_| !can_be_others)?;
        let mounts = self.system.mounts(None);
        let ask = |path: &PathBuf| {
            let mount = Mount::of_path(&mounts, path)?.point.clone();
            Some(Ask { path: path.clone(), root: None, mount })
        };
        let asks: Vec<Ask> = named.iter().map(ask).collect::<Option<_>>()?;
        let answers = self.system.look_up(asks);
        let mut files = HashSet::new();
        for answer in answers {
            // What is not there can come, with any number.
            let Answer::Found(stat) = answer else { return None };
            files.insert(Mount::number_in_table(&mounts, &stat));
        }
        // A file that was replaced can still be locked.
        let is_named = |path: &PathBytes| named.iter().any(|named| named == path.as_path());
        let shown = self.tracks.last.iter().flat_map(|last| &last.locks);
        let replaced = shown.filter(|lock| lock.path.as_ref().is_some_and(is_named));
        files.extend(replaced.filter_map(|lock| lock.table_file));
        Some(files)
    }
}

impl Tracks {
    /// Only what is named from now on matters.
    pub(super) fn expect_named(&mut self) {
        self.named = Some(Vec::new());
    }

    pub(super) fn expect_at(&mut self, path: &Path) {
        if let Some(named) = &mut self.named {
            named.push(path.to_owned());
        }
    }

    /// Anything can matter.
    pub(super) fn expect_anything(&mut self) {
        self.named = None;
    }

    /// Whether each look has something new to tell.
    pub(super) fn are_restless(&self) -> bool {
        self.showed_pollers || self.trace.as_ref().is_some_and(Trace::shows_pollers)
    }

    pub(super) fn testify(&self, looks: &mut [Look], system: &System) -> Testimony {
        self.trace.as_ref().map(|trace| trace.testify(looks, system)).unwrap_or_default()
    }

    /// Takes in what has been told until this look.
    pub(super) fn follow(&mut self, seen: &Arc<Snapshot>) {
        let waiters = seen.locks.iter().flat_map(|lock| &lock.waiters);
        self.showed_pollers = waiters.into_iter().any(|waiter| waiter.how == How::Polling);
        self.last = self.named.is_some().then(|| Arc::clone(seen));
        let Some(trace) = &mut self.trace else { return };
        let began = seen.at.uptime.saturating_sub(seen.cost);
        self.untaken.extend(trace.take(seen, began, self.at_once));
        self.since = Some(trace.unbroken_since());
        if self.untaken.len() > UNTAKEN {
            // Nobody takes them: the newer ones are worth more.
            self.untaken.drain(..self.untaken.len() - UNTAKEN / 2);
            self.since = Some(seen.at.uptime);
        }
    }
}
