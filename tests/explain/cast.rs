//! A scene whose people have names, and what is said of them.

use std::cell::RefCell;
use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::ptrace;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use serde_json::Value;

use crate::redact::Words;
use crate::support::{Actor, Need, Scene, Viewer, wait_until};

/// A scene, and words for all in it that differs from one run to the next.
#[derive(Debug)]
pub(crate) struct Cast {
    pub(crate) scene: Scene,
    words: RefCell<Words>,
}

impl Cast {
    /// A scene that everything can be seen of. What is told to others than root, or inside of a pid
    /// namespace, has another end.
    #[track_caller]
    pub(crate) fn with(needs: &[Need]) -> Option<Self> {
        let scene = Scene::with(&[&[Need::Root], needs].concat())?;
        if !sees_all() {
            let name = std::thread::current().name().unwrap_or("a test").to_owned();
            // Not `eprintln!`, which the test harness would hide.
            let _ = writeln!(io::stderr(), "{name}: skipped: processes may be out of sight");
            return None;
        }
        scene.leaves_services();
        let cast = Self { scene, words: RefCell::default() };
        let stage = cast.scene.stage();
        // One CPU for all: the kernel's table then has the newest lock first.
        stage.does("os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})");
        cast.is_called(stage, "theatre");
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        cast.words.borrow_mut().text(host.trim(), "MACHINE");
        cast.words.borrow_mut().path(cast.scene.folder(), "DIR");
        cast.words.borrow_mut().text(env!("CARGO_MANIFEST_DIR"), "SOURCES");
        Some(cast)
    }

    /// An actor of that name.
    #[track_caller]
    pub(crate) fn actor(&self, name: &str) -> Actor {
        let actor = self.scene.actor();
        self.is_called(&actor, name);
        actor
    }

    /// An actor that by the kernel's clock started later than those before.
    #[track_caller]
    pub(crate) fn younger(&self, name: &str) -> Actor {
        let now = "time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 10_000_000";
        let before = self.scene.stage().does(now).as_i64();
        wait_until("the clock ticks", || {
            (self.scene.stage().does(now).as_i64() > before).then_some(())
        });
        self.actor(name)
    }

    /// An actor who has these locks, and then sleeps.
    #[track_caller]
    pub(crate) fn holder(&self, name: &str, source: &str) -> Actor {
        let actor = self.actor(name);
        actor.does(source);
        sleeps(&actor);
        actor
    }

    /// An actor who waits for a lock.
    #[track_caller]
    pub(crate) fn waiter(&self, name: &str, source: &str) -> Actor {
        let actor = self.actor(name);
        actor.waits(source);
        actor
    }

    /// Gives a process its name, by which it is told.
    #[track_caller]
    pub(crate) fn is_called(&self, actor: &Actor, name: &str) {
        actor.does(format!("write('/proc/self/comm', {name:?})"));
        let line = fs::read(format!("/proc/{}/cmdline", actor.pid)).unwrap();
        let line = String::from_utf8(line).unwrap().trim_end_matches('\0').replace('\0', " ");
        // So much of it is told at most.
        let told = line.char_indices().nth(200).map(|(end, _)| format!("{}…", &line[..end]));
        self.words.borrow_mut().text(told.unwrap_or(line), "PLAY");
        self.is(actor.pid, &name.to_uppercase());
    }

    /// The process is told by this word instead of its number.
    pub(crate) fn is(&self, pid: i32, word: &str) {
        self.words.borrow_mut().number(pid, word);
    }

    /// What a test of this program does itself is told as if a debugger did it.
    pub(crate) fn is_ourselves(&self) {
        let name = fs::read_to_string("/proc/self/comm").unwrap();
        self.reads(name.trim(), "debugger");
        self.is(std::process::id() as i32, "DEBUGGER");
    }

    /// The only child of a process.
    #[track_caller]
    pub(crate) fn child_is(&self, parent: i32, word: &str) {
        let child = wait_until("it has a child", || {
            let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
            children.ok()?.trim().parse().ok()
        });
        self.is(child, word);
    }

    /// Anything else that is told by a word.
    pub(crate) fn reads(&self, text: &str, word: &str) {
        self.words.borrow_mut().text(text, word);
    }

    /// A path in the folder, as text.
    pub(crate) fn path(&self, name: &str) -> String {
        self.scene.path(name).to_str().unwrap().to_owned()
    }

    /// What is said of the lock at a path of the scene.
    #[track_caller]
    pub(crate) fn told(&self, name: &str) -> String {
        self.told_of(&self.path(name))
    }

    /// What is said of a target.
    #[track_caller]
    pub(crate) fn told_of(&self, target: &str) -> String {
        rests();
        let text = wait_until("all can be seen in the time that a look has", || {
            let text = self.scene.explain(target);
            (!text.contains("What could not be seen:")).then_some(text)
        });
        self.commands_are_understood(&text);
        self.redact(&text)
    }

    /// What is said to somebody who has no rights over the processes.
    #[track_caller]
    pub(crate) fn told_to_nobody(&self, name: &str) -> String {
        rests();
        let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        let through = [&nobody[..], &["env", "HOME=/nonexistent"]].concat();
        let output = self.scene.locktop_through(&through, &["explain", &self.path(name)]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let text = self.redact(&String::from_utf8(output.stdout).unwrap());
        // All on the machine that are not ours.
        let others = " processes of other users";
        let (before, after) = text.split_once(others).expect("who could not be seen is told");
        let before = before.trim_end_matches(|c: char| c.is_ascii_digit());
        format!("{before}MANY{others}{after}")
    }

    /// Tries all commands of ours that are suggested, without doing what they do.
    #[track_caller]
    fn commands_are_understood(&self, text: &str) {
        for command in text.lines().filter_map(|line| line.strip_prefix("      ")) {
            let (harmless, statuses) = match command.split(' ').take(2).collect::<Vec<_>>()[..] {
                ["locktop", "explain"] => (command.to_owned(), &[0][..]),
                ["locktop", "wait"] => (format!("{command} --no-wait"), &[0, 1][..]),
                ["locktop", "release"] => (format!("{command} --dry-run"), &[0][..]),
                _ => continue,
            };
            let output = self.shell(&harmless);
            let status = output.status.code().unwrap_or(-1);
            assert!(statuses.contains(&status), "{harmless}: {output:?}\n{text}");
        }
    }

    fn redact(&self, text: &str) -> String {
        for lock in self.scene.look_as(Viewer::Ourselves, &[&self.path("")]).locks() {
            let name = lock["path"].as_str().unwrap_or_default();
            let name = Path::new(name).file_name().unwrap_or_default().to_str().unwrap();
            let age = if lock["deleted"] == true { "the old " } else { "" };
            let range = match (lock["range"]["start"].as_u64(), lock["range"]["end"].as_u64()) {
                (Some(0), None) | (None, _) => String::new(),
                (Some(start), end) => format!(" from {start} to {end:?}"),
            };
            let id = lock["id"].as_str().unwrap();
            self.words.borrow_mut().text(id, format!("@({age}{name}{range})"));
        }
        self.words.borrow().redact(text)
    }

    /// Waits until what lies there is no longer fresh: a file that was changed just now is of
    /// somebody who was not seen yet.
    #[track_caller]
    pub(crate) fn ages(&self, name: &str) {
        let path = self.scene.path(name);
        wait_until("the file is no longer fresh", || {
            let changed = fs::symlink_metadata(&path).ok()?.modified().ok()?;
            (changed.elapsed().ok()? > Duration::from_secs(6)).then_some(())
        });
    }

    /// Waits until the lock at that path has this verdict, and a circle is certain.
    #[track_caller]
    pub(crate) fn becomes(&self, name: &str, verdict: &str) -> Value {
        let path = self.path(name);
        wait_until(&format!("{name} is {verdict}"), || {
            let report = self.scene.look_as(Viewer::Ourselves, &[&path]);
            let circles = report.document["deadlocks"].as_array()?.iter();
            let is_certain = circles.into_iter().all(|circle| circle["certain"] == true);
            let found = report.locks().iter().find(|lock| lock["verdict"] == verdict)?;
            is_certain.then(|| found.clone())
        })
    }

    /// The first of the commands that are suggested for a lock which has these words in it.
    #[track_caller]
    pub(crate) fn suggested(&self, name: &str, words: &str) -> String {
        let text = self.scene.explain(&self.path(name));
        let mut commands = text.lines().filter_map(|line| line.strip_prefix("      "));
        let command = commands.find(|command| command.contains(words));
        command.unwrap_or_else(|| panic!("no command with {words} in:\n{text}")).to_owned()
    }

    /// Runs a command as somebody does who copies it from the screen; it has to succeed.
    #[track_caller]
    pub(crate) fn runs(&self, command: &str) {
        let output = self.shell(command);
        assert!(output.status.success(), "{command}: {output:?}");
    }

    fn shell(&self, command: &str) -> Output {
        let folder = Path::new(env!("CARGO_BIN_EXE_locktop")).parent().unwrap().display();
        let path = env::var("PATH").unwrap();
        let namespace = format!("--mount=/proc/{}/ns/mnt", self.scene.stage().pid);
        Command::new("timeout")
            .args(["300", "nsenter", &namespace, "sh", "-c", command])
            .env("PATH", format!("{folder}:{path}"))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Follows a suggestion.
    #[track_caller]
    pub(crate) fn follows(&self, name: &str, words: &str) {
        self.runs(&self.suggested(name, words));
    }

    /// From now on the administrator's log of what was released is the scene's alone.
    #[track_caller]
    pub(crate) fn keeps_its_log(&self) {
        self.scene.has_private_mounts();
        self.scene.stage().does("mount('none', '/var/log', 'tmpfs')");
    }
}

/// Whoever runs git in a test, or says that none runs.
static GIT: Mutex<()> = Mutex::new(());

/// From here on no other test of this program runs git, which could have made what is left behind.
pub(crate) fn git() -> MutexGuard<'static, ()> {
    GIT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// This thread as the debugger that has stopped a process, until dropped.
#[derive(Debug)]
pub(crate) struct Debugger(Pid);

impl Debugger {
    /// Attaches, and waits until the process has stopped.
    #[track_caller]
    pub(crate) fn of(actor: &Actor) -> Self {
        let pid = Pid::from_raw(actor.pid);
        ptrace::attach(pid).expect("an actor can be debugged");
        let debugger = Self(pid);
        waitpid(pid, None).expect("the actor stops");
        debugger
    }
}

impl Drop for Debugger {
    fn drop(&mut self) {
        // Nobody else could see its end before; it may have been killed meanwhile.
        let _ = ptrace::detach(self.0, None);
    }
}

/// Has an actor do nothing for the rest of the scene.
#[track_caller]
pub(crate) fn sleeps(actor: &Actor) {
    actor.begins("time.sleep(10_000)");
    wait_until("an actor sleeps", || {
        place(actor.pid).is_some_and(|place| place.contains("nanosleep")).then_some(())
    });
}

/// Lets those who sleep by now do so for long enough that it is told of all that they do nothing.
#[track_caller]
fn rests() {
    let begun = Instant::now();
    wait_until("all have rested", || (begun.elapsed() > Duration::from_millis(1500)).then_some(()));
}

/// Waits until a process waits for the end of a child.
#[track_caller]
pub(crate) fn waits_for_a_child(pid: i32) {
    wait_until("it waits for a child", || place(pid)?.contains("do_wait").then_some(()));
}

/// The function of the kernel in which a process sleeps.
pub(crate) fn place(pid: i32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/wchan")).ok()
}

/// Whether no process is out of sight.
fn sees_all() -> bool {
    fs::read_link("/proc/self/ns/pid").is_ok_and(|link| link == Path::new("pid:[4026531836]"))
}
