//! The folder and the actors in it.

use std::fs;
use std::io::{self, BufRead as _, BufReader, PipeReader, PipeWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use locktop::children;
use locktop::model::{Pid, State};

use super::actor::{GO, Role};

/// An actor that is not in its place by then never will be.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where the acts are played.
pub(super) struct Stage {
    folder: PathBuf,
    /// Children that were not waited for keep their numbers, so that no stranger can be killed.
    actors: Vec<Child>,
    orphans: Vec<Pid>,
    reports: PipeWriter,
    events: Receiver<Event>,
}

/// One of the actors on the stage.
#[derive(Clone, Copy)]
pub(super) struct Actor(usize);

enum Event {
    /// An actor said this.
    Said(String),
    /// The demo is over.
    Ended,
}

impl Stage {
    pub(super) fn build(folder: &Path) -> io::Result<Self> {
        let (from_actors, reports) = io::pipe()?;
        let (events, received) = mpsc::channel();
        watch_demo(events.clone())?;
        watch_actors(from_actors, events)?;
        children::create_private_folder(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            actors: Vec::new(),
            orphans: Vec::new(),
            reports,
            events: received,
        })
    }

    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// Starts an actor, and lets it act once the system keeps it from outliving us.
    pub(super) fn enter(&mut self, name: &str, role: Role, files: &[&str]) -> io::Result<Actor> {
        let child = children::this_program(["demo-actor", name, role.word()])
            .args(files)
            .current_dir(&self.folder)
            .stdin(Stdio::piped())
            .stdout(self.reports.try_clone()?)
            .spawn()?;
        self.actors.push(child);
        let actor = Actor(self.actors.len() - 1);
        self.hear(name, "ready")?;
        self.go(actor)?;
        Ok(actor)
    }

    /// Lets an actor go on.
    pub(super) fn go(&mut self, actor: Actor) -> io::Result<()> {
        match &mut self.actors[actor.0].stdin {
            Some(stdin) => writeln!(stdin, "{GO}"),
            None => Ok(()),
        }
    }

    /// Waits until an actor ended by itself, and then lets the child that it left behind act.
    pub(super) fn bereave(&mut self, actor: Actor, child: &str) -> io::Result<()> {
        // Waiting would close what the child listens to.
        let ears = self.actors[actor.0].stdin.take();
        self.actors[actor.0].wait()?;
        self.actors[actor.0].stdin = ears;
        self.go(actor)?;
        let pid = self.hear(child, "ready")?;
        self.orphans.push(pid.parse().map_err(io::Error::other)?);
        self.go(actor)
    }

    /// The number of a process that was there and has ended.
    #[expect(clippy::unused_self, reason = "whoever ends has been on the stage")]
    pub(super) fn somebody_who_ended(&self) -> io::Result<u32> {
        let mut child = children::this_program(["--version"]).stdout(Stdio::null()).spawn()?;
        child.wait()?;
        Ok(child.id())
    }

    /// Waits until an actor says the word; the rest of what it says.
    pub(super) fn hear(&self, name: &str, word: &str) -> io::Result<String> {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(Event::Said(line)) => {
                    let mut parts = line.splitn(3, ' ');
                    if parts.next() == Some(name) && parts.next() == Some(word) {
                        return Ok(parts.next().unwrap_or_default().to_owned());
                    }
                }
                Ok(Event::Ended) => return Err(over()),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Err(late(name));
                }
            }
        }
    }

    /// Waits until the actor sleeps: after it said that it asks for a lock, in the lock's queue.
    pub(super) fn wait_for_sleep(&self, actor: Actor) -> io::Result<()> {
        self.wait_for_state(actor, State::Sleeping)
    }

    /// Waits until the actor is stopped.
    pub(super) fn wait_for_stop(&self, actor: Actor) -> io::Result<()> {
        self.wait_for_state(actor, State::Stopped)
    }

    fn wait_for_state(&self, actor: Actor, wanted: State) -> io::Result<()> {
        let pid = self.actors[actor.0].id().cast_signed();
        let until = Instant::now() + PATIENCE;
        while children::state(pid)? != Some(wanted) {
            match self.events.recv_timeout(Duration::from_millis(1)) {
                Ok(Event::Ended) => return Err(over()),
                _ if Instant::now() > until => return Err(late(&format!("with pid {pid}"))),
                _ => {}
            }
        }
        Ok(())
    }

    /// Waits until the demo is over.
    pub(super) fn wait_for_end(&self) -> io::Result<()> {
        loop {
            match self.events.recv() {
                Ok(Event::Said(_)) => {}
                Ok(Event::Ended) | Err(_) => return Ok(()),
            }
        }
    }

    /// Ends every actor, waits until none is left, and removes the folder.
    pub(super) fn clear(mut self) -> io::Result<()> {
        let mut ended = Ok(());
        for actor in &mut self.actors {
            ended = ended.and(actor.kill());
            // Ends an orphan that has not told its number yet: it listens to this pipe.
            drop(actor.stdin.take());
        }
        for orphan in &self.orphans {
            ended = ended.and(children::kill(*orphan));
        }
        let ended = ended.and_then(|()| children::wait_for_all());
        let removed = fs::remove_dir_all(&self.folder);
        ended.and(removed)
    }
}

fn over() -> io::Error {
    io::Error::new(io::ErrorKind::Interrupted, "it ended before the scene was set")
}

fn late(actor: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("the actor {actor} did not get ready"))
}

/// Standard input has nothing to say; it ends when the demo does.
fn watch_demo(events: Sender<Event>) -> io::Result<()> {
    let watch = move || {
        let mut nothing = [0; 16];
        let mut stdin = io::stdin().lock();
        while matches!(stdin.read(&mut nothing), Ok(1..)) {}
        let _ = events.send(Event::Ended);
    };
    thread::Builder::new().spawn(watch).map(drop)
}

fn watch_actors(reports: PipeReader, events: Sender<Event>) -> io::Result<()> {
    let watch = move || {
        for line in BufReader::new(reports).lines().map_while(Result::ok) {
            if events.send(Event::Said(line)).is_err() {
                break;
            }
        }
    };
    thread::Builder::new().spawn(watch).map(drop)
}
