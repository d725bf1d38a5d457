//! What waiting and taking cost, beside flock(1) and beside the polling that people do with it.
//!
//! `cargo bench --bench acquire` runs all of it; `cargo bench --bench acquire -- NAME…` what has one
//! of the words in its name.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program that prints, and stops when it cannot go on"
)]

#[path = "../support/mod.rs"]
mod support;

use std::fs::{self, File};
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use locktop::Target;
use locktop::acquire::Cancel;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};
use rustix::time::{ClockId, clock_gettime};

use support::{records, wait_until};

/// Who takes the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    /// util-linux's flock(1).
    Flock,
    /// `locktop run`, saying nothing.
    Quiet,
    /// `locktop run`, saying how it goes to a pipe.
    Telling,
}

const TOOLS: [Tool; 3] = [Tool::Flock, Tool::Quiet, Tool::Telling];

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Self::Flock => "flock F",
            Self::Quiet => "locktop run -q F",
            Self::Telling => "locktop run F",
        }
    }

    /// It, about to run a command under the lock.
    fn on(self, lock: &Path, command: &[&str]) -> Command {
        let mut line;
        match self {
            Self::Flock => {
                line = Command::new("flock");
                line.arg(lock).args(command);
            }
            Self::Quiet | Self::Telling => {
                line = Command::new(env!("CARGO_BIN_EXE_locktop"));
                line.arg("run").args((self == Self::Quiet).then_some("-q"));
                line.arg(lock).arg("--").args(command);
            }
        }
        line.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        line
    }
}

/// The word that has this program tell the time, as the command under a lock.
const STAMP: &str = "tell-the-time";

/// Measures on a lock file, and prints.
type Part = fn(&Path);

fn main() {
    let words: Vec<_> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if words.first().is_some_and(|word| word == STAMP) {
        return print!("{}", now().as_nanos());
    }
    let parts: [(&str, Part); 5] = [
        ("cost of a free lock", free_lock),
        ("hand-over", hand_over),
        ("cancel", cancel),
        ("drain of 100 waiters", drain),
        ("waiting", waiting),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, part) in parts {
        if words.is_empty() || words.iter().any(|word| name.contains(word.as_str())) {
            println!("\n{name}");
            part(&folder.path().join("lock"));
        }
    }
}

/// From the start of the program to its end, with nobody in the way, in turns. On a busy machine the
/// processor time says more.
fn free_lock(lock: &Path) {
    const TURNS: usize = 6;
    const ROUNDS: usize = 60;
    let names = ["true, without a lock"].into_iter().chain(TOOLS.map(Tool::name));
    let mut runs: Vec<_> = names.map(|name| (name, Vec::new(), Duration::ZERO)).collect();
    for _ in 0..TURNS {
        for (at, (_, taken, spent)) in runs.iter_mut().enumerate() {
            let before = spent_by_children();
            for _ in 0..ROUNDS {
                let mut line = match at {
                    0 => Command::new("true"),
                    _ => TOOLS[at - 1].on(lock, &["true"]),
                };
                taken.push(timed(|| assert!(line.status().unwrap().success())));
            }
            *spent += spent_by_children().saturating_sub(before);
        }
    }
    let (flock, flock_spent) = (Spread::of(&runs[1].1).median, runs[1].2);
    for (name, taken, spent) in &runs {
        let spread = Spread::of(taken);
        let ratio = spread.median.div_duration_f64(flock);
        let of_processor = spent.div_duration_f64(flock_spent);
        spread.print(name, &format!("{ratio:.2}x flock(1); processor time {of_processor:.2}x"));
    }
}

/// The processor time of all children so far.
fn spent_by_children() -> Duration {
    ticks("/proc/self/stat", 13..15)
}

/// From the holder's unlock to the first thing that the command does; of the library, to its return.
fn hand_over(lock: &Path) {
    const ROUNDS: usize = 200;
    let program = std::env::current_exe().unwrap();
    let stamp = [program.to_str().unwrap(), STAMP];
    let mut taken = TOOLS.map(|_| Vec::new());
    let mut ours = Vec::new();
    for _ in 0..ROUNDS {
        for (tool, taken) in TOOLS.iter().zip(&mut taken) {
            let holder = Holder::of(lock);
            let waiter = tool.on(lock, &stamp).stdout(Stdio::piped()).spawn().unwrap();
            let released = holder.lets_go_of(lock, 1);
            taken.push(told(waiter).saturating_sub(released));
        }
        let holder = Holder::of(lock);
        let request = target(lock).acquire().insist();
        let waiter = thread::spawn(move || {
            let guard = request.take().unwrap();
            let taken = now();
            guard.release().unwrap();
            taken
        });
        let released = holder.lets_go_of(lock, 1);
        ours.push(waiter.join().unwrap().saturating_sub(released));
    }
    for (tool, taken) in TOOLS.iter().zip(&taken) {
        Spread::of(taken).print(tool.name(), "to the command");
    }
    Spread::of(&ours).print("the library", "to its return");
}

/// From the signal to the end of the program; of the library, from the call to the return.
fn cancel(lock: &Path) {
    const ROUNDS: usize = 100;
    let holder = Holder::of(lock);
    for tool in TOOLS {
        let taken: Vec<_> = (0..ROUNDS)
            .map(|_| {
                let mut waiter = tool.on(lock, &["true"]).spawn().unwrap();
                wait_for_queue(lock, 1);
                let begun = Instant::now();
                kill_process(pid(&waiter), Signal::INT).unwrap();
                waiter.wait().unwrap();
                begun.elapsed()
            })
            .collect();
        Spread::of(&taken).print(tool.name(), "Ctrl-C to its end");
    }
    for depth in [1, 50] {
        let taken: Vec<_> = (0..ROUNDS / depth).flat_map(|_| cancel_among(lock, depth)).collect();
        let name = format!("the library, {depth} in the queue");
        Spread::of(&taken).print(&name, "cancel to return");
    }
    drop(holder);
}

/// How long each of so many takes to leave the queue.
fn cancel_among(lock: &Path, depth: usize) -> Vec<Duration> {
    let waits: Vec<_> = (1..=depth)
        .map(|length| {
            let cancel = Cancel::new();
            let request = target(lock).acquire().insist().cancel(&cancel);
            let wait = thread::spawn(move || (request.take().unwrap_err(), Instant::now()));
            wait_for_queue(lock, length);
            (cancel, wait)
        })
        .collect();
    let leave = |(cancel, wait): (Cancel, thread::JoinHandle<(locktop::Error, Instant)>)| {
        let begun = Instant::now();
        cancel.cancel();
        let (error, ended) = wait.join().unwrap();
        assert!(error.is_cancelled(), "{error}");
        ended.duration_since(begun)
    };
    waits.into_iter().map(leave).collect()
}

/// From the holder's unlock until all have had the lock.
fn drain(lock: &Path) {
    const WAITERS: usize = 100;
    const ROUNDS: usize = 3;
    for tool in TOOLS {
        let taken: Vec<_> = (0..ROUNDS)
            .map(|_| {
                let holder = Holder::of(lock);
                let waiters: Vec<_> =
                    (0..WAITERS).map(|_| tool.on(lock, &["true"]).spawn().unwrap()).collect();
                let released = holder.lets_go_of(lock, WAITERS);
                for mut waiter in waiters {
                    assert!(waiter.wait().unwrap().success());
                }
                now().saturating_sub(released)
            })
            .collect();
        Spread::of(&taken).print(tool.name(), "until the last has ended");
    }
}

/// The processor time of one that waits, and what it takes to notice that the lock is free.
fn waiting(lock: &Path) {
    const TIME: Duration = Duration::from_secs(20);
    const ROUNDS: u64 = 8;
    let holder = Holder::of(lock);
    for tool in TOOLS {
        let mut waiter = tool.on(lock, &["true"]).spawn().unwrap();
        let spent = spent_in(&waiter, TIME);
        waiter.kill().unwrap();
        waiter.wait().unwrap();
        println!("  {:34} {:>9.3}% of a core", tool.name(), percent(spent, TIME));
    }
    let mut loops = polling(lock, "true");
    let spent = spent_in(&loops, TIME);
    loops.kill().unwrap();
    loops.wait().unwrap();
    drop(holder);
    println!("  {:34} {:>9.3}% of a core", "while ! flock -n F; sleep 1", percent(spent, TIME));

    let program = std::env::current_exe().unwrap();
    let taken: Vec<_> = (0..ROUNDS)
        .map(|round| {
            let holder = Holder::of(lock);
            let loops = polling(lock, &format!("{} {STAMP}", program.display()));
            // At any time between two tries.
            sleep(Duration::from_millis(1000 + 370 * round % 1000));
            let released = holder.lets_go_of(lock, 0);
            told(loops).saturating_sub(released)
        })
        .collect();
    Spread::of(&taken).print("while ! flock -n F; sleep 1", "unlock to the command");
}

/// What people do who do not know that flock(1) waits.
fn polling(lock: &Path, command: &str) -> Child {
    let lock = lock.display();
    let script = format!("while ! flock -n {lock} {command}; do sleep 1; done");
    Command::new("sh").args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap()
}

fn percent(spent: Duration, time: Duration) -> f64 {
    spent.div_duration_f64(time) * 100.0
}

/// The processor time that a process and the children that it has waited for spend in so long.
fn spent_in(process: &Child, time: Duration) -> Duration {
    // What it does to begin with is told elsewhere.
    sleep(Duration::from_secs(1));
    let before = spent(process);
    sleep(time);
    spent(process).saturating_sub(before)
}

/// Its own, and that of the children that it has waited for.
fn spent(process: &Child) -> Duration {
    ticks(&format!("/proc/{}/stat", process.id()), 11..15)
}

/// The times in these fields of a `stat` file, counted from behind the name.
fn ticks(stat: &str, fields: Range<usize>) -> Duration {
    let stat = fs::read_to_string(stat).unwrap();
    let all: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = all[fields].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
}

/// This program, holding a lock.
struct Holder(File);

impl Holder {
    fn of(lock: &Path) -> Self {
        let file = File::create(lock).unwrap();
        flock(&file, FlockOperation::LockExclusive).unwrap();
        Self(file)
    }

    /// Unlocks once so many wait and have done whatever they do besides; returns when.
    fn lets_go_of(self, lock: &Path, waiters: usize) -> Duration {
        wait_for_queue(lock, waiters);
        sleep(Duration::from_millis(20) * waiters.max(1) as u32);
        let released = now();
        flock(&self.0, FlockOperation::Unlock).unwrap();
        released
    }
}

fn wait_for_queue(lock: &Path, length: usize) {
    wait_until("they are in the queue", || {
        let waiting = records(lock).iter().filter(|record| record.waits).count();
        (waiting >= length).then_some(())
    });
}

fn target(lock: &Path) -> Target {
    Target::Family { family: "flock", path: PathBuf::from(lock) }
}

fn pid(process: &Child) -> Pid {
    Pid::from_raw(process.id().cast_signed()).unwrap()
}

/// The time that a command under the lock has told.
fn told(mut process: Child) -> Duration {
    let mut text = String::new();
    process.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(process.wait().unwrap().success());
    Duration::from_nanos(text.trim().parse().expect("the command tells the time"))
}

/// By a clock that all processes share.
fn now() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32)
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

/// Where many times lie.
struct Spread {
    median: Duration,
    /// 99 of 100 are shorter.
    rarely: Duration,
}

impl Spread {
    fn of(times: &[Duration]) -> Self {
        let mut times = times.to_vec();
        times.sort_unstable();
        let last = times.len() - 1;
        Self { median: times[last / 2], rarely: times[last * 99 / 100] }
    }

    fn print(&self, name: &str, remark: &str) {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        println!(
            "  {name:34} p50 {:>9.3} ms   p99 {:>9.3} ms   {remark}",
            ms(self.median),
            ms(self.rarely)
        );
    }
}
