//! Places that nobody named: found by patterns, and below folders.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use super::aside::aside;
use super::platform;
use super::procfs::mounts::Mount;

/// Somebody who looks at all that is below a folder waits so long.
const PATIENCE: Duration = Duration::from_secs(2);

/// So many entries are looked at: more than that is no folder that anybody wants to see locks of.
const MOST_ENTRIES: usize = 500_000;

/// Whether somebody is interested in a path.
pub(crate) type Wanted = Arc<dyn Fn(&Path) -> bool + Send + Sync>;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Discovery {
    pub(crate) found: BTreeSet<PathBuf>,
    /// Whether everything was seen that was to be seen.
    pub(crate) complete: bool,
}

enum Step {
    Found(PathBuf),
    Done { complete: bool },
}

pub(super) fn discover(
    patterns: Vec<Arc<str>>,
    folders: Vec<PathBuf>,
    wanted: &Wanted,
    mounts: Vec<Mount>,
) -> Discovery {
    let mut discovery = Discovery::default();
    let (sender, receiver) = channel();
    let wanted = Arc::clone(wanted);
    let work = move || {
        let mut walk = Walk { mounts, wanted, entries: 0, complete: true, found: sender };
        let all = patterns.iter().all(|pattern| walk.matching(pattern).is_some())
            && folders.into_iter().all(|folder| walk.below(folder).is_some());
        // Else nobody listens any more.
        if all {
            drop(walk.found.send(Step::Done { complete: walk.complete }));
        }
    };
    if aside(work).is_err() {
        return discovery;
    }
    let deadline = Instant::now() + PATIENCE;
    while let Ok(step) = receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        match step {
            Step::Found(path) => _ = discovery.found.insert(path),
            Step::Done { complete } => {
                discovery.complete = complete;
                break;
            }
        }
    }
    discovery
}

struct Walk {
    mounts: Vec<Mount>,
    wanted: Wanted,
    entries: usize,
    complete: bool,
    found: Sender<Step>,
}

/// `None`: nobody listens any more.
impl Walk {
    fn found(&self, path: PathBuf) -> Option<()> {
        self.found.send(Step::Found(path)).ok()
    }

    fn matching(&mut self, pattern: &str) -> Option<()> {
        // The folder before the first wildcard; what is not there matches nothing.
        let fixed = pattern.split(['*', '?', '[']).next().unwrap_or_default();
        let fixed = &fixed[..fixed.rfind('/').unwrap_or_default()];
        if Mount::of_path(&self.mounts, Path::new(fixed)).is_some_and(Mount::may_hang) {
            return Some(());
        }
        // What makes no pattern matches nothing, and what may not be read is not seen.
        for path in glob::glob(pattern).into_iter().flatten().flatten() {
            self.found(path)?;
        }
        Some(())
    }

    /// On the same mount only.
    fn below(&mut self, folder: PathBuf) -> Option<()> {
        let Ok(top) = platform::stat_path(&folder) else {
            self.complete = false;
            return Some(());
        };
        let mut folders = vec![folder];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else {
                self.complete = false;
                continue;
            };
            for entry in entries.flatten() {
                self.entries += 1;
                if self.entries > MOST_ENTRIES {
                    self.complete = false;
                    return Some(());
                }
                let path = entry.path();
                if (self.wanted)(&path) {
                    self.found(path.clone())?;
                }
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if is_folder && platform::stat_path(&path).is_ok_and(|at| at.mount == top.mount) {
                    folders.push(path);
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
        let all = discover(vec![pattern.into()], below, &wanted, Vec::new());
        assert!(all.complete);
        let all: Vec<PathBuf> = all.found.into_iter().collect();
        assert_eq!(
            all,
            ["X0", "X1"]
                .map(|x| path(&format!(".{x}-lock")))
                .into_iter()
                .chain([path("a/b/x.lock"), path("a/x.lock")])
                .collect::<Vec<_>>()
        );
        let nowhere = discover(Vec::new(), vec![path("nowhere")], &wanted, Vec::new());
        assert!(!nowhere.complete && nowhere.found.is_empty());
    }
}
