//! What the kernel is asked for, and what does not fit.

use locktop::model::Target;
use locktop::{Folders, Inspector};

use crate::desk::Desk;
use crate::support::wait_until;

#[test]
fn events_that_came_too_fast_are_said_to_be_lost() {
    let Some(mut desk) = Desk::untraced() else { return };
    let actor = desk.scene.actor();
    assert!(desk.inspector.trace_with_buffers(16).is_on());
    actor.does("f = opened('l')");
    wait_until("the buffer is large enough for a quiet moment", || {
        actor.does("fcntl.flock(f, UN); fcntl.flock(f, EX)");
        let age = desk.sees("l").age;
        (age.max == Some(age.min)).then_some(())
    });
    let lost = desk.inspector.tracing().lost;
    actor.does("g = opened('busy')");
    wait_until("some are lost", || {
        // Too many for that buffer, and few for those of the other tests.
        actor.does("[fcntl.flock(g, mode) for _ in range(500) for mode in (EX, UN)]; None");
        desk.looks();
        (desk.inspector.tracing().lost > lost).then_some(())
    });
    // It may have been released and retaken meanwhile, as far as anybody knows.
    let lock = desk.sees("l");
    assert!(lock.age.max.is_none_or(|most| lock.age.min < most), "{:?}", lock.age);
    let state = desk.inspector.tracing();
    assert!(state.unbroken_since > state.since, "{state:?}");
    assert!(state.cost > std::time::Duration::ZERO && state.events > 0);
}

#[test]
fn only_what_is_named_is_traced() {
    let Some(mut desk) = Desk::untraced() else { return };
    let actor = desk.scene.actor();
    actor.does("f = opened('named'); g = opened('other')");
    let mut inspector = Inspector::new().unwrap();
    inspector.expect_at(&[Target::Path(desk.scene.path("named"))], Folders::Themselves);
    assert!(inspector.trace().is_on());
    inspector.look().unwrap();
    actor.does("[fcntl.flock(g, mode) for _ in range(50) for mode in (EX, UN)]; None");
    actor.does("fcntl.flock(f, EX)");
    wait_until("it is told", || {
        inspector.look().unwrap();
        (inspector.tracing().events > 0).then_some(())
    });
    assert_eq!(inspector.tracing().events, 1);
    // Its successor is another file.
    actor.does("os.unlink('named'); h = flock('named', EX)");
    inspector.look().unwrap();
    actor.does("fcntl.flock(h, UN); fcntl.flock(f, UN)");
    wait_until("both are told", || {
        inspector.look().unwrap();
        (inspector.tracing().events == 3).then_some(())
    });
    desk.looks();
}
