//! Locks that lie on disk: files, symbolic links and folders that lock by existing.
//!
//! A look tells what lies there. Whether that is a lock of somebody alive is for those to say who
//! know its kind.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::discovered::Discovered;
use super::{Glance, Scope, Source};
use crate::error::Error;
use crate::model::{
    AsSeen, Details, Evidence, Grant, LockFacts, LockId, Look, Mechanism, Mode, Moment, Naming,
    Note, OnDisk, PathBytes, Range, Span, Taker, harmless_bytes,
};
use crate::system::System;
use crate::system::on_disk::{Ask, Found};

/// A place where a lock can lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Absolute; only what it ends with can be a link.
    pub(crate) path: PathBuf,
    /// What kind of lock it is to people.
    pub(crate) family: &'static str,
}

/// Where locks can lie that nobody named.
pub(crate) trait Habitat: std::fmt::Debug + Send + Sync {
    /// What kind of lock lies at a path, if one of a kind that is known does.
    fn family_at(&self, path: &Path) -> Option<&'static str>;

    /// Patterns of the paths at which the machine's own are.
    fn patterns(&self) -> Vec<Arc<str>>;
}

/// The file systems of this machine.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// What lay there at the last look.
    known: HashMap<PathBuf, Arc<OnDisk>>,
    discovered: Discovered,
}

impl Source for Files {
    fn look(&mut self, scope: &Scope, system: &System) -> Result<Look, Error> {
        let clock = Instant::now();
        self.discovered.update(scope, system);
        let families = self.families(scope);
        let found = system.examine(self.asks(&families));
        let at = system.now();
        let mut look = Look {
            at,
            cost: Duration::ZERO,
            complete: true,
            // Of a file there is no doubt since when it is there.
            absence_is_proof: true,
            notes: Vec::new(),
            locks: Vec::new(),
            kept: Vec::new(),
            declared: Vec::new(),
            processes: BTreeMap::new(),
        };
        let mut known = HashMap::new();
        for (path, found) in found {
            let Some(&family) = families.get(&path) else { continue };
            match found {
                Found::There(there) => {
                    known.insert(path.clone(), Arc::clone(&there));
                    look.locks.push(facts(path, family, there, at));
                }
                Found::Nothing => {}
                // Nobody asked for what was only looked for.
                Found::Failed(_) | Found::Hangs if !scope.names(&path) => {}
                Found::Failed(error) => look.blind_to(&path, &error.to_string()),
                Found::Hangs => look.blind_to(&path, "its file system does not answer"),
            }
        }
        self.known = known;
        if let Some(note) = self.discovered.note(scope.patience.is_some()) {
            look.complete = false;
            look.notes.push(note);
        }
        look.cost = clock.elapsed();
        Ok(look)
    }

    /// Where the same lies as at the last look; whether somebody has it still, others tell.
    fn glance(&mut self, scope: &Scope, system: &System) -> Result<Option<Glance>, Error> {
        let clock = Instant::now();
        if self.discovered.update(scope, system) {
            return Ok(None);
        }
        let found = system.examine(self.asks(&self.families(scope)));
        let is_known = |(path, found): &(PathBuf, Found)| match (found, self.known.get(path)) {
            // It has not even been read again.
            (Found::There(there), Some(known)) => Arc::ptr_eq(there, known),
            (Found::There(_), None) | (_, Some(_)) => false,
            (_, None) => true,
        };
        let same = found.iter().all(is_known);
        Ok(same.then(|| Glance { at: system.now(), cost: clock.elapsed() }))
    }

    fn can_be_kept(&self) -> bool {
        true
    }

    fn spotted(&mut self, path: &Path, family: &'static str) {
        self.discovered.add(path, family);
    }

    fn folders_came(&mut self) {
        self.discovered.hasten();
    }

    fn nests(&self, scope: &Scope, system: &System) -> Vec<PathBuf> {
        let known = self.known.keys().chain(scope.candidates.iter().map(|place| &place.path));
        let mut folders: Vec<&Path> = known.filter_map(|path| path.parent()).collect();
        folders.sort_unstable();
        folders.dedup();
        let mut nests = system.near(folders);
        nests.extend(self.discovered.folders().map(Path::to_owned));
        let mut seen = HashSet::new();
        nests.retain(|folder| seen.insert(folder.clone()));
        nests
    }
}

impl Files {
    /// All places, with what may lie there.
    fn families<'a>(&'a self, scope: &'a Scope) -> HashMap<PathBuf, &'static str> {
        let place = |place: &'a Candidate| (&place.path, place.family);
        let waited_for = scope.waited_for.iter().map(place);
        // What was named is what it was named.
        let named = scope.candidates.iter().map(place);
        let places = waited_for.chain(self.discovered.places()).chain(named);
        places.map(|(path, family)| (path.clone(), family)).collect()
    }

    fn asks(&self, families: &HashMap<PathBuf, &'static str>) -> Vec<Ask> {
        let mut paths: Vec<&PathBuf> = families.keys().collect();
        paths.sort_unstable();
        paths.into_iter().map(|path| (path.clone(), self.known.get(path).cloned())).collect()
    }
}

impl Scope {
    /// Whether somebody named that path.
    pub(crate) fn names(&self, path: &Path) -> bool {
        self.candidates.iter().any(|place| place.path == path)
    }
}

impl Look {
    fn blind_to(&mut self, path: &Path, why: &str) {
        self.complete = false;
        let path = harmless_bytes(path.as_os_str().as_encoded_bytes());
        self.notes.push(Note {
            code: "unreadable_lock",
            text: format!("{path} could not be looked at: {why}"),
            would_help: None,
        });
    }
}

fn facts(path: PathBuf, family: &'static str, there: Arc<OnDisk>, at: Moment) -> LockFacts {
    let mut details = Details::default();
    details.insert("remote", there.shared_with_others.into());
    LockFacts {
        id: LockId::of_file(family, there.file, Range::WHOLE),
        as_seen: AsSeen::of([]),
        family: Cow::Borrowed(family),
        mechanism: Mechanism::Exists,
        name: None,
        normal: false,
        file: Some(there.file),
        table_file: None,
        path: Some(PathBytes::new(path)),
        naming: Naming::Same,
        range: Range::WHOLE,
        grants: vec![Grant {
            number: 1,
            mode: Mode::Exclusive,
            place: 0,
            recorded_pid: None,
            taker: Taker::Unrecorded,
            sharers: Vec::new(),
            elsewhere: None,
            remark: None,
        }],
        requests: Vec::new(),
        queue_cut: false,
        age: age(&there, at),
        on_disk: Some(there),
        abandoned: None,
        details,
    }
}

/// It has been there since it was made. Where that is not known, nobody can have set back when it
/// was changed last.
fn age(there: &OnDisk, at: Moment) -> Span {
    let mut age = Span::default();
    let since = |time: jiff::Timestamp| {
        // A clock that was set back since makes it come from the future.
        Duration::try_from(at.wall.duration_since(time)).unwrap_or_default()
    };
    match there.birth {
        Some(birth) => {
            age.at_most(since(birth), Evidence::FileTimes);
            age.at_least(since(birth), Evidence::FileTimes);
        }
        None => age.at_least(since(there.changed), Evidence::FileTimes),
    }
    age
}
