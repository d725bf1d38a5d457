//! A folder, actors, and somebody who clears it all away.

use std::cell::{Cell, RefCell};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::rc::Rc;

use super::actor::Actor;
use super::kernel::{handle_of, has_gone, wait_until};
use super::need::{Need, all_met, program};
use super::report::Report;

/// Who looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewer {
    /// The user who runs the tests.
    Ourselves,
    /// The user `nobody`; needs root.
    Nobody,
}

/// A set of processes with a folder. Everything ends with the test, whatever ends it.
#[derive(Debug)]
pub struct Scene {
    folder: PathBuf,
    stage: Option<Actor>,
    door: Rc<UnixListener>,
    process: Child,
    private_mounts: Cell<bool>,
    kept: RefCell<Vec<Actor>>,
}

impl Scene {
    /// A scene, if what it needs is there.
    #[track_caller]
    pub fn with(needs: &[Need]) -> Option<Self> {
        let needs = [&[Need::Program("python3"), Need::Program("flock")], needs].concat();
        all_met(&needs).then(Self::set)
    }

    fn set() -> Self {
        let folder = tempfile::Builder::new().prefix("locktop-").tempdir().unwrap().keep();
        let folder = folder.canonicalize().unwrap();
        fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).unwrap();
        let door = Rc::new(UnixListener::bind(folder.join(".stage")).unwrap());
        door.set_nonblocking(true).unwrap();
        let process = Command::new(python())
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/stage.py"))
            .arg(&folder)
            .stdin(Stdio::null())
            .spawn()
            .expect("python3 starts");
        let stage = Some(Actor::enters(&door, process.id() as i32));
        Self {
            folder,
            stage,
            door,
            process,
            private_mounts: Cell::new(false),
            kept: RefCell::default(),
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The process that all actors descend from.
    pub fn stage(&self) -> &Actor {
        self.stage.as_ref().expect("the stage stands until the scene is dropped")
    }

    /// A new actor, who leads a session of its own.
    #[track_caller]
    pub fn actor(&self) -> Actor {
        self.stage().makes("new_session()")
    }

    /// A new actor with the rights of the user `nobody`; needs root.
    #[track_caller]
    pub fn nobody(&self) -> Actor {
        let actor = self.actor();
        actor.does("become_nobody()");
        actor
    }

    /// Keeps an actor for as long as the scene lasts.
    pub fn keeps(&self, actor: Actor) {
        self.kept.borrow_mut().push(actor);
    }

    /// Mounts of the stage and its actors are from now on seen by them and by what looks from
    /// [`Scene::locktop`], and by nobody else; needs root.
    #[track_caller]
    pub fn has_private_mounts(&self) {
        self.stage().does("private_mounts()");
        self.private_mounts.set(true);
    }

    /// Starts a shell script in the folder; `$1` and so on are `args`. Its standard input stays open
    /// until [`Shell::ends_input`].
    #[track_caller]
    pub fn shell(&self, script: &str, args: &[&str]) -> Shell<'_> {
        let words: Vec<_> =
            ["sh", "-c", script, "sh"].iter().chain(args).map(|word| format!("{word:?}")).collect();
        let source = format!("spawn({}, stdin=subprocess.PIPE)", words.join(", "));
        let pid = self.stage().does(source).as_i64().unwrap() as i32;
        Shell { scene: self, pid, process: handle_of(pid) }
    }

    /// Takes the actors to come out of any service or container that the tests run in, whose being
    /// in charge would alter verdicts. Without root they stay where they are.
    pub fn leaves_services(&self) {
        if Need::Root.missing().is_none() {
            self.stage().does("leave_services()");
        }
    }

    /// Runs `locktop`; it is ended when it hangs.
    pub fn locktop(&self, viewer: Viewer, args: &[&str]) -> Output {
        let mut through = Vec::new();
        let namespace = format!("--mount=/proc/{}/ns/mnt", self.stage().pid);
        if self.private_mounts.get() {
            through.extend(["nsenter", &namespace]);
        }
        if viewer == Viewer::Nobody {
            through.extend(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
        }
        self.locktop_through(&through, args)
    }

    /// Runs `locktop` through a program that runs another.
    pub fn locktop_through(&self, through: &[&str], args: &[&str]) -> Output {
        let binary = match through {
            [] => PathBuf::from(env!("CARGO_BIN_EXE_locktop")),
            _ => self.copy_of_binary(),
        };
        Command::new("timeout")
            .args(["--kill-after=1", "300"])
            .args(through)
            .arg(binary)
            .args(args)
            .stdin(Stdio::null())
            .current_dir(&self.folder)
            .output()
            .expect("timeout(1) starts")
    }

    /// What `locktop ls --json` says.
    #[track_caller]
    pub fn look(&self) -> Report {
        self.look_as(Viewer::Ourselves, &[])
    }

    /// What `locktop ls --json TARGET…` says to that user.
    #[track_caller]
    pub fn look_as(&self, viewer: Viewer, targets: &[&str]) -> Report {
        let args = [&["ls", "--json"], targets].concat();
        Report::of(self.locktop(viewer, &args))
    }

    /// What `locktop explain TARGET` says.
    #[track_caller]
    pub fn explain(&self, target: &str) -> String {
        let output = self.locktop(Viewer::Ourselves, &["explain", target]);
        let text = String::from_utf8(output.stdout).expect("explain prints UTF-8");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{text}{said}");
        text
    }

    /// The binary where everybody may run it, whatever the rights of the build folder are.
    pub fn copy_of_binary(&self) -> PathBuf {
        let copy = self.path(".locktop");
        if !copy.exists() {
            // Not by ourselves: a program that another test starts meanwhile would inherit the copy
            // open for writing, and nobody could run it.
            let binary = env!("CARGO_BIN_EXE_locktop");
            self.stage().does(format!("shutil.copy({binary:?}, '.locktop')"));
        }
        copy
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.stage = None; // Its connection closes, which is its sign to clean up.
        let status = self.process.wait().expect("the stage can be waited for");
        if !std::thread::panicking() {
            assert!(status.success(), "the scene left something behind: {status}");
        }
    }
}

/// A shell script of a scene.
#[derive(Debug)]
pub struct Shell<'a> {
    scene: &'a Scene,
    /// Its process.
    pub pid: i32,
    /// `None`: it had ended before it could be asked for.
    process: Option<OwnedFd>,
}

impl Shell<'_> {
    /// Closes its standard input, and waits until it has ended.
    pub fn ends_input(self) {
        self.scene.stage().does(format!("end_input({})", self.pid));
        wait_until("a script has ended", || {
            self.process.as_ref().is_none_or(has_gone).then_some(())
        });
    }
}

/// Debian's Python rather than a wrapper that starts slowly.
fn python() -> String {
    let debian = "/usr/bin/python3";
    if Path::new(debian).exists() {
        debian.into()
    } else {
        program("python3").expect("python3 was asked for")
    }
}
