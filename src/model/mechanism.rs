//! What makes a lock exclusive, and how it is held or wanted.

use serde::Serialize;

/// What makes a lock exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mechanism {
    /// flock(2).
    Flock,
    /// fcntl(2) record locks that belong to a process.
    Posix,
    /// fcntl(2) record locks that belong to an open file description.
    Ofd,
    /// fcntl(2) leases, and the kernel's delegations for file servers.
    Lease,
    /// A file, folder or link that is the lock by existing.
    Exists,
    /// A lock server.
    Server,
}

impl Mechanism {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Flock, Self::Posix, Self::Ofd, Self::Lease, Self::Exists, Self::Server];

    /// The word as in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Flock => "flock",
            Self::Posix => "posix",
            Self::Ofd => "ofd",
            Self::Lease => "lease",
            Self::Exists => "exists",
            Self::Server => "server",
        }
    }

    /// Whether locks of the two kinds exclude each other on a local file system.
    #[must_use]
    pub fn conflicts_with(self, other: Self) -> bool {
        let record = |mechanism| matches!(mechanism, Self::Posix | Self::Ofd);
        self == other || record(self) && record(other)
    }
}

/// How a lock is held or wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// With others who share it.
    Shared,
    /// Alone.
    Exclusive,
}

impl Mode {
    /// Whether one who has it so keeps out one who wants it so.
    #[must_use]
    pub fn conflicts_with(self, other: Self) -> bool {
        self == Self::Exclusive || other == Self::Exclusive
    }

    /// The word as in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Exclusive => "exclusive",
        }
    }
}
