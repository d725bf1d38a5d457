//! Opening lock files without falling for what somebody planted.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::model::FileId;

/// What the open file is to be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Enough for flock(2), and for folders.
    Read,
    /// Exclusive record locks want it, and flock(2) on some network file systems.
    ReadWrite,
}

/// Opens a lock file, or a folder, without truncating it or following what others could have
/// planted: a symbolic link is followed only where nobody else can write to the folder that it is
/// in. An existing file is opened as it is; one that is not there is created with the mode `create`,
/// less the umask. Never waits for the other end of a pipe.
///
/// # Errors
/// The system's; `PermissionDenied` for a link that may be planted.
pub(crate) fn open(path: &Path, access: Access, create: Option<u32>) -> io::Result<File> {
    platform::open(path, access, create)
}

/// The open file as `stat` numbers it.
///
/// # Errors
/// The system's.
pub(crate) fn number(file: &File) -> io::Result<FileId> {
    platform::number(file)
}

/// What the path names, as `stat` numbers it.
///
/// # Errors
/// The system's.
pub(crate) fn number_of(path: &Path) -> io::Result<FileId> {
    platform::number_of(path)
}

/// Whether the path still names the open file.
///
/// # Errors
/// The system's, except that a path which is gone names nothing.
pub(crate) fn is_named(path: &Path, file: &File) -> io::Result<bool> {
    let now = match platform::number_of(path) {
        Ok(now) => now,
        Err(error) if is_absent(&error) => return Ok(false),
        Err(error) => return Err(error),
    };
    Ok(number(file)? == now)
}

/// Whether an error says that a path names nothing.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(unix)]
pub(super) use platform::THROUGH;
#[cfg(unix)]
pub(in crate::system) use platform::file_id;

#[cfg(unix)]
mod platform {
    use std::ffi::OsStr;
    use std::fs::File;
    use std::io;
    use std::os::fd::OwnedFd;
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::{Path, PathBuf};

    use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat, fstat, openat, readlinkat, stat, statat};
    use rustix::io::Errno;
    use rustix::process::geteuid;

    use super::Access;
    use crate::model::{Device, FileId};

    /// As many links as the kernel follows.
    const MOST_LINKS: usize = 40;

    /// A folder that is only gone through.
    #[cfg(target_os = "linux")]
    pub(in crate::system::locking) const THROUGH: OFlags =
        OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
    #[cfg(not(target_os = "linux"))]
    pub(in crate::system::locking) const THROUGH: OFlags =
        OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

    pub(super) fn open(path: &Path, access: Access, create: Option<u32>) -> io::Result<File> {
        let access = match access {
            Access::Read => OFlags::RDONLY,
            Access::ReadWrite => OFlags::RDWR,
        };
        // Without NONBLOCK, a pipe would wait for its other end.
        let flags = access | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        let mut path = path.to_owned();
        for _ in 0..MOST_LINKS {
            let Some((folder, name)) = split(&path) else {
                return Ok(openat(CWD, &path, flags, Mode::empty())?.into());
            };
            let folder_file = openat(CWD, folder, THROUGH, Mode::empty())?;
            match open_in(&folder_file, name, flags, create) {
                Ok(file) => return Ok(file.into()),
                Err(Errno::LOOP | Errno::MLINK) => {
                    path = follow(folder, &folder_file, name)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Errno::LOOP.into())
    }

    /// The folder and the last name; `None` where there is no name that could be a link's.
    fn split(path: &Path) -> Option<(&Path, &OsStr)> {
        let name = path.file_name()?;
        // With a slash behind it, the name is followed and has to be a folder.
        if path.as_os_str().as_bytes().ends_with(b"/") {
            return None;
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        Some((folder.unwrap_or(Path::new(".")), name))
    }

    /// Not created where it is there already: the kernel may refuse that in sticky folders.
    fn open_in(
        folder: &OwnedFd,
        name: &OsStr,
        flags: OFlags,
        create: Option<u32>,
    ) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::NOFOLLOW;
        match (openat(folder, name, flags, Mode::empty()), create) {
            (Err(Errno::NOENT), Some(mode)) => {
                openat(folder, name, flags | OFlags::CREATE, Mode::from_raw_mode(mode as _))
            }
            (result, _) => result,
        }
    }

    /// Where the link leads, if it may be followed.
    fn follow(folder: &Path, folder_file: &OwnedFd, name: &OsStr) -> io::Result<PathBuf> {
        let link = statat(folder_file, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if may_be_planted(&fstat(folder_file)?, &link) {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "it is a symbolic link in a folder that others can write to; name the file that it \
                 points to",
            ));
        }
        let leads_to = readlinkat(folder_file, name, Vec::new())?;
        Ok(folder.join(OsStr::from_bytes(leads_to.to_bytes())))
    }

    /// Whether somebody else can have made the link: anybody where all may write; where a group may,
    /// its members, unless the link is ours or root's.
    fn may_be_planted(folder: &Stat, link: &Stat) -> bool {
        let mode = Mode::from_raw_mode(folder.st_mode);
        let trusted = link.st_uid == 0 || link.st_uid == geteuid().as_raw();
        mode.contains(Mode::WOTH) || mode.contains(Mode::WGRP) && !trusted
    }

    pub(super) fn number(file: &File) -> io::Result<FileId> {
        Ok(file_id(&fstat(file)?))
    }

    pub(super) fn number_of(path: &Path) -> io::Result<FileId> {
        Ok(file_id(&stat(path)?))
    }

    #[allow(
        clippy::useless_conversion,
        clippy::unnecessary_cast,
        reason = "types differ by system"
    )]
    pub(in crate::system) fn file_id(stat: &Stat) -> FileId {
        let device = stat.st_dev as rustix::fs::Dev;
        FileId {
            device: Device { major: rustix::fs::major(device), minor: rustix::fs::minor(device) },
            inode: stat.st_ino as u64,
        }
    }
}

#[cfg(not(unix))]
mod platform {
    use std::fs::File;
    use std::io;
    use std::path::Path;

    use super::Access;
    use crate::model::FileId;

    pub(super) fn open(path: &Path, access: Access, create: Option<u32>) -> io::Result<File> {
        let write = access == Access::ReadWrite || create.is_some();
        let mut options = File::options();
        options.read(true).write(write).create(create.is_some()).truncate(false).open(path)
    }

    pub(super) fn number(_file: &File) -> io::Result<FileId> {
        Err(unsupported())
    }

    pub(super) fn number_of(_path: &Path) -> io::Result<FileId> {
        Err(unsupported())
    }

    fn unsupported() -> io::Error {
        io::Error::new(io::ErrorKind::Unsupported, "this system does not number files")
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::*;

    #[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
    fn folder(mode: u32) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
        folder
    }

    #[test]
    fn a_file_is_created_only_when_it_is_wanted() {
        let folder = folder(0o755);
        let path = folder.path().join("lock");
        assert!(is_absent(&open(&path, Access::Read, None).unwrap_err()));
        let made = open(&path, Access::Read, Some(0o666)).unwrap();
        assert_eq!(made.metadata().unwrap().mode() & 0o7111, 0);
        assert!(is_named(&path, &made).unwrap());
        fs::rename(&path, folder.path().join("other")).unwrap();
        assert!(!is_named(&path, &made).unwrap());
        let again = open(&path, Access::ReadWrite, Some(0o600)).unwrap();
        assert_ne!(number(&again).unwrap(), number(&made).unwrap());
    }

    #[test]
    fn what_is_there_is_left_as_it_is() {
        let folder = folder(0o755);
        let path = folder.path().join("lock");
        fs::write(&path, "precious").unwrap();
        open(&path, Access::ReadWrite, Some(0o666)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn links_are_followed_where_nobody_can_have_planted_them() {
        let folder = folder(0o755);
        let path = |name: &str| folder.path().join(name);
        symlink("two", path("one")).unwrap();
        symlink("real", path("two")).unwrap();
        let file = open(&path("one"), Access::Read, Some(0o666)).unwrap();
        assert!(is_named(&path("real"), &file).unwrap());
        symlink("loop", path("loop")).unwrap();
        assert!(open(&path("loop"), Access::Read, Some(0o666)).is_err());
    }

    #[test]
    fn links_in_a_folder_of_all_are_refused_even_dangling_ones() {
        let planted = folder(0o1777);
        let target = folder(0o755).path().join("target");
        let link = planted.path().join("lock");
        symlink(&target, &link).unwrap();
        let error = open(&link, Access::Read, Some(0o666)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert!(!target.exists());
        // One step further, too.
        let own = folder(0o755);
        symlink(&link, own.path().join("lock")).unwrap();
        assert!(open(&own.path().join("lock"), Access::Read, Some(0o666)).is_err());
    }

    #[test]
    fn folders_devices_and_pipes_are_opened_at_once() {
        let folder = folder(0o755);
        assert!(open(folder.path(), Access::Read, Some(0o666)).is_ok());
        let mut slash = folder.path().as_os_str().to_owned();
        slash.push("/");
        assert!(open(slash.as_ref(), Access::Read, Some(0o666)).is_ok());
        assert!(open(Path::new("/"), Access::Read, None).is_ok());
        assert!(open(Path::new("/dev/null"), Access::Read, Some(0o666)).is_ok());
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(open(&pipe, Access::Read, Some(0o666)).is_ok());
    }
}
