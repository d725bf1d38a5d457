//! Numbers of processes, as people write them, and what else stands beside them.

use std::sync::Arc;

use jiff::Timestamp;

use crate::model::Owner;

/// The number alone in the first line; nothing but blanks after it.
pub(super) fn alone(bytes: &[u8]) -> Result<Owner, String> {
    let text = text(bytes)?;
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    if lines.any(|line| !line.trim().is_empty()) {
        return Err("it has more lines than a number".into());
    }
    let pid = pid(first.trim()).ok_or("its first line is no number")?;
    Ok(Owner { pid: Some(pid), ..Owner::default() })
}

/// A number, a blank, and the name of a machine.
pub(super) fn with_host(bytes: &[u8]) -> Result<Owner, String> {
    let text = text(bytes)?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let [number, machine] = words[..] else {
        return Err("it is not a number and the name of a machine".into());
    };
    let pid = pid(number).ok_or("its first word is no number")?;
    let host = host(machine).ok_or("its second word is no name of a machine")?;
    Ok(Owner { pid: Some(pid), host: Some(host), ..Owner::default() })
}

/// Text without what no text has; some programs write the zero byte behind it too.
pub(super) fn text(bytes: &[u8]) -> Result<&str, String> {
    let text = str::from_utf8(bytes).map_err(|_| "it is no text")?;
    let text = text.strip_suffix('\0').unwrap_or(text);
    if text.contains('\0') {
        return Err("it is no text".into());
    }
    if text.trim().is_empty() {
        return Err("it is empty".into());
    }
    Ok(text)
}

/// A number as it is written; of a sign only a minus, since that means something to some.
pub(super) fn pid(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// The name of a machine: what can be one.
pub(super) fn host(text: &str) -> Option<Arc<str>> {
    let can_be = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    (1..=255).contains(&text.len()).then_some(text).filter(|text| text.chars().all(can_be))?;
    text.contains(char::is_alphanumeric).then(|| text.into())
}

/// Seconds since 1970, later than that.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    let seconds = pid(text).filter(|seconds| *seconds > 0)?;
    Timestamp::from_second(seconds).ok()
}
