//! A process that does what a test says.

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::process::{Signal, pidfd_send_signal};
use serde_json::Value;

use super::kernel::{blocked_threads, handle_of, has_gone, is_stopped, state, wait_until};

/// A Python process of a [`Scene`](super::Scene); `stage.py` has the words that it understands.
///
/// Dropped, it ends once it has nothing to do.
#[derive(Debug)]
pub struct Actor {
    /// Its process.
    pub pid: i32,
    process: OwnedFd,
    connection: RefCell<BufReader<UnixStream>>,
    door: Rc<UnixListener>,
}

impl Actor {
    /// Waits for process `pid` to connect.
    #[track_caller]
    pub fn enters(door: &Rc<UnixListener>, pid: i32) -> Self {
        let connection = wait_until("an actor connects", || match door.accept() {
            Ok((connection, _)) => Some(connection),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("cannot accept an actor: {error}"),
        });
        connection.set_nonblocking(false).unwrap();
        connection.set_read_timeout(Some(Duration::from_mins(5))).unwrap();
        let actor = Self {
            pid,
            process: handle_of(pid).expect("the actor lives"),
            connection: RefCell::new(BufReader::new(connection)),
            door: Rc::clone(door),
        };
        actor.comes_to_rest();
        actor
    }

    /// Has it evaluate or execute Python, and returns the value when it has come to rest.
    #[track_caller]
    pub fn does(&self, source: impl AsRef<str>) -> Value {
        self.begins(source);
        let value = self.answer();
        self.comes_to_rest();
        value
    }

    /// Who has answered runs on for a while before it listens again.
    #[track_caller]
    fn comes_to_rest(&self) {
        wait_until("an actor rests", || (state(self.pid) != Some('R')).then_some(()));
    }

    /// Has it begin with something that takes its time; [`Actor::answer`] is its end.
    #[track_caller]
    pub fn begins(&self, source: impl AsRef<str>) {
        let mut line = Value::from(source.as_ref()).to_string();
        line.push('\n');
        self.connection.borrow_mut().get_mut().write_all(line.as_bytes()).expect("it listens");
    }

    /// Has it begin with something that blocks on a lock; returns when it does, with the time
    /// between which the wait began.
    #[track_caller]
    pub fn waits(&self, source: impl AsRef<str>) -> (Instant, Instant) {
        let before = Instant::now();
        self.begins(source);
        self.is_blocked();
        (before, Instant::now())
    }

    /// Waits until one of its threads waits for a lock; returns which.
    #[track_caller]
    pub fn is_blocked(&self) -> i32 {
        wait_until("an actor waits for a lock", || blocked_threads(self.pid).first().copied())
    }

    /// The value of what it began.
    #[track_caller]
    pub fn answer(&self) -> Value {
        let mut line = String::new();
        self.connection.borrow_mut().read_line(&mut line).expect("an actor answers");
        let mut answer: Value = serde_json::from_str(&line).expect("an actor answers in JSON");
        if let Some(error) = answer["error"].as_str() {
            panic!("{error}");
        }
        answer["value"].take()
    }

    /// Waits until it sleeps after what it did: from then on it does not run by itself.
    #[track_caller]
    pub fn rests(&self) {
        wait_until("an actor sleeps", || {
            let place = fs::read_to_string(format!("/proc/{}/wchan", self.pid)).ok()?;
            (place != "0").then_some(())
        });
    }

    /// A copy of it, with all its descriptors.
    #[track_caller]
    pub fn forks(&self) -> Self {
        self.makes("fork()")
    }

    /// The actor whose pid the Python source returns.
    #[track_caller]
    pub fn makes(&self, source: &str) -> Self {
        let pid = self.does(source).as_i64().expect("a fork returns a pid");
        Self::enters(&self.door, pid as i32)
    }

    /// Sends it a signal.
    pub fn gets(&self, signal: Signal) {
        pidfd_send_signal(&self.process, signal).expect("an actor can be signalled");
    }

    /// Stops it.
    #[track_caller]
    pub fn stops(&self) {
        self.gets(Signal::STOP);
        wait_until("an actor has stopped", || is_stopped(self.pid).then_some(()));
    }

    /// Ends it, and waits until its number is free.
    #[track_caller]
    pub fn ends(self) {
        self.gets(Signal::KILL);
        wait_until("an actor has ended", || has_gone(&self.process).then_some(()));
    }
}
