//! What a process waits for and how it gets on, as it stands in a sentence; harmless to print.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{
    Facts, Moment, Mounted, Peer, Pid, Process, Progress, State, Wait, Wake, What, harmless, short,
};

use super::phrase;

/// So many things of one wait are told.
const THINGS: usize = 3;

/// So many who are waited for are told by name.
const NAMED: usize = 3;

/// Whoever is waited for by somebody who is waited for: told so far.
const STEPS: usize = 4;

/// Less of a CPU than this is no work.
const WORK: f64 = 0.01;

/// What has been done lately, if anything: `is at work: used 83 % of a CPU and wrote 12 MB in the
/// last 2.0s`.
pub(super) fn at_work(progress: &Progress) -> Option<String> {
    let cpu = progress.cpu_share().filter(|share| *share >= WORK);
    let cpu = cpu.map(|share| match share {
        1.5.. => format!("used {share:.1} CPUs"),
        _ => format!("used {:.0} % of a CPU", share * 100.0),
    });
    let moved = |verb: &str, bytes: Option<u64>| {
        bytes.filter(|bytes| *bytes > 0).map(|bytes| format!("{verb} {}", size(bytes)))
    };
    let done = [cpu, moved("read", progress.read), moved("wrote", progress.written)];
    let mut done: Vec<String> = done.into_iter().flatten().collect();
    if done.is_empty() {
        // Where bytes may not be known, that it runs again and again is all there is to tell.
        let runs = progress.runs.filter(|_| progress.written.is_none()).unwrap_or(0);
        done.extend((runs > 1).then(|| format!("ran {runs} times")));
    }
    let count = done.len();
    (count > 0).then(|| {
        format!(
            "is at work: {} in the last {}",
            phrase::list(done.into_iter(), count),
            short(progress.over)
        )
    })
}

/// `has done nothing for more than 12m`. That stays true as time goes by.
pub(super) fn idle(process: &Process, at: Moment) -> Option<String> {
    let idle = process.idle(at).filter(|idle| *idle >= Duration::from_secs(1))?;
    let whole = match idle.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        _ => short(idle),
    };
    Some(format!("has done nothing for more than {whole}"))
}

/// `waits for input through a pipe from sort (pid 812), which is stopped by a signal`; `None` where
/// that was not asked or may not be known.
pub(super) fn told(process: &Process) -> Option<String> {
    sentence(process, &|peer| halted(peer.state).map(str::to_owned))
}

/// The same of a process of these facts, through to one that waits for nobody. `queue` tells which
/// lock a process waits for.
pub(super) fn chain(
    facts: &Facts,
    pid: Pid,
    queue: &dyn Fn(Pid) -> Option<String>,
) -> Option<String> {
    chain_behind(facts, pid, queue, &[])
}

fn chain_behind(
    facts: &Facts,
    pid: Pid,
    queue: &dyn Fn(Pid) -> Option<String>,
    before: &[Pid],
) -> Option<String> {
    let process = facts.processes.get(&pid)?;
    if let Some(lock) = queue(pid).filter(|_| process.threads == Some(1)) {
        return Some(format!("itself waits for {lock}"));
    }
    let told = [before, &[pid]].concat();
    sentence(process, &|peer| {
        let is_told = told.len() >= STEPS || told.contains(&peer.pid);
        let work = || {
            let process = facts.processes.get(&peer.pid)?;
            (process.state? == State::Running).then(|| "is running".to_owned())
        };
        let further = || chain_behind(facts, peer.pid, queue, &told);
        let halted = halted(peer.state).map(str::to_owned);
        halted.or_else(|| if is_told { None } else { further().or_else(work) })
    })
}

/// The thing that one wait is for: the noun behind "waits for".
pub(super) fn thing(awaited: &Wake) -> String {
    noun(awaited, &|_| None)
}

/// How the state of somebody who is waited for keeps him from going on.
fn halted(state: Option<State>) -> Option<&'static str> {
    Some(match state? {
        State::Stopped => "is stopped by a signal",
        State::Traced => "is stopped by a debugger",
        State::Frozen => "is frozen (its control group)",
        State::Zombie => "has ended",
        _ => return None,
    })
}

/// What is told of somebody behind a comma and "which".
type Further<'a> = &'a dyn Fn(&Peer) -> Option<String>;

fn sentence(process: &Process, further: Further<'_>) -> Option<String> {
    let waits = process.waits_for.as_deref().filter(|waits| !waits.is_empty())?;
    let threads = process.threads.unwrap_or(1).max(waits.len() as u32) as usize;
    if let ([wait], 1) = (waits, threads) {
        if let [Wake { what: What::Thread, by_all: true, .. }] = wait.any_of[..] {
            return Some("waits for another thread (futex), and has none".into());
        }
        return Some(format!("waits for {}", wanted(wait, further)));
    }
    let is_other = |wait: &&Wait| wait.any_of.iter().any(|thing| thing.what != What::Thread);
    // Mostly one thread waits for something, and the others for each other.
    let mut things: BTreeMap<String, usize> = BTreeMap::new();
    for wait in waits.iter().filter(is_other) {
        *things.entry(wanted(wait, further)).or_default() += 1;
    }
    let others = waits.iter().filter(|wait| !is_other(wait)).count();
    let mut told: Vec<String> = things
        .into_iter()
        .map(|(thing, count)| format!("{count} {} for {thing}", verb(count)))
        .collect();
    if others > 0 {
        let whom = phrase::plural(others, "another", "each other");
        told.push(format!("{others} {} for {whom}", verb(others)));
    }
    Some(format!("has {threads} threads, of which {}", phrase::list(told.into_iter(), THINGS)))
}

fn verb(count: usize) -> &'static str {
    phrase::plural(count, "waits", "wait")
}

fn wanted(wait: &Wait, further: Further<'_>) -> String {
    let mut told: Vec<String> =
        wait.any_of.iter().take(THINGS).map(|thing| noun(thing, further)).collect();
    told.dedup();
    let more = wait.any_of.len().saturating_sub(THINGS);
    if more > 0 {
        told.push(format!("{more} other {}", phrase::plural(more, "thing", "things")));
    }
    if told.is_empty() { "something that cannot be told".into() } else { told.join("; or for ") }
}

fn noun(thing: &Wake, further: Further<'_>) -> String {
    let name = thing.name.as_deref().map(|name| harmless(name).into_owned());
    let named =
        |before: &str| name.as_ref().map_or_else(String::new, |name| format!("{before}{name}"));
    let whom = |word: &str| whom(thing, word, further);
    match thing.what {
        What::Pipe => format!("input through {}{}", a_pipe("a pipe", name.as_ref()), whom("from")),
        What::FullPipe => format!("room in {}{}", a_pipe("a full pipe", name.as_ref()), whom("to")),
        What::Socket if thing.by.is_empty() => match name {
            Some(name) => format!("an answer from {name}"),
            None => "input over a socket".into(),
        },
        What::Socket => {
            format!("input over a socket{}{}", in_brackets(name.as_ref()), whom("from"))
        }
        What::FullSocket if thing.by.is_empty() => {
            format!("room in a full socket{}", named(" to "))
        }
        What::FullSocket => {
            format!("room in a full socket{}{}", in_brackets(name.as_ref()), whom("to"))
        }
        What::Connection => format!("somebody to connect{}", named(" to ")),
        What::Terminal => format!("an answer on the terminal{}", named(" ")),
        What::Screen => "what programs write to the terminal that it shows".into(),
        What::Child => match &*thing.by {
            [] => "the end of a child".into(),
            [_] => format!("the end of its child{}", whom("")),
            _ => format!("the end of one of its children,{}", whom("")),
        },
        What::Vfork => {
            let child = if thing.by.is_empty() { " a child".into() } else { whom("its child") };
            format!("the start of a program by{child}")
        }
        What::Process => match &*thing.by {
            [] => "the end of another process".into(),
            _ => format!("the end of{}", whom("")),
        },
        What::Thread if thing.by_all => "another of its threads".into(),
        What::Thread => "another thread, which can be another process's".into(),
        What::Lock => "a lock".into(),
        What::Timer => match name {
            Some(name) => format!("a timer of {name}"),
            None => "a timer".into(),
        },
        What::Signal => "a signal".into(),
        What::Changes => "files to change".into(),
        What::Call => "a call by another thread or process".into(),
        What::Requests => "requests to the file system that it serves".into(),
        What::FileSystem => match &thing.mounted {
            Some(mounted) => format!("{}{}", file_system(mounted), whom(", served by")),
            None => "a file system".into(),
        },
        What::File => name.unwrap_or_else(|| "something that it has open".into()),
    }
}

fn a_pipe(plain: &str, name: Option<&String>) -> String {
    name.map_or_else(|| plain.into(), |name| format!("the pipe {name}"))
}

fn in_brackets(name: Option<&String>) -> String {
    name.map_or_else(String::new, |name| format!(" ({name})"))
}

/// `the NFS server of /mnt/x (nas:/export)`.
pub(super) fn file_system(mounted: &Mounted) -> String {
    let Mounted { filesystem, source, point } = mounted;
    let [filesystem, source, point] = [filesystem, source, point].map(|text| harmless(text));
    match &*filesystem {
        fuse if fuse == "fuse" || fuse.starts_with("fuse.") => {
            format!("the FUSE file system at {point} ({filesystem}, {source})")
        }
        nfs if nfs.starts_with("nfs") => format!("the NFS server of {point} ({source})"),
        "cifs" | "smb3" => format!("the SMB server of {point} ({source})"),
        "ceph" | "9p" | "afs" | "lustre" | "glusterfs" | "beegfs" => {
            format!("the {filesystem} server of {point} ({source})")
        }
        "autofs" => format!("the automatic mount of {point}"),
        _ => format!("the {filesystem} file system at {point} ({source})"),
    }
}

/// ` from sort (pid 812), which is stopped by a signal`, or that nobody is there.
fn whom(thing: &Wake, word: &str, further: Further<'_>) -> String {
    let name = |peer: &Peer| match &peer.command {
        Some(command) => format!("{} (pid {})", harmless(command), peer.pid),
        None => format!("pid {}", peer.pid),
    };
    let is_pipe = matches!(thing.what, What::Pipe | What::FullPipe);
    let word =
        if word.is_empty() || word.starts_with(',') { word.into() } else { format!(" {word}") };
    match &*thing.by {
        [] if thing.by_all && is_pipe => " whose other end nobody else has open".into(),
        [] => String::new(),
        [peer] => {
            let further = further(peer).map(|told| format!(", which {told}"));
            format!("{word} {}{}", name(peer), further.unwrap_or_default())
        }
        peers => {
            let names = peers.iter().map(|peer| match halted(peer.state) {
                Some(halted) => format!("{}, which {halted},", name(peer)),
                None => name(peer),
            });
            let names = phrase::list(names, NAMED);
            format!("{word} {}", names.trim_end_matches(','))
        }
    }
}

/// What a kernel function that somebody sleeps in waits for: the noun behind "waits for". Of what
/// stands in no system call that may be read, this is all that is known.
pub(super) fn place(wchan: &str) -> Option<&'static str> {
    let begins = |(start, _): &&(&str, &str)| wchan.starts_with(start);
    PLACES.iter().find(begins).map(|(_, words)| *words)
}

/// Beginnings of the names of kernel functions; the first that fits counts.
const PLACES: &[(&str, &str)] = &[
    ("pipe_read", "input through a pipe"),
    ("anon_pipe_read", "input through a pipe"),
    ("fifo_pipe_read", "input through a pipe"),
    ("pipe_write", "room in a full pipe"),
    ("anon_pipe_write", "room in a full pipe"),
    ("fifo_pipe_write", "room in a full pipe"),
    ("wait_for_partner", "somebody to open the other end of a pipe"),
    ("unix_stream_read", "input over a socket"),
    ("unix_stream_data_wait", "input over a socket"),
    ("__skb_wait_for_more", "input over a socket"),
    ("sk_wait_data", "input over a socket"),
    ("inet_csk_accept", "somebody to connect"),
    ("do_wait", "the end of a child"),
    ("kernel_wait4", "the end of a child"),
    ("wait_for_vfork_done", "a child to execute a program or to end"),
    ("kernel_clone", "a child to execute a program or to end"),
    ("futex_", "another thread"),
    ("__futex_wait", "another thread"),
    ("n_tty_read", "an answer on a terminal"),
    ("hrtimer_nanosleep", "a timer"),
    ("do_nanosleep", "a timer"),
    ("inotify_read", "files to change"),
    ("fanotify_read", "files to change"),
    ("eventfd_read", "a call by another thread or process"),
    ("fuse_dev_do_read", "requests to the file system that it serves"),
    ("fuse_", "a FUSE file system"),
    ("request_wait_answer", "a FUSE file system"),
    ("nfs4_", "an NFS server"),
    ("nfs_", "an NFS server"),
    ("nfs3_", "an NFS server"),
    ("rpc_", "an NFS server"),
    ("__rpc_", "an NFS server"),
    ("nlmclnt_", "the lock manager of an NFS server"),
    ("cifs_", "an SMB server"),
    ("smb2_", "an SMB server"),
    ("wait_for_response", "an SMB server"),
    ("ceph_", "a Ceph cluster"),
    ("p9_client_rpc", "a 9p server"),
    ("autofs_wait", "an automatic mount"),
    ("folio_wait", "a disk or its file system"),
    ("wait_on_page", "a disk or its file system"),
    ("io_schedule", "a disk or its file system"),
    ("blk_", "a disk"),
    ("submit_bio_wait", "a disk"),
    ("wait_on_buffer", "a disk or its file system"),
    ("__wait_on_buffer", "a disk or its file system"),
    ("jbd2_", "the journal of a file system"),
    ("xlog_", "the journal of a file system"),
    ("xfs_", "an XFS file system"),
    ("ext4_", "an ext4 file system"),
    ("btrfs_", "a btrfs file system"),
    ("rwsem_down", "a lock within the kernel"),
    ("down_", "a lock within the kernel"),
    ("__mutex_lock", "a lock within the kernel"),
];

/// `12 MB`.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "kB", "MB", "GB", "TB"];
    let mut unit = 0;
    let mut value = bytes as f64;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} {}", phrase::plural(bytes as usize, "byte", "bytes")),
        _ if value < 9.95 => format!("{value:.1} {}", UNITS[unit]),
        _ => format!("{value:.0} {}", UNITS[unit]),
    }
}

#[cfg(test)]
mod tests;
