//! The lock of a serial line: ten digits and a line feed, or with Kermit the number itself, as the
//! machine has it in its memory.

use super::number;
use crate::model::Owner;

/// Who uses the line.
pub(super) fn read(bytes: &[u8]) -> Result<Owner, String> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        let pid = i32::from_ne_bytes(bytes);
        return Ok(Owner { pid: Some(pid.into()), ..Owner::default() });
    }
    // Some write their name and their user's behind it.
    let text = number::text(bytes)?;
    let first = text.split_whitespace().next().unwrap_or_default();
    let pid = number::pid(first).ok_or("its first word is no number")?;
    Ok(Owner { pid: Some(pid), ..Owner::default() })
}
