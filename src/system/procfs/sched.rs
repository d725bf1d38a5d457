//! `/proc/PID/task/TID/sched`: when a thread last ran, by the scheduler's clock.

use std::time::Duration;

/// `se.exec_start`, which is in milliseconds with six decimals.
pub(crate) fn exec_start(text: &[u8]) -> Option<Duration> {
    let line = text
        .split(|byte| *byte == b'\n')
        .find(|line| line.starts_with(b"se.exec_start") || line.starts_with(b"se->exec_start"))?;
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
            se.vruntime                                  :          2477.487419\n";
        assert_eq!(exec_start(text), Some(Duration::from_nanos(456_579_655_814)));
        assert_eq!(exec_start(b"se.exec_start : x\n"), None);
        assert_eq!(exec_start(b""), None);
    }
}
