//! Kubo's locks and ours at the same time, and not one who is inside beside another.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use locktop::Target;

use crate::desk::Desk;
use crate::support::wait_until;

/// So often each side has to have been inside.
const ENOUGH: usize = 60;

/// The same where nobody is killed.
const ROUNDS: usize = 400;

/// Between looks whether somebody has ended.
const PAUSE: Duration = Duration::from_millis(2);

fn open(path: &Path) -> File {
    File::options().append(true).create(true).open(path).unwrap()
}

struct Inside {
    witness: PathBuf,
    log: PathBuf,
}

impl Inside {
    fn of(desk: &Desk, witness: &str) -> Self {
        let beside = |name| desk.repository().with_file_name(name);
        Self { witness: beside(witness), log: beside("log") }
    }

    /// How often each side was inside.
    #[track_caller]
    fn counts(&self) -> (usize, usize) {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        assert!(!log.contains("violation"), "{log}");
        let count = |who| log.lines().filter(|line| *line == who).count();
        (count("kubo"), count("ours"))
    }

    fn paths(&self) -> [&str; 2] {
        [self.witness.to_str().unwrap(), self.log.to_str().unwrap()]
    }
}

/// Somebody who runs one command after the other.
#[derive(Default)]
struct Player(Mutex<Option<Child>>);

impl Player {
    fn plays(&self, over: &AtomicBool, mut command: impl FnMut() -> Command) {
        while !over.load(Ordering::Relaxed) {
            let child = command().stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            *self.0.lock().unwrap() = Some(child);
            while self.is_running() {
                if over.load(Ordering::Relaxed) {
                    self.is_killed();
                }
                thread::sleep(PAUSE);
            }
        }
    }

    fn is_running(&self) -> bool {
        let mut child = self.0.lock().unwrap();
        let ended = child.as_mut().and_then(|child| child.try_wait().unwrap());
        ended.is_none()
    }

    /// Whether there was somebody to kill.
    fn is_killed(&self) -> bool {
        let mut child = self.0.lock().unwrap();
        child.as_mut().is_some_and(|child| child.kill().is_ok())
    }
}

#[test]
fn under_load_and_killed_all_the_time_they_never_meet() {
    let Some(desk) = Desk::set() else { return };
    let inside = Inside::of(&desk, "witness");
    let over = AtomicBool::new(false);
    let players: [Player; 4] = Default::default();
    thread::scope(|scope| {
        let end = Over(&over);
        for (number, player) in players.iter().enumerate() {
            let (over, desk, inside) = (&over, &desk, &inside);
            scope.spawn(move || {
                let [witness, log] = inside.paths();
                player.plays(over, || {
                    if number % 2 == 0 {
                        return desk.kubo(&["work", witness, log]);
                    }
                    let mut run = desk.locktop(&["run", "-q", "TARGET", "--"]);
                    let command = desk.kubo(&["inside", witness, log]);
                    run.arg(command.get_program()).args(command.get_args());
                    run
                });
            });
        }
        let mut kills = 0;
        let mut turn = 0..;
        wait_until_enough(&inside, || {
            // The command of a killed locktop is left to end as it wants to.
            let player = &players[turn.next().unwrap_or(0_usize) % players.len()];
            kills += usize::from(player.is_killed());
            kills
        });
        drop(end);
    });
    inside.counts();
}

/// Ends the others, also when this fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[track_caller]
fn wait_until_enough(inside: &Inside, mut kill: impl FnMut() -> usize) {
    let mut last = (0, 0);
    loop {
        let counts = wait_until("somebody else was inside", || {
            let counts = inside.counts();
            (counts.0 + counts.1 >= last.0 + last.1 + 4).then_some(counts)
        });
        last = counts;
        let kills = kill();
        if counts.0 >= ENOUGH && counts.1 >= ENOUGH && kills >= ENOUGH / 4 {
            return;
        }
    }
}

/// Kubo removes its file before it lets go: who waits for that must not take it for the lock.
#[test]
fn a_file_without_a_name_is_no_lock() {
    let Some(desk) = Desk::set() else { return };
    let inside = Inside::of(&desk, "witness.folder");
    let over = AtomicBool::new(false);
    let players: [Player; 2] = Default::default();
    let target = Target::parse(&desk.target()).unwrap();
    thread::scope(|scope| {
        let end = Over(&over);
        for player in &players {
            let (over, desk, inside) = (&over, &desk, &inside);
            scope.spawn(move || {
                let [witness, log] = inside.paths();
                player.plays(over, || desk.kubo(&["work", witness, log]));
            });
        }
        for _ in 0..2 {
            let (over, inside, target) = (&over, &inside, &target);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let guard = target.acquire().take().unwrap();
                    let who = if fs::create_dir(&inside.witness).is_ok() {
                        "ours"
                    } else {
                        "violation by ours"
                    };
                    thread::yield_now();
                    writeln!(open(&inside.log), "{who}").unwrap();
                    fs::remove_dir(&inside.witness).unwrap();
                    guard.release().unwrap();
                }
            });
        }
        let mut last = (0, 0);
        while last.0 < ROUNDS || last.1 < ROUNDS {
            last = wait_until("somebody was inside", || {
                Some(inside.counts()).filter(|now| now.0 + now.1 > last.0 + last.1)
            });
        }
        // Those who are killed now can leave the witness behind.
        drop(end);
    });
}
