//! Many who release the same lock at once.

use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use rustix::process::Signal;

use crate::support::{Actor, Need, Viewer, wait_until};
use crate::theatre::{PATIENTLY, Theatre, has_ended, lives, seen};
use crate::tracer;

/// Writes down each time that it is told to end, and stays.
const COUNTING: &str = "
with open(f'told-{os.getpid()}', 'w'): pass
def count(*_):
    with open(f'told-{os.getpid()}', 'a') as file: file.write('!')
signal.signal(signal.SIGTERM, count)
";

/// How often it was told to end.
fn told(theatre: &Theatre, actor: &Actor) -> usize {
    std::fs::read(theatre.scene.path(&format!("told-{}", actor.pid))).unwrap().len()
}

/// Somebody who releases the lock `l` again and again.
struct Releaser<'a> {
    theatre: &'a Theatre,
    /// What `locktop` is run through, last of all.
    through: Vec<String>,
    as_seen: String,
}

impl<'a> Releaser<'a> {
    fn ourselves(theatre: &'a Theatre) -> Self {
        Self::of(theatre, Viewer::Ourselves, Vec::new())
    }

    /// With a log of his own.
    fn nobody(theatre: &'a Theatre) -> Self {
        let log = format!("XDG_STATE_HOME={}", theatre.path("nobody"));
        let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", &log];
        Self::of(theatre, Viewer::Nobody, nobody.map(String::from).into())
    }

    fn of(theatre: &'a Theatre, viewer: Viewer, last: Vec<String>) -> Self {
        let seen = seen(&theatre.scene, viewer, "l");
        let as_seen = seen["as_seen"].as_str().unwrap().to_owned();
        // The copy of the program is there from now on.
        assert!(theatre.log().is_empty());
        Self { theatre, through: [theatre.through(), last].concat(), as_seen }
    }

    /// Releases the lock as it was seen first.
    fn command(&self, arguments: &[&str]) -> Vec<String> {
        let [program, lock] = [".locktop", "l"].map(|name| self.theatre.path(name));
        let release = [&program, "release", "--yes", "--as-seen", &self.as_seen, &lock];
        let words = release.into_iter().chain(PATIENTLY).chain(arguments.iter().copied());
        self.through.iter().cloned().chain(words.map(String::from)).collect()
    }

    /// Begins to release the lock as it was seen first.
    fn releases(&self, arguments: &[&str]) -> Child {
        let command = self.command(arguments);
        Command::new(&command[0])
            .args(&command[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }
}

/// A holder and the next in the queue.
fn holder_and_next(theatre: &Theatre, holder: Actor) -> [Actor; 2] {
    let next = theatre.scene.actor();
    next.does(COUNTING);
    holder.does("fd = flock('l', EX)");
    next.waits("flock('l', EX)");
    [holder, next]
}

fn statuses(all: Vec<Child>) -> Vec<Option<i32>> {
    all.into_iter().map(|mut one| one.wait().unwrap().code()).collect()
}

#[test]
fn a_hundred_at_once_act_once() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let [holder, next] = holder_and_next(&theatre, theatre.scene.actor());
    let releaser = Releaser::ourselves(&theatre);
    let all = (0..100).map(|_| releaser.releases(&[])).collect();
    let statuses = statuses(all);
    let with = |status| statuses.iter().filter(|one| **one == Some(status)).count();
    // Who looks between the end of the one and the turn of the next is told 0, or 3 while the one
    // is on its way out.
    assert!(with(0) >= 1 && with(0) + with(3) + with(4) == 100, "{statuses:?}");
    has_ended(holder.pid);
    next.answer();
    assert_eq!(told(&theatre, &next), 0, "the next one is not the one that was seen");
    let done = theatre.stages().iter().filter(|stage| *stage == "done").count();
    assert_eq!(done, 1);
}

/// Their logs do not keep root and a user from acting at once; what they act on does as far as it
/// matters: each tells the holder that was seen at most once, and nobody tells anybody else.
#[test]
fn root_and_a_user_tell_the_holder_once_each_and_nobody_else() {
    let Some(theatre) = Theatre::with(&[Need::Root]) else { return };
    let [holder, next] = holder_and_next(&theatre, theatre.scene.nobody());
    holder.does(COUNTING);
    let releasers = [Releaser::ourselves(&theatre), Releaser::nobody(&theatre)];
    assert_eq!(releasers[0].as_seen, releasers[1].as_seen);
    let mut all: Vec<Child> = (0..100).map(|at| releasers[at % 2].releases(&[])).collect();
    // One of each user waits for its end, and the others give up.
    let mut gave_up = 0;
    wait_until("one of each user is left", || {
        all.retain_mut(|one| match one.try_wait().unwrap() {
            Some(status) => {
                // It lives, so 0 is for not having found it: with so many queues the lock table is
                // long, and changes all the time.
                assert!(matches!(status.code(), Some(0 | 4)), "{status}");
                gave_up += 1;
                false
            }
            None => true,
        });
        (gave_up == 98).then_some(())
    });
    wait_until("it has been told", || (told(&theatre, &holder) > 0).then_some(()));
    next.is_blocked();
    holder.gets(Signal::KILL);
    has_ended(holder.pid);
    assert_eq!(statuses(all), [Some(0); 2]);
    assert!(told(&theatre, &holder) <= 2, "told {} times", told(&theatre, &holder));
    next.answer();
    assert_eq!(told(&theatre, &next), 0);
}

#[test]
fn root_and_a_user_take_the_lock_from_nobody_but_the_holder() {
    let Some(theatre) = Theatre::with(&[Need::Root]) else { return };
    let [holder, next] = holder_and_next(&theatre, theatre.scene.nobody());
    let releasers = [Releaser::ourselves(&theatre), Releaser::nobody(&theatre)];
    let all = (0..100).map(|at| releasers[at % 2].releases(&["--method", "unlock"])).collect();
    let statuses = statuses(all);
    let with = |status| statuses.iter().filter(|one| **one == Some(status)).count();
    // The user cannot see the next one, who is root's.
    assert!(with(0) >= 1 && with(0) + with(3) + with(4) == 100, "{statuses:?}");
    next.answer();
    assert!(lives(holder.pid));
    let file = std::fs::File::open(theatre.scene.path("l")).unwrap();
    assert!(file.try_lock().is_err(), "the next one has it");
    assert_eq!(theatre.seen("l")["holders"][0]["pid"], next.pid);
}

/// Both have shared the lock before either ends its holder. The user cannot see root, who gives way.
#[test]
fn root_and_a_user_who_keep_the_lock_run_one_command() {
    let Some(theatre) = Theatre::with(&[Need::Root]) else { return };
    let [holder, next] = holder_and_next(&theatre, theatre.scene.nobody());
    theatre.scene.stage().does("os.mkfifo('tell'); os.chmod('tell', 0o666)");
    let [ours, nobodys] = [Releaser::ourselves(&theatre), Releaser::nobody(&theatre)];
    let program = theatre.scene.path(".locktop");
    let run = format!("echo > {}", theatre.path("ran"));
    let command = ours.command(&["--", "sh", "-c", &run]);
    let until_told = format!("cd {}; echo > running; read -r _ < tell; true", theatre.path(""));
    let (shares, has_shared) = mpsc::channel();
    let (goes_on, is_to_go_on) = mpsc::channel();
    thread::scope(|scope| {
        // Dropped when anything in here fails.
        let goes_on = goes_on;
        let root = scope.spawn(move || {
            tracer::run(&command, &program, move |made, step| {
                let ends_it = |step: &tracer::Step| step.is("pidfd_send_signal");
                if !ends_it(step) || made.iter().any(ends_it) {
                    return false;
                }
                shares.send(()).unwrap();
                // Killed where the other one has failed.
                is_to_go_on.recv().is_err()
            })
        });
        has_shared.recv().unwrap();
        let mut nobody = nobodys.releases(&["--", "sh", "-c", &until_told]);
        theatre.waits_for("running");
        goes_on.send(()).unwrap();
        assert_eq!(root.join().unwrap().status, Some(1));
        theatre.scene.stage().does("write('tell', '')");
        assert_eq!(nobody.wait().unwrap().code(), Some(0));
    });
    assert!(!theatre.scene.path("ran").exists(), "it never runs beside the other's");
    has_ended(holder.pid);
    next.answer();
    assert_eq!(told(&theatre, &next), 0);
}
