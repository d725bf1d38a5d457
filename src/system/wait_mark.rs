//! How a process shows what it waits for where no queue of the kernel shows it: it has an empty file
//! in memory whose name says so, and keeps that locked.
//!
//! The lock is why this costs nobody anything: whoever looks at all locks comes upon it, and hears of
//! it when it comes and goes as of any other. And it is why this can be believed: the lock table says
//! who took it, and whose the file is says as whom, so that nobody can make it look as if a process
//! of somebody else waited.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::{in_memory, path_from_bytes};
use crate::model::FileId;

const NAME: &str = "locktop waits for ";

/// What somebody waits for: that nothing lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waits {
    /// What kind of lock it is to whoever waits.
    pub(crate) family: String,
    /// The folder, which can have another path elsewhere.
    pub(crate) folder: FileId,
    /// Through no links.
    pub(crate) path: PathBuf,
}

/// Shown for as long as it lives.
#[derive(Debug)]
pub(crate) struct Mark {
    #[cfg_attr(not(test), expect(dead_code, reason = "it is open: that is what shows"))]
    file: File,
}

impl Mark {
    /// Shows that this process waits.
    ///
    /// # Errors
    /// The system's; when the path is too long to be shown.
    pub(crate) fn set(waits: &Waits) -> io::Result<Self> {
        let name = waits.name();
        if name.len() > in_memory::LONGEST {
            return Err(io::ErrorKind::InvalidFilename.into());
        }
        let file = in_memory::create(&name)?;
        file.try_lock().map_err(io::Error::from)?;
        Ok(Self { file })
    }
}

impl Waits {
    fn name(&self) -> OsString {
        let mut name = OsString::from(format!("{NAME}{} {} ", self.family, self.folder));
        name.push(&self.path);
        name
    }

    /// What the link of a descriptor says that its process waits for.
    pub(crate) fn shown_by(link: &Path) -> Option<Self> {
        Self::parse(in_memory::name_of(link)?)
    }

    fn parse(name: &OsStr) -> Option<Self> {
        let rest = name.as_encoded_bytes().strip_prefix(NAME.as_bytes())?;
        let mut parts = rest.splitn(3, |byte| *byte == b' ');
        let mut word = || str::from_utf8(parts.next()?).ok();
        let (family, folder) = (word()?.to_owned(), word()?);
        let (device, inode) = folder.rsplit_once(':')?;
        let folder = FileId { device: device.parse().ok()?, inode: inode.parse().ok()? };
        let path = path_from_bytes(parts.next()?.to_vec());
        path.is_absolute().then_some(Self { family, folder, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Device;
    use crate::system::procfs::locks::{Record, Table};

    fn waits(path: &str) -> Waits {
        let folder = FileId { device: Device { major: 0xfe, minor: 0 }, inode: 101 };
        Waits { family: "lockfile".into(), folder, path: path.into() }
    }

    #[test]
    fn what_is_shown_is_read() {
        for path in ["/run/a.lock", "/a b/c: d", "/ä", "/x\n"] {
            assert_eq!(Waits::parse(&waits(path).name()), Some(waits(path)));
        }
        for name in ["", "locktop waits for ", "locktop waits for lockfile fe:00:1 x", "x"] {
            assert_eq!(Waits::parse(name.as_ref()), None, "{name}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_mark_is_a_lock_of_a_file_of_ours() {
        let mark = Mark::set(&waits("/run/a.lock")).unwrap();
        let system = crate::system::System::new();
        let us = std::process::id().cast_signed();
        let fd = crate::system::platform::number_of(&mark.file).unwrap();
        let descriptors = system.descriptors(us).unwrap();
        assert_eq!(Waits::shown_by(&descriptors.path(fd).unwrap()), Some(waits("/run/a.lock")));
        let stat = descriptors.stat(fd).unwrap();
        assert_eq!(stat.uid, crate::system::own_user().unwrap());
        assert_eq!(stat.file.device, in_memory::device().unwrap());
        let table = system.lock_table().unwrap();
        let shows = |record: &Record| record.file == Some(stat.file) && record.pid == us;
        let records = Table::parse(&table.text).entries.into_iter().map(|entry| entry.granted);
        assert_eq!(records.filter(shows).count(), 1);
        assert!(Mark::set(&waits(&format!("/{}", "x".repeat(300)))).is_err());
    }
}
