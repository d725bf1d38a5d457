//! Locks as the system gives them: lock files opened safely, record locks, and the signal that ends
//! a blocked wait.

mod open;
mod signal;

pub(crate) use open::{Access, is_absent, is_named, number, open};
pub(crate) use signal::{Thread, prepare, set_signal};
