//! By system calls relative to an open folder, none of which follows a link.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, fstat};
use rustix::fs::{linkat, mkdirat, openat, readlinkat, renameat, statat, symlinkat, unlinkat};
use rustix::io::Errno;

use super::Removal;
use crate::model::{FileId, Form};
use crate::system::locking::open::{THROUGH, file_id};

/// A name in a folder, which is kept open: it is the same folder until the end.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(in crate::system) folder: OwnedFd,
    pub(in crate::system) name: OsString,
}

/// What was made.
#[derive(Debug)]
pub(crate) struct Made {
    form: Form,
    number: FileId,
    /// What it says.
    text: Vec<u8>,
    /// As long as it is open, nothing else gets its number. `None` where it cannot be opened.
    open: Option<File>,
}

/// A file that was to appear with its text in it.
#[cfg(target_os = "linux")]
enum Whole {
    Made(Made),
    /// Something is there.
    Taken,
    /// Not on this file system, or not without `/proc`.
    Cannot,
}

impl Slot {
    /// Opens the folder.
    pub(crate) fn open(folder: &Path, name: &OsStr) -> io::Result<Self> {
        let folder = openat(CWD, folder, THROUGH, Mode::empty())?;
        Ok(Self { folder, name: name.to_owned() })
    }

    /// The folder as `stat` numbers it.
    pub(crate) fn folder(&self) -> io::Result<FileId> {
        Ok(file_id(&fstat(&self.folder)?))
    }

    /// The form of what is there now, whatever it is.
    pub(crate) fn form(&self) -> io::Result<Option<Form>> {
        let form = |stat: Stat| match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => Form::Link,
            FileType::Directory => Form::Folder,
            _ => Form::File,
        };
        Ok(self.look_at(&self.name)?.map(form))
    }

    /// Makes it, with the mode less the umask where it has one, and has it say `text` where it can;
    /// `None`: something is there. What cannot be finished is removed again.
    pub(crate) fn make(&self, form: Form, mode: u32, text: &[u8]) -> io::Result<Option<Made>> {
        let mode = Mode::from_raw_mode(mode as _);
        let done = match form {
            Form::File => return self.make_file(mode, text),
            Form::Link => symlinkat(OsStr::from_bytes(text), &self.folder, &self.name),
            Form::Folder => mkdirat(&self.folder, &self.name, mode),
        };
        match done {
            Ok(()) => {}
            Err(Errno::EXIST) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let (number, open) = match self.pin() {
            Ok(pinned) => pinned,
            // Somebody has removed it already.
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let ours = Made { form, number, text: text.to_owned(), open };
        // What says something else has come in its place.
        Ok(self.is_as_made(&ours)?.then_some(ours))
    }

    fn make_file(&self, mode: Mode, text: &[u8]) -> io::Result<Option<Made>> {
        #[cfg(target_os = "linux")]
        match self.make_whole_file(mode, text)? {
            Whole::Made(ours) => return Ok(Some(ours)),
            Whole::Taken => return Ok(None),
            Whole::Cannot => {}
        }
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mut file: File = match openat(&self.folder, &self.name, flags, mode) {
            Ok(file) => file.into(),
            Err(Errno::EXIST) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let number = file_id(&fstat(&file)?);
        let written = file.write_all(text);
        let ours = Made { form: Form::File, number, text: text.to_owned(), open: Some(file) };
        match written {
            Ok(()) => Ok(Some(ours)),
            Err(error) => Err(match self.take_away(&ours) {
                Ok(_) => error,
                Err(remains) => {
                    let text = format!("{error}; it is left there empty: {remains}");
                    io::Error::new(error.kind(), text)
                }
            }),
        }
    }

    /// With its text from the first moment, whenever we are killed.
    #[cfg(target_os = "linux")]
    fn make_whole_file(&self, mode: Mode, text: &[u8]) -> io::Result<Whole> {
        use std::os::fd::AsRawFd as _;
        // Cheaper than to find it out at the end.
        if self.look_at(&self.name)?.is_some() {
            return Ok(Whole::Taken);
        }
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        let mut file: File = match openat(&self.folder, ".", flags, mode) {
            Ok(file) => file.into(),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {
                return Ok(Whole::Cannot);
            }
            Err(error) => return Err(error.into()),
        };
        file.write_all(text)?;
        let number = file_id(&fstat(&file)?);
        let nameless = format!("/proc/self/fd/{}", file.as_raw_fd());
        match linkat(CWD, nameless, &self.folder, &self.name, AtFlags::SYMLINK_FOLLOW) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Ok(Whole::Taken),
            // No /proc, or a file system whose new files get no second name.
            Err(Errno::NOENT | Errno::XDEV | Errno::OPNOTSUPP) => return Ok(Whole::Cannot),
            Err(error) => return Err(error.into()),
        }
        let ours = Made { form: Form::File, number, text: text.to_owned(), open: Some(file) };
        Ok(Whole::Made(ours))
    }

    /// What is there now, and what keeps its number from being used again.
    #[cfg(target_os = "linux")]
    fn pin(&self) -> Result<(FileId, Option<File>), Errno> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = openat(&self.folder, &self.name, flags, Mode::empty())?;
        Ok((file_id(&fstat(&open)?), Some(open.into())))
    }

    #[cfg(not(target_os = "linux"))]
    fn pin(&self) -> Result<(FileId, Option<File>), Errno> {
        let stat = statat(&self.folder, &self.name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok((file_id(&stat), None))
    }

    /// Removes what was made, if it is there and as it was made.
    pub(crate) fn remove(&self, made: &Made) -> io::Result<Removal> {
        if self.number_of(&self.name)? != Some(made.number) || !self.is_as_made(made)? {
            return Ok(Removal::Lost);
        }
        self.take_away(made)
    }

    /// Between a look at a name and its removal, something else can come in its place: so it is
    /// taken aside first, and put back if it is not what was made.
    fn take_away(&self, made: &Made) -> io::Result<Removal> {
        let aside = unused_name();
        match renameat(&self.folder, &self.name, &self.folder, &aside) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(Removal::Lost),
            Err(error) => return Err(error.into()),
        }
        if self.number_of(&aside)? != Some(made.number) {
            return self.put_back(aside);
        }
        let flags = match made.form {
            Form::Folder => AtFlags::REMOVEDIR,
            Form::File | Form::Link => AtFlags::empty(),
        };
        match unlinkat(&self.folder, &aside, flags) {
            Ok(()) => Ok(Removal::Done),
            Err(error) => match self.put_back(aside)? {
                Removal::Aside(aside) => Ok(Removal::Aside(aside)),
                Removal::Lost | Removal::Done => Err(error.into()),
            },
        }
    }

    /// Never in place of something newer.
    pub(in crate::system) fn put_back(&self, aside: OsString) -> io::Result<Removal> {
        let failed = |error: Errno| {
            let name = crate::model::harmless_bytes(aside.as_bytes());
            let text = format!("{}, and it now has the name {name}", io::Error::from(error));
            io::Error::new(io::Error::from(error).kind(), text)
        };
        let put = match rename_to_nothing(&self.folder, &aside, &self.name) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => self.link_back(&aside),
            put => put,
        };
        match put {
            Ok(()) => Ok(Removal::Lost),
            // A folder cannot have two names.
            Err(Errno::EXIST | Errno::PERM) => Ok(Removal::Aside(aside)),
            Err(error) => Err(failed(error)),
        }
    }

    /// For file systems that cannot promise to replace nothing when they rename.
    fn link_back(&self, aside: &OsStr) -> Result<(), Errno> {
        linkat(&self.folder, aside, &self.folder, &self.name, AtFlags::empty())?;
        unlinkat(&self.folder, aside, AtFlags::empty())
    }

    fn look_at(&self, name: &OsStr) -> io::Result<Option<Stat>> {
        match statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn number_of(&self, name: &OsStr) -> io::Result<Option<FileId>> {
        Ok(self.look_at(name)?.as_ref().map(file_id))
    }

    fn is_as_made(&self, made: &Made) -> io::Result<bool> {
        match (made.form, &made.open) {
            (Form::File, Some(file)) => {
                let mut text = vec![0; made.text.len() + 1];
                let length = file.read_at(&mut text, 0)?;
                Ok(text[..length] == made.text)
            }
            (Form::Link, _) => match readlinkat(&self.folder, &self.name, Vec::new()) {
                Ok(text) => Ok(text.as_bytes() == made.text),
                // No link, or nothing.
                Err(Errno::INVAL | Errno::NOENT) => Ok(false),
                Err(error) => Err(error.into()),
            },
            (Form::File | Form::Folder, _) => Ok(true),
        }
    }
}

impl Made {
    /// Whether the path names it now.
    pub(crate) fn is_named(&self, path: &Path) -> io::Result<bool> {
        match statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(file_id(&stat) == self.number),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Replaces nothing.
#[cfg(any(target_os = "linux", target_os = "macos"))]
fn rename_to_nothing(folder: &OwnedFd, from: &OsStr, to: &OsStr) -> Result<(), Errno> {
    rustix::fs::renameat_with(folder, from, folder, to, rustix::fs::RenameFlags::NOREPLACE)
}

/// This system cannot promise to replace nothing.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn rename_to_nothing(_folder: &OwnedFd, _from: &OsStr, _to: &OsStr) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

/// A name that nobody else uses.
pub(in crate::system) fn unused_name() -> OsString {
    let random = RandomState::new().hash_one(());
    format!(".locktop-{}-{random:016x}", std::process::id()).into()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;

    const FORMS: [Form; 3] = [Form::File, Form::Link, Form::Folder];

    /// A folder with nothing in it, and a name.
    struct Desk {
        folder: TempDir,
        path: PathBuf,
        slot: Slot,
    }

    impl Desk {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("lock");
            let slot = Slot::open(folder.path(), "lock".as_ref()).unwrap();
            Self { folder, path, slot }
        }

        fn make(&self, form: Form) -> Option<Made> {
            self.slot.make(form, 0o777, b"me:1").unwrap()
        }

        fn names(&self) -> Vec<OsString> {
            let entries = fs::read_dir(self.folder.path()).unwrap();
            entries.map(|entry| entry.unwrap().file_name()).collect()
        }
    }

    #[test]
    fn what_is_made_is_there_once_and_then_gone() {
        for form in FORMS {
            let desk = Desk::new();
            let made = desk.make(form).unwrap();
            assert!(made.is_named(&desk.path).unwrap());
            assert_eq!(desk.slot.form().unwrap(), Some(form));
            for other in FORMS {
                assert!(desk.make(other).is_none(), "{other:?} besides {form:?}");
            }
            assert_eq!(desk.slot.remove(&made).unwrap(), Removal::Done);
            assert_eq!(desk.names(), Vec::<OsString>::new());
            assert_eq!(desk.slot.form().unwrap(), None);
        }
    }

    #[test]
    fn it_says_whose_it_is() {
        let desk = Desk::new();
        let made = desk.make(Form::File).unwrap();
        assert_eq!(fs::read(&desk.path).unwrap(), b"me:1");
        desk.slot.remove(&made).unwrap();
        desk.make(Form::Link).unwrap();
        assert_eq!(fs::read_link(&desk.path).unwrap(), Path::new("me:1"));
    }

    #[test]
    fn what_is_there_is_never_made_through() {
        let desk = Desk::new();
        let elsewhere = desk.folder.path().join("elsewhere");
        symlink(&elsewhere, &desk.path).unwrap();
        for form in FORMS {
            assert!(desk.make(form).is_none());
        }
        assert!(!elsewhere.exists());
    }

    #[test]
    fn what_others_made_meanwhile_is_left_alone() {
        for form in FORMS {
            for other in FORMS {
                let desk = Desk::new();
                let made = desk.make(form).unwrap();
                fs::rename(&desk.path, desk.folder.path().join("ours")).unwrap();
                assert_eq!(desk.slot.remove(&made).unwrap(), Removal::Lost);
                let others = desk.slot.make(other, 0o777, b"other:2").unwrap().unwrap();
                assert_eq!(desk.slot.remove(&made).unwrap(), Removal::Lost);
                // It came just after we looked.
                assert_eq!(desk.slot.take_away(&made).unwrap(), Removal::Lost);
                assert!(others.is_named(&desk.path).unwrap(), "{other:?} instead of {form:?}");
                assert_eq!(desk.names().len(), 2);
            }
        }
    }

    #[test]
    fn what_says_something_else_by_now_is_not_ours() {
        let desk = Desk::new();
        let made = desk.make(Form::File).unwrap();
        fs::write(&desk.path, "other:2").unwrap();
        assert_eq!(desk.slot.remove(&made).unwrap(), Removal::Lost);
        assert_eq!(fs::read(&desk.path).unwrap(), b"other:2");
    }

    #[test]
    fn nothing_newer_is_replaced() {
        for form in FORMS {
            let desk = Desk::new();
            let aside = desk.folder.path().join("aside");
            desk.make(form).unwrap();
            fs::rename(&desk.path, &aside).unwrap();
            let newer = desk.make(Form::File).unwrap();
            let aside = OsString::from("aside");
            let put_back = desk.slot.put_back(aside.clone()).unwrap();
            assert_eq!(put_back, Removal::Aside(aside));
            assert!(newer.is_named(&desk.path).unwrap());
            assert_eq!(desk.names().len(), 2);
        }
    }

    #[test]
    fn where_renaming_may_replace_names_are_added_and_taken() {
        for form in [Form::File, Form::Link] {
            let desk = Desk::new();
            let made = desk.make(form).unwrap();
            fs::rename(&desk.path, desk.folder.path().join("aside")).unwrap();
            desk.slot.link_back("aside".as_ref()).unwrap();
            assert!(made.is_named(&desk.path).unwrap());
            fs::write(desk.folder.path().join("aside"), "").unwrap();
            assert_eq!(desk.slot.link_back("aside".as_ref()), Err(Errno::EXIST));
            assert!(made.is_named(&desk.path).unwrap());
        }
    }

    #[test]
    fn a_folder_with_something_in_it_stays() {
        let desk = Desk::new();
        let made = desk.make(Form::Folder).unwrap();
        fs::write(desk.path.join("note"), "").unwrap();
        let error = desk.slot.remove(&made).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::DirectoryNotEmpty);
        assert!(desk.path.join("note").exists());
        assert_eq!(desk.names().len(), 1);
    }

    #[test]
    fn what_cannot_be_written_is_not_left_behind() {
        const NAME: &str = "what_cannot_be_written_is_not_left_behind";
        const SMALL: &str = "LOCKTOP_TEST_WITHOUT_ROOM";
        if std::env::var_os(SMALL).is_some() {
            let desk = Desk::new();
            let error = desk.slot.make(Form::File, 0o666, b"me:1").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
            assert_eq!(desk.names(), Vec::<OsString>::new());
            return;
        }
        // The limit is for a whole process: so this test again, in one of its own.
        let output = std::process::Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"])
            .arg(std::env::current_exe().unwrap())
            .arg(NAME)
            .env(SMALL, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }
}
