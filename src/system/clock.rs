//! The clocks that leases are measured by.

use std::fmt::Debug;
use std::time::Duration;

/// What the clocks say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Stands still while the machine is suspended.
    pub(crate) monotonic: Duration,
    /// Goes on while the machine is suspended, where the system has such a clock.
    pub(crate) boot: Duration,
}

impl Reading {
    /// How much time has gone by since `earlier`, by the clock that says more; `None` when one was
    /// set back, as in a machine that was restored from an image.
    pub(crate) fn since(self, earlier: Self) -> Option<Duration> {
        let monotonic = self.monotonic.checked_sub(earlier.monotonic)?;
        Some(monotonic.max(self.boot.checked_sub(earlier.boot)?))
    }
}

/// Where time comes from.
pub(crate) trait Clock: Send + Sync + Debug {
    /// Now.
    fn now(&self) -> Reading;

    /// Whoever waits reads the clocks so often, since what he waits by can stand still.
    fn beat(&self) -> Duration;
}

/// The clocks of this machine.
#[derive(Debug)]
pub(crate) struct MachineClock;

impl Clock for MachineClock {
    fn now(&self) -> Reading {
        platform::now()
    }

    fn beat(&self) -> Duration {
        Duration::from_secs(1)
    }
}

#[cfg(unix)]
mod platform {
    use std::time::Duration;

    use rustix::time::{ClockId, clock_gettime};

    use super::Reading;

    /// Elsewhere, the monotonic clock is said to go on.
    #[cfg(target_os = "linux")]
    const BOOT: ClockId = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    const BOOT: ClockId = ClockId::Monotonic;

    pub(super) fn now() -> Reading {
        let read = |clock| {
            let now = clock_gettime(clock);
            Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
        };
        Reading { monotonic: read(ClockId::Monotonic), boot: read(BOOT) }
    }
}

#[cfg(not(unix))]
mod platform {
    use std::sync::OnceLock;
    use std::time::Instant;

    use super::Reading;

    pub(super) fn now() -> Reading {
        static FIRST: OnceLock<Instant> = OnceLock::new();
        let now = FIRST.get_or_init(Instant::now).elapsed();
        Reading { monotonic: now, boot: now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(monotonic: u64, boot: u64) -> Reading {
        Reading { monotonic: Duration::from_secs(monotonic), boot: Duration::from_secs(boot) }
    }

    #[test]
    fn the_clock_that_says_more_counts() {
        let then = reading(10, 20);
        assert_eq!(reading(11, 80).since(then), Some(Duration::from_mins(1)));
        assert_eq!(reading(17, 25).since(then), Some(Duration::from_secs(7)));
        assert_eq!(reading(9, 30).since(then), None);
        assert_eq!(reading(30, 19).since(then), None);
    }

    #[test]
    fn time_goes_by() {
        let then = MachineClock.now();
        assert!(MachineClock.now().since(then).is_some());
    }
}
