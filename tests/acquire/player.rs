//! A process that takes a lock again and again through the library, and sees to it that nobody else
//! has it meanwhile. It is this test program once more.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use locktop::acquire::{Cancel, Pauses};
use locktop::model::Mode;
use locktop::{Acquire, Guard, Target};
use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use serde_json::{Value, json};

use super::chance::Chance;
use super::support::{state, wait_until};

/// The variable that says what to play.
const PART: &str = "LOCKTOP_TEST_PART";

/// A folder in which players meet.
#[derive(Debug)]
pub(crate) struct Field {
    folder: tempfile::TempDir,
    target: String,
}

impl Field {
    /// One with a lock of this family.
    pub(crate) fn of(family: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("locktop-").tempdir().unwrap();
        let lock = folder.path().join("lock");
        fs::write(folder.path().join("witness"), [0; 8]).unwrap();
        Self { target: format!("{family}:{}", lock.display()), folder }
    }

    /// The lock file.
    pub(crate) fn lock(&self) -> PathBuf {
        self.folder.path().join("lock")
    }

    /// Somebody who is to have the lock so many times, numbered by the caller.
    pub(crate) fn player(&self, number: usize, rounds: u64, seed: u64) -> Player {
        let part = json!({
            "target": self.target,
            "folder": self.folder.path(),
            "number": number,
            "rounds": rounds,
            "seed": seed,
        });
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "player::plays", "--ignored", "--test-threads=1", "--nocapture"])
            .env(PART, part.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Player { process }
    }

    /// How often a player has had the lock so far, and how often of these exclusively.
    pub(crate) fn score_of(&self, number: usize) -> (u64, u64) {
        let score = open(&self.folder.path().join(format!("score-{number}")));
        (read(&score, 0), read(&score, 1))
    }

    /// How often the lock was had exclusively, counted under it by a read and a write.
    pub(crate) fn counted(&self) -> u64 {
        read(&open(&self.folder.path().join("witness")), 0)
    }

    /// What players found amiss.
    pub(crate) fn complaints(&self) -> String {
        fs::read_to_string(self.folder.path().join("complaints")).unwrap_or_default()
    }
}

/// A process that plays. Ended when dropped.
#[derive(Debug)]
pub(crate) struct Player {
    process: Child,
}

impl Player {
    /// Its process.
    pub(crate) fn pid(&self) -> i32 {
        self.process.id().cast_signed()
    }

    /// Whether it has ended; panics if that was not well.
    #[track_caller]
    pub(crate) fn has_ended(&mut self) -> bool {
        let status = self.process.try_wait().unwrap();
        status.is_some_and(|status| {
            assert!(status.success(), "a player ended with {status}");
            true
        })
    }

    /// Ends it, wherever it is.
    pub(crate) fn dies(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// What it has open.
    pub(crate) fn descriptors(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(format!("/proc/{}/fd", self.pid())).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// Stops them with all their threads, wherever they are.
    pub(crate) fn stop(players: &[Self]) {
        for player in players {
            player.gets(Signal::STOP);
        }
        for player in players {
            wait_until("a player has stopped", || player.has_stopped().then_some(()));
        }
    }

    fn has_stopped(&self) -> bool {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).into_iter().flatten();
        let mut states =
            tasks.flatten().filter_map(|task| state(task.file_name().to_str()?.parse().ok()?));
        states.all(|state| "TZ".contains(state))
    }

    /// Has it go on.
    pub(crate) fn goes_on(&self) {
        self.gets(Signal::CONT);
    }

    fn gets(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.pid()).unwrap(), signal).unwrap();
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the process does.
#[test]
#[ignore = "no test, but what players do"]
fn plays() {
    let Some(part) = std::env::var_os(PART) else { return };
    set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
    let part: Value = serde_json::from_str(part.to_str().unwrap()).unwrap();
    let folder = Path::new(part["folder"].as_str().unwrap());
    let number = |name: &str| part[name].as_u64().unwrap();
    let score = folder.join(format!("score-{}", number("number")));
    let mut play = Play {
        target: Target::parse(OsStr::new(part["target"].as_str().unwrap())).unwrap(),
        witness: open(&folder.join("witness")),
        score: open(&score),
        chance: Chance::new(number("seed")),
        canceller: canceller(),
    };
    // Two threads and two files belong to the play.
    let before = belongings();
    let played = play.rounds(number("rounds")).and_then(|()| nothing_is_left(&before));
    if let Err(complaint) = played {
        let path = folder.join("complaints");
        let mut complaints = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        std::io::Write::write_all(&mut complaints, format!("{complaint}\n").as_bytes()).unwrap();
        panic!("{complaint}");
    }
}

struct Play {
    target: Target,
    /// Whoever has the lock locks this too, by other means, and must succeed at once. Opened before
    /// any lock file, so that it goes first when the process is killed.
    witness: File,
    score: File,
    chance: Chance,
    canceller: Sender<(Duration, Cancel)>,
}

impl Play {
    fn rounds(&mut self, rounds: u64) -> Result<(), String> {
        let (mut done, mut alone) = (read(&self.score, 0), read(&self.score, 1));
        while done < rounds {
            let Some(guard) = self.try_once()? else { continue };
            let is_alone = guard.mode() == Mode::Exclusive;
            self.inside(is_alone)?;
            done += 1;
            alone += u64::from(is_alone);
            write(&self.score, 0, done);
            write(&self.score, 1, alone);
            // In all the ways in which a lock can be given back.
            match self.chance.below(2) {
                0 => drop(guard),
                _ => guard.release().map_err(|error| error.to_string())?,
            }
        }
        Ok(())
    }

    /// Asks for the lock in one of the ways in which it can be asked for.
    fn try_once(&mut self) -> Result<Option<Guard>, String> {
        let is_on_disk =
            matches!(self.target, Target::Family { family: "lockfile" | "pidfile", .. });
        let can_share = !is_on_disk;
        let pauses = Pauses {
            first: Duration::from_millis(1),
            longest: Duration::from_millis(20),
            ..Pauses::default()
        };
        let mut request = self.target.acquire().pauses(pauses);
        // Who insists saves the look for circles, which takes longer than all the rest.
        if self.chance.below(32) != 0 {
            request = request.insist();
        }
        if can_share && self.chance.below(8) == 0 {
            request = request.shared();
        }
        let result = match self.chance.below(8) {
            0 => request.no_wait().take(),
            1 | 2 => request.timeout(self.chance.time(Duration::from_millis(4))).take(),
            3 | 4 => self.is_cancelled_soon(request).take(),
            _ => request.take(),
        };
        match result {
            Ok(guard) => Ok(Some(guard)),
            Err(error) if error.is_would_block() || error.is_timeout() || error.is_cancelled() => {
                Ok(None)
            }
            Err(error) => Err(error.to_string()),
        }
    }

    fn is_cancelled_soon(&mut self, request: Acquire) -> Acquire {
        let cancel = Cancel::new();
        let after = self.chance.time(Duration::from_millis(4));
        self.canceller.send((after, cancel.clone())).unwrap();
        request.cancel(&cancel)
    }

    /// Sees to it that nobody else is here.
    fn inside(&mut self, is_alone: bool) -> Result<(), String> {
        let how = if is_alone {
            FlockOperation::NonBlockingLockExclusive
        } else {
            FlockOperation::NonBlockingLockShared
        };
        fcntl_lock(&self.witness, how).map_err(|error| format!("two are inside: {error}"))?;
        let count = read(&self.witness, 0);
        if self.chance.below(4) == 0 {
            thread::sleep(self.chance.time(Duration::from_millis(1)));
        } else {
            thread::yield_now();
        }
        if read(&self.witness, 0) != count {
            return Err("another has counted meanwhile".into());
        }
        if is_alone {
            write(&self.witness, 0, count + 1);
        }
        fcntl_lock(&self.witness, FlockOperation::Unlock).map_err(|error| error.to_string())
    }
}

/// Neither a thread nor an open file.
fn nothing_is_left(before: &(usize, usize)) -> Result<(), String> {
    wait_until("threads that waited have ended", || (belongings().0 <= before.0).then_some(()));
    let now = belongings();
    if now == *before { Ok(()) } else { Err(format!("{before:?} became {now:?}")) }
}

/// Cancels what it is told, after a while, in a thread of its own.
fn canceller() -> Sender<(Duration, Cancel)> {
    let (tell, told): (_, Receiver<(Duration, Cancel)>) = channel();
    thread::spawn(move || {
        for (after, cancel) in told {
            thread::sleep(after);
            cancel.cancel();
        }
    });
    tell
}

fn open(path: &Path) -> File {
    File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap()
}

/// The number at that place; 0 where nothing was written yet.
fn read(file: &File, place: u64) -> u64 {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, place * 8).map_or(0, |()| u64::from_ne_bytes(bytes))
}

fn write(file: &File, place: u64, number: u64) {
    file.write_all_at(&number.to_ne_bytes(), place * 8).unwrap();
}

/// How many threads and open files this process has.
fn belongings() -> (usize, usize) {
    let count = |folder: &str| fs::read_dir(folder).unwrap().count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}
