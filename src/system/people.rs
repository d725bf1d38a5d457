//! Who a process is: command, user, state, unit, container.
//!
//! What does not change while a process lives is asked once; portable facts come from sysinfo, the
//! rest from `/proc`.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::Builder;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, Uid, UpdateKind, Users};

use super::procfs::stat::Stat;
use super::scheduler::Account;
use super::{System, read_record};
use crate::model::{Moment, Parent, PathBytes, Pid, Process, ProcessId, State};

/// A process, and what only our own reasoning needs of it.
#[derive(Debug, Clone)]
pub(crate) struct Anatomy {
    pub(crate) process: Process,
    /// Its threads, and how long each has not run; nothing for one where that is not known.
    pub(crate) threads: Vec<(Pid, Option<Duration>)>,
    /// Whether a thread of the process has ended that ever ran; so too where that is not known.
    pub(crate) has_ended_threads: bool,
}

impl Anatomy {
    /// How long a thread has not run.
    pub(crate) fn idle(&self, tid: Pid) -> Option<Duration> {
        self.threads.iter().find(|(of, _)| *of == tid).and_then(|(_, idle)| *idle)
    }
}

/// What was learnt of processes at earlier looks.
#[derive(Debug, Default)]
pub(super) struct People {
    users: Option<Users>,
    known: HashMap<Pid, Known>,
    round: u32,
}

/// After so many looks every process has been asked again for what seldom changes.
const ROUNDS: u32 = 10;

/// Facts that mostly hold until the process ends or executes another program.
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
        self.round = (self.round + 1) % ROUNDS;
        let unknown: Vec<_> = stats.iter().filter(|(pid, stat)| !self.knows(*pid, stat)).collect();
        if !unknown.is_empty() {
            self.learn(system, &unknown, now);
        }
        // Who is not asked about any more is forgotten.
        let asked: std::collections::HashSet<Pid> = pids.iter().copied().collect();
        self.known.retain(|pid, _| asked.contains(pid));

        let mut threads: Vec<(Pid, Pid, usize)> = Vec::with_capacity(stats.len());
        let mut ran: HashMap<Pid, Duration> = HashMap::with_capacity(stats.len());
        for (pid, stat) in &stats {
            // Before its threads are asked: what they run meanwhile must not pass for an ended one's.
            ran.extend(system.run_time(*pid).map(|ran| (*pid, ran)));
            if stat.threads == 1 {
                threads.push((*pid, *pid, stat.cpu));
                continue;
            }
            // A process that ends meanwhile has no threads, and nothing is known of it.
            let tids = system.tids(*pid).unwrap_or_default();
            let cpu = |tid| system.thread_stat(*pid, tid).map_or(stat.cpu, |stat| stat.cpu);
            threads.extend(tids.into_iter().map(|tid| (*pid, tid, cpu(tid))));
        }
        let accounts = system.accounts(&threads);
        let mut by_pid: HashMap<Pid, Vec<(Pid, Option<Account>)>> = HashMap::new();
        for (pid, tid, _) in threads {
            by_pid.entry(pid).or_default().push((tid, accounts.get(&tid).copied()));
        }

        let look = Look { system, relatives: Relatives::of(system, &stats) };
        let examine = |(pid, stat): &(Pid, Stat)| {
            let threads = by_pid.get(pid).map_or(&[][..], Vec::as_slice);
            Some((*pid, look.anatomy(stat, self.known.get(pid)?, threads, ran.get(pid).copied())))
        };
        in_parallel(system.threads, &stats, examine)
    }

    /// Whether what was learnt holds: a process can turn into another user, and can execute another
    /// program of the same name, so each is asked again in its turn.
    fn knows(&self, pid: Pid, stat: &Stat) -> bool {
        let in_turn = pid.unsigned_abs() % ROUNDS == self.round;
        let is_same = |known: &Known| known.id.start == stat.start && known.command == stat.command;
        !in_turn && self.known.get(&pid).is_some_and(is_same)
    }

    fn learn(&mut self, system: &System, unknown: &[&(Pid, Stat)], now: Moment) {
        if self.users.is_none() {
            self.users = Users::new_with_refreshed_list().ok();
        }
        let users = self.users.as_ref();
        let user_name =
            |uid: u32| Some(users?.get_user_by_id(&user_of_number(uid)?)?.name().to_owned());
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
            let uid = seen.and_then(sysinfo::Process::effective_user_id).and_then(number_of_user);
            let login = read_record(&system.path(*pid, "loginuid")).ok();
            // 4294967295 is the kernel's "nobody logged in".
            let login = login
                .and_then(|uid| str::from_utf8(&uid).ok()?.trim().parse().ok())
                .filter(|uid| *uid != u32::MAX);
            let cgroup = system.cgroup(*pid).unwrap_or_default();
            let before = self.known.get(pid).filter(|known| known.id.start == stat.start);
            let facts = Process {
                pid: Some(*pid),
                // Worked out from two clocks, so that it would not always come out the same.
                started_at: before
                    .and_then(|known| known.facts.started_at)
                    .or_else(|| started_at(system, stat, now)),
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

/// So many processes are worth a thread.
const WORTH_A_THREAD: usize = 64;

/// What `examine` says of each process, with a thread for each CPU where there are many.
fn in_parallel(
    threads: usize,
    stats: &[(Pid, Stat)],
    examine: impl Fn(&(Pid, Stat)) -> Option<(Pid, Anatomy)> + Sync,
) -> HashMap<Pid, Anatomy> {
    let share = stats.len().div_ceil(threads).max(WORTH_A_THREAD);
    let all = |share: &[(Pid, Stat)]| share.iter().filter_map(&examine).collect::<Vec<_>>();
    std::thread::scope(|scope| {
        let mut shares = stats.chunks(share);
        let own = shares.next().unwrap_or_default();
        let others: Vec<_> = shares
            .map(|share| (share, Builder::new().spawn_scoped(scope, || all(share))))
            .collect();
        let mut anatomy: HashMap<Pid, Anatomy> = all(own).into_iter().collect();
        for (share, other) in others {
            anatomy.extend(match other {
                // A thread that panicked would be a defect; what it read is missing then.
                Ok(other) => other.join().unwrap_or_default(),
                // No thread can be had.
                Err(_) => all(share),
            });
        }
        anatomy
    })
}

/// Parents and leaders of process groups, which many processes share.
struct Relatives {
    commands: HashMap<Pid, Option<String>>,
    leaders_alive: HashMap<Pid, bool>,
}

impl Relatives {
    fn of(system: &System, stats: &[(Pid, Stat)]) -> Self {
        let mut relatives = Self { commands: HashMap::new(), leaders_alive: HashMap::new() };
        for (pid, stat) in stats {
            relatives.commands.entry(stat.parent).or_insert_with(|| {
                let parent = system.stat(stat.parent).ok()?;
                Some(String::from_utf8_lossy(&parent.command).into_owned())
            });
            // The group of a process on its way out reads -1, one of another pid namespace 0: whether
            // its leader is alive is not known.
            let is_alive = || stat.group == *pid || system.is_alive(stat.group);
            if stat.group > 0 {
                relatives.leaders_alive.entry(stat.group).or_insert_with(is_alive);
            }
        }
        relatives
    }
}

/// What can change from look to look.
struct Look<'a> {
    system: &'a System,
    relatives: Relatives,
}

impl Look<'_> {
    fn anatomy(
        &self,
        stat: &Stat,
        known: &Known,
        threads: &[(Pid, Option<Account>)],
        ran: Option<Duration>,
    ) -> Anatomy {
        let (system, pid) = (self.system, known.id.pid);
        // The first thread can have ended, and the others go on.
        let has_ended = matches!(stat.state, Some(State::Zombie | State::Dead));
        let others = threads.iter().filter(|(tid, _)| has_ended && *tid != pid);
        let other = others
            .filter_map(|(tid, _)| Some((*tid, system.thread_stat(pid, *tid).ok()?)))
            .find(|(_, stat)| !stat.exiting);
        let (tid, shown) = other.as_ref().map_or((pid, stat), |(tid, stat)| (*tid, stat));
        let wchan = system.wchan(pid, tid);
        let parent = (stat.parent > 0).then(|| Parent {
            pid: stat.parent,
            command: self.relatives.commands.get(&stat.parent).cloned().flatten(),
        });
        // The process last ran when the last of its threads did; one unknown, all unknown.
        let accounts: Option<Vec<Account>> = threads.iter().map(|(_, account)| *account).collect();
        let living: Option<Duration> = accounts.iter().flatten().map(|account| account.ran).sum();
        let process = Process {
            state: state(system, shown, pid, wchan.as_deref()),
            wchan,
            cwd: std::fs::read_link(system.path(pid, "cwd")).ok().map(PathBytes),
            parent,
            threads: Some(stat.threads),
            last_ran: accounts.and_then(|all| all.iter().map(|account| account.idle).min()),
            group: Some(stat.group),
            group_leader_alive: self.relatives.leaders_alive.get(&stat.group).copied(),
            ..(*known.facts).clone()
        };
        Anatomy {
            process,
            threads: threads.iter().map(|(tid, of)| (*tid, of.map(|of| of.idle))).collect(),
            has_ended_threads: ran.zip(living).is_none_or(|(ran, living)| ran > living),
        }
    }
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

#[cfg(unix)]
fn user_of_number(uid: u32) -> Option<Uid> {
    Uid::try_from(uid as usize).ok()
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere users have no numbers")]
fn number_of_user(user: &Uid) -> Option<u32> {
    Some(**user)
}

#[cfg(not(unix))]
fn user_of_number(_uid: u32) -> Option<Uid> {
    None
}

#[cfg(not(unix))]
fn number_of_user(_user: &Uid) -> Option<u32> {
    None
}

/// The start by the wall clock, to the 10 ms in which it is counted.
fn started_at(system: &System, stat: &Stat, now: Moment) -> Option<Timestamp> {
    let ago = now.uptime.checked_sub(system.since_boot(stat.start))?;
    let started = now.wall.checked_sub(SignedDuration::try_from(ago).ok()?).ok()?;
    Timestamp::from_millisecond(started.as_millisecond() / 10 * 10).ok()
}
