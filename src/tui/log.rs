//! What has happened: the newest events, and which of them is chosen.

use std::collections::VecDeque;
use std::mem::take;

use jiff::tz::TimeZone;
use locktop::model::{Event, Moment};

use super::action::Step;
use super::filter::{Filter, Sieve};

/// So many are kept.
const MOST: usize = 2_000;

/// The events that were told, newest first.
#[derive(Debug)]
pub(super) struct Log {
    /// Whether they are shown in place of the list.
    pub(super) shown: bool,
    entries: VecDeque<Entry>,
    /// What has happened since the picture is held.
    held: Vec<Event>,
    /// The number of the next one.
    next: u64,
    /// The chosen one; `None`: the newest, whichever that is.
    chosen: Option<u64>,
    zone: TimeZone,
}

/// An event with its number.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) event: Event,
}

impl Default for Log {
    fn default() -> Self {
        Self::of_zone(TimeZone::UTC)
    }
}

impl Log {
    /// Nothing yet; times are told as in that zone.
    pub(super) fn of_zone(zone: TimeZone) -> Self {
        let (entries, held) = (VecDeque::new(), Vec::new());
        Self { shown: false, entries, held, next: 0, chosen: None, zone }
    }

    /// Takes in what has happened, in order; while the picture is `held`, for later.
    pub(super) fn receive(&mut self, events: Vec<Event>, held: bool) {
        if held {
            self.held.extend(events);
            let surplus = self.held.len().saturating_sub(MOST);
            self.held.drain(..surplus);
            return;
        }
        for event in events {
            self.entries.push_front(Entry { number: self.next, event });
            self.next += 1;
        }
        self.entries.truncate(MOST);
    }

    /// The picture is held no longer.
    pub(super) fn let_go(&mut self) {
        let held = take(&mut self.held);
        self.receive(held, false);
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Those that a filter lets through, newest first.
    pub(super) fn visible(&self, filter: &Filter) -> Vec<&Entry> {
        let mut sieve = Sieve::default();
        let passes = |entry: &&Entry| filter.is_empty() || sieve.passes_event(filter, &entry.event);
        self.entries.iter().filter(passes).collect()
    }

    /// The place of the chosen one among those; where it is not among them, of the next older one.
    pub(super) fn place(&self, visible: &[&Entry]) -> usize {
        let Some(chosen) = self.chosen else { return 0 };
        let place = visible.partition_point(|entry| entry.number > chosen);
        place.min(visible.len().saturating_sub(1))
    }

    /// The chosen one of those that a filter lets through.
    pub(super) fn chosen(&self, filter: &Filter) -> Option<&Event> {
        let visible = self.visible(filter);
        visible.get(self.place(&visible)).map(|entry| &entry.event)
    }

    /// Chooses another one; at the top, the newest from then on.
    pub(super) fn step(&mut self, step: Step, page: usize, filter: &Filter) {
        let visible = self.visible(filter);
        let place = step.from(self.place(&visible), visible.len(), page);
        let number = visible.get(place).map(|entry| entry.number);
        self.chosen = number.filter(|_| place > 0);
    }

    pub(super) fn choose(&mut self, number: u64) {
        self.chosen = Some(number);
    }

    /// The time of day of a moment.
    pub(super) fn time(&self, moment: Moment, form: &str) -> String {
        moment.wall.to_zoned(self.zone.clone()).strftime(form).to_string()
    }
}

#[cfg(test)]
mod tests {
    use locktop::model::EventKind;

    use super::*;
    use crate::tui::samples;

    fn numbers(log: &Log, filter: &str) -> Vec<u64> {
        log.visible(&Filter::parse(filter)).iter().map(|entry| entry.number).collect()
    }

    #[test]
    fn the_newest_are_kept_and_stand_first() {
        let mut log = Log::default();
        for _ in 0..MOST + 5 {
            log.receive(vec![samples::event(EventKind::Acquired)], false);
        }
        assert_eq!(log.len(), MOST);
        assert_eq!(numbers(&log, "")[0], MOST as u64 + 4);
    }

    #[test]
    fn the_choice_stays_with_its_event_but_at_the_top() {
        let mut log = Log::default();
        let none = Filter::default();
        log.receive(vec![samples::event(EventKind::Acquired); 3], false);
        assert_eq!(log.place(&log.visible(&none)), 0);
        log.receive(vec![samples::event(EventKind::Released)], false);
        assert_eq!(log.chosen(&none).unwrap().kind, EventKind::Released);
        log.step(Step::Lines(1), 10, &none);
        log.receive(vec![samples::event(EventKind::Released)], false);
        assert_eq!(log.place(&log.visible(&none)), 2);
        log.step(Step::First, 10, &none);
        log.receive(vec![samples::event(EventKind::Queued)], false);
        assert_eq!(log.chosen(&none).unwrap().kind, EventKind::Queued);
    }

    #[test]
    fn what_happens_while_the_picture_is_held_comes_later() {
        let mut log = Log::default();
        log.receive(vec![samples::event(EventKind::Acquired)], true);
        assert_eq!(log.len(), 0);
        log.let_go();
        assert_eq!(log.len(), 1);
    }

    #[test]
    fn a_filter_leaves_out_what_does_not_fit() {
        let mut log = Log::default();
        let kinds = [EventKind::Acquired, EventKind::Queued, EventKind::VerdictChanged];
        log.receive(kinds.map(samples::event).to_vec(), false);
        assert_eq!(numbers(&log, "queued"), [1]);
        assert_eq!(numbers(&log, "verdict:stuck"), [2]);
        assert_eq!(numbers(&log, "pid:991 family:flock path:frontend"), [2, 1, 0]);
        assert_eq!(numbers(&log, "!apt-get"), [0; 0]);
        assert_eq!(numbers(&log, "pid:7"), [0; 0]);
    }
}
