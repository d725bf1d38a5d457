//! Where facts come from. A source looks, and says what it could not see.

mod kernel;

use crate::error::Error;
use crate::model::Look;
use crate::system::System;
pub(crate) use kernel::Kernel;

/// Something that can be looked at.
pub(crate) trait Source: Send + std::fmt::Debug {
    /// Looks once. Partial is normal: the look says what it was blind to.
    fn look(&mut self, system: &System) -> Result<Look, Error>;
}
