//! Shell scripts that run `locktop` in the folder of a scene.

use std::fs;
use std::path::PathBuf;

use super::support::{Scene, state, wait_until};

/// The program.
pub(crate) const LOCKTOP: &str = env!("CARGO_BIN_EXE_locktop");

/// A script that runs.
pub(crate) struct Script {
    /// Its shell.
    pub(crate) pid: i32,
    status: PathBuf,
    said: PathBuf,
}

impl Script {
    /// Starts a script in which `locktop` is this one.
    pub(crate) fn begin(scene: &Scene, script: &str) -> Self {
        let number = scene.folder().read_dir().unwrap().count();
        let [status, said] = ["status", "said"].map(|name| scene.path(&format!("{name}-{number}")));
        fs::write(&said, "").unwrap();
        let script = script.replace("locktop ", &format!("{LOCKTOP} "));
        let script = format!("exec 2>{}\n{script}\necho $? >{}", said.display(), status.display());
        Self { pid: scene.shell(&script, &[]).pid, status, said }
    }

    /// What was said on standard error so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap()
    }

    /// Waits for its end; returns its `$?` and what was said.
    #[track_caller]
    pub(crate) fn ends(self) -> (i32, String) {
        wait_until("a script has ended", || state(self.pid).is_none().then_some(()));
        let status = fs::read_to_string(&self.status).expect("the script came to its end");
        (status.trim().parse().unwrap(), self.said())
    }
}

/// Runs a script to its end; returns its `$?` and what was said on standard error.
#[track_caller]
pub(crate) fn run(scene: &Scene, script: &str) -> (i32, String) {
    Script::begin(scene, script).ends()
}
