//! Locks that lock by existing: made in one step that fails where something is there, and removed
//! only as long as they are what was made.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(in crate::system) use unix::unused_name;
#[cfg(unix)]
pub(crate) use unix::{Made, Slot};
#[cfg(not(unix))]
mod without;
#[cfg(not(unix))]
pub(crate) use without::{Made, Slot};

use std::ffi::OsString;

/// What became of something that was to be removed.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(not(unix), expect(dead_code, reason = "nothing is made there"))]
pub(crate) enum Removal {
    /// It is gone.
    Done,
    /// It was there no more, or is not as it was made any more. What is there was left alone.
    Lost,
    /// Something else had come in its place just then, and was taken aside to this name; meanwhile
    /// something newer came, so that it could not be put back.
    Aside(OsString),
}

/// The name of this machine, as others know it.
pub(crate) fn host_name() -> Option<String> {
    sysinfo::System::host_name().ok()
}
