//! Where facts come from. A source looks, and says what it could not see.

mod kernel;

use std::path::PathBuf;

use crate::error::Error;
use crate::model::Look;
use crate::system::System;
pub(crate) use kernel::Kernel;

/// What a look is for.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    /// Where somebody is known or said to lock: gives locks a name whose holders may not be asked.
    pub(crate) places: Vec<PathBuf>,
    /// Below these folders they may be.
    pub(crate) folders: Vec<PathBuf>,
}

/// Something that can be looked at.
pub(crate) trait Source: Send + std::fmt::Debug {
    /// Looks once. Partial is normal: the look says what it was blind to.
    fn look(&mut self, scope: &Scope, system: &System) -> Result<Look, Error>;
}
