//! What the program is that has a repository, by its command line.

use std::ffi::OsString;
use std::path::Path;

use crate::model::Process;

/// The names of Kubo's program.
const NAMES: [&str; 2] = ["ipfs", "kubo"];

/// Options that have a value as their next word.
const WITH_VALUE: [&str; 7] =
    ["-c", "--config", "--repo-dir", "--config-file", "--api", "--api-auth", "--timeout"];

/// Who has a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Program {
    /// `ipfs daemon`.
    Daemon,
    /// Another command of Kubo's, if it is known which.
    Command(Option<String>),
    /// Something else, in which a daemon can be at work all the same.
    Other,
}

impl Program {
    pub(super) fn of(process: &Process) -> Self {
        let words = process.cmdline.as_deref().unwrap_or_default();
        let name = words.first().and_then(|word| Path::new(word).file_name()?.to_str());
        let is_kubo = |name: Option<&str>| name.is_some_and(|name| NAMES.contains(&name));
        if !is_kubo(name) && !is_kubo(process.command.as_deref()) {
            return Self::Other;
        }
        match command(words.get(1..).unwrap_or_default()) {
            Some(command) if command == "daemon" => Self::Daemon,
            command => Self::Command(command),
        }
    }
}

/// The first word that is neither an option nor the value of one.
fn command(words: &[OsString]) -> Option<String> {
    let mut words = words.iter().map(|word| word.to_string_lossy());
    loop {
        let word = words.next()?;
        if WITH_VALUE.contains(&&*word) {
            words.next()?;
        } else if !word.starts_with('-') {
            return Some(word.into_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Program {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        Program::of(&Process { cmdline: Some(words), ..Process::default() })
    }

    #[test]
    fn a_daemon_is_told_from_other_commands() {
        for line in [
            "ipfs daemon",
            "/usr/local/bin/ipfs daemon --migrate=true",
            "ipfs --repo-dir /srv/ipfs --debug daemon",
            "kubo -c /x daemon",
        ] {
            assert_eq!(of(line), Program::Daemon, "{line}");
        }
        assert_eq!(of("ipfs add daemon"), Program::Command(Some("add".into())));
        assert_eq!(of("ipfs --timeout daemon repo gc"), Program::Command(Some("repo".into())));
        assert_eq!(of("ipfs"), Program::Command(None));
        assert_eq!(of("rsync daemon"), Program::Other);
        assert_eq!(Program::of(&Process::default()), Program::Other);
    }

    #[test]
    fn its_name_is_enough_where_its_command_line_is_hidden() {
        let process = Process { command: Some("ipfs".into()), ..Process::default() };
        assert_eq!(Program::of(&process), Program::Command(None));
    }
}
