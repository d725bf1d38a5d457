//! Whether numbers still mean what they meant at an earlier time.

use std::io;

use serde::{Deserialize, Serialize};

use super::System;

/// What the numbers of processes and times depend on, besides this run of the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Numbering {
    /// The pid namespace and, where the kernel has such a thing, the time namespace.
    pub(crate) namespaces: [Option<String>; 2],
    /// How many processes and threads have been started since boot.
    pub(crate) births: Option<u64>,
}

impl System {
    /// As of now.
    ///
    /// # Errors
    /// When the pid namespace is not told.
    pub(crate) fn numbering(&self) -> io::Result<Numbering> {
        let namespace = |name| {
            let link = std::fs::read_link(self.proc.join("self/ns").join(name))?;
            Ok::<_, io::Error>(link.to_string_lossy().into_owned())
        };
        let namespaces = [Some(namespace("pid")?), namespace("time").ok()];
        Ok(Numbering { namespaces, births: self.births() })
    }

    /// Whether a process can have got a number since that another had then: numbers are given out
    /// in turn, and reused only when all have been.
    pub(crate) fn may_have_reused_numbers(&self, then: &Numbering, now: &Numbering) -> bool {
        /// Of the kernel's `kernel/pid.c`: when all have been given out, it begins behind these.
        const RESERVED: u64 = 300;
        let most = std::fs::read_to_string(self.proc.join("sys/kernel/pid_max"));
        let most: Option<u64> = most.ok().and_then(|most| most.trim().parse().ok());
        let born = now.births.zip(then.births).and_then(|(now, then)| now.checked_sub(then));
        // Half is far more than those can be that were alive all the time and are passed over.
        born.zip(most).is_none_or(|(born, most)| born >= most.saturating_sub(RESERVED) / 2)
    }

    fn births(&self) -> Option<u64> {
        let text = std::fs::read_to_string(self.proc.join("stat")).ok()?;
        text.lines().find_map(|line| line.strip_prefix("processes "))?.trim().parse().ok()
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn every_process_is_counted() {
        let system = System::new();
        let then = system.numbering().unwrap();
        assert!(std::process::Command::new("true").status().unwrap().success());
        let now = system.numbering().unwrap();
        assert!(now.births.unwrap() > then.births.unwrap());
        assert_eq!(now.namespaces, then.namespaces);
    }

    #[test]
    fn numbers_are_reused_when_many_have_been_given_out() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("sys/kernel")).unwrap();
        std::fs::write(folder.path().join("sys/kernel/pid_max"), "32768\n").unwrap();
        let system = System::with_proc(folder.path());
        let at = |births| Numbering { namespaces: [None, None], births };
        let reused = |then, now| system.may_have_reused_numbers(&at(then), &at(now));
        assert!(!reused(Some(1000), Some(2000)));
        assert!(reused(Some(1000), Some(40_000)));
        assert!(reused(None, Some(2000)) && reused(Some(2000), Some(1000)));
    }
}
