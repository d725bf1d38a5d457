//! Waiting for a daemon that serves: it has the repository, has said how to reach it, and answers
//! there.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::EventKindMask;

use super::address::{Address, Answer};
use super::repository::{api_of, folder_of, is_still_there, show};
use crate::acquire::rhythm::Lingering;
use crate::acquire::{Blocked, Held, Pending, Place, Stop, Want};
use crate::error::Error;
use crate::model::{FileId, LockId, Mechanism, OnDisk, Range};
use crate::system::System;
use crate::system::locking;
use crate::system::on_disk::Found;

/// How long a server is given to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What can come of an `api` file.
const KINDS: EventKindMask = EventKindMask::CREATE
    .union(EventKindMask::MODIFY_DATA)
    .union(EventKindMask::ACCESS_CLOSE)
    .union(EventKindMask::MODIFY_NAME);

/// A request that is free as soon as the daemon is ready. It takes nothing.
#[derive(Debug)]
pub(super) struct Readiness {
    lock: PathBuf,
    system: System,
    lingering: Lingering,
}

impl Readiness {
    #[expect(clippy::needless_pass_by_value, reason = "as all requests are opened")]
    pub(super) fn open(lock: PathBuf, want: Want) -> Self {
        Self { lock, system: System::new(), lingering: Lingering::new(want.pauses, KINDS) }
    }

    fn folder(&self) -> &Path {
        folder_of(&self.lock).unwrap_or(&self.lock)
    }

    fn is_ready(&self) -> Result<bool, Error> {
        let api = api_of(self.folder());
        let Some(said) = self.look_at(&api)? else { return Ok(false) };
        let Some(address) = Address::of(&said) else { return Ok(false) };
        let is_locked = match self.system.has_record_lock(&self.lock, Duration::ZERO) {
            Ok(is_locked) => is_locked,
            Err(error) if locking::is_absent(&error) => false,
            Err(error) => return Err(Error::io("look whether somebody has", &self.lock, error)),
        };
        // What a daemon has left behind that was killed leads nowhere, or to somebody else.
        let lock = self.look_at(&self.lock)?;
        if !is_locked || lock.is_none_or(|lock| !is_of_its_time(&said, &lock)) {
            return Ok(false);
        }
        match address.answers(said.uid, PATIENCE, &self.system) {
            Answer::Yes => Ok(true),
            Answer::No(_) => Ok(false),
            Answer::Unasked(why) => Err(Error::unsupported(format!(
                "whether the daemon is ready cannot be told: {} says that its address is {}, and {why}",
                show(&api),
                crate::model::harmless(&address.text)
            ))),
        }
    }

    fn look_at(&self, path: &Path) -> Result<Option<Arc<OnDisk>>, Error> {
        match self.system.examine(vec![(path.to_owned(), None)]).pop() {
            Some((_, Found::There(there))) => Ok(Some(there)),
            Some((_, Found::Failed(error))) => Err(Error::io("look at", path, error)),
            // One that hangs can come back.
            Some((_, Found::Nothing | Found::Hangs)) | None => Ok(None),
        }
    }

    fn number(&self) -> Option<FileId> {
        locking::number_of(&self.lock).ok()
    }
}

/// Whether an address was written since the lock file was made. Clocks of files have steps.
pub(super) fn is_of_its_time(api: &OnDisk, lock: &OnDisk) -> bool {
    const STEP: jiff::SignedDuration = jiff::SignedDuration::from_millis(20);
    lock.birth.is_none_or(|birth| api.modified.duration_since(birth) >= -STEP)
}

impl Pending for Readiness {
    fn place(&self) -> Place {
        let file = self.number();
        Place {
            family: "ipfs",
            mechanism: Some(Mechanism::Ofd),
            path: self.lock.clone(),
            id: file.map(|file| LockId::of_file("ipfs", file, Range::WHOLE)),
            file,
            range: Range::WHOLE,
        }
    }

    fn try_take(&mut self) -> Result<Option<Box<dyn Held>>, Error> {
        Err(Error::unsupported("that somebody is ready cannot be taken"))
    }

    fn block(&mut self, stop: &Arc<Stop>) -> Result<Blocked, Error> {
        self.linger(stop)?;
        Ok(if stop.is_set() { Blocked::Stopped } else { Blocked::Changed })
    }

    fn is_free(&mut self) -> Result<Option<bool>, Error> {
        is_still_there(&self.lock)?;
        self.is_ready().map(Some)
    }

    fn linger(&mut self, stop: &Arc<Stop>) -> Result<(), Error> {
        let folder = self.folder().to_owned();
        let number = locking::number_of(&folder).or_else(|error| {
            is_still_there(&self.lock)?;
            Err(Error::io("look at the repository", &folder, error))
        })?;
        self.lingering.linger(&folder, &api_of(&folder), Some(number), stop);
        Ok(())
    }
}
