//! When it was.

use std::time::Duration;

use locktop::model::Evidence;
use rustix::process::Signal;

use crate::desk::{Desk, began_between, timed};

#[test]
fn ages_and_waits_are_exact() {
    let Some(mut desk) = Desk::traced() else { return };
    for (name, lock, waiting) in [
        ("f", "flock('f', EX)", "flock('f', EX)"),
        ("p", "posix('p', start=3, length=7)", "posix('p', start=0, length=9, wait=True)"),
        ("o", "ofd('o')", "ofd('o', READ, 5, 5, wait=True)"),
    ] {
        let holder = desk.scene.actor();
        let taken = timed(&holder, lock);
        let waiter = desk.scene.actor();
        let before = timed(&holder, "0").0;
        waiter.waits(waiting);
        let queued = (before, timed(&holder, "0").1);
        for _ in 0..3 {
            let lock = desk.sees(name);
            let at = desk.inspector.snapshot().unwrap().at.uptime;
            let seen = desk.inspector.look().unwrap();
            let again = seen.lock(&lock.id).unwrap();
            assert!(at <= seen.at.uptime);
            began_between(&again.age, seen.at.uptime, taken);
            began_between(&again.waiters[0].waited, seen.at.uptime, queued);
        }
        waiter.ends();
    }
}

#[test]
fn hand_overs_are_told_in_order() {
    let Some(mut desk) = Desk::traced() else { return };
    let (one, two, three) = (desk.scene.actor(), desk.scene.actor(), desk.scene.actor());
    let pids = [one.pid, two.pid, three.pid];
    one.does("flock('l', EX)");
    two.waits("f = flock('l', EX)");
    three.waits("g = flock('l', EX)");
    one.ends();
    two.answer();
    two.does("fcntl.flock(f, UN)");
    three.answer();
    three.does("os.close(g)");
    let told = desk.hears("l", &pids, 8);
    let of = |pid: i32| -> Vec<&str> {
        told.iter().filter(|(by, _)| *by == pid).map(|(_, what)| *what).collect()
    };
    assert_eq!(told.iter().filter(|(_, what)| *what == "released").count(), 3, "{told:?}");
    assert_eq!(of(two.pid), ["queued", "granted", "released"]);
    assert_eq!(of(three.pid), ["queued", "granted", "released"]);
    let path = desk.scene.path("l");
    for event in desk.events(&path, &pids) {
        assert_eq!(event.not_before, Some(event.at), "{event:?}");
        assert_eq!(event.evidence, [Evidence::Traced]);
        assert_eq!(event.duration.is_some(), !matches!(event.kind.word(), "acquired" | "queued"));
        if let Some(duration) = &event.duration {
            assert_eq!(Some(duration.min), duration.max);
        }
        assert_eq!(event.command.as_deref(), Some("python3"));
    }
}

#[test]
fn what_came_and_went_between_two_looks_is_told() {
    let Some(mut desk) = Desk::traced() else { return };
    desk.looks();
    let actor = desk.scene.actor();
    // Whoever looks up its name may find no more than that.
    actor.does("f = opened('brief')");
    let between = timed(&actor, "fcntl.flock(f, EX) or fcntl.flock(f, UN)");
    let told = desk.hears("brief", &[actor.pid], 2);
    assert_eq!(told, [(actor.pid, "acquired"), (actor.pid, "released")]);
    let path = desk.scene.path("brief");
    for event in desk.events(&path, &[actor.pid]) {
        assert!(between.0 <= event.at.uptime && event.at.uptime <= between.1, "{event:?}");
        assert!(event.id.is_well_formed() && event.id.as_str().starts_with("@flock:"));
    }
}

#[test]
fn whoever_is_killed_in_the_queue_has_given_up() {
    let Some(mut desk) = Desk::traced() else { return };
    let (holder, waiter) = (desk.scene.actor(), desk.scene.actor());
    holder.does("flock('l', EX)");
    waiter.waits("flock('l', EX)");
    desk.looks();
    let pid = waiter.pid;
    waiter.gets(Signal::KILL);
    let told = desk.hears("l", &[holder.pid, pid], 3);
    assert_eq!(told, [(holder.pid, "acquired"), (pid, "queued"), (pid, "gave-up")]);
}

#[test]
fn a_conversion_is_a_release_and_another_lock() {
    let Some(mut desk) = Desk::traced() else { return };
    let actor = desk.scene.actor();
    actor.does("f = flock('l', EX)");
    let converted = timed(&actor, "fcntl.flock(f, SH)");
    let words: Vec<_> =
        desk.hears("l", &[actor.pid], 3).into_iter().map(|(_, what)| what).collect();
    assert_eq!(words, ["acquired", "released", "acquired"]);
    let seen = desk.looks();
    let path = desk.scene.path("l");
    let lock = seen.locks.iter().find(|lock| crate::desk::is_at(lock, &path)).unwrap();
    began_between(&lock.age, seen.at.uptime, converted);
}

#[test]
fn what_was_held_before_is_told_to_end_when_it_does() {
    let Some(mut desk) = Desk::untraced() else { return };
    let actor = desk.scene.actor();
    actor.does("f = flock('l', EX); p = posix('p', start=5, length=5)");
    let before = timed(&actor, "0").0;
    desk.traces();
    let since = timed(&actor, "0").1;
    desk.looks();
    // Nobody has touched it since we listen.
    let seen = desk.looks();
    let path = desk.scene.path("l");
    let age = &seen.locks.iter().find(|lock| crate::desk::is_at(lock, &path)).unwrap().age;
    assert!(age.min >= seen.at.uptime.saturating_sub(since), "{age:?}");
    assert!(age.max.is_none_or(|most| most >= seen.at.uptime.saturating_sub(before)), "{age:?}");
    let flock = timed(&actor, "fcntl.flock(f, UN)");
    let posix = timed(&actor, "os.close(p)");
    for (name, (first, last)) in [("l", flock), ("p", posix)] {
        assert_eq!(desk.hears(name, &[actor.pid], 1), [(actor.pid, "released")]);
        let event = desk.events(&desk.scene.path(name), &[actor.pid]).next().unwrap().clone();
        assert!(first <= event.at.uptime && event.at.uptime <= last, "{event:?}");
        assert_eq!(event.not_before, Some(event.at));
        let held = event.duration.unwrap();
        assert!(held.min >= Duration::ZERO && held.max.is_some(), "{held:?}");
    }
}

#[test]
fn a_lock_that_stays_is_held_all_the_time_however_busy_its_holder_is() {
    let Some(mut desk) = Desk::untraced() else { return };
    let actor = desk.scene.actor();
    actor.does("flock('l', EX)");
    desk.traces();
    let since = timed(&actor, "0").1;
    for _ in 0..3 {
        actor.does("sum(range(100_000))");
        let lock = desk.sees("l");
        // What others do too fast to be traced makes it less sure.
        let is_sure = desk.inspector.tracing().lost == 0;
        assert!(!is_sure || lock.age.times_seen().is_none(), "{:?}", lock.age);
    }
    let seen = desk.looks();
    let path = desk.scene.path("l");
    let age = &seen.locks.iter().find(|lock| crate::desk::is_at(lock, &path)).unwrap().age;
    let since = since.max(desk.inspector.tracing().unbroken_since.unwrap().uptime);
    assert!(age.min >= seen.at.uptime.saturating_sub(since), "{age:?}");
}

#[test]
fn nothing_is_told_any_more_when_it_has_stopped() {
    let Some(mut desk) = Desk::traced() else { return };
    desk.inspector.stop_tracing();
    assert_eq!(desk.inspector.tracing(), locktop::model::Tracing::default());
    desk.scene.actor().does("flock('l', EX)");
    desk.looks();
    assert!(desk.told.is_empty());
    assert_eq!(desk.inspector.take_traced().since, None);
}
