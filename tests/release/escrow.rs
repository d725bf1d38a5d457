//! A lock in our keeping: nobody gets in between.

use std::fs::File;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::support::{pids, send, state, wait_until};
use crate::theatre::{Theatre, has_ended, lives};

/// Tries to get in all the time; counts the tries, and those before 'over' that got in.
const PROBER: &str = "
def probe(path):
    tries = early = 0
    fd = opened(path)
    while not os.path.exists('stop'):
        tries += 1
        if tries == 100: write('probed', '')
        try:
            fcntl.flock(fd, EX | NB)
        except BlockingIOError:
            continue
        if not os.path.exists('over'): early += 1
        fcntl.flock(fd, UN)
    return [tries, early]
";

#[test]
fn nobody_gets_in_while_the_holder_ends_and_a_command_runs() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let [holder, prober, waiter] = [(); 3].map(|()| theatre.scene.actor());
    holder.does("flock('l', EX)");
    prober.does(PROBER);
    prober.begins("probe('l')");
    theatre.waits_for("probed");
    waiter.waits("flock('l', EX)");
    let path = theatre.path("l");
    let script =
        "ls -l /proc/self/fd > fds; for i in $(seq 200); do [ -e l ]; done; touch over; exit 7";
    let folder = theatre.scene.folder().to_str().unwrap();
    let script = format!("cd {folder}; {script}");
    let text = theatre.release(&[&path, "--", "sh", "-c", &script], 7);
    assert!(text.contains("keeps the lock"), "{text}");
    has_ended(holder.pid);
    waiter.answer();
    theatre.scene.stage().does("write('stop', '')");
    let answer = prober.answer();
    assert_eq!(answer[1], 0, "somebody got in: {answer}");
    // The command does not have the lock's file open: what it leaves running does not keep it.
    assert!(!std::fs::read_to_string(theatre.scene.path("fds")).unwrap().contains(&path));
}

#[test]
fn a_holder_that_unlocks_while_it_ends_is_told_of() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let holder = theatre.scene.actor();
    holder.does("fd = flock('l', EX)");
    holder.does("signal.signal(signal.SIGTERM, lambda *_: (fcntl.flock(fd, UN), os._exit(0)))");
    let marker = theatre.path("ran");
    let text = theatre.release(&[&theatre.path("l"), "--", "touch", &marker], 0);
    assert!(text.contains("could not be kept") && text.contains("was not run"), "{text}");
    assert!(!std::path::Path::new(&marker).exists(), "it never runs unprotected");
}

#[test]
fn a_holder_that_stays_keeps_its_lock() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let holder = theatre.scene.actor();
    holder.does("signal.signal(signal.SIGTERM, signal.SIG_IGN); flock('l', EX)");
    let marker = theatre.path("ran");
    let args = [&theatre.path("l"), "--grace", "50ms", "--", "touch", &marker];
    let text = theatre.release(&args, 1);
    assert!(text.contains("was not run"), "{text}");
    assert!(!std::path::Path::new(&marker).exists());
    assert!(lives(holder.pid));
    let file = File::open(theatre.scene.path("l")).unwrap();
    assert!(file.try_lock().is_err(), "it still has it");
}

#[test]
fn when_the_keeper_is_killed_the_next_one_has_the_lock_and_the_command_is_told() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let [holder, waiter] = [(); 2].map(|()| theatre.scene.actor());
    holder.does("flock('l', EX)");
    waiter.waits("flock('l', EX)");
    let script = format!("echo $$ $PPID > {}; exec sleep 1000", theatre.path("pids"));
    let path = theatre.path("l");
    let release = ["release", "--yes", "--grace", "5m", &path, "--", "sh", "-c", &script];
    let (keeper, _) = theatre.command(&release);
    let mut keeper = Command::new(&keeper[0])
        .args(&keeper[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pids = wait_until("the command runs", || {
        let text = std::fs::read_to_string(theatre.scene.path("pids")).ok()?;
        let mut pids = text.split_whitespace().map(|pid| pid.parse().ok());
        Some([pids.next()??, pids.next()??])
    });
    let [command, locktop]: [i32; 2] = pids;
    waiter.is_blocked();
    send(Signal::KILL, locktop);
    keeper.wait().unwrap();
    waiter.answer();
    wait_until("the command is told", || {
        state(command).is_none_or(|state| state == 'Z').then_some(())
    });
}

/// A command that says when it runs, and ends when it is told to.
const UNTIL_TOLD: &str = "echo > running; read -r _ < tell";

#[test]
fn a_lock_in_our_keeping_is_told_as_that_and_is_no_orphan() {
    for (take, wait) in [("flock('l', EX)", "flock('l', EX)"), ("ofd('l')", "ofd('l', wait=True)")]
    {
        let Some(theatre) = Theatre::with(&[]) else { return };
        let scene = &theatre.scene;
        scene.leaves_services();
        scene.stage().does("os.mkfifo('tell')");
        let [holder, waiter] = [(); 2].map(|()| scene.actor());
        holder.does(take);
        let path = theatre.path("l");
        let release = ["release", "--yes", "--grace", "5m", &path, "--", "sh", "-c", UNTIL_TOLD];
        // The copy of the program has another name.
        let (keeper, _) = theatre.command(&release);
        let keeper: Vec<&str> = keeper.iter().map(String::as_str).collect();
        // Whoever started it has ended: its process group has no leader.
        let shell = scene.shell("\"$@\" &", &keeper);
        theatre.waits_for("running");
        has_ended(shell.pid);
        has_ended(holder.pid);

        let seen = theatre.seen("l");
        let why = seen["why"].as_str().unwrap();
        assert_eq!(seen["verdict"], "held", "{why}");
        assert!(why.starts_with("escrow by locktop: .locktop (pid "), "{why}");
        wait_until("it is told", || {
            scene.explain(&path).contains("scrow by locktop").then_some(())
        });
        waiter.waits(wait);
        let seen = theatre.seen("l");
        assert_eq!(seen["verdict"], "contended", "{seen:#}");
        assert!(seen["why"].as_str().unwrap().contains("escrow by locktop"), "{seen:#}");

        scene.stage().does("write('tell', '')");
        waiter.answer();
        let seen = theatre.seen("l");
        assert_eq!(pids(&seen["holders"]), [Some(waiter.pid)]);
        assert!(!seen["why"].as_str().unwrap().contains("escrow"), "{seen:#}");
    }
}

#[test]
fn a_name_does_not_make_an_orphan_an_escrow() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let scene = &theatre.scene;
    scene.leaves_services();
    let taker = scene.actor();
    taker.does("flock('l', EX)");
    let heir = taker.forks();
    taker.ends();
    heir.does("write('/proc/self/comm', 'locktop')");
    // It keeps another one, perhaps.
    heir.does("os.memfd_create('locktop escrow of @flock:fe:00:1:~')");
    let seen = theatre.seen("l");
    assert_eq!(seen["holders"][0]["command"], "locktop");
    assert_eq!(seen["verdict"], "orphaned", "{seen:#}");
    assert!(!seen["why"].as_str().unwrap().contains("escrow"), "{seen:#}");
}

#[test]
fn a_lock_that_somebody_left_behind_shares_is_not_kept() {
    for take in ["flock('l', EX)", "ofd('l')"] {
        let Some(theatre) = Theatre::with(&[]) else { return };
        let holder = theatre.scene.actor();
        holder.does(take);
        // Its child inherits the lock while it ends.
        holder.does(
            "def leave(*_):\n  signal.signal(signal.SIGTERM, signal.SIG_DFL)\n  child = os.fork()\n  \
             if child: write('heir', str(child)); os._exit(0)\nsignal.signal(signal.SIGTERM, leave)",
        );
        let [path, marker] = ["l", "ran"].map(|name| theatre.path(name));
        let text = theatre.release(&[&path, "--", "touch", &marker], 1);
        let heir = std::fs::read_to_string(theatre.scene.path("heir")).unwrap();
        assert!(text.contains(&format!("(pid {heir}) would have shared it")), "{text}");
        assert!(text.contains("release it once more") && text.contains("was not run"), "{text}");
        assert!(!std::path::Path::new(&marker).exists(), "it never runs beside somebody else");
        let text = theatre.release(&[&path, "--", "touch", &marker], 0);
        assert!(text.contains("keeps the lock"), "{text}");
        assert!(std::path::Path::new(&marker).exists());
    }
}

#[test]
fn without_a_terminal_or_a_command_nobody_could_hand_over() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let holder = theatre.scene.actor();
    holder.does("flock('l', EX)");
    let text = theatre.release(&[&theatre.path("l"), "--method", "escrow"], 2);
    assert!(text.contains("give a command"), "{text}");
    assert!(lives(holder.pid));
}
