//! The judgement on a lock.

use serde::Serialize;

/// The judgement on a lock, most serious first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Its holders and waiters wait for each other in a circle.
    Deadlock,
    /// The path names another file by now: two processes can both believe they hold it.
    Split,
    /// Nothing alive keeps it.
    Stale,
    /// Who took it is gone and left it to a process that nobody is in charge of.
    Orphaned,
    /// Its holder cannot go on.
    Stuck,
    /// Cannot be judged from here.
    Unknown,
    /// Somebody waits, the holder is at work.
    Contended,
    /// Nobody waits.
    Held,
}

impl Verdict {
    /// All of them, most serious first.
    pub const ALL: [Self; 8] = [
        Self::Deadlock,
        Self::Split,
        Self::Stale,
        Self::Orphaned,
        Self::Stuck,
        Self::Unknown,
        Self::Contended,
        Self::Held,
    ];

    /// The word as in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Deadlock => "deadlock",
            Self::Split => "split",
            Self::Stale => "stale",
            Self::Orphaned => "orphaned",
            Self::Stuck => "stuck",
            Self::Unknown => "unknown",
            Self::Contended => "contended",
            Self::Held => "held",
        }
    }

    /// Whether the verdict alone needs a person.
    #[must_use]
    pub fn is_problem(self) -> bool {
        self <= Self::Stuck
    }
}
