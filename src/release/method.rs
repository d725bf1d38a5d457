//! The ways to free a lock.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A way to free a lock, least harm first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Let a holder go on that is stopped or frozen.
    Resume,
    /// End one who waits.
    EndWaiter,
    /// End the holders with SIGTERM.
    Terminate,
    /// End the holders while we keep the lock, then hand it over.
    Escrow,
    /// Remove the file, folder or link that is the lock.
    Remove,
    /// End the holders with SIGKILL.
    Kill,
    /// Take the lock away from holders that live on and believe that they have it.
    Unlock,
}

impl Method {
    /// All of them, least harm first.
    pub const ALL: [Self; 7] = [
        Self::Resume,
        Self::EndWaiter,
        Self::Terminate,
        Self::Escrow,
        Self::Remove,
        Self::Kill,
        Self::Unlock,
    ];

    /// The word for it, as in JSON and on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Resume => "resume",
            Self::EndWaiter => "end-waiter",
            Self::Terminate => "terminate",
            Self::Escrow => "escrow",
            Self::Remove => "remove",
            Self::Kill => "kill",
            Self::Unlock => "unlock",
        }
    }

    /// Whether being wrong about it can destroy something: it wants a word typed.
    #[must_use]
    pub fn is_drastic(self) -> bool {
        matches!(self, Self::Kill | Self::Unlock)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl FromStr for Method {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|method| method.word() == word).ok_or_else(|| {
            let words = Self::ALL.map(Self::word).join(", ");
            format!("there is no such method; those there are: {words}")
        })
    }
}
