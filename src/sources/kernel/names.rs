//! Names for locks whose holders may not be asked: of their files the kernel tells only numbers.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::Sighting;
use super::files::Files;
use crate::model::{FileId, Naming, PathBytes};
use crate::sources::Scope;
use crate::system::procfs::mounts::Mount;
use crate::system::{Answer, Ask, FileStat, System};

/// Files that were found by their numbers, so that no folder is searched at every look.
#[derive(Debug, Default)]
pub(super) struct Names {
    found: HashMap<FileId, PathBuf>,
    searched: HashSet<FileId>,
    /// Whether a folder could not be searched to its end.
    pub(super) incomplete: bool,
}

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
        if scope.folders.is_empty() || nameless.is_subset(&self.searched) {
            return;
        }
        let inodes = nameless.iter().map(|file| file.inode).collect();
        let search = system.search(scope.folders.clone(), inodes);
        self.incomplete = !search.complete;
        self.found = search
            .found
            .into_iter()
            .map(|(path, stat)| (files.in_table(&stat), path))
            .filter(|(file, _)| nameless.contains(file))
            .collect();
        self.searched.clone_from(nameless);
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
