//! Questions to file systems that may never answer: each has a thread of its own, which is left
//! behind when it takes longer than anybody would wait.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Those that have not been answered yet, by what they are about.
#[derive(Debug)]
pub(super) struct Questions<T> {
    unanswered: Mutex<HashMap<PathBuf, Receiver<T>>>,
}

impl<T> Default for Questions<T> {
    fn default() -> Self {
        Self { unanswered: Mutex::default() }
    }
}

impl<T: Send + 'static> Questions<T> {
    /// The answer; `None`: there is none yet. What hung before is not waited for again, and its late
    /// answer stands for the next question.
    ///
    /// # Errors
    /// When no thread can be had.
    pub(super) fn ask(
        &self,
        about: &Path,
        patience: Duration,
        question: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Option<T>> {
        let mut unanswered = self.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = unanswered.get(about) {
            let Ok(answer) = answer.try_recv() else { return Ok(None) };
            unanswered.remove(about);
            return Ok(Some(answer));
        }
        let (begun, begins) = channel();
        let (done, answer) = channel();
        aside(move || {
            // Nobody may be left to listen.
            let _ = begun.send(());
            drop(done.send(question()));
        })?;
        // On a busy machine that takes its time, which says nothing of the file system.
        let _ = begins.recv();
        let in_time = answer.recv_timeout(patience).ok();
        if in_time.is_none() {
            unanswered.insert(about.to_path_buf(), answer);
        }
        Ok(in_time)
    }
}

/// Does something in a thread of its own.
pub(super) fn aside(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name("look-up".into()).spawn(work).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_answer_is_asked_once() {
        let questions = Questions::default();
        let about = Path::new("/dead");
        let (go_on, wait) = channel::<()>();
        let slow = questions.ask(about, Duration::ZERO, move || wait.recv().is_ok());
        assert_eq!(slow.unwrap(), None);
        assert_eq!(questions.ask(about, Duration::ZERO, || unreachable!()).unwrap(), None);
        assert_eq!(
            questions.ask(Path::new("/other"), Duration::from_mins(1), || true).unwrap(),
            Some(true)
        );
        go_on.send(()).unwrap();
        let answer = loop {
            if let Some(answer) = questions.ask(about, Duration::ZERO, || unreachable!()).unwrap() {
                break answer;
            }
            std::thread::yield_now();
        };
        assert!(answer);
    }
}
