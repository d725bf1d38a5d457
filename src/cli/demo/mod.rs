//! `locktop demo`: real processes contend for real locks in a folder of their own.
//!
//! Three layers, and each ends with the one above it:
//! 1. The demo shows the folder. It has the other end of the janitor's standard input.
//! 2. The janitor, in a session of its own, owns the folder and the actors. Its standard input ends
//!    when the demo does, however that happens; then it kills every actor, waits until none is left,
//!    and removes the folder.
//! 3. The actors are killed by the system when the janitor ends, however that happens, the stopped
//!    and the orphaned one included. Then the demo removes the folder.
//!
//! Only when demo and janitor are killed in the same instant something stays: the folder, with
//! nothing but empty files in it.

mod actor;
mod acts;
mod janitor;
mod stage;

use std::ffi::OsStr;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};

use locktop::children;
use locktop::model::PathBytes;

use super::failure::{Failure, Status};
pub(crate) use actor::{Role, run as act};
pub(crate) use janitor::run as keep_house;

/// What the janitor says when every actor is in its place.
const READY: &str = "ready";

/// Sets the scene, has it shown, and clears it away.
pub(crate) fn run(show: impl FnOnce(&Path) -> Result<Status, Failure>) -> Result<Status, Failure> {
    let folder = new_folder_name()?;
    let mut janitor = start_janitor(&folder)?;
    let shown = if hear_ready(&mut janitor) { show(&folder) } else { Ok(Status::Done) };
    let cleared = dismiss(janitor, &folder);
    shown.and_then(|status| cleared.map(|()| status))
}

/// A name for a folder among the temporary ones that nobody can guess.
fn new_folder_name() -> Result<PathBuf, Failure> {
    let temporary = std::env::temp_dir();
    let resolved = fs::canonicalize(&temporary).map_err(|error| {
        refused("cannot use the folder for temporary files", &temporary, &error)
    })?;
    let random = RandomState::new().hash_one(std::process::id());
    Ok(resolved.join(format!("locktop-demo-{:06x}", random & 0xff_ffff)))
}

fn start_janitor(folder: &Path) -> Result<Child, Failure> {
    children::this_program([OsStr::new("demo-janitor"), folder.as_os_str()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| {
            Failure::refused(format!("cannot start the demo's janitor: {error}"), error.kind())
        })
}

/// Waits until the scene is set; not so if the janitor ends before.
fn hear_ready(janitor: &mut Child) -> bool {
    let mut word = String::new();
    janitor.stdout.as_mut().is_some_and(|stdout| {
        BufReader::new(stdout).read_line(&mut word).is_ok() && word.trim_end() == READY
    })
}

/// Has the scene cleared away, and sees that it is.
fn dismiss(mut janitor: Child, folder: &Path) -> Result<(), Failure> {
    // Waiting closes the janitor's standard input, which tells it to end.
    let ended = janitor.wait().map_err(|error| {
        Failure::refused(format!("cannot wait for the demo's janitor: {error}"), error.kind())
    })?;
    // Where it tells a status it has cleared away, and said what was wrong.
    match ended.code() {
        Some(0) => Ok(()),
        Some(code) if code == i32::from(Status::NotPermitted.code()) => {
            Err(Failure::told(Status::NotPermitted))
        }
        Some(code) if code == i32::from(Status::Unreadable.code()) => {
            Err(Failure::told(Status::Unreadable))
        }
        _ => clear_for_it(folder, ended),
    }
}

/// Removes the folder of a janitor that was killed. Its actors are dead already.
fn clear_for_it(folder: &Path, ended: ExitStatus) -> Result<(), Failure> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(refused("cannot remove", folder, &error))
        }
        _ => Err(Failure::refused(
            format!("something killed the demo's janitor: {ended}"),
            io::ErrorKind::Other,
        )),
    }
}

fn refused(what: &str, path: &Path, error: &io::Error) -> Failure {
    let path = PathBytes::new(path).display();
    Failure::refused(format!("{what} {path}: {error}"), error.kind())
}
