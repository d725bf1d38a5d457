//! What looking costs.

use std::time::{Duration, Instant};

use crate::system::cpu_time;

/// Measures what a look takes of the machine.
#[derive(Debug)]
pub(crate) struct Meter {
    begun: Instant,
    cpu: Option<Duration>,
}

impl Meter {
    pub(crate) fn start() -> Self {
        Self { begun: Instant::now(), cpu: cpu_time() }
    }

    /// What it has cost since, when lockers were held up for `stalled` meanwhile.
    pub(crate) fn cost(&self, stalled: Duration) -> Duration {
        cost(self.begun.elapsed(), self.cpu.zip(cpu_time()), stalled)
    }
}

/// On a busy machine a look waits for most of its time; that costs nobody anything, but where it
/// holds up others meanwhile.
fn cost(time: Duration, cpu: Option<(Duration, Duration)>, stalled: Duration) -> Duration {
    let worked = cpu.map_or(time, |(before, after)| after.saturating_sub(before));
    worked.max(stalled).min(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_costs_nothing_but_where_it_holds_up_others() {
        let ms = Duration::from_millis;
        let cpu = Some((ms(100), ms(104)));
        assert_eq!(cost(ms(243), cpu, ms(1)), ms(4));
        assert_eq!(cost(ms(243), cpu, ms(60)), ms(60));
        // Several threads at once.
        assert_eq!(cost(ms(3), cpu, ms(1)), ms(3));
        assert_eq!(cost(ms(243), None, ms(1)), ms(243));
    }
}
