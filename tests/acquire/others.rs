//! Beside programs that lock in their own ways.

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use locktop::acquire::{Form, Progress};
use locktop::model::Range;
use locktop::{Error, Guard, Inspector, Target};

use crate::support::{Actor, Scene, records, wait_until};

/// Longer than anything takes, less than anybody's patience.
const SOON: Duration = Duration::from_mins(5);

fn path_of(scene: &Scene) -> Target {
    Target::Path(scene.path("lock"))
}

/// Somebody who has a record lock of the old kind on `lock`.
fn holder(scene: &Scene) -> Actor {
    let actor = scene.actor();
    actor.does("global fd; fd = posix('lock')");
    actor
}

fn in_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (tell, told) = channel();
    thread::spawn(move || tell.send(work()));
    told
}

#[test]
fn a_path_that_others_lock_by_records_is_locked_so() {
    let Some(scene) = Scene::with(&[]) else { return };
    let actor = holder(&scene);
    let target = path_of(&scene);
    assert!(target.acquire().no_wait().take().unwrap_err().is_would_block());
    actor.does("fcntl.lockf(fd, fcntl.LOCK_UN)");
    // Nobody shows it any more: but it can be said.
    let target = Target::Family { family: "posix", path: scene.path("lock") };
    let guard = target.acquire().no_wait().take().unwrap();
    assert_eq!(guard.family(), "ofd");
    let free = "try:\n posix('lock')\n free = True\nexcept OSError:\n free = False\n";
    actor.does(format!("{free}global is_free; is_free = free"));
    assert_eq!(actor.does("is_free"), false);
    guard.release().unwrap();
    actor.does(format!("{free}global is_free; is_free = free"));
    assert_eq!(actor.does("is_free"), true);
}

#[test]
fn who_has_it_and_our_place_are_told() {
    let Some(scene) = Scene::with(&[]) else { return };
    let actor = holder(&scene);
    let (tell, told) = channel();
    let request = path_of(&scene).acquire().on_progress(move |progress| {
        let _ = tell.send(progress.clone());
    });
    let taken = in_thread(move || request.take());
    // Something is told every second, whether it is known or not.
    let seen = (0..SOON.as_secs()).find_map(|_| match told.recv_timeout(SOON).unwrap() {
        Progress::Waiting(waiting) => waiting.position.is_some().then_some(waiting),
        _ => None,
    });
    let waiting = seen.expect("our place is told");
    assert_eq!(waiting.position, Some(1));
    let pids: Vec<_> =
        waiting.lock.unwrap().holders.iter().filter_map(|holder| holder.process.pid).collect();
    assert_eq!(pids, [actor.pid]);
    actor.does("fcntl.lockf(fd, fcntl.LOCK_UN)");
    taken.recv_timeout(SOON).unwrap().unwrap().release().unwrap();
}

#[test]
fn what_is_only_waited_for_is_never_taken() {
    let Some(scene) = Scene::with(&[]) else { return };
    let actor = holder(&scene);
    let target = path_of(&scene);
    let free = in_thread(move || target.acquire().wait_until_free());
    let lock = scene.path("lock");
    actor.does("os.close(fd)");
    while free.try_recv().is_err() {
        assert!(records(&lock).iter().all(|record| record.kind != "OFDLCK"));
    }
}

#[test]
fn an_id_names_the_lock_that_it_was_printed_for() {
    let Some(scene) = Scene::with(&[]) else { return };
    let actor = scene.actor();
    actor.does("global fd; fd = posix('lock', start=10, length=10)");
    let lock = scene.path("lock");
    let id = wait_until("the lock is seen", || {
        let snapshot = Inspector::new().unwrap().snapshot().unwrap();
        let is_it = |path: &Path| path == lock;
        let found = snapshot
            .locks
            .iter()
            .find(|lock| lock.path.as_ref().is_some_and(|path| is_it(path.as_path())));
        found.map(|lock| lock.id.clone())
    });
    let target = Target::Id(id);
    assert!(target.acquire().no_wait().take().unwrap_err().is_would_block());
    let whole = target.acquire().range(Range::WHOLE).take().unwrap_err();
    assert!(whole.is_usage(), "{whole}");
    // Only those bytes.
    let part = Target::Path(lock).acquire().range(Range { start: 20, end: None }).no_wait().take();
    part.unwrap().release().unwrap();
    actor.does("os.close(fd)");
    let error = target.acquire().take().unwrap_err();
    assert!(error.is_gone(), "{error}");
}

#[test]
fn processes_are_no_locks() {
    let error = Target::Pid(1).acquire().take().unwrap_err();
    assert!(error.is_usage(), "{error}");
}

/// A guard of a lock that locks by existing.
fn made(scene: &Scene, form: Form) -> Result<Guard, Error> {
    let target = Target::Family { family: "lockfile", path: scene.path("lock") };
    target.acquire().form(form).no_wait().take()
}

#[test]
fn others_find_what_locks_by_existing_and_we_find_theirs() {
    let Some(scene) = Scene::with(&[]) else { return };
    let actor = scene.actor();
    for (form, make, remove) in [
        (Form::File, "os.close(opened('lock', os.O_CREAT | os.O_EXCL))", "os.unlink('lock')"),
        (Form::Link, "os.symlink('me:1', 'lock')", "os.unlink('lock')"),
        (Form::Folder, "os.mkdir('lock')", "os.rmdir('lock')"),
    ] {
        let tried = format!("try:\n {make}\n had = True\nexcept FileExistsError:\n had = False\n");
        let guard = made(&scene, form).unwrap();
        actor.does(format!("{tried}global made_it; made_it = had"));
        assert_eq!(actor.does("made_it"), false, "{form:?}");
        guard.release().unwrap();
        actor.does(format!("{tried}global made_it; made_it = had"));
        assert_eq!(actor.does("made_it"), true, "{form:?}");
        assert!(made(&scene, form).unwrap_err().is_would_block());
        let target = Target::Family { family: "lockfile", path: scene.path("lock") };
        let taken = in_thread(move || target.acquire().take());
        actor.does(remove);
        taken.recv_timeout(SOON).unwrap().unwrap().release().unwrap();
        assert!(!scene.path("lock").exists());
    }
}
