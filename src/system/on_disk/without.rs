//! Systems that do not number files: nothing there can be told from what came later.

use std::io;
use std::path::Path;

use crate::model::OnDisk;

#[expect(dead_code, reason = "nothing is seen there")]
pub(super) enum Seen {
    Nothing,
    AsKnown,
    There(OnDisk, Option<u64>),
}

pub(super) fn examine(_path: &Path, _known: Option<&OnDisk>) -> io::Result<Seen> {
    let text = "this system does not number its files";
    Err(io::Error::new(io::ErrorKind::Unsupported, text))
}

pub(crate) fn may_remove(_path: &Path, _owner: u32) -> bool {
    false
}
