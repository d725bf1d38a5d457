//! Two thousand locks that come and go for a while: of what is traced nothing is missed, by looks
//! nothing is made up, and memory stays. Apart from the other scenarios, whose memory it would count.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

mod support;

use std::collections::HashMap;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use locktop::model::{Event, EventKind};
use locktop::watch::Watcher;
use locktop::{Folders, Inspector, Target};
use support::{Need, Scene};

const FILES: usize = 2_000;
const WORKERS: usize = 4;

/// Another time than this takes a setting: `LOCKTOP_SOAK_SECONDS`.
const TIME: Duration = Duration::from_secs(20);

/// So much longer it may take where the machine is busy.
const LONGER: Duration = Duration::from_mins(5);

/// Of each time that a worker has a lock: the file, and when it began to ask, had it, and had let go.
/// Each worker has files of its own, and some that
/// all want; now and then it keeps one for a while.
const WORK: &str = "
import random
def works(number, until):
    files = [opened(f'f{n}') for n in range(number, 2000, 4)] + [opened(f'f{n}') for n in range(8)]
    inodes = [os.fstat(f).st_ino for f in files]
    now = lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    log, choose = [], random.Random(number)
    while not os.path.exists(until):
        for _ in range(20):
            place = choose.randrange(len(files))
            asked = now()
            fcntl.flock(files[place], EX)
            had = now()
            if choose.random() < 0.003:
                time.sleep(0.3)
            fcntl.flock(files[place], UN)
            log.append((inodes[place], asked, had, now()))
        time.sleep(0.01)
    write(f'log{number}', json.dumps(log))
";

/// A time that a worker had a lock.
struct Turn {
    asked: Duration,
    had: Duration,
    let_go: Duration,
}

type Turns = HashMap<(i32, u64), Vec<Turn>>;

#[test]
fn many_locks_come_and_go() {
    let Some(scene) = Scene::with(&[Need::Tracing]) else { return };
    let seconds = std::env::var("LOCKTOP_SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    let time = seconds.map_or(TIME, Duration::from_secs);
    scene.stage().does(format!("[os.close(opened(f'f{{n}}')) for n in range({FILES})]; None"));

    let mut inspector = Inspector::new().expect("the catalogue is whole");
    // Room for whatever keeps us from reading for a while.
    assert!(inspector.trace_with_buffers(16 << 10).is_on());
    let (send, reports) = channel();
    let folder = Target::Path(scene.folder().to_owned());
    let watcher = Watcher::start(vec![folder], Folders::Below, move |report| {
        let _ = send.send(report.events);
    });
    let watcher = watcher.expect("a thread");
    let _ = reports.recv();
    inspector.look().expect("a look");

    let workers: Vec<_> = (0..WORKERS).map(|_| scene.actor()).collect();
    for (number, worker) in workers.iter().enumerate() {
        worker.does(WORK);
        worker.begins(format!("works({number}, 'end')"));
    }
    let begun = Instant::now();
    let (mut told, mut seen) = (Vec::new(), Vec::new());
    let mut memory = Vec::new();
    // Looks are rare where the machine is busy.
    while begun.elapsed() < time || seen.is_empty() && begun.elapsed() < time + LONGER {
        inspector.look().expect("a look");
        told.extend(inspector.take_traced().events.iter().filter_map(Happened::of));
        seen.extend(reports.try_iter().flatten());
        memory.push(memory_kib());
        std::thread::sleep(Duration::from_millis(100));
    }
    std::fs::write(scene.path("end"), "").expect("the scene's folder can be written to");
    for worker in &workers {
        worker.answer();
    }
    let state = inspector.tracing();
    assert_eq!(state.lost, 0, "{state:?}");
    drop(watcher);
    seen.extend(reports.try_iter().flatten());

    let turns = turns(&scene, &workers.iter().map(|worker| worker.pid).collect::<Vec<_>>());
    let count: usize = turns.values().map(Vec::len).sum();
    assert!(count > 1_000, "only {count}");
    let deadline = Instant::now() + LONGER;
    while !is_all_told(&told, &turns) {
        assert!(Instant::now() < deadline, "{}", first_missing(&told, &turns));
        inspector.look().expect("a look");
        told.extend(inspector.take_traced().events.iter().filter_map(Happened::of));
    }
    assert!(!seen.is_empty(), "some are held for longer than looks are apart");
    nothing_is_made_up(&seen, &turns);
    // What is collected here grows: so much for each event.
    let collected = told.len() * size_of::<Happened>() * 2 / 1024;
    let (early, last) = (memory[memory.len() / 4], memory[memory.len() - 1]);
    assert!(last < early + collected + (24 << 10), "from {early} to {last} KiB");
}

/// What an event says, as far as it is compared.
#[derive(Debug, Clone, Copy)]
struct Happened {
    inode: u64,
    pid: i32,
    at: Duration,
    kind: EventKind,
}

impl Happened {
    fn of(event: &Event) -> Option<Self> {
        Some(Self { inode: inode(event)?, pid: event.pid?, at: event.at.uptime, kind: event.kind })
    }
}

fn inode(event: &Event) -> Option<u64> {
    event.id.as_str().split(':').nth(3)?.parse().ok()
}

fn turns(scene: &Scene, pids: &[i32]) -> Turns {
    let mut turns = Turns::new();
    for (number, pid) in pids.iter().enumerate() {
        let log = std::fs::read(scene.path(&format!("log{number}"))).expect("it was written");
        let log: Vec<(u64, u64, u64, u64)> = serde_json::from_slice(&log).expect("it is JSON");
        for (inode, asked, had, let_go) in log {
            let [asked, had, let_go] = [asked, had, let_go].map(Duration::from_nanos);
            turns.entry((*pid, inode)).or_default().push(Turn { asked, had, let_go });
        }
    }
    turns
}

/// The moments at which each had got, and had let go of, each lock.
fn moments(told: &[Happened]) -> HashMap<(i32, u64), [Vec<Duration>; 2]> {
    let mut moments: HashMap<_, [Vec<Duration>; 2]> = HashMap::new();
    for event in told {
        let place = match event.kind {
            EventKind::Acquired | EventKind::Granted => 0,
            EventKind::Released => 1,
            _ => continue,
        };
        moments.entry((event.pid, event.inode)).or_default()[place].push(event.at);
    }
    moments
}

/// Whether each turn has been told, with moments that lie where its worker says.
fn is_all_told(told: &[Happened], turns: &Turns) -> bool {
    first_missing(told, turns).is_empty()
}

fn first_missing(told: &[Happened], turns: &Turns) -> String {
    let moments = moments(told);
    for (key, turns) in turns {
        let Some([got, let_go]) = moments.get(key) else { return format!("nothing of {key:?}") };
        if got.len() != turns.len() || let_go.len() != turns.len() {
            return format!("{key:?}: {} of {} turns", got.len().min(let_go.len()), turns.len());
        }
        for ((turn, got), let_go) in turns.iter().zip(got).zip(let_go) {
            let fits = turn.asked <= *got && *got <= turn.had;
            if !fits || *let_go < turn.had || turn.let_go < *let_go {
                return format!("{key:?}: {got:?} and {let_go:?} are not of that turn");
            }
        }
    }
    String::new()
}

/// Of all that looks have told, the workers know.
fn nothing_is_made_up(seen: &[Event], turns: &Turns) {
    for event in seen {
        let (Some(pid), Some(inode)) = (event.pid, inode(event)) else { continue };
        let Some(turns) = turns.get(&(pid, inode)) else {
            assert_eq!(event.kind, EventKind::VerdictChanged, "{event:#?}");
            continue;
        };
        let from = event.not_before.map_or(Duration::ZERO, |then| then.uptime);
        let overlaps = |begin: Duration, end: Duration| begin <= event.at.uptime && from <= end;
        let happened = turns.iter().any(|turn| match event.kind {
            EventKind::Acquired | EventKind::Granted | EventKind::Queued => {
                overlaps(turn.asked, turn.had)
            }
            EventKind::Released => overlaps(turn.had, turn.let_go),
            // Whoever has got it waits no longer.
            _ => true,
        });
        assert!(happened, "{event:#?}");
    }
}

fn memory_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("we are alive");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it is there");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
