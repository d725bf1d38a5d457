//! What is told of made-up histories.

use proptest::prelude::*;

use super::world::{Deed, MS, World};
use super::*;
use crate::model::{EventKind, Mode, Verdict};

const X: Mode = Mode::Exclusive;
const S: Mode = Mode::Shared;

/// Events as `kind pid`, those of verdicts left out.
fn words(events: &[Event]) -> Vec<String> {
    let told = events.iter().filter(|event| event.kind != EventKind::VerdictChanged);
    told.map(|event| format!("{} {}", event.kind, event.pid.unwrap_or_default())).collect()
}

#[test]
fn the_first_look_tells_nothing() {
    let mut world = World::new();
    world.take(1, 10, X).take(1, 11, X);
    assert!(world.look().is_empty());
}

#[test]
fn taking_and_letting_go_are_told_with_their_bounds() {
    let mut world = World::new();
    world.look();
    let events = world.pass(300).take(1, 10, X).pass(200).look();
    assert_eq!(words(&events), ["acquired 10"]);
    // It has not run since it took it.
    assert_eq!(events[0].at.uptime, world.now.saturating_sub(205 * MS));
    assert_eq!(events[0].not_before.unwrap().uptime, Duration::from_secs(1000));
    let events = world.pass(1000).release(1, 10).pass(100).look();
    assert_eq!(words(&events), ["released 10"]);
    let held = events[0].duration.as_ref().unwrap();
    assert!(held.min <= 1205 * MS && 1205 * MS <= held.max.unwrap(), "{held:?}");
}

#[test]
fn a_hand_over_is_a_release_and_a_grant() {
    let mut world = World::new();
    world.take(1, 10, X).take(1, 11, X).look();
    let events = world.pass(400).release(1, 10).pass(100).look();
    assert_eq!(words(&events), ["released 10", "granted 11"]);
    assert!(events[0].at <= events[1].at);
    assert!(events[1].duration.as_ref().is_some_and(|waited| waited.max.is_none()));
}

#[test]
fn retaking_is_told_only_where_it_is_certain() {
    let mut world = World::new();
    // One that is held all the time: what stands before it by now was taken after it.
    world.take(1, 10, X).take(2, 20, X).pass(100).look();
    let events = world.pass(100).release(1, 10).take(1, 10, X).pass(100).look();
    assert_eq!(words(&events), ["released 10", "acquired 10"]);

    // It may well have held it all the time.
    let mut world = World::new();
    world.take(1, 10, X).look();
    assert!(world.pass(100).release(1, 10).take(1, 10, X).pass(100).look().is_empty());
}

#[test]
fn whoever_gives_up_has_not_had_it_where_others_kept_it() {
    let mut world = World::new();
    world.take(1, 10, X).take(1, 11, X).look();
    let events = world.pass(100).end(11).pass(100).look();
    assert_eq!(words(&events), ["gave-up 11"]);
    assert_eq!(events[0].remark, None);
}

#[test]
fn whoever_may_have_had_it_in_between_is_told_so() {
    let mut world = World::new();
    world.take(1, 10, X).take(1, 11, X).look();
    let events = world.pass(100).release(1, 10).end(11).pass(100).look();
    assert_eq!(words(&events), ["released 10", "gave-up 11"]);
    assert_eq!(events[1].remark.as_deref(), Some("it may have had it in between"));
}

#[test]
fn whoever_is_being_woken_has_not_given_up() {
    let mut world = World::new();
    world.take(1, 10, X).take(1, 11, X).look();
    // One look shows it neither in the queue nor with the lock.
    assert!(words(&world.pass(100).look_past(true, |_, pid| pid == 11)).is_empty());
    assert!(words(&world.pass(100).look()).is_empty());
    assert!(words(&world.pass(100).look_past(true, |_, pid| pid == 11)).is_empty());
    let events = world.pass(100).release(1, 10).look();
    assert_eq!(words(&events), ["released 10", "granted 11"]);
}

#[test]
fn a_lock_that_one_look_in_parts_misses_is_still_held() {
    let mut world = World::new();
    world.take(1, 10, X).look();
    assert!(world.pass(100).look_past(false, |file, _| file == 1).is_empty());
    assert!(world.pass(100).look_past(false, |_, _| false).is_empty());
    // What two looks in a row do not show is gone.
    world.pass(100).look_past(false, |file, _| file == 1);
    let events = world.pass(100).release(1, 10).look_past(false, |_, _| false);
    assert_eq!(words(&events), ["released 10"]);
}

#[test]
fn a_lock_that_a_look_in_parts_has_missed_is_not_new() {
    let mut world = World::new();
    world.take(1, 10, X).pass(100).look_past(false, |file, _| file == 1);
    assert!(world.pass(100).look_past(false, |_, _| false).is_empty());
}

#[test]
fn readers_come_and_go_one_by_one() {
    let mut world = World::new();
    world.take(1, 10, S).look();
    assert_eq!(words(&world.pass(100).take(1, 11, S).look()), ["acquired 11"]);
    assert_eq!(words(&world.pass(100).release(1, 10).look()), ["released 10"]);
}

#[test]
fn a_holder_that_slept_has_not_let_go() {
    let mut world = World::new();
    world.take(1, 10, X).pass(100).look();
    let events = world.pass(100).rob(1, 10).pass(100).look();
    assert_eq!(words(&events), ["lost 10"]);
}

#[test]
fn what_was_freed_by_force_is_forced() {
    let mut world = World::new();
    world.take(1, 10, X).take(1, 11, X).look();
    world.acts = vec![Act { method: Method::Terminate, uid: Some(0), victims: vec![10] }];
    let events = world.pass(100).end(10).look();
    assert_eq!(words(&events), ["forced 10", "granted 11"]);
    assert_eq!(events[0].remark.as_deref(), Some("released by force: terminate, by uid 0"));
    // The next holder is nobody's victim.
    assert_eq!(words(&world.pass(100).release(1, 11).look()), ["released 11"]);
}

#[test]
fn another_judgement_is_told_with_how_long_the_last_one_stood() {
    let mut world = World::new();
    world.take(1, 10, X).look();
    world.pass(1000).look();
    let events = world.pass(1000).take(1, 11, X).look();
    let [queued, changed] = &events[..] else { panic!("{events:?}") };
    assert_eq!(queued.kind, EventKind::Queued);
    assert_eq!(changed.verdicts, Some((Verdict::Held, Verdict::Contended)));
    let stood = changed.duration.as_ref().unwrap();
    assert!(stood.min >= 1000 * MS && stood.max.is_none(), "{stood:?}");
    let events = world.pass(500).end(11).look();
    let stood = events.last().and_then(|event| event.duration.clone()).unwrap();
    assert!(stood.min <= 505 * MS && stood.max.unwrap() >= 505 * MS, "{stood:?}");
}

#[test]
fn only_what_was_asked_for_is_told() {
    let mut world = World::new();
    world.selection = Selection::nothing();
    world.look();
    assert!(world.pass(100).take(1, 10, X).look().is_empty());
}

#[derive(Debug, Clone)]
enum Step {
    Pass(u32),
    Take(u64, Pid, Mode),
    Release(u64, Pid),
    GiveUp(Pid),
    End(Pid),
    Run(Pid),
    /// Whether the table comes in one piece, and what is missed where it does not.
    Look(bool, u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (file, pid) = (1u64..4, 10i32..16);
    let mode = prop_oneof![3 => Just(X), 1 => Just(S)];
    let step = prop_oneof![
        2 => (1u32..900).prop_map(Step::Pass),
        4 => (file.clone(), pid.clone(), mode).prop_map(|(file, pid, mode)| Step::Take(file, pid, mode)),
        3 => (file, pid.clone()).prop_map(|(file, pid)| Step::Release(file, pid)),
        1 => pid.clone().prop_map(Step::GiveUp),
        1 => pid.clone().prop_map(Step::End),
        1 => pid.prop_map(Step::Run),
        3 => (any::<bool>(), 0u64..12).prop_map(|(at_once, missed)| Step::Look(at_once, missed)),
    ];
    prop::collection::vec(step, 1..80)
}

/// What is told about each lock, followed as a listener would.
#[derive(Default)]
struct Listener {
    holders: HashMap<u64, Vec<Pid>>,
    waiters: HashMap<u64, Vec<Pid>>,
}

fn file_of(event: &Event) -> u64 {
    let path = event.path.as_ref().unwrap().display();
    path.trim_start_matches('/').parse().unwrap()
}

fn drop_one(list: &mut Vec<Pid>, pid: Pid) -> bool {
    let at = list.iter().position(|other| *other == pid);
    at.map(|at| list.swap_remove(at)).is_some()
}

impl Listener {
    fn hear(&mut self, event: &Event) -> Result<(), TestCaseError> {
        let (file, pid) = (file_of(event), event.pid.unwrap());
        let holders = self.holders.entry(file).or_default();
        let waiters = self.waiters.entry(file).or_default();
        match event.kind {
            // Who had it shared can have it exclusively now, and the other way round.
            EventKind::Acquired if event.remark.is_some() && holders.contains(&pid) => {}
            EventKind::Acquired => holders.push(pid),
            EventKind::Granted => {
                prop_assert!(drop_one(waiters, pid), "granted to one who did not wait: {event:?}");
                holders.push(pid);
            }
            EventKind::Released => {
                prop_assert!(drop_one(holders, pid), "released by one who had it not: {event:?}");
            }
            EventKind::Queued => waiters.push(pid),
            EventKind::GaveUp => {
                prop_assert!(drop_one(waiters, pid), "given up by one who did not wait: {event:?}");
            }
            EventKind::VerdictChanged => {}
            EventKind::Forced | EventKind::Lost => prop_assert!(false, "{event:?}"),
        }
        Ok(())
    }
}

/// Whether such a thing happened in the time that an event gives.
fn happened(history: &[Deed], event: &Event, kinds: &[EventKind]) -> bool {
    let (file, pid) = (file_of(event), event.pid.unwrap());
    let from = event.not_before.map_or(Duration::ZERO, |at| at.uptime);
    history.iter().any(|deed| {
        (deed.file, deed.pid) == (file, pid)
            && kinds.contains(&deed.kind)
            && from <= deed.at
            && deed.at <= event.at.uptime
    })
}

/// Whether a time that ended so, in the time that the event gives, lasted as long as it says.
fn lasted_so(history: &[Deed], event: &Event, begins: &[EventKind], ends: &[EventKind]) -> bool {
    let Some(said) = &event.duration else { return true };
    let (file, pid) = (file_of(event), event.pid.unwrap());
    let from = event.not_before.map_or(Duration::ZERO, |at| at.uptime);
    let mut begun = None;
    history.iter().filter(|deed| (deed.file, deed.pid) == (file, pid)).any(|deed| {
        if begins.contains(&deed.kind) {
            begun = Some(deed.at);
        }
        let fits = |begun: Duration| {
            let lasted = deed.at.saturating_sub(begun);
            from <= deed.at
                && deed.at <= event.at.uptime
                && said.min <= lasted
                && said.max.is_none_or(|max| lasted <= max)
        };
        ends.contains(&deed.kind) && begun.take().is_some_and(fits)
    })
}

fn is_true(history: &[Deed], event: &Event) -> bool {
    use EventKind::{Acquired, GaveUp, Granted, Queued, Released};
    match event.kind {
        Acquired => happened(history, event, &[Acquired, Granted]),
        // One can give up, and take it then.
        Granted => {
            happened(history, event, &[Granted, Acquired])
                && (lasted_so(history, event, &[Queued], &[Granted, GaveUp])
                    // A look since has shown it neither waiting nor with the lock.
                    || event.duration.as_ref().is_some_and(|waited| waited.min.is_zero()))
        }
        Released => {
            happened(history, event, &[Released])
                && lasted_so(history, event, &[Acquired, Granted], &[Released])
        }
        Queued => happened(history, event, &[Queued]),
        GaveUp => {
            let ends: &[EventKind] = match event.remark {
                None => &[GaveUp],
                Some(_) => &[GaveUp, Granted],
            };
            happened(history, event, ends) && lasted_so(history, event, &[Queued], ends)
        }
        _ => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_made_up_and_what_two_looks_show_is_told(steps in steps()) {
        let mut world = World::new();
        let mut listener = Listener::default();
        let (mut looks, mut last_missed) = (0, 0);
        // Two looks in a row settle what one has missed.
        let settled = [Step::Look(true, 0), Step::Pass(100), Step::Look(true, 0)];
        let start = [Step::Look(true, 0)];
        for step in start.iter().chain(&steps).chain(&settled) {
            match *step {
                Step::Pass(ms) => drop(world.pass(ms)),
                Step::Take(file, pid, mode) => drop(world.take(file, pid, mode)),
                Step::Release(file, pid) => drop(world.release(file, pid)),
                Step::GiveUp(pid) => drop(world.give_up(pid)),
                Step::End(pid) => drop(world.end(pid)),
                Step::Run(pid) if !world.waits(pid) => drop(world.run(pid)),
                Step::Run(_) => {}
                Step::Look(at_once, missed) => {
                    looks += 1;
                    // What two looks in a row do not show is taken to be gone.
                    let missed = if at_once || missed == last_missed { 0 } else { missed };
                    last_missed = missed;
                    let misses = |file: u64, _| missed != 0 && file == missed;
                    let events = world.look_past(at_once, misses);
                    prop_assert!(looks > 1 || events.is_empty());
                    for event in &events {
                        prop_assert!(event.not_before.is_none_or(|from| from <= event.at));
                        prop_assert!(event.kind == EventKind::VerdictChanged || is_true(&world.history, event),
                            "untrue: {event:#?}\n{:#?}", world.history);
                        listener.hear(event)?;
                    }
                }
            }
        }
        for file in world.files() {
            let sorted = |list: Option<&Vec<Pid>>| {
                let mut list = list.cloned().unwrap_or_default();
                list.sort_unstable();
                list
            };
            let (holders, waiters) = world.state(file);
            prop_assert_eq!(sorted(listener.holders.get(&file)), holders.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(sorted(listener.waiters.get(&file)), waiters.into_iter().collect::<Vec<_>>());
        }
    }
}
