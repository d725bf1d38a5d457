//! What one inspector says at several looks.

use std::collections::BTreeSet;
use std::path::Path;

use locktop::Inspector;
use locktop::model::{Lock, PathBytes, Snapshot};

use crate::support::{Need, Scene};

#[track_caller]
fn only<'a>(snapshot: &'a Snapshot, path: &Path) -> &'a Lock {
    let is_there = |lock: &&Lock| lock.path.as_ref().map(PathBytes::as_path) == Some(path);
    let found: Vec<_> = snapshot.locks.iter().filter(is_there).collect();
    let [lock] = found[..] else { panic!("{} locks at {}", found.len(), path.display()) };
    lock
}

#[test]
fn a_descriptor_that_has_another_file_by_now_keeps_nothing() {
    let Some(scene) = Scene::with(&[]) else { return };
    // What is remembered is read again in turn, at this look of one of them at most.
    let holders = [("a", scene.actor()), ("b", scene.actor())];
    for (name, holder) in &holders {
        holder.does(format!("f = opened('{name}'); os.dup2(f, 40); os.close(f); flock(40, EX)"));
    }
    let mut inspector = Inspector::new().unwrap();
    let before = inspector.snapshot().unwrap();
    for (_, holder) in &holders {
        holder.does("os.dup2(40, 41); os.dup2(opened('other'), 40)");
    }
    let after = inspector.snapshot().unwrap();
    for (name, _) in &holders {
        let path = scene.path(name);
        assert_eq!(only(&before, &path).id, only(&after, &path).id);
        assert_eq!(only(&before, &path).holders[0].fds, [40]);
        assert_eq!(only(&after, &path).holders[0].fds, [41]);
    }
}

#[test]
fn bytes_that_stay_locked_are_no_new_lock() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("f = posix('l', start=0, length=100)");
    let waiter = scene.actor();
    waiter.waits("posix('l', start=0, length=100, wait=True)");
    let mut inspector = Inspector::new().unwrap();
    let began = std::time::Instant::now();
    inspector.snapshot().unwrap();
    // The rest is another lock, and the waiter queues behind that.
    holder.does("posix(f, UNLOCK, 0, 50)");
    waiter.is_blocked();
    let elapsed = began.elapsed();
    let snapshot = inspector.snapshot().unwrap();
    let rest = only(&snapshot, &scene.path("l"));
    assert!(rest.age.max.is_none_or(|most| most >= elapsed), "{:?}", rest.age);
    let wait = &rest.waiters[0].waited;
    assert!(wait.max.is_none_or(|most| most >= elapsed), "{wait:?}");
}

#[test]
fn who_turns_into_another_user_is_told_so() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX)");
    let path = scene.path("l");
    let mut inspector = Inspector::new().unwrap();
    let mut uid = || only(&inspector.snapshot().unwrap(), &path).holders[0].process.uid;
    assert_eq!(uid(), Some(0));
    holder.does("become_nobody()");
    // It is asked again in its turn.
    let looks: Vec<_> = (0..10).map(|_| uid()).collect();
    assert_eq!(looks.last(), Some(&Some(65534)), "{looks:?}");
}

/// What one inspector says of a lock when it has seen it rest for a while.
struct Onlooker {
    inspector: Inspector,
    path: std::path::PathBuf,
}

impl Onlooker {
    fn of(scene: &Scene, name: &str) -> Self {
        let inspector = Inspector::new().unwrap();
        let mut onlooker = Self { inspector, path: scene.path(name) };
        // From the third look on, what rests is not made anew.
        for _ in 0..4 {
            onlooker.sees();
        }
        onlooker
    }

    fn sees(&mut self) -> Lock {
        only(&self.inspector.look().unwrap(), &self.path).clone()
    }
}

/// Numbers begin anew when they are used up: a child can have a smaller one.
fn pids(lock: &Lock) -> BTreeSet<i32> {
    lock.holders.iter().filter_map(|holder| holder.process.pid).collect()
}

#[test]
fn after_a_rest_who_inherits_a_lock_and_who_closes_it_are_seen() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("f = flock('l', EX)");
    let mut onlooker = Onlooker::of(&scene, "l");
    let child = holder.forks();
    let both = BTreeSet::from([holder.pid, child.pid]);
    assert_eq!(pids(&onlooker.sees()), both);
    for _ in 0..3 {
        assert_eq!(pids(&onlooker.sees()), both);
    }
    holder.does("os.close(f)");
    assert_eq!(pids(&onlooker.sees()), BTreeSet::from([child.pid]));
}

#[test]
fn after_a_rest_a_file_that_is_replaced_is_split() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX)");
    let mut onlooker = Onlooker::of(&scene, "l");
    // By somebody who has to do with the lock no more than that. Names are read in turn.
    std::fs::remove_file(scene.path("l")).unwrap();
    let removed = |lock: &Lock| lock.deleted && lock.verdict.word() == "held";
    crate::support::wait_until("its removal is seen", || removed(&onlooker.sees()).then_some(()));
    std::fs::write(scene.path("l"), "").unwrap();
    assert_eq!(onlooker.sees().verdict.word(), "split");
}

#[test]
fn after_a_rest_a_holder_that_is_stopped_is_stuck() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX)");
    let mut onlooker = Onlooker::of(&scene, "l");
    assert_eq!(onlooker.sees().verdict.word(), "held");
    holder.stops();
    assert_eq!(onlooker.sees().verdict.word(), "stuck");
    holder.gets(rustix::process::Signal::CONT);
    holder.does("None");
    assert_eq!(onlooker.sees().verdict.word(), "held");
}

#[test]
fn after_a_rest_a_lock_that_is_retaken_is_no_old_one() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("f = flock('l', EX)");
    let mut onlooker = Onlooker::of(&scene, "l");
    let before = onlooker.sees().age;
    let retaken = std::time::Instant::now();
    holder.does("fcntl.flock(f, UN); fcntl.flock(f, EX)");
    let after = onlooker.sees().age;
    assert!(after.min <= retaken.elapsed(), "{before:?}, then {after:?}");
}

#[test]
fn after_a_rest_a_waiter_and_its_going_are_seen() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX)");
    let mut onlooker = Onlooker::of(&scene, "l");
    let waiter = scene.actor();
    waiter.waits("flock('l', EX)");
    let (mut last, pid) = (std::time::Duration::ZERO, waiter.pid);
    for _ in 0..4 {
        let lock = onlooker.sees();
        assert_eq!(lock.waiters[0].process.pid, Some(pid));
        assert!(lock.waiters[0].waited.min >= last);
        last = lock.waiters[0].waited.min;
    }
    waiter.ends();
    assert!(onlooker.sees().waiters.is_empty());
}

/// Somebody who may share the open files of others can unlock them while their owner sleeps, and in
/// the lock table one lock of an open file description reads as the other.
#[test]
fn after_a_rest_a_lock_that_was_taken_away_from_outside_is_another() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let (holder, heir, thief) = (scene.actor(), scene.actor(), scene.actor());
    let fd = holder.does("ofd('l')");
    let mut onlooker = Onlooker::of(&scene, "l");
    for _ in 0..3 {
        assert_eq!(pids(&onlooker.sees()), BTreeSet::from([holder.pid]));
    }
    thief.does(format!(
        "p = os.pidfd_open({}); d = checked(libc.syscall(438, p, {fd}, 0)); ofd(d, fcntl.F_UNLCK)",
        holder.pid
    ));
    heir.does("ofd(opened('l'))");
    assert_eq!(pids(&onlooker.sees()), BTreeSet::from([heir.pid]));
}

#[test]
fn after_a_rest_a_holder_that_is_frozen_is_stuck() {
    for (controller, file, frozen, thawed) in
        [("None", "cgroup.freeze", "1", "0"), ("'freezer'", "freezer.state", "FROZEN", "THAWED")]
    {
        let Some(scene) = Scene::with(&[Need::Root]) else { return };
        let stage = scene.stage();
        let root = stage.does(format!("hierarchy({controller})"));
        // An inspector knows the hierarchies that it has found at its start.
        if Path::new(root.as_str().unwrap()).starts_with(scene.folder()) {
            continue;
        }
        let group = stage.does(format!("control_group({controller}, f'rest-{{os.getpid()}}')"));
        let group = group.as_str().unwrap();
        let holder = scene.actor();
        holder.does("flock('l', EX)");
        holder.does(format!("write('{group}/cgroup.procs', str(os.getpid()))"));
        let mut onlooker = Onlooker::of(&scene, "l");
        // The older freezer does not let it run for that.
        stage.does(format!("write('{group}/{file}', '{frozen}')"));
        let is_frozen = match controller {
            "None" => format!("'frozen 1' in read('{group}/cgroup.events')"),
            _ => format!("read('{group}/freezer.state') == 'FROZEN\\n'"),
        };
        let holds = |source: &str| (stage.does(source) == true).then_some(());
        crate::support::wait_until("it is frozen", || holds(&is_frozen));
        assert_eq!(onlooker.sees().verdict.word(), "stuck", "{controller}");
        stage.does(format!("write('{group}/{file}', '{thawed}')"));
        holder.does("None");
        assert_eq!(onlooker.sees().verdict.word(), "held", "{controller}");
    }
}
