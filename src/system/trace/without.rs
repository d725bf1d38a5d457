//! Where nothing can be traced.

use std::io;
use std::time::Duration;

use super::{Batch, Reason};
use crate::model::FileId;
use crate::system::System;

/// A trace: there is none.
#[derive(Debug)]
pub(crate) enum Tracer {}

/// Whoever would wait for it.
#[derive(Debug)]
pub(crate) enum Waiter {}

/// Would end such a wait.
#[derive(Debug)]
pub(crate) enum Stop {}

/// Would silence one.
#[derive(Debug)]
pub(crate) enum Silencer {}

impl Tracer {
    pub(crate) fn start(
        _system: &System,
        _files: Option<&[FileId]>,
        _kilobytes: Option<u32>,
    ) -> Result<Self, Reason> {
        Err(Reason::Unsupported)
    }

    pub(crate) fn stopper(&self) -> Stop {
        match *self {}
    }

    pub(crate) fn silencer(&self) -> io::Result<Silencer> {
        match *self {}
    }

    pub(crate) fn missing(&self) -> &[&'static str] {
        match *self {}
    }

    pub(crate) fn only(&self, _files: Option<&[FileId]>) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn follow_forks(&mut self, _follow: bool) {
        match *self {}
    }

    pub(crate) fn commands(&self) -> String {
        match *self {}
    }

    pub(crate) fn waiter(&self) -> io::Result<Waiter> {
        match *self {}
    }

    pub(crate) fn read(&mut self, _until: Duration) -> io::Result<Batch> {
        match *self {}
    }
}

impl Waiter {
    pub(crate) fn wait(&self) -> io::Result<bool> {
        match *self {}
    }

    pub(crate) fn pause(&self, _time: Duration) -> bool {
        match *self {}
    }
}

impl Stop {
    pub(crate) fn stop(&self) {
        match *self {}
    }
}

impl Silencer {
    pub(crate) fn silence(&self) {
        match *self {}
    }
}
