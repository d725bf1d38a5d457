//! The ways to free a lock.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::{Holder, Mechanism, State};

/// A way to free a lock, least harm first; or, last, to end one who waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Let a holder go on that is stopped or frozen.
    Resume,
    /// End the holders with SIGTERM.
    Terminate,
    /// End the holders while we keep the lock, then hand it over.
    Escrow,
    /// End the holders with SIGKILL.
    Kill,
    /// Take the lock away from holders that live on and believe that they have it.
    Unlock,
    /// Remove what is the lock by existing.
    Remove,
    /// End one who waits.
    EndWaiter,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Resume,
        Self::Terminate,
        Self::Escrow,
        Self::Kill,
        Self::Unlock,
        Self::Remove,
        Self::EndWaiter,
    ];

    /// Those that free a lock of that kind with these holders, least harm first, whatever the
    /// rights of whoever asks are.
    #[must_use]
    pub fn fitting(mechanism: Mechanism, holders: &[Holder]) -> &'static [Self] {
        if mechanism == Mechanism::Exists {
            return Self::fitting_on_disk(holders);
        }
        // None for threads of the kernel: no signal ends them, and they have no descriptors.
        if holders.is_empty() || holders.iter().any(|holder| holder.process.kernel_thread) {
            return &[];
        }
        let all: &[Self] = match mechanism {
            // The lock belongs to an open file, which others can share.
            Mechanism::Flock | Mechanism::Ofd => {
                &[Self::Resume, Self::Terminate, Self::Escrow, Self::Kill, Self::Unlock]
            }
            Mechanism::Lease => &[Self::Resume, Self::Terminate, Self::Kill, Self::Unlock],
            Mechanism::Posix => &[Self::Resume, Self::Terminate, Self::Kill],
            Mechanism::Exists | Mechanism::Server => return &[],
        };
        if holders.iter().any(|holder| is_halted(holder.process.state)) { all } else { &all[1..] }
    }

    /// What is there without anybody can be removed; else those can be ended who run here.
    fn fitting_on_disk(holders: &[Holder]) -> &'static [Self] {
        let is_here =
            |holder: &Holder| holder.process.id().is_some() && !holder.process.kernel_thread;
        if holders.is_empty() || !holders.iter().all(is_here) {
            &[Self::Remove]
        } else if holders.iter().any(|holder| is_halted(holder.process.state)) {
            &[Self::Resume, Self::Terminate, Self::Kill, Self::Remove]
        } else {
            &[Self::Terminate, Self::Kill, Self::Remove]
        }
    }

    /// The word for it, as in JSON and on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Resume => "resume",
            Self::Terminate => "terminate",
            Self::Escrow => "escrow",
            Self::Kill => "kill",
            Self::Unlock => "unlock",
            Self::Remove => "remove",
            Self::EndWaiter => "end-waiter",
        }
    }

    /// Whether being wrong about it can destroy something.
    #[must_use]
    pub fn is_drastic(self) -> bool {
        matches!(self, Self::Kill | Self::Unlock)
    }
}

/// Whether somebody else has to let it go on.
pub(crate) fn is_halted(state: Option<State>) -> bool {
    matches!(state, Some(State::Stopped | State::Frozen))
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Certainty, Process};

    fn words(mechanism: Mechanism, process: Process) -> Vec<&'static str> {
        let holder = Holder {
            process: Arc::new(process),
            host: None,
            certainty: Certainty::Proven,
            grant: 1,
            fds: vec![3],
            token: None,
        };
        Method::fitting(mechanism, &[holder]).iter().map(|method| method.word()).collect()
    }

    #[test]
    fn methods_fit_the_mechanism_and_the_holders() {
        let running = Process::default;
        let stopped = Process { state: Some(State::Stopped), ..running() };
        let kernel = Process { kernel_thread: true, ..running() };
        assert_eq!(words(Mechanism::Flock, running()), ["terminate", "escrow", "kill", "unlock"]);
        assert_eq!(words(Mechanism::Posix, stopped), ["resume", "terminate", "kill"]);
        assert_eq!(words(Mechanism::Lease, running()), ["terminate", "kill", "unlock"]);
        assert!(words(Mechanism::Lease, kernel).is_empty());
        assert!(Method::fitting(Mechanism::Flock, &[]).is_empty());
    }

    #[test]
    fn words_are_read_back() {
        for method in Method::ALL {
            assert_eq!(method.word().parse(), Ok(method));
        }
        assert!("delete".parse::<Method>().unwrap_err().contains("end-waiter"));
    }
}
