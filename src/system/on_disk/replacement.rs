//! Taking the place of exactly what was examined.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::fs::{flock, fstat, openat, unlinkat};
use rustix::io::Errno;

use crate::model::{Form, OnDisk};
use crate::system::locking::existing::{Made, Slot, unused_name};
use crate::system::locking::file_id;

impl Slot {
    /// Puts a file of ours, with this mode less the umask and this text, in the place of the file
    /// that was examined; `None`: that is not there any more, somebody has it locked, or somebody
    /// else is taking its place just now.
    ///
    /// The name is never free meanwhile, and of several that have examined the same file one goes
    /// on: whoever takes its place has a flock lock on it. Others that do not ask for that can still
    /// come in between: so the two files change names in one step, and change back if it was not the
    /// one that was examined.
    ///
    /// # Errors
    /// `Unsupported` where no two files can change names in one step; the system's.
    pub(crate) fn replace_examined(
        &self,
        examined: &OnDisk,
        mode: u32,
        text: &[u8],
    ) -> io::Result<Option<Made>> {
        let Some(_ours_alone) = self.lock_examined(examined)? else { return Ok(None) };
        let aside = Self { folder: self.folder.try_clone()?, name: unused_name() };
        let Some(ours) = aside.make(Form::File, mode, text)? else { return Ok(None) };
        match exchange(&self.folder, &aside.name, &self.name) {
            Ok(()) => {}
            // It was removed meanwhile: that is no place to take any more.
            Err(Errno::NOENT) => return aside.remove(&ours).map(|_| None),
            Err(error) => {
                aside.remove(&ours)?;
                return Err(refused(error));
            }
        }
        if self.has(&aside.name, examined)? {
            unlinkat(&self.folder, &aside.name, AtFlags::empty())?;
            return Ok(Some(ours));
        }
        exchange(&self.folder, &aside.name, &self.name)?;
        aside.remove(&ours).map(|_| None)
    }

    /// A lock on the very file that was examined, as long as it has the name.
    pub(super) fn lock_examined(&self, examined: &OnDisk) -> io::Result<Option<OwnedFd>> {
        // Else a pipe that has come in its place would be waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&self.folder, &self.name, flags | OFlags::NOCTTY, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if file_id(&fstat(&file)?) != examined.file {
            return Ok(None);
        }
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        // Whoever had it locked before may have taken its place.
        Ok(self.has(&self.name, examined)?.then_some(file))
    }
}

fn refused(error: Errno) -> io::Error {
    match error {
        Errno::INVAL | Errno::NOSYS | Errno::NOTSUP => io::Error::new(
            io::ErrorKind::Unsupported,
            "its file system cannot let two files change names in one step",
        ),
        _ => error.into(),
    }
}

/// In one step, so that neither name is ever free.
#[cfg(any(target_os = "linux", target_os = "macos"))]
fn exchange(folder: &OwnedFd, one: &OsStr, other: &OsStr) -> Result<(), Errno> {
    rustix::fs::renameat_with(folder, one, folder, other, rustix::fs::RenameFlags::EXCHANGE)
}

/// This system cannot.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn exchange(_folder: &OwnedFd, _one: &OsStr, _other: &OsStr) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use rustix::fs::CWD;
    use tempfile::TempDir;

    use super::super::examine_at;
    use super::*;

    struct Desk {
        folder: TempDir,
        slot: Slot,
    }

    impl Desk {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let slot = Slot::open(folder.path(), "lock".as_ref()).unwrap();
            fs::write(folder.path().join("lock"), "12\n").unwrap();
            Self { folder, slot }
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("lock")
        }

        fn examine(&self) -> OnDisk {
            examine_at(CWD, &self.path()).unwrap().unwrap()
        }

        fn is_alone(&self) -> bool {
            fs::read_dir(self.folder.path()).unwrap().count() == 1
        }
    }

    fn text(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn what_was_examined_is_replaced_once() {
        let desk = Desk::new();
        let examined = desk.examine();
        let ours = desk.slot.replace_examined(&examined, 0o666, b"13\n").unwrap().unwrap();
        assert!(ours.is_named(&desk.path()).unwrap());
        assert_eq!(text(&desk.path()), "13\n");
        assert!(desk.slot.replace_examined(&examined, 0o666, b"14\n").unwrap().is_none());
        assert_eq!(text(&desk.path()), "13\n");
        assert!(desk.is_alone());
    }

    #[test]
    fn what_is_another_or_gone_or_locked_is_left_alone() {
        let desk = Desk::new();
        let examined = desk.examine();
        fs::write(desk.path(), "15\n").unwrap();
        assert!(desk.slot.replace_examined(&examined, 0o666, b"13\n").unwrap().is_none());
        let examined = desk.examine();
        let locked = fs::File::open(desk.path()).unwrap();
        flock(&locked, FlockOperation::LockShared).unwrap();
        assert!(desk.slot.replace_examined(&examined, 0o666, b"13\n").unwrap().is_none());
        drop(locked);
        fs::remove_file(desk.path()).unwrap();
        assert!(desk.slot.replace_examined(&examined, 0o666, b"13\n").unwrap().is_none());
        std::os::unix::fs::symlink("elsewhere", desk.path()).unwrap();
        assert!(desk.slot.replace_examined(&examined, 0o666, b"13\n").unwrap().is_none());
        assert!(desk.is_alone());
    }
}
