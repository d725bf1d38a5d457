//! `locktop run` beside the real flock(1): the same command lines, the same locks, the same answers;
//! every row of the README's table.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use support::{Need, all_met};
use tempfile::TempDir;

const README: &str = include_str!("../README.md");

/// Who takes a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Flock,
    Locktop,
}

use Tool::{Flock, Locktop};

const BOTH: [Tool; 2] = [Flock, Locktop];

impl Tool {
    /// To be run in that folder; whoever hangs is ended.
    fn command(self, folder: &Path) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=1", "300"]).current_dir(folder).stdin(Stdio::null());
        match self {
            Flock => command.arg("flock"),
            Locktop => command.args([env!("CARGO_BIN_EXE_locktop"), "run"]),
        };
        command
    }
}

/// How somebody else has the lock meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Not,
    Shared,
    Alone,
}

use Held::{Alone, Not, Shared};

/// A command line, such as both tools take it, on the file `lock`.
struct Case {
    /// The row of the README's table, by its first words in code.
    row: &'static str,
    line: &'static [&'static str],
    held: Held,
    status: i32,
}

const fn case(row: &'static str, line: &'static [&'static str], held: Held, status: i32) -> Case {
    Case { row, line, held, status }
}

/// Tells who is excluded while a command runs.
const PROBE: &str = "flock -n lock true; echo $?; flock -sn lock true; echo $?";

const CASES: &[Case] = &[
    case("FILE COMMAND…", &["lock", "echo", "-n", "-s", "x"], Not, 0),
    case("FILE COMMAND…", &["lock", "sh", "-c", "exit 42"], Not, 42),
    case("FILE COMMAND…", &["lock", "sh", "-c", "kill -9 $$"], Not, 137),
    case("FILE COMMAND…", &["lock", "sh", "-c", "kill -TERM $$"], Not, 143),
    case("FILE COMMAND…", &["lock", "sh", "-c", PROBE], Not, 0),
    case("FILE COMMAND…", &["folder", "sh", "-c", "flock -n folder true"], Not, 1),
    case("FILE COMMAND…", &["lock", "./script", "a b"], Not, 3),
    case("FILE -c LINE", &["lock", "-c", "echo $0; echo a  b"], Not, 0),
    case("FILE -c LINE", &["lock", "--command", PROBE], Not, 0),
    case("FILE -c LINE", &["-n", "lock", "-c", "echo in"], Alone, 1),
    case("-s", &["-s", "lock", "sh", "-c", PROBE], Not, 0),
    case("-s", &["-s", "-n", "lock", "echo", "in"], Shared, 0),
    case("-s", &["-sn", "lock", "echo", "in"], Alone, 1),
    case("-s", &["--shared", "-n", "lock", "echo", "in"], Shared, 0),
    case("-x", &["-x", "lock", "sh", "-c", PROBE], Not, 0),
    case("-x", &["-xn", "lock", "echo", "in"], Shared, 1),
    case("-x", &["-en", "lock", "echo", "in"], Shared, 1),
    case("-x", &["--exclusive", "-n", "lock", "echo", "in"], Shared, 1),
    case("-x", &["-s", "-x", "-n", "lock", "echo", "in"], Shared, 1),
    case("-x", &["-x", "-s", "-n", "lock", "echo", "in"], Shared, 0),
    case("-n", &["-n", "lock", "echo", "in"], Not, 0),
    case("-n", &["-n", "lock", "echo", "in"], Alone, 1),
    case("-n", &["-n", "-n", "lock", "echo", "in"], Alone, 1),
    case("-n", &["--nb", "lock", "echo", "in"], Alone, 1),
    case("-n", &["--nonblock", "lock", "echo", "in"], Alone, 1),
    case("-n", &["--nonblocking", "lock", "echo", "in"], Alone, 1),
    case("-n", &["--nonb", "lock", "echo", "in"], Alone, 1),
    case("-n", &["-n", "folder", "echo", "in"], Not, 0),
    case("-w SECONDS", &["-w", "20", "lock", "echo", "in"], Not, 0),
    case("-w SECONDS", &["-w", ".507", "lock", "echo", "in"], Alone, 1),
    // Half a second: flock(1) never ends if its time is up before it waits.
    case("-w SECONDS", &["-w0.5", "lock", "echo", "in"], Alone, 1),
    case("-w SECONDS", &["-w", "0", "lock", "echo", "in"], Alone, 1),
    case("-w SECONDS", &["--wait", "0.5", "lock", "echo", "in"], Alone, 1),
    case("-w SECONDS", &["--timeout=.5", "lock", "echo", "in"], Alone, 1),
    case("-w SECONDS", &["-n", "-w", "20", "lock", "echo", "in"], Alone, 1),
    case("-E N", &["-n", "-E", "7", "lock", "echo", "in"], Alone, 7),
    case("-E N", &["-n", "-E", "0", "lock", "echo", "in"], Alone, 0),
    case("-E N", &["-w.5", "--conflict-exit-code", "255", "lock", "echo", "in"], Alone, 255),
    case("-E N", &["-E", "7", "lock", "sh", "-c", "exit 3"], Not, 3),
    case("-o", &["-o", "lock", "sh", "-c", "ls -l /proc/$$/fd | grep -c lock"], Not, 1),
    case("-o", &["--close", "lock", "sh", "-c", PROBE], Not, 0),
    case("-o", &["lock", "sh", "-c", "ls -l /proc/$$/fd | grep -c lock"], Not, 0),
    case("-F", &["-F", "lock", "sh", "-c", "echo $0; exit 9"], Not, 9),
    case("-F", &["--no-fork", "lock", "sh", "-c", PROBE], Not, 0),
    case("-F", &["-F", "lock", "./script", "a b"], Not, 3),
    case("--", &["-n", "--", "lock", "echo", "-n"], Not, 0),
    case("--", &["--", "lock", "-c", "echo in"], Not, 0),
];

/// Rows that tell of a difference, each with a test of its own below.
const DIFFERENCES: [&str; 8] = ["--verbose", "--keep", "69", "64", "66", "-u", "NUMBER", "--fcntl"];

/// A folder with what the cases need.
fn scene() -> TempDir {
    let scene = tempfile::tempdir().unwrap();
    fs::create_dir(scene.path().join("folder")).unwrap();
    // It names no interpreter, which only shells and execvp(3) can live with. Copied by another
    // process, so that nobody has it open for writing.
    let script = "printf 'echo \"$#\" \"$1\"; exit 3\\n' > script; chmod +x script";
    let status = Command::new("sh").args(["-c", script]).current_dir(&scene).status().unwrap();
    assert!(status.success());
    scene
}

/// Somebody who has the lock until this is dropped.
struct Holder(Option<Child>);

impl Holder {
    fn take(tool: Tool, held: Held, folder: &Path) -> Self {
        let letter = match held {
            Not => return Self(None),
            Shared => "-s",
            Alone => "-x",
        };
        let mut child = tool
            .command(folder)
            .args([letter, "lock", "sh", "-c", "echo; read line"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "\n");
        Self(Some(child))
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }
}

fn answer(tool: Tool, case: &Case, holder: Tool) -> (Option<i32>, String, Vec<String>) {
    let scene = scene();
    let _holder = Holder::take(holder, case.held, scene.path());
    let output = tool.command(scene.path()).args(case.line).output().unwrap();
    let mut files: Vec<_> = fs::read_dir(&scene)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode();
            format!("{:o} {}", mode, entry.file_name().display())
        })
        .collect();
    files.sort();
    (output.status.code(), String::from_utf8(output.stdout).unwrap(), files)
}

#[test]
fn the_answers_are_those_of_flock() {
    if !all_met(&[Need::Program("flock")]) {
        return;
    }
    for case in CASES {
        let holders = if case.held == Not { &BOTH[..1] } else { &BOTH };
        for holder in holders {
            let theirs = answer(Flock, case, *holder);
            let ours = answer(Locktop, case, *holder);
            assert_eq!(theirs.0, Some(case.status), "flock {:?}: {theirs:?}", case.line);
            assert_eq!(ours, theirs, "{:?}, held by {holder:?}", case.line);
        }
    }
}

#[test]
fn every_row_of_the_readme_is_tested() {
    let (_, chapter) = README.split_once("### In place of flock(1)").unwrap();
    let (chapter, _) = chapter.split_once("\n## ").unwrap();
    let rows: BTreeSet<_> = chapter
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| flock(1)"))
        .map(key)
        .collect();
    let tested: BTreeSet<_> = CASES.iter().map(|case| case.row).chain(DIFFERENCES).collect();
    assert_eq!(rows, tested);
}

/// The first code of a row of the table; the status where there is none.
fn key(row: &str) -> &str {
    if let Some((_, status)) = row.split_once("| status ") {
        return status.split(':').next().unwrap();
    }
    row.split('`').nth(1).unwrap()
}

#[test]
fn they_exclude_each_other() {
    if !all_met(&[Need::Program("flock")]) {
        return;
    }
    for (holder, other) in [(Flock, Locktop), (Locktop, Flock), (Locktop, Locktop)] {
        for (held, letter, status) in
            [(Alone, "-x", 1), (Alone, "-s", 1), (Shared, "-x", 1), (Shared, "-s", 0)]
        {
            let scene = scene();
            let _holder = Holder::take(holder, held, scene.path());
            let output =
                other.command(scene.path()).args([letter, "-n", "lock", "true"]).output().unwrap();
            let tried = format!("{held:?} by {holder:?}, {letter} by {other:?}");
            assert_eq!(output.status.code(), Some(status), "{tried}");
        }
    }
}

fn run(tool: Tool, folder: &Path, line: &[&str]) -> Output {
    tool.command(folder).args(line).output().unwrap()
}

#[test]
fn the_shell_is_the_users() {
    if !all_met(&[Need::Program("flock")]) {
        return;
    }
    let scene = scene();
    for shell in [Some("/bin/bash"), Some(""), Some("/bin/echo"), None] {
        let told = BOTH.map(|tool| {
            let mut command = tool.command(scene.path());
            match shell {
                Some(shell) => command.env("SHELL", shell),
                None => command.env_remove("SHELL"),
            };
            command.args(["lock", "-c", "echo $0"]).output().unwrap().stdout
        });
        assert_eq!(told[0], told[1], "{shell:?}");
    }
}

#[test]
fn what_flock_says_on_standard_output_we_say_on_standard_error() {
    if !all_met(&[Need::Program("flock")]) {
        return;
    }
    let scene = scene();
    let line = ["--verbose", "lock", "echo", "in"];
    let theirs = run(Flock, scene.path(), &line);
    let ours = run(Locktop, scene.path(), &line);
    assert!(String::from_utf8(theirs.stdout).unwrap().contains("executing echo\n"));
    assert_eq!(ours.stdout, b"in\n");
    let said = String::from_utf8(ours.stderr).unwrap();
    assert!(said.contains("/lock is ours, after") && said.contains("running echo"), "{said}");
}

#[test]
fn a_process_in_the_background_keeps_the_lock_only_if_that_is_wanted() {
    if !all_met(&[Need::Program("flock")]) {
        return;
    }
    let line = ["lock", "sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!"];
    for (tool, options, keeps) in [
        (Flock, &[][..], true),
        (Locktop, &["--keep"], true),
        (Locktop, &[], false),
        (Flock, &["-o"], false),
        (Locktop, &["-o"], false),
    ] {
        let scene = scene();
        let output = run(tool, scene.path(), &[options, &line].concat());
        let pid = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
        let free = run(Flock, scene.path(), &["-n", "lock", "true"]).status.success();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        assert_eq!(free, !keeps, "{tool:?} {options:?}");
    }
}

#[test]
fn a_command_that_cannot_be_run_has_the_shells_statuses() {
    if !all_met(&[Need::Program("flock")]) {
        return;
    }
    let scene = scene();
    for (program, status) in [("./missing", 127), ("no-such-program", 127), ("./folder", 126)] {
        assert_eq!(run(Flock, scene.path(), &["lock", program]).status.code(), Some(69));
        for line in [&["lock", program][..], &["-F", "lock", program], &["-o", "lock", program]] {
            let ours = run(Locktop, scene.path(), line);
            assert_eq!(ours.status.code(), Some(status), "{line:?}");
            assert!(String::from_utf8(ours.stderr).unwrap().contains(program));
        }
        let free = run(Flock, scene.path(), &["-n", "lock", "true"]).status;
        assert!(free.success(), "{program}: the lock was not given back");
    }
}

#[test]
fn wrong_usage_is_refused_by_both() {
    if !all_met(&[Need::Program("flock")]) {
        return;
    }
    let scene = scene();
    for line in [
        &[][..],
        &["-E", "256", "lock", "true"],
        &["-E", "x", "lock", "true"],
        &["-w", "x", "lock", "true"],
        &["-w", "-1", "lock", "true"],
        &["-F", "-o", "lock", "true"],
        &["lock", "-c"],
        &["lock", "-c", "true", "true"],
        &["--bogus", "lock", "true"],
    ] {
        let theirs = run(Flock, scene.path(), line).status.code().unwrap();
        assert!(theirs >= 64, "{line:?}: {theirs}");
        let _ = fs::remove_file(scene.path().join("lock"));
        assert_eq!(run(Locktop, scene.path(), line).status.code(), Some(2), "{line:?}");
        assert!(!scene.path().join("lock").exists(), "{line:?}");
    }
}

#[test]
fn a_command_with_dashes_of_its_own_is_not_taken_for_locks() {
    let scene = scene();
    for line in [
        &["lock", "ls", "--", "x"][..],
        &["-n", "lock", "ls", "-l", "--", "x"],
        &["lock", "./script", "a", "--", "b"],
    ] {
        let output = run(Locktop, scene.path(), line);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{line:?}");
        assert!(said.contains("'locktop run lock -- "), "{said}");
    }
    assert_eq!(fs::read_dir(&scene).unwrap().count(), 2);
    let output = run(Locktop, scene.path(), &["lock", "--", "echo", "--", "x"]);
    assert_eq!(output.stdout, b"-- x\n");
}

#[test]
fn a_file_that_cannot_be_opened_is_refused_by_both() {
    if !all_met(&[Need::Program("flock")]) {
        return;
    }
    let scene = scene();
    let line = ["missing/lock", "true"];
    assert_eq!(run(Flock, scene.path(), &line).status.code(), Some(66));
    assert_eq!(run(Locktop, scene.path(), &line).status.code(), Some(2));
}

#[test]
fn what_cannot_be_had_is_refused_with_a_word_on_it() {
    let scene = scene();
    for (line, word) in [
        (&["-u", "lock", "true"][..], "gives the lock back"),
        (&["--unlock", "9"], "gives the lock back"),
        (&["9"], "flock(1)"),
        (&["--fcntl", "lock", "true"], "ofd:"),
    ] {
        let output = run(Locktop, scene.path(), line);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{line:?}");
        assert!(said.contains(word), "{line:?}: {said}");
    }
    assert!(!scene.path().join("lock").exists());
}

#[test]
fn a_command_can_give_its_lock_back_early() {
    if !all_met(&[Need::Program("flock")]) {
        return;
    }
    let scene = scene();
    let line = "flock -u $LOCKTOP_FD; flock -n lock true";
    assert_eq!(run(Locktop, scene.path(), &["lock", "-c", line]).status.code(), Some(0));
}
