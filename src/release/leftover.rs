//! What a release that was ended in the middle of its work has left beside a lock.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::audit::{AuditLog, Entry, Stage};
use crate::diagnose::phrase;
use crate::families;
use crate::model::{Note, OnDisk, Pid, Target, harmless, harmless_bytes};
use crate::system::on_disk::Found;
use crate::system::{Resolved, System};

/// What lies beside the locks that targets name since somebody took it aside to remove it, and has
/// ended before that was done: what it is, as far as the log of this user tells, and what can be done
/// about it.
#[must_use]
pub fn leftovers(targets: &[Target]) -> Vec<Note> {
    let paths = targets.iter().filter_map(|target| match target {
        Target::Path(path) => Some(path),
        Target::Family { family, path } => {
            families::named(family).filter(|family| family.lies_on_disk()).map(|_| path)
        }
        Target::Id(_) | Target::Pid(_) => None,
    });
    let system = System::new();
    let mut found = Vec::new();
    for path in paths {
        let (Resolved::Found { path: lock, .. } | Resolved::Missing { path: lock }) =
            system.resolve_name(path)
        else {
            continue;
        };
        found.extend(beside(&lock, &system).into_iter().filter(|left| left.path != lock));
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found.dedup_by(|a, b| a.path == b.path);
    if found.is_empty() {
        return Vec::new();
    }
    // What cannot be read tells nothing.
    let log = AuditLog::usual().and_then(|log| log.entries()).map(|(entries, _)| entries);
    let log = log.unwrap_or_default();
    found.iter().map(|left| left.note(&log)).collect()
}

/// What was taken aside.
struct Leftover {
    path: PathBuf,
    there: Arc<OnDisk>,
    /// Whoever did that.
    by: Pid,
}

/// What those who have ended took aside in the folder of a lock.
fn beside(lock: &Path, system: &System) -> Vec<Leftover> {
    let Some(folder) = lock.parent().and_then(Path::to_str) else { return Vec::new() };
    let pattern = format!("{}/.locktop-*-*", glob::Pattern::escape(folder.trim_end_matches('/')));
    let asks = system.matching(pattern).into_iter().map(|path| (path, None)).collect();
    let leftover = |(path, found): (PathBuf, Found)| {
        let Found::There(there) = found else { return None };
        let by = maker(&path).filter(|by| !system.is_alive(*by))?;
        Some(Leftover { path, there, by })
    };
    system.examine(asks).into_iter().filter_map(leftover).collect()
}

/// Whose the name is.
fn maker(path: &Path) -> Option<Pid> {
    let rest = path.file_name()?.to_str()?.strip_prefix(".locktop-")?;
    rest.split_once('-')?.0.parse().ok()
}

impl Leftover {
    fn note(&self, log: &[Entry]) -> Note {
        let name = harmless_bytes(self.path.as_os_str().as_encoded_bytes());
        let by = self.by;
        let quoted = |path: &str| phrase::quoted(path).unwrap_or_else(|| path.to_owned());
        let release = format!("'locktop release {}'", quoted(&format!("lockfile:{name}")));
        let (text, would_help) = if let Some(lock) = self.was(log) {
            let lock = harmless(&lock).into_owned();
            let text = format!(
                "{name} is what lay at {lock}: locktop (pid {by}) took it aside to remove it, and \
                 was ended before that was done"
            );
            let back = format!("mv -n {} {}", quoted(&name), quoted(&lock));
            (text, format!("{release} removes it; '{back}' puts it back"))
        } else {
            let text = format!(
                "{name} was left behind by locktop (pid {by}), which was ended in the middle of its \
                 work: what it took aside to remove it, or was about to make"
            );
            (text, format!("{release} removes it; nobody is kept out by it"))
        };
        Note { code: "left_aside", text, would_help: Some(would_help) }
    }

    /// Where it lay, by what was written down before: of an act of which nothing more is known.
    fn was(&self, log: &[Entry]) -> Option<String> {
        let file = self.there.file.to_string();
        let begun = log.iter().rev().filter(|entry| entry.stage == Stage::Begun);
        let mut of_it = begun.filter(|entry| {
            entry.by.pid.cast_signed() == self.by
                && entry.plan["grounds"]["on_disk"]["file"] == file.as_str()
        });
        let path = of_it.next()?.plan["grounds"]["path"].as_str()?.to_owned();
        (Path::new(&path).parent() == self.path.parent()).then_some(path)
    }
}
