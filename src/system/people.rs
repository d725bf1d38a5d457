//! Who a process is: command, user, state, unit, container.
//!
//! What does not change while a process lives is asked once; portable facts come from sysinfo, the
//! rest from `/proc`.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, Uid, UpdateKind, Users};

use super::memories::HAS_COMMAND_LINES;
use super::procfs::cgroup::Cgroup;
use super::procfs::stat::Stat;
use super::relatives::Relatives;
use super::scheduler::Account;
use super::{Pulse, System, read_record};
use crate::model::{Moment, Parent, PathBytes, Peer, Pid, Process, ProcessId, State};

/// A process, and what only our own reasoning needs of it.
#[derive(Debug, Clone)]
pub(crate) struct Anatomy {
    pub(crate) process: Arc<Process>,
    /// Its threads, and when each ran last; nothing for one where that is not known.
    pub(crate) threads: Vec<(Pid, Option<Duration>)>,
    /// Whether a thread of the process has ended that ever ran; so too where that is not known.
    pub(crate) has_ended_threads: bool,
    /// Taken before anything else was asked. Not told of a process that is seen for the first time:
    /// most of us look only once.
    pub(crate) pulse: Option<Pulse>,
}

impl Anatomy {
    /// How long a thread has not run.
    pub(crate) fn idle(&self, tid: Pid, at: Moment) -> Option<Duration> {
        let (_, ran_at) = self.threads.iter().find(|(of, _)| *of == tid)?;
        Some(at.uptime.saturating_sub((*ran_at)?))
    }

    /// Whether none of its threads has run since that moment, which was before it was asked.
    pub(crate) fn slept_since(&self, moment: Moment) -> bool {
        self.pulse.is_some() && self.process.ran_at.is_some_and(|ran_at| ran_at < moment.uptime)
    }

    /// The pulse of its threads now.
    fn pulse_now(&self, system: &System) -> Option<Pulse> {
        system.pulse(self.process.pid?, self.threads.iter().map(|(tid, _)| *tid))
    }

    /// Whether none of its threads has run since it was asked.
    pub(crate) fn has_slept(&self, system: &System) -> bool {
        self.pulse.is_some() && self.pulse == self.pulse_now(system)
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
    /// Its control group, where that can freeze it without running it.
    freezer: Option<Arc<Cgroup>>,
    /// When that was learnt, as time since boot.
    learnt_at: Duration,
    /// All that was found out at the last look.
    anatomy: Option<Arc<Anatomy>>,
}

impl Known {
    /// Whether the process has run since.
    fn is_stale(&self) -> bool {
        let ran_at = self.anatomy.as_ref().and_then(|anatomy| anatomy.process.ran_at);
        ran_at.is_none_or(|ran_at| ran_at >= self.learnt_at)
    }
}

impl People {
    pub(super) fn examine(
        &mut self,
        system: &System,
        pids: &[Pid],
        asleep: &HashSet<Pid>,
        now: Moment,
    ) -> HashMap<Pid, Arc<Anatomy>> {
        self.round = (self.round + 1) % ROUNDS;
        // Who is not asked about any more is forgotten.
        let asked: HashSet<Pid> = pids.iter().copied().collect();
        self.known.retain(|pid, _| asked.contains(pid));

        let (mut anatomy, mut stats) = (HashMap::with_capacity(pids.len()), Vec::new());
        for &pid in pids {
            let known = self.known.get(&pid).filter(|_| asleep.contains(&pid));
            match known.and_then(|known| known.anatomy.clone()).filter(|_| !self.is_in_turn(pid)) {
                Some(before) => _ = anatomy.insert(pid, before),
                None => stats.extend(system.stat(pid).ok().map(|stat| (pid, stat))),
            }
        }
        let awake = self.examine_awake(system, &stats, now);
        for (pid, of) in &awake {
            if let Some(known) = self.known.get_mut(pid) {
                known.anatomy = Some(Arc::clone(of));
            }
        }
        anatomy.extend(awake);
        anatomy
    }

    fn examine_awake(
        &mut self,
        system: &System,
        stats: &[(Pid, Stat)],
        now: Moment,
    ) -> HashMap<Pid, Arc<Anatomy>> {
        let is_met = |pid: &Pid| self.known.contains_key(pid);
        let met: HashSet<Pid> = stats.iter().map(|(pid, _)| *pid).filter(is_met).collect();
        let knows = |(pid, stat): &&(Pid, Stat)| self.knows(system, *pid, stat);
        let unknown: Vec<_> = stats.iter().filter(|of| !knows(of)).collect();
        if !unknown.is_empty() {
            self.learn(system, &unknown, now);
        }
        let mut relatives = Relatives::default();
        let mut bodies = Vec::with_capacity(stats.len());
        for (pid, stat) in stats {
            // Before its threads are asked: what they run meanwhile must not pass for an ended one's.
            let ran = system.run_time(*pid);
            let threads = threads_of(system, *pid, stat);
            let tids = threads.iter().map(|(_, tid, _)| *tid);
            let pulse = met.contains(pid).then(|| system.pulse(*pid, tids)).flatten();
            bodies.push(Body { pid: *pid, stat, threads, ran, pulse });
            relatives.meet(system, *pid, stat);
        }
        let threads: Vec<_> = bodies.iter().flat_map(|body| body.threads.iter().copied()).collect();
        let accounts = system.accounts(&threads);
        let look = Look { system, relatives, accounts };
        let examine = |body: &Body| {
            Some((body.pid, Arc::new(look.anatomy(body, self.known.get(&body.pid)?))))
        };
        in_parallel(system.threads, &bodies, examine)
    }

    /// Whether what was found out of a process at the last look holds: it has not run, its parent
    /// and the leader of its group are as they were, and nobody froze it.
    fn is_asleep(&self, system: &System, relatives: &mut Relatives, pid: Pid) -> bool {
        let Some(known) = self.known.get(&pid) else { return false };
        let Some(anatomy) = &known.anatomy else { return false };
        let process = &anatomy.process;
        // Others can freeze and thaw a process that does not run.
        let rests = matches!(
            process.state,
            Some(State::Sleeping | State::Stopped | State::Traced | State::Idle | State::Zombie)
        );
        let freezer = known.freezer.as_ref();
        rests
            && !known.is_stale()
            && anatomy.has_slept(system)
            && relatives.are_those_of(system, pid, process)
            && !freezer.is_some_and(|group| relatives.is_frozen(system, group))
    }

    fn is_in_turn(&self, pid: Pid) -> bool {
        pid.unsigned_abs() % ROUNDS == self.round
    }

    /// Whether what was learnt holds: a process can turn into another user, and can execute another
    /// program of the same name, so each is asked again in its turn, and when it has come to rest.
    fn knows(&self, system: &System, pid: Pid, stat: &Stat) -> bool {
        let is_same = |known: &Known| known.id.start == stat.start && known.command == stat.command;
        let has_come_to_rest = |known: &Known| {
            known.is_stale() && known.anatomy.as_ref().is_some_and(|of| of.has_slept(system))
        };
        let known = self.known.get(&pid);
        !self.is_in_turn(pid)
            && known.is_some_and(|known| is_same(known) && !has_come_to_rest(known))
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
        let mut lines = HashMap::new();
        if let Some(portable) = portable.as_mut().filter(|_| system.is_this_machine()) {
            let pids: Vec<_> = unknown
                .iter()
                .map(|(pid, _)| sysinfo::Pid::from_u32(pid.cast_unsigned()))
                .collect();
            let mut kind =
                ProcessRefreshKind::nothing().with_user(UpdateKind::Always).without_tasks();
            if HAS_COMMAND_LINES {
                let pids: Vec<Pid> = unknown.iter().map(|(pid, _)| *pid).collect();
                lines = system.command_lines(&pids);
            } else {
                kind = kind.with_cmd(UpdateKind::Always);
            }
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
                cmdline: lines
                    .remove(pid)
                    .or_else(|| Some(seen?.cmd().to_vec()))
                    .filter(|line| !line.is_empty()),
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
            let learnt_at = now.uptime;
            let freezer = system.freezes_in_place().then(|| Arc::new(cgroup));
            let command = stat.command.clone();
            let known =
                Known { id, command, facts: Arc::new(facts), freezer, learnt_at, anatomy: None };
            self.known.insert(*pid, known);
        }
    }
}

/// The threads of a process, each with the CPU that it ran on last.
fn threads_of(system: &System, pid: Pid, stat: &Stat) -> Vec<(Pid, Pid, usize)> {
    if stat.threads == 1 {
        return vec![(pid, pid, stat.cpu)];
    }
    // A process that ends meanwhile has no threads, and nothing is known of it.
    let tids = system.tids(pid).unwrap_or_default();
    let cpu = |tid| system.thread_stat(pid, tid).map_or(stat.cpu, |stat| stat.cpu);
    tids.into_iter().map(|tid| (pid, tid, cpu(tid))).collect()
}

impl System {
    /// What is known of each of these processes; of those that are [`asleep`](System::asleep), what
    /// was known of them at the last look.
    pub(crate) fn anatomy(
        &self,
        pids: &[Pid],
        asleep: &HashSet<Pid>,
    ) -> HashMap<Pid, Arc<Anatomy>> {
        self.people().examine(self, pids, asleep, self.now())
    }

    /// The same of processes that no lock table names; whom [`System::anatomy`] asked after is not
    /// forgotten over them.
    pub(crate) fn portraits(&self, pids: &[Pid]) -> HashMap<Pid, Arc<Process>> {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let anatomy = others.examine(self, pids, &HashSet::new(), self.now());
        anatomy.into_iter().map(|(pid, of)| (pid, Arc::clone(&of.process))).collect()
    }

    /// Those of these processes of whom all that [`System::anatomy`] said last still holds: they
    /// have not run since.
    pub(crate) fn asleep(&self, pids: impl Iterator<Item = Pid>) -> HashSet<Pid> {
        let mut relatives = Relatives::default();
        let people = self.people();
        pids.filter(|pid| people.is_asleep(self, &mut relatives, *pid)).collect()
    }

    fn people(&self) -> MutexGuard<'_, People> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// So many processes are worth a thread.
const WORTH_A_THREAD: usize = 64;

/// What `examine` says of each process, with a thread for each CPU where there are many.
fn in_parallel(
    threads: usize,
    bodies: &[Body<'_>],
    examine: impl Fn(&Body) -> Option<(Pid, Arc<Anatomy>)> + Sync,
) -> HashMap<Pid, Arc<Anatomy>> {
    let share = bodies.len().div_ceil(threads).max(WORTH_A_THREAD);
    let all = |share: &[Body]| share.iter().filter_map(&examine).collect::<Vec<_>>();
    std::thread::scope(|scope| {
        let mut shares = bodies.chunks(share);
        let own = shares.next().unwrap_or_default();
        let others: Vec<_> = shares
            .map(|share| (share, Builder::new().spawn_scoped(scope, || all(share))))
            .collect();
        let mut anatomy: HashMap<Pid, Arc<Anatomy>> = all(own).into_iter().collect();
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

/// A process that is being examined.
struct Body<'a> {
    pid: Pid,
    stat: &'a Stat,
    /// Its threads, see [`threads_of`].
    threads: Vec<(Pid, Pid, usize)>,
    /// How long it has run.
    ran: Option<Duration>,
    pulse: Option<Pulse>,
}

/// What can change from look to look.
struct Look<'a> {
    system: &'a System,
    relatives: Relatives,
    accounts: HashMap<Pid, Account>,
}

impl Look<'_> {
    fn anatomy(&self, body: &Body, known: &Known) -> Anatomy {
        let (system, pid, stat) = (self.system, body.pid, body.stat);
        let account = |tid: &Pid| self.accounts.get(tid).copied();
        let threads: Vec<(Pid, Option<Account>)> =
            body.threads.iter().map(|(_, tid, _)| (*tid, account(tid))).collect();
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
        let state = state(system, shown, pid, wchan.as_deref());
        let is_traced = state == Some(State::Traced);
        let process = Process {
            state,
            tracer: is_traced.then(|| tracer(system, pid)).flatten(),
            wchan,
            cwd: std::fs::read_link(system.path(pid, "cwd")).ok().map(PathBytes::new),
            parent,
            threads: Some(stat.threads),
            ran_at: accounts.and_then(|all| all.iter().map(|account| account.ran_at).max()),
            group: Some(stat.group),
            group_leader_alive: self.relatives.leaders_alive.get(&stat.group).copied(),
            ..(*known.facts).clone()
        };
        Anatomy {
            process: Arc::new(process),
            threads: threads.iter().map(|(tid, of)| (*tid, of.map(|of| of.ran_at))).collect(),
            has_ended_threads: body.ran.zip(living).is_none_or(|(ran, living)| ran > living),
            pulse: body.pulse,
        }
    }
}

/// The debugger that has attached to a process.
fn tracer(system: &System, pid: Pid) -> Option<Peer> {
    let thread = system.status(pid)?.tracer?;
    let tracer = system.status(thread).map_or(thread, |status| status.process);
    let stat = system.stat(tracer).ok();
    let command = stat.as_ref().map(|stat| String::from_utf8_lossy(&stat.command).into_owned());
    Some(Peer { pid: tracer, command, state: stat.and_then(|stat| stat.state) })
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
