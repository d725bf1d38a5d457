//! A folder of our own for small files that outlive the process: only read where nobody else can
//! have written them, and only written where nobody else can put anything in their place.

use std::io;
use std::path::Path;

#[cfg(unix)]
pub(crate) use unix::Drawer;
#[cfg(not(unix))]
pub(crate) use without::Drawer;

impl Drawer {
    /// The folder; `None`: it is not there, or where we may not look: then nothing of ours
    /// can be in it.
    ///
    /// # Errors
    /// `PermissionDenied` where another user owns it or can write to it; the system's.
    pub(crate) fn open(folder: &Path) -> io::Result<Option<Self>> {
        let found = Self::open_folder(folder);
        let error = found.as_ref().err().filter(|error| error.raw_os_error().is_some());
        match error.map(io::Error::kind) {
            Some(io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => Ok(None),
            _ => found.map(Some),
        }
    }

    /// The folder, which is made if it is not there.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn make(folder: &Path) -> io::Result<Self> {
        if let Some(found) = Self::open(folder)? {
            return Ok(found);
        }
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
        Self::open_folder(folder)
    }
}

#[cfg(unix)]
mod unix {
    use std::fs::{File, Metadata};
    use std::io::{self, Read as _, Write as _};
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;

    use rustix::fs::{CWD, Mode, OFlags, openat, renameat};
    use rustix::io::Errno;

    use crate::model;
    use crate::system::locking::flock;
    use crate::system::own_user;

    /// A folder that nobody else can write to.
    #[derive(Debug)]
    pub(crate) struct Drawer {
        folder: File,
    }

    impl Drawer {
        pub(super) fn open_folder(folder: &Path) -> io::Result<Self> {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let folder =
                openat(CWD, folder, flags, Mode::empty()).map_err(|error| match error {
                    Errno::LOOP | Errno::NOTDIR => refused("it is no folder"),
                    error => error.into(),
                })?;
            let folder = File::from(folder);
            is_ours_alone(&folder.metadata()?, "its folder")?;
            Ok(Self { folder })
        }

        /// What a file in it says; `None`: it is not there.
        ///
        /// # Errors
        /// `PermissionDenied` where another user owns it or can write to it; `InvalidData` when it
        /// is no plain file, is larger than so many bytes, or is not UTF-8; the system's.
        pub(crate) fn read(&self, name: &str, most: usize) -> io::Result<Option<String>> {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
            let file = match self.open_file(name, flags, Mode::empty()) {
                Ok(file) => File::from(file),
                Err(Errno::NOENT) => return Ok(None),
                Err(Errno::LOOP) => return Err(refused("it is a symbolic link")),
                Err(error) => return Err(error.into()),
            };
            let found = file.metadata()?;
            if !found.is_file() {
                return Err(refused("it is no plain file"));
            }
            is_ours_alone(&found, "it")?;
            let mut text = Vec::new();
            file.take(most as u64 + 1).read_to_end(&mut text)?;
            if text.len() > most {
                return Err(refused("it is too large"));
            }
            String::from_utf8(text).map(Some).map_err(|_| refused("it is not text"))
        }

        /// Puts a text in the place of a file, in one step and readable by nobody else, if what it
        /// says is `still` right. `false`: it is not, or somebody else is doing the same.
        ///
        /// # Errors
        /// As [`read`](Self::read).
        pub(crate) fn replace(
            &self,
            name: &str,
            text: &str,
            most: usize,
            still: impl FnOnce(Option<&str>) -> bool,
        ) -> io::Result<bool> {
            if !flock::try_lock(&self.folder, model::Mode::Exclusive)? {
                return Ok(false);
            }
            let replaced = self.replace_alone(name, text, most, still);
            flock::unlock(&self.folder)?;
            replaced
        }

        fn replace_alone(
            &self,
            name: &str,
            text: &str,
            most: usize,
            still: impl FnOnce(Option<&str>) -> bool,
        ) -> io::Result<bool> {
            let found = match self.read(name, most) {
                Ok(found) => found,
                // What is no text of ours is no better than none.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
                Err(error) => return Err(error),
            };
            if !still(found.as_deref()) {
                return Ok(false);
            }
            // One of a run that was ended in the middle is written over.
            let beside = format!("{name}.new");
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NONBLOCK;
            let file = self.open_file(&beside, flags, Mode::RUSR | Mode::WUSR)?;
            let mut file = File::from(file);
            is_ours_alone(&file.metadata()?, "the file beside it")?;
            file.write_all(text.as_bytes())?;
            renameat(&self.folder, &*beside, &self.folder, name)?;
            Ok(true)
        }

        fn open_file(&self, name: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
            openat(&self.folder, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, mode)
        }
    }

    fn is_ours_alone(found: &Metadata, what: &str) -> io::Result<()> {
        let denied = |text| Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        if Some(found.uid()) != own_user() {
            return denied(format!("{what} belongs to another user, uid {}", found.uid()));
        }
        if found.mode() & 0o022 != 0 {
            return denied(format!(
                "others may write to {what}, mode {:04o}",
                found.mode() & 0o7777
            ));
        }
        Ok(())
    }

    fn refused(why: &str) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, why)
    }
}

#[cfg(not(unix))]
mod without {
    use std::io;
    use std::path::Path;

    /// This system does not tell who else can write to a folder.
    #[derive(Debug)]
    pub(crate) enum Drawer {}

    impl Drawer {
        pub(super) fn open_folder(_folder: &Path) -> io::Result<Self> {
            let why = "this system does not tell who else can write there";
            Err(io::Error::new(io::ErrorKind::Unsupported, why))
        }

        pub(crate) fn read(&self, _name: &str, _most: usize) -> io::Result<Option<String>> {
            match *self {}
        }

        pub(crate) fn replace(
            &self,
            _name: &str,
            _text: &str,
            _most: usize,
            _still: impl FnOnce(Option<&str>) -> bool,
        ) -> io::Result<bool> {
            match *self {}
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;
    use crate::model::Mode;
    use crate::system::locking::flock;

    const MOST: usize = 100;

    struct Desk {
        above: TempDir,
    }

    impl Desk {
        fn new() -> Self {
            Self { above: tempfile::tempdir().unwrap() }
        }

        fn folder(&self) -> PathBuf {
            self.above.path().join("a/b")
        }

        fn file(&self) -> PathBuf {
            self.folder().join("file")
        }
    }

    fn permit(path: PathBuf, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn why<T: std::fmt::Debug>(result: io::Result<T>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn what_was_put_in_is_there() {
        let desk = Desk::new();
        assert!(Drawer::open(&desk.folder()).unwrap().is_none());
        let drawer = Drawer::make(&desk.folder()).unwrap();
        assert_eq!(desk.folder().metadata().unwrap().mode() & 0o777, 0o700);
        assert_eq!(drawer.read("file", MOST).unwrap(), None);
        assert!(drawer.replace("file", "one", MOST, |found| found.is_none()).unwrap());
        assert!(drawer.replace("file", "two", MOST, |found| found == Some("one")).unwrap());
        assert!(!drawer.replace("file", "three", MOST, |found| found == Some("one")).unwrap());
        assert_eq!(drawer.read("file", MOST).unwrap().as_deref(), Some("two"));
        assert_eq!(desk.file().metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(desk.folder()).unwrap().count(), 1);
    }

    #[test]
    fn what_others_can_write_is_left_alone() {
        let desk = Desk::new();
        let drawer = Drawer::make(&desk.folder()).unwrap();
        fs::write(desk.file(), "planted").unwrap();
        permit(desk.file(), 0o602);
        assert!(why(drawer.read("file", MOST)).contains("others may write to it"));
        assert!(why(drawer.replace("file", "mine", MOST, |_| true)).contains("others may write"));
        permit(desk.folder(), 0o770);
        assert!(why(Drawer::open(&desk.folder())).contains("others may write to its folder"));
        assert!(why(Drawer::make(&desk.folder())).contains("others may write to its folder"));
        assert_eq!(fs::read_to_string(desk.file()).unwrap(), "planted");
    }

    #[test]
    fn what_belongs_to_another_is_left_alone() {
        let desk = Desk::new();
        let drawer = Drawer::make(&desk.folder()).unwrap();
        fs::write(desk.file(), "planted").unwrap();
        // Only root can give a file away.
        if std::os::unix::fs::chown(desk.file(), Some(12_345), None).is_ok() {
            permit(desk.file(), 0o600);
            assert_eq!(why(drawer.read("file", MOST)), "it belongs to another user, uid 12345");
            std::os::unix::fs::chown(desk.folder(), Some(12_345), None).unwrap();
            assert!(why(Drawer::open(&desk.folder())).contains("its folder belongs to another"));
        }
    }

    #[test]
    fn links_pipes_and_heaps_are_not_read() {
        let desk = Desk::new();
        let drawer = Drawer::make(&desk.folder()).unwrap();
        symlink("/etc/passwd", desk.folder().join("link")).unwrap();
        assert_eq!(why(drawer.read("link", MOST)), "it is a symbolic link");
        let pipe = desk.folder().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(why(drawer.read("pipe", MOST)), "it is no plain file");
        fs::write(desk.file(), vec![b'x'; MOST + 1]).unwrap();
        assert_eq!(why(drawer.read("file", MOST)), "it is too large");
        fs::write(desk.file(), b"\xff").unwrap();
        assert_eq!(why(drawer.read("file", MOST)), "it is not text");
        symlink(desk.folder(), desk.above.path().join("elsewhere")).unwrap();
        assert_eq!(why(Drawer::open(&desk.above.path().join("elsewhere"))), "it is no folder");
    }

    #[test]
    fn what_is_damaged_is_replaced_and_nothing_is_written_through_a_link() {
        let desk = Desk::new();
        let drawer = Drawer::make(&desk.folder()).unwrap();
        fs::write(desk.file(), b"\xff").unwrap();
        let victim = desk.above.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, desk.folder().join("file.new")).unwrap();
        assert!(drawer.replace("file", "new", MOST, |_| true).is_err());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        fs::remove_file(desk.folder().join("file.new")).unwrap();
        assert!(drawer.replace("file", "new", MOST, |found| found.is_none()).unwrap());
    }

    #[test]
    fn of_two_that_write_one_does() {
        let desk = Desk::new();
        let drawer = Drawer::make(&desk.folder()).unwrap();
        let other = fs::File::open(desk.folder()).unwrap();
        assert!(flock::try_lock(&other, Mode::Exclusive).unwrap());
        assert!(!drawer.replace("file", "one", MOST, |_| true).unwrap());
        // Not by closing it: a child that another test starts has it open, too, until it executes.
        flock::unlock(&other).unwrap();
        assert!(drawer.replace("file", "one", MOST, |_| true).unwrap());
    }
}
