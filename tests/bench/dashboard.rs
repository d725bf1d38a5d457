//! What the dashboard costs others while it runs, and what it costs itself.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};

use super::support::{Scene, wait_until};
use super::{bare, median};

/// How long a program locks and unlocks at a time while the dashboard runs.
const BESIDE: Duration = Duration::from_secs(4);
/// And while it is stopped: short, since it saves up for looks meanwhile.
const ALONE: Duration = Duration::from_millis(400);
/// How often, alternately.
const TURNS: usize = 12;
/// How long the dashboard is left alone at its start, while the first look weighs.
const START: Duration = Duration::from_secs(5);
/// And when that is paid for.
const REST: Duration = Duration::from_secs(20);

pub(crate) fn measure() {
    println!("\nthe dashboard, and a program that opens, locks and closes a file without a pause");
    println!(
        "{:34} {:>12} {:>12} {:>7} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "beside", "without", "with", "loss", "first", "CPU: 5 s", "later", "memory", "printed"
    );
    for locks in [10, 10_000] {
        beside(locks);
    }
}

fn beside(locks: usize) {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("raise_descriptor_limit()");
    holder.does(format!("os.mkdir('many'); [flock(f'many/{{n}}', EX) for n in range({locks})]"));
    wait_until("all locks stand", || (bare::count() >= locks).then_some(()));

    let first = (0..5).map(|_| Dashboard::start().end().as_secs_f64()).collect();
    let dashboard = Dashboard::start();
    let (at_start, _) = dashboard.at_rest(START);
    dashboard.at_rest(REST);
    let (later, printed) = dashboard.at_rest(REST);
    let path = scene.path("contested");
    let (mut without, mut with) = (0.0, 0.0);
    for _ in 0..TURNS {
        dashboard.gets(Signal::STOP);
        without += throughput(&path, ALONE) / TURNS as f64;
        dashboard.gets(Signal::CONT);
        with += throughput(&path, BESIDE) / TURNS as f64;
    }
    let memory = dashboard.memory_kib();
    dashboard.end();
    println!(
        "{:34} {:>10.0}/s {:>10.0}/s {:>6.1}% {:>7.0}ms {:>8.2}% {:>8.2}% {:>6.1}MiB {:>7}B",
        format!("{locks} locks"),
        without,
        with,
        (1.0 - with / without) * 100.0,
        median(first) * 1e3,
        at_start * 100.0,
        later * 100.0,
        memory as f64 / 1024.0,
        printed,
    );
}

/// How often a second the file can be opened, locked and closed. Of a while, the mean: looks are seldom.
pub(crate) fn throughput(path: &Path, time: Duration) -> f64 {
    let start = Instant::now();
    let mut times = 0_u32;
    while start.elapsed() < time {
        for _ in 0..100 {
            let file = File::create(path).unwrap();
            flock(&file, FlockOperation::LockExclusive).unwrap();
        }
        times += 100;
    }
    f64::from(times) / start.elapsed().as_secs_f64()
}

/// `locktop` in a terminal of its own.
struct Dashboard {
    child: Box<dyn Child + Send + Sync>,
    printed: Arc<AtomicUsize>,
    first_frame: Duration,
    // Closed last: the terminal goes with it.
    _terminal: Box<dyn MasterPty + Send>,
}

impl Dashboard {
    fn start() -> Self {
        let size = PtySize { rows: 40, cols: 120, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut output = pair.master.try_clone_reader().unwrap();
        let mut input = pair.master.take_writer().unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_locktop"));
        command.env("TERM", "xterm-256color");
        let start = Instant::now();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let printed = Arc::new(AtomicUsize::new(0));
        let (drawn, first) = mpsc::channel();
        let counter = Arc::clone(&printed);
        thread::spawn(move || {
            let mut buffer = [0; 16_384];
            while let Ok(bytes @ 1..) = output.read(&mut buffer) {
                // It is asked where its cursor is, and answers as a terminal does.
                if buffer[..bytes].windows(4).any(|four| four == b"\x1b[6n") {
                    let _ = input.write_all(b"\x1b[1;1R");
                }
                // Setting up the terminal takes fewer bytes than a frame.
                if counter.fetch_add(bytes, Ordering::Relaxed) + bytes > 200 {
                    let _ = drawn.send(start.elapsed());
                }
            }
        });
        let first_frame = first.recv_timeout(Duration::from_secs(20)).expect("it draws a frame");
        Self { child, printed, first_frame, _terminal: pair.master }
    }

    /// The share of a CPU that it takes while nothing changes, and the bytes that it prints.
    fn at_rest(&self, time: Duration) -> (f64, usize) {
        let before = (self.cpu_seconds(), self.printed.load(Ordering::Relaxed));
        thread::sleep(time);
        let after = (self.cpu_seconds(), self.printed.load(Ordering::Relaxed));
        ((after.0 - before.0) / time.as_secs_f64(), after.1 - before.1)
    }

    fn cpu_seconds(&self) -> f64 {
        let stat = self.proc_file("stat");
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks = |field: &str| field.parse::<f64>().unwrap();
        (ticks(fields[11]) + ticks(fields[12])) / 100.0
    }

    fn memory_kib(&self) -> u64 {
        let status = self.proc_file("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    fn proc_file(&self, name: &str) -> String {
        let pid = self.child.process_id().unwrap();
        std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap()
    }

    fn gets(&self, signal: Signal) {
        let pid = self.child.process_id().and_then(|pid| Pid::from_raw(pid as i32)).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Ends it; returns how long its first frame took.
    fn end(mut self) -> Duration {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.first_frame
    }
}
