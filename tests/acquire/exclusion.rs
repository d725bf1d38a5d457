//! One at a time, whatever happens to those who wait and those who have it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::chance::Chance;
use crate::player::{Field, Player};
use crate::support::{records, wait_until};

const PLAYERS: usize = 8;
const ROUNDS: u64 = 1000;
/// Of locks that are looked into at every try.
const FEWER_ROUNDS: u64 = 500;
/// How many are killed, or stopped for a while.
const VICTIMS: usize = 200;
/// Nobody having had the lock for so long means that somebody was not woken.
const PATIENCE: Duration = Duration::from_mins(5);

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

#[test]
fn one_at_a_time_has_a_pid_file() {
    all_have_it("pidfile");
}

fn all_have_it(family: &str) {
    let field = Field::of(family);
    let seed = Chance::seed();
    let all = if family == "pidfile" { FEWER_ROUNDS } else { ROUNDS };
    let mut players: Vec<_> =
        (0..PLAYERS).map(|number| field.player(number, all, seed + number as u64)).collect();
    let mut watch = Watch::begin();
    while !players.iter_mut().all(Player::has_ended) {
        watch.goes_on(&field);
        sleep(Duration::from_millis(20));
    }
    let scores: Vec<_> = (0..PLAYERS).map(|number| field.score_of(number)).collect();
    assert!(scores.iter().all(|(rounds, _)| *rounds == all), "{scores:?}");
    assert_eq!(field.counted(), scores.iter().map(|(_, alone)| alone).sum::<u64>());
    assert!(records(&field.lock()).is_empty(), "{:?}", records(&field.lock()));
    assert!(!family.ends_with("file") || !field.lock().exists());
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
fn a_lock_file_outlives_who_is_killed_and_others_go_on_once_it_is_removed() {
    some_are_killed("lockfile");
}

#[test]
fn a_pid_file_of_one_who_is_killed_is_replaced_by_one_of_the_others() {
    some_are_killed("pidfile");
}

/// Whether it can be proven that a process has ended: nobody is out of sight.
fn sees_all() -> bool {
    fs::read_link("/proc/self/ns/pid").is_ok_and(|link| link == Path::new("pid:[4026531836]"))
}

fn some_are_killed(family: &str) {
    let field = Field::of(family);
    let stays = family == "lockfile" || family == "pidfile" && !sees_all();
    let mut chance = Chance::new(Chance::seed());
    let start = |number, chance: &mut Chance| field.player(number, u64::MAX, chance.below(1 << 32));
    let mut players: Vec<_> = (0..PLAYERS).map(|number| start(number, &mut chance)).collect();
    let mut watch = Watch::begin();
    for _ in 0..VICTIMS {
        sleep(chance.time(Duration::from_millis(10)));
        let number = chance.below(PLAYERS as u64) as usize;
        if chance.below(2) == 0 {
            let next = start(number, &mut chance);
            std::mem::replace(&mut players[number], next).dies();
            if stays {
                remove_if_left_behind(&field.lock(), &players);
            }
        } else {
            Player::stop(&players[number..=number]);
            sleep(chance.time(Duration::from_millis(10)));
            players[number].goes_on();
        }
        watch.goes_on(&field);
    }
    // Those who are left have it as before.
    let rounds = watch.goes_on(&field);
    wait_until("everybody goes on", || (watch.goes_on(&field) > rounds + 100).then_some(()));
    drop(players);
    assert!(records(&field.lock()).is_empty(), "{:?}", records(&field.lock()));
}

/// Does what an operator does, with everybody at a standstill: those who have a lock file have it
/// open.
fn remove_if_left_behind(lock: &Path, players: &[Player]) {
    Player::stop(players);
    if let Ok(there) = fs::metadata(lock) {
        let is_it = |fd: &Path| fs::metadata(fd).is_ok_and(|fd| fd.ino() == there.ino());
        if !players.iter().flat_map(Player::descriptors).any(|fd| is_it(&fd)) {
            fs::remove_file(lock).unwrap();
        }
    }
    players.iter().for_each(Player::goes_on);
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
