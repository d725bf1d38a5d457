//! Who a process is: command, user, state, unit, container.
//!
//! What does not change while a process lives is asked once; portable facts come from sysinfo, the
//! rest from `/proc`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, UpdateKind, Users};

use super::System;
use super::procfs::stat::Stat;
use crate::model::{Moment, Parent, PathBytes, Pid, Process, ProcessId, State};

/// A process, and what only our own reasoning needs of it.
#[derive(Debug, Clone)]
pub(crate) struct Anatomy {
    pub(crate) process: Process,
    /// How many page faults the process had that none of its living threads had: those of threads
    /// that have ended.
    pub(crate) ended_threads_faults: u64,
}

/// What was learnt of processes at earlier looks.
#[derive(Debug, Default)]
pub(super) struct People {
    users: Option<Users>,
    known: HashMap<Pid, Known>,
}

/// Facts that hold until the process ends or executes another program.
#[derive(Debug, Clone)]
struct Known {
    id: ProcessId,
    command: Vec<u8>,
    facts: Arc<Process>,
}

impl People {
    pub(super) fn examine(
        &mut self,
        system: &System,
        pids: &[Pid],
        now: Moment,
    ) -> HashMap<Pid, Anatomy> {
        let stats: Vec<(Pid, Stat)> =
            pids.iter().filter_map(|&pid| Some((pid, system.stat(pid).ok()?))).collect();
        let unknown: Vec<_> = stats.iter().filter(|(pid, stat)| !self.knows(*pid, stat)).collect();
        if !unknown.is_empty() {
            self.learn(system, &unknown, now);
        }
        // Who is not asked about any more is forgotten.
        let asked: std::collections::HashSet<Pid> = pids.iter().copied().collect();
        self.known.retain(|pid, _| asked.contains(pid));

        let threads: Vec<(Pid, Vec<Pid>)> = stats
            .iter()
            .map(|(pid, stat)| {
                let tids = if stat.threads > 1 { system.threads(*pid).ok() } else { None };
                (*pid, tids.unwrap_or_else(|| vec![*pid]))
            })
            .collect();
        let all: Vec<(Pid, Pid)> =
            threads.iter().flat_map(|(pid, tids)| tids.iter().map(|tid| (*pid, *tid))).collect();
        let idle = system.last_ran(&all);

        stats
            .iter()
            .zip(&threads)
            .filter_map(|((pid, stat), (_, tids))| {
                let known = self.known.get(pid)?;
                // The process last ran when the last of its threads did; one unknown, all unknown.
                let last_ran = tids.iter().map(|tid| idle.get(tid).map(|idle| idle.at_least));
                let last_ran = last_ran
                    .collect::<Option<Vec<Duration>>>()
                    .and_then(|all| all.into_iter().min());
                Some((*pid, anatomy(system, stat, known, tids, last_ran)))
            })
            .collect()
    }

    fn knows(&self, pid: Pid, stat: &Stat) -> bool {
        self.known
            .get(&pid)
            .is_some_and(|known| known.id.start == stat.start && known.command == stat.command)
    }

    fn learn(&mut self, system: &System, unknown: &[&(Pid, Stat)], now: Moment) {
        if self.users.is_none() {
            self.users = Users::new_with_refreshed_list().ok();
        }
        let users = self.users.as_ref();
        let user_name = |uid: u32| {
            let uid = sysinfo::Uid::try_from(uid as usize).ok()?;
            Some(users?.get_user_by_id(&uid)?.name().to_owned())
        };
        // Where sysinfo fails, what it would have told stays unknown.
        let mut portable = sysinfo::System::new().ok();
        if let Some(portable) = portable.as_mut().filter(|_| system.is_this_machine()) {
            let pids: Vec<_> = unknown
                .iter()
                .map(|(pid, _)| sysinfo::Pid::from_u32(pid.cast_unsigned()))
                .collect();
            let kind = ProcessRefreshKind::nothing()
                .with_cmd(UpdateKind::Always)
                .with_user(UpdateKind::Always)
                .without_tasks();
            let _ =
                portable.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), false, kind);
        }
        for (pid, stat) in unknown {
            let seen = portable
                .as_ref()
                .and_then(|seen| seen.process(sysinfo::Pid::from_u32(pid.cast_unsigned())));
            let uid = seen.and_then(sysinfo::Process::effective_user_id).map(|uid| **uid);
            let login = std::fs::read_to_string(system.path(*pid, "loginuid")).ok();
            // 4294967295 is the kernel's "nobody logged in".
            let login =
                login.and_then(|uid| uid.trim().parse().ok()).filter(|uid| *uid != u32::MAX);
            let cgroup = system.cgroup(*pid).unwrap_or_default();
            let facts = Process {
                pid: Some(*pid),
                started_at: started_at(system, stat, now),
                command: Some(String::from_utf8_lossy(&stat.command).into_owned()),
                cmdline: seen.map(|seen| seen.cmd().to_vec()).filter(|cmd| !cmd.is_empty()),
                user: uid.and_then(user_name),
                uid,
                login_user: login.and_then(user_name),
                tty: stat.tty_name(),
                unit: cgroup.unit(),
                container: cgroup.container(),
                start: Some(stat.start),
                kernel_thread: stat.kernel_thread,
                ..Process::default()
            };
            let id = ProcessId { pid: *pid, start: stat.start };
            let known = Known { id, command: stat.command.clone(), facts: Arc::new(facts) };
            self.known.insert(*pid, known);
        }
    }
}

/// What can change from look to look.
fn anatomy(
    system: &System,
    stat: &Stat,
    known: &Known,
    tids: &[Pid],
    last_ran: Option<Duration>,
) -> Anatomy {
    let pid = known.id.pid;
    let wchan = system.wchan(pid, pid);
    let parent = (stat.parent > 0).then(|| Parent {
        pid: stat.parent,
        command: system
            .stat(stat.parent)
            .ok()
            .map(|parent| String::from_utf8_lossy(&parent.command).into_owned()),
    });
    let living_faults: Option<u64> = match tids {
        [only] => system.thread_stat(pid, *only).ok().map(|thread| thread.minor_faults),
        _ => tids.iter().map(|tid| Some(system.thread_stat(pid, *tid).ok()?.minor_faults)).sum(),
    };
    let process = Process {
        state: state(system, stat, pid, wchan.as_deref()),
        wchan,
        cwd: std::fs::read_link(system.path(pid, "cwd")).ok().map(PathBytes),
        parent,
        threads: Some(stat.threads),
        last_ran,
        group: Some(stat.group),
        group_leader_alive: Some(stat.group == pid || system.is_alive(stat.group)),
        ..(*known.facts).clone()
    };
    let faults = living_faults.map_or(0, |living| stat.minor_faults.saturating_sub(living));
    Anatomy { process, ended_threads_faults: faults }
}

/// The scheduler's state; a task of a frozen control group sleeps by its account.
fn state(system: &System, stat: &Stat, pid: Pid, wchan: Option<&str>) -> Option<State> {
    // The older freezer leaves a task where it sleeps and shows it as uninterruptible. Else frozen
    // tasks sit in one of these; where that may not be known, the control group is asked.
    let may_be_frozen = match stat.state {
        Some(State::Uninterruptible) => true,
        Some(State::Sleeping) => wchan.is_none_or(|wchan| {
            matches!(wchan, "get_signal" | "do_freezer_trap" | "__refrigerator")
        }),
        _ => false,
    };
    if may_be_frozen && system.cgroup(pid).is_some_and(|cgroup| system.is_frozen(&cgroup)) {
        return Some(State::Frozen);
    }
    stat.state
}

/// The start by the wall clock, to the 10 ms in which it is counted.
fn started_at(system: &System, stat: &Stat, now: Moment) -> Option<Timestamp> {
    let ago = now.uptime.checked_sub(system.since_boot(stat.start))?;
    let started = now.wall.checked_sub(SignedDuration::try_from(ago).ok()?).ok()?;
    Timestamp::from_millisecond(started.as_millisecond() / 10 * 10).ok()
}
