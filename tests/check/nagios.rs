//! What a monitoring system reads, by a parser that forgives nothing.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::desk::{Run, check, locktop, target};
use crate::support::{Need, Scene, Viewer, wait_until};

/// A result by the plugin guidelines.
#[derive(Debug)]
struct Result {
    state: String,
    words: String,
    numbers: BTreeMap<String, Number>,
    /// The long text.
    lines: Vec<String>,
}

#[derive(Debug, PartialEq)]
struct Number {
    value: f64,
    unit: String,
    /// Above which that state begins.
    warning: Option<f64>,
    critical: Option<f64>,
}

impl Number {
    /// `value[UOM];[warn];[crit];[min];[max]`, thresholds without range.
    #[track_caller]
    fn parse(text: &str) -> Self {
        let mut fields = text.split(';');
        let value = fields.next().unwrap();
        let end = value.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(value.len());
        let (value, unit) = value.split_at(end);
        assert!(["", "s", "%", "B", "c"].contains(&unit), "{text}");
        let mut bound = || fields.next().filter(|field| !field.is_empty()).map(plain);
        let (warning, critical, min, max) = (bound(), bound(), bound(), bound());
        assert_eq!((min, max, fields.next()), (Some(0.0), None, None), "{text}");
        Self { value: plain(value), unit: unit.into(), warning, critical }
    }
}

/// A number of digits with at most one point.
#[track_caller]
fn plain(text: &str) -> f64 {
    assert!(text.chars().all(|c| c.is_ascii_digit() || c == '.'), "{text}");
    f64::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
fn parse(run: &Run) -> Result {
    let mut lines = run.printed.lines();
    let first = lines.next().expect("there is a line");
    let lines: Vec<String> = lines.map(ToOwned::to_owned).collect();
    assert!(lines.iter().all(|line| !line.contains('|')), "{run:?}");
    let (text, numbers) = first.split_once('|').expect("there are numbers");
    assert!(!numbers.contains(['|', '\'']), "{first}");
    let (service, text) = text.split_once(' ').unwrap();
    let (state, words) = text.split_once(" - ").unwrap();
    assert_eq!(service, "LOCKTOP");
    let number = |word: &str| {
        let (label, number) = word.split_once('=').expect("a label has a value");
        assert!(label.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{word}");
        (label.to_owned(), Number::parse(number))
    };
    let numbers = numbers.split(' ').filter(|word| !word.is_empty()).map(number).collect();
    let states = ["OK", "WARNING", "CRITICAL", "UNKNOWN"];
    let expected = states.iter().position(|known| *known == state).expect("a known state");
    assert_eq!(run.status, expected as i32, "{run:?}");
    assert!(run.said.is_empty(), "{run:?}");
    Result { state: state.into(), words: words.trim().into(), numbers, lines }
}

#[test]
fn states_and_numbers_are_as_guided() {
    let Some(scene) = Scene::with(&[]) else { return };
    let [holder, waiter, other] = [(); 3].map(|()| scene.actor());
    holder.does("flock('l', EX)");
    let quiet = parse(&check(&scene, &["--nagios", "."]));
    assert_eq!((&*quiet.state, quiet.lines.len()), ("OK", 0));
    assert!(quiet.words.starts_with("1 lock, 0 waiting, nothing found"), "{quiet:?}");
    assert_eq!(quiet.numbers["longest_wait"].critical, Some(600.0), "{quiet:?}");

    waiter.waits("flock('l', EX)");
    other.does("flock('m', EX)");
    other.stops();
    let args = [
        "--nagios",
        "--problems",
        "--max-wait",
        "0.1",
        "--max-waiters",
        "5",
        "--max-age",
        "1d",
        ".",
    ];
    let found = wait_until("it waits for long enough", || {
        let result = parse(&check(&scene, &args));
        (result.lines.len() == 2).then_some(result)
    });
    assert_eq!(found.state, "CRITICAL");
    assert!(found.words.starts_with("1 stuck, 1 waiting for "), "{found:?}");
    assert!(found.words.contains(&format!(": {}", target(&scene, "m"))), "{found:?}");
    assert!(found.lines[0].starts_with("stuck: ") && found.lines[1].starts_with("wait: "));
    let number = |name: &str| &found.numbers[name];
    assert_eq!((number("locks").value, number("waiting").value), (2.0, 1.0));
    assert_eq!((number("findings").value, number("findings").critical), (2.0, Some(0.0)));
    assert_eq!((number("longest_queue").value, number("longest_queue").critical), (1.0, Some(5.0)));
    let wait = number("longest_wait");
    assert!(wait.value >= 0.1 && wait.unit == "s" && wait.critical == Some(0.1), "{wait:?}");
    assert_eq!((&*number("oldest").unit, number("oldest").critical), ("s", Some(86400.0)));
    assert!(found.numbers.values().all(|number| number.warning.is_none()), "{found:?}");
}

#[test]
fn names_are_words_and_no_numbers() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does(r"write('/proc/self/comm', 'a|b=1\nc'); flock('a|b=1;2\nc', EX)");
    holder.stops();
    let found = parse(&check(&scene, &["--nagios", "."]));
    assert_eq!((&*found.state, found.numbers["locks"].value), ("CRITICAL", 1.0));
    assert!(found.words.contains(r"a\x7cb=1;2\nc"), "{found:?}");
    assert!(found.lines[0].contains(r"a\x7cb=1\nc"), "{found:?}");
}

#[test]
fn blindness_is_in_the_line_and_unknown_if_everything_must_be_seen() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX)");
    let target = target(&scene, "l");
    let as_nobody = |args: &[&str]| {
        let args = [&["check", "--nagios"], args, &[&*target]].concat();
        parse(&locktop(&scene, Viewer::Nobody, &args))
    };
    for (args, state) in [
        (&[][..], "OK"),
        (&["--require-complete"], "UNKNOWN"),
        (&["--require-complete", "--max-waiters", "9"], "UNKNOWN"),
    ] {
        let result = as_nobody(args);
        assert_eq!(result.state, state, "{result:?}");
        assert!(result.words.contains("of other users could not be read"), "{result:?}");
    }
    // What is found is worse than what cannot be.
    holder.stops();
    assert_eq!(as_nobody(&["--require-complete"]).state, "CRITICAL");
}
