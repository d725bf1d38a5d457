//! Where facts come from. A source looks, and says what it could not see.

mod discovered;
mod files;
mod kernel;
pub(crate) mod trace;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::model::{Look, Moment};
use crate::system::System;
use crate::system::discovery::Bell;
pub(crate) use files::{Candidate, Files, Habitat};
pub(crate) use kernel::Kernel;

/// What a look is for.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    /// Where somebody is known or said to lock: gives locks a name whose holders may not be asked.
    pub(crate) places: Vec<PathBuf>,
    /// Below these folders they may be.
    pub(crate) folders: Vec<PathBuf>,
    /// Where somebody said that a lock can lie on disk.
    pub(crate) candidates: Vec<Candidate>,
    /// Where somebody waits for one, by what this look has shown so far.
    pub(crate) waited_for: Vec<Candidate>,
    /// Where else they can lie.
    pub(crate) habitat: Option<Arc<dyn Habitat>>,
    /// Whether the machine's own are to be looked at.
    pub(crate) everywhere: bool,
    /// Files have been renamed or removed: what is known of names may not be relied on.
    pub(crate) names_in_doubt: bool,
    /// How long the look may wait for what takes a while; nothing: not at all.
    pub(crate) patience: Option<Duration>,
    /// Is rung when there is something more to be seen.
    pub(crate) bell: Option<Bell>,
    /// Whether what the last look told of a lock is still at hand.
    pub(crate) may_keep: bool,
}

/// A look that showed what the last one did: only time has passed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Glance {
    /// As of a [`Look`].
    pub(crate) at: Moment,
    /// As of a [`Look`].
    pub(crate) cost: Duration,
}

/// Something that can be looked at.
pub(crate) trait Source: Send + std::fmt::Debug {
    /// Looks once. Partial is normal: the look says what it was blind to.
    fn look(&mut self, scope: &Scope, system: &System) -> Result<Look, Error>;

    /// Tells, for less than a look, whether another one would show the same as the last. `None`:
    /// look; that goes on from what the glance has read.
    ///
    /// Only after a look for which [`Source::can_be_kept`] was true.
    fn glance(&mut self, scope: &Scope, system: &System) -> Result<Option<Glance>, Error>;

    /// Somebody has seen something come or go at a path, where that family's locks lie.
    fn spotted(&mut self, _path: &Path, _family: &'static str) {}

    /// There are new folders, of which nobody knows what is in them.
    fn folders_came(&mut self) {}

    /// Folders in which something can come or go that the next look would show, those first that
    /// matter most; none on a file system that may not answer.
    fn nests(&self, _scope: &Scope, _system: &System) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Whether the next look can keep something of the last, or be a glance.
    fn can_be_kept(&self) -> bool;
}
