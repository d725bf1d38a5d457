//! From what was typed to the locks that are meant.

use std::ffi::OsString;

use locktop::model::Lock;
use locktop::{Folders, Inspector, Selection, Snapshot, Target, TargetError};

use super::failure::{Failure, Status};

/// Reads the targets; the first that is none is a usage error.
pub(crate) fn parse(texts: &[OsString]) -> Result<Vec<Target>, TargetError> {
    texts.iter().map(|text| Target::parse(text)).collect()
}

/// The locks that were asked for, and how asking went.
pub(crate) struct Pick {
    selections: Vec<Selection>,
    /// The first thing that went wrong, if anything did.
    pub(crate) status: Status,
}

impl Pick {
    /// Looks each target up. One that cannot be is reported, and the others are still served;
    /// where none is left, that is a failure.
    pub(crate) fn of(
        inspector: &mut Inspector,
        snapshot: &Snapshot,
        targets: &[Target],
        folders: Folders,
    ) -> Result<Self, Failure> {
        if targets.is_empty() {
            return Ok(Self { selections: vec![Selection::all()], status: Status::Done });
        }
        let mut selections = Vec::new();
        let mut refused = None;
        for target in targets {
            match inspector.select(snapshot, std::slice::from_ref(target), folders) {
                Ok(selection) => selections.push(selection),
                Err(error) => {
                    let status = Failure::from(error).tell();
                    refused.get_or_insert(status);
                }
            }
        }
        match refused {
            Some(status) if selections.is_empty() => Err(Failure::told(status)),
            status => Ok(Self { selections, status: status.unwrap_or(Status::Done) }),
        }
    }

    /// Whether the lock was asked for.
    pub(crate) fn contains(&self, lock: &Lock) -> bool {
        self.selections.iter().any(|selection| selection.contains(lock))
    }
}
