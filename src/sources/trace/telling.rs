//! Who it was, and which file: asked at once, since whoever locks for a moment is soon gone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::machine::Transition;
use super::polling::Kin;
use crate::model::{
    Event, EventKind, Evidence, FileId, Lock, LockId, Mechanism, Moment, PathBytes, Pid, Range,
    Snapshot, Span,
};
use crate::sources::kernel::as_it_was;
use crate::system::System;
use crate::system::procfs::mounts::Mount;
use crate::system::trace::{Record, What};

/// So many names are remembered, of threads and of files each.
const NAMES: usize = 1 << 12;
/// So many descriptors are looked at, at one reading of the trace, to find files: some milliseconds.
const DESCRIPTORS: usize = 1 << 10;
/// What it costs to open a folder of descriptors, in descriptors.
const OPENING: usize = 16;

/// A transition with names.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) transition: Transition,
    pub(super) pid: Option<Pid>,
    pub(super) command: Option<Arc<str>>,
    pub(super) path: Option<PathBytes>,
    pub(super) evidence: Evidence,
    /// How long it lasted, where looks know more than the trace.
    pub(super) span: Option<Span>,
}

/// Whoever asks the processes.
#[derive(Debug)]
pub(super) struct Onlooker {
    pub(super) system: System,
    own: Pid,
    threads: HashMap<Pid, Thread>,
    files: HashMap<FileId, Known>,
    mounts: Vec<Mount>,
    /// How many descriptors may still be looked at.
    budget: usize,
}

/// The name of a file, as it was last known.
#[derive(Debug)]
struct Known {
    path: PathBytes,
    /// Whether it has mattered since the last look.
    used: bool,
}

#[derive(Debug, Clone)]
struct Thread {
    pid: Option<Pid>,
    command: Option<Arc<str>>,
}

impl Kin for Onlooker {
    fn parent(&self, pid: Pid) -> Option<Pid> {
        self.system.stat(pid).ok().map(|stat| stat.parent)
    }

    fn start(&self, pid: Pid) -> Option<u64> {
        use crate::model::State;
        let stat = self.system.stat(pid).ok()?;
        let is_over = matches!(stat.state, Some(State::Zombie | State::Dead)) && stat.threads <= 1;
        (!is_over).then_some(stat.start)
    }
}

impl Onlooker {
    pub(super) fn new(system: System) -> Self {
        Self {
            system,
            own: std::process::id().cast_signed(),
            threads: HashMap::new(),
            files: HashMap::new(),
            mounts: Vec::new(),
            budget: DESCRIPTORS,
        }
    }

    /// Whether it is about what this process did: no reason to look.
    pub(super) fn is_ours(&self, record: &Record) -> bool {
        match record.what {
            What::Lock(asked) => asked.pid.unwrap_or(record.tid) == self.own,
            _ => record.tid == self.own || self.system.thread_stat(self.own, record.tid).is_ok(),
        }
    }

    /// A new reading of the trace begins.
    pub(super) fn begin(&mut self) {
        self.budget = DESCRIPTORS;
    }

    pub(super) fn tell(&mut self, transition: Transition) -> Told {
        let thread = self.thread(transition.tid);
        let pid = transition.pid.or(thread.pid);
        let path = self.path(&transition, pid.unwrap_or(transition.tid));
        Told {
            transition,
            pid,
            command: thread.command,
            path,
            evidence: Evidence::Traced,
            span: None,
        }
    }

    /// Of what a look has shown, the names are known. Others are forgotten that did not matter since
    /// the look before: their numbers are given out again.
    pub(super) fn learn(&mut self, snapshot: &Snapshot) {
        self.threads.clear();
        self.files.retain(|_, known| std::mem::take(&mut known.used));
        for lock in snapshot.locks.iter().take(NAMES) {
            if let (Some(file), Some(path)) = (lock.table_file, &lock.path) {
                self.know(file, path.clone());
            }
        }
    }

    /// The last known name of a file.
    pub(super) fn name_of(&self, file: FileId) -> Option<&PathBytes> {
        self.files.get(&file).map(|known| &known.path)
    }

    fn know(&mut self, file: FileId, path: PathBytes) {
        if self.files.len() >= NAMES {
            self.files.clear();
        }
        self.files.insert(file, Known { path, used: true });
    }

    fn thread(&mut self, tid: Pid) -> Thread {
        if let Some(known) = self.threads.get(&tid) {
            return known.clone();
        }
        let thread = match self.system.stat(tid) {
            Ok(stat) => Thread {
                pid: self.system.process_of(tid),
                command: Some(String::from_utf8_lossy(&stat.command).into()),
            },
            Err(_) => Thread { pid: None, command: None },
        };
        if self.threads.len() >= NAMES {
            self.threads.clear();
        }
        self.threads.insert(tid, thread.clone());
        thread
    }

    fn path(&mut self, transition: &Transition, pid: Pid) -> Option<PathBytes> {
        let file = transition.file;
        // Whoever comes may come to another file that has got the number of one that was removed.
        let comes = matches!(transition.kind, EventKind::Acquired | EventKind::Queued);
        if comes || !self.files.contains_key(&file) {
            let path = self.search(file, pid);
            if let Some(path) = &path {
                self.know(file, path.clone());
            } else if let Some(known) = self.files.get_mut(&file) {
                known.used = true;
            }
            return path;
        }
        let known = self.files.get_mut(&file)?;
        known.used = true;
        Some(known.path.clone())
    }

    /// The path by which a process has the file open; `None` where it is none of our file tree.
    fn search(&mut self, file: FileId, pid: Pid) -> Option<PathBytes> {
        if self.budget == 0 {
            return None;
        }
        if self.system.shares_our_tree(pid) != Some(true) {
            return None;
        }
        let descriptors = self.system.descriptors(pid).ok()?;
        let mut numbers = descriptors.numbers().ok()?;
        // To list them costs as well.
        self.budget = self.budget.saturating_sub(OPENING + numbers.len() / 4);
        numbers.drain(..numbers.len().saturating_sub(self.budget));
        // What was opened last is likely to be it.
        for fd in numbers.into_iter().rev() {
            self.budget = self.budget.saturating_sub(1);
            let Ok(stat) = descriptors.stat(fd) else { continue };
            if stat.file.inode != file.inode {
                continue;
            }
            let is_known = self.mounts.iter().any(|mount| Some(mount.id) == stat.mount);
            if !is_known {
                self.mounts = self.system.mounts(None);
            }
            if Mount::number_in_table(&self.mounts, &stat) == file {
                let path = descriptors.path(fd).ok()?.into();
                return Some(as_it_was(&self.system, &self.mounts, path, &stat).into());
            }
        }
        None
    }
}

/// The locks of a look by what the trace knows them by.
#[derive(Default)]
pub(super) struct Index<'a>(HashMap<(FileId, Mechanism, Range), &'a Lock>);

impl<'a> Index<'a> {
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        let key = |lock: &Lock| Some((lock.table_file?, lock.mechanism, lock.range?));
        Self(snapshot.locks.iter().filter_map(|lock| Some((key(lock)?, lock))).collect())
    }

    pub(super) fn has(&self, file: FileId, mechanism: Mechanism, range: Range) -> bool {
        self.0.contains_key(&(file, mechanism, range))
    }
}

/// Names those who had ended before they could be asked, by what the kernel remembers of them: lines
/// of a number and a name.
pub(super) fn name(told: &mut [Told], commands: &str) {
    let line = |line: &str| {
        let (tid, command) = line.trim_start().split_once(' ')?;
        Some((tid.parse::<Pid>().ok()?, Arc::<str>::from(command)))
    };
    let commands: HashMap<Pid, Arc<str>> = commands.lines().filter_map(line).collect();
    for told in told.iter_mut().filter(|told| told.is_nameless()) {
        told.command = commands.get(&told.transition.tid).cloned();
    }
}

impl Told {
    pub(super) fn is_nameless(&self) -> bool {
        self.command.is_none()
    }

    pub(super) fn new(
        transition: Transition,
        command: Option<Arc<str>>,
        path: Option<PathBytes>,
        evidence: Evidence,
    ) -> Self {
        Self { transition, pid: transition.pid, command, path, evidence, span: None }
    }

    /// As an event; `now` is any moment by both clocks.
    pub(super) fn event(
        self,
        now: Moment,
        [shown, before]: [&Index<'_>; 2],
        onlooker: &Onlooker,
    ) -> Event {
        let Transition { kind, at, not_before, file, mechanism, range, lasted, .. } =
            self.transition;
        let key = (file, mechanism, range);
        let lock = shown.0.get(&key).or_else(|| before.0.get(&key));
        // By now another file can have that number.
        let path = self.path.or_else(|| lock.and_then(|lock| lock.path.clone()));
        let path = path.or_else(|| onlooker.name_of(file).cloned());
        let evidence = self.evidence;
        let lasted =
            lasted.map(|(min, max)| Span { min, max: Some(max), evidence: vec![evidence] });
        Event {
            kind,
            at: then(now, at),
            not_before: Some(then(now, not_before)),
            id: lock.map_or_else(
                || LockId::of_file(mechanism.word(), file, range),
                |lock| lock.id.clone(),
            ),
            path,
            pid: self.pid,
            command: self.command,
            duration: self.span.or(lasted),
            verdicts: None,
            remark: None,
            evidence: vec![evidence],
        }
    }
}

/// Another moment by both clocks.
pub(super) fn then(now: Moment, uptime: Duration) -> Moment {
    let signed = |time: Duration| jiff::SignedDuration::try_from(time).unwrap_or_default();
    let wall = now.wall.checked_add(signed(uptime) - signed(now.uptime));
    Moment { wall: wall.unwrap_or(now.wall), uptime }
}

/// Whether the trace tells of locks of that kind from beginning to end. Of leases it does not: nothing
/// is said when one is closed.
pub(crate) fn covers(mechanism: Mechanism) -> bool {
    matches!(mechanism, Mechanism::Flock | Mechanism::Posix | Mechanism::Ofd)
}

/// Whether it is one of those that the trace tells.
pub(crate) fn tells(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Acquired
            | EventKind::Queued
            | EventKind::Granted
            | EventKind::Released
            | EventKind::GaveUp
    )
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs::{self, File};
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::model::Device;

    fn in_table(system: &System, pid: Pid, fd: i32) -> FileId {
        system.number_in_table(&system.descriptors(pid).unwrap().stat(fd).unwrap())
    }

    fn transition(kind: EventKind, file: FileId) -> Transition {
        let at = Duration::from_secs(1);
        Transition {
            kind,
            at,
            not_before: at,
            file,
            mechanism: Mechanism::Flock,
            range: Range::WHOLE,
            tid: 1,
            pid: None,
            lasted: None,
        }
    }

    #[test]
    fn a_file_without_a_name_is_told_by_the_one_that_it_had() {
        let folder = tempfile::tempdir().unwrap();
        let folder = fs::canonicalize(folder.path()).unwrap();
        let mut onlooker = Onlooker::new(System::new());
        for (name, is_removed) in [("a", true), ("b (deleted)", false), ("c (deleted)", true)] {
            let path = folder.join(name);
            let file = File::create(&path).unwrap();
            if is_removed {
                fs::remove_file(&path).unwrap();
            }
            let number = in_table(&onlooker.system, onlooker.own, file.as_raw_fd());
            onlooker.begin();
            let found = onlooker.search(number, onlooker.own);
            assert_eq!(found, Some(PathBytes::new(path)));
        }
    }

    #[test]
    fn paths_of_another_file_tree_are_not_told_as_ours() {
        let proc = tempfile::tempdir().unwrap();
        let proc = proc.path();
        let locked = proc.join("locked");
        File::create(&locked).unwrap();
        for (process, namespace) in [("self", "mnt:[1]"), ("7", "mnt:[1]"), ("8", "mnt:[2]")] {
            fs::create_dir_all(proc.join(process).join("ns")).unwrap();
            fs::create_dir_all(proc.join(process).join("fd")).unwrap();
            symlink(namespace, proc.join(process).join("ns/mnt")).unwrap();
            symlink("/", proc.join(process).join("root")).unwrap();
            symlink(&locked, proc.join(process).join("fd/3")).unwrap();
        }
        fs::copy("/proc/self/mountinfo", proc.join("self/mountinfo")).unwrap();
        let mut onlooker = Onlooker::new(System::with_proc(proc));
        let number = in_table(&onlooker.system, 7, 3);
        assert_eq!(onlooker.search(number, 7), Some(PathBytes::new(locked)));
        assert_eq!(onlooker.search(number, 8), None);
    }

    #[test]
    fn the_name_of_that_instant_comes_first() {
        let file = FileId { device: Device { major: 8, minor: 1 }, inode: 5 };
        let named = |name: &str| Some(PathBytes::new(name));
        let mut onlooker = Onlooker::new(System::new());
        let shown = crate::watch::tests::lock("/now");
        let shown = Index(HashMap::from([((file, Mechanism::Flock, Range::WHOLE), &shown)]));
        let path = |path: Option<PathBytes>, onlooker: &Onlooker| {
            let told =
                Told::new(transition(EventKind::Released, file), None, path, Evidence::Traced);
            told.event(onlooker.system.now(), [&shown, &Index::default()], onlooker).path
        };
        onlooker.know(file, PathBytes::new("/once"));
        assert_eq!(path(named("/then"), &onlooker), named("/then"));
        assert_eq!(path(None, &onlooker), named("/now"));
        // Whoever comes and cannot be asked may come to another file of the same number.
        assert_eq!(onlooker.path(&transition(EventKind::Acquired, file), Pid::MAX), None);
        let gone = onlooker.path(&transition(EventKind::Released, file), Pid::MAX);
        assert_eq!(gone, named("/once"));
    }
}
