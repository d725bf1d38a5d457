use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::acquire::Pauses;

/// Longer than anything takes.
const SOON: Duration = Duration::from_mins(5);

const FORMS: [Form; 3] = [Form::File, Form::Link, Form::Folder];

/// A folder, and the path of a lock in it.
struct Desk {
    folder: TempDir,
    path: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("lock");
        Self { folder, path }
    }

    /// A request that wakes by events alone.
    fn want(form: Option<Form>) -> Want {
        let never = Duration::from_hours(1);
        let pauses = Pauses { first: never, growth: 1.0, longest: never };
        let create = Some(0o666);
        Want { mode: Mode::Exclusive, range: None, create, form, text: None, pauses }
    }

    fn request(&self, form: Option<Form>) -> Existing {
        Existing::open("lockfile", self.path.clone(), Self::want(form)).unwrap()
    }

    fn taken(&self, form: Form) -> Box<dyn Held> {
        self.request(Some(form)).try_take().unwrap().unwrap()
    }

    fn is_empty(&self) -> bool {
        fs::read_dir(self.folder.path()).unwrap().next().is_none()
    }
}

#[test]
fn one_has_it_and_gives_it_back() {
    for form in FORMS {
        let desk = Desk::new();
        let mut other = desk.request(Some(form));
        assert_eq!(other.is_free().unwrap(), Some(true));
        let held = desk.taken(form);
        assert!(other.try_take().unwrap().is_none());
        assert_eq!(other.is_free().unwrap(), Some(false));
        assert_eq!((held.place().family, &held.place().path), ("lockfile", &desk.path));
        assert!(held.file().is_none());
        held.give_back().unwrap();
        assert!(desk.is_empty(), "{form:?}");
        drop(other.try_take().unwrap().unwrap());
        assert!(desk.is_empty(), "{form:?}");
    }
}

#[test]
fn it_says_whose_it_is_unless_told_otherwise() {
    let desk = Desk::new();
    let pid = std::process::id();
    let held = desk.taken(Form::File);
    assert_eq!(fs::read_to_string(&desk.path).unwrap(), format!("{pid}\n"));
    held.give_back().unwrap();
    let held = desk.taken(Form::Link);
    let link = fs::read_link(&desk.path).unwrap().into_os_string().into_string().unwrap();
    assert!(link.ends_with(&format!(":{pid}")), "{link}");
    held.give_back().unwrap();
    let want = Want { text: Some(b"someone".into()), ..Desk::want(None) };
    let held =
        Existing::open("lockfile", desk.path.clone(), want).unwrap().try_take().unwrap().unwrap();
    assert_eq!(fs::read(&desk.path).unwrap(), b"someone");
    held.give_back().unwrap();
}

#[test]
fn its_form_is_that_of_what_is_there() {
    for form in FORMS {
        let desk = Desk::new();
        let held = desk.taken(form);
        let mut next = desk.request(None);
        assert_eq!(next.form, form);
        held.give_back().unwrap();
        let _held = next.try_take().unwrap().unwrap();
        assert_eq!(desk.request(None).form, form);
    }
    assert_eq!(Desk::new().request(None).form, Form::File);
}

#[test]
fn what_was_left_stays() {
    for form in FORMS {
        let desk = Desk::new();
        desk.taken(form).leave();
        assert_eq!(desk.request(None).is_free().unwrap(), Some(false));
    }
}

#[test]
fn what_is_ours_no_more_is_left_alone_and_said() {
    let desk = Desk::new();
    let held = desk.taken(Form::File);
    fs::remove_file(&desk.path).unwrap();
    let other = desk.taken(Form::File);
    let error = held.give_back().unwrap_err();
    assert!(error.is_lost(), "{error}");
    assert_eq!(desk.request(None).is_free().unwrap(), Some(false));
    other.give_back().unwrap();
}

#[test]
fn a_planted_link_is_waited_for_and_not_made_through() {
    let desk = Desk::new();
    let elsewhere = desk.folder.path().join("elsewhere");
    symlink(&elsewhere, &desk.path).unwrap();
    assert!(desk.request(Some(Form::File)).try_take().unwrap().is_none());
    assert!(!elsewhere.exists());
}

#[test]
fn who_waits_is_woken_when_it_is_gone() {
    for form in FORMS {
        let desk = Desk::new();
        let held = desk.taken(form);
        let mut request = desk.request(Some(form));
        let stop = Arc::new(Stop::default());
        // The first time only begins to watch.
        assert!(matches!(request.block(&stop).unwrap(), Blocked::Changed));
        assert!(request.try_take().unwrap().is_none());
        let (tell, end) = channel();
        thread::spawn(move || {
            let held = loop {
                assert!(matches!(request.block(&stop).unwrap(), Blocked::Changed));
                if let Some(held) = request.try_take().unwrap() {
                    break held;
                }
            };
            held.give_back().unwrap();
            let _ = tell.send(());
        });
        held.give_back().unwrap();
        end.recv_timeout(SOON).unwrap();
    }
}

#[test]
fn who_waits_can_be_stopped() {
    let desk = Desk::new();
    let _held = desk.taken(Form::File);
    let mut request = desk.request(None);
    let stop = Arc::new(Stop::default());
    request.block(&stop).unwrap();
    let for_thread = Arc::clone(&stop);
    let waits = thread::spawn(move || request.block(&for_thread).unwrap());
    stop.set(crate::system::locking::Thread::wake);
    assert!(matches!(waits.join().unwrap(), Blocked::Stopped));
}

#[test]
fn the_same_lock_has_one_path() {
    let desk = Desk::new();
    let link = desk.folder.path().join("link");
    symlink(desk.folder.path(), &link).unwrap();
    let request = Existing::open("lockfile", link.join("lock"), Desk::want(None)).unwrap();
    assert_eq!(request.place(), desk.request(None).place());
}

#[test]
fn a_folder_is_entered_by_who_may_read_it() {
    let desk = Desk::new();
    let _held = desk.taken(Form::Folder);
    let mode = fs::metadata(&desk.path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode & 0o111, (mode & 0o444) >> 2, "{mode:o}");
}

#[test]
fn what_cannot_be_made_is_an_error_that_helps() {
    let desk = Desk::new();
    let open = |path: &str, want| Existing::open("lockfile", desk.folder.path().join(path), want);
    let want = || Desk::want(None);
    let error = open("nowhere/lock", want()).unwrap_err();
    assert!(error.is_gone() && error.to_string().contains("create it first"), "{error}");
    assert!(open("..", want()).unwrap_err().is_usage());
    assert!(open(&"x".repeat(300), want()).unwrap_err().is_usage());
    let shared = Want { mode: Mode::Shared, ..want() };
    assert!(open("lock", shared).unwrap_err().is_usage());
    let part = Want { range: Some(Range::WHOLE), ..want() };
    assert!(open("lock", part).unwrap_err().is_usage());
    for (form, text) in [(Form::Link, ""), (Form::Link, "a\0b"), (Form::Folder, "x")] {
        let wrong = Want { text: Some(text.into()), ..Desk::want(Some(form)) };
        assert!(open("lock", wrong).unwrap_err().is_usage());
    }
    let unmade = Want { create: None, ..want() };
    assert!(open("lock", unmade).unwrap().try_take().unwrap_err().is_usage());
    let mut late = open("lock", want()).unwrap();
    fs::remove_dir(desk.folder.path()).unwrap();
    assert!(late.try_take().unwrap_err().is_gone());
    assert!(late.is_free().unwrap_err().is_gone());

    let error = failed(Form::File, &desk.path, io::ErrorKind::PermissionDenied.into());
    assert!(error.is_permission() && error.to_string().contains("may write"), "{error}");
}
