//! Whether locks are traced, how much there is to tell, and what telling it costs.

use std::time::{Duration, Instant};

use locktop::model::{Note, Tracing};

use super::theme::Role;

/// The state of tracing, as looks tell it.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// Whether somebody has asked for it.
    pub(super) wanted: bool,
    latest: Tracing,
    at: Option<Instant>,
    /// Events a second, and the share of a processor that reading them takes.
    rate: Steady,
    share: Steady,
}

/// An average that is shown steadily, so that a picture at rest stays at rest.
#[derive(Debug, Clone, Copy, Default)]
struct Steady {
    shown: f64,
    average: f64,
}

impl Steady {
    fn after(self, value: f64) -> Self {
        let average = (self.average * 3.0 + value) / 4.0;
        let is_near = |a: f64, b: f64| a < b * 1.2 && b < a * 1.2;
        let shown = match average {
            average if average < 0.001 => 0.0,
            average if is_near(average, self.shown) => self.shown,
            average => average,
        };
        Self { shown, average }
    }
}

impl Trace {
    /// Takes what a look told; why it is not traced although somebody wanted that, once.
    pub(super) fn hear(&mut self, tracing: Tracing, at: Instant) -> Option<Note> {
        if tracing.is_on() && tracing.since == self.latest.since {
            let passed = self.at.map_or(Duration::ZERO, |last| at.saturating_duration_since(last));
            let seconds = passed.as_secs_f64().max(0.001);
            let told = tracing.events.saturating_sub(self.latest.events) as f64;
            let cost = tracing.cost.saturating_sub(self.latest.cost).as_secs_f64();
            self.rate = self.rate.after(told / seconds);
            self.share = self.share.after(cost / seconds * 100.0);
        } else {
            (self.rate, self.share) = Default::default();
        }
        let is_new = tracing.declined != self.latest.declined;
        (self.latest, self.at) = (tracing, Some(at));
        let why = self.latest.declined.clone().filter(|_| is_new && self.wanted);
        if why.is_some() && !self.latest.is_on() {
            self.wanted = false;
        }
        why
    }

    /// What the header says of it; `roomy`: with numbers.
    pub(super) fn said(&self, roomy: bool, dot: &str) -> Vec<(String, Role)> {
        let mut said = Vec::new();
        if self.latest.is_on() {
            let (rate, share) = (whole(self.rate.shown), percent(self.share.shown));
            let text = if roomy {
                format!("traced {rate} ev/s {dot} {share} %")
            } else {
                "traced".to_owned()
            };
            said.push((text, Role::Good));
        } else if self.wanted {
            said.push(("tracing".to_owned(), Role::Plain));
        }
        if self.latest.lost > 0 {
            said.push((format!("lost {}", grouped(self.latest.lost)), Role::Alarm));
        }
        said
    }
}

fn whole(value: f64) -> String {
    grouped(value.round() as u64)
}

fn percent(value: f64) -> String {
    if value > 0.0 && value < 0.05 { "<0.1".into() } else { format!("{value:.1}") }
}

/// `1,204`.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use locktop::model::Moment;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn on(events: u64, cost: Duration) -> Tracing {
        let since =
            Some(Moment { wall: jiff::Timestamp::UNIX_EPOCH, uptime: Duration::from_secs(5) });
        Tracing { since, unbroken_since: since, events, cost, ..Tracing::default() }
    }

    fn words(trace: &Trace) -> Vec<String> {
        trace.said(true, "·").into_iter().map(|(text, _)| text).collect()
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1_204, 1_000_000].map(grouped), ["0", "999", "1,204", "1,000,000"]);
    }

    #[test]
    fn what_it_costs_is_told_steadily() {
        let mut trace = Trace { wanted: true, ..Trace::default() };
        let mut now = Instant::now();
        assert_eq!(words(&trace), ["tracing"]);
        for look in 0..40 {
            trace.hear(on(look * 1_204, SECOND * look as u32 / 500), now);
            now += SECOND;
        }
        let [said] = &words(&trace)[..] else { panic!("{:?}", words(&trace)) };
        assert!(said.starts_with("traced 1,") && said.ends_with("0.2 %"), "{said}");
        // A little more changes nothing.
        trace.hear(on(40 * 1_204 + 5, SECOND * 40 / 500), now);
        assert_eq!(words(&trace), std::slice::from_ref(said));
        trace.hear(Tracing { lost: 12, ..on(50_000, SECOND) }, now + SECOND);
        assert_eq!(words(&trace).last().unwrap(), "lost 12");
    }

    #[test]
    fn a_refusal_is_told_once_and_ends_the_wish() {
        let note = Note { code: "no_trace", text: "only root may trace".into(), would_help: None };
        let declined = Tracing { declined: Some(note.clone()), ..Tracing::default() };
        let mut trace = Trace { wanted: true, ..Trace::default() };
        assert_eq!(trace.hear(declined.clone(), Instant::now()), Some(note));
        assert!(!trace.wanted && words(&trace).is_empty());
        assert_eq!(trace.hear(declined, Instant::now()), None);
    }
}
