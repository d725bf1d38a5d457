//! Places that nobody named: found by patterns, and below folders, in a thread of its own.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::aside::aside;
use super::platform;
use super::procfs::mounts::Mount;

/// So many entries are looked at: more than that is no folder that anybody wants to see locks of.
const MOST_ENTRIES: usize = 500_000;

/// So many folders are told in which something can come or go.
const MOST_FOLDERS: usize = 256;

/// What is found is announced so often at most.
const NEWS: Duration = Duration::from_millis(100);

/// Somebody who waits for a search waits so long.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether somebody is interested in a path.
pub(crate) type Wanted = Arc<dyn Fn(&Path) -> bool + Send + Sync>;

/// Has somebody come and see.
#[derive(Clone)]
pub(crate) struct Bell(Arc<dyn Fn() + Send + Sync>);

impl Bell {
    pub(crate) fn new(ring: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(ring))
    }

    pub(crate) fn ring(&self) {
        (self.0)();
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bell")
    }
}

/// What is to be searched.
pub(crate) struct Quest {
    pub(crate) patterns: Vec<Arc<str>>,
    /// All that is below these, and wanted.
    pub(crate) folders: Vec<PathBuf>,
    pub(crate) wanted: Wanted,
    /// Is rung when there is something to take in.
    pub(crate) bell: Option<Bell>,
}

/// What matches a pattern, as far as that was found in the time that a person would wait.
pub(super) fn matching(pattern: String, mounts: Vec<Mount>) -> BTreeSet<PathBuf> {
    let wanted: Wanted = Arc::new(|_: &Path| false);
    let patterns = vec![pattern.into()];
    let quest = Quest { patterns, folders: Vec::new(), wanted, bell: None };
    // Where no thread can be had nothing is found.
    let Ok(mut discovery) = Discovery::begin(quest, mounts) else { return BTreeSet::new() };
    let deadline = Instant::now() + PATIENCE;
    while discovery.state == State::UnderWay && Instant::now() < deadline {
        discovery.gather(deadline);
    }
    discovery.found
}

/// A search, from its beginning until what it found is forgotten.
#[derive(Debug)]
pub(crate) struct Discovery {
    pub(crate) found: BTreeSet<PathBuf>,
    /// Folders in which more can come, on file systems that answer: the uppermost.
    pub(crate) folders: BTreeSet<PathBuf>,
    pub(crate) state: State,
    steps: Receiver<Step>,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    UnderWay,
    /// It took so long. `complete`: everything was seen that was to be seen.
    Done {
        complete: bool,
        took: Duration,
    },
}

enum Step {
    Found(PathBuf),
    Passed(PathBuf),
    Done { complete: bool, took: Duration },
}

impl Discovery {
    /// Begins a search.
    ///
    /// # Errors
    /// When no thread can be had.
    pub(super) fn begin(quest: Quest, mounts: Vec<Mount>) -> io::Result<Self> {
        let (send, steps) = channel();
        aside(move || {
            let began = Instant::now();
            let Quest { patterns, folders, wanted, bell } = quest;
            let announcer = Announcer { steps: send, bell, last: None };
            let mut walk =
                Walk { mounts, wanted, entries: 0, passed: 0, complete: true, announcer };
            let all = patterns.iter().all(|pattern| walk.matching(pattern).is_some())
                && folders.into_iter().all(|folder| walk.below(folder).is_some());
            // Else nobody listens any more.
            if all {
                let Walk { complete, mut announcer, .. } = walk;
                announcer.last = None;
                let _ = announcer.tell(Step::Done { complete, took: began.elapsed() });
            }
        })?;
        let (found, folders) = (BTreeSet::new(), BTreeSet::new());
        Ok(Self { found, folders, state: State::UnderWay, steps })
    }

    /// Takes in what is there by then, or until it has ended; whether that is anything.
    pub(crate) fn gather(&mut self, until: Instant) -> bool {
        let mut any = false;
        while self.state == State::UnderWay {
            let left = until.saturating_duration_since(Instant::now());
            match self.steps.recv_timeout(left) {
                Ok(Step::Found(path)) => any |= self.found.insert(path),
                Ok(Step::Passed(folder)) => _ = self.folders.insert(folder),
                Ok(Step::Done { complete, took }) => {
                    self.state = State::Done { complete, took };
                    any = true;
                }
                Err(RecvTimeoutError::Timeout) => break,
                // It ended without a word.
                Err(RecvTimeoutError::Disconnected) => {
                    self.state = State::Done { complete: false, took: Duration::ZERO };
                    any = true;
                }
            }
        }
        any
    }
}

/// Tells whoever began the search, who may have forgotten it.
struct Announcer {
    steps: Sender<Step>,
    bell: Option<Bell>,
    /// When the bell was rung last.
    last: Option<Instant>,
}

impl Announcer {
    /// `None`: nobody listens any more.
    fn tell(&mut self, step: Step) -> Option<()> {
        let is_news = !matches!(step, Step::Passed(_));
        self.steps.send(step).ok()?;
        let is_due = self.last.is_none_or(|last| last.elapsed() >= NEWS);
        if let Some(bell) = self.bell.as_ref().filter(|_| is_news && is_due) {
            bell.ring();
            self.last = Some(Instant::now());
        }
        Some(())
    }
}

struct Walk {
    mounts: Vec<Mount>,
    wanted: Wanted,
    entries: usize,
    /// How many folders have been told.
    passed: usize,
    complete: bool,
    announcer: Announcer,
}

/// `None`: nobody listens any more.
impl Walk {
    fn may_hang(&self, path: &Path) -> bool {
        Mount::of_path(&self.mounts, path).is_some_and(Mount::may_hang)
    }

    fn passes(&mut self, folder: &Path) -> Option<()> {
        if self.passed == MOST_FOLDERS || self.may_hang(folder) {
            return Some(());
        }
        self.passed += 1;
        self.announcer.tell(Step::Passed(folder.to_owned()))
    }

    fn matching(&mut self, pattern: &str) -> Option<()> {
        // The folder before the first wildcard; what is not there matches nothing.
        let fixed = pattern.split(['*', '?', '[']).next().unwrap_or_default();
        let fixed = &fixed[..fixed.rfind('/').unwrap_or_default()];
        if self.may_hang(Path::new(fixed)) {
            return Some(());
        }
        let is_in_it = !pattern.get(fixed.len() + 1..).is_some_and(|name| name.contains('/'));
        if is_in_it && Path::new(fixed).is_dir() {
            self.passes(Path::new(fixed))?;
        }
        // What makes no pattern matches nothing, and what may not be read is not seen.
        for path in glob::glob(pattern).into_iter().flatten().flatten() {
            self.announcer.tell(Step::Found(path))?;
        }
        Some(())
    }

    /// On the same mount only; those first that are nearest.
    fn below(&mut self, folder: PathBuf) -> Option<()> {
        let Ok(top) = platform::stat_path(&folder) else {
            self.complete = false;
            return Some(());
        };
        let mut folders = VecDeque::from([folder]);
        while let Some(folder) = folders.pop_front() {
            let Ok(entries) = std::fs::read_dir(&folder) else {
                self.complete = false;
                continue;
            };
            self.passes(&folder)?;
            for entry in entries.flatten() {
                self.entries += 1;
                if self.entries > MOST_ENTRIES {
                    self.complete = false;
                    return Some(());
                }
                let path = entry.path();
                if (self.wanted)(&path) {
                    self.announcer.tell(Step::Found(path.clone()))?;
                }
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if is_folder && platform::stat_path(&path).is_ok_and(|at| at.mount == top.mount) {
                    folders.push_back(path);
                }
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Longer than anything takes.
    const SOON: Duration = Duration::from_mins(5);

    fn discover(patterns: Vec<Arc<str>>, folders: Vec<PathBuf>, wanted: &Wanted) -> Discovery {
        let quest = Quest { patterns, folders, wanted: Arc::clone(wanted), bell: None };
        let mut discovery = Discovery::begin(quest, Vec::new()).unwrap();
        assert!(discovery.gather(Instant::now() + SOON));
        discovery
    }

    #[test]
    fn nobody_waits_and_whoever_wants_is_told() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("x.lock"), "").unwrap();
        let (go_on, gate) = channel::<()>();
        let gate = std::sync::Mutex::new(gate);
        let wanted: Wanted = Arc::new(move |_| gate.lock().unwrap().recv().is_ok());
        let (tell, told) = channel();
        let tell = std::sync::Mutex::new(tell);
        let bell = Bell::new(move || {
            // The test may be over.
            let _ = tell.lock().unwrap().send(());
        });
        let folders = vec![folder.path().to_owned()];
        let quest = Quest { patterns: Vec::new(), folders, wanted, bell: Some(bell) };
        let mut discovery = Discovery::begin(quest, Vec::new()).unwrap();
        assert!(!discovery.gather(Instant::now()));
        go_on.send(()).unwrap();
        told.recv_timeout(SOON).unwrap();
        assert!(discovery.gather(Instant::now()));
        assert_eq!(discovery.found.len(), 1);
        while discovery.state == State::UnderWay {
            told.recv_timeout(SOON).unwrap();
            discovery.gather(Instant::now());
        }
    }

    #[test]
    fn what_is_wanted_is_found_wherever_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("a/b")).unwrap();
        for name in ["a/b/x.lock", "a/x.lock", "a/other", ".X0-lock", ".X1-lock"] {
            fs::write(path(name), "").unwrap();
        }
        std::os::unix::fs::symlink("/", path("a/root")).unwrap();
        let wanted: Wanted = Arc::new(|path| path.extension().is_some_and(|end| end == "lock"));
        let below = vec![path("a")];
        let pattern = format!("{}/.X*-lock", folder.path().display());
        let all = discover(vec![pattern.into()], below, &wanted);
        assert!(matches!(all.state, State::Done { complete: true, .. }));
        let folders = [folder.path().to_owned(), path("a"), path("a/b")];
        assert_eq!(all.folders, BTreeSet::from(folders));
        let all: Vec<PathBuf> = all.found.into_iter().collect();
        assert_eq!(
            all,
            ["X0", "X1"]
                .map(|x| path(&format!(".{x}-lock")))
                .into_iter()
                .chain([path("a/b/x.lock"), path("a/x.lock")])
                .collect::<Vec<_>>()
        );
        let nowhere = discover(Vec::new(), vec![path("nowhere")], &wanted);
        assert!(matches!(nowhere.state, State::Done { complete: false, .. }));
        assert!(nowhere.found.is_empty());
    }
}
