//! Numbers that look random, the same for the same seed.

use std::time::{Duration, SystemTime};

/// A xorshift generator, after Marsaglia.
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    /// A generator.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Another seed each time; printed, so that a failure can be looked into.
    pub(crate) fn seed() -> u64 {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let seed = now.as_nanos() as u64 % 1_000_000;
        println!("seed {seed}");
        seed
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The low bits repeat soon.
        (self.0 >> 20) % end
    }

    /// A time below `end`.
    pub(crate) fn time(&mut self, end: Duration) -> Duration {
        Duration::from_nanos(self.below(end.as_nanos().max(1) as u64))
    }
}
