//! What a user names on the command line, as text.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

use super::{LockId, Pid};
use crate::system::path_from_bytes;

/// The families that can stand before a path, `FAMILY:PATH`, and whether this version knows them.
pub const FAMILIES: [(&str, bool); 9] = [
    ("flock", true),
    ("posix", true),
    ("ofd", true),
    ("lockfile", true),
    ("pidfile", true),
    ("ipfs", true),
    ("nerdctl", true),
    ("borg", false),
    ("borg2", false),
];

/// The schemes of lock servers, and whether this version knows them.
pub const SCHEMES: [(&str, bool); 5] =
    [("redis", false), ("rediss", false), ("etcd", false), ("etcds", false), ("locker", false)];

/// What a user names: an id, a process, or a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `@…`, as `ls` prints it.
    Id(LockId),
    /// `pid:N`: what that process holds and waits for.
    Pid(Pid),
    /// `FAMILY:PATH`.
    Family {
        /// One of [`FAMILIES`].
        family: &'static str,
        /// The path behind the colon.
        path: PathBuf,
    },
    /// A path.
    Path(PathBuf),
}

/// Why a text is not a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetError {
    text: OsString,
    reason: String,
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = super::harmless_bytes(self.text.as_encoded_bytes());
        write!(f, "cannot use the target '{text}': {}", self.reason)
    }
}

impl std::error::Error for TargetError {}

impl Target {
    /// Reads a target, trying in this order: `@ID`, `pid:N`, `SCHEME://…`, `FAMILY:PATH`, a path.
    ///
    /// Nothing is looked up: a path need not exist.
    ///
    /// # Errors
    /// When the text is empty, a pid is not a number, a scheme is unknown, or a scheme or family is
    /// not known to this version.
    ///
    /// ```
    /// use locktop::Target;
    /// assert_eq!(Target::parse("pid:42".as_ref())?, Target::Pid(42));
    /// assert_eq!(Target::parse("./pid:42".as_ref())?, Target::Path("./pid:42".into()));
    /// assert!(Target::parse("gopher://host/lock".as_ref()).is_err());
    /// # Ok::<(), locktop::TargetError>(())
    /// ```
    pub fn parse(text: &OsStr) -> Result<Self, TargetError> {
        let fail = |reason: String| Err(TargetError { text: text.to_owned(), reason });
        if text.is_empty() {
            return fail("it is empty".into());
        }
        let bytes = text.as_encoded_bytes();
        // Everything before the first colon or slash is ASCII where it means anything.
        let head = bytes.split(|byte| matches!(byte, b':' | b'/')).next().unwrap_or_default();
        let head = str::from_utf8(head).unwrap_or_default();
        let rest = bytes.get(head.len()..).unwrap_or_default();

        if bytes[0] == b'@' {
            return match text.to_str() {
                Some(id) if id.len() > 1 => Ok(Self::Id(LockId::from_text(id))),
                _ => fail("an id looks like @flock:fe:00:123:~; 'locktop ls' prints them".into()),
            };
        }
        if head == "pid" && rest.starts_with(b":") {
            return match str::from_utf8(&rest[1..]).ok().and_then(|pid| pid.parse().ok()) {
                Some(pid) if pid > 0 => Ok(Self::Pid(pid)),
                _ => fail("a process is named pid:N, with its number".into()),
            };
        }
        if !head.is_empty() && rest.starts_with(b"://") {
            return match SCHEMES.iter().find(|(scheme, _)| *scheme == head) {
                Some(_) => fail(format!("this version cannot talk to {head} servers yet")),
                None => fail(format!(
                    "'{}' is no scheme of a lock server; for a file write ./{}",
                    super::harmless(head),
                    super::harmless_bytes(bytes)
                )),
            };
        }
        if let Some((family, known)) = FAMILIES.iter().find(|(family, _)| *family == head)
            && rest.starts_with(b":")
        {
            let path = path_from_bytes(rest[1..].to_vec());
            return match (known, path.as_os_str().is_empty()) {
                (true, false) => Ok(Self::Family { family, path }),
                (true, true) => fail(format!("a path belongs behind '{family}:'")),
                (false, _) => fail(format!("this version does not know '{family}:' locks yet")),
            };
        }
        Ok(Self::Path(PathBuf::from(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Target, TargetError> {
        Target::parse(OsStr::new(text))
    }

    #[test]
    fn targets_are_tried_in_order() {
        assert_eq!(
            parse("@flock:fe:00:1:~").unwrap(),
            Target::Id(LockId::from_text("@flock:fe:00:1:~"))
        );
        assert_eq!(parse("pid:7").unwrap(), Target::Pid(7));
        assert_eq!(
            parse("flock:/a:b").unwrap(),
            Target::Family { family: "flock", path: "/a:b".into() }
        );
        assert_eq!(
            parse("lockfile:LOCK").unwrap(),
            Target::Family { family: "lockfile", path: "LOCK".into() }
        );
        assert_eq!(parse("/pid:7").unwrap(), Target::Path("/pid:7".into()));
        assert_eq!(parse("a:b").unwrap(), Target::Path("a:b".into()));
    }

    #[test]
    fn what_cannot_be_a_target_is_refused() {
        for text in [
            "",
            "@",
            "pid:",
            "pid:-1",
            "pid:x",
            "pid:99999999999",
            "http://a/b",
            "flock:",
            "redis://h/k",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_error_prints_nothing_harmful() {
        let error = parse("a\x1b[2J://x").unwrap_err().to_string();
        assert!(!error.contains('\x1b'), "{error}");
    }
}
