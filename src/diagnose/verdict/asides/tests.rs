use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::diagnose::sketch::{NOW, Sketch, flock};
use crate::model::{
    Detail, Mode, Mounted, Peer, Process, Progress, State, Verdict, Wait, Wake, What,
};

/// The verdict on the lock at `/a`, and why.
fn judged(sketch: Sketch) -> (Verdict, String) {
    let snapshot = sketch.judged();
    let lock = snapshot.locks.into_iter().find(|lock| lock.label() == "/a").unwrap();
    (lock.verdict, lock.why.as_ref().unwrap().to_string())
}

fn why(sketch: Sketch) -> String {
    judged(sketch).1
}

fn started(ago: i64) -> impl FnOnce(&mut Process) {
    move |process| {
        process.started_at = Timestamp::UNIX_EPOCH.checked_sub(SignedDuration::from_secs(ago)).ok();
    }
}

/// Readers 1 and 2, and 3, who has waited for a minute to have it alone.
fn readers() -> Sketch {
    let lock = flock("/a").read_by(&[1]).read_by(&[2]).wanted_by(3);
    Sketch::new().lock(lock).process(1, started(100)).process(2, started(70))
}

#[test]
fn a_writer_starves_when_readers_come_after_him() {
    assert!(!why(readers()).contains("starves"));
    let younger = readers().process(2, started(20));
    let told = "p3 (pid 3) has waited for at least 1m00s to have it alone, and 1 reader has taken \
                it since: readers pass a writer who waits, so it starves if they keep coming";
    let (verdict, why) = judged(younger);
    assert_eq!(verdict, Verdict::Contended);
    assert!(why.ends_with(told), "{why}");
}

#[test]
fn readers_that_were_seen_to_come_count_too() {
    let lock = flock("/a").read_by(&[1]).wanted_by(3).request(|request| request.passed_by = 7);
    assert!(why(Sketch::new().lock(lock.clone())).contains("and 7 readers have taken it since"));
    let reader = lock.request(|request| request.mode = Mode::Shared);
    assert!(!why(Sketch::new().lock(reader)).contains("starves"));
    let heir = flock("/a").read_by(&[1]).grant(|grant| grant.recorded_pid = Some(9)).wanted_by(3);
    let heir = Sketch::new().lock(heir).process(1, started(20));
    assert!(!why(heir).contains("starves"), "whoever inherited it did not take it");
}

#[test]
fn a_holder_in_another_container_than_who_waits_is_told() {
    let lock = || Sketch::new().lock(flock("/a").held_by(&[1]).wanted_by(2));
    let in_container = |name: &str| {
        let name = name.to_owned();
        move |process: &mut Process| process.container = Some(name)
    };
    let told = |sketch| why(sketch).split("; ").nth(2).map(str::to_owned);
    assert_eq!(told(lock()), None);
    let held = lock().process(1, in_container("3f9c"));
    assert_eq!(
        told(held).unwrap(),
        "p1 (pid 1) runs in the container 3f9c, and p2 (pid 2), which waits, does not"
    );
    let both = lock().process(1, in_container("3f9c")).process(2, in_container("77aa"));
    assert!(told(both).unwrap().ends_with("waits, in the container 77aa"));
    let same = lock().process(1, in_container("3f9c")).process(2, in_container("3f9c"));
    assert_eq!(told(same), None);
    let unnamed = lock().process(1, |process| process.inner_pid = Some(7));
    assert_eq!(
        told(unnamed).unwrap(),
        "p1 (pid 1) runs in a pid namespace of its own, as pid 7 there, and p2 (pid 2), which \
         waits, does not"
    );
}

#[test]
fn what_cannot_be_known_on_other_machines_file_systems_is_said() {
    let told = |reach: Option<&str>| {
        let lock = flock("/a").held_by(&[1]).with(|lock| {
            lock.details.insert("remote", true.into());
            lock.details.insert("filesystem", Detail::Text("nfs4".into()));
            lock.details.insert("source", Detail::Text("nas:/srv\x1b".into()));
            let reach = reach.map_or(Detail::Unknown, |reach| Detail::Text(reach.into()));
            lock.details.insert("locks_reach", reach);
        });
        why(Sketch::new().lock(lock))
    };
    let before = r"p1 (pid 1) keeps it through descriptor 9; its file is on nfs4 (nas:/srv\x1b)";
    assert_eq!(
        told(Some("server")),
        format!(
            "{before}: those on other machines who hold it or wait for it cannot be seen from here"
        )
    );
    assert_eq!(
        told(Some("machine")),
        format!(
            "{before}, mounted so that locks stay on this machine: nobody on another one is kept out"
        )
    );
    assert_eq!(
        told(None),
        format!("{before}: whether it keeps out other machines cannot be told from here")
    );
}

/// Somebody waits for process 1, which is such.
fn contended(alter: impl FnOnce(&mut Process)) -> String {
    why(Sketch::new().lock(flock("/a").held_by(&[1]).wanted_by(2)).process(1, alter))
}

#[test]
fn what_the_holder_is_up_to_is_told() {
    let idle = |process: &mut Process| process.ran_at = NOW.checked_sub(Duration::from_secs(725));
    let terminal = |process: &mut Process| {
        let thing = Wake { name: Some("pts/3".into()), ..Wake::of(What::Terminal) };
        process.waits_for =
            Some(vec![Wait { tid: 1, any_of: vec![thing], complete: true, timed: false }]);
    };
    let before = "1 waits; p1 (pid 1) keeps it through descriptor 9 and";
    assert_eq!(
        contended(|process| {
            idle(process);
            terminal(process);
        }),
        format!(
            "{before} has done nothing for more than 12m: it waits for an answer on the terminal \
             pts/3"
        )
    );
    assert_eq!(contended(terminal), format!("{before} waits for an answer on the terminal pts/3"));
    assert_eq!(
        contended(|process| {
            idle(process);
            process.wchan = Some("pipe_read".into());
        }),
        format!(
            "{before} has done nothing for more than 12m: it sleeps in pipe_read, waiting for \
             input through a pipe"
        )
    );
    let work = contended(|process| {
        terminal(process);
        process.progress = Some(Progress {
            over: Duration::from_secs(2),
            cpu: Some(Duration::from_millis(1660)),
            read: Some(0),
            written: Some(12_000_000),
            runs: Some(9),
        });
    });
    assert_eq!(
        work,
        format!("{before} is at work: used 83 % of a CPU and wrote 12 MB in the last 2.0s")
    );
}

#[test]
fn a_chain_that_moves_is_told_to_its_end() {
    let child = |tid, pid| {
        let peer = Peer { pid, command: Some(format!("p{pid}")), state: Some(State::Sleeping) };
        let thing = Wake { by: vec![peer], by_all: true, ..Wake::of(What::Child) };
        Some(vec![Wait { tid, any_of: vec![thing], complete: true, timed: false }])
    };
    let lock = flock("/a").held_by(&[1]).wanted_by(2);
    let chain = |state| {
        let sketch = Sketch::new().lock(lock.clone());
        let sketch = sketch.process(1, |process| process.waits_for = child(1, 4));
        let sketch = sketch.process(4, |process| process.waits_for = child(4, 5));
        judged(sketch.process(5, |process| process.state = Some(state)))
    };
    let (verdict, told) = chain(State::Running);
    assert_eq!(verdict, Verdict::Contended);
    let end = "and waits for the end of its child p4 (pid 4), which waits for the end of its child \
               p5 (pid 5), which is running";
    assert!(told.ends_with(end), "{told}");
    assert_eq!(chain(State::Stopped).0, Verdict::Stuck);
}

#[test]
fn a_debugger_and_a_file_system_are_named() {
    let traced = contended(|process| {
        process.state = Some(State::Traced);
        process.tracer = Some(Peer { pid: 7, command: Some("gdb".into()), state: None });
    });
    assert_eq!(traced, "p1 (pid 1) is stopped by the debugger gdb (pid 7)");
    let asleep = contended(|process| {
        process.state = Some(State::Uninterruptible);
        process.wchan = Some("nfs_wait".into());
        process.ran_at = NOW.checked_sub(Duration::from_secs(12));
        let mounted =
            Mounted { filesystem: "nfs4".into(), source: "nas:/srv".into(), point: "/srv".into() };
        let thing = Wake { mounted: Some(mounted), ..Wake::of(What::FileSystem) };
        process.waits_for =
            Some(vec![Wait { tid: 1, any_of: vec![thing], complete: true, timed: false }]);
    });
    assert_eq!(
        asleep,
        "p1 (pid 1) is in uninterruptible sleep in nfs_wait: it waits for the NFS server of /srv \
         (nas:/srv), and has for 12s"
    );
}
