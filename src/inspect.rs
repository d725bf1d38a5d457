//! The locking core's eyes: looks at everything and judges it.

mod awaited;
mod declared;
mod inquiry;
mod meter;
mod select;
mod tracing;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::diagnose::{self, diagnose};
use crate::error::Error;
use crate::families::{self, Families, Family, Territory};
use crate::ledger::{Ledger, Memory, Testimony};
use crate::model::{
    Facts, FileId, Lock, LockFacts, LockId, Look, Mechanism, Note, PathBytes, Pid, Process,
    Snapshot, Target,
};
use crate::sources::{Candidate, Files, Habitat, Kernel, Scope, Source};
use crate::system::discovery::Bell;
use crate::system::on_disk::Found;
use crate::system::{Resolved, System};
use inquiry::{About, Inquiry};
pub(crate) use meter::Meter;
pub use select::Selection;
pub use tracing::Traced;
use tracing::Tracks;

/// Somebody who looks once waits so long for what takes a while.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether a bare folder names itself or everything below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folders {
    /// The folder itself.
    Themselves,
    /// Everything below.
    Below,
}

/// Where locks on disk come and go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Nests {
    /// In these folders; those first that matter most.
    pub(crate) folders: Vec<PathBuf>,
    /// At these paths, whatever is known of them.
    pub(crate) named: Vec<PathBuf>,
}

/// Looks at the machine's locks, and remembers between looks what narrows their ages.
///
/// Only ever reads: no lock is taken and no file is written, but for what [`remember`](Self::remember)
/// is asked to.
///
/// ```no_run
/// use locktop::Inspector;
///
/// let snapshot = Inspector::new()?.snapshot()?;
/// for lock in snapshot.locks.iter().filter(|lock| !lock.waiters.is_empty()) {
///     println!("{} is wanted by {}", lock.label(), lock.waiters.len());
/// }
/// # Ok::<(), locktop::Error>(())
/// ```
#[derive(Debug)]
pub struct Inspector {
    system: System,
    families: Families,
    sources: Vec<Box<dyn Source>>,
    ledger: Ledger,
    inquiry: Inquiry,
    /// The locks of whose holders somebody wants to know more.
    wonder: HashSet<LockId>,
    scope: Scope,
    /// Who waits for whose end.
    awaited: awaited::Watch,
    /// [`PATIENCE`], unless for a test.
    patience: Duration,
    /// Whether a path at which there is nothing is one at which something may come to be.
    awaits: bool,
    /// What the last look showed, as long as glances can be compared with it.
    last: Option<Arc<Snapshot>>,
    glances: u64,
    kept: u64,
    tracks: Tracks,
}

impl Inspector {
    /// An inspector of this machine.
    ///
    /// # Errors
    /// When the catalogue of well-known locks that is part of the program is damaged.
    pub fn new() -> Result<Self, Error> {
        Self::of(System::new())
    }

    fn of(system: System) -> Result<Self, Error> {
        let families = Families::new()?;
        let ledger = Ledger::new(system.host());
        let scope = Scope {
            places: families.well_known_places(),
            habitat: Some(families.habitat()),
            everywhere: true,
            ..Scope::default()
        };
        Ok(Self {
            system,
            families,
            sources: vec![Box::<Kernel>::default(), Box::<Files>::default()],
            ledger,
            inquiry: Inquiry::default(),
            wonder: HashSet::new(),
            scope,
            awaited: awaited::Watch::default(),
            patience: PATIENCE,
            awaits: false,
            last: None,
            glances: 0,
            kept: 0,
            tracks: Tracks::default(),
        })
    }

    /// Says where locks are that the next looks are for: where holders may not be asked, so that the
    /// kernel tells only numbers, a lock there gets its name back.
    pub fn expect_at(&mut self, targets: &[Target], folders: Folders) {
        self.last = None;
        self.tracks.expect_named();
        let is_anywhere = |target: &Target| matches!(target, Target::Id(_) | Target::Pid(_));
        self.scope.everywhere = targets.is_empty() || targets.iter().any(is_anywhere);
        for target in targets {
            let path = match target {
                Target::Path(path) => {
                    self.expect_known(path);
                    if let Some(family) = self.repository_at(path) {
                        self.expect_of_family(path, family);
                    }
                    path
                }
                Target::Family { family, path } => {
                    if let Some(family) = families::named(family) {
                        self.expect_of_family(path, family);
                    }
                    continue;
                }
                Target::Id(_) | Target::Pid(_) => continue,
            };
            self.expect_place(match folders {
                Folders::Themselves => Territory::At(path.clone()),
                Folders::Below => Territory::Below { folder: path.clone(), elsewhere: Vec::new() },
            });
        }
    }

    /// Before the first look: goes on from what an earlier process has remembered. A note where that
    /// cannot be used; ages and waits are then told with less detail.
    #[must_use]
    pub fn recall(&mut self, memory: &mut Memory) -> Option<Note> {
        memory.recall(&mut self.ledger, &self.system)
    }

    /// After a look: remembers it for the next process. The one thing that an inspector writes, and
    /// only if asked to. A note where that cannot be.
    #[must_use]
    pub fn remember(&self, memory: &Memory) -> Option<Note> {
        memory.keep(&self.ledger, self.system.now(), &self.system)
    }

    fn repository_at(&self, path: &Path) -> Option<&'static dyn Family> {
        families::of_repository(path, &|path| self.system.is_there(path))
    }

    fn expect_of_family(&mut self, path: &Path, family: &'static dyn Family) {
        if family.lies_on_disk() {
            return self.expect_on_disk(path, family.word());
        }
        // What has no absolute path is nowhere.
        let place = family.place(std::path::absolute(path).unwrap_or_default());
        if let (Territory::At(path), true) = (&place, family.makes_its_file()) {
            // What lies there can keep others out, too.
            self.expect_on_disk(path, family.word());
        }
        self.expect_place(place);
    }

    fn expect_place(&mut self, place: Territory) {
        let (path, elsewhere) = match place {
            Territory::At(path) => (path, None),
            Territory::Below { folder, elsewhere } => (folder, Some(elsewhere)),
        };
        if let Resolved::Found { path, is_folder, .. } = self.system.resolve(&path) {
            let known = if is_folder && elsewhere.is_some() {
                &mut self.scope.folders
            } else {
                self.tracks.expect_at(&path);
                &mut self.scope.places
            };
            if !known.contains(&path) {
                known.push(path);
            }
        } else {
            // What comes there has no number yet.
            self.tracks.expect_anything();
        }
        for path in elsewhere.into_iter().flatten() {
            self.expect_place(Territory::At(path));
        }
    }

    /// Where something is that is known to lock by existing.
    fn expect_known(&mut self, path: &Path) {
        let (Resolved::Found { path, .. } | Resolved::Missing { path }) =
            self.system.resolve_name(path)
        else {
            return;
        };
        let family = self.scope.habitat.as_ref().and_then(|habitat| habitat.family_at(&path));
        if let Some(family) = family {
            self.expect_candidate(Candidate { path, family });
        }
    }

    fn expect_on_disk(&mut self, path: &Path, family: &'static str) {
        if let Resolved::Found { path, .. } | Resolved::Missing { path } =
            self.system.resolve_name(path)
        {
            self.expect_candidate(Candidate { path, family });
        }
    }

    /// From now on a target at which there is nothing is no mistake: something may come to be there.
    pub(crate) fn await_absent(&mut self) {
        self.awaits = true;
    }

    fn expect_candidate(&mut self, candidate: Candidate) {
        if !self.scope.candidates.contains(&candidate) {
            self.scope.candidates.push(candidate);
        }
    }

    /// Looks once. What the holders wait for is not asked: see
    /// [`snapshot_about`](Self::snapshot_about).
    ///
    /// # Errors
    /// When the system's lock table cannot be read.
    pub fn snapshot(&mut self) -> Result<Snapshot, Error> {
        self.scope.patience = Some(self.patience);
        let seen = self.look();
        self.scope.patience = None;
        seen.map(Arc::unwrap_or_clone)
    }

    /// The same for whoever looks again and again: what one look has told is not made anew for the
    /// next one where only time has passed. What lies below folders is told as it is found, and not
    /// waited for.
    ///
    /// # Errors
    /// As [`snapshot`](Self::snapshot).
    pub fn look(&mut self) -> Result<Arc<Snapshot>, Error> {
        self.aim_trace();
        let is_restless =
            self.families.are_restless() || self.inquiry.is_curious() || self.tracks.are_restless();
        let last = self.last.take().filter(|_| !is_restless);
        self.scope.may_keep = last.is_some();
        let same = last.as_ref().map(|last| self.glance(last)).transpose()?.flatten();
        let seen = match same {
            Some(same) => same,
            None => self.look_anew(last.as_deref())?,
        };
        drop(last);
        let seen = Arc::new(seen);
        self.tracks.follow(&seen);
        self.scope.names_in_doubt = false;
        // Whoever looks only once need not share it.
        let can_be_kept = self.sources.iter().all(|source| source.can_be_kept());
        self.last = can_be_kept.then(|| Arc::clone(&seen));
        Ok(seen)
    }

    /// How many looks have found that only time had passed since the look before, which costs less.
    #[must_use]
    pub fn glances(&self) -> u64 {
        self.glances
    }

    /// How many locks looks have told as the look before did, since nothing has happened to them.
    #[must_use]
    pub fn kept(&self) -> u64 {
        self.kept
    }

    /// Lets the next look read the names of all files again, for less than looking anew.
    pub(crate) fn doubt_names(&mut self) {
        self.scope.names_in_doubt = true;
    }

    /// Has the next looks find out what those are up to who hold a lock, even if nobody waits for it.
    pub(crate) fn wonder_about(&mut self, lock: Option<LockId>) {
        let wonder: HashSet<LockId> = lock.into_iter().collect();
        if wonder != self.wonder {
            self.wonder = wonder;
            self.last = None;
        }
    }

    /// Has it called, from any thread, when there is something to be seen that no look has told yet.
    pub(crate) fn ring_at_news(&mut self, ring: impl Fn() + Send + Sync + 'static) {
        self.scope.bell = Some(Bell::new(ring));
    }

    /// Folders in which something can come or go that the next look would show.
    pub(crate) fn nests(&self) -> Nests {
        let nests = self.sources.iter().flat_map(|source| source.nests(&self.scope, &self.system));
        let named = self.scope.candidates.iter().map(|place| place.path.clone());
        Nests { folders: nests.collect(), named: named.collect() }
    }

    /// Has the next look see what has come or gone there.
    pub(crate) fn spotted(&mut self, paths: &[PathBuf]) {
        let Some(habitat) = &self.scope.habitat else { return };
        for path in paths {
            if let Some(family) = habitat.family_at(path) {
                self.sources.iter_mut().for_each(|source| source.spotted(path, family));
            }
        }
    }

    /// Has folders searched again as soon as that can be afforded.
    pub(crate) fn folders_came(&mut self) {
        self.sources.iter_mut().for_each(|source| source.folders_came());
    }

    /// Where locks can lie that nobody named.
    pub(crate) fn habitat(&self) -> Option<Arc<dyn Habitat>> {
        self.scope.habitat.clone()
    }

    /// The last look's snapshot as of now, if only time has passed.
    fn glance(&mut self, last: &Snapshot) -> Result<Option<Snapshot>, Error> {
        if !diagnose::lasts(last) {
            return Ok(None);
        }
        let mut glances = Vec::with_capacity(self.sources.len());
        for source in &mut self.sources {
            match source.glance(&self.scope, &self.system)? {
                Some(glance) => glances.push(glance),
                None => return Ok(None),
            }
        }
        let Some(at) = glances.iter().map(|glance| glance.at).max() else { return Ok(None) };
        if !self.families.stand(&last.locks, at.uptime, &self.system)
            || !self.awaited.holds(&self.system)
            || !self.inquiry.stands(&self.system)
        {
            return Ok(None);
        }
        let began = glances.iter().map(|glance| glance.at.uptime.saturating_sub(glance.cost)).min();
        let mut snapshot = last.clone();
        self.ledger.pass(began.unwrap_or(at.uptime), &mut snapshot, at);
        snapshot.cost = glances.iter().map(|glance| glance.cost).sum();
        self.glances += 1;
        Ok(Some(snapshot))
    }

    /// Looks once, and finds out in addition what those are up to who hold what somebody waits for:
    /// whether they are at work, and if not, what they wait for themselves, so that a lock can turn out
    /// to be stuck for that. The same of those who hold the locks that the targets name; these are
    /// watched for a moment if they have just run, for less than half a second.
    ///
    /// # Errors
    /// As [`snapshot`](Self::snapshot). What a target cannot name is left to
    /// [`select`](Self::select) to say.
    pub fn snapshot_about(
        &mut self,
        targets: &[Target],
        folders: Folders,
    ) -> Result<Snapshot, Error> {
        self.last = None;
        self.scope.may_keep = false;
        self.scope.patience = Some(self.patience);
        let facts = self.facts(&[]);
        self.scope.patience = None;
        let (mut facts, _) = facts?;
        let mut these = HashSet::new();
        if !targets.is_empty() {
            let judged = diagnose(facts.clone());
            for target in targets {
                let meant = self.select(&judged, std::slice::from_ref(target), folders);
                let meant = meant.unwrap_or(Selection::nothing());
                let locks = judged.locks.iter().filter(|lock| meant.contains(lock));
                these.extend(locks.map(|lock| lock.id.clone()));
            }
        }
        let about = About { these: &these, again: false };
        self.inquiry.enter(&mut facts, about, &self.system);
        Ok(diagnose(facts))
    }

    /// A look of which the last one's snapshot can tell a part.
    fn look_anew(&mut self, last: Option<&Snapshot>) -> Result<Snapshot, Error> {
        let last_locks = last.map_or(&[][..], |last| &last.locks);
        let (mut facts, kept) = self.facts(last_locks)?;
        // Whoever looks but once says so if that is wanted.
        if self.scope.patience.is_none() {
            let about = About { these: &self.wonder, again: true };
            self.inquiry.enter(&mut facts, about, &self.system);
        }
        let mut snapshot = diagnose(facts);
        if let Some(last) = last.filter(|_| !kept.is_empty()) {
            self.kept += kept.len() as u64;
            let passed = snapshot.at.uptime.saturating_sub(last.at.uptime);
            snapshot.locks.reserve_exact(kept.len());
            for lock in last.locks.iter().filter(|lock| kept.contains(&lock.id)) {
                let mut lock = lock.clone();
                self.ledger.age(&mut lock, passed, snapshot.at);
                snapshot.locks.push(lock);
            }
            snapshot.sort();
        }
        Ok(snapshot)
    }

    /// What all sources see now and what was remembered, and which of the last look's locks are to be
    /// kept as they are.
    fn facts(&mut self, last: &[Lock]) -> Result<(Facts, HashSet<LockId>), Error> {
        let mut looks = Vec::with_capacity(self.sources.len());
        self.scope.waited_for.clear();
        for at in 0..self.sources.len() {
            let look = self.sources[at].look(&self.scope, &self.system)?;
            self.look_where_declared(&look);
            looks.push(look);
        }
        self.families.interpret(&mut looks, &self.system);
        if let Some(first) = looks.first_mut() {
            first.notes.extend_from_slice(self.families.notes());
        }
        let kept: HashSet<LockId> =
            looks.iter().flat_map(|look| &look.kept).map(|kept| kept.id.clone()).collect();
        let kept_locks = last.iter().filter(|lock| kept.contains(&lock.id));
        self.list_each_once(&mut looks, kept_locks.filter_map(|lock| lock.file).collect());
        self.enter_declared(&mut looks);
        let testimony = self.testimony(&mut looks);
        let mut facts = self.ledger.enter(self.system.now(), looks, &testimony);
        self.awaited = awaited::Watch::begin(&mut facts, &self.system);
        Ok((facts, kept))
    }

    /// What lies on disk and is locked by the kernel too is one lock, unless somebody has named it as
    /// what lies there.
    fn list_each_once(&self, looks: &mut [Look], mut locked: HashSet<FileId>) {
        let is_on_disk = |lock: &LockFacts| lock.mechanism == Mechanism::Exists;
        let seen = looks.iter().flat_map(|look| &look.locks);
        locked.extend(seen.filter(|lock| !is_on_disk(lock)).filter_map(|lock| lock.file));
        for look in looks {
            look.locks.retain(|lock| {
                let path = lock.path.as_ref().map(PathBytes::as_path);
                let is_named = path.is_some_and(|path| self.scope.names(path));
                // It can have two paths as well.
                !is_on_disk(lock) || lock.file.is_none_or(|file| locked.insert(file)) || is_named
            });
        }
    }

    /// What is known besides what looks show.
    fn testimony(&mut self, looks: &mut [Look]) -> Testimony {
        self.tracks.at_once = looks.iter().all(|look| look.absence_is_proof);
        self.tracks.testify(looks, &self.system)
    }

    /// What is known of a process now; `None`: it has ended.
    pub(crate) fn portrait(&self, pid: Pid) -> Option<Arc<Process>> {
        self.system.portraits(&[pid]).remove(&pid)
    }

    /// What lies at a path now.
    pub(crate) fn lies_at(&self, path: &Path) -> Found {
        let found = self.system.examine(vec![(path.to_owned(), None)]).pop();
        found.map_or(Found::Hangs, |(_, found)| found)
    }

    /// For how long the looks so far have held up everybody's locks: the system takes a lock of its
    /// own while its lock table is read.
    #[must_use]
    pub fn stalled(&self) -> Duration {
        self.system.stalled()
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
