//! When to look: by the clock, by events, by request, and for no more than a share of the time,
//! unless a look is so slow that this would leave people without one for too long.

use std::time::{Duration, Instant};

/// Looking may take one part in so many of the time: reading the lock table stalls every program
/// that locks.
const SHARE: u32 = 100;
/// What may be spent at once after a quiet time.
const BURST: Duration = Duration::from_millis(30);
/// After the slowest look the next one comes so soon: what is on the screen is still worth something.
const LONGEST: Duration = Duration::from_mins(1);
/// What the clock leaves of it to events.
const RESERVE: Duration = Duration::from_millis(20);
/// From look to look when nothing happens.
const CALM: Duration = Duration::from_secs(1);
/// From look to look for a while after something happened.
const EAGER: Duration = Duration::from_millis(250);
/// How long that while is.
const EAGER_FOR: Duration = Duration::from_secs(3);
/// From an event to its look: whoever opened the file has it locked by then.
const SETTLE: Duration = Duration::from_millis(10);
/// From a look to the next one that an event asks for.
const GAP: Duration = Duration::from_millis(50);

/// What asks for a look besides the clock.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked {
    /// When a watched file was first touched since the last look.
    pub(super) touched: Option<Instant>,
    /// Whether a watched file may have another name by now, or none.
    pub(super) names: bool,
    /// Whether there are new folders, of which nobody knows what is in them.
    pub(super) grown: bool,
    /// Whether somebody wants to see now.
    pub(super) now: bool,
}

/// Decides when the next look is due.
///
/// Time to look is earned at one part in [`SHARE`], saved up to [`BURST`], and spent by looks; the
/// next one has to wait until the debt is paid. What would take longer than [`LONGEST`] is waived.
#[derive(Debug)]
pub(super) struct Pace {
    /// Seconds of looking that are saved, or owed when negative, at `ended`.
    credit: f64,
    begun: Instant,
    ended: Instant,
    /// What the last look took.
    cost: Duration,
    eager_until: Instant,
    first: bool,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        let credit = BURST.as_secs_f64();
        let cost = Duration::ZERO;
        Self { credit, begun: now, ended: now, cost, eager_until: now, first: true }
    }

    /// Notes a look: `cost` is what it took of the machine, which is less than its time where it
    /// had to wait; `changed` when it showed something new.
    pub(super) fn looked(&mut self, begun: Instant, ended: Instant, cost: Duration, changed: bool) {
        let earned = begun.saturating_duration_since(self.ended).as_secs_f64() / f64::from(SHARE);
        let credit = (self.credit + earned).min(BURST.as_secs_f64()) - cost.as_secs_f64();
        self.credit = credit.max(-LONGEST.as_secs_f64() / f64::from(SHARE));
        (self.begun, self.ended, self.cost, self.first) = (begun, ended, cost, false);
        if changed {
            self.eager_until = ended + EAGER_FOR;
        }
    }

    /// When the next look is due.
    pub(super) fn due(&self, asked: Asked) -> Instant {
        if self.first {
            return self.begun;
        }
        if asked.now {
            // A person may overdraw, not monopolize.
            return self.ended + (self.cost * 9).min(LONGEST);
        }
        let by_event = asked.touched.map(|at| (at + SETTLE).max(self.ended + GAP));
        by_event.map_or(self.tick(), |at| at.min(self.tick())).max(self.affordable())
    }

    /// From the last look to the next one by the clock.
    pub(super) fn interval(&self) -> Duration {
        self.tick().max(self.affordable()).saturating_duration_since(self.begun)
    }

    fn tick(&self) -> Instant {
        let calm = self.begun + CALM;
        let tick = if self.ended < self.eager_until {
            (self.begun + EAGER).max(self.earned(RESERVE)).min(calm)
        } else {
            calm
        };
        // A look that had to wait for long is no reason to begin the next one at once.
        tick.max(self.ended + GAP)
    }

    fn affordable(&self) -> Instant {
        self.earned(Duration::ZERO)
    }

    /// When so much will have been saved.
    fn earned(&self, credit: Duration) -> Instant {
        let missing = (credit.as_secs_f64() - self.credit).max(0.0);
        self.ended + Duration::from_secs_f64(missing) * SHARE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Looks whenever it is due for `time`, with `asked` always set, and returns the moments.
    fn run(cost: Duration, time: Duration, asked: bool, changed: bool) -> Vec<Duration> {
        let start = Instant::now();
        let mut now = start;
        let mut pace = Pace::new(start);
        let mut looks = Vec::new();
        loop {
            let asked = Asked { touched: asked.then_some(now), ..Asked::default() };
            let due = pace.due(asked).max(now);
            if due > start + time {
                return looks;
            }
            looks.push(due - start);
            now = due + cost;
            pace.looked(due, now, cost, changed);
        }
    }

    #[test]
    fn calm_is_once_a_second() {
        let looks = run(4 * MS, Duration::from_secs(10), false, false);
        assert_eq!(looks.len(), 11);
        assert_eq!(looks[3], Duration::from_secs(3));
    }

    #[test]
    fn whatever_happens_the_share_is_kept_by_looks_that_are_not_very_slow() {
        for cost in [MS / 10, 4 * MS, 40 * MS, 600 * MS] {
            let time = Duration::from_mins(10);
            let looks = run(cost, time, true, true);
            // One look may begin just before its cost can no longer be afforded.
            let most = time / SHARE + BURST + cost;
            assert!(cost * looks.len() as u32 <= most, "{cost:?}: {}", looks.len());
        }
    }

    #[test]
    fn after_a_very_slow_look_the_next_one_comes_within_a_minute() {
        for cost in [900 * MS, 2000 * MS, 20_000 * MS] {
            for asked in [false, true] {
                let looks = run(cost, Duration::from_mins(10), asked, true);
                for pair in looks.windows(2) {
                    let pause = pair[1].saturating_sub(pair[0] + cost);
                    // Seconds are counted as floating point.
                    assert!(pause <= LONGEST + MS, "{cost:?}: {pause:?}");
                    assert!(pause + SHARE * BURST >= LONGEST, "{cost:?}: {pause:?}");
                }
            }
        }
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.looked(start, start + 20_000 * MS, 20_000 * MS, false);
        let now = Asked { now: true, ..Asked::default() };
        assert_eq!(pace.due(now), start + 20_000 * MS + LONGEST);
    }

    #[test]
    fn an_event_after_a_quiet_time_is_looked_at_soon() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.looked(start, start + 4 * MS, 4 * MS, false);
        let touched = start + 300 * MS;
        let asked = Asked { touched: Some(touched), ..Asked::default() };
        assert_eq!(pace.due(asked), touched + SETTLE);
    }

    #[test]
    fn an_event_never_delays_the_clock() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.looked(start, start + MS, MS, false);
        let asked = Asked { touched: Some(start + 999 * MS), ..Asked::default() };
        assert_eq!(pace.due(asked), start + CALM);
    }

    #[test]
    fn after_a_change_looks_come_faster_for_a_while() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.looked(start, start + MS, MS, true);
        assert_eq!(pace.interval(), EAGER);
        let later = start + EAGER_FOR + 2 * MS;
        pace.looked(later, later + MS, MS, false);
        assert_eq!(pace.interval(), CALM);
    }

    #[test]
    fn there_is_always_something_left_for_an_event() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let mut now = start;
        for _ in 0..100 {
            now = pace.due(Asked::default()).max(now);
            pace.looked(now, now + 4 * MS, 4 * MS, true);
            now += 4 * MS;
        }
        let touched = now + 300 * MS;
        let asked = Asked { touched: Some(touched), ..Asked::default() };
        assert!(pace.due(asked) <= touched + SETTLE);
    }

    #[test]
    fn a_person_need_not_wait_for_the_debt() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let cost = Duration::from_secs(1);
        pace.looked(start, start + cost, cost, false);
        assert!(pace.interval() > 30 * cost);
        assert_eq!(pace.due(Asked { now: true, ..Asked::default() }), start + 10 * cost);
    }
}
