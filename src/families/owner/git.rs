//! What git writes beside a lock where `core.lockfilePid` is set.

use super::number;
use crate::model::Owner;

/// `pid N` and a line feed.
pub(super) fn read(bytes: &[u8]) -> Result<Owner, String> {
    let number = number::text(bytes)?.trim_end().strip_prefix("pid ");
    let pid = number.and_then(number::pid).ok_or("it does not read 'pid' and a number")?;
    Ok(Owner { pid: Some(pid), ..Owner::default() })
}
