//! Who says of itself that it waits for what lies on disk.

use std::path::Path;

use super::Inspector;
use crate::families::{self, Family};
use crate::model::{
    Declared, Evidence, How, LockFacts, Look, Mechanism, Mode, Moment, PathBytes, Pid, Range,
    Request, Span,
};
use crate::sources::Candidate;
use crate::system::census::number_of_folder;
use crate::system::own_user;

impl Inspector {
    /// Has the next sources look where somebody waits who could mislead us anyway: ourselves and the
    /// administrator. Where others wait, only what is known to be a lock is looked at.
    pub(super) fn look_where_declared(&mut self, look: &Look) {
        for Declared { uid, family, path, .. } in &look.declared {
            let is_trusted = *uid == 0 || own_user() == Some(*uid);
            let named = families::named(family).filter(|family| family.lies_on_disk());
            let named = named.filter(|_| is_trusted).map(Family::word);
            let habitat = self.scope.habitat.as_ref();
            let known = habitat.and_then(|habitat| habitat.family_at(path.as_path()));
            if let Some(family) = known.or(named) {
                let path = path.as_path().to_owned();
                self.scope.waited_for.push(Candidate { path, family });
            }
        }
    }

    /// Puts them into the queues of the locks that they wait for.
    pub(super) fn enter_declared(&self, looks: &mut [Look]) {
        let declared: Vec<_> =
            looks.iter_mut().flat_map(|look| std::mem::take(&mut look.declared)).collect();
        if declared.is_empty() {
            return;
        }
        let pids: Vec<Pid> = declared.iter().map(|declared| declared.pid).collect();
        let people = self.system.portraits(&pids);
        for declared in declared {
            let process = people.get(&declared.pid);
            // Else somebody else has handed the file over, or it was somebody else then.
            let Some(process) = process.filter(|process| process.uid == Some(declared.uid)) else {
                continue;
            };
            for look in looks.iter_mut() {
                let at = look.at;
                let is_it = |lock: &&mut LockFacts| is_waited_for(lock, &declared);
                if let Some(lock) = look.locks.iter_mut().find(is_it) {
                    lock.requests.push(request(&declared, at));
                    look.processes.insert(declared.pid, process.clone());
                    break;
                }
            }
        }
    }
}

/// Whether this is what lies at the path that somebody waits for to be free, and not in another place
/// that has the same path for us.
fn is_waited_for(lock: &LockFacts, declared: &Declared) -> bool {
    // That path has just been looked at, so its file system answers.
    let folder = || number_of_folder(declared.path.as_path().parent().unwrap_or(Path::new("/")));
    lock.mechanism == Mechanism::Exists
        && lock.path.as_ref().map(PathBytes::as_path) == Some(declared.path.as_path())
        && folder().is_ok_and(|folder| folder == declared.folder)
}

fn request(declared: &Declared, at: Moment) -> Request {
    let mut waited = Span::default();
    // A clock that was set back since makes it come from the future.
    let time = declared.since.and_then(|since| at.wall.duration_since(since).try_into().ok());
    if let Some(time) = time {
        waited.at_most(time, Evidence::FileTimes);
        waited.at_least(time, Evidence::FileTimes);
    }
    Request {
        pid: Some(declared.pid),
        tid: None,
        inferred: false,
        timed: false,
        position: None,
        depth: 1,
        mechanism: Mechanism::Exists,
        fd: None,
        mode: Mode::Exclusive,
        range: Range::WHOLE,
        waited,
        last_ran: None,
        passed_by: 0,
        how: How::Polling,
        declared: true,
        tries: None,
        pause: None,
    }
}
