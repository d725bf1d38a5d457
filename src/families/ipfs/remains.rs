//! A lock file with something in it that nobody has locked: it keeps Kubo out all the same, until
//! somebody removes it.

use std::time::Duration;

use super::repository::poison;
use crate::model::{Content, Detail, LockFacts, OnDisk};
use crate::system::System;

/// For so long it stands that nobody has it locked.
const STANDS: Duration = Duration::from_secs(2);

const BREAKING: &str = "Kubo keeps nothing in this file: without it, nothing of the repository is lost. \
                        Whoever wrote to it took it for another kind of lock.";

/// Whether what lies there is no hindrance of its own: empty, no file, or locked, which the kernel
/// tells of.
pub(super) fn keep_nobody_out(lock: &LockFacts, system: &System) -> bool {
    let (Some(there), Some(path)) = (&lock.on_disk, &lock.path) else { return true };
    !has_something_in_it(there)
        || system.has_record_lock(path.as_path(), STANDS).is_ok_and(|is_locked| is_locked)
}

fn has_something_in_it(there: &OnDisk) -> bool {
    there.size > 0 && matches!(there.content, Content::File(_))
}

/// Says that nobody has it, if that can be told.
pub(super) fn tell(lock: &mut LockFacts, system: &System) {
    let (Some(there), Some(path)) = (lock.on_disk.clone(), lock.path.clone()) else { return };
    lock.normal = false;
    lock.details.insert("size", there.size.into());
    lock.details.insert("breaking", Detail::Text(BREAKING.into()));
    let poison = poison(there.size);
    let remark = match system.has_record_lock(path.as_path(), STANDS) {
        Ok(false) => {
            lock.abandoned = Some(format!("{poison}; nobody has it locked"));
            return;
        }
        Ok(true) => format!("{poison}; somebody has locked it just now"),
        Err(error) => format!("{poison}; whether somebody has it locked cannot be told: {error}"),
    };
    if let Some(grant) = lock.grants.first_mut() {
        grant.remark = Some(remark);
    }
}
