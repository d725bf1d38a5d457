//! The locking core of `locktop`: who really holds a lock, for how long, and who waits for it.

pub mod diagnose;
mod error;
mod inspect;
pub mod model;

pub use error::Error;
pub use inspect::{Folders, Inspector, Selection};
pub use model::{Snapshot, Target, TargetError};
