//! `lockfile:`: files, symbolic links and folders that lock by existing.

use std::path::{Path, PathBuf};

use super::catalogue::Entry;
use super::family::Family;
use super::kernel;
use super::owner::Speaker;
use crate::acquire::mechanism::existing::Existing;
use crate::acquire::{Pending, Want};
use crate::error::Error;
use crate::model::{Form, harmless_bytes};
use crate::system::System;

/// What locks by existing.
#[derive(Debug)]
pub(super) struct Lockfile;

impl Family for Lockfile {
    fn word(&self) -> &'static str {
        "lockfile"
    }

    fn lies_on_disk(&self) -> bool {
        true
    }

    fn open(&self, at: PathBuf, mut want: Want) -> Result<Box<dyn Pending>, Error> {
        if let Some(known) = known(&at)? {
            as_its_owners_make_it(&at, &known, &mut want, &System::new())?;
        }
        Ok(Box::new(Existing::open(self.word(), at, want)?))
    }
}

/// What the catalogue knows of what locks by existing there.
pub(super) fn known(path: &Path) -> Result<Option<Entry>, Error> {
    Ok(kernel::entry(path)?.filter(|entry| entry.family.is_on_disk()))
}

/// Has it made as those make it who use it, unless something else is wanted.
pub(super) fn as_its_owners_make_it(
    path: &Path,
    known: &Entry,
    want: &mut Want,
    system: &System,
) -> Result<(), Error> {
    want.form = want.form.or(Some(known.take));
    if want.create.is_none() || want.text.is_some() || want.form == Some(Form::Folder) {
        return Ok(());
    }
    let us = std::process::id().cast_signed();
    let process = system.portraits(&[us]).remove(&us);
    let speaker = Speaker {
        pid: us.cast_unsigned(),
        host: Some(&system.host().name),
        user: process.as_ref().and_then(|process| process.user.as_deref()),
        started_at: process.as_ref().and_then(|process| process.started_at),
    };
    want.text = known.reader().say(path, &speaker).map_err(|why| {
        let path = harmless_bytes(path.as_os_str().as_encoded_bytes());
        Error::usage(format!("{path} cannot be taken ({}): {why}", known.name))
    })?;
    Ok(())
}
