//! Systems that do not number files: what was made cannot be told from what came later.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use super::Removal;
use crate::model::{FileId, Form, OnDisk};

/// A name in a folder.
#[derive(Debug)]
pub(crate) enum Slot {}

/// What was made.
#[derive(Debug)]
pub(crate) enum Made {}

impl Slot {
    pub(crate) fn open(_folder: &Path, _name: &OsStr) -> io::Result<Self> {
        let text = "this system has no locks that lock by existing";
        Err(io::Error::new(io::ErrorKind::Unsupported, text))
    }

    pub(crate) fn folder(&self) -> io::Result<FileId> {
        match *self {}
    }

    pub(crate) fn form(&self) -> io::Result<Option<Form>> {
        match *self {}
    }

    pub(crate) fn make(&self, _form: Form, _mode: u32, _text: &[u8]) -> io::Result<Option<Made>> {
        match *self {}
    }

    pub(crate) fn remove_examined(&self, _examined: &OnDisk) -> io::Result<Removal> {
        match *self {}
    }

    pub(crate) fn replace_examined(
        &self,
        _examined: &OnDisk,
        _mode: u32,
        _text: &[u8],
    ) -> io::Result<Option<Made>> {
        match *self {}
    }

    pub(crate) fn remove(&self, _made: &Made) -> io::Result<Removal> {
        match *self {}
    }
}

impl Made {
    pub(crate) fn is_named(&self, _path: &Path) -> io::Result<bool> {
        match *self {}
    }
}
