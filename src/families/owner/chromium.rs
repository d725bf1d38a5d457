//! Chromium's `SingletonLock`.

use super::number;
use crate::model::Owner;

/// `HOST-PID`; a host's name can have hyphens too.
pub(super) fn read(bytes: &[u8]) -> Result<Owner, String> {
    let unlike = "it does not point to HOST-PID, as Chromium writes it";
    let text = str::from_utf8(bytes).map_err(|_| unlike)?;
    let (host, pid) = text.rsplit_once('-').ok_or(unlike)?;
    let host = number::host(host).ok_or(unlike)?;
    let pid = number::pid(pid).ok_or(unlike)?;
    Ok(Owner { pid: Some(pid), host: Some(host), ..Owner::default() })
}
