//! Locks that lie on disk: files, symbolic links and folders that lock by existing.
//!
//! A look tells what lies there. Whether that is a lock of somebody alive is for those to say who
//! know its kind.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Glance, Scope, Source};
use crate::error::Error;
use crate::model::{
    AsSeen, Details, Evidence, Grant, LockFacts, LockId, Look, Mechanism, Mode, Moment, Naming,
    Note, OnDisk, PathBytes, Range, Span, Taker, harmless_bytes,
};
use crate::system::System;
use crate::system::on_disk::Found;

/// A place where a lock can lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Absolute; only what it ends with can be a link.
    pub(crate) path: PathBuf,
    /// What kind of lock it is to people.
    pub(crate) family: &'static str,
}

/// The file systems of this machine.
#[derive(Debug, Default)]
pub(crate) struct Files;

impl Source for Files {
    fn look(&mut self, scope: &Scope, system: &System) -> Result<Look, Error> {
        let clock = Instant::now();
        let families: HashMap<&Path, &'static str> =
            scope.candidates.iter().map(|place| (&*place.path, place.family)).collect();
        let mut paths: Vec<PathBuf> = families.keys().map(|path| path.to_path_buf()).collect();
        paths.sort_unstable();
        let found = system.examine(paths);
        let at = system.now();
        let mut look = Look {
            at,
            cost: Duration::ZERO,
            complete: true,
            // Of a file there is no doubt since when it is there.
            absence_is_proof: true,
            notes: Vec::new(),
            locks: Vec::new(),
            kept: Vec::new(),
            processes: BTreeMap::new(),
        };
        for (path, found) in found {
            let Some(family) = families.get(&*path) else { continue };
            match found {
                Found::There(there) => look.locks.push(facts(path, family, *there, at)),
                Found::Nothing => {}
                Found::Failed(error) => look.blind_to(&path, &error.to_string()),
                Found::Hangs => look.blind_to(&path, "its file system does not answer"),
            }
        }
        look.cost = clock.elapsed();
        Ok(look)
    }

    /// Nothing lies anywhere still; else who has it may have changed.
    fn glance(&mut self, scope: &Scope, system: &System) -> Result<Option<Glance>, Error> {
        let clock = Instant::now();
        let paths: Vec<PathBuf> = scope.candidates.iter().map(|place| place.path.clone()).collect();
        let found = system.examine(paths);
        let nothing = found.iter().all(|(_, found)| matches!(found, Found::Nothing));
        Ok(nothing.then(|| Glance { at: system.now(), cost: clock.elapsed() }))
    }

    fn can_be_kept(&self) -> bool {
        true
    }
}

impl Look {
    fn blind_to(&mut self, path: &Path, why: &str) {
        self.complete = false;
        let path = harmless_bytes(path.as_os_str().as_encoded_bytes());
        self.notes.push(Note {
            code: "unreadable_lock",
            text: format!("{path} could not be looked at: {why}"),
            would_help: None,
        });
    }
}

fn facts(path: PathBuf, family: &'static str, there: OnDisk, at: Moment) -> LockFacts {
    LockFacts {
        id: LockId::of_file(family, there.file, Range::WHOLE),
        as_seen: AsSeen::of([]),
        family: Cow::Borrowed(family),
        mechanism: Mechanism::Exists,
        name: None,
        normal: false,
        file: Some(there.file),
        table_file: None,
        path: Some(PathBytes::new(path)),
        naming: Naming::Same,
        range: Range::WHOLE,
        grants: vec![Grant {
            number: 1,
            mode: Mode::Exclusive,
            place: 0,
            recorded_pid: None,
            taker: Taker::Unrecorded,
            sharers: Vec::new(),
            elsewhere: None,
            remark: None,
        }],
        requests: Vec::new(),
        queue_cut: false,
        age: age(&there, at),
        on_disk: Some(Arc::new(there)),
        abandoned: None,
        details: Details::default(),
    }
}

/// It has been there since it was made. Where that is not known, nobody can have set back when it
/// was changed last.
fn age(there: &OnDisk, at: Moment) -> Span {
    let mut age = Span::default();
    let since = |time: jiff::Timestamp| {
        // A clock that was set back since makes it come from the future.
        Duration::try_from(at.wall.duration_since(time)).unwrap_or_default()
    };
    match there.birth {
        Some(birth) => {
            age.at_most(since(birth), Evidence::FileTimes);
            age.at_least(since(birth), Evidence::FileTimes);
        }
        None => age.at_least(since(there.changed), Evidence::FileTimes),
    }
    age
}
