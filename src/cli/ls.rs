//! `locktop ls`: one look at the locks.

use std::io::Write as _;

use locktop::model::Lock;
use locktop::{Folders, Inspector, Memory, Snapshot, release};

use super::args::{Global, Ls};
use super::columns::{DEFAULT, PROBLEMS};
use super::failure::{Failure, Status};
use super::page::{self, Page};
use super::pick::{self, Pick};
use super::{json, stderr, table, tree};

/// Looks once and prints what was asked for.
pub(crate) fn run(ls: &Ls, global: Global) -> Result<Status, Failure> {
    let targets = pick::parse(&ls.targets)?;
    let mut inspector = Inspector::new()?;
    inspector.expect_at(&targets, Folders::Below);
    let forgotten = inspector.recall(&mut Memory::usual());
    let mut snapshot = inspector.snapshot_about(&[], Folders::Below)?;
    snapshot.notes.extend(forgotten);
    snapshot.notes.extend(release::leftovers(&targets));
    stderr::cost(&snapshot, global);
    let pick = Pick::of(&mut inspector, &snapshot, &targets, Folders::Below)?;
    let wanted = |lock: &Lock| pick.contains(lock) && (!ls.problems || Snapshot::is_problem(lock));

    let mut out = page::out();
    if ls.json {
        narrow(&mut snapshot, wanted);
        json::print(&mut out, &snapshot)?;
        out.flush()?;
        // The process ends: taking ten thousand locks apart first would be a tenth of the time.
        std::mem::forget((inspector, snapshot));
        return Ok(pick.status);
    }

    let page = Page::stdout(global);
    let locks: Vec<&Lock> = snapshot.locks.iter().filter(|lock| wanted(lock)).collect();
    if ls.tree {
        tree::print(&mut out, &locks, &snapshot, &page)?;
    } else {
        let columns = match (&ls.columns[..], ls.problems) {
            ([], false) => &DEFAULT[..],
            ([], true) => &PROBLEMS[..],
            (chosen, _) => chosen,
        };
        table::print(&mut out, &locks, columns, &page)?;
    }
    out.flush()?;
    if locks.is_empty() {
        let nothing = match (ls.problems, ls.targets.is_empty()) {
            (true, _) => "no lock needs a person",
            (false, true) => "no lock can be seen",
            (false, false) => "nobody holds a lock there",
        };
        stderr::remark(global, nothing);
    }
    stderr::notes(&snapshot, global);
    Ok(pick.status)
}

impl Ls {
    /// As without any option.
    pub(crate) fn of(targets: Vec<std::ffi::OsString>) -> Self {
        Self { targets, json: false, columns: Vec::new(), tree: false, problems: false }
    }
}

/// Leaves only the wanted locks, and the circles that touch one of them.
fn narrow(snapshot: &mut Snapshot, wanted: impl Fn(&Lock) -> bool) {
    snapshot.locks.retain(wanted);
    let locks = &snapshot.locks;
    snapshot
        .deadlocks
        .retain(|circle| circle.locks.iter().any(|id| locks.iter().any(|lock| lock.id == *id)));
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn circles_go_with_their_locks() {
        let mut snapshot = sample::snapshot();
        narrow(&mut snapshot, |lock| lock.id.as_str() == "@flock:fe:00:102:~");
        assert_eq!((snapshot.locks.len(), snapshot.deadlocks.len()), (1, 1));
        narrow(&mut snapshot, |_| false);
        assert_eq!((snapshot.locks.len(), snapshot.deadlocks.len()), (0, 0));
    }
}
