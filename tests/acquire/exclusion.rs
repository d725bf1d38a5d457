//! One at a time, whatever happens to those who wait and those who have it.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::chance::Chance;
use crate::player::{Field, Player};
use crate::support::{records, wait_until};

const PLAYERS: usize = 8;
const ROUNDS: u64 = 1000;
/// How many are killed, or stopped for a while.
const VICTIMS: usize = 200;
/// Nobody having had the lock for so long means that somebody was not woken.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn one_at_a_time_has_a_flock() {
    all_have_it("flock");
}

#[test]
fn one_at_a_time_has_a_record_lock() {
    all_have_it("ofd");
}

#[test]
fn one_at_a_time_has_a_lock_file() {
    all_have_it("lockfile");
}

fn all_have_it(family: &str) {
    let field = Field::of(family);
    let seed = Chance::seed();
    let mut players: Vec<_> =
        (0..PLAYERS).map(|number| field.player(number, ROUNDS, seed + number as u64)).collect();
    let mut watch = Watch::begin();
    while !players.iter_mut().all(Player::has_ended) {
        watch.goes_on(&field);
        sleep(Duration::from_millis(20));
    }
    let scores: Vec<_> = (0..PLAYERS).map(|number| field.score_of(number)).collect();
    assert!(scores.iter().all(|(rounds, _)| *rounds == ROUNDS), "{scores:?}");
    assert_eq!(field.counted(), scores.iter().map(|(_, alone)| alone).sum::<u64>());
    assert!(records(&field.lock()).is_empty(), "{:?}", records(&field.lock()));
}

#[test]
fn nobody_who_is_killed_or_stopped_takes_a_flock_along() {
    some_are_killed("flock");
}

#[test]
fn nobody_who_is_killed_or_stopped_takes_a_record_lock_along() {
    some_are_killed("ofd");
}

#[test]
fn nobody_who_is_killed_or_stopped_takes_a_lock_file_along_for_good() {
    some_are_killed("lockfile");
}

/// Removes the lock file of one that was killed, as an operator would: nobody else may. One that was
/// killed before it could say whose it is has left it empty.
fn clear_up_after(pid: i32, field: &Field) {
    let text = || fs::read_to_string(field.lock()).unwrap_or_default();
    let is_empty = || field.lock().exists() && text().is_empty();
    let begun = Instant::now();
    while is_empty() && begun.elapsed() < Duration::from_secs(1) {
        sleep(Duration::from_millis(10));
    }
    if text() == format!("{pid}\n") || begun.elapsed() >= Duration::from_secs(1) && is_empty() {
        fs::remove_file(field.lock()).unwrap();
    }
}

fn some_are_killed(family: &str) {
    let field = Field::of(family);
    let mut chance = Chance::new(Chance::seed());
    let start = |number, chance: &mut Chance| field.player(number, u64::MAX, chance.below(1 << 32));
    let mut players: Vec<_> = (0..PLAYERS).map(|number| start(number, &mut chance)).collect();
    let mut watch = Watch::begin();
    for _ in 0..VICTIMS {
        sleep(chance.time(Duration::from_millis(10)));
        let number = chance.below(PLAYERS as u64) as usize;
        if chance.below(2) == 0 {
            let next = start(number, &mut chance);
            let victim = std::mem::replace(&mut players[number], next);
            let pid = victim.pid();
            victim.dies();
            clear_up_after(pid, &field);
        } else {
            players[number].stops();
            sleep(chance.time(Duration::from_millis(10)));
            players[number].goes_on();
        }
        watch.goes_on(&field);
    }
    // Those who are left have it as before.
    let rounds = watch.goes_on(&field);
    wait_until("everybody goes on", || (watch.goes_on(&field) > rounds + 100).then_some(()));
    for player in players {
        let pid = player.pid();
        player.dies();
        clear_up_after(pid, &field);
    }
    if family == "lockfile" {
        assert!(!field.lock().exists());
        // Who was killed while giving it back had taken it aside, under a name of its own.
        let residue = field.residue();
        assert!(residue.iter().all(|name| name.starts_with(".locktop-")), "{residue:?}");
    }
    assert!(records(&field.lock()).is_empty(), "{:?}", records(&field.lock()));
}

/// Sees that somebody gets the lock again and again.
struct Watch {
    rounds: u64,
    since: Instant,
}

impl Watch {
    fn begin() -> Self {
        Self { rounds: 0, since: Instant::now() }
    }

    #[track_caller]
    fn goes_on(&mut self, field: &Field) -> u64 {
        let rounds = (0..PLAYERS).map(|number| field.score_of(number).0).sum();
        if rounds != self.rounds {
            *self = Self { rounds, since: Instant::now() };
        }
        let complaints = field.complaints();
        assert!(complaints.is_empty(), "{complaints}");
        assert!(self.since.elapsed() < PATIENCE, "nobody gets the lock after {rounds} rounds");
        rounds
    }
}
