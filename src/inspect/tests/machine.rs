//! A machine that is made up, with real files.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use crate::Inspector;
use crate::model::{Pid, Snapshot};
use crate::system::System;

/// A folder that describes processes and locks as `/proc` does.
pub(super) struct Machine {
    pub(super) folder: TempDir,
    /// The table.
    pub(super) locks: String,
    pub(super) inspector: Inspector,
}

impl Machine {
    /// Nobody but the first process.
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["proc/self/ns", "proc/thread-self", "files"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let system = System::with_proc(folder.path().join("proc"));
        let mut inspector = Inspector::of(system).unwrap();
        // What lies elsewhere on the disk is no part of it, and nobody is in a hurry.
        inspector.scope.everywhere = false;
        inspector.patience = Duration::from_mins(5);
        let machine = Self { folder, locks: String::new(), inspector };
        symlink("pid:[4026531836]", machine.proc("self/ns/pid")).unwrap();
        symlink("mnt:[1]", machine.proc("self/ns/mnt")).unwrap();
        machine.write("self/mountinfo", &fs::read_to_string("/proc/self/mountinfo").unwrap());
        machine.write("thread-self/sched", &sched(1_000_000));
        machine.write("locks", "");
        machine.process(1, 0, 1);
        machine
    }

    pub(super) fn proc(&self, name: &str) -> PathBuf {
        self.folder.path().join("proc").join(name)
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("files").join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        fs::write(self.proc(name), text).unwrap();
    }

    /// A process that has slept for 1,000 seconds.
    pub(super) fn process(&self, pid: Pid, parent: Pid, group: Pid) {
        for name in ["fd", "fdinfo", "ns", &format!("task/{pid}")] {
            fs::create_dir_all(self.proc(&format!("{pid}/{name}"))).unwrap();
        }
        symlink("mnt:[1]", self.proc(&format!("{pid}/ns/mnt"))).unwrap();
        self.stat(pid, parent, group, 'S');
        self.write(&format!("{pid}/wchan"), "do_select");
        self.write(&format!("{pid}/task/{pid}/wchan"), "do_select");
        self.write(&format!("{pid}/task/{pid}/sched"), &sched(500));
        self.runs(pid, 10);
        // Whoever opens nothing is asked for its threads' descriptors.
        self.opens(pid, 0, "nothing");
    }

    pub(super) fn stat(&self, pid: Pid, parent: Pid, group: Pid, state: char) {
        let line = format!(
            "{pid} (p{pid}) {state} {parent} {group} {group} 0 -1 0 {} 20 0 1 0 100 {} 0 0\n",
            "0 ".repeat(8).trim_end(),
            "0 ".repeat(16).trim_end(),
        );
        self.write(&format!("{pid}/stat"), &line);
    }

    /// It has run so often by now.
    pub(super) fn runs(&self, pid: Pid, times: u32) {
        self.write(&format!("{pid}/schedstat"), &format!("{times}000 7 {times}\n"));
    }

    /// It opens a file, through a descriptor that may have had another one.
    pub(super) fn opens(&self, pid: Pid, fd: i32, name: &str) {
        let file = self.file(name);
        if !file.exists() {
            fs::write(&file, "").unwrap();
        }
        let link = self.proc(&format!("{pid}/fd/{fd}"));
        let _ = fs::remove_file(&link);
        symlink(file, link).unwrap();
        self.write(&format!("{pid}/fdinfo/{fd}"), "pos:\t0\n");
    }

    pub(super) fn closes(&self, pid: Pid, fd: i32) {
        fs::remove_file(self.proc(&format!("{pid}/fd/{fd}"))).unwrap();
        fs::remove_file(self.proc(&format!("{pid}/fdinfo/{fd}"))).unwrap();
    }

    pub(super) fn ends(&self, pid: Pid) {
        fs::remove_dir_all(self.proc(&pid.to_string())).unwrap();
    }

    /// The record of a lock that `pid` has taken.
    pub(super) fn record(&self, pid: Pid, name: &str) -> String {
        let stat = fs::metadata(self.file(name)).unwrap();
        let (major, minor) = (rustix::fs::major(stat.dev()), rustix::fs::minor(stat.dev()));
        format!("FLOCK  ADVISORY  WRITE {pid} {major:02x}:{minor:02x}:{} 0 EOF", stat.ino())
    }

    /// `keeper` has the lock of a file that `taker` took.
    pub(super) fn keeps(&self, keeper: Pid, fd: i32, name: &str, taker: Pid) {
        self.opens(keeper, fd, name);
        let text = format!("pos:\t0\nlock:\t1: {}\n", self.record(taker, name));
        self.write(&format!("{keeper}/fdinfo/{fd}"), &text);
    }

    /// Puts a lock into the table.
    pub(super) fn locks(&mut self, taker: Pid, name: &str) {
        let ordinal = self.locks.lines().count() + 1;
        let _ = writeln!(self.locks, "{ordinal}: {}", self.record(taker, name));
        self.write("locks", &self.locks);
    }

    pub(super) fn look(&mut self) -> Arc<Snapshot> {
        self.inspector.look().unwrap()
    }

    /// Looks until the next look can be a glance.
    pub(super) fn settles(&mut self) -> Arc<Snapshot> {
        let before = self.inspector.glances();
        for _ in 0..5 {
            let seen = self.look();
            if self.inspector.glances() > before {
                return seen;
            }
        }
        panic!("no glance");
    }

    /// The next look, which may be no glance.
    pub(super) fn looks_anew(&mut self) -> Arc<Snapshot> {
        let before = self.inspector.glances();
        let seen = self.look();
        assert_eq!(self.inspector.glances(), before);
        seen
    }
}

fn sched(exec_start: u64) -> String {
    format!("se.exec_start : {exec_start}.000000\nse.sum_exec_runtime : 1.000000\n")
}
