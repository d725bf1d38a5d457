//! Locks that lie on disk: files, symbolic links and folders that lock by existing.
//!
//! A look tells what lies there. Whether that is a lock of somebody alive is for those to say who
//! know its kind.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Glance, Scope, Source};
use crate::error::Error;
use crate::model::{
    AsSeen, Details, Evidence, Grant, LockFacts, LockId, Look, Mechanism, Mode, Moment, Naming,
    Note, OnDisk, PathBytes, Range, Span, Taker, harmless_bytes,
};
use crate::system::System;
use crate::system::discovery::Wanted;
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

/// What was found once is looked for again after so long at the soonest, and seldom enough to cost no
/// more than a hundredth of the time.
const PAUSE: Duration = Duration::from_secs(10);

/// The file systems of this machine.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// What lay there at the last look.
    known: HashMap<PathBuf, Arc<OnDisk>>,
    discovered: Option<Discovered>,
}

/// Places that were looked for.
#[derive(Debug)]
struct Discovered {
    places: Vec<Candidate>,
    complete: bool,
    next: Instant,
}

impl Source for Files {
    fn look(&mut self, scope: &Scope, system: &System) -> Result<Look, Error> {
        let clock = Instant::now();
        self.discover(scope, system);
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
        if self.discovered.as_ref().is_some_and(|discovered| !discovered.complete) {
            look.complete = false;
            look.notes.push(cut_short());
        }
        look.cost = clock.elapsed();
        Ok(look)
    }

    /// Nothing lies anywhere still; else who has it may have changed.
    fn glance(&mut self, scope: &Scope, system: &System) -> Result<Option<Glance>, Error> {
        let clock = Instant::now();
        let is_due = |discovered: &Discovered| discovered.next <= clock;
        if !self.known.is_empty() || self.discovered.as_ref().is_none_or(is_due) {
            return Ok(None);
        }
        let found = system.examine(self.asks(&self.families(scope)));
        let nothing = found.iter().all(|(_, found)| matches!(found, Found::Nothing));
        Ok(nothing.then(|| Glance { at: system.now(), cost: clock.elapsed() }))
    }

    fn can_be_kept(&self) -> bool {
        true
    }
}

impl Files {
    /// Looks for places, if it is time to.
    fn discover(&mut self, scope: &Scope, system: &System) {
        let began = Instant::now();
        if self.discovered.as_ref().is_some_and(|discovered| discovered.next > began) {
            return;
        }
        let mut discovered = Discovered { places: Vec::new(), complete: true, next: began + PAUSE };
        if let Some(habitat) = &scope.habitat {
            let patterns = if scope.everywhere { habitat.patterns() } else { Vec::new() };
            let wanted: Wanted = {
                let habitat = Arc::clone(habitat);
                Arc::new(move |path: &Path| habitat.family_at(path).is_some())
            };
            let found = system.discover(patterns, scope.folders.clone(), &wanted);
            discovered.complete = found.complete;
            discovered.places.extend(found.found.into_iter().filter_map(|path| {
                let family = habitat.family_at(&path)?;
                Some(Candidate { path, family })
            }));
            let now = Instant::now();
            discovered.next = now + PAUSE.max((now - began) * 100);
        }
        self.discovered = Some(discovered);
    }

    /// All places, with what may lie there.
    fn families(&self, scope: &Scope) -> HashMap<PathBuf, &'static str> {
        let discovered = self.discovered.iter().flat_map(|discovered| &discovered.places);
        // What was named is what it was named.
        let places = discovered.chain(&scope.candidates);
        places.map(|place| (place.path.clone(), place.family)).collect()
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

fn cut_short() -> Note {
    Note {
        code: "discovery_cut",
        text: "not all folders could be searched to their end for locks on disk: some may be \
               missing here"
            .into(),
        would_help: Some("run as root, or name the locks or smaller folders".into()),
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
