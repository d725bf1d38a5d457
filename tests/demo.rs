//! `locktop demo`: what it plays, and that nothing of it stays, whatever ends it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// The janitor and the actors, when the scene is set.
const COMPANY: usize = 1 + 16;

/// A folder for temporary files of its own: whoever has it in the environment belongs to this demo.
struct Playground {
    temporary: TempDir,
}

impl Playground {
    fn new() -> Self {
        Self { temporary: tempfile::Builder::new().prefix("demo-test-").tempdir().unwrap() }
    }

    fn demo(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_locktop"));
        command.arg("demo").env("TMPDIR", self.temporary.path()).stdin(Stdio::null());
        command
    }

    /// A demo that cannot end by itself: nobody reads what it prints, and there is no room for it.
    fn held_demo(&self) -> (Child, PipeReader) {
        let (reader, writer) = io::pipe().unwrap();
        fill(&writer);
        let demo = self.demo().stdout(writer).stderr(Stdio::null()).spawn().unwrap();
        (demo, reader)
    }

    /// The janitor and the actors, by their arguments.
    fn company(&self) -> BTreeMap<i32, String> {
        let mark = [b"TMPDIR=", self.temporary.path().as_os_str().as_encoded_bytes()].concat();
        let belongs = |process: &Path| {
            fs::read(process.join("environ"))
                .is_ok_and(|environment| environment.split(|byte| *byte == 0).any(|it| it == mark))
        };
        fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| {
                let process = entry.ok()?.path();
                let pid = process.file_name()?.to_str()?.parse().ok()?;
                let arguments = fs::read_to_string(process.join("cmdline")).ok()?;
                (arguments.contains("\0demo-") && belongs(&process)).then_some((pid, arguments))
            })
            .collect()
    }

    fn janitor(&self) -> i32 {
        let company = self.company();
        let is_janitor = |arguments: &String| arguments.contains("\0demo-janitor\0");
        company.into_iter().find(|(_, arguments)| is_janitor(arguments)).unwrap().0
    }

    fn folders(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.temporary.path()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    fn wait_for_company(&self, size: usize) {
        wait_until(|| self.company().len() >= size, || format!("{size}: {:?}", self.company()));
    }

    fn wait_for_silence(&self) {
        wait_until(|| self.company().is_empty(), || format!("the end of {:?}", self.company()));
    }

    fn wait_for_nothing(&self) {
        self.wait_for_silence();
        wait_until(|| self.folders().is_empty(), || format!("the end of {:?}", self.folders()));
    }
}

/// Whether the tests run in a service or container: then it is in charge of what is left behind.
fn in_charge_of_us() -> bool {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap();
    ["service", "docker", "containerd", "libpod", "kubepods", "lxc"]
        .iter()
        .any(|word| groups.contains(word))
}

/// Leaves no room in a pipe.
fn fill(mut pipe: &PipeWriter) {
    rustix::fs::fcntl_setfl(pipe, OFlags::NONBLOCK).unwrap();
    while pipe.write(&[b'\n'; 4096]).is_ok() {}
    rustix::fs::fcntl_setfl(pipe, OFlags::empty()).unwrap();
}

fn wait_until(condition: impl Fn() -> bool, wanted: impl Fn() -> String) {
    let until = Instant::now() + Duration::from_mins(1);
    while !condition() {
        assert!(Instant::now() < until, "waited in vain for {}", wanted());
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn send(signal: Signal, pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

fn end(demo: &mut Child, signal: Signal) {
    send(signal, demo.id().cast_signed());
    demo.wait().unwrap();
}

#[test]
fn every_act_is_shown_and_nothing_stays() {
    let playground = Playground::new();
    let output = playground.demo().output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    for (file, word) in [
        ("/orphan.lock", if in_charge_of_us() { "contended" } else { "orphaned" }),
        ("/stopped.lock", "stuck"),
        ("/deadlock-a.lock", "deadlock"),
        ("/deadlock-b.lock", "deadlock"),
        ("/split.lock", "split"),
        ("/queue.lock", "contended"),
        ("/queue.lock", "5"),
    ] {
        let tells = |line: &str| line.contains(file) && line.split(' ').any(|it| it == word);
        assert!(shown.lines().any(tells), "no {word} {file} in:\n{shown}\n{said}");
    }
    assert!(shown.contains("/contention.lock"), "{shown}");
    assert_eq!(playground.company(), BTreeMap::new());
    assert_eq!(playground.folders(), Vec::<PathBuf>::new());
}

#[test]
fn nothing_stays_after_a_signal() {
    for signal in [Signal::TERM, Signal::KILL] {
        let playground = Playground::new();
        let (mut demo, _unread) = playground.held_demo();
        playground.wait_for_company(COMPANY);
        end(&mut demo, signal);
        playground.wait_for_nothing();
    }
}

#[test]
fn nothing_stays_when_killed_while_the_scene_is_set() {
    for size in [1, 2, 6, 11] {
        let playground = Playground::new();
        let (mut demo, _unread) = playground.held_demo();
        playground.wait_for_company(size);
        end(&mut demo, Signal::KILL);
        playground.wait_for_nothing();
    }
}

#[test]
fn actors_die_with_the_janitor_and_the_demo_removes_the_folder() {
    let playground = Playground::new();
    let (mut demo, mut unread) = playground.held_demo();
    playground.wait_for_company(COMPANY);
    send(Signal::KILL, playground.janitor());
    playground.wait_for_silence();
    unread.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(demo.wait().unwrap().code(), Some(5));
    assert_eq!(playground.folders(), Vec::<PathBuf>::new());
}

#[test]
fn no_process_outlives_both_demo_and_janitor() {
    let playground = Playground::new();
    let (mut demo, _unread) = playground.held_demo();
    playground.wait_for_company(COMPANY);
    let janitor = playground.janitor();
    // While it is stopped it cannot notice that the demo ends.
    send(Signal::STOP, janitor);
    end(&mut demo, Signal::KILL);
    send(Signal::KILL, janitor);
    playground.wait_for_silence();
}

#[test]
fn nobody_else_may_enter_the_folder() {
    let playground = Playground::new();
    let (mut demo, _unread) = playground.held_demo();
    playground.wait_for_company(COMPANY);
    let mode = fs::metadata(&playground.folders()[0]).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    end(&mut demo, Signal::TERM);
    playground.wait_for_nothing();
}

#[test]
fn without_a_folder_for_temporary_files_it_says_so() {
    let playground = Playground::new();
    let missing = playground.temporary.path().join("missing");
    let output = playground.demo().env("TMPDIR", &missing).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains(missing.to_str().unwrap()), "{said}");
    assert_eq!(output.stdout, b"");
}

#[test]
fn where_it_may_not_write_it_says_so() {
    let playground = Playground::new();
    let folder = playground.temporary.path();
    let program = folder.join("locktop");
    fs::copy(env!("CARGO_BIN_EXE_locktop"), &program).unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o555)).unwrap();
    let mut demo = Command::new(program);
    demo.arg("demo").env("TMPDIR", folder).stdin(Stdio::null());
    if rustix::process::geteuid().is_root() {
        // Root may write everywhere, nobody may not.
        demo.uid(65534).gid(65534);
    }
    let output = demo.output().unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("Permission denied"), "{said}");
}
