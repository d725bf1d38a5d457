use std::time::Duration;

use super::*;
use crate::model::Progress;

fn peer(pid: Pid, state: State) -> Peer {
    Peer { pid, command: Some(format!("p{pid}")), state: Some(state) }
}

fn thing(what: What, by: &[Peer]) -> Wake {
    Wake { by: by.to_vec(), by_all: true, ..Wake::of(what) }
}

fn one(thing: Wake) -> Process {
    waiting(1, vec![vec![thing]])
}

fn waiting(threads: u32, waits: Vec<Vec<Wake>>) -> Process {
    let wait = |(tid, any_of)| Wait { tid, any_of, complete: true, timed: false };
    Process {
        pid: Some(1),
        threads: Some(threads),
        waits_for: Some((1..).zip(waits).map(wait).collect()),
        ..Process::default()
    }
}

#[test]
fn every_thing_has_its_words() {
    let sort = || peer(7, State::Sleeping);
    let named = |what, name: &str| Wake { name: Some(name.into()), ..thing(what, &[]) };
    let told = |thing| told(&one(thing)).unwrap();
    let cases = [
        (thing(What::Pipe, &[sort()]), "waits for input through a pipe from p7 (pid 7)"),
        (thing(What::FullPipe, &[sort()]), "waits for room in a full pipe to p7 (pid 7)"),
        (
            thing(What::Pipe, &[]),
            "waits for input through a pipe whose other end nobody else has open",
        ),
        (Wake::of(What::Pipe), "waits for input through a pipe"),
        (
            Wake { name: Some("/x\x1b".into()), ..thing(What::Pipe, &[sort()]) },
            r"waits for input through the pipe /x\x1b from p7 (pid 7)",
        ),
        (
            Wake { name: Some("/run/x".into()), ..thing(What::Socket, &[sort()]) },
            "waits for input over a socket (/run/x) from p7 (pid 7)",
        ),
        (named(What::Socket, "10.0.5.5:3306"), "waits for an answer from 10.0.5.5:3306"),
        (Wake::of(What::Socket), "waits for input over a socket"),
        (
            named(What::FullSocket, "10.0.5.5:3306"),
            "waits for room in a full socket to 10.0.5.5:3306",
        ),
        (named(What::Connection, "/run/x"), "waits for somebody to connect to /run/x"),
        (named(What::Terminal, "pts/3"), "waits for an answer on the terminal pts/3"),
        (thing(What::Child, &[sort()]), "waits for the end of its child p7 (pid 7)"),
        (
            thing(What::Child, &[sort(), peer(8, State::Stopped)]),
            "waits for the end of one of its children, p7 (pid 7) and p8 (pid 8), which is stopped by a signal",
        ),
        (thing(What::Process, &[sort()]), "waits for the end of p7 (pid 7)"),
        (thing(What::Vfork, &[sort()]), "waits for the start of a program by its child p7 (pid 7)"),
        (Wake::of(What::Vfork), "waits for the start of a program by a child"),
        (thing(What::Thread, &[]), "waits for another thread (futex), and has none"),
        (Wake::of(What::Thread), "waits for another thread, which can be another process's"),
        (named(What::Timer, "30s"), "waits for a timer of 30s"),
        (named(What::File, "/dev/kmsg"), "waits for /dev/kmsg"),
        (
            thing(What::Pipe, &[peer(7, State::Stopped)]),
            "waits for input through a pipe from p7 (pid 7), which is stopped by a signal",
        ),
    ];
    for (thing, words) in cases {
        assert_eq!(told(thing), words);
    }
}

#[test]
fn file_systems_are_told_by_their_servers() {
    let told = |filesystem: &str, source: &str| {
        let mounted = Mounted {
            filesystem: filesystem.into(),
            source: source.into(),
            point: "/mnt/x".into(),
        };
        super::thing(&Wake { mounted: Some(mounted), ..thing(What::FileSystem, &[]) })
    };
    assert_eq!(told("nfs4", "nas:/srv"), "the NFS server of /mnt/x (nas:/srv)");
    assert_eq!(told("cifs", "//nas/srv"), "the SMB server of /mnt/x (//nas/srv)");
    assert_eq!(told("fuse.sshfs", "nas:"), "the FUSE file system at /mnt/x (fuse.sshfs, nas:)");
    assert_eq!(told("ext4", "/dev/vda"), "the ext4 file system at /mnt/x (/dev/vda)");
    let mounted = Mounted { filesystem: "fuse".into(), source: "s".into(), point: "/m".into() };
    let served =
        Wake { mounted: Some(mounted), ..thing(What::FileSystem, &[peer(7, State::Stopped)]) };
    assert_eq!(
        told_of(served),
        "waits for the FUSE file system at /m (fuse, s), served by p7 (pid 7), which is stopped \
         by a signal"
    );
}

fn told_of(thing: Wake) -> String {
    told(&one(thing)).unwrap()
}

#[test]
fn several_things_and_threads_are_told_in_one_sentence() {
    let pipe = || thing(What::Pipe, &[peer(7, State::Sleeping)]);
    let any = waiting(1, vec![vec![pipe(), Wake::of(What::Signal)]]);
    assert_eq!(
        told(&any).unwrap(),
        "waits for input through a pipe from p7 (pid 7); or for a signal"
    );
    let other = || vec![thing(What::Thread, &[])];
    let threads = waiting(4, vec![vec![pipe()], other(), other()]);
    assert_eq!(
        told(&threads).unwrap(),
        "has 4 threads, of which 1 waits for input through a pipe from p7 (pid 7) and 2 wait for \
         each other"
    );
    assert_eq!(told(&waiting(1, vec![])), None);
    assert_eq!(told(&Process::default()), None);
}

#[test]
fn work_is_told_in_numbers_and_idleness_by_what_stays_true() {
    let progress = |cpu: u64, written, runs| Progress {
        over: Duration::from_secs(2),
        cpu: Some(Duration::from_millis(cpu)),
        read: Some(0),
        written,
        runs: Some(runs),
    };
    let told = |cpu, written, runs| at_work(&progress(cpu, written, runs));
    assert_eq!(
        told(1660, Some(12_000_000), 9).unwrap(),
        "is at work: used 83 % of a CPU and wrote 12 MB in the last 2.0s"
    );
    assert_eq!(told(7000, Some(0), 9).unwrap(), "is at work: used 3.5 CPUs in the last 2.0s");
    assert_eq!(told(1, Some(1), 9).unwrap(), "is at work: wrote 1 byte in the last 2.0s");
    assert_eq!(told(1, None, 9).unwrap(), "is at work: ran 9 times in the last 2.0s");
    // It only woke up, and did nothing.
    assert_eq!(told(1, Some(0), 9), None);
    assert_eq!(told(0, Some(0), 0), None);

    let at = Moment { wall: jiff::Timestamp::UNIX_EPOCH, uptime: Duration::from_secs(4000) };
    let idle = |seconds| {
        let ran_at = Some(at.uptime.checked_sub(Duration::from_secs(seconds)).unwrap());
        idle(&Process { ran_at, ..Process::default() }, at)
    };
    assert_eq!(idle(0), None);
    assert_eq!(idle(9).unwrap(), "has done nothing for more than 9s");
    assert_eq!(idle(779).unwrap(), "has done nothing for more than 12m");
    assert_eq!(idle(3660).unwrap(), "has done nothing for more than 1h01m");
}

#[test]
fn sizes_are_short() {
    let sizes = [1, 999, 1000, 9_940, 12_400_000, 3_200_000_000].map(size);
    assert_eq!(sizes, ["1 byte", "999 bytes", "1.0 kB", "9.9 kB", "12 MB", "3.2 GB"]);
}

#[test]
fn kernel_functions_are_known_by_how_their_names_begin() {
    assert_eq!(place("anon_pipe_read"), Some("input through a pipe"));
    assert_eq!(place("nfs_wait_bit_killable"), Some("an NFS server"));
    assert_eq!(place("rpc_wait_bit_killable"), Some("an NFS server"));
    assert_eq!(place("request_wait_answer"), Some("a FUSE file system"));
    assert_eq!(place("fuse_dev_do_read"), Some("requests to the file system that it serves"));
    assert_eq!(place("folio_wait_bit_common"), Some("a disk or its file system"));
    assert_eq!(place("do_select"), None);
    // The first that fits counts: none may hide one behind it.
    for (number, (start, _)) in PLACES.iter().enumerate() {
        let hides = |(earlier, _): &(&str, &str)| start.starts_with(earlier);
        assert!(!PLACES[..number].iter().any(hides), "{start} can never be found");
    }
}
