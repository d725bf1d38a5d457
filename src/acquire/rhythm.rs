//! When to look again for what nobody tells: growing pauses, ended early by what the system reports.

use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{Config, Event, EventKindMask, RecommendedWatcher, RecursiveMode};
use notify::{WatchPathConfig, Watcher as _};

use super::handshake::Stop;
use super::request::Pauses;

/// The first pause after an event: that a file is closed is told just before its locks go, and whoever
/// closes it may have to wait for a processor in between.
const EARLY: Duration = Duration::from_millis(10);

/// The lengths of successive pauses.
#[derive(Debug)]
pub(super) struct Rhythm {
    pauses: Pauses,
    next: Duration,
}

impl Rhythm {
    pub(super) fn new(pauses: Pauses) -> Self {
        Self { pauses, next: pauses.first.min(pauses.longest) }
    }

    /// The next pause: at random between half of its turn's length and all of it.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.next;
        let grown = pause.as_secs_f64() * self.pauses.growth.max(1.0);
        self.next = Duration::try_from_secs_f64(grown)
            .map_or(self.pauses.longest, |grown| grown.min(self.pauses.longest));
        pause / 2 + (pause / 2).mul_f64(random())
    }
}

/// At random from 0 to 1. Not for secrets.
fn random() -> f64 {
    RandomState::new().hash_one(()) as f64 / u64::MAX as f64
}

/// Lingers where there is no queue.
#[derive(Debug)]
pub(crate) struct Lingering {
    rhythm: Rhythm,
    /// The next pause instead, for a while after an event.
    early: Option<Duration>,
    kinds: EventKindMask,
    watch: Option<Watch>,
}

/// One path that is watched, as long as it is the same.
#[derive(Debug)]
struct Watch {
    place: PathBuf,
    name: PathBuf,
    /// What tells whether `place` is still what was watched.
    mark: Mark,
    /// `None` where it cannot be watched: then there are pauses only.
    _watcher: Option<RecommendedWatcher>,
}

/// What was at a watched path, as far as the caller can tell.
pub(crate) type Mark = Option<crate::model::FileId>;

impl Lingering {
    /// Events of other kinds end no pause.
    pub(crate) fn new(pauses: Pauses, kinds: EventKindMask) -> Self {
        Self { rhythm: Rhythm::new(pauses), early: None, kinds, watch: None }
    }

    /// Pauses until something happens to `name`, which is `place` or in it, or for as long as it is
    /// this pause's turn, which is short for a while after that. Returns at once when this is the first time for what is at `place`: what
    /// happened before it was watched has not been reported.
    pub(crate) fn linger(&mut self, place: &Path, name: &Path, mark: Mark, stop: &Arc<Stop>) {
        let watched = self
            .watch
            .as_ref()
            .is_some_and(|watch| watch.place == place && watch.name == name && watch.mark == mark);
        if watched {
            let turn = self.early.unwrap_or_else(|| self.rhythm.next());
            let told = stop.pause(turn).then_some(EARLY);
            let later = self.early.map(|early| early * 2);
            self.early = told.or(later).filter(|early| *early < self.rhythm.next);
            return;
        }
        self.watch = Some(Watch {
            place: place.to_owned(),
            name: name.to_owned(),
            mark,
            _watcher: watch(place, name, self.kinds, stop).ok(),
        });
    }
}

/// Ends pauses when something happens to `name`. Errors cost promptness alone: the pauses stay.
fn watch(
    place: &Path,
    name: &Path,
    kinds: EventKindMask,
    stop: &Arc<Stop>,
) -> notify::Result<RecommendedWatcher> {
    let stop = Arc::downgrade(stop);
    let name = name.to_owned();
    let handler = move |event: notify::Result<Event>| {
        // What an error lost may have been ours.
        let is_ours = event.map_or(true, |event| event.paths.contains(&name));
        if let Some(stop) = stop.upgrade().filter(|_| is_ours) {
            stop.nudge();
        }
    };
    let mut watcher = RecommendedWatcher::new(handler, Config::default().with_event_kinds(kinds))?;
    let how = WatchPathConfig::new(RecursiveMode::NonRecursive);
    watcher.watch_with(place, how.with_dereference_symlinks(true))?;
    Ok(watcher)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_are_never_in_step() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_millis(500));
        let mut rhythm = Rhythm::new(Pauses { first, growth: 2.0, longest });
        for most in [100, 200, 400, 500, 500] {
            let most = Duration::from_millis(most);
            let pause = rhythm.next();
            assert!((most / 2..=most).contains(&pause), "{pause:?} of {most:?}");
        }
        let rest: Vec<_> = (0..8).map(|_| rhythm.next()).collect();
        assert!(rest.windows(2).any(|two| two[0] != two[1]), "{rest:?}");
    }

    #[test]
    fn after_an_event_pauses_are_short_for_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let never = Duration::from_hours(1);
        let pauses = Pauses { first: never, growth: 1.0, longest: never };
        let mut lingering = Lingering::new(pauses, EventKindMask::empty());
        let stop = Arc::default();
        let mut linger = || {
            lingering.linger(folder.path(), folder.path(), None, &stop);
            lingering.early
        };
        assert_eq!(linger(), None);
        stop.nudge();
        assert_eq!(linger(), Some(EARLY));
        assert_eq!([linger(), linger()], [2, 4].map(|times| Some(EARLY * times)));
    }

    #[test]
    fn odd_pauses_end_too() {
        for growth in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
            let longest = Duration::from_millis(7);
            let mut rhythm = Rhythm::new(Pauses { first: Duration::MAX, growth, longest });
            for _ in 0..3 {
                assert!(rhythm.next() <= longest);
            }
        }
        let endless = Pauses { first: Duration::from_secs(1), growth: 9.0, longest: Duration::MAX };
        let mut rhythm = Rhythm::new(endless);
        for _ in 0..100 {
            assert!(rhythm.next() > Duration::ZERO);
        }
    }
}
