//! From targets to one plan for each lock.

use std::ffi::OsString;

use locktop::model::{AsSeen, Lock, LockId, Pid, harmless_bytes};
use locktop::release::{self, Cause, Method, Plan};
use locktop::{Folders, Inspector, Snapshot, Target};

use crate::cli::args::Release;
use crate::cli::failure::{Failure, Status};

/// What the arguments want, beside the targets.
pub(super) struct Wish<'a> {
    texts: &'a [OsString],
    method: Option<Method>,
    waiter: Option<Pid>,
    holder: Option<Pid>,
    as_seen: Option<&'a str>,
    insist: bool,
    /// Somebody can be asked to type a word.
    can_ask: bool,
}

impl<'a> Wish<'a> {
    /// Refuses arguments that contradict each other.
    pub(super) fn of(release: &'a Release, can_ask: bool) -> Result<Self, Failure> {
        let implied = match (release.waiter, &release.command[..]) {
            (Some(_), []) => Some(Method::EndWaiter),
            (None, [_, ..]) => Some(Method::Escrow),
            (None, []) => None,
            (Some(_), [_, ..]) => {
                return Err(Failure::usage(
                    "a command runs under a lock that is kept: not with --waiter",
                ));
            }
        };
        let method = match (release.method, implied) {
            (Some(Method::EndWaiter), None) => {
                return Err(Failure::usage("which waiter is to be ended? Say --waiter PID"));
            }
            (Some(method), Some(implied)) if method != implied => {
                return Err(Failure::usage(format!("this needs --method {implied}, not {method}")));
            }
            (method, implied) => method.or(implied),
        };
        let lonely = |option: &str| {
            Failure::usage(format!(
                "{option} is for one target: name the others in a call of their own"
            ))
        };
        if release.targets.len() > 1 {
            for (option, is_used) in [
                ("--as-seen", release.as_seen.is_some()),
                ("--waiter", release.waiter.is_some()),
                ("--holder", release.holder.is_some()),
            ] {
                if is_used {
                    return Err(lonely(option));
                }
            }
        }
        if method == Some(Method::Escrow)
            && release.command.is_empty()
            && !can_ask
            && !release.dry_run
        {
            return Err(Failure::usage(
                "without a terminal nobody can say when the lock is to be handed over: give a \
                 command that runs meanwhile, as in 'locktop release TARGET -- COMMAND'",
            ));
        }
        Ok(Self {
            texts: &release.targets,
            method,
            waiter: release.waiter,
            holder: release.holder,
            as_seen: release.as_seen.as_deref(),
            insist: release.insist,
            can_ask: can_ask && !release.yes,
        })
    }
}

/// A target, the lock that it names, and what can be done about that.
pub(super) struct Choice<'a> {
    /// As it was written; harmless to print.
    pub(super) target: String,
    /// `None`: nobody has it.
    pub(super) lock: Option<&'a Lock>,
    pub(super) plans: Vec<Plan>,
    /// Which of them it is to be.
    chosen: usize,
}

impl Choice<'_> {
    /// The plan that is to be carried out.
    pub(super) fn plan(&self) -> Option<&Plan> {
        self.plans.get(self.chosen)
    }

    /// The others, least harm first.
    pub(super) fn others(&self) -> impl Iterator<Item = &Plan> {
        let chosen = self.chosen;
        self.plans.iter().enumerate().filter(move |(at, _)| *at != chosen).map(|(_, plan)| plan)
    }

    /// Which lock it is.
    pub(super) fn label(&self) -> String {
        self.lock.map_or_else(|| self.target.clone(), Lock::label)
    }
}

/// How often it is looked until two looks in a row agree.
const LOOKS: u32 = 4;

/// Looks until two looks in a row agree on what is meant, or things change too fast for that: one
/// look alone can miss a holder where a long lock table changes while it is read in pieces. That
/// nobody has anything, all such looks have to agree on.
pub(super) fn look(inspector: &mut Inspector, targets: &[Target]) -> Result<Snapshot, Failure> {
    let mut snapshot = inspector.snapshot()?;
    for _ in 1..LOOKS {
        let before = meant(inspector, &snapshot, targets)?;
        snapshot = inspector.snapshot()?;
        let can_tell = !before.is_empty() || snapshot.at_once;
        if can_tell && meant(inspector, &snapshot, targets)? == before {
            break;
        }
    }
    Ok(snapshot)
}

/// The locks that the targets name, and how they are held.
fn meant(
    inspector: &mut Inspector,
    snapshot: &Snapshot,
    targets: &[Target],
) -> Result<Vec<(LockId, AsSeen)>, Failure> {
    let selection = inspector.select(snapshot, targets, Folders::Themselves)?;
    let locks = snapshot.locks.iter().filter(|lock| selection.contains(lock));
    let mut meant: Vec<_> = locks.map(|lock| (lock.id.clone(), lock.as_seen)).collect();
    meant.sort_unstable();
    Ok(meant)
}

/// One for each lock that is named; an error if a target names several, or one is not as it has to
/// be.
pub(super) fn all<'a>(
    inspector: &mut Inspector,
    snapshot: &'a Snapshot,
    targets: &[Target],
    wish: &Wish<'_>,
) -> Result<Vec<Choice<'a>>, Failure> {
    let mut choices: Vec<Choice<'a>> = Vec::new();
    for (target, text) in targets.iter().zip(wish.texts) {
        let text = harmless_bytes(text.as_encoded_bytes()).into_owned();
        let selection =
            inspector.select(snapshot, std::slice::from_ref(target), Folders::Themselves)?;
        let of_pid = if let Target::Pid(pid) = target { Some(*pid) } else { None };
        let is_meant = |lock: &&Lock| {
            let is_waited_for = wish.waiter.is_some() && wish.waiter == of_pid;
            selection.contains(lock) && of_pid.is_none_or(|pid| is_waited_for || holds(lock, pid))
        };
        let locks: Vec<&Lock> = snapshot.locks.iter().filter(is_meant).collect();
        let lock = match locks[..] {
            [] => None,
            [lock] => Some(lock),
            _ => return Err(ambiguous(&text, &locks)),
        };
        let is_known = |choice: &Choice<'_>| {
            lock.is_some_and(|lock| choice.lock.is_some_and(|known| known.id == lock.id))
        };
        if choices.iter().any(is_known) {
            continue;
        }
        choices.push(match lock {
            Some(lock) => choose(text, lock, snapshot, wish, of_pid)?,
            None => Choice { target: text, lock: None, plans: Vec::new(), chosen: 0 },
        });
    }
    Ok(choices)
}

fn holds(lock: &Lock, pid: Pid) -> bool {
    lock.holders.iter().any(|holder| holder.process.pid == Some(pid))
}

fn ambiguous(target: &str, locks: &[&Lock]) -> Failure {
    let ids: Vec<String> =
        locks.iter().map(|lock| format!("\n  {}  {}", lock.id, lock.label())).collect();
    Failure::usage(format!(
        "{target} names {} locks; say which one by its id:{}",
        locks.len(),
        ids.concat()
    ))
}

fn choose<'a>(
    target: String,
    lock: &'a Lock,
    snapshot: &Snapshot,
    wish: &Wish<'_>,
    of_pid: Option<Pid>,
) -> Result<Choice<'a>, Failure> {
    if let Some(seen) = wish.as_seen.filter(|seen| *seen != lock.as_seen.to_string()) {
        let text = format!(
            "nothing was touched: {} is not as it was seen: it was {}, and is {} by now",
            lock.label(),
            locktop::model::harmless(seen),
            lock.as_seen
        );
        return Err(Failure::code(Status::Changed.code(), text));
    }
    let mut plans = plans(lock, snapshot, wish, of_pid)?;
    if wish.insist {
        plans = plans.into_iter().map(Plan::insist).collect();
    }
    let chosen = match wish.method {
        Some(method) => plans.iter().position(|plan| plan.method == method).ok_or_else(|| {
            let words: Vec<_> = plans.iter().map(|plan| plan.method.word()).collect();
            Failure::usage(format!(
                "{} cannot be released by '{method}'; what there is: {}",
                lock.label(),
                words.join(", ")
            ))
        })?,
        None => least_harm(&plans, wish.can_ask),
    };
    Ok(Choice { target, lock: Some(lock), plans, chosen })
}

fn plans(
    lock: &Lock,
    snapshot: &Snapshot,
    wish: &Wish<'_>,
    of_pid: Option<Pid>,
) -> Result<Vec<Plan>, Failure> {
    let nobody =
        |pid, does: &str| Failure::usage(format!("no process {pid} {does} {}", lock.label()));
    if let Some(pid) = wish.waiter {
        return match release::end_waiter(lock, pid) {
            Some(plan) => Ok(vec![plan]),
            None => Err(nobody(pid, "waits for")),
        };
    }
    match wish.holder.or(of_pid) {
        Some(pid) if !holds(lock, pid) => Err(nobody(pid, "has")),
        Some(pid) => Ok(release::plans_against(lock, snapshot, pid)),
        None => Ok(release::plans(lock, snapshot)),
    }
}

/// The least harmful plan that is possible; a drastic one only where nothing else is and somebody
/// can be asked to type its name. Where none is possible, the one whose obstacle could be removed.
fn least_harm(plans: &[Plan], can_ask: bool) -> usize {
    let find = |wanted: &dyn Fn(&Plan) -> bool| plans.iter().position(wanted);
    // Escrow wants somebody who hands over.
    let is_usual = |plan: &Plan| !plan.wants_word() && plan.method != Method::Escrow;
    find(&|plan| plan.is_possible() && is_usual(plan))
        .or_else(|| find(&|plan| plan.is_possible() && can_ask))
        .or_else(|| find(&|plan| is_permission(plan)))
        .unwrap_or(0)
}

fn is_permission(plan: &Plan) -> bool {
    plan.obstacle.as_ref().is_some_and(|obstacle| obstacle.cause == Cause::Permission)
}
