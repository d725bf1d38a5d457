//! What is said while somebody waits.

use std::fmt;
use std::time::Duration;

use crate::model::{Lock, Pid, Span, harmless, short};

/// What happens to a request. Printed, it is one plain sentence without a full stop.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Progress {
    /// Somebody else has the lock: told at once, and then about once a second.
    Waiting(Waiting),
    /// The lock file was replaced while we waited for it: we stand at the end of the new one's queue.
    Replaced {
        /// Path or URL, harmless to print.
        name: String,
    },
    /// The lock is ours; where only its being free was waited for, it is free.
    Taken {
        /// Path or URL, harmless to print.
        name: String,
        /// For how long we waited.
        waited: Duration,
    },
}

/// How a wait stands.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Path or URL, harmless to print.
    pub name: String,
    /// For how long we have waited.
    pub waited: Duration,
    /// The lock as the last look saw it; `None` before the first, and when that saw nobody with it.
    pub lock: Option<Box<Lock>>,
    /// Our place in its queue, from 1, where that is known.
    pub position: Option<u32>,
    /// Whether another look has been taken since this was last told.
    pub looked: bool,
    /// Whether that look saw other holders, or us at another place.
    pub changed: bool,
}

impl Waiting {
    /// How many stand before us; `None` where our place is not known.
    #[must_use]
    pub fn ahead(&self) -> Option<u32> {
        self.position.map(|position| position.saturating_sub(1))
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}
