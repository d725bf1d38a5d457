//! Places that nobody named, looked for now and then while looks go on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Habitat, Scope};
use crate::model::Note;
use crate::system::System;
use crate::system::discovery::{Discovery, Quest, State, Wanted};

/// Whoever looks again and again waits so long for the first search: most are short, and a first look
/// tells all then.
const GRACE: Duration = Duration::from_millis(10);

/// What was found once is looked for again after so long at the soonest.
const PAUSE: Duration = Duration::from_secs(10);

/// And no more than one part in so many of the time is spent on that.
const SHARE: u32 = 400;

/// What searches have found.
#[derive(Debug, Default)]
pub(super) struct Discovered {
    /// The places, with what may lie there: by the last search that has ended, and by the one that is
    /// under way.
    places: BTreeMap<PathBuf, &'static str>,
    /// Folders that the last search passed that has ended.
    folders: BTreeSet<PathBuf>,
    /// Whether that one saw all; `None`: none has ended.
    complete: Option<bool>,
    search: Option<Search>,
    /// When to begin one.
    next: Option<Instant>,
    /// When that can be afforded.
    affordable: Option<Instant>,
    /// Whether something has come that the search under way may have missed.
    again: bool,
}

/// A search that is under way.
#[derive(Debug)]
struct Search {
    discovery: Discovery,
    found: BTreeMap<PathBuf, &'static str>,
}

impl Discovered {
    /// Takes in what has been found, and begins a search if it is time to; whether anything is new.
    pub(super) fn update(&mut self, scope: &Scope, system: &System) -> bool {
        let Some(habitat) = &scope.habitat else { return false };
        let now = Instant::now();
        let is_first = self.next.is_none();
        if self.search.is_none() && self.next.is_none_or(|next| next <= now) {
            self.next = Some(now + PAUSE);
            self.begin(habitat, scope, system);
        }
        let Some(search) = &mut self.search else { return false };
        let grace = if is_first { GRACE } else { Duration::ZERO };
        if !search.discovery.gather(now + scope.patience.unwrap_or(grace)) {
            return false;
        }
        for path in std::mem::take(&mut search.discovery.found) {
            if let Some(family) = habitat.family_at(&path) {
                search.found.insert(path.clone(), family);
                self.places.insert(path, family);
            }
        }
        if let State::Done { complete, took } = search.discovery.state {
            // What the one before had found is there no more.
            self.places = std::mem::take(&mut search.found);
            self.folders = std::mem::take(&mut search.discovery.folders);
            self.complete = Some(complete);
            self.next = Some(Instant::now() + PAUSE.max(took * SHARE));
            self.affordable = Some(Instant::now() + took * SHARE);
            if std::mem::take(&mut self.again) {
                self.next = self.affordable;
            }
            self.search = None;
        }
        true
    }

    fn begin(&mut self, habitat: &Arc<dyn Habitat>, scope: &Scope, system: &System) {
        let patterns = if scope.everywhere { habitat.patterns() } else { Vec::new() };
        let folders = scope.folders.clone();
        if patterns.is_empty() && folders.is_empty() {
            return;
        }
        let habitat = Arc::clone(habitat);
        let wanted: Wanted = Arc::new(move |path: &Path| habitat.family_at(path).is_some());
        let quest = Quest { patterns, folders, wanted, bell: scope.bell.clone() };
        match system.discover(quest) {
            Ok(discovery) => self.search = Some(Search { discovery, found: BTreeMap::new() }),
            // There is no thread to be had: said as what it leads to, and tried again.
            Err(_) => self.complete = Some(false),
        }
    }

    /// Has the next search begin as soon as it can be afforded.
    pub(super) fn hasten(&mut self) {
        self.again = self.search.is_some();
        self.next = self.next.min(self.affordable.or(self.next));
    }

    /// Adds a place at which something was seen to come.
    pub(super) fn add(&mut self, path: &Path, family: &'static str) {
        if let Some(search) = &mut self.search {
            // It may have passed there before.
            search.found.insert(path.to_owned(), family);
        }
        self.places.insert(path.to_owned(), family);
    }

    /// The places, with what may lie there.
    pub(super) fn places(&self) -> impl Iterator<Item = (&PathBuf, &'static str)> {
        self.places.iter().map(|(path, family)| (path, *family))
    }

    /// Folders in which more can come.
    pub(super) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.folders.iter().map(PathBuf::as_path)
    }

    /// What a reader has to know; who is `patient` has waited for as long as anybody does.
    pub(super) fn note(&self, patient: bool) -> Option<Note> {
        let is_under_way = self.complete.is_none() && self.search.is_some();
        if is_under_way && !patient {
            return Some(Note {
                code: "discovery_under_way",
                text:
                    "folders are still being searched for locks on disk: some may be missing here"
                        .into(),
                would_help: None,
            });
        }
        (is_under_way || self.complete == Some(false)).then(|| Note {
            code: "discovery_cut",
            text: "not all folders could be searched to their end for locks on disk: some may be \
                   missing here"
                .into(),
            would_help: Some("run as root, or name the locks or smaller folders".into()),
        })
    }
}
