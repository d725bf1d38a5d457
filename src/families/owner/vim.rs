//! The header of a swap file: the same in Vim and Neovim, and in the byte order of no machine.

use super::number;
use crate::model::Owner;

/// `b0`, or `bc`, `bC`, `bd`, `bS` and `bs` where the text is encrypted.
const FIRST: u8 = b'b';
const KINDS: &[u8] = b"0cCdSs";

/// In Vim's words: `b0_version`, `b0_pid`, `b0_uname`, `b0_hname`, `b0_fname`, `b0_dirty`.
const VERSION: (usize, usize) = (2, 10);
const PID: (usize, usize) = (24, 4);
const USER: (usize, usize) = (28, 40);
const HOST: (usize, usize) = (68, 40);
const FILE: (usize, usize) = (108, 898);
const CHANGED: (usize, usize) = (1007, 1);
const IS_CHANGED: u8 = 0x55;

/// Who edits the file.
pub(super) fn read(bytes: &[u8]) -> Result<Owner, String> {
    let part = |(at, length): (usize, usize)| bytes.get(at..at + length);
    let (Some(version), Some(pid), Some(user), Some(host), Some(file), Some(changed)) =
        (part(VERSION), part(PID), part(USER), part(HOST), part(FILE), part(CHANGED))
    else {
        return Err("it is shorter than the header of a swap file".into());
    };
    let is_known = bytes[0] == FIRST && KINDS.contains(&bytes[1]) && version.starts_with(b"VIM ");
    if !is_known {
        return Err("it is no swap file of Vim or Neovim".into());
    }
    let pid = <[u8; 4]>::try_from(pid).map(i32::from_le_bytes).map_err(|_| "it has no number")?;
    let file = match text(file) {
        Some(file) => format!("editing {file}"),
        None => "editing a text without a name".into(),
    };
    let unsaved = if changed == [IS_CHANGED] { ", with unsaved changes" } else { "" };
    Ok(Owner {
        // 0: it was not written.
        pid: (pid != 0).then_some(pid.into()),
        // Cut to its room, it would be another machine's.
        host: text(host)
            .filter(|host| host.len() < HOST.1 - 1)
            .and_then(|host| number::host(&host)),
        user: text(user).map(Into::into),
        purpose: Some(format!("{file}{unsaved}").into()),
        ..Owner::default()
    })
}

/// What stands before the first zero byte; names need not be UTF-8.
fn text(bytes: &[u8]) -> Option<String> {
    let text = bytes.split(|byte| *byte == 0).next().filter(|text| !text.is_empty())?;
    Some(String::from_utf8_lossy(text).into_owned())
}
