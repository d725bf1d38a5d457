use crate::diagnose::sketch::{Sketch, flock};
use crate::model::{Peer, Pid, Process, State, Verdict, Wait, Wake, What};

/// A wait for something that these can bring about, and nobody else.
fn wait(tid: Pid, what: What, by: &[Pid]) -> Wait {
    let peer = |&pid| Peer { pid, command: Some(format!("p{pid}")), state: None };
    let by = by.iter().map(peer).collect();
    let thing = Wake { by, by_all: true, ..Wake::of(what) };
    Wait { tid, any_of: vec![thing], complete: true, timed: false }
}

fn waits(process: &mut Process, waits: Vec<Wait>) {
    process.threads = Some(waits.len() as u32);
    process.waits_for = Some(waits);
}

fn stopped(process: &mut Process) {
    process.state = Some(State::Stopped);
}

/// A lock of process 1, which waits so, with somebody behind it; process 9 is stopped.
fn held(alter: impl FnOnce(&mut Process)) -> Sketch {
    Sketch::new()
        .lock(flock("/a").held_by(&[1]).wanted_by(2))
        .process(1, alter)
        .process(8, |_| {})
        .process(9, stopped)
}

fn verdict(sketch: Sketch) -> (Verdict, String) {
    let snapshot = sketch.judged();
    let lock = snapshot.locks.iter().find(|lock| lock.label() == "/a").unwrap();
    (lock.verdict, lock.why.as_ref().unwrap().to_string())
}

fn is_stuck(alter: impl FnOnce(&mut Process)) -> bool {
    verdict(held(alter)).0 == Verdict::Stuck
}

#[test]
fn whoever_waits_for_the_stopped_alone_is_stuck() {
    for what in [What::Pipe, What::FullPipe, What::Socket, What::FullSocket, What::Child] {
        assert!(is_stuck(|of| waits(of, vec![wait(1, what, &[9])])), "{what:?}");
        assert!(!is_stuck(|of| waits(of, vec![wait(1, what, &[8, 9])])), "{what:?}");
    }
    assert!(is_stuck(|of| waits(of, vec![wait(1, What::FileSystem, &[9])])));
    assert!(is_stuck(|of| waits(of, vec![wait(1, What::Process, &[9])])));
    let (_, why) = verdict(held(|of| waits(of, vec![wait(1, What::Pipe, &[9])])));
    assert_eq!(
        why,
        "p1 (pid 1) waits for input through a pipe from p9 (pid 9), which is stopped by a signal"
    );
}

#[test]
fn what_cannot_be_proven_is_not_stuck() {
    for what in [What::Terminal, What::Signal, What::Timer, What::Thread, What::Call, What::Lock] {
        assert!(!is_stuck(|of| waits(of, vec![wait(1, what, &[9])])), "{what:?}");
    }
    // Nobody was seen, which is not nobody.
    assert!(!is_stuck(|of| waits(of, vec![wait(1, What::Socket, &[])])));
    assert!(!is_stuck(|of| waits(of, vec![wait(1, What::FileSystem, &[])])));
    let timed = Wait { timed: true, ..wait(1, What::Pipe, &[9]) };
    assert!(!is_stuck(|of| waits(of, vec![timed])));
    let cut = Wait { complete: false, ..wait(1, What::Pipe, &[9]) };
    assert!(!is_stuck(|of| waits(of, vec![cut])));
    let mut either = wait(1, What::Pipe, &[9]);
    either.any_of.push(Wake::of(What::Signal));
    assert!(!is_stuck(|of| waits(of, vec![either])));
    // A thread of which nothing is known may run.
    assert!(!is_stuck(|of| {
        waits(of, vec![wait(1, What::Pipe, &[9])]);
        of.threads = Some(2);
    }));
}

#[test]
fn a_pipe_that_nobody_can_fill_never_is() {
    let (verdict, why) = verdict(held(|of| waits(of, vec![wait(1, What::Pipe, &[])])));
    assert_eq!(verdict, Verdict::Stuck);
    assert_eq!(
        why,
        "p1 (pid 1) waits for input through a pipe whose other end nobody else has open"
    );
    let mut unread = wait(1, What::Pipe, &[]);
    unread.any_of[0].by_all = false;
    assert!(!is_stuck(|of| waits(of, vec![unread])));
}

#[test]
fn that_not_everybody_could_be_asked_is_said() {
    let mut unread = wait(1, What::Pipe, &[9]);
    unread.any_of[0].by_all = false;
    let (verdict, why) = verdict(held(|of| waits(of, vec![unread])));
    assert_eq!(verdict, Verdict::Stuck);
    assert!(why.ends_with("could have that end open, too"), "{why}");
}

#[test]
fn threads_that_wait_for_each_other_go_with_the_one_that_waits_for_more() {
    let other = |tid| wait(tid, What::Thread, &[]);
    assert!(is_stuck(|of| waits(of, vec![wait(1, What::Pipe, &[9]), other(2), other(3)])));
    assert!(!is_stuck(|of| waits(of, vec![wait(1, What::Pipe, &[8]), other(2)])));
    // What else wakes them cannot be seen.
    assert!(!is_stuck(|of| waits(of, vec![other(1), other(2)])));
    let shared = |tid| {
        let mut wait = other(tid);
        wait.any_of[0].by_all = false;
        wait
    };
    assert!(!is_stuck(|of| waits(of, vec![wait(1, What::Pipe, &[9]), shared(2)])));
}

#[test]
fn a_chain_of_waits_and_locks_ends_at_its_root() {
    // 1 waits for the lock of 4, who reads from 5, who waits for the child 9.
    let sketch = held(|_| {})
        .lock(flock("/b").held_by(&[4]).wanted_by(1))
        .process(4, |of| waits(of, vec![wait(4, What::Pipe, &[5])]))
        .process(5, |of| waits(of, vec![wait(5, What::Child, &[9])]));
    let (verdict, why) = verdict(sketch);
    assert_eq!(verdict, Verdict::Stuck);
    assert_eq!(
        why,
        "p1 (pid 1) itself waits for /b, held by p4 (pid 4), which waits in turn for p9 (pid 9), \
         which is stopped by a signal"
    );
}

#[test]
fn who_waits_for_each_other_through_pipes_is_not_proven_to_be_stuck() {
    let sketch = held(|of| waits(of, vec![wait(1, What::Pipe, &[8])]))
        .process(8, |of| waits(of, vec![wait(8, What::Pipe, &[1])]));
    let (verdict, why) = verdict(sketch);
    assert_eq!(verdict, Verdict::Contended);
    assert!(why.contains("from p8 (pid 8), which waits for input through a pipe from p1"), "{why}");
}
