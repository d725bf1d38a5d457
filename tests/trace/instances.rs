//! What is left of a trace: nothing, however it ends.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use locktop::Inspector;
use rustix::process::Signal;

use crate::support::{Need, all_met, send, tracefs, wait_until};

/// The instances of a process.
pub(crate) fn instances(pid: u32) -> Vec<String> {
    let folder = std::fs::read_dir(tracefs().unwrap().join("instances")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(&format!("locktop-{pid}-"))).collect()
}

/// Not a test: another process, which traces until its input ends.
#[test]
fn tracer() {
    let Ok(end) = std::env::var("LOCKTOP_TEST_TRACER") else { return };
    let mut inspector = Inspector::new().unwrap();
    assert!(inspector.trace().is_on());
    std::io::stdout().write_all(b"\ntraces\n").unwrap();
    std::io::stdin().read_line(&mut String::new()).unwrap();
    assert_ne!(end, "panics");
}

/// Another process that traces.
fn another(end: &str) -> Child {
    let mut tracer = Command::new(std::env::current_exe().unwrap())
        .args(["instances::tracer", "--exact", "--nocapture"])
        .env("LOCKTOP_TEST_TRACER", end)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(tracer.stdout.as_mut().unwrap()).lines();
    assert!(said.any(|line| line.unwrap() == "traces"));
    tracer
}

#[test]
fn it_is_removed_when_it_ends() {
    if !all_met(&[Need::Tracing]) {
        return;
    }
    for end in ["returns", "panics"] {
        let mut tracer = another(end);
        assert_eq!(instances(tracer.id()).len(), 1);
        drop(tracer.stdin.take());
        assert_eq!(tracer.wait().unwrap().success(), end == "returns");
        assert_eq!(instances(tracer.id()), [""; 0], "{end}");
    }
}

#[test]
fn what_a_killed_one_left_is_removed_by_the_next_and_nothing_else() {
    if !all_met(&[Need::Tracing]) {
        return;
    }
    let (mut killed, mut alive) = (another("is killed"), another("returns"));
    send(Signal::KILL, killed.id() as i32);
    killed.wait().unwrap();
    let others = tracefs().unwrap().join(format!("instances/others-{}", std::process::id()));
    std::fs::create_dir(&others).unwrap();
    // Whoever has its number by now is another.
    let reused = format!("instances/locktop-{}-1", std::process::id());
    let reused = tracefs().unwrap().join(reused);
    std::fs::create_dir(&reused).unwrap();
    let mut inspector = Inspector::new().unwrap();
    let state = inspector.trace();
    let (is_there, is_left) = (others.exists(), reused.exists());
    std::fs::remove_dir(others).unwrap();
    assert!(state.is_on() && is_there && !is_left);
    // Another test's inspector can have it in its hand.
    wait_until("it is removed", || instances(killed.id()).is_empty().then_some(()));
    assert_eq!(instances(alive.id()).len(), 1);
    drop(alive.stdin.take());
    assert!(alive.wait().unwrap().success());
}

#[test]
fn several_trace_at_the_same_time() {
    if !all_met(&[Need::Tracing]) {
        return;
    }
    let mut all = [Inspector::new().unwrap(), Inspector::new().unwrap(), Inspector::new().unwrap()];
    for inspector in &mut all {
        assert!(inspector.trace().is_on());
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
    for inspector in &mut all {
        wait_until("each is told", || {
            inspector.look().unwrap();
            let events = inspector.take_traced().events;
            let ours = |path: &locktop::model::PathBytes| path.as_path() == file.path();
            events.iter().any(|event| event.path.as_ref().is_some_and(ours)).then_some(())
        });
    }
}

#[test]
fn who_hangs_at_the_end_traces_no_longer() {
    if !all_met(&[Need::Tracing]) {
        return;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_locktop"))
        .args(["watch", "--trace", "--json"])
        .arg(file.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(program.stderr.take().unwrap()).lines();
    assert!(said.map_while(Result::ok).any(|line| line.contains("they are traced")));
    // Nobody reads what it says: it hangs as soon as the pipe is full.
    let pid = program.id();
    wait_until("it hangs", || {
        for _ in 0..100 {
            rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
            rustix::fs::flock(&file, rustix::fs::FlockOperation::Unlock).unwrap();
        }
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let mut places =
            tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("wchan")));
        places.any(|place| place.is_ok_and(|place| place.ends_with("pipe_write"))).then_some(())
    });
    let on = tracefs().unwrap().join(format!("instances/{}/tracing_on", instances(pid)[0]));
    assert_eq!(std::fs::read_to_string(&on).unwrap().trim(), "1");
    send(Signal::INT, pid as i32);
    program.wait().unwrap();
    let is_silent = std::fs::read_to_string(&on).map_or(true, |text| text.trim() == "0");
    // What it could not remove the next one does.
    drop(Inspector::new().unwrap().trace());
    wait_until("it is removed", || instances(pid).is_empty().then_some(()));
    assert!(is_silent);
}
