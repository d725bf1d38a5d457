//! The program that traces.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::instances::instances;
use crate::support::{Need, Scene, send};

/// Looks are rare where the machine is busy.
const SOON: Duration = Duration::from_mins(5);

/// `locktop watch --trace --json`, which hears of what is in a folder.
struct Listener {
    program: Child,
    lines: Receiver<String>,
}

impl Listener {
    /// It is traced by now.
    fn start(scene: &Scene, target: &str) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_locktop"))
            .args(["watch", "--trace", "--json", target])
            .current_dir(scene.folder())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(program.stderr.take().unwrap()).lines();
        assert!(said.any(|line| line.unwrap().contains("they are traced")));
        let (tell, lines) = channel();
        let printed: ChildStdout = program.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(printed).lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        Self { program, lines }
    }

    /// The next event; `None`: it says nothing any more.
    fn hears(&mut self) -> Option<Value> {
        let line = self.lines.recv_timeout(SOON).ok()?;
        Some(serde_json::from_str(&line).unwrap())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

#[test]
fn watch_tells_each_event_once_with_its_instant() {
    let Some(scene) = Scene::with(&[Need::Tracing]) else { return };
    let (holder, waiter) = (scene.actor(), scene.actor());
    holder.does("f = opened('l')");
    // Below a folder, events of files whose names cannot be found out in time are left out: others
    // lock, too.
    let mut listener = Listener::start(&scene, "l");
    holder.does("fcntl.flock(f, EX)");
    waiter.waits("g = flock('l', EX)");
    holder.does("os.close(f)");
    waiter.answer();
    waiter.does("os.close(g)");
    let mut heard: Vec<Value> = Vec::new();
    while heard.iter().filter(|event| event["event"] == "released").count() < 2 {
        let event = listener.hears().unwrap_or_else(|| panic!("no more than {heard:#?}"));
        if event["event"] != "verdict-changed" {
            assert_eq!(event["evidence"], serde_json::json!(["traced"]), "{event:#}");
            assert_eq!(event["at"], event["not_before"]);
            heard.push(event);
        }
    }
    let of = |pid: i32| -> Vec<&str> {
        let its = heard.iter().filter(|event| event["pid"] == pid);
        its.map(|event| event["event"].as_str().unwrap()).collect()
    };
    assert_eq!(of(holder.pid), ["acquired", "released"]);
    assert_eq!(of(waiter.pid), ["queued", "granted", "released"]);
}

#[test]
fn a_signal_leaves_nothing_behind() {
    let Some(scene) = Scene::with(&[Need::Tracing]) else { return };
    for signal in [Signal::TERM, Signal::INT] {
        let mut listener = Listener::start(&scene, ".");
        let pid = listener.program.id();
        assert_eq!(instances(pid).len(), 1);
        send(signal, pid as i32);
        assert_eq!(listener.program.wait().unwrap().signal(), Some(signal.as_raw()));
        assert_eq!(instances(pid), [""; 0]);
    }
}

#[test]
fn who_may_not_trace_is_told_so_and_watches() {
    let Some(scene) = Scene::with(&[Need::Tracing]) else { return };
    let mut program = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(scene.copy_of_binary())
        .args(["watch", "--trace", "."])
        .current_dir(scene.folder())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let words = ["watching ", "traced"];
    let mut said = String::new();
    for line in BufReader::new(program.stderr.take().unwrap()).lines() {
        said.push_str(&line.unwrap());
        if words.iter().all(|word| said.contains(word)) {
            break;
        }
    }
    program.kill().unwrap();
    program.wait().unwrap();
    assert!(said.contains(words[0]), "{said}");
    assert!(said.contains("locks cannot be traced: not permitted to use tracefs"), "{said}");
    assert!(said.contains("run as root"), "{said}");
}
