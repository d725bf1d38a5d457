//! A folder with locks, and programs that want them.

use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::{records, send, wait_until};

/// How long anything may take on a busy machine: what is told of a wait is as rare as looks are slow.
const DEADLINE: Duration = Duration::from_mins(5);

pub(crate) struct Scene(TempDir);

impl Scene {
    pub(crate) fn new() -> Self {
        Self(tempfile::Builder::new().prefix("locktop-").tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }

    /// `locktop`, to be run in the folder.
    pub(crate) fn locktop(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_locktop"));
        command.args(arguments).current_dir(&self.0).stdin(Stdio::null());
        command
    }

    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
        self.locktop(arguments).output().unwrap()
    }

    /// Runs it to its end, and expects that status; what it said on standard error.
    #[track_caller]
    pub(crate) fn ends(&self, arguments: &[&str], status: i32) -> String {
        let output = self.output(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
        said
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::start(&mut self.locktop(arguments))
    }

    /// Somebody who has the lock.
    #[track_caller]
    pub(crate) fn holder(&self, arguments: &[&str]) -> Running {
        let mut holder = self.start(&[&["hold"], arguments].concat());
        holder.prints("held ");
        holder
    }

    /// Waits until so many stand in the queue of the file.
    #[track_caller]
    pub(crate) fn wait_for_queue(&self, name: &str, length: usize) {
        let path = self.path(name);
        wait_until(&format!("{length} wait for {name}"), || {
            (records(&path).iter().filter(|record| record.waits).count() == length).then_some(())
        });
    }

    /// Whether nobody has the lock, by somebody else's word.
    pub(crate) fn is_free(&self, name: &str) -> bool {
        let file = std::fs::File::open(self.path(name)).unwrap();
        // A program that another test starts meanwhile would keep what is only closed.
        file.try_lock().is_ok_and(|()| file.unlock().is_ok())
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }
}

/// A program that runs; it ends with this.
pub(crate) struct Running {
    child: Child,
    printed: Receiver<String>,
    said: Receiver<String>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        // A process group of its own, whose parent can continue it: in one that has nobody, as where
        // all tests run in a session from elsewhere, the system stops nobody.
        command.process_group(0);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let printed = lines(child.stdout.take().unwrap());
        let said = lines(child.stderr.take().unwrap());
        Self { child, printed, said }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Waits until it prints a line with those words; the line.
    #[track_caller]
    pub(crate) fn prints(&mut self, words: &str) -> String {
        wait_for(&self.printed, words)
    }

    /// The same on standard error.
    #[track_caller]
    pub(crate) fn says(&mut self, words: &str) -> String {
        wait_for(&self.said, words)
    }

    pub(crate) fn gets(&self, signal: Signal) {
        send(signal, self.pid());
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn ends(&mut self) -> ExitStatus {
        wait_until("it ends", || self.child.try_wait().unwrap())
    }

    /// Waits for its end, by that signal.
    #[track_caller]
    pub(crate) fn dies_of(&mut self, signal: Signal) {
        assert_eq!(self.ends().signal(), Some(signal.as_raw()));
    }

    /// All that it has said and not been asked for, once it has ended.
    pub(crate) fn rest(&self) -> String {
        self.said.iter().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                break;
            }
        }
    });
    told
}

#[track_caller]
fn wait_for(lines: &Receiver<String>, words: &str) -> String {
    loop {
        let line = lines.recv_timeout(DEADLINE);
        let line = line.unwrap_or_else(|_| panic!("waited in vain for {words:?}"));
        if line.contains(words) {
            return line;
        }
    }
}
