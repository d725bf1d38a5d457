//! A repository, and a program that locks it as Kubo does.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{
    Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio,
};
use std::sync::OnceLock;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Need, all_met, send, wait_until};

const LIBRARIES: &str = "/usr/share/gocode";

pub(crate) struct Desk {
    _folder: TempDir,
    repository: PathBuf,
}

impl Desk {
    /// With a repository, if what builds Kubo's stand-in is there.
    #[track_caller]
    pub(crate) fn with(needs: &[Need]) -> Option<Self> {
        let package = Need::File("/usr/share/gocode/src/go4.org/lock");
        if !all_met(&[&[Need::Program("go"), package], needs].concat()) {
            return None;
        }
        let folder = tempfile::Builder::new().prefix("locktop-").tempdir().unwrap();
        let repository = folder.path().canonicalize().unwrap().join("repository");
        let desk = Self { _folder: folder, repository };
        desk.make_repository();
        Some(desk)
    }

    pub(crate) fn set() -> Option<Self> {
        Self::with(&[])
    }

    /// The same with another name for its repository.
    pub(crate) fn renamed(mut self, name: &std::ffi::OsStr) -> Self {
        let path = self.repository.with_file_name(name);
        fs::rename(&self.repository, &path).unwrap();
        self.repository = path;
        self
    }

    fn make_repository(&self) {
        fs::create_dir(&self.repository).unwrap();
        for (name, content) in [("config", "{}"), ("version", "16\n"), ("datastore_spec", "{}")] {
            fs::write(self.repository.join(name), content).unwrap();
        }
    }

    pub(crate) fn repository(&self) -> &Path {
        &self.repository
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.repository.join(name)
    }

    /// `ipfs:` and the repository.
    pub(crate) fn target(&self) -> std::ffi::OsString {
        let mut target = std::ffi::OsString::from("ipfs:");
        target.push(&self.repository);
        target
    }

    /// `locktop`, where `TARGET` stands for the repository's lock.
    pub(crate) fn locktop(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_locktop"));
        for argument in arguments {
            match *argument {
                "TARGET" => command.arg(self.target()),
                "REPOSITORY" => command.arg(&self.repository),
                other => command.arg(other),
            };
        }
        command.stdin(Stdio::null()).process_group(0);
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

    /// The locks that `ls --json` shows of these targets.
    #[track_caller]
    pub(crate) fn locks(&self, targets: &[&str]) -> Vec<Value> {
        let output = self.output(&[&["ls", "--json"], targets].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{targets:?}: {said}");
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        document["locks"].as_array().unwrap().clone()
    }

    /// The repository's lock.
    #[track_caller]
    pub(crate) fn lock(&self) -> Value {
        let locks = self.locks(&["TARGET"]);
        assert_eq!(locks.len(), 1, "{locks:?}");
        locks.into_iter().next().unwrap()
    }

    /// Waits until that is how it stands with the daemon, who is given little time to answer; the
    /// lock.
    #[track_caller]
    pub(crate) fn daemon_becomes(&self, standing: &str) -> Value {
        wait_until(&format!("the daemon is {standing}"), || {
            Some(self.lock()).filter(|lock| lock["details"]["daemon"] == standing)
        })
    }

    /// Waits until a look finds the daemon ready.
    #[track_caller]
    pub(crate) fn gets_ready(&self, target: &str) {
        wait_until("the daemon is ready", || {
            self.output(&["wait", "--ready", "-n", target]).status.success().then_some(())
        });
    }

    /// Kubo's stand-in, with this command.
    pub(crate) fn kubo(&self, command: &[&str]) -> Command {
        let mut kubo = Command::new(kubo());
        kubo.arg("--repo-dir").arg(&self.repository).args(command).process_group(0);
        kubo
    }

    /// One that has the repository.
    #[track_caller]
    pub(crate) fn holder(&self, command: &str) -> Running {
        let mut holder = Running::start(&mut self.kubo(&[command]));
        holder.prints("locked");
        holder
    }

    /// Whether Kubo can have the repository now.
    pub(crate) fn kubo_gets_it(&self) -> bool {
        self.kubo(&["try"]).stderr(Stdio::null()).status().unwrap().success()
    }
}

/// The program, built once.
fn kubo() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kubo");
        fs::create_dir_all(&folder).unwrap();
        let program = folder.join("ipfs");
        let built = Command::new("go")
            .args(["build", "-o"])
            .arg(&program)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ipfs/kubo.go"))
            .env("GO111MODULE", "off")
            .env("GOPATH", LIBRARIES)
            .env("GOCACHE", folder.join("cache"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "Kubo's stand-in is not built: {said}");
        program
    })
}

/// A program that runs; it ends with this.
pub(crate) struct Running {
    child: Child,
    orders: Option<ChildStdin>,
    printed: BufReader<ChildStdout>,
    said: BufReader<ChildStderr>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Self {
            orders: child.stdin.take(),
            printed: BufReader::new(child.stdout.take().unwrap()),
            said: BufReader::new(child.stderr.take().unwrap()),
            child,
        }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Waits until it prints a line with those words; the line.
    #[track_caller]
    pub(crate) fn prints(&mut self, words: &str) -> String {
        next_line(&mut self.printed, words)
    }

    /// The same on standard error.
    #[track_caller]
    pub(crate) fn says(&mut self, words: &str) -> String {
        next_line(&mut self.said, words)
    }

    /// Waits until it says that it waits: at first only that, where a look takes its time.
    #[track_caller]
    pub(crate) fn waits(&mut self) {
        self.says("locktop: waiting ");
    }

    /// Has Kubo's stand-in do something.
    #[track_caller]
    pub(crate) fn does(&mut self, order: &str) {
        writeln!(self.orders.as_mut().unwrap(), "{order}").unwrap();
        self.prints("done");
    }

    pub(crate) fn gets(&self, signal: Signal) {
        send(signal, self.pid());
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    #[track_caller]
    pub(crate) fn ends(&mut self) -> ExitStatus {
        wait_until("it ends", || self.child.try_wait().unwrap())
    }

    /// Has it end as it wants to.
    #[track_caller]
    pub(crate) fn stops(mut self) {
        self.orders = None;
        assert!(self.ends().success());
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

#[track_caller]
fn next_line(lines: &mut BufReader<impl Read + AsFd>, words: &str) -> String {
    loop {
        if lines.buffer().is_empty() {
            wait_until(&format!("a line has {words:?}"), || {
                let mut pipe = [PollFd::new(lines.get_ref(), PollFlags::IN)];
                (poll(&mut pipe, Some(&Timespec::default())).unwrap() > 0).then_some(())
            });
        }
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0, "waited in vain for {words:?}");
        if line.contains(words) {
            return line;
        }
    }
}
