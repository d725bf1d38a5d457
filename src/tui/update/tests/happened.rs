//! The view of what has happened.

use locktop::model::EventKind;

use super::*;

#[test]
fn an_event_leads_to_its_lock() {
    let mut desk = Desk::new(samples::busy_machine());
    let last = desk.state.rows.get(3).unwrap().lock.id.clone();
    let gone = samples::event(EventKind::Released);
    let here = locktop::model::Event { id: last.clone(), ..samples::event(EventKind::Queued) };
    desk.state.log.receive(vec![gone, here], false);
    desk.press(Action::Events);
    assert_eq!(desk.state.mode(), Mode::Events);
    desk.press(Action::GoTo);
    assert_eq!(desk.state.mode(), Mode::List);
    assert_eq!(desk.state.chosen.as_ref().unwrap().lock, last);

    desk.press(Action::Events);
    desk.press(Action::Move(Step::Lines(1)));
    desk.press(Action::GoTo);
    assert_eq!(desk.state.mode(), Mode::Events);
    assert!(desk.state.message.as_ref().unwrap().text.contains("any more"));
    desk.press(Action::Back);
    assert_eq!(desk.state.mode(), Mode::List);
}

#[test]
fn one_view_at_a_time() {
    let mut desk = Desk::new(samples::busy_machine());
    desk.press(Action::Mine);
    desk.press(Action::Events);
    assert_eq!(desk.state.mode(), Mode::Events);
    desk.press(Action::Mine);
    assert_eq!(desk.state.mode(), Mode::Mine);
    desk.press(Action::Mine);
    assert_eq!(desk.state.mode(), Mode::List);
}

#[test]
fn a_held_picture_holds_the_events_too() {
    let mut desk = Desk::new(samples::busy_machine());
    desk.press(Action::Freeze);
    let now = desk.now;
    desk.state.receive(Report {
        outcome: Err(locktop::Error::from(locktop::Target::parse("pid:x".as_ref()).unwrap_err())),
        at: now,
        cost: Duration::ZERO,
        interval: SECOND,
        note: None,
        events: vec![samples::event(EventKind::Queued)],
    });
    assert_eq!(desk.state.log.len(), 0);
    desk.press(Action::Freeze);
    assert_eq!(desk.state.log.len(), 1);
}
