//! Events as lines: when, what, which lock, who, and what else is to be said.

use jiff::tz::TimeZone;
use locktop::model::{Event, EventKind, Moment, PathBytes, harmless};
use unicode_width::UnicodeWidthStr as _;

use super::page::{BOLD, FAINT, Page, colour_of, cut_middle};

/// Columns of the longest word for an event.
const WORD: usize = 15;

/// Beyond these columns a lock and a process push what follows aside.
const MOST_LOCK: usize = 40;
const MOST_WHO: usize = 24;

/// From this width on, a line of a terminal has room for milliseconds.
const ROOMY: usize = 100;

/// What two looks in a row leave open is said by leaving the milliseconds out; more in words.
const USUAL_GAP: std::time::Duration = std::time::Duration::from_secs(2);

/// Lines that stand below each other.
#[derive(Debug)]
pub(crate) struct Lines {
    zone: TimeZone,
    /// How wide locks and processes have been so far.
    lock: usize,
    who: usize,
    /// The day of the last line.
    day: Option<jiff::civil::Date>,
}

impl Default for Lines {
    fn default() -> Self {
        Self::of_zone(TimeZone::system())
    }
}

impl Lines {
    fn of_zone(zone: TimeZone) -> Self {
        Self { zone, lock: 0, who: 0, day: None }
    }

    /// The line of an event, and before it one with the date when a day begins.
    pub(crate) fn of(&mut self, event: &Event, page: &Page) -> String {
        let date = self.date(event, page);
        let time = self.time(event, page);
        let mut lock = event.path.as_ref().map_or_else(|| event.id.to_string(), PathBytes::display);
        if let Some(width) = page.width {
            lock = cut_middle(&lock, (width / 4).clamp(8, MOST_LOCK), page.glyphs.cut).into_owned();
        }
        let who = who(event, page);
        self.lock = self.lock.max(lock.width().min(MOST_LOCK));
        self.who = self.who.max(who.width().min(MOST_WHO));
        let word = event.kind.word();
        let plain = format!(
            "{time}  {}  {}  {}  {}",
            padded(word, WORD),
            padded(&lock, self.lock),
            padded(&who, self.who),
            self.story(event)
        );
        let plain = page.line(plain.trim_end());
        // The word is painted in the line as it was cut.
        let line = match plain.split_once(word) {
            Some((before, after)) => {
                format!("{}{}{after}", page.paint(before, FAINT), page.paint(word, colour(event)))
            }
            None => plain.into_owned(),
        };
        format!("{date}{line}")
    }

    /// A line with the date, where times have none and it is another day.
    fn date(&mut self, event: &Event, page: &Page) -> String {
        let day = event.at.wall.to_zoned(self.zone.clone()).date();
        let last = self.day.replace(day);
        if page.width.is_none() || last.is_none_or(|last| last == day) {
            return String::new();
        }
        format!("{}\n", page.paint(&day.strftime("%Y-%m-%d").to_string(), BOLD))
    }

    /// On a terminal the time of day, else with date and zone; with milliseconds where they are
    /// known.
    fn time(&self, event: &Event, page: &Page) -> String {
        let at = event.at.wall.to_zoned(self.zone.clone());
        let form = match (page.width, event.is_exact()) {
            (None, true) => "%Y-%m-%dT%H:%M:%S.%3f%:z",
            (None, false) => "%Y-%m-%dT%H:%M:%S%:z    ",
            (Some(width), _) if width < ROOMY => "%H:%M:%S",
            (Some(_), true) => "%H:%M:%S.%3f",
            (Some(_), false) => "%H:%M:%S    ",
        };
        at.strftime(form).to_string()
    }

    fn story(&self, event: &Event) -> String {
        let gap =
            event.not_before.filter(|_| event.uncertainty().is_some_and(|gap| gap > USUAL_GAP));
        let gap = gap.map(|from| {
            let of_day = |moment: Moment| {
                moment.wall.to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string()
            };
            format!("between {} and {}", of_day(from), of_day(event.at))
        });
        let story = Some(event.story()).filter(|story| !story.is_empty());
        let parts: Vec<String> = story.into_iter().chain(gap).collect();
        parts.join("; ")
    }
}

fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

fn who(event: &Event, page: &Page) -> String {
    match (event.command.as_deref().map(harmless), event.pid) {
        (Some(command), Some(pid)) => format!("{command} {pid}"),
        (None, Some(pid)) => format!("pid {pid}"),
        (Some(command), None) => command.into_owned(),
        (None, None) => page.glyphs.nothing.into(),
    }
}

fn colour(event: &Event) -> &'static str {
    match event.kind {
        EventKind::Acquired | EventKind::Granted => "32",
        EventKind::Queued => "36",
        EventKind::Released => "",
        EventKind::GaveUp => "33",
        EventKind::Forced | EventKind::Lost => "1;31",
        EventKind::VerdictChanged => event.verdicts.map_or("", |(_, now)| colour_of(now)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use locktop::model::{Evidence, LockId, Span, Verdict};

    use super::*;

    /// So many milliseconds after midnight, and not before so many earlier.
    fn event(kind: EventKind, at: u64, open: Option<u64>) -> Event {
        let moment = |ms: u64| Moment {
            wall: "2026-11-21T00:00:00Z".parse::<jiff::Timestamp>().unwrap()
                + jiff::SignedDuration::from_millis(ms as i64),
            uptime: Duration::from_millis(ms),
        };
        Event {
            kind,
            at: moment(at),
            not_before: open.map(|open| moment(at - open)),
            id: LockId::from_text("@flock:fe:00:7:~"),
            path: Some(PathBytes::new("/run/backup.lock")),
            pid: Some(3244),
            command: Some("rsync".into()),
            duration: None,
            verdicts: None,
            remark: None,
            evidence: vec![Evidence::Observed],
        }
    }

    fn events() -> Vec<Event> {
        let span = |min, max: Option<u64>| {
            Some(Span {
                min: Duration::from_secs(min),
                max: max.map(Duration::from_secs),
                evidence: vec![Evidence::Observed],
            })
        };
        vec![
            Event { path: None, ..event(EventKind::Acquired, 46_800_310, Some(0)) },
            event(EventKind::Queued, 46_801_000, Some(900)),
            Event { duration: span(2, None), ..event(EventKind::Released, 46_802_000, Some(900)) },
            Event {
                duration: span(1, Some(3)),
                command: None,
                ..event(EventKind::Granted, 46_802_000, Some(900))
            },
            Event {
                duration: span(0, Some(9)),
                pid: None,
                command: None,
                remark: Some("it may have had it in between".into()),
                ..event(EventKind::GaveUp, 46_811_000, Some(9_000))
            },
            Event {
                duration: span(5, None),
                verdicts: Some((Verdict::Held, Verdict::Stuck)),
                remark: Some("rsync (pid 3244) is stopped\x1b[2J".into()),
                ..event(EventKind::VerdictChanged, 46_812_000, Some(900))
            },
            event(EventKind::Lost, 86_400_000, None),
        ]
    }

    fn printed(page: &Page) -> String {
        let mut lines = Lines::of_zone(TimeZone::fixed(jiff::tz::offset(1)));
        let lines: Vec<String> = events().iter().map(|event| lines.of(event, page)).collect();
        lines.join("\n")
    }

    #[test]
    fn lines_in_a_pipe_are_whole() {
        insta::assert_snapshot!(printed(&Page::PIPE));
    }

    #[test]
    fn lines_fit_a_terminal() {
        insta::assert_snapshot!("roomy", printed(&Page::terminal(120)));
        insta::assert_snapshot!("usual", printed(&Page::terminal(80).ascii()));
        let coloured = printed(&Page::terminal(60).coloured());
        insta::assert_snapshot!("coloured", coloured.replace('\x1b', "^"));
    }
}
