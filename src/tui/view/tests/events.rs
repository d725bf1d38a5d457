//! What has happened.

use locktop::model::{Event, EventKind, LockId, PathBytes, Tracing};

use super::*;

fn desk(events: Vec<Event>) -> Desk {
    let mut desk = Desk::new(samples::busy_machine());
    desk.state.log.receive(events, false);
    desk.press([Action::Events])
}

/// One of each, the first of them of a lock that is still held.
fn all() -> Vec<Event> {
    let frontend = samples::busy_machine();
    let named = |lock: &&locktop::model::Lock| lock.label().ends_with("lock-frontend");
    let id = frontend.locks.iter().find(named).unwrap().id.clone();
    let mut events: Vec<Event> = EventKind::ALL.map(samples::event).to_vec();
    for event in &mut events {
        event.id = id.clone();
    }
    events[0].path = None;
    events[0].id = LockId::from_text("@flock:fe:00:8:~");
    events[3].remark = Some("it may have had it in between".into());
    events[4].path = Some(PathBytes::new("/srv/\u{65e5}\u{672c}/\x1b[2J.lock"));
    events
}

#[test]
fn events_of_every_size() {
    let mut desk = desk(all());
    insta::assert_snapshot!("events_wide", desk.text(120, 30));
    insta::assert_snapshot!("events_of_eighty_columns", desk.text(80, 24));
    insta::assert_snapshot!("events_small", desk.text(40, 15));
    desk.theme = Theme::new(false, true);
    insta::assert_snapshot!("events_in_ascii", desk.text(80, 24));
}

#[test]
fn the_event_of_a_lock_that_is_gone_is_told_in_full() {
    let mut desk = desk(all()).press([Action::Move(Step::Last)]);
    insta::assert_snapshot!("events_of_a_lock_that_is_gone", desk.text(100, 24));
}

#[test]
fn before_anything_happens_that_is_said() {
    let mut desk = desk(Vec::new());
    insta::assert_snapshot!("no_events", desk.text(60, 12));
}

#[test]
fn events_go_through_the_filter() {
    let keys = "gave".chars().map(Action::Type);
    let mut desk = desk(all()).press([Action::Filter]).press(keys);
    let text = desk.text(80, 24);
    assert!(text.contains(" 1 of 8") && text.contains("gave-up"), "{text}");
    assert!(!text.contains("acquired"), "{text}");
}

#[test]
fn the_header_tells_of_the_trace() {
    let mut desk = desk(Vec::new());
    desk.state.trace.wanted = true;
    let since = desk.state.rows.snapshot().map(|snapshot| snapshot.at);
    for look in 0..3 {
        let tracing = Tracing { since, events: look * 1_204, lost: 12, ..Tracing::default() };
        let at = desk.now + Duration::from_secs(look);
        assert_eq!(desk.state.trace.hear(tracing, at), None);
    }
    let header = |width| desk.text(width, 24).lines().next().unwrap_or_default().to_owned();
    let [wide, usual, small] = [120, 80, 40].map(header);
    assert!(wide.contains("ev/s · 0.0 %  lost 12  ● live"), "{wide}");
    assert!(usual.contains("traced  lost 12  ● live"), "{usual}");
    assert!(!small.contains("traced"), "{small}");
}
