//! What is said while somebody waits.

use std::fmt;
use std::time::Duration;

use crate::model::{Lock, harmless};

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
    /// Why no look was possible.
    pub blind: Option<String>,
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

    /// Whether a look saw other holders than the last one, or us at another place.
    pub(super) fn differs(&self, lock: Option<&Lock>, position: Option<u32>) -> bool {
        let holders = |lock: Option<&Lock>| lock.map(|lock| lock.as_seen);
        self.position != position || holders(self.lock.as_deref()) != holders(lock)
    }

    /// Who has it, in a few words, harmless to print; `None` where nobody could be seen.
    #[must_use]
    pub fn who(&self) -> Option<String> {
        let holders = &self.lock.as_ref()?.holders;
        let first = &holders.first()?.process;
        let command = first.command.as_deref().map_or_else(|| "a process".into(), harmless);
        let pid = first.pid.map(|pid| format!(" ({pid})")).unwrap_or_default();
        let others = match holders.len() {
            1 => String::new(),
            2 => " and another".into(),
            more => format!(" and {} others", more - 1),
        };
        Some(format!("{command}{pid}{others}"))
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting(waiting) => match waiting.who() {
                Some(who) => write!(f, "waiting for {}: {who} has it", waiting.name),
                None => write!(f, "waiting for {}", waiting.name),
            },
            Self::Replaced { name } => write!(f, "{name} was replaced; waiting for the new one"),
            Self::Taken { name, waited } => {
                write!(f, "{name} is free after {:.1} s", waited.as_secs_f64())
            }
        }
    }
}
