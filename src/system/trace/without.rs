//! Where nothing can be traced. That there is none of these is known here alone: whoever uses them
//! is compiled as where there are.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use super::{Batch, Reason};
use crate::model::FileId;
use crate::system::System;

/// A trace: there is none.
#[derive(Debug)]
pub(crate) struct Tracer(Infallible);

/// Whoever would wait for it.
#[derive(Debug)]
pub(crate) struct Waiter(Infallible);

/// Would end such a wait.
#[derive(Debug)]
pub(crate) struct Stop(Infallible);

/// Would silence one.
#[derive(Debug)]
pub(crate) struct Silencer(Infallible);

impl Tracer {
    pub(crate) fn start(
        _system: &System,
        _files: Option<&[FileId]>,
        _kilobytes: Option<u32>,
    ) -> Result<Self, Reason> {
        Err(Reason::Unsupported)
    }

    pub(crate) fn stopper(&self) -> Stop {
        match self.0 {}
    }

    pub(crate) fn silencer(&self) -> io::Result<Silencer> {
        match self.0 {}
    }

    pub(crate) fn missing(&self) -> &[&'static str] {
        match self.0 {}
    }

    pub(crate) fn only(&self, _files: Option<&[FileId]>) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn follow_forks(&mut self, _follow: bool) {
        match self.0 {}
    }

    pub(crate) fn commands(&self) -> String {
        match self.0 {}
    }

    pub(crate) fn waiter(&self) -> io::Result<Waiter> {
        match self.0 {}
    }

    pub(crate) fn read(&mut self, _until: Duration) -> io::Result<Batch> {
        match self.0 {}
    }
}

impl Waiter {
    pub(crate) fn wait(&self) -> io::Result<bool> {
        match self.0 {}
    }

    pub(crate) fn pause(&self, _time: Duration) -> bool {
        match self.0 {}
    }
}

impl Stop {
    pub(crate) fn stop(&self) {
        match self.0 {}
    }
}

impl Silencer {
    pub(crate) fn silence(&self) {
        match self.0 {}
    }
}
