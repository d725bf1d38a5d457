//! Locks that lie on disk, read without following what somebody planted and without changing
//! anything: never through a link at the end of the path, and never a pipe or a device.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
use unix as platform;
#[cfg(unix)]
pub(crate) use unix::examine_at;
#[cfg(not(unix))]
mod without;
#[cfg(not(unix))]
use without as platform;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::aside::Questions;
use super::procfs::mounts::Mount;
use crate::model::OnDisk;

/// What lies at a path.
#[derive(Debug)]
pub(crate) enum Found {
    /// Something.
    There(Box<OnDisk>),
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

impl Disks {
    /// What lies at these paths, in no order. One mount that hangs holds up the others once, and no
    /// longer than a person would wait.
    pub(super) fn examine(&self, paths: Vec<PathBuf>, mounts: &[Mount]) -> Vec<(PathBuf, Found)> {
        let mut by_mount: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
        for path in paths {
            let point = Mount::of_path(mounts, &path).map(|mount| mount.point.clone());
            by_mount.entry(point.unwrap_or_default()).or_default().push(path);
        }
        let mut found = Vec::new();
        for (mount, paths) in by_mount {
            let asked = paths.clone();
            let mounts = mounts.to_vec();
            let question = move || {
                let examine = |path: PathBuf| {
                    let there = examine(&path, &mounts);
                    (path, there)
                };
                asked.into_iter().map(examine).collect::<Vec<_>>()
            };
            match self.0.ask(&mount, PATIENCE, question) {
                // A late answer can be one to another question.
                Ok(Some(mut answers)) => {
                    answers.retain(|(path, _)| paths.contains(path));
                    let unanswered = paths
                        .iter()
                        .filter(|path| !answers.iter().any(|(answered, _)| answered == *path));
                    let hang: Vec<_> =
                        unanswered.map(|path| (path.clone(), Found::Hangs)).collect();
                    found.extend(answers);
                    found.extend(hang);
                }
                Ok(None) => found.extend(paths.into_iter().map(|path| (path, Found::Hangs))),
                Err(error) => found.extend(paths.into_iter().map(|path| {
                    (path, Found::Failed(io::Error::new(error.kind(), error.to_string())))
                })),
            }
        }
        found
    }
}

fn examine(path: &Path, mounts: &[Mount]) -> Found {
    match platform::examine(path) {
        Ok(Some((mut there, mount))) => {
            let mount = mounts.iter().find(|known| Some(known.id) == mount);
            let mount = mount.or_else(|| Mount::of_path(mounts, path));
            there.shared_with_others = mount.is_some_and(Mount::may_hang);
            Found::There(Box::new(there))
        }
        Ok(None) => Found::Nothing,
        Err(error) => Found::Failed(error),
    }
}
