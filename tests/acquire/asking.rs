//! Requests of this process: each waits in a thread of its own.

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};

use locktop::acquire::{Cancel, Progress};
use locktop::{Acquire, Error, Guard, Target};

use super::support::{records, wait_until};

/// A request for that kind of lock on a file.
pub(crate) fn lock(family: &str, path: &Path) -> Acquire {
    let target = format!("{family}:{}", path.display());
    Target::parse(target.as_ref()).unwrap().acquire()
}

/// How many stand in the queues of the file that is there now.
pub(crate) fn waiting(path: &Path) -> usize {
    records(path).iter().filter(|record| record.waits).count()
}

/// Whether somebody is seen to have a lock on the file that is there now. The kernel's table can
/// leave out one that is there: to see that there is one, use [`wait_until_held`].
pub(crate) fn is_held(path: &Path) -> bool {
    records(path).iter().any(|record| !record.waits)
}

/// Waits until somebody has a lock on the file that is there now.
#[track_caller]
pub(crate) fn wait_until_held(path: &Path) {
    wait_until("somebody has a lock", || is_held(path).then_some(()));
}

/// Waits until so many stand in its queues.
#[track_caller]
pub(crate) fn wait_for_queue(path: &Path, length: usize) {
    wait_until(&format!("{length} are in the queue"), || (waiting(path) == length).then_some(()));
}

/// A request that is being waited for.
pub(crate) struct Wait {
    cancel: Cancel,
    progress: Receiver<Progress>,
    thread: JoinHandle<Result<Guard, Error>>,
}

impl Wait {
    /// Begins to wait.
    pub(crate) fn begin(request: Acquire) -> Self {
        Self::then(request, Ok)
    }

    /// The same, and does something once it has the lock.
    pub(crate) fn then(
        request: Acquire,
        work: impl FnOnce(Guard) -> Result<Guard, Error> + Send + 'static,
    ) -> Self {
        let cancel = Cancel::new();
        let (tell, progress) = channel();
        let request = request.cancel(&cancel).on_progress(move |progress| {
            // The test may have heard enough.
            let _ = tell.send(progress.clone());
        });
        let thread = thread::spawn(move || request.take().and_then(work));
        Self { cancel, progress, thread }
    }

    /// Cancels it, and returns what came of it.
    pub(crate) fn leaves(self) -> Result<Guard, Error> {
        self.cancel.cancel();
        self.ends()
    }

    /// What can cancel it.
    pub(crate) fn cancel(&self) -> Cancel {
        self.cancel.clone()
    }

    /// Waits for its end, whatever that is.
    #[track_caller]
    pub(crate) fn ends(self) -> Result<Guard, Error> {
        wait_until("a wait ends", || self.thread.is_finished().then_some(()));
        self.thread.join().unwrap()
    }

    /// What was told so far.
    pub(crate) fn told(&self) -> Vec<Progress> {
        self.progress.try_iter().collect()
    }
}
