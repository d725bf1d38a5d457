//! What targets mean: from what a user names to the locks of a snapshot.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::{Folders, Inspector};
use crate::error::Error;
use crate::families::{self, Family, Territory};
use crate::model::{Event, FileId, Lock, LockId, PathBytes, Pid, Snapshot, Target, harmless_bytes};
use crate::system::Resolved;
use crate::system::locking::is_absent;

impl Inspector {
    /// What the targets mean now: turns paths into the files that they name, without ever blocking
    /// on a file system that hangs. No targets: everything.
    ///
    /// # Errors
    /// When a path does not exist and is no lock's last name in `snapshot`, may not be looked up, or
    /// lies on a file system that does not answer; when a text is no id, or a process is not there.
    pub fn select(
        &mut self,
        snapshot: &Snapshot,
        targets: &[Target],
        folders: Folders,
    ) -> Result<Selection, Error> {
        let mut picks = Vec::new();
        for target in targets {
            picks.push(self.pick(snapshot, target, folders)?);
            // The lock of a repository is in it.
            if let Target::Path(path) = target
                && let Some(family) = self.repository_at(path)
            {
                picks.push(self.pick_of_family(snapshot, path, family)?);
            }
        }
        Ok(Selection { picks, is_nothing: false })
    }

    fn pick(&self, snapshot: &Snapshot, target: &Target, folders: Folders) -> Result<Pick, Error> {
        match target {
            // A lock that is not held any more is not an error: nobody holds it.
            Target::Id(id) if id.is_well_formed() => Ok(Pick::Id(id.clone())),
            Target::Id(id) => Err(Error::usage(format!(
                "{} is no id of a lock; 'locktop ls -o id' prints them",
                crate::model::harmless(id.as_str())
            ))),
            Target::Pid(pid) if self.system.is_alive(*pid) => Ok(Pick::Pid(*pid)),
            Target::Pid(pid) => Err(Error::gone(format!("no process {pid} is alive"))),
            Target::Family { family, path } => match families::named(family) {
                Some(family) => self.pick_of_family(snapshot, path, family),
                None => Err(Error::usage(format!("'{family}:' locks are not known"))),
            },
            Target::Path(path) => self.pick_path(snapshot, path, None, folders),
        }
    }

    fn pick_of_family(
        &self,
        snapshot: &Snapshot,
        path: &Path,
        family: &'static dyn Family,
    ) -> Result<Pick, Error> {
        if family.lies_on_disk() {
            return self.pick_on_disk(path, family);
        }
        let path = std::path::absolute(path).map_err(|error| Error::io("look up", path, error))?;
        family.check(&path, &|path| self.system.is_there(path))?;
        let (path, folders, elsewhere) = match family.place(path) {
            Territory::At(path) => (path, Folders::Themselves, Vec::new()),
            Territory::Below { folder, elsewhere } => (folder, Folders::Below, elsewhere),
        };
        let mut pick = self.pick_path(snapshot, &path, Some(family), folders)?;
        if let Pick::Places { places, .. } = &mut pick {
            // What belongs to it need not be there.
            places.extend(elsewhere.into_iter().map(|path| match self.system.resolve(&path) {
                Resolved::Found { path, stat, .. } => {
                    let in_table = self.system.number_in_table(&stat);
                    Place { path, file: Some((stat.file, in_table)), below: false }
                }
                _ => Place { path, file: None, below: false },
            }));
        }
        Ok(pick)
    }

    fn pick_on_disk(&self, path: &Path, family: &'static dyn Family) -> Result<Pick, Error> {
        match self.system.resolve_name(path) {
            // What is not there is free.
            Resolved::Found { path, .. } | Resolved::Missing { path } => {
                let place = Place { path, file: None, below: false };
                Ok(Pick::Places { places: vec![place], family: Some(family) })
            }
            Resolved::Failed(error) if is_absent(&error) => {
                Err(Error::usage(format!("the folder of {} does not exist", show(path))))
            }
            Resolved::Failed(error) => Err(Error::io("look up", path, error)),
            Resolved::Hangs => Err(Error::unreachable(format!(
                "cannot look up {}: its file system does not answer",
                show(path)
            ))),
        }
    }

    fn pick_path(
        &self,
        snapshot: &Snapshot,
        path: &Path,
        family: Option<&'static dyn Family>,
        folders: Folders,
    ) -> Result<Pick, Error> {
        let place = match self.system.resolve(path) {
            Resolved::Found { path, stat, is_folder } => {
                let below = is_folder && folders == Folders::Below;
                if below {
                    self.system.may_list(&path).map_err(|error| Error::io("list", &path, error))?;
                }
                let in_table = self.system.number_in_table(&stat);
                Place { path, file: Some((stat.file, in_table)), below }
            }
            Resolved::Missing { path: absolute } => {
                let is_last_name =
                    |lock: &Lock| lock.path.as_ref().is_some_and(|last| last.as_path() == absolute);
                let lies_on_disk = || {
                    let habitat = self.scope.habitat.as_ref();
                    habitat.is_some_and(|habitat| habitat.family_at(&absolute).is_some())
                };
                let is_free = || family.is_some_and(Family::makes_its_file);
                let may_be_absent = self.awaits
                    || snapshot.locks.iter().any(is_last_name)
                    || lies_on_disk()
                    || is_free();
                if !may_be_absent {
                    return Err(Error::usage(format!("{} does not exist", show(path))));
                }
                Place { path: absolute, file: None, below: self.awaits }
            }
            Resolved::Failed(error) => return Err(Error::io("look up", path, error)),
            Resolved::Hangs => {
                return Err(Error::unreachable(format!(
                    "cannot look up {}: its file system does not answer; name the lock by its id, \
                     from 'locktop ls'",
                    show(path)
                )));
            }
        };
        Ok(Pick::Places { places: vec![place], family })
    }
}

fn show(path: &Path) -> String {
    harmless_bytes(path.as_os_str().as_encoded_bytes()).into_owned()
}

/// Which locks the user asked for.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    picks: Vec<Pick>,
    /// Without picks everything is meant, but for this.
    is_nothing: bool,
}

#[derive(Debug, Clone)]
enum Pick {
    Id(LockId),
    Pid(Pid),
    Places { places: Vec<Place>, family: Option<&'static dyn Family> },
}

#[derive(Debug, Clone)]
struct Place {
    /// Absolute and without links.
    path: PathBuf,
    /// The file that is there now, as `stat` numbers it and as lock tables do.
    file: Option<(FileId, FileId)>,
    /// Everything below this folder.
    below: bool,
}

impl Selection {
    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self { picks: Vec::new(), is_nothing: true }
    }

    /// What either of the two means.
    #[must_use]
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.picks.extend(other.picks);
        self
    }

    /// The paths at which there is nothing.
    pub fn absent(&self) -> impl Iterator<Item = &Path> {
        let places = self.picks.iter().flat_map(|pick| match pick {
            // What lies on disk has no number that could be known before it lies there.
            Pick::Places { family, places } if !family.is_some_and(Family::lies_on_disk) => {
                &places[..]
            }
            _ => &[],
        });
        places.filter(|place| place.file.is_none()).map(|place| place.path.as_path())
    }

    /// Whether everything below a folder is meant.
    #[must_use]
    pub fn reaches_below(&self) -> bool {
        self.picks.iter().any(|pick| match pick {
            Pick::Places { places, .. } => places.iter().any(|place| place.below),
            _ => false,
        })
    }

    /// Whether the lock was asked for.
    #[must_use]
    pub fn contains(&self, lock: &Lock) -> bool {
        self.picks.is_empty() && !self.is_nothing
            || self.picks.iter().any(|pick| pick.contains(lock))
    }

    /// Whether an event is of a lock that was asked for, of which no look need have shown anything.
    pub(crate) fn covers(&self, event: &Event) -> bool {
        self.picks.is_empty() && !self.is_nothing
            || self.picks.iter().any(|pick| pick.covers(event))
    }

    /// The processes that were asked for by number.
    #[must_use]
    pub fn pids(&self) -> Vec<Pid> {
        let pids: HashSet<Pid> = self
            .picks
            .iter()
            .filter_map(|pick| match pick {
                Pick::Pid(pid) => Some(*pid),
                _ => None,
            })
            .collect();
        let mut pids: Vec<Pid> = pids.into_iter().collect();
        pids.sort_unstable();
        pids
    }
}

impl Pick {
    fn contains(&self, lock: &Lock) -> bool {
        match self {
            Self::Id(id) => lock.is_called(id),
            Self::Pid(pid) => {
                let holds = lock.holders.iter().any(|holder| holder.process.pid == Some(*pid));
                holds || lock.waiters.iter().any(|waiter| waiter.process.pid == Some(*pid))
            }
            Self::Places { places, family } => {
                family.is_none_or(|family| is_of(lock, family))
                    && places.iter().any(|place| place.contains(lock))
            }
        }
    }
}

impl Pick {
    fn covers(&self, event: &Event) -> bool {
        match self {
            Self::Id(id) => event.id == *id || event.id.is_of_same(id),
            Self::Pid(pid) => event.pid == Some(*pid),
            Self::Places { places, family } => {
                let word = event.id.family();
                let is_of = |family: &dyn Family| {
                    let mut mechanisms = family.mechanisms().iter();
                    word == family.word() || mechanisms.any(|mechanism| mechanism.word() == word)
                };
                family.is_none_or(is_of) && places.iter().any(|place| place.covers(event))
            }
        }
    }
}

/// Also where nobody but the user knows what a place is.
fn is_of(lock: &Lock, family: &dyn Family) -> bool {
    let word = family.word();
    lock.family == word
        || lock.mechanism.word() == word
        || family.mechanisms().contains(&lock.mechanism)
}

impl Place {
    fn covers(&self, event: &Event) -> bool {
        let path = event.path.as_ref().map(PathBytes::as_path);
        path.is_some_and(|path| path == self.path || self.below && path.starts_with(&self.path))
            || self.file.is_some_and(|(file, table)| event.id.is_in(file) || event.id.is_in(table))
    }

    fn contains(&self, lock: &Lock) -> bool {
        if let Some(path) = lock.path.as_ref().map(PathBytes::as_path)
            && (path == self.path || self.below && path.starts_with(&self.path))
        {
            return true;
        }
        // A lock of which only the table's number is known can be any of the files that have it.
        self.file.is_some_and(|(file, in_table)| {
            lock.file == Some(file)
                || lock.file == lock.table_file && lock.table_file == Some(in_table)
        })
    }
}
