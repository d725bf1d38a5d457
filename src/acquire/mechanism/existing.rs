//! Locks that lock by existing: a file, a symbolic link or a folder that one can make and the others
//! find there.
//!
//! There is no queue, and nothing but its maker removes it: who is killed leaves it behind.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::EventKindMask;

use super::{MOST_REOPENED, replaced_all_the_time};
use crate::acquire::rhythm::Lingering;
use crate::acquire::{Blocked, Held, Pending, Place, Stop, Want};
use crate::error::Error;
use crate::model::{Form, Mode, OnDisk, Range, harmless_bytes};
use crate::system::locking::existing::{Made, Removal, Slot, host_name};
use crate::system::wait_mark::Waits;

/// What can free the name.
const KINDS: EventKindMask = EventKindMask::REMOVE.union(EventKindMask::MODIFY_NAME);

/// A request for a lock that locks by existing.
#[derive(Debug)]
pub(crate) struct Existing {
    /// Whose words are used of it.
    family: &'static str,
    /// Through no links, except that it can be one itself.
    path: PathBuf,
    form: Form,
    text: Vec<u8>,
    create: Option<u32>,
    lingering: Lingering,
}

impl Existing {
    /// Makes nothing yet. Where no form is wanted, it is that of what is there, or a file.
    ///
    /// # Errors
    /// When its folder is not there; when it is to be shared, or part of it is wanted.
    #[expect(clippy::needless_pass_by_value, reason = "as all mechanisms are opened")]
    pub(crate) fn open(family: &'static str, path: PathBuf, want: Want) -> Result<Self, Error> {
        let refused = |why: &str| Err(Error::usage(format!("{}: {why}", show(&path))));
        if want.mode == Mode::Shared {
            return refused("a lock that locks by existing cannot be shared");
        }
        if want.range.is_some() {
            return refused("a lock that locks by existing has no range of bytes");
        }
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return refused("this names nothing that could be made");
        };
        let form = want.form.unwrap_or(Form::File);
        let folder = folder.canonicalize().map_err(|error| failed(form, &path, error))?;
        let slot = Slot::open(&folder, name).map_err(|error| failed(form, &path, error))?;
        let there = slot.form().map_err(|error| failed(form, &path, error))?;
        let form = want.form.or(there).unwrap_or(Form::File);
        Ok(Self {
            family,
            path: folder.join(name),
            form,
            text: text(form, want.text)?,
            create: want.create,
            lingering: Lingering::new(want.pauses, KINDS),
        })
    }

    /// Where it lies: its folder's path leads through no links.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the place of what was examined there and is nobody's any more; `None`: that is not
    /// there any more, or somebody else is taking its place.
    ///
    /// # Errors
    /// When it cannot be replaced.
    pub(crate) fn take_over(&mut self, examined: &OnDisk) -> Result<Option<Box<dyn Held>>, Error> {
        let slot = self.slot()?;
        let ours = slot.replace_examined(examined, self.mode()?, &self.text);
        let ours = ours.map_err(|error| not_replaced(self.family, &self.path, error))?;
        if ours.is_none() {
            return Ok(None);
        }
        self.verified(slot, ours)
    }

    /// What was made, if its path still leads to it: else its folder has another path by now, or
    /// somebody has removed it, and it is no lock.
    fn verified(&self, slot: Slot, ours: Option<Made>) -> Result<Option<Box<dyn Held>>, Error> {
        let held = HeldExisting { slot, ours, place: self.place() };
        if held.is_named()? {
            return Ok(Some(Box::new(held)));
        }
        match Box::new(held).give_back() {
            Err(error) if !error.is_lost() => Err(error),
            _ => Ok(None),
        }
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// The name in the folder that has its path now.
    fn slot(&self) -> Result<Slot, Error> {
        let name = self.path.file_name().unwrap_or_default();
        Slot::open(self.folder(), name).map_err(|error| failed(self.form, &self.path, error))
    }

    /// Less the umask: a folder that may be read may also be entered.
    fn mode(&self) -> Result<u32, Error> {
        let Some(mode) = self.create else {
            return Err(Error::usage(format!(
                "{} locks by existing: it cannot be taken without being created",
                show(&self.path)
            )));
        };
        Ok(match self.form {
            Form::Folder => mode | (mode & 0o444) >> 2,
            Form::File | Form::Link => mode,
        })
    }
}

/// What it says: unless told otherwise, whose it is.
fn text(form: Form, wanted: Option<Vec<u8>>) -> Result<Vec<u8>, Error> {
    let pid = std::process::id();
    match (form, wanted) {
        (Form::Link, Some(text)) if text.is_empty() || text.contains(&0) => Err(Error::usage(
            "a symbolic link cannot point to nothing, or to something with a zero byte in its name",
        )),
        (Form::Folder, Some(_)) => Err(Error::usage("a folder that is a lock says nothing")),
        (_, Some(text)) => Ok(text),
        (Form::File, None) => Ok(format!("{pid}\n").into_bytes()),
        (Form::Folder, None) => Ok(Vec::new()),
        (Form::Link, None) => match host_name() {
            Some(host) => Ok(format!("{host}:{pid}").into_bytes()),
            None => Err(Error::unsupported(
                "this machine does not tell its name: say what the link is to point to",
            )),
        },
    }
}

impl Pending for Existing {
    fn place(&self) -> Place {
        Place {
            family: self.family,
            mechanism: None,
            path: self.path.clone(),
            id: None,
            file: None,
            range: Range::WHOLE,
        }
    }

    fn try_take(&mut self) -> Result<Option<Box<dyn Held>>, Error> {
        let mode = self.mode()?;
        for _ in 0..MOST_REOPENED {
            let slot = self.slot()?;
            let ours = slot
                .make(self.form, mode, &self.text)
                .map_err(|error| failed(self.form, &self.path, error))?;
            if ours.is_none() {
                return Ok(None);
            }
            if let Some(held) = self.verified(slot, ours)? {
                return Ok(Some(held));
            }
        }
        Err(replaced_all_the_time(&self.path))
    }

    fn block(&mut self, stop: &Arc<Stop>) -> Result<Blocked, Error> {
        self.linger(stop)?;
        Ok(if stop.is_set() { Blocked::Stopped } else { Blocked::Changed })
    }

    fn is_free(&mut self) -> Result<Option<bool>, Error> {
        let there = self.slot()?.form().map_err(|error| Error::io("look at", &self.path, error))?;
        Ok(Some(there.is_none()))
    }

    fn linger(&mut self, stop: &Arc<Stop>) -> Result<(), Error> {
        let folder = self.slot()?.folder();
        let folder =
            folder.map_err(|error| Error::io("look at the folder of", &self.path, error))?;
        let parent = self.folder().to_owned();
        self.lingering.linger(&parent, &self.path, Some(folder), stop);
        Ok(())
    }

    fn waits(&self) -> Option<Waits> {
        // What keeps that from being known is told by the next try.
        let folder = self.slot().ok()?.folder().ok()?;
        Some(Waits { family: self.family.into(), folder, path: self.path.clone() })
    }
}

/// A lock of ours that locks by existing.
#[derive(Debug)]
struct HeldExisting {
    slot: Slot,
    /// `None` once it has been given back or left.
    ours: Option<Made>,
    place: Place,
}

impl HeldExisting {
    fn is_named(&self) -> Result<bool, Error> {
        let path = &self.place.path;
        let named = self.ours.as_ref().map_or(Ok(false), |ours| ours.is_named(path));
        named.map_err(|error| Error::io("look at", path, error))
    }
}

impl Held for HeldExisting {
    fn give_back(mut self: Box<Self>) -> Result<(), Error> {
        let Some(ours) = self.ours.take() else { return Ok(()) };
        let path = &self.place.path;
        let removal = self.slot.remove(&ours);
        match removal.map_err(|error| Error::io("remove", path, error))? {
            Removal::Done => Ok(()),
            Removal::Lost => Err(Error::lost(format!(
                "{} is not what was made: somebody removed or replaced it while it was ours",
                show(path)
            ))),
            Removal::Aside(name) => Err(Error::lost(format!(
                "{} was replaced twice while it was given back: what had come in its place first \
                 now has the name {}",
                show(path),
                harmless_bytes(name.as_encoded_bytes())
            ))),
        }
    }

    fn place(&self) -> Place {
        self.place.clone()
    }

    fn leave(mut self: Box<Self>) {
        self.ours = None;
    }
}

impl Drop for HeldExisting {
    fn drop(&mut self) {
        if let Some(ours) = self.ours.take() {
            // Who wants to hear of a failure gives it back.
            let _ = self.slot.remove(&ours);
        }
    }
}

/// Why it cannot be made, and what would help.
fn failed(form: Form, path: &Path, error: io::Error) -> Error {
    let doing = format!("make the {}", form.word());
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::gone(format!(
            "cannot {doing} {}: its folder does not exist; create it first",
            show(path)
        )),
        kind @ io::ErrorKind::PermissionDenied => {
            let text = format!("{error}; do it as somebody who may write to its folder");
            Error::io(&doing, path, io::Error::new(kind, text))
        }
        io::ErrorKind::InvalidFilename => {
            Error::usage(format!("cannot {doing} {}: {error}", show(path)))
        }
        _ => Error::io(&doing, path, error),
    }
}

/// Why what was left behind could not be replaced, and what would help.
fn not_replaced(family: &str, path: &Path, error: io::Error) -> Error {
    let path_shown = show(path);
    let text = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!("{error}; do it as root, or as the user whose it is")
        }
        io::ErrorKind::Unsupported => {
            format!("{error}; 'locktop release {family}:{path_shown}' removes it")
        }
        _ => return Error::io("replace what was left behind as", path, error),
    };
    Error::io("replace what was left behind as", path, io::Error::new(error.kind(), text))
}

fn show(path: &Path) -> String {
    harmless_bytes(path.as_os_str().as_encoded_bytes()).into_owned()
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
