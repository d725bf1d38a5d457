//! What the README says of other tools, in the demo's act in which the taker of a lock is gone and
//! somebody waits for it. It speaks of the versions of Debian 12; of others nothing is tested.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::path::PathBuf;
use std::process::{Child, Command};

use portable_pty::CommandBuilder;
use support::{Need, Playground, Report, Screen, all_met, pids, wait_until};

/// The scene, and who is in it.
struct Act {
    playground: Playground,
    demo: Child,
    /// Ends the demo when it is dropped.
    unread: Option<std::io::PipeReader>,
    lock: PathBuf,
    /// Has the lock.
    orphan: i32,
    waiter: i32,
}

impl Act {
    /// Sets the scene for a tool, if it has the version that the README speaks of.
    fn set(tool: &'static str, ask_version: &str, version: &str) -> Option<Self> {
        if !all_met(&[Need::Program(tool)]) {
            return None;
        }
        let said = Command::new(tool).arg(ask_version).output().unwrap();
        let said = [said.stdout, said.stderr].concat();
        if !String::from_utf8_lossy(&said).contains(version) {
            return None;
        }
        let playground = Playground::new();
        let (demo, unread) = playground.set_demo();
        Some(Self {
            lock: playground.folder().join("orphan.lock"),
            orphan: playground.pid_of("orphan keep orphan.lock"),
            waiter: playground.pid_of("waiter wait orphan.lock"),
            playground,
            demo,
            unread: Some(unread),
        })
    }

    /// What the kernel names: a process that is no more.
    fn taker(&self) -> i32 {
        let records = support::records(&self.lock);
        let taker = records.iter().find(|record| !record.waits).unwrap().pid;
        assert_eq!(support::state(taker), None, "the taker is gone");
        taker
    }
}

impl Drop for Act {
    fn drop(&mut self) {
        self.unread = None;
        self.demo.wait().unwrap();
        self.playground.wait_for_nothing();
    }
}

fn printed(command: &mut Command) -> String {
    String::from_utf8(command.env("LC_ALL", "C").output().unwrap().stdout).unwrap()
}

/// The line that has the pid as a word.
fn line_of(pid: i32, text: &str) -> Option<Vec<&str>> {
    let pid = pid.to_string();
    let words = |line| str::split_whitespace(line).collect::<Vec<_>>();
    text.lines().map(words).find(|words| words.contains(&&*pid))
}

#[test]
fn locktop_names_the_one_who_has_it_and_the_one_who_waits() {
    let Some(act) = Act::set("true", "--version", "true") else { return };
    let mut ls = Command::new(env!("CARGO_BIN_EXE_locktop"));
    let report = Report::of(ls.args(["ls", "--json"]).arg(&act.lock).output().unwrap());
    let lock = report.at(&act.lock);
    assert_eq!(pids(&lock["holders"]), [Some(act.orphan)]);
    assert_eq!(pids(&lock["waiters"]), [Some(act.waiter)]);
    assert_eq!(lock["recorded_pid"], act.taker());
}

#[test]
fn lslocks_names_the_dead_taker() {
    let Some(act) = Act::set("lslocks", "--version", " 2.38.") else { return };
    let taker = act.taker().to_string();
    let held_by_taker = |table: &str| {
        let of_taker = |line: &&str| line.starts_with("(unknown)") && line.contains(&taker);
        table.lines().find(of_taker).map(str::to_owned)
    };
    // It prints nothing as long as a lease is being broken anywhere, as in another test, and can miss
    // a line of the kernel's table that changes while it is read.
    let table = wait_until("lslocks prints both", || {
        let columns = "COMMAND,PID,MODE,BLOCKER,PATH";
        let table = printed(Command::new("lslocks").args(["-u", "-o", columns]));
        let has_both = held_by_taker(&table).is_some() && line_of(act.waiter, &table).is_some();
        has_both.then_some(table)
    });
    let held = held_by_taker(&table).unwrap();
    assert!(!held.contains("orphan.lock"), "{held}");
    let waits = line_of(act.waiter, &table).unwrap();
    assert_eq!(waits[2..4], ["WRITE*", &taker], "{table}");
    assert_eq!(line_of(act.orphan, &table), None, "{table}");
}

#[test]
fn lsof_shows_holder_and_waiter_alike() {
    let Some(act) = Act::set("lsof", "-v", " 4.95.") else { return };
    let table = printed(Command::new("lsof").args(["-n", "-w"]).arg(&act.lock));
    for pid in [act.orphan, act.waiter] {
        // Behind the descriptor's `u` for reading and writing comes W where it shows a lock.
        assert_eq!(line_of(pid, &table).unwrap()[3], "3u", "{table}");
    }
    let stopped = act.playground.pid_of("stopped stop stopped.lock");
    let lock = act.lock.with_file_name("stopped.lock");
    // It can miss a line of the kernel's table that changes while it is read.
    wait_until("lsof shows a lock", || {
        let table = printed(Command::new("lsof").args(["-n", "-w"]).arg(&lock));
        (line_of(stopped, &table).unwrap()[3] == "3uW").then_some(())
    });
}

#[test]
fn fuser_shows_holder_and_waiter_alike() {
    let Some(act) = Act::set("fuser", "-V", " 23.") else { return };
    let pids = printed(Command::new("fuser").arg(&act.lock));
    let mut pids: Vec<i32> = pids.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    pids.sort_unstable();
    let mut both = [act.orphan, act.waiter];
    both.sort_unstable();
    assert_eq!(pids, both);
}

#[test]
fn htop_shows_the_locks_that_a_selected_process_has() {
    let Some(act) = Act::set("htop", "--version", " 3.2.") else { return };
    let shown = htop(act.orphan);
    assert!(shown.contains("FLOCK"), "{shown}");
    let shown = htop(act.waiter);
    assert!(shown.contains("No locks have been found"), "{shown}");
}

/// What htop's list of the file locks of a process shows.
fn htop(pid: i32) -> String {
    let home = tempfile::tempdir().unwrap();
    let mut command = CommandBuilder::new("htop");
    command.args(["-p", &pid.to_string()]);
    command.env("HOME", home.path());
    command.env_remove("XDG_CONFIG_HOME");
    let mut screen = Screen::start(command);
    screen.wait_for("demo-actor");
    screen.types("x");
    screen.wait_for("Snapshot of file locks");
    // The bar below comes after the list.
    let shown = screen.wait_for("Refresh");
    screen.types("qq");
    assert!(screen.ends().success());
    shown
}
