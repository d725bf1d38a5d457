//! What one process has seen, for the next one to go on from: a file that is only believed while
//! everything is as it was that its numbers depend on.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Ledger;
use super::saved::MOST_BYTES;
use crate::model::{Moment, Note, harmless_bytes};
use crate::system::drawer::Drawer;
use crate::system::numbering::Numbering;
use crate::system::{System, own_user};

/// The file in the folder.
const FILE: &str = "first-seen";

/// The beginning of its first line, which ends with a checksum of all the others.
const MAGIC: &str = "locktop first-seen 1 ";

/// With the two lines before those of the locks.
const LARGEST: usize = MOST_BYTES + (64 << 10);

/// What may lie between reading one clock and the other.
const APART: SignedDuration = SignedDuration::from_secs(2);

/// Where it is remembered, from one process to the next, since when locks have been seen: so that
/// commands that look once, such as `locktop check` from cron, can tell how long one has been held.
///
/// Nothing is remembered beyond a restart of the machine. Only a file in a folder that nobody else
/// can write to is used; what is damaged, or does not belong to this run of the kernel and to these
/// clocks, is not believed. On systems that do not tell who can write to a folder there is none.
#[derive(Debug, Clone)]
pub struct Memory {
    place: Place,
    /// The first line of what was found.
    found: Option<String>,
}

#[derive(Debug, Clone)]
enum Place {
    Folder(PathBuf),
    /// There is none, and why.
    Nowhere(&'static str),
    Unwanted,
}

/// What the look was made on: the second line.
#[derive(Debug, Serialize, Deserialize)]
struct Ground {
    boot_id: String,
    numbering: Numbering,
    wall: Timestamp,
    uptime: Duration,
}

/// Why what was found is not used.
#[derive(Debug)]
enum Doubt {
    /// The file could not be read, or not be relied on.
    Unusable(io::Error),
    Damaged,
    /// What it was written on is not what we look at, in words.
    Outdated(&'static str),
}

impl Memory {
    /// The usual one of this user. The folder is, for root, `/run/locktop`; else `locktop` in
    /// `$XDG_RUNTIME_DIR`, in `/run/user/UID`, in `$XDG_STATE_HOME` or in `~/.local/state`, whichever
    /// is there. `$LOCKTOP_MEMORY` names another one; where that is empty, nothing is remembered.
    #[must_use]
    pub fn usual() -> Self {
        let named = env::var_os("LOCKTOP_MEMORY");
        Self::of(named.map_or_else(usual_folder, Place::named))
    }

    /// In that folder, which is made if it is not there.
    #[must_use]
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self::of(Place::Folder(folder.into()))
    }

    fn of(place: Place) -> Self {
        Self { place, found: None }
    }

    /// Has the ledger go on from what is remembered. What a reader has to know, if that cannot be.
    pub(crate) fn recall(&mut self, ledger: &mut Ledger, system: &System) -> Option<Note> {
        let Place::Folder(folder) = &self.place else { return None };
        let folder = folder.clone();
        let doubt = self.try_recall(&folder, ledger, system).err()?;
        Some(doubt.note(&folder))
    }

    fn try_recall(
        &mut self,
        folder: &Path,
        ledger: &mut Ledger,
        system: &System,
    ) -> Result<(), Doubt> {
        let Some(drawer) = Drawer::open(near(folder, system)?)? else { return Ok(()) };
        let Some(text) = drawer.read(FILE, LARGEST)? else { return Ok(()) };
        self.found = text.lines().next().map(ToOwned::to_owned);
        let (first, rest) = text.split_once('\n').ok_or(Doubt::Damaged)?;
        if first != first_line(rest) {
            return Err(Doubt::Damaged);
        }
        let (ground, looks) = rest.split_once('\n').ok_or(Doubt::Damaged)?;
        let then: Ground = serde_json::from_str(ground).map_err(|_| Doubt::Damaged)?;
        let now = Ground::now(ledger, system.now(), system)?;
        if let Some(change) = now.change_since(&then) {
            return Err(Doubt::Outdated(change));
        }
        let reused = system.may_have_reused_numbers(&then.numbering, &now.numbering);
        ledger.restore(looks, reused).map_err(|_| Doubt::Damaged)
    }

    /// Remembers what the ledger knows. What a reader has to know, if that cannot be. Where another
    /// process has remembered something newer, or is about to, that is left as it is.
    pub(crate) fn keep(&self, ledger: &Ledger, at: Moment, system: &System) -> Option<Note> {
        let folder = match &self.place {
            Place::Folder(folder) => folder,
            Place::Nowhere(why) => return Some(unkept(why)),
            Place::Unwanted => return None,
        };
        let (looks, left_out) = ledger.save()?;
        match self.try_keep(folder, &looks, ledger, at, system) {
            Err(error) => Some(unkept(&format!("{}: {error}", shown(&folder.join(FILE))))),
            Ok(()) => (left_out > 0).then(|| cut(left_out)),
        }
    }

    fn try_keep(
        &self,
        folder: &Path,
        looks: &str,
        ledger: &Ledger,
        at: Moment,
        system: &System,
    ) -> io::Result<()> {
        let ground = serde_json::to_string(&Ground::now(ledger, at, system)?)?;
        let rest = format!("{ground}\n{looks}");
        let text = format!("{}\n{rest}", first_line(&rest));
        let drawer = Drawer::make(near(folder, system)?)?;
        // Whoever has written meanwhile has looked later, or has seen as much.
        let still = |found: Option<&str>| {
            found.and_then(|text| text.lines().next()) == self.found.as_deref()
        };
        drawer.replace(FILE, &text, LARGEST, still).map(drop)
    }
}

impl Place {
    /// As a user names it.
    fn named(folder: OsString) -> Self {
        if folder.is_empty() { Self::Unwanted } else { Self::Folder(folder.into()) }
    }
}

/// The first folder there is room in.
fn usual_folder() -> Place {
    let user = own_user();
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let runtime = || {
        if user == Some(0) {
            return Some("/run".into());
        }
        let of_session = user.map(|user| PathBuf::from(format!("/run/user/{user}")));
        let there = |path: &PathBuf| path.is_dir();
        absolute("XDG_RUNTIME_DIR").filter(there).or_else(|| of_session.filter(there))
    };
    let state = || {
        let home = || absolute("HOME").map(|home| home.join(".local/state"));
        absolute("XDG_STATE_HOME").or_else(home)
    };
    match runtime().or_else(state) {
        Some(folder) => Place::Folder(folder.join("locktop")),
        None => Place::Nowhere("neither XDG_RUNTIME_DIR nor HOME says where"),
    }
}

/// The folder, unless asking for it can take for ever.
fn near<'a>(folder: &'a Path, system: &System) -> io::Result<&'a Path> {
    if system.near(vec![folder]).is_empty() {
        let why = "its file system can wait for another machine";
        return Err(io::Error::new(io::ErrorKind::Unsupported, why));
    }
    Ok(folder)
}

impl Ground {
    fn now(ledger: &Ledger, at: Moment, system: &System) -> io::Result<Self> {
        let unknown = || io::Error::other("what identifies this run of the kernel is not told");
        Ok(Self {
            boot_id: ledger.host.boot_id.as_deref().ok_or_else(unknown)?.into(),
            numbering: system.numbering()?,
            wall: at.wall,
            uptime: at.uptime,
        })
    }

    /// What makes times and numbers of then mean something else now.
    fn change_since(&self, then: &Self) -> Option<&'static str> {
        if self.boot_id != then.boot_id {
            return Some("it is from before the machine was started");
        }
        if self.numbering.namespaces != then.numbering.namespaces {
            return Some("it was written in another pid or time namespace");
        }
        // Both clocks run alike, also while the machine is suspended.
        let Some(by_uptime) = self.uptime.checked_sub(then.uptime) else {
            return Some("the machine has gone back in time since, as one restored from an image");
        };
        let by_wall = self.wall.duration_since(then.wall);
        let apart = SignedDuration::try_from(by_uptime).ok()?.saturating_sub(by_wall).abs();
        (apart > APART).then_some("the clock was set since, or the machine restored from an image")
    }
}

/// With which the file begins. The checksum is FNV-1a of 64 bits, by eight bytes at once: against
/// accidents, not malice.
fn first_line(rest: &str) -> String {
    let eight =
        |bytes: &[u8]| bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    let mix = |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x0100_0000_01b3);
    let sum = rest.as_bytes().chunks(8).map(eight).fold(0xcbf2_9ce4_8422_2325, mix);
    let sum = mix(sum, rest.len() as u64);
    format!("{MAGIC}{sum:016x}")
}

impl From<io::Error> for Doubt {
    fn from(error: io::Error) -> Self {
        // What is no text is no text of ours.
        if error.kind() == io::ErrorKind::InvalidData {
            return Self::Damaged;
        }
        Self::Unusable(error)
    }
}

impl Doubt {
    fn note(&self, folder: &Path) -> Note {
        let file = shown(&folder.join(FILE));
        let unused = format!("what was seen earlier is not used: {file}");
        let (code, text) = match self {
            Self::Unusable(error) => ("memory_unusable", format!("{unused}: {error}")),
            Self::Damaged => ("memory_damaged", format!("{unused} is damaged")),
            Self::Outdated(why) => ("memory_outdated", format!("{unused}: {why}")),
        };
        let would_help = matches!(self, Self::Unusable(_)).then(|| ELSEWHERE.into());
        Note { code, text, would_help }
    }
}

const ELSEWHERE: &str = "name a folder of your own in LOCKTOP_MEMORY; or none, to remember nothing";

fn unkept(why: &str) -> Note {
    Note {
        code: "memory_not_kept",
        text: format!("what was seen cannot be remembered for the next run: {why}"),
        would_help: Some(ELSEWHERE.into()),
    }
}

fn cut(left_out: usize) -> Note {
    Note {
        code: "memory_cut",
        text: format!(
            "{left_out} locks and waits are too many to be remembered for the next run: those \
             that were seen first are"
        ),
        would_help: None,
    }
}

fn shown(path: &Path) -> String {
    harmless_bytes(path.as_os_str().as_encoded_bytes()).into_owned()
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
