//! Names for locks whose holders may not be asked: of their files the kernel tells only numbers.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Sighting;
use super::files::Files;
use crate::model::{FileId, Naming, PathBytes};
use crate::sources::Scope;
use crate::system::procfs::mounts::Mount;
use crate::system::{Answer, Ask, FileStat, Search, System};

/// Files that were found by their numbers, so that no folder is searched at every look.
#[derive(Debug, Default)]
pub(super) struct Names {
    found: HashMap<FileId, PathBuf>,
    /// What was searched for to the end.
    searched: HashSet<FileId>,
    /// What is being searched for.
    search: Option<(Search, HashSet<FileId>)>,
    /// Whether a folder could not be searched to its end, or not yet.
    pub(super) incomplete: bool,
}

/// Whoever looks again and again waits so long.
const GRACE: Duration = Duration::from_millis(10);

impl Names {
    /// Names what can be named by the places of the scope, and by what lies below its folders.
    pub(super) fn give(
        &mut self,
        system: &System,
        files: &Files,
        scope: &Scope,
        locks: &mut [Sighting],
    ) {
        let nameless: HashSet<FileId> = nameless(locks).collect();
        if nameless.is_empty() {
            return;
        }
        self.search(system, files, scope, &nameless);
        let places = scope.places.iter().chain(self.found.values());
        let there = look_up(system, files, places);
        for lock in locks.iter_mut().filter(|lock| lock.facts.path.is_none()) {
            if let Some((path, stat)) = lock.facts.table_file.and_then(|file| there.get(&file)) {
                lock.facts.path = Some(PathBytes::new(path.clone()));
                if let Some(file) = lock.facts.table_file.filter(|file| *file == stat.file) {
                    lock.facts.naming = Naming::Same;
                    lock.birth = stat.birth.filter(|_| files.tells_births(file.device));
                } else {
                    lock.facts.naming = Naming::Unknown(
                        "another subvolume can have a file of the same number".into(),
                    );
                }
            }
        }
    }

    fn search(
        &mut self,
        system: &System,
        files: &Files,
        scope: &Scope,
        nameless: &HashSet<FileId>,
    ) {
        if scope.folders.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut until = now + scope.patience.unwrap_or_default();
        if self.search.is_none() && !nameless.is_subset(&self.searched) {
            let inodes = nameless.iter().map(|file| file.inode).collect();
            match system.search(scope.folders.clone(), inodes, scope.bell.clone()) {
                Ok(search) => self.search = Some((search, nameless.clone())),
                // There is no thread to be had: said as what it leads to, and tried again.
                Err(_) => self.incomplete = true,
            }
            until = until.max(now + GRACE);
        }
        let Some((search, sought)) = &mut self.search else { return };
        search.gather(until);
        let found = std::mem::take(&mut search.found).into_iter();
        let found = found.map(|(path, stat)| (files.in_table(&stat), path));
        self.found.extend(found.filter(|(file, _)| sought.contains(file)));
        self.incomplete = search.complete != Some(true);
        if search.complete.is_some() {
            self.searched = std::mem::take(sought);
            self.found.retain(|file, _| self.searched.contains(file));
            self.search = None;
        }
    }

    /// Whether a search has something to tell, or may have.
    pub(super) fn is_searching(&self) -> bool {
        self.search.is_some()
    }
}

fn nameless(locks: &[Sighting]) -> impl Iterator<Item = FileId> {
    let facts = locks.iter().map(|lock| &lock.facts);
    facts.filter(|facts| facts.path.is_none()).filter_map(|facts| facts.table_file)
}

/// The files at these places, as lock tables number them.
fn look_up<'a>(
    system: &System,
    files: &Files,
    places: impl Iterator<Item = &'a PathBuf>,
) -> HashMap<FileId, (PathBuf, FileStat)> {
    let ask = |path: &PathBuf| {
        let mount = Mount::of_path(&files.mounts, Path::new(path))?.point.clone();
        Some(Ask { path: path.clone(), root: None, mount })
    };
    let asks: Vec<Ask> = places.filter_map(ask).collect();
    let answers = system.look_up(asks.clone());
    let mut there = HashMap::new();
    for (ask, answer) in asks.into_iter().zip(answers) {
        if let Answer::Found(stat) = answer {
            there.insert(files.in_table(&stat), (ask.path, stat));
        }
    }
    there
}
