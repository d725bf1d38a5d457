//! Killed at every step of every method: what is left is told truthfully, and the next run finishes
//! it.

use rustix::process::Signal;

use crate::support::{Actor, Need, all_met, pids, wait_until};
use crate::theatre::{PATIENTLY, Theatre, has_ended, lives};
use crate::tracer::{self, Run, Step};

/// Who is concerned in one round.
struct Cast {
    holder: Actor,
    /// Next in the queue.
    next: Actor,
}

/// A way to release, and how it shows.
struct Method {
    word: &'static str,
    arguments: fn(&Cast) -> Vec<String>,
    /// What the holder does before it is released.
    holder: fn(&Theatre, &Actor),
    /// Whether the step is the one that touches somebody.
    touches: fn(&Step, &str) -> bool,
    /// Waits until what was done shows, and says who has the lock then.
    effect: fn(&Cast) -> i32,
    /// The status of the next run where the killed one has touched somebody already.
    again: i32,
    /// The status of a run that nobody kills.
    whole: i32,
}

const TERMINATE: Method = Method {
    word: "terminate",
    arguments: |_| words(&["--method", "terminate"]),
    holder: |_, _| {},
    touches: signals,
    effect: passes_on,
    again: 4,
    whole: 0,
};

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn signals(step: &Step, _lock: &str) -> bool {
    step.is("pidfd_send_signal")
}

/// The holder ends, and the next one has the lock.
fn passes_on(cast: &Cast) -> i32 {
    has_ended(cast.holder.pid);
    cast.next.answer();
    cast.next.pid
}

/// The holder does what it is asked, and has the lock.
fn goes_on(cast: &Cast) -> i32 {
    assert_eq!(cast.holder.does("1 + 1"), 2);
    cast.next.is_blocked();
    cast.holder.pid
}

#[test]
fn terminate() {
    is_killed_everywhere(&TERMINATE);
}

#[test]
fn terminate_of_a_holder_that_stays() {
    is_killed_everywhere(&Method {
        arguments: |_| words(&["--method", "terminate", "--grace", "50ms"]),
        holder: |_, holder| {
            holder.does("signal.signal(signal.SIGTERM, signal.SIG_IGN)");
        },
        effect: |cast| {
            cast.next.is_blocked();
            cast.holder.pid
        },
        again: 1,
        whole: 1,
        ..TERMINATE
    });
}

#[test]
fn kill() {
    is_killed_everywhere(&Method {
        word: "kill",
        arguments: |_| words(&["--method", "kill"]),
        ..TERMINATE
    });
}

#[test]
fn escrow() {
    is_killed_everywhere(&Method {
        word: "escrow",
        arguments: |_| words(&["--", "true"]),
        ..TERMINATE
    });
}

#[test]
fn unlock() {
    is_killed_everywhere(&Method {
        word: "unlock",
        arguments: |_| words(&["--method", "unlock"]),
        touches: |step, lock| step.is_on("flock", lock),
        effect: |cast| {
            cast.next.answer();
            assert_eq!(cast.holder.does("1 + 1"), 2);
            cast.next.pid
        },
        ..TERMINATE
    });
}

#[test]
fn resume() {
    is_killed_everywhere(&Method {
        word: "resume",
        arguments: |_| words(&["--method", "resume"]),
        holder: |_, holder| holder.stops(),
        effect: goes_on,
        // Nobody is halted any more.
        again: 2,
        ..TERMINATE
    });
}

#[test]
fn resume_of_the_frozen() {
    if !all_met(&[Need::Root]) {
        return;
    }
    is_killed_everywhere(&Method {
        word: "resume",
        arguments: |_| words(&["--method", "resume"]),
        holder: |theatre, holder| {
            let stage = theatre.scene.stage();
            let group = stage.does(format!("control_group(None, 'locktop-{}')", holder.pid));
            let group = group.as_str().unwrap();
            stage.does(format!("write('{group}/cgroup.procs', '{}')", holder.pid));
            stage.does(format!("write('{group}/cgroup.freeze', '1')"));
            wait_until("it is frozen", || {
                let events = std::fs::read_to_string(format!("{group}/cgroup.events")).ok()?;
                events.contains("frozen 1").then_some(())
            });
        },
        touches: |step, _| step.is_on("write", "cgroup.freeze"),
        effect: goes_on,
        again: 2,
        ..TERMINATE
    });
}

#[test]
fn end_waiter() {
    is_killed_everywhere(&Method {
        word: "end-waiter",
        arguments: |cast| vec!["--waiter".into(), cast.next.pid.to_string()],
        effect: |cast| {
            has_ended(cast.next.pid);
            assert_eq!(cast.holder.does("1 + 1"), 2);
            cast.holder.pid
        },
        // It waits no more.
        again: 2,
        ..TERMINATE
    });
}

/// Releases as often as it has steps, and once more: killed before each of them, and not at all.
fn is_killed_everywhere(method: &Method) {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let bystander = theatre.scene.actor();
    let mut steps = 0;
    loop {
        let name = format!("l{steps}");
        bystander.does(format!("opened('{name}')"));
        let run = round(&theatre, method, &name, steps);
        assert!(lives(bystander.pid));
        if run.killed_before.is_none() {
            assert_eq!(run.status, Some(method.whole), "{run:?}");
            assert_eq!(run.made.len(), steps - 1, "its last step is its end: {run:?}");
            return;
        }
        steps += 1;
    }
}

fn round(theatre: &Theatre, method: &Method, name: &str, steps: usize) -> Run {
    let [holder, next] = [(); 2].map(|()| theatre.scene.actor());
    holder.does(format!("flock('{name}', EX)"));
    next.waits(format!("flock('{name}', EX)"));
    (method.holder)(theatre, &holder);
    let cast = Cast { holder, next };
    let seen = theatre.seen(name);
    let path = theatre.path(name);
    let as_seen = seen["as_seen"].as_str().unwrap();
    let mut release = words(&["release", "--yes", "--as-seen", as_seen, &path]);
    let arguments = (method.arguments)(&cast);
    if !arguments.iter().any(|word| word == "--grace") {
        release.extend(words(&PATIENTLY));
    }
    release.extend(arguments);

    let release: Vec<&str> = release.iter().map(String::as_str).collect();
    let (command, program) = theatre.command(&release);
    let run = tracer::run(&command, &program, |made, _| made.len() == steps);
    let touched = run.made.iter().position(|step| (method.touches)(step, name));
    let context = format!("{} before step {steps}: {run:#?}", method.word);

    // Nobody is touched before that is on the disk.
    let log = theatre.log();
    let own = log.iter().filter(|entry| entry["plan"]["grounds"]["path"] == path.as_str());
    let stages: Vec<&str> = own.map(|entry| entry["stage"].as_str().unwrap()).collect();
    assert!(matches!(stages[..], [] | ["begun"] | ["begun", "done"]), "{stages:?} {context}");
    let synced = run.made.iter().position(|step| step.is_on("sync", "audit.jsonl"));
    if let Some(touched) = touched {
        assert!(!stages.is_empty(), "{context}");
        assert!(synced.is_some_and(|synced| synced < touched), "{context}");
    }
    if stages == ["begun"] {
        is_told_as_unfinished(theatre, method, &path);
    }

    let has_it = match touched {
        Some(_) => (method.effect)(&cast),
        None => is_untouched(method, &cast),
    };
    let now = theatre.seen(name);
    if touched.is_none() && method.word == "resume" {
        assert_eq!(now["holders"][0]["state"], seen["holders"][0]["state"], "{context}");
    }
    assert_eq!(pids(&now["holders"]), [Some(has_it)], "{context}");
    assert_ne!(now["verdict"], "orphaned", "{context}");

    if run.killed_before.is_some() {
        finishes(theatre, method, &cast, &release, touched.is_some());
    }
    run
}

/// `audit` says that nobody knows what came of it.
fn is_told_as_unfinished(theatre: &Theatre, method: &Method, path: &str) {
    let output = theatre.locktop(&["audit"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    let act = format!("{} {path}", method.word);
    let mut lines = text.lines().skip_while(|line| !line.ends_with(&act)).skip(2);
    let came = lines.next().unwrap_or_default();
    assert!(came.contains("begun, and what came of it is not known"), "{text}");
}

/// Everybody is as before; who has the lock.
fn is_untouched(method: &Method, cast: &Cast) -> i32 {
    cast.next.is_blocked();
    if method.word != "resume" {
        assert_eq!(cast.holder.does("1 + 1"), 2);
    }
    cast.holder.pid
}

/// The same command does what is left to do; whoever has the lock by now is not touched by it.
fn finishes(theatre: &Theatre, method: &Method, cast: &Cast, release: &[&str], is_done: bool) {
    let output = theatre.locktop(release);
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let status = if is_done { method.again } else { method.whole };
    assert_eq!(output.status.code(), Some(status), "{text}");
    if !is_done {
        (method.effect)(cast);
    }
    if status == 4 {
        assert!(text.contains("nothing was touched"), "{text}");
    }
    if method.whole == 1 {
        let path = release.iter().find(|word| word.starts_with('/')).unwrap();
        theatre.release(&[path, "--method", "kill"], 0);
        passes_on(cast);
    }
    for actor in [&cast.holder, &cast.next].into_iter().filter(|actor| lives(actor.pid)) {
        actor.gets(Signal::KILL);
        has_ended(actor.pid);
    }
}

/// Killed before and after the full log is moved aside: no line is lost.
#[test]
fn while_the_log_is_moved_aside() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let holder = theatre.scene.actor();
    holder.does("flock('l', EX)");
    let path = theatre.path("l");
    theatre.locktop(&["release", &path]);
    let log = format!("{}/audit.jsonl", theatre.log_folder());
    let stage = theatre.scene.stage();
    // No line fits in any more, however short it is.
    stage.does(format!("line = read('{log}'); write('{log}', line * (2 ** 22 // len(line) + 1))"));
    let full = theatre.log().len();
    let (command, program) = theatre.command(&["release", "--yes", &path]);
    let is_before = |_: &[Step], step: &Step| step.is("rename");
    let is_after = |made: &[Step], _: &Step| made.iter().any(|step| step.is("rename"));
    for run in
        [tracer::run(&command, &program, is_before), tracer::run(&command, &program, is_after)]
    {
        assert!(run.killed_before.is_some(), "{run:?}");
        assert_eq!(theatre.log().len(), full);
        assert_eq!(holder.does("1 + 1"), 2);
    }
    theatre.release(&[&path], 0);
    has_ended(holder.pid);
    assert_eq!(theatre.log().len(), full + 2);
}
