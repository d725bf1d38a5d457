//! Taking a lock that belongs to an open file, and standing in the kernel's queue for it: the same
//! for all such locks.

use std::io;
use std::path::Path;

use super::{MOST_REOPENED, replaced_all_the_time};
use crate::acquire::{Blocked, Held, Stop, Want};
use crate::error::Error;
use crate::system::locking;

/// A request for a lock of an open file.
pub(super) trait Request {
    fn path(&self) -> &Path;

    fn want(&self) -> &Want;

    /// Locks the open file if that can be done at once.
    fn try_lock(&self) -> io::Result<bool>;

    /// Locks the open file, waiting in the kernel's queue.
    fn lock(&self) -> io::Result<()>;

    /// Whether the path still names the open file.
    fn is_named(&self) -> Result<bool, Error>;

    /// Opens the file that the path names now.
    fn reopen(&mut self) -> Result<(), Error>;

    /// The lock that the open file has got.
    fn held(&self) -> Box<dyn Held>;

    /// Opens the file in another way, if the error asks for that; else tells what it means.
    fn mend(&mut self, error: io::Error) -> Result<(), Error>;
}

/// Takes the lock if that can be done at once. What is returned has been verified.
pub(super) fn try_take(request: &mut impl Request) -> Result<Option<Box<dyn Held>>, Error> {
    for _ in 0..MOST_REOPENED {
        match request.try_lock() {
            Ok(true) => {
                if let Some(held) = verified(request)? {
                    return Ok(Some(held));
                }
            }
            Ok(false) if request.is_named()? => return Ok(None),
            Ok(false) => request.reopen()?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => request.mend(error)?,
        }
    }
    Err(replaced_all_the_time(request.path()))
}

/// Waits in the kernel's queue until the lock is ours, the file was replaced, or `stop` is set.
pub(super) fn block(request: &mut impl Request, stop: &Stop) -> Result<Blocked, Error> {
    let thread = match locking::prepare() {
        Ok(thread) => thread,
        // Nothing could end a blocked call: waits until it is worth another try.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            stop.pause(request.want().pauses.first);
            return Ok(if stop.is_set() { Blocked::Stopped } else { Blocked::Changed });
        }
        Err(error) => return Err(Error::io("wait in the queue of", request.path(), error)),
    };
    loop {
        match stop.interruptible(thread, || request.lock()) {
            None => return Ok(Blocked::Stopped),
            Some(Ok(())) => return Ok(verified(request)?.map_or(Blocked::Changed, Blocked::Taken)),
            Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {
                if !stop.is_set() && !request.is_named()? {
                    request.reopen()?;
                    return Ok(Blocked::Changed);
                }
            }
            Some(Err(error)) => request.mend(error)?,
        }
    }
}

/// The lock that the open file has got, if the path still names that.
fn verified(request: &mut impl Request) -> Result<Option<Box<dyn Held>>, Error> {
    if request.is_named()? {
        return Ok(Some(request.held()));
    }
    request.reopen()?;
    Ok(None)
}
