//! Whether somebody has a record lock on a file: asked of the kernel, without taking one.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::System;
use super::aside::Questions;
use super::locking::{self, Access, record};
use crate::model::{Mode, Range};

/// A file system that is silent for so long is taken to hang.
const PATIENCE: Duration = Duration::from_secs(2);

/// Questions that have not been answered yet, and the answers to others.
#[derive(Debug, Default)]
pub(super) struct Locked {
    questions: Questions<io::Result<bool>>,
    answers: Mutex<HashMap<PathBuf, (Instant, bool)>>,
}

impl System {
    /// Whether anybody has a record lock on the file, or had one at most so long ago. Opens it for
    /// reading, of which those hear who watch it: whoever looks whenever they do, asks seldom.
    ///
    /// # Errors
    /// When it cannot be opened; `Unsupported` where the system cannot tell; `TimedOut` where its file
    /// system hangs.
    pub(crate) fn has_record_lock(&self, path: &Path, ago: Duration) -> io::Result<bool> {
        let mut answers = self.locked.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|_, (at, _)| at.elapsed() < ago);
        if let Some((_, is_locked)) = answers.get(path) {
            return Ok(*is_locked);
        }
        let asked = path.to_owned();
        let question = move || {
            let file = locking::open(&asked, Access::Read, None)?;
            record::is_free(&file, Mode::Exclusive, Range::WHOLE).map(|free| !free)
        };
        let is_locked =
            self.locked.questions.ask(path, PATIENCE, question)?.unwrap_or_else(|| {
                Err(io::Error::new(io::ErrorKind::TimedOut, "its file system does not answer"))
            })?;
        answers.insert(path.to_owned(), (Instant::now(), is_locked));
        Ok(is_locked)
    }
}
