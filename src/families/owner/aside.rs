//! What we take aside to remove it, or make aside to put it in the place of something.

use std::path::Path;

use super::number;
use crate::model::Owner;

/// `.locktop-PID-` and something at random.
pub(super) fn read(path: &Path) -> Result<Owner, String> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let pid = name
        .strip_prefix(".locktop-")
        .and_then(|rest| rest.split_once('-'))
        .and_then(|(pid, _)| number::pid(pid))
        .ok_or("its name is not .locktop-PID-…")?;
    let purpose = "what a locktop took aside, or was about to put in the place of something";
    Ok(Owner { pid: Some(pid), purpose: Some(purpose.into()), ..Owner::default() })
}
