//! What stands in a plan's way.

use super::plan::{Cause, Obstacle, Plan};
use crate::diagnose::phrase;
use crate::model::{
    Certainty, Content, Holder, Lock, Mechanism, Method, Reason, Snapshot, State, Verdict, harmless,
};
use crate::system::on_disk::may_remove;
use crate::system::rights::{Rights, Tracing};

const LOOK_AS_ROOT: &str = "run as root, or give the binary cap_sys_ptrace";

/// Nobody is known to have it.
pub(super) fn unseen(lock: &Lock, snapshot: &Snapshot, holders: &[&Holder]) -> Option<Obstacle> {
    if !holders.is_empty() {
        return None;
    }
    let why = lock.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
    // What the look was blind to is where the holder is.
    let help = snapshot.notes.iter().find_map(|note| note.would_help.clone());
    Some(Obstacle {
        cause: if help.is_some() { Cause::Permission } else { Cause::Method },
        text: format!("who has it cannot be seen from here{why}"),
        would_help: help,
    })
}

/// Not everybody who has it was seen to have it.
pub(super) fn unproven(snapshot: &Snapshot, holders: &[&Holder]) -> Option<Obstacle> {
    let is_proven = |by: &&&Holder| by.certainty == Certainty::Proven && by.process.id().is_some();
    let doubtful: Vec<_> = holders.iter().filter(|by| !is_proven(by)).collect();
    if doubtful.is_empty() {
        return None;
    }
    let names = doubtful.iter().map(|by| by.process.label());
    let help = snapshot.notes.iter().find_map(|note| note.would_help.clone());
    Some(Obstacle {
        cause: Cause::Permission,
        text: format!(
            "whether {} really {} it cannot be seen from here, and nobody is touched on a guess",
            phrase::list(names, 4),
            phrase::plural(doubtful.len(), "has", "have")
        ),
        would_help: Some(help.unwrap_or_else(|| LOOK_AS_ROOT.into())),
    })
}

pub(super) fn kernel_thread(holders: &[&Holder]) -> Option<Obstacle> {
    let by = holders.iter().find(|holder| holder.process.kernel_thread)?;
    let text = format!("{} is a thread of the kernel, which no signal ends", by.process.label());
    let help = "see to those for whom it acts, such as the clients of a file server";
    Some(Obstacle { cause: Cause::Method, text, would_help: Some(help.into()) })
}

/// It would end what we run in.
pub(super) fn ourselves(plan: &Plan, rights: &Rights) -> Option<Obstacle> {
    let by = plan.victims.iter().find(|victim| rights.ours.contains(&victim.pid))?;
    let name = by.process.label();
    let text = if by.pid == std::process::id().cast_signed() {
        "it is this program itself that has it".into()
    } else {
        format!("this runs in {name}, which would end before the act is over")
    };
    let help = "run it from another session; --insist does it all the same";
    Some(Obstacle { cause: Cause::Ourselves, text, would_help: Some(help.into()) })
}

pub(super) fn cannot_signal(plan: &Plan, rights: &Rights) -> Option<Obstacle> {
    let by = plan.victims.iter().find(|victim| rights.may_not_signal.contains(&victim.pid))?;
    let user = by.process.user.as_deref().map(harmless);
    let owner = user.as_deref().unwrap_or("another user");
    let help = match &user {
        Some(user) if user != "root" => format!("run as root or as {user}"),
        _ => "run as root".into(),
    };
    Some(Obstacle {
        cause: Cause::Permission,
        text: format!("{} belongs to {owner}", by.process.label()),
        would_help: Some(help),
    })
}

pub(super) fn cannot_thaw(plan: &Plan, rights: &Rights) -> Option<Obstacle> {
    let freezers_of = |pid| rights.freezers.get(pid).map_or(&[][..], Vec::as_slice);
    let is_frozen = |state| state == Some(State::Frozen);
    let frozen = || plan.victims.iter().filter(|victim| is_frozen(victim.process.state));
    if let Some(by) = frozen().find(|victim| freezers_of(&victim.pid).is_empty()) {
        let text = format!(
            "the control group that keeps {} frozen cannot be reached from here",
            by.process.label()
        );
        let help = "thaw it from outside its container";
        return Some(Obstacle { cause: Cause::Permission, text, would_help: Some(help.into()) });
    }
    let by = frozen().find(|victim| freezers_of(&victim.pid).iter().any(|by| !by.is_ours))?;
    let text =
        format!("the control group that keeps {} frozen may not be written to", by.process.label());
    Some(Obstacle { cause: Cause::Permission, text, would_help: Some("run as root".into()) })
}

/// A frozen process takes a signal only when it is thawed.
pub(super) fn frozen(plan: &Plan) -> Option<Obstacle> {
    let is_frozen = |state| state == Some(State::Frozen);
    let by = plan.victims.iter().find(|victim| is_frozen(victim.process.state))?;
    let text =
        format!("{} is frozen, and takes the signal only once it is thawed", by.process.label());
    let help = match plan.method {
        Method::EndWaiter => "thaw its control group",
        _ => "resume it first",
    };
    Some(Obstacle { cause: Cause::Method, text, would_help: Some(help.into()) })
}

/// Nobody else can keep or drop it.
pub(super) fn belongs_to_process(lock: &Lock) -> Option<Obstacle> {
    (lock.mechanism == Mechanism::Posix).then(|| Obstacle {
        cause: Cause::Method,
        text: "a POSIX lock belongs to its process: nobody else can share it or drop it".into(),
        would_help: Some("end its process".into()),
    })
}

/// Nothing is won by keeping it.
pub(super) fn is_lease(lock: &Lock) -> Option<Obstacle> {
    (lock.mechanism == Mechanism::Lease).then(|| Obstacle {
        cause: Cause::Method,
        text: "a lease cannot be kept: the kernel takes it away by itself when somebody wants the \
               file"
            .into(),
        would_help: None,
    })
}

pub(super) fn cannot_trace(plan: &Plan, rights: &Rights) -> Option<Obstacle> {
    let (text, help) = match rights.tracing {
        Tracing::Allowed => return None,
        Tracing::OwnOnly => {
            let is_foreign = |uid: Option<u32>| uid != rights.uid;
            let by = plan.victims.iter().find(|victim| is_foreign(victim.process.uid))?;
            (format!("the open files of {} may not be shared", by.process.label()), LOOK_AS_ROOT)
        }
        Tracing::WithCapability => (
            "this system lets nobody share another's open files without the right to trace \
             everybody (kernel.yama.ptrace_scope)"
                .into(),
            LOOK_AS_ROOT,
        ),
        Tracing::Forbidden => (
            "this system lets nobody share another's open files (kernel.yama.ptrace_scope is 3)"
                .into(),
            "start the machine with a lower kernel.yama.ptrace_scope",
        ),
    };
    Some(Obstacle { cause: Cause::Permission, text, would_help: Some(help.into()) })
}

/// Of a lock on disk, that nobody is named by it: those at work there are only likely to have it.
pub(super) fn guessed(lock: &Lock, holders: &[&Holder]) -> Option<Obstacle> {
    let is_told = |by: &&Holder| {
        by.certainty == Certainty::Proven
            || by.process.pid.is_some() && by.process.pid == lock.recorded_pid
    };
    let guessed: Vec<_> = holders.iter().copied().filter(|by| !is_told(by)).collect();
    if guessed.is_empty() {
        return None;
    }
    let names = phrase::list(guessed.iter().map(|by| by.process.label()), 4);
    Some(Obstacle {
        cause: Cause::Method,
        text: format!(
            "that {names} {} it is only likely, and nobody is touched on a guess",
            phrase::plural(guessed.len(), "has", "have")
        ),
        would_help: Some("look at what they do, and end them by hand if it is so".into()),
    })
}

/// Why it is not proven that nothing alive keeps a lock on disk; `None`: it is.
pub(super) fn not_stale(lock: &Lock) -> Option<String> {
    if lock.verdict == Verdict::Stale {
        return None;
    }
    let why = lock.why.as_ref().map_or("who has it cannot be told".into(), Reason::text);
    Some(harmless(&why).into_owned())
}

pub(super) fn unproven_removal(why: &str) -> Obstacle {
    Obstacle {
        cause: Cause::Unproven,
        text: format!("it is not proven to be left behind: {why}"),
        would_help: Some("--insist removes it all the same".into()),
    }
}

/// Who removes a file that the kernel keeps a lock of frees nothing, and lets a second one in.
pub(super) fn is_locked_too(lock: &Lock, snapshot: &Snapshot) -> Option<Obstacle> {
    let is_same = |other: &&Lock| {
        other.mechanism != Mechanism::Exists && other.file.is_some() && other.file == lock.file
    };
    let other = snapshot.locks.iter().find(is_same)?;
    Some(Obstacle {
        cause: Cause::Method,
        text: format!(
            "a {} lock is held on that very file: removed, it would stay held, and let a second \
             one in",
            other.mechanism.word()
        ),
        would_help: Some(format!("release {}", other.id)),
    })
}

/// What was not read to its end cannot be compared.
pub(super) fn is_too_large(lock: &Lock) -> Option<Obstacle> {
    let is_cut = lock
        .on_disk
        .as_ref()
        .is_some_and(|there| matches!(there.content, Content::Folder { cut: true, .. }));
    is_cut.then(|| Obstacle {
        cause: Cause::Method,
        text: format!(
            "it has more than {} entries, which is more than any lock has",
            Content::MOST_NAMES
        ),
        would_help: None,
    })
}

pub(super) fn cannot_remove(lock: &Lock) -> Option<Obstacle> {
    let path = lock.path.as_ref()?;
    let owner = lock.on_disk.as_ref()?.uid;
    (!may_remove(path.as_path(), owner)).then(|| Obstacle {
        cause: Cause::Permission,
        text: "nothing may be removed from its folder, or not what others put there".into(),
        would_help: Some("run as root, or as the user whose it is".into()),
    })
}
