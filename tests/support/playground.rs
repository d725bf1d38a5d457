//! `locktop demo` as a scene: its acts, its processes, and what must not stay of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, PipeReader, PipeWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::kernel::wait_until;

/// A folder for temporary files of its own: whoever has it in the environment belongs to this demo.
#[derive(Debug)]
pub struct Playground {
    temporary: TempDir,
}

impl Playground {
    /// The janitor and the actors, when all acts are set.
    pub const COMPANY: usize = 1 + 16;

    /// An empty one.
    pub fn new() -> Self {
        Self { temporary: tempfile::Builder::new().prefix("locktop-").tempdir().unwrap() }
    }

    /// The folder for temporary files.
    pub fn temporary(&self) -> &Path {
        self.temporary.path()
    }

    /// The demo, to be started.
    pub fn demo(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_locktop"));
        command.arg("demo").env("TMPDIR", self.temporary()).stdin(Stdio::null());
        command
    }

    /// A demo that cannot end by itself: nobody reads what it prints, and there is no room for it.
    /// It ends when the reader is dropped.
    pub fn held_demo(&self) -> (Child, PipeReader) {
        let (reader, writer) = io::pipe().unwrap();
        fill(&writer);
        let demo = self.demo().stdout(writer).stderr(Stdio::null()).spawn().unwrap();
        (demo, reader)
    }

    /// The same with all acts set.
    #[track_caller]
    pub fn set_demo(&self) -> (Child, PipeReader) {
        let demo = self.held_demo();
        self.wait_for_company(Self::COMPANY);
        // The last actor says that it has its lock, and the demo begins to print.
        wait_until("the demo prints", || {
            let place = fs::read_to_string(format!("/proc/{}/wchan", demo.0.id())).ok()?;
            place.contains("pipe_write").then_some(())
        });
        demo
    }

    /// The janitor and the actors, by their arguments.
    pub fn company(&self) -> BTreeMap<i32, String> {
        let mark = [b"TMPDIR=", self.temporary().as_os_str().as_encoded_bytes()].concat();
        let belongs = |process: &Path| {
            fs::read(process.join("environ"))
                .is_ok_and(|environment| environment.split(|byte| *byte == 0).any(|it| it == mark))
        };
        fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| {
                let process = entry.ok()?.path();
                let pid = process.file_name()?.to_str()?.parse().ok()?;
                let arguments =
                    fs::read_to_string(process.join("cmdline")).ok()?.replace('\0', " ");
                (arguments.contains(" demo-") && belongs(&process)).then_some((pid, arguments))
            })
            .collect()
    }

    /// The one whose arguments contain the words.
    #[track_caller]
    pub fn pid_of(&self, words: &str) -> i32 {
        let company = self.company();
        let found = company.iter().find(|(_, arguments)| arguments.contains(words));
        *found.unwrap_or_else(|| panic!("no {words} in {company:?}")).0
    }

    /// What is in the folder for temporary files.
    pub fn folders(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.temporary()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// The folder with the locks.
    #[track_caller]
    pub fn folder(&self) -> PathBuf {
        let [folder] = &self.folders()[..] else { panic!("not one: {:?}", self.folders()) };
        folder.clone()
    }

    /// Waits until so many processes are there.
    #[track_caller]
    pub fn wait_for_company(&self, size: usize) {
        wait_until("the actors are there", || (self.company().len() >= size).then_some(()));
    }

    /// Waits until no process of the demo is left.
    #[track_caller]
    pub fn wait_for_silence(&self) {
        wait_until("no actor is left", || self.company().is_empty().then_some(()));
    }

    /// Waits until nothing of the demo is left.
    #[track_caller]
    pub fn wait_for_nothing(&self) {
        self.wait_for_silence();
        wait_until("no folder is left", || self.folders().is_empty().then_some(()));
    }
}

/// Sends a signal to a process.
pub fn send(signal: Signal, pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// Whether the tests run in a service or container: then that is in charge of what is left behind,
/// and nothing is an orphan.
pub fn somebody_is_in_charge() -> bool {
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
