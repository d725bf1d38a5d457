//! The `postmaster.pid` of a database server, and the lock beside its socket.

use super::number;
use crate::model::Owner;

/// In lines: number, data folder, when the server started, port, folder of its socket …; of a backend
/// without a server the number is negative.
pub(super) fn read(bytes: &[u8]) -> Result<Owner, String> {
    let mut lines = number::text(bytes)?.lines().map(str::trim);
    let first = lines.next().unwrap_or_default();
    let number = number::pid(first).ok_or("its first line is no number")?;
    let folder = lines.next().ok_or("it ends after the first line")?;
    let started = lines.next().ok_or("it ends after the second line")?;
    let started = number::time(started).ok_or("its third line is no time")?;
    let what = if number < 0 { "standalone backend" } else { "server" };
    Ok(Owner {
        pid: Some(number.checked_abs().ok_or("its first line is no number")?),
        started_at: Some(started),
        purpose: Some(format!("{what} of {folder}").into()),
        ..Owner::default()
    })
}
