//! The locking core of `locktop`: who really holds a lock, for how long, and who waits for it.

pub mod acquire;
pub mod diagnose;
mod error;
mod families;
mod inspect;
mod ledger;
pub mod model;
pub mod release;
mod sources;
mod system;
pub mod watch;

pub use acquire::{Acquire, Guard};
pub use error::Error;
pub use families::catalogue;
pub use inspect::{Folders, Inspector, Selection, Traced};
pub use ledger::Memory;
pub use model::{Snapshot, Target, TargetError};
#[doc(hidden)]
pub use system::{children, command, console};

/// The README's example, kept true.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
