//! A scene that is traced.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use locktop::Inspector;
use locktop::model::{Event, Lock, Mechanism, PathBytes, Snapshot, Span};

use crate::support::{Actor, Need, Scene, wait_until};

/// A scene, and an inspector that is told of its locks.
pub(crate) struct Desk {
    pub(crate) scene: Scene,
    pub(crate) inspector: Inspector,
    /// All that it was told so far of the files of the scene.
    pub(crate) told: Vec<Event>,
}

impl Desk {
    /// With what the kernel tells, if it does.
    #[track_caller]
    pub(crate) fn traced() -> Option<Self> {
        let mut desk = Self::untraced()?;
        desk.traces();
        Some(desk)
    }

    #[track_caller]
    pub(crate) fn untraced() -> Option<Self> {
        let scene = Scene::with(&[Need::Tracing])?;
        Some(Self { scene, inspector: Inspector::new().unwrap(), told: Vec::new() })
    }

    #[track_caller]
    pub(crate) fn traces(&mut self) {
        // Room for what others lock while we are kept from reading it.
        let state = self.inspector.trace_with_buffers(4 << 10);
        assert!(state.is_on(), "{state:?}");
        assert_eq!(state.declined, None);
    }

    /// Looks, and takes in what was told.
    pub(crate) fn looks(&mut self) -> Arc<Snapshot> {
        let seen = self.inspector.look().unwrap();
        let folder = self.scene.folder().to_owned();
        let is_here = |event: &Event| {
            event.path.as_ref().is_some_and(|path| path.as_path().starts_with(&folder))
        };
        self.told.extend(self.inspector.take_traced().events.into_iter().filter(is_here));
        seen
    }

    /// The only lock there. A look can miss one where there are many on the machine.
    #[track_caller]
    pub(crate) fn sees(&mut self, name: &str) -> Lock {
        let path = self.scene.path(name);
        wait_until("a lock is seen", || {
            let seen = self.looks();
            let found: Vec<_> = seen.locks.iter().filter(|lock| is_at(lock, &path)).collect();
            assert!(found.len() < 2, "{} locks at {name}", found.len());
            found.first().copied().cloned()
        })
    }

    /// Looks until so many events of these processes at a file have been told: who, what.
    #[track_caller]
    pub(crate) fn hears(
        &mut self,
        name: &str,
        pids: &[i32],
        count: usize,
    ) -> Vec<(i32, &'static str)> {
        let path = self.scene.path(name);
        wait_until("all has been told", || {
            self.looks();
            (self.events(&path, pids).count() >= count).then_some(())
        });
        self.events(&path, pids).map(|event| (event.pid.unwrap(), event.kind.word())).collect()
    }

    /// What these processes did to a file: others have locked what had its number before.
    pub(crate) fn events(&self, path: &Path, pids: &[i32]) -> impl Iterator<Item = &Event> {
        let is_there =
            move |event: &&Event| event.path.as_ref().map(PathBytes::as_path) == Some(path);
        let is_theirs = |event: &&Event| event.pid.is_some_and(|pid| pids.contains(&pid));
        self.told.iter().filter(is_there).filter(is_theirs)
    }
}

pub(crate) fn is_at(lock: &Lock, path: &Path) -> bool {
    lock.mechanism != Mechanism::Exists && lock.path.as_ref().map(PathBytes::as_path) == Some(path)
}

/// The clock of events, as an actor reads it before and after it does something.
#[track_caller]
pub(crate) fn timed(actor: &Actor, source: &str) -> (Duration, Duration) {
    let answer = actor.does(format!(
        "[time.clock_gettime_ns(time.CLOCK_BOOTTIME), {source}, \
         time.clock_gettime_ns(time.CLOCK_BOOTTIME)]"
    ));
    let time = |place: usize| Duration::from_nanos(answer[place].as_u64().unwrap());
    (time(0), time(2))
}

/// Asserts that a span of a look at that moment began between two moments, and is exact.
#[track_caller]
pub(crate) fn began_between(span: &Span, at: Duration, (first, last): (Duration, Duration)) {
    assert_eq!(Some(span.min), span.max, "{span:?}");
    let began = at.checked_sub(span.min).unwrap();
    assert!(first <= began && began <= last, "{began:?} is not in {first:?} to {last:?}");
    assert!(span.evidence.iter().any(|evidence| evidence.to_string() == "traced"), "{span:?}");
}
