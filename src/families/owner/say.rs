//! What a lock of ours says, so that those who use such locks understand whose it is.

use std::path::Path;

use jiff::Timestamp;

use super::Reader;

/// Who we are.
#[derive(Debug)]
pub(in crate::families) struct Speaker<'a> {
    pub(in crate::families) pid: u32,
    pub(in crate::families) host: Option<&'a str>,
    pub(in crate::families) user: Option<&'a str>,
    /// When we started, to a few seconds.
    pub(in crate::families) started_at: Option<Timestamp>,
}

impl Reader {
    /// The text of a lock at that path by which its readers know us; `None`: what is usual where
    /// nothing else is said.
    ///
    /// # Errors
    /// Why we cannot make such a lock, as a clause.
    pub(in crate::families) fn say(
        self,
        path: &Path,
        by: &Speaker<'_>,
    ) -> Result<Option<Vec<u8>>, &'static str> {
        let pid = by.pid;
        let host = by.host.ok_or("this machine does not tell its name");
        let text = match self {
            Self::Pid | Self::Text => return Ok(None),
            // Its readers want to read nothing in it, or do not read it.
            Self::Git | Self::Nothing => String::new(),
            Self::PidHost => format!("{pid} {}", host?),
            // An X server takes one of any other length for broken, and removes it.
            Self::Uucp => format!("{pid:>10}\n"),
            Self::Postmaster => {
                let folder = path.parent().unwrap_or(Path::new("/")).to_string_lossy();
                let started = by.started_at.ok_or("it cannot be told when this process started")?;
                format!("{pid}\n{folder}\n{}\n", started.as_second())
            }
            // Without the time when the machine started, any Emacs asks whether we are alive.
            Self::Emacs => {
                let user = by.user.ok_or("it cannot be told who runs this")?;
                format!("{user}@{}.{pid}", host?)
            }
            Self::Chromium => format!("{}-{pid}", host?),
            Self::Aside => return Err("only a release makes it"),
            Self::Vim => return Err("only Vim can write a swap file"),
            Self::Terraform | Self::Firefox => {
                return Err("it only tells who has the lock; the lock itself lies beside it");
            }
        };
        Ok(Some(text.into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Content, Excerpt};

    const US: Speaker<'static> = Speaker {
        pid: 4242,
        host: Some("web-01.example.org"),
        user: Some("backup"),
        started_at: Some(Timestamp::UNIX_EPOCH),
    };

    #[test]
    fn who_reads_it_knows_us() {
        let started = "2026-11-21T12:00:00Z".parse().unwrap();
        let us = Speaker { started_at: Some(started), ..US };
        let path = Path::new("/srv/data/lock");
        for reader in Reader::ALL {
            let Ok(Some(bytes)) = reader.say(path, &us) else { continue };
            if bytes.is_empty() {
                assert!(matches!(reader, Reader::Git | Reader::Nothing));
                continue;
            }
            let content = match reader {
                Reader::Emacs | Reader::Chromium => Content::Link(bytes),
                _ => Content::File(Excerpt { bytes, cut: false }),
            };
            let owner = reader.read(path, &content).unwrap();
            assert_eq!(owner.pid, Some(4242), "{reader:?}");
            assert!(owner.host.is_none_or(|host| *host == *US.host.unwrap()), "{reader:?}");
            assert!(owner.started_at.is_none_or(|at| at == started), "{reader:?}");
        }
    }

    #[test]
    fn locks_of_x_servers_have_eleven_bytes() {
        let text = Reader::Uucp.say(Path::new("/tmp/.X0-lock"), &US).unwrap().unwrap();
        assert_eq!(text, b"      4242\n");
    }

    #[test]
    fn what_we_cannot_make_is_said() {
        let path = Path::new("/srv/.x.swp");
        for reader in [Reader::Vim, Reader::Terraform, Reader::Firefox, Reader::Aside] {
            assert!(reader.say(path, &US).is_err(), "{reader:?}");
        }
        let nobody = Speaker { host: None, user: None, started_at: None, ..US };
        for reader in [Reader::Emacs, Reader::Chromium, Reader::PidHost, Reader::Postmaster] {
            assert!(reader.say(path, &nobody).is_err(), "{reader:?}");
        }
    }
}
