//! `/proc/PID/task/TID/sched`: when a thread last ran, by the scheduler's clock, and how long it has
//! run in all.

use std::time::Duration;

/// `se.exec_start`: when it last ran.
pub(crate) fn exec_start(text: &[u8]) -> Option<Duration> {
    time(text, "exec_start")
}

/// `se.sum_exec_runtime`: how long it has run.
pub(crate) fn run_time(text: &[u8]) -> Option<Duration> {
    time(text, "sum_exec_runtime")
}

/// A time, which is in milliseconds with six decimals.
fn time(text: &[u8], name: &str) -> Option<Duration> {
    let is_it = |line: &&[u8]| {
        let field = line.strip_prefix(b"se.").or_else(|| line.strip_prefix(b"se->"));
        field.is_some_and(|field| field.starts_with(name.as_bytes()))
    };
    let line = text.split(|byte| *byte == b'\n').find(is_it)?;
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (millis, nanos) = str::from_utf8(line[colon + 1..].trim_ascii()).ok()?.split_once('.')?;
    if nanos.len() != 6 {
        return None;
    }
    let (millis, nanos): (u64, u64) = (millis.parse().ok()?, nanos.parse().ok()?);
    Some(Duration::from_millis(millis) + Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_in_milliseconds() {
        // Captured on Linux 6.18.
        let text = b"cat (2201, #threads: 1)\n-----\n\
            se.exec_start                                :        456579.655814\n\
            se.vruntime                                  :          2477.487419\n\
            se.sum_exec_runtime                          :             1.903275\n";
        assert_eq!(exec_start(text), Some(Duration::from_nanos(456_579_655_814)));
        assert_eq!(run_time(text), Some(Duration::from_nanos(1_903_275)));
        assert_eq!(exec_start(b"se.exec_start : x\n"), None);
        assert_eq!(exec_start(b""), None);
    }
}
