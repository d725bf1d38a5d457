//! `locktop check` as cron runs it: with a memory of its own.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Scene, Viewer, wait_until};

/// What a run said.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: i32,
    pub(crate) printed: String,
    pub(crate) said: String,
}

impl Run {
    /// The words and paths of its lines, without what could not be seen.
    pub(crate) fn findings(&self) -> Vec<(String, String)> {
        let parts = |line: &str| {
            let mut parts = line.splitn(3, ": ").map(ToOwned::to_owned);
            (parts.next().unwrap(), parts.next().unwrap_or_default())
        };
        self.printed.lines().map(parts).collect()
    }
}

/// The folder in which runs of a scene remember.
pub(crate) fn memory(scene: &Scene) -> PathBuf {
    scene.path(".memory")
}

/// Runs `locktop check`.
#[track_caller]
pub(crate) fn check(scene: &Scene, args: &[&str]) -> Run {
    locktop(scene, Viewer::Ourselves, &[&["check"], args].concat())
}

/// Runs `locktop`, remembering in the folder of the scene; of another user in one of its own.
#[track_caller]
pub(crate) fn locktop(scene: &Scene, viewer: Viewer, args: &[&str]) -> Run {
    let folder = match viewer {
        Viewer::Ourselves => memory(scene),
        Viewer::Nobody => scene.path(".memory-of-nobody"),
    };
    with(scene, viewer, &[&format!("LOCKTOP_MEMORY={}", folder.display())], args)
}

/// Runs `locktop` with this environment.
#[track_caller]
pub(crate) fn with(scene: &Scene, viewer: Viewer, environment: &[&str], args: &[&str]) -> Run {
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env"];
    let through = match viewer {
        Viewer::Ourselves => &nobody[4..],
        Viewer::Nobody => &nobody[..],
    };
    let output = scene.locktop_through(&[through, environment].concat(), args);
    Run {
        status: output.status.code().expect("it ends by itself"),
        printed: String::from_utf8(output.stdout).expect("it prints UTF-8"),
        said: String::from_utf8(output.stderr).expect("it says UTF-8"),
    }
}

/// The document of `check --json`.
#[track_caller]
pub(crate) fn document(scene: &Scene, args: &[&str]) -> Value {
    let run = check(scene, &[&["--json"], args].concat());
    serde_json::from_str(&run.printed).unwrap_or_else(|error| panic!("{error}: {run:?}"))
}

/// Runs it until it finds something.
#[track_caller]
pub(crate) fn finds(scene: &Scene, args: &[&str]) -> Run {
    wait_until(&format!("{args:?} finds something"), || {
        let run = check(scene, args);
        (run.status == 1).then_some(run)
    })
}

/// A path of the scene as an argument.
pub(crate) fn target(scene: &Scene, name: &str) -> String {
    scene.path(name).to_str().unwrap().to_owned()
}

/// Whether all records of the kernel can be seen: it is the first pid namespace.
pub(crate) fn sees_all() -> bool {
    fs::read_link("/proc/self/ns/pid").is_ok_and(|link| link == Path::new("pid:[4026531836]"))
}
