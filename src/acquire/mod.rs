//! Waiting for locks and taking them: one way that serves every family.
//!
//! A wait that can queue in the kernel does: a blocked system call in a thread of its own, which
//! everybody sees in the queue and which is woken at once. It is ended by its deadline, by
//! [`Cancel`], or by the lock; a lock that comes in the very instant of the end is given back.
//!
//! ```no_run
//! use std::time::Duration;
//! use locktop::Target;
//!
//! let nightly = Target::parse("/run/backup.lock".as_ref())?;
//! let guard = nightly
//!     .acquire()
//!     .timeout(Duration::from_secs(60))
//!     .on_progress(|progress| eprintln!("{progress}"))
//!     .take()?;
//! // Nobody else has it here.
//! guard.release()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Somebody who has changed his mind cancels from another thread; what comes in that instant is
//! given back:
//!
//! ```no_run
//! use std::thread;
//! use locktop::{Target, acquire::Cancel};
//!
//! let (repository, cancel) = (Target::parse("flock:/srv/repo".as_ref())?, Cancel::new());
//! let request = repository.acquire().shared().cancel(&cancel);
//! let reader = thread::spawn(|| request.take());
//! cancel.cancel();
//! match reader.join() {
//!     Ok(Err(error)) if error.is_cancelled() => println!("not needed any more"),
//!     Ok(guard) => guard?.release()?,
//!     Err(panic) => std::panic::resume_unwind(panic),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Several locks are taken in the one order that all who use this library take them in, so that no
//! two of them wait for each other:
//!
//! ```
//! use locktop::{Target, acquire::take_all};
//!
//! # let folder = tempfile::tempdir()?;
//! let lock = |name: &str| Target::Path(folder.path().join(name)).acquire().no_wait();
//! let guards = take_all(vec![lock("orders.lock"), lock("customers.lock")])?;
//! assert!(lock("orders.lock").take().is_err_and(|error| error.is_would_block()));
//! for guard in guards {
//!     guard.release()?;
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The signal
//!
//! A blocked system call can only be ended by a signal. Waits use one real-time signal, directed at
//! the waiting thread: its handler does nothing, and is installed at the first wait that blocks. It
//! is `SIGRTMIN + 5` unless [`set_signal`] says otherwise; this is the library's only global state.

mod aim;
mod cancel;
mod guard;
mod handshake;
mod lease;
mod manners;
pub(crate) mod mechanism;
mod observer;
mod pending;
mod progress;
mod request;
pub(crate) mod rhythm;
mod wait;

/// What [`handshake`] is made of; its model is checked with other types.
mod sync {
    pub(super) use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
}

pub use crate::model::Form;
pub use cancel::Cancel;
pub use guard::Guard;
pub(crate) use handshake::Stop;
pub(crate) use pending::{Blocked, Held, Pending, Place, Want};
pub use progress::{Progress, Waiting};
pub use request::{Acquire, Pauses, take_all};

/// Has waits use another signal, from the next one on: for programs that use `SIGRTMIN + 5`
/// themselves. Does nothing on systems without signals.
pub fn set_signal(signal: i32) {
    crate::system::locking::set_signal(signal);
}
