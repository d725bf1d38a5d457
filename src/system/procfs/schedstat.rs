//! `/proc/PID/task/TID/schedstat`: what the scheduler counts of a thread.

/// How many nanoseconds it has run, how many it has waited for a CPU, and how often it got one.
pub(crate) fn parse(text: &[u8]) -> Option<[u64; 3]> {
    let mut words = str::from_utf8(text).ok()?.split_ascii_whitespace();
    let mut number = || words.next()?.parse().ok();
    Some([number()?, number()?, number()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_numbers_are_read() {
        // Captured on Linux 6.18.
        assert_eq!(parse(b"1365948 2182612 4\n"), Some([1_365_948, 2_182_612, 4]));
        assert_eq!(parse(b"1365948 2182612"), None);
        assert_eq!(parse(b"a b c"), None);
    }
}
