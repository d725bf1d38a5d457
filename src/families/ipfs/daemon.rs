//! Who has a repository: a daemon that is ready, one that is starting, or another command.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::address::{Address, Answer};
use super::program::Program;
use super::readiness::is_of_its_time;
use super::repository::api_of;
use crate::families::family::Beside;
use crate::model::{
    Detail, Evidence, LockFacts, Mechanism, Naming, OnDisk, Process, Range, harmless, short,
};
use crate::system::on_disk::Found;

/// How long a daemon is given to answer somebody who only looks.
const PATIENCE: Duration = Duration::from_millis(250);

/// Files are made and first written to in one step of their clock, or in the next.
const STEP: SignedDuration = SignedDuration::from_millis(20);

/// How it stands with a daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    /// It answers.
    Ready(Address),
    /// It does not yet, and why: a clause.
    Starting(String),
    /// It says how to reach it, but was not asked, and why not: a clause.
    Unasked(Address, String),
    /// Another command of Kubo's.
    Offline(Option<String>),
    /// Somebody who is no daemon.
    Other,
}

/// Says who has the repository, and who has tried to.
pub(super) fn tell(lock: &mut LockFacts, folder: &Path, beside: &Beside<'_>) {
    lock.normal = false;
    if lock.range != Range::WHOLE || lock.naming != Naming::Same {
        // Not as Kubo has it, or what lies in the folder is another's.
        return;
    }
    let Some(holder) = holder(lock, beside) else { return };
    let program = Program::of(&holder);
    let api = api_of(folder);
    let path = lock.path.as_ref().map(|path| path.as_path().to_owned()).unwrap_or_default();
    let found = beside.system.examine(vec![(path.clone(), None), (api.clone(), None)]);
    let there = |wanted: &Path| {
        found.iter().find_map(|(path, found)| match found {
            Found::There(there) if path == wanted => Some(Arc::clone(there)),
            _ => None,
        })
    };
    let (file, api) = (there(&path), there(&api));
    let api = api.filter(|api| file.as_ref().is_none_or(|file| is_of_its_time(api, file)));
    enter(lock, &standing(&program, api.as_deref(), &holder, beside));
    if let Some(file) = &file {
        tell_of_tries(lock, file, &holder, beside);
        // Kubo truncates it just before it takes it.
        if program != Program::Other && lock.mechanism == Mechanism::Posix {
            let since = beside.at.wall.duration_since(file.changed);
            lock.age.at_least(Duration::try_from(since).unwrap_or_default(), Evidence::FileTimes);
        }
    }
}

/// Who took it, or whoever keeps it now.
fn holder(lock: &LockFacts, beside: &Beside<'_>) -> Option<Arc<Process>> {
    let grant = lock.grants.first()?;
    let taker = grant.sharers.iter().find(|by| Some(by.pid) == grant.recorded_pid);
    let pid = taker.or(grant.sharers.first()).map(|by| by.pid)?;
    beside.processes.get(&pid).cloned()
}

/// Each try truncates the file: the last one is when it was changed last, if it has been since it was
/// taken. How many there were, only who watches can tell.
fn tell_of_tries(lock: &mut LockFacts, file: &OnDisk, holder: &Process, beside: &Beside<'_>) {
    let held = SignedDuration::try_from(lock.age.min).unwrap_or_default();
    let proven = beside.at.wall.checked_sub(held).unwrap_or(beside.at.wall);
    // Who made it has taken it then.
    let made = file.birth.filter(|birth| holder.started_at.is_some_and(|start| start <= *birth));
    let taken: Timestamp = made.map_or(proven, |made| made.min(proven));
    if file.modified.duration_since(taken) > STEP {
        lock.details.insert("failed_try_at", Detail::Text(file.modified.to_string().into()));
        lock.details.insert("failed_tries", Detail::Unknown);
        let ago = Duration::try_from(beside.at.wall.duration_since(file.modified));
        let ago = short(ago.unwrap_or_default());
        remark(lock, format!("somebody else has tried in vain to have it, last {ago} ago"));
    }
}

fn remark(lock: &mut LockFacts, text: String) {
    let Some(grant) = lock.grants.first_mut() else { return };
    grant.remark = Some(match grant.remark.take() {
        Some(other) => format!("{other}; {text}"),
        None => text,
    });
}

fn standing(
    program: &Program,
    api: Option<&OnDisk>,
    holder: &Process,
    beside: &Beside<'_>,
) -> Standing {
    if let Program::Command(command) = program {
        return Standing::Offline(command.clone());
    }
    let is_daemon = *program == Program::Daemon;
    let not_yet = |why: String| if is_daemon { Standing::Starting(why) } else { Standing::Other };
    let Some((api, address)) = api.and_then(|api| Some((api, Address::of(api)?))) else {
        return not_yet("it has not said yet how to reach it".into());
    };
    if holder.container.is_some() {
        let why = "the addresses of its container are not those of this machine".into();
        return if is_daemon { Standing::Unasked(address, why) } else { Standing::Other };
    }
    match address.answers(api.uid, PATIENCE, beside.system) {
        Answer::Yes => Standing::Ready(address),
        Answer::No(why) => not_yet(format!("at {} {why}", harmless(&address.text))),
        Answer::Unasked(why) if is_daemon => Standing::Unasked(address, why),
        Answer::Unasked(_) => Standing::Other,
    }
}

fn enter(lock: &mut LockFacts, standing: &Standing) {
    let (state, meaning) = match standing {
        Standing::Ready(address) => (
            Detail::Text("ready".into()),
            format!("is the ipfs daemon, ready at {}", harmless(&address.text)),
        ),
        Standing::Starting(why) => (
            Detail::Text("starting".into()),
            format!("is the ipfs daemon, which is still starting: {why}"),
        ),
        Standing::Unasked(address, why) => (
            Detail::Unknown,
            format!(
                "is the ipfs daemon, which says that it serves at {}; whether it does was not asked: \
                 {why}",
                harmless(&address.text)
            ),
        ),
        Standing::Offline(command) => {
            let command = command.as_deref().map(|command| format!(" {}", harmless(command)));
            let command = command.unwrap_or_default();
            (
                Detail::Text("offline".into()),
                format!("is 'ipfs{command}', which has the repository until it is done"),
            )
        }
        Standing::Other => return,
    };
    lock.normal = matches!(standing, Standing::Ready(_) | Standing::Unasked(..));
    lock.details.insert("daemon", state);
    if let Standing::Ready(address) | Standing::Unasked(address, _) = standing {
        lock.details.insert("api", Detail::Text(address.text.as_str().into()));
    }
    remark(lock, format!("it {meaning}"));
    lock.details.insert("doing", Detail::Text(meaning.into()));
}
