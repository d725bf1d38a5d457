//! Systems whose processes cannot be asked what they wait for.

use std::io;

use super::super::procfs::syscall::Call;
use super::ends::Way;
use crate::model::Pid;

#[cfg(test)]
pub(crate) const READ_CALL: Option<i64> = None;

pub(super) fn call(_number: i64) -> Option<Call> {
    None
}

pub(super) fn has_limit(_pid: Pid, _fd: i32, _way: Way) -> io::Result<bool> {
    Err(io::ErrorKind::Unsupported.into())
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct UnixSocket {
    pub(super) name: Option<Vec<u8>>,
    pub(super) peer: Option<u32>,
}

pub(super) fn unix_socket(_inode: u32) -> io::Result<Option<UnixSocket>> {
    Err(io::ErrorKind::Unsupported.into())
}
