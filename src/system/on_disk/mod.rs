//! Locks that lie on disk, read without following what somebody planted and without changing
//! anything: never through a link at the end of the path, and never a pipe or a device.

#[cfg(unix)]
mod removal;
#[cfg(unix)]
mod replacement;
#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use removal::may_remove;
#[cfg(unix)]
use unix as platform;
#[cfg(unix)]
use unix::examine_at;
#[cfg(not(unix))]
mod without;
#[cfg(not(unix))]
use without as platform;
#[cfg(not(unix))]
pub(crate) use without::may_remove;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::aside::Questions;
use super::procfs::mounts::Mount;
use crate::model::OnDisk;

/// What lies at a path.
#[derive(Debug)]
pub(crate) enum Found {
    /// Something.
    There(Arc<OnDisk>),
    /// Nothing, which for a lock means that it is free.
    Nothing,
    /// It could not be looked at.
    Failed(io::Error),
    /// Its file system did not answer in time.
    Hangs,
}

/// A mount that is silent for so long is taken to hang.
const PATIENCE: Duration = Duration::from_secs(2);

/// Looks, with those that have not been answered yet.
#[derive(Debug, Default)]
pub(super) struct Disks(Questions<Vec<(PathBuf, Found)>>);

/// A path, and what lay there at the last look: that is not read again as long as nothing about it
/// has changed.
pub(crate) type Ask = (PathBuf, Option<Arc<OnDisk>>);

impl Disks {
    /// What lies at these paths, in no order. One mount that hangs holds up the others once, and no
    /// longer than a person would wait.
    pub(super) fn examine(&self, asks: Vec<Ask>, mounts: &[Mount]) -> Vec<(PathBuf, Found)> {
        let mut by_mount: BTreeMap<PathBuf, Vec<Ask>> = BTreeMap::new();
        for ask in asks {
            let point = Mount::of_path(mounts, &ask.0).map(|mount| mount.point.clone());
            by_mount.entry(point.unwrap_or_default()).or_default().push(ask);
        }
        let mut found = Vec::new();
        for (mount, asks) in by_mount {
            let paths: Vec<PathBuf> = asks.iter().map(|(path, _)| path.clone()).collect();
            let mounts = mounts.to_vec();
            let question = move || {
                let examine = |(path, known): Ask| {
                    let there = examine(&path, known, &mounts);
                    (path, there)
                };
                asks.into_iter().map(examine).collect::<Vec<_>>()
            };
            match self.0.ask(&mount, PATIENCE, question) {
                Ok(answers) => {
                    // A late answer can be one to another question.
                    let mut answers: HashMap<PathBuf, Found> =
                        answers.into_iter().flatten().collect();
                    found.extend(paths.into_iter().map(|path| {
                        let answer = answers.remove(&path).unwrap_or(Found::Hangs);
                        (path, answer)
                    }));
                }
                Err(error) => found.extend(paths.into_iter().map(|path| {
                    (path, Found::Failed(io::Error::new(error.kind(), error.to_string())))
                })),
            }
        }
        found
    }
}

fn examine(path: &Path, known: Option<Arc<OnDisk>>, mounts: &[Mount]) -> Found {
    match platform::examine(path, known.as_deref()) {
        Ok(platform::Seen::Nothing) => Found::Nothing,
        Ok(platform::Seen::AsKnown) => known.map_or(Found::Nothing, Found::There),
        Ok(platform::Seen::There(mut there, mount)) => {
            let mount = mounts.iter().find(|known| Some(known.id) == mount);
            let mount = mount.or_else(|| Mount::of_path(mounts, path));
            there.shared_with_others = mount.is_some_and(Mount::may_hang);
            Found::There(there.into())
        }
        Err(error) => Found::Failed(error),
    }
}
