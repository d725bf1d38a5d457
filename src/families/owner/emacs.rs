//! Emacs's `.#FILE`.

use super::number;
use crate::model::Owner;

/// What a client for Windows shares makes of a colon.
const COLON_THERE: char = '\u{f022}';

/// `USER@HOST.PID`, and `:BOOT` where Emacs knows when the machine started. The user's name can have
/// `@` in it, and the machine's dots.
pub(super) fn read(bytes: &[u8]) -> Result<Owner, String> {
    let unlike = "it is not USER@HOST.PID, as Emacs writes it";
    let text = str::from_utf8(bytes).map_err(|_| unlike)?;
    let (user, rest) = text.rsplit_once('@').ok_or(unlike)?;
    let (host, rest) = rest.rsplit_once('.').ok_or(unlike)?;
    let (pid, boot) = match rest.split_once([':', COLON_THERE]) {
        Some((pid, boot)) => (pid, Some(number::time(boot).ok_or(unlike)?)),
        None => (rest, None),
    };
    let pid = number::pid(pid).filter(|pid| *pid >= 0).ok_or(unlike)?;
    Ok(Owner {
        pid: Some(pid),
        host: number::host(host),
        user: (!user.is_empty()).then(|| user.into()),
        booted_at: boot,
        ..Owner::default()
    })
}
