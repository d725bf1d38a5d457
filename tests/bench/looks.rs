//! What a look costs, as ratios of runs side by side: beside the bare reading of the same files, and
//! beside `lslocks`. And what the dashboard costs a program that locks and unlocks all the time.
//!
//! `cargo bench` runs all of it; `cargo bench -- NAME…` the scenes whose name contains one of the
//! words.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program that prints, and stops when it cannot go on"
)]

#[path = "../support/mod.rs"]
mod support;

mod bare;
mod dashboard;
mod trace;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{Scene, wait_until};

/// How often each is run, alternately.
const ROUNDS: usize = 7;
/// How long `lslocks` may take, in seconds.
const PATIENCE: &str = "20";

/// What is looked at.
struct Setting {
    name: String,
    /// The processes that hold and wait.
    pids: Vec<i32>,
    /// Locks and requests in `/proc/locks`.
    records: usize,
    scene: Scene,
}

fn main() {
    let words: Vec<_> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word));

    println!("medians of {ROUNDS} alternating runs; lslocks: one run, at most {PATIENCE} s\n");
    println!(
        "{:34} {:>9} {:>9} {:>7} {:>9} {:>7}  {:>9} {:>9} {:>7} {:>7}",
        "scene", "bare", "ls", "ratio", "lslocks", "ratio", "cold", "again", "ratio", "table"
    );
    for locks in [1_000, 10_000, 100_000] {
        measure(&wanted, &format!("{locks} locks"), || many(locks));
    }
    for processes in [200, 2_000] {
        measure(&wanted, "a lock each", || crowd(processes));
    }
    measure(&wanted, "a queue of 1000", || queue(1_000));
    if wanted("dashboard") {
        dashboard::measure();
    }
    if wanted("trace") {
        trace::measure();
    }
}

/// Sets a scene, times everything on it, and prints a line.
fn measure(
    wanted: &dyn Fn(&str) -> bool,
    name: &str,
    set: impl FnOnce() -> Option<(Scene, Vec<i32>, usize)>,
) {
    if !wanted(name) {
        return;
    }
    let Some((scene, pids, records)) = set() else { return };
    let setting = Setting { name: name.into(), pids, records, scene };
    wait_until("all locks stand", || (bare::count() >= setting.records).then_some(()));

    let mut bare = Vec::new();
    let mut ls = Vec::new();
    for _ in 0..ROUNDS {
        bare.push(timed(|| bare::read(&setting.pids)));
        ls.push(timed(|| locktop(setting.scene.folder())));
    }
    let lslocks = lslocks();
    let (cold, again, table) = refresh();
    let (bare, ls) = (median(bare), median(ls));
    let (slow, at_least) = lslocks.map_or((20.0, ">"), |taken| (taken.as_secs_f64(), ""));
    let processes = setting.pids.len();
    println!(
        "{:34} {:>7.1}ms {:>7.1}ms {:>6.2}x {:>9} {:>7}  {:>7.1}ms {:>7.1}ms {:>6.2}x {:>6.2}x",
        format!(
            "{}, {processes} {}",
            setting.name,
            if processes == 1 { "process" } else { "processes" }
        ),
        bare * 1e3,
        ls * 1e3,
        ls / bare,
        format!("{at_least}{:.0}ms", slow * 1e3),
        format!("{at_least}{:.0}x", slow / ls),
        cold * 1e3,
        again * 1e3,
        again / cold,
        table / cold,
    );
}

/// Locks in files of their own, held by one process, or by as many as the limit of descriptors takes.
fn many(locks: usize) -> Option<(Scene, Vec<i32>, usize)> {
    let scene = Scene::with(&[])?;
    let stage = scene.stage();
    let limit = stage.does("raise_descriptor_limit()").as_u64().unwrap() as usize - 100;
    let processes = locks.div_ceil(limit);
    let share = locks.div_ceil(processes);
    stage.does("os.mkdir('many')");
    let pids = stage.does(format!(
        "crowd({processes}, lambda k: [flock(f'many/{{n}}', EX) \
         for n in range({share} * k, min({share} * (k + 1), {locks}))])"
    ));
    Some((scene, numbers(&pids), locks))
}

/// Processes with a lock each.
fn crowd(processes: usize) -> Option<(Scene, Vec<i32>, usize)> {
    let scene = Scene::with(&[])?;
    let pids = scene.stage().does(format!("crowd({processes}, lambda n: flock(f'l{{n}}', EX))"));
    Some((scene, numbers(&pids), processes))
}

/// One holder, and processes that wait for it.
fn queue(waiters: usize) -> Option<(Scene, Vec<i32>, usize)> {
    let scene = Scene::with(&[])?;
    let holder = scene.actor();
    holder.does("flock('l', EX)");
    let pids = scene.stage().does(format!("crowd({waiters}, lambda n: flock('l', EX))"));
    let pids = [&[holder.pid], &numbers(&pids)[..]].concat();
    scene.keeps(holder);
    Some((scene, pids, waiters + 1))
}

fn numbers(pids: &serde_json::Value) -> Vec<i32> {
    pids.as_array().unwrap().iter().map(|pid| pid.as_i64().unwrap() as i32).collect()
}

/// A cold look from the command line.
fn locktop(folder: &Path) {
    let status = Command::new(env!("CARGO_BIN_EXE_locktop"))
        .args(["ls", "--json"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}

/// How long `lslocks` takes; `None` when it was ended.
fn lslocks() -> Option<Duration> {
    let start = Instant::now();
    let status = Command::new("timeout")
        .args([PATIENCE, "lslocks", "--json"])
        .stdout(Stdio::null())
        .status()
        .unwrap();
    (status.code() != Some(124)).then(|| start.elapsed())
}

/// Seconds of an inspector's first look, of those that follow when nothing changed, and of their
/// reading the lock table, which they cannot do without.
fn refresh() -> (f64, f64, f64) {
    let cold = || {
        let mut inspector = locktop::Inspector::new().unwrap();
        (timed(|| inspector.look().unwrap()), inspector)
    };
    let mut first: Vec<_> = (1..ROUNDS).map(|_| cold().0).collect();
    let (last, mut inspector) = cold();
    first.push(last);
    let (mut again, mut table) = (Vec::new(), Vec::new());
    let mut shown = inspector.look().unwrap();
    for _ in 0..3 * ROUNDS {
        let stalled = inspector.stalled();
        again.push(timed(|| shown = inspector.look().unwrap()));
        table.push(inspector.stalled().saturating_sub(stalled).as_secs_f64());
    }
    (median(first), median(again), median(table))
}

fn timed<T>(work: impl FnOnce() -> T) -> f64 {
    let start = Instant::now();
    let result = work();
    let taken = start.elapsed().as_secs_f64();
    drop(result);
    taken
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
