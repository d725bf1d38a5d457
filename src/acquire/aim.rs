//! What is to come of a wait: that the lock is ours, or only that it could be.

use std::sync::Arc;

use super::handshake::Stop;
use super::pending::{Blocked, Held, Pending};
use crate::error::Error;

/// How a request is made, once and in the queue.
pub(super) trait Aim: 'static {
    /// What success gives.
    type Got: Send;

    /// One try, without waiting; `None`: not now.
    fn attempt(pending: &mut dyn Pending) -> Result<Option<Self::Got>, Error>;

    /// Waits until that is there, or it is worth another try.
    fn stand(pending: &mut dyn Pending, stop: &Arc<Stop>) -> Result<Stood<Self::Got>, Error>;

    /// Undoes what came too late.
    fn undo(got: Self::Got) -> Result<(), Error>;

    /// What is said of a lock of which this is not so yet, at once and when nobody was seen to have it.
    const NOT_YET: [&'static str; 2];

    /// What it means that the lock file is gone, and none is to be created.
    fn without_file(gone: Error) -> Result<Self::Got, Error>;
}

/// What is said of a lock that somebody else has.
const NOT_FREE: [&str; 2] = ["is not free: somebody else has it", "it is not free"];

/// How standing in line ended.
pub(super) enum Stood<T> {
    Got(T),
    /// It is worth another try.
    Changed,
    Stopped,
}

/// The lock is to be ours.
pub(super) struct Take;

impl Aim for Take {
    type Got = Box<dyn Held>;

    const NOT_YET: [&'static str; 2] = NOT_FREE;

    fn attempt(pending: &mut dyn Pending) -> Result<Option<Self::Got>, Error> {
        pending.try_take()
    }

    fn stand(pending: &mut dyn Pending, stop: &Arc<Stop>) -> Result<Stood<Self::Got>, Error> {
        Ok(match pending.block(stop)? {
            Blocked::Taken(held) => Stood::Got(held),
            Blocked::Changed => Stood::Changed,
            Blocked::Stopped => Stood::Stopped,
        })
    }

    fn undo(held: Self::Got) -> Result<(), Error> {
        held.give_back()
    }

    fn without_file(gone: Error) -> Result<Self::Got, Error> {
        Err(gone)
    }
}

/// The lock is to be free. Where the system can tell that, nothing is taken; else it is taken and
/// given back in the same instant.
pub(super) struct BeFree;

impl Aim for BeFree {
    type Got = ();

    const NOT_YET: [&'static str; 2] = NOT_FREE;

    fn attempt(pending: &mut dyn Pending) -> Result<Option<()>, Error> {
        if let Some(free) = pending.is_free()? {
            return Ok(free.then_some(()));
        }
        pending.try_take()?.map(Held::give_back).transpose()
    }

    fn stand(pending: &mut dyn Pending, stop: &Arc<Stop>) -> Result<Stood<()>, Error> {
        if let Some(free) = pending.is_free()? {
            if free {
                return Ok(Stood::Got(()));
            }
            pending.linger(stop)?;
            return Ok(if stop.is_set() { Stood::Stopped } else { Stood::Changed });
        }
        Ok(match pending.block(stop)? {
            Blocked::Taken(held) => Stood::Got(held.give_back()?),
            Blocked::Changed => Stood::Changed,
            Blocked::Stopped => Stood::Stopped,
        })
    }

    fn undo((): ()) -> Result<(), Error> {
        Ok(())
    }

    /// Nobody has the lock of a file that has gone away.
    fn without_file(_gone: Error) -> Result<(), Error> {
        Ok(())
    }
}

/// Somebody who has the lock is to be ready: what is asked for is free then.
pub(super) struct BeReady;

impl Aim for BeReady {
    type Got = ();

    const NOT_YET: [&'static str; 2] =
        ["has no daemon that is ready", "no daemon has it that is ready"];

    fn attempt(pending: &mut dyn Pending) -> Result<Option<()>, Error> {
        BeFree::attempt(pending)
    }

    fn stand(pending: &mut dyn Pending, stop: &Arc<Stop>) -> Result<Stood<()>, Error> {
        BeFree::stand(pending, stop)
    }

    fn undo((): ()) -> Result<(), Error> {
        Ok(())
    }

    fn without_file(gone: Error) -> Result<(), Error> {
        Err(gone)
    }
}
