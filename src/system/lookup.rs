//! What paths name now, without ever waiting for a file system that hangs.
//!
//! A look-up by path can sleep for ever on a dead network or FUSE file system. So each mount has a
//! thread of its own, which can be left behind; a mount that did not answer in time is not asked
//! again until that thread comes back.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{FileStat, platform};

/// A mount that is silent for so long is taken to hang: longer than its thread has to wait for a
/// processor on a busy machine.
const PATIENCE: Duration = Duration::from_secs(2);

/// Answers come in parcels, since a channel for each would cost more than a look-up.
const PARCEL: usize = 256;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    /// The path, in the file tree of `root`.
    pub(crate) path: PathBuf,
    /// The file tree of another process, if not ours.
    pub(crate) root: Option<PathBuf>,
    /// The mount that it lies on: one that hangs holds up no other.
    pub(crate) mount: PathBuf,
}

/// What a path names.
#[derive(Debug)]
pub(crate) enum Answer {
    Found(FileStat),
    Failed(io::Error),
    /// The mount did not answer in time.
    Hangs,
}

#[derive(Debug, Default)]
pub(super) struct Lookups {
    workers: Mutex<HashMap<PathBuf, Worker>>,
}

/// The thread that asks one mount.
#[derive(Debug)]
struct Worker {
    asks: Sender<Vec<Ask>>,
    answers: Receiver<Vec<io::Result<FileStat>>>,
    /// Answers that it owes from a time when it hung.
    owed: usize,
}

impl Lookups {
    pub(super) fn look_up(&self, asks: Vec<Ask>) -> Vec<Answer> {
        let mut answers: Vec<Answer> = asks.iter().map(|_| Answer::Hangs).collect();
        let mut by_mount: HashMap<PathBuf, Vec<(usize, Ask)>> = HashMap::new();
        for (index, ask) in asks.into_iter().enumerate() {
            by_mount.entry(ask.mount.clone()).or_default().push((index, ask));
        }
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        // All mounts are asked before any is waited for.
        let mut waiting = Vec::new();
        for (mount, asks) in by_mount {
            let (indices, asks): (Vec<_>, Vec<_>) = asks.into_iter().unzip();
            let worker = workers.entry(mount.clone()).or_insert_with(Worker::start);
            if worker.is_ready() && worker.asks.send(asks).is_ok() {
                worker.owed = indices.len();
                waiting.push((mount, indices));
            }
        }
        let asked = Instant::now();
        for (mount, indices) in waiting {
            let Some(worker) = workers.get_mut(&mount) else { continue };
            let mut indices = indices.into_iter();
            // All have been silent while one was waited for.
            let mut heard = asked;
            while worker.owed > 0 {
                match worker.answers.recv_timeout(PATIENCE.saturating_sub(heard.elapsed())) {
                    Ok(parcel) => {
                        heard = Instant::now();
                        worker.owed = worker.owed.saturating_sub(parcel.len());
                        // The parcel first: a zip that ends takes one too many from its left side.
                        for (answer, index) in parcel.into_iter().zip(indices.by_ref()) {
                            answers[index] = match answer {
                                Ok(found) => Answer::Found(found),
                                Err(error) => Answer::Failed(error),
                            };
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => {
                        workers.remove(&mount);
                        break;
                    }
                }
            }
        }
        answers
    }
}

impl Worker {
    fn start() -> Self {
        let (asks, to_do) = channel::<Vec<Ask>>();
        let (done, answers) = channel();
        // Where no thread can be had, both ends of the channels are dropped, and the mount reads as
        // one that does not answer.
        let _ = std::thread::Builder::new().name("look-up".into()).stack_size(64 << 10).spawn(
            move || {
                for asks in to_do {
                    for parcel in asks.chunks(PARCEL) {
                        if done.send(parcel.iter().map(look_up_now).collect()).is_err() {
                            return;
                        }
                    }
                }
            },
        );
        Self { asks, answers, owed: 0 }
    }

    /// Whether it has answered everything that it was asked.
    fn is_ready(&mut self) -> bool {
        while self.owed > 0 {
            match self.answers.try_recv() {
                Ok(parcel) => self.owed = self.owed.saturating_sub(parcel.len()),
                Err(_) => return false,
            }
        }
        true
    }
}

fn look_up_now(ask: &Ask) -> io::Result<FileStat> {
    match &ask.root {
        None => platform::stat_path(&ask.path),
        Some(root) => platform::stat_path_in(root, &ask.path),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn ask(path: &Path) -> Ask {
        Ask { path: path.into(), root: None, mount: "/".into() }
    }

    #[test]
    fn answers_come_in_the_order_of_the_asks() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("there");
        std::fs::write(&there, "").unwrap();
        let missing = folder.path().join("missing");
        let asks: Vec<_> = (0..PARCEL * 3)
            .map(|number| ask(if number % 2 == 0 { &there } else { &missing }))
            .collect();
        let lookups = Lookups::default();
        for _ in 0..2 {
            for (number, answer) in lookups.look_up(asks.clone()).iter().enumerate() {
                match answer {
                    Answer::Found(_) => assert_eq!(number % 2, 0),
                    Answer::Failed(error) => {
                        assert_eq!((number % 2, error.kind()), (1, io::ErrorKind::NotFound));
                    }
                    Answer::Hangs => panic!("a local file system answers"),
                }
            }
        }
    }
}
