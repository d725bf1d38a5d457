//! A scene whose acts are written down in a log of its own.

use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;

use crate::support::{Need, Scene, Viewer, wait_until};

/// For as long as it takes a holder to end on a machine that is busy with others.
pub(crate) const PATIENTLY: [&str; 2] = ["--grace", "5m"];

pub(crate) struct Theatre {
    pub(crate) scene: Scene,
    /// The administrator's log is not the machine's.
    is_root: bool,
}

impl Theatre {
    /// A scene with what it needs, if that is there.
    #[track_caller]
    pub(crate) fn with(needs: &[Need]) -> Option<Self> {
        let scene = Scene::with(needs)?;
        let is_root = Need::Root.missing().is_none();
        if is_root {
            scene.has_private_mounts();
            scene.stage().does("mount('none', '/var/log', 'tmpfs')");
        }
        Some(Self { scene, is_root })
    }

    /// The folder of the log.
    pub(crate) fn log_folder(&self) -> String {
        if self.is_root { "/var/log/locktop".into() } else { self.path("state/locktop") }
    }

    /// What `locktop` is run through.
    pub(crate) fn through(&self) -> Vec<String> {
        let mut through = Vec::new();
        if self.is_root {
            through.push("nsenter".into());
            through.push(format!("--mount=/proc/{}/ns/mnt", self.scene.stage().pid));
            through.push(format!("--wd={}", self.scene.folder().display()));
        }
        through.push("env".into());
        through.push(format!("XDG_STATE_HOME={}", self.scene.path("state").display()));
        through
    }

    /// Runs `locktop` to its end.
    pub(crate) fn locktop(&self, args: &[&str]) -> Output {
        self.locktop_through(&[], args)
    }

    /// Runs `locktop` to its end, through other programs.
    pub(crate) fn locktop_through(&self, last: &[&str], args: &[&str]) -> Output {
        let through = self.through();
        let through: Vec<&str> = through.iter().map(String::as_str).collect();
        self.scene.locktop_through(&[&through, last].concat(), args)
    }

    /// Runs `locktop release --yes`, and expects that status; all that it printed and said.
    #[track_caller]
    pub(crate) fn release(&self, args: &[&str], status: i32) -> String {
        let grace = if args.contains(&"--grace") { &[] } else { &PATIENTLY[..] };
        let output = self.locktop(&[&["release", "--yes"], grace, args].concat());
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(output.status.code(), Some(status), "{args:?}: {text}");
        text
    }

    /// The document of `locktop release --json`.
    #[track_caller]
    pub(crate) fn document(&self, args: &[&str]) -> Value {
        let output = self.locktop(&[&["release", "--json"], args].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{args:?}: {error}: {}", String::from_utf8_lossy(&output.stderr))
        })
    }

    /// The lock of that name, by `ls`.
    #[track_caller]
    pub(crate) fn seen(&self, name: &str) -> Value {
        seen(&self.scene, Viewer::Ourselves, name)
    }

    /// The lines of the log.
    #[track_caller]
    pub(crate) fn log(&self) -> Vec<Value> {
        let output = self.locktop(&["audit", "--json"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
        let mut document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let Value::Array(entries) = document["entries"].take() else { panic!("{document:#}") };
        entries
    }

    /// How far each line of the log has come.
    #[track_caller]
    pub(crate) fn stages(&self) -> Vec<String> {
        let word = |entry: &Value| entry["stage"].as_str().unwrap().to_owned();
        self.log().iter().map(word).collect()
    }

    /// Where a file of the scene is, as text.
    pub(crate) fn path(&self, name: &str) -> String {
        self.scene.path(name).to_str().unwrap().to_owned()
    }

    /// The words of a command line that becomes `locktop`, and the program that this is.
    pub(crate) fn command(&self, args: &[&str]) -> (Vec<String>, PathBuf) {
        let program = self.scene.copy_of_binary();
        let mut command = self.through();
        command.push(program.to_str().unwrap().into());
        command.extend(args.iter().map(|arg| (*arg).to_owned()));
        (command, program)
    }

    /// Waits until a file is there.
    #[track_caller]
    pub(crate) fn waits_for(&self, name: &str) -> PathBuf {
        let path = self.scene.path(name);
        wait_until(&format!("{name} is there"), || path.exists().then_some(()));
        path
    }
}

/// The lock of that name, by `ls`: one look can miss it where a long lock table changes while it is
/// read.
#[track_caller]
pub(crate) fn seen(scene: &Scene, viewer: Viewer, name: &str) -> Value {
    let path = scene.path(name);
    wait_until(&format!("{name} is seen"), || match scene.look_as(viewer, &[]).all_at(&path)[..] {
        [lock] => Some(lock.clone()),
        _ => None,
    })
}

/// The number of a process that has ended, as a lock says it; nobody gets it for as long as the scene
/// lasts.
#[track_caller]
pub(crate) fn somebody_who_ended(scene: &Scene) -> String {
    let actor = scene.actor();
    let pid = actor.pid;
    // It is the number of its child's session.
    scene.keeps(actor.forks());
    actor.ends();
    format!("{pid}\n")
}

/// Waits until a process has ended.
#[track_caller]
pub(crate) fn has_ended(pid: i32) {
    wait_until("it has ended", || crate::support::state(pid).is_none().then_some(()));
}

/// Whether a process lives.
pub(crate) fn lives(pid: i32) -> bool {
    crate::support::state(pid).is_some_and(|state| state != 'Z')
}
