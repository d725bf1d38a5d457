//! Removing exactly what was examined.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, FileType, Mode, OFlags};
use rustix::fs::{accessat, openat, renameat, stat, statat, unlinkat};
use rustix::io::Errno;

use super::examine_at;
use crate::model::{Content, OnDisk};
use crate::system::locking::existing::{Removal, Slot, unused_name};

/// Whether the system lets us remove a name of that owner's file or folder.
pub(crate) fn may_remove(path: &Path, owner: u32) -> bool {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let needed = Access::WRITE_OK | Access::EXEC_OK;
    if accessat(CWD, folder, needed, AtFlags::EACCESS).is_err() {
        return false;
    }
    let us = rustix::process::geteuid();
    // What cannot be told the removal itself will tell.
    stat(folder).map_or(true, |folder| {
        let is_sticky = Mode::from_raw_mode(folder.st_mode).contains(Mode::SVTX);
        !is_sticky || us.is_root() || us.as_raw() == owner || us.as_raw() == folder.st_uid
    })
}

impl Slot {
    /// Removes what is there, if it is what was examined: it is taken aside first, since something
    /// else can come in its place between a look at it and its removal, and put back if it is not
    /// that; never in place of something newer. The entries of a folder go one by one, and only
    /// those that were there.
    ///
    /// A file is locked meanwhile, so that nobody else who asks for that takes its place in between.
    pub(crate) fn remove_examined(&self, examined: &OnDisk) -> io::Result<Removal> {
        let is_file = matches!(examined.content, Content::File(_));
        let locked = if is_file { self.lock_examined(examined) } else { Ok(None) };
        // Some file systems have no such locks.
        if is_file && matches!(locked, Ok(None)) || !self.has(&self.name, examined)? {
            return Ok(Removal::Lost);
        }
        let aside = unused_name();
        match renameat(&self.folder, &self.name, &self.folder, &aside) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(Removal::Lost),
            Err(error) => return Err(error.into()),
        }
        if !self.has(&aside, examined)? {
            return self.put_back(aside);
        }
        match self.delete(&aside, &examined.content) {
            Ok(()) => Ok(Removal::Done),
            Err(error) => match self.put_back(aside)? {
                Removal::Aside(aside) => Ok(Removal::Aside(aside)),
                Removal::Lost | Removal::Done => Err(error),
            },
        }
    }

    pub(super) fn has(&self, name: &OsString, examined: &OnDisk) -> io::Result<bool> {
        let there = examine_at(&self.folder, name.as_ref())?;
        Ok(there.is_some_and(|there| is_same(&there, examined)))
    }

    fn delete(&self, aside: &OsString, content: &Content) -> io::Result<()> {
        let Content::Folder { names, .. } = content else {
            return Ok(unlinkat(&self.folder, aside, AtFlags::empty())?);
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let inside = openat(&self.folder, aside, flags, Mode::empty())?;
        // Nothing goes unless all can.
        names.iter().try_for_each(|name| is_no_folder(&inside, name))?;
        for name in names {
            unlinkat(&inside, name, AtFlags::empty())?;
        }
        Ok(unlinkat(&self.folder, aside, AtFlags::REMOVEDIR)?)
    }
}

fn is_no_folder(inside: impl AsFd, name: &OsString) -> io::Result<()> {
    let found = statat(inside, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
        let text = "there is a folder in it, which no lock has: see what it is";
        return Err(io::Error::new(io::ErrorKind::DirectoryNotEmpty, text));
    }
    Ok(())
}

/// Renaming changes nothing but when it was last changed.
fn is_same(there: &OnDisk, examined: &OnDisk) -> bool {
    let OnDisk { file, content, birth, modified, changed: _, size, uid, shared_with_others: _ } =
        there;
    *file == examined.file
        && *content == examined.content
        && *birth == examined.birth
        && *modified == examined.modified
        && *size == examined.size
        && *uid == examined.uid
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    struct Desk {
        folder: TempDir,
        slot: Slot,
    }

    impl Desk {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let slot = Slot::open(folder.path(), "lock".as_ref()).unwrap();
            Self { folder, slot }
        }

        fn path(&self, name: &str) -> std::path::PathBuf {
            self.folder.path().join(name)
        }

        fn examine(&self) -> OnDisk {
            examine_at(CWD, &self.path("lock")).unwrap().unwrap()
        }

        fn names(&self) -> Vec<OsString> {
            let entries = fs::read_dir(self.folder.path()).unwrap();
            entries.map(|entry| entry.unwrap().file_name()).collect()
        }
    }

    #[test]
    fn what_was_examined_goes() {
        let desk = Desk::new();
        fs::write(desk.path("lock"), "12\n").unwrap();
        assert_eq!(desk.slot.remove_examined(&desk.examine()).unwrap(), Removal::Done);
        symlink("me:12", desk.path("lock")).unwrap();
        assert_eq!(desk.slot.remove_examined(&desk.examine()).unwrap(), Removal::Done);
        fs::create_dir(desk.path("lock")).unwrap();
        fs::write(desk.path("lock/pid"), "12").unwrap();
        symlink("/", desk.path("lock/link")).unwrap();
        assert_eq!(desk.slot.remove_examined(&desk.examine()).unwrap(), Removal::Done);
        assert!(desk.names().is_empty());
    }

    #[test]
    fn what_is_another_by_now_stays() {
        let desk = Desk::new();
        fs::write(desk.path("lock"), "12\n").unwrap();
        let examined = desk.examine();
        fs::write(desk.path("lock"), "13\n").unwrap();
        assert_eq!(desk.slot.remove_examined(&examined).unwrap(), Removal::Lost);
        // The same content in another file.
        fs::rename(desk.path("lock"), desk.path("old")).unwrap();
        fs::write(desk.path("lock"), "12\n").unwrap();
        assert_eq!(desk.slot.remove_examined(&examined).unwrap(), Removal::Lost);
        fs::remove_file(desk.path("lock")).unwrap();
        symlink(desk.path("old"), desk.path("lock")).unwrap();
        assert_eq!(desk.slot.remove_examined(&examined).unwrap(), Removal::Lost);
        assert_eq!(desk.names().len(), 2);
        assert_eq!(fs::read(desk.path("old")).unwrap(), b"13\n");
    }

    #[test]
    fn a_folder_with_a_folder_in_it_stays_whole() {
        let desk = Desk::new();
        fs::create_dir_all(desk.path("lock/more")).unwrap();
        fs::write(desk.path("lock/a"), "").unwrap();
        let error = desk.slot.remove_examined(&desk.examine()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::DirectoryNotEmpty);
        assert!(desk.path("lock/more").exists() && desk.path("lock/a").exists());
        assert_eq!(desk.names(), ["lock"]);
    }

    #[test]
    fn entries_that_came_later_stay() {
        let desk = Desk::new();
        fs::create_dir(desk.path("lock")).unwrap();
        let examined = desk.examine();
        fs::write(desk.path("lock/late"), "").unwrap();
        assert_eq!(desk.slot.remove_examined(&examined).unwrap(), Removal::Lost);
        assert!(desk.path("lock/late").exists());
    }

    #[test]
    fn whose_is_whose_in_shared_folders() {
        let desk = Desk::new();
        let us = rustix::process::geteuid().as_raw();
        assert!(may_remove(&desk.path("lock"), us));
        assert!(!may_remove(&desk.path("nowhere/lock"), us));
    }
}
