//! Somebody who listens to `locktop watch`.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Scene, send, wait_until};

/// Looks are rare where the machine is busy.
const SOON: Duration = Duration::from_mins(3);

/// A `locktop watch` that runs, and what it says.
pub(crate) struct Listener {
    child: Child,
    printed: Receiver<String>,
    said: Receiver<String>,
    /// All lines that were printed so far.
    pub(crate) heard: Vec<String>,
    /// All lines of standard error until it began.
    pub(crate) remarks: Vec<String>,
}

impl Listener {
    /// Watches from when this returns, with these arguments.
    #[track_caller]
    pub(crate) fn start(scene: &Scene, args: &[&str]) -> Self {
        Self::start_through(scene, &[], args)
    }

    /// The same through a program that runs another.
    #[track_caller]
    pub(crate) fn start_through(scene: &Scene, through: &[&str], args: &[&str]) -> Self {
        let binary = if through.is_empty() {
            env!("CARGO_BIN_EXE_locktop").to_owned()
        } else {
            scene.copy_of_binary().to_str().unwrap().to_owned()
        };
        let words = [through, &[binary.as_str(), "watch"], args].concat();
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .current_dir(scene.folder())
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (print, printed) = channel();
        let (say, said) = channel();
        let stdout: ChildStdout = child.stdout.take().unwrap();
        read(stdout, print);
        read(child.stderr.take().unwrap(), say);
        let mut listener = Self { child, printed, said, heard: Vec::new(), remarks: Vec::new() };
        while !listener.remarks.last().is_some_and(|line| line.contains("watching ")) {
            let line = listener.said.recv_timeout(SOON);
            listener.remarks.push(line.unwrap_or_else(|_| panic!("{:?}", listener.remarks)));
        }
        listener
    }

    /// The next line that is so; lines before it are heard too.
    #[track_caller]
    pub(crate) fn hears_line(&mut self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let left = SOON.saturating_sub(begun.elapsed());
            match self.printed.recv_timeout(left) {
                Ok(line) => {
                    self.heard.push(line.clone());
                    if is_so(&line) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("{what} was not told: {:#?}", self.heard)
                }
            }
        }
    }

    /// The next event of that kind that befell that process.
    #[track_caller]
    pub(crate) fn hears(&mut self, kind: &str, pid: i32) -> Value {
        let is_so = |line: &str| {
            let event = parse(line);
            event["event"] == kind && event["pid"] == pid
        };
        let line = self.hears_line(&format!("{kind} {pid}"), is_so);
        let event = parse(&line);
        is_sound(&event);
        event
    }

    /// All that was told so far, as words and pids, but for verdicts.
    pub(crate) fn story(&self) -> Vec<(String, i64)> {
        let events = self.heard.iter().map(|line| parse(line));
        events
            .filter(|event| event["event"] != "verdict-changed")
            .map(|event| {
                let pid = event["pid"].as_i64().unwrap_or_default();
                (event["event"].as_str().unwrap().to_owned(), pid)
            })
            .collect()
    }

    /// Ends it by a signal.
    pub(crate) fn ends_by(mut self, signal: Signal) -> ExitStatus {
        send(signal, self.child.id().cast_signed());
        self.child.wait().unwrap()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            send(Signal::KILL, self.child.id().cast_signed());
            self.child.wait().unwrap();
        }
    }
}

fn read(output: impl Read + Send + 'static, lines: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                break;
            }
        }
    });
}

pub(crate) fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// What must be so of every event.
#[track_caller]
fn is_sound(event: &Value) {
    assert_eq!(event["schema"], 1, "{event:#}");
    assert!(event["id"].as_str().unwrap().starts_with('@'), "{event:#}");
    assert!(!event["evidence"].as_array().unwrap().is_empty(), "{event:#}");
    let time =
        |name: &str| event[name].as_str().map(|time| time.parse::<jiff::Timestamp>().unwrap());
    let at = time("at").unwrap();
    assert!(time("not_before").is_none_or(|from| from <= at), "{event:#}");
    let duration = &event["duration"];
    if let Some(most) = duration["max_s"].as_f64() {
        assert!(duration["min_s"].as_f64().unwrap() <= most, "{event:#}");
    }
}

/// The words and pids that a story is compared with.
pub(crate) fn story<const N: usize>(events: [(&str, i32); N]) -> Vec<(String, i64)> {
    events.into_iter().map(|(word, pid)| (word.to_owned(), pid.into())).collect()
}

/// Waits until whoever has a lock has slept for longer than the clocks of processors differ.
#[track_caller]
pub(crate) fn rests(scene: &Scene, name: &str) {
    wait_until("the holder has slept", || {
        let age = scene.look().at(&scene.path(name))["age"]["min_s"].as_f64()?;
        (age > 0.5).then_some(())
    });
}
