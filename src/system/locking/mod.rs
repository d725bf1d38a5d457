//! Locks as the system gives them: lock files opened safely, record locks, and the signal that ends
//! a blocked wait.

mod open;

pub(crate) use open::{Access, FileState, open, state_of};

/// A thread that a signal can be sent to, as long as it lives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Thread;
