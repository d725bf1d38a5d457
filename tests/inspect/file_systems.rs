//! File systems on which numbers, names or answers are not what they seem.

use std::time::Instant;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Need, Scene, Viewer, is_stopped, pids, records, wait_until};

/// A scene with a btrfs of two subvolumes, `b/one` and `b/two`.
fn btrfs() -> Option<Scene> {
    let needs = [Need::Root, Need::Program("mkfs.btrfs"), Need::FileSystem("btrfs")];
    let scene = Scene::with(&needs)?;
    scene.has_private_mounts();
    let stage = scene.stage();
    stage.does("os.truncate(opened('image'), 128 << 20)");
    stage.does("run('mkfs.btrfs', '-q', 'image'); os.mkdir('b')");
    stage.does("run('mount', '-o', 'loop', 'image', 'b')");
    stage.does("[run('btrfs', 'subvolume', 'create', f'b/{name}') for name in ('one', 'two')]");
    Some(scene)
}

#[test]
fn btrfs_subvolumes_with_equal_inode_numbers_are_told_apart() {
    let Some(scene) = btrfs() else { return };
    let [first, second, waiter] = [(); 3].map(|()| scene.actor());
    let inodes = [
        first.does("os.fstat(flock('b/one/l', EX)).st_ino"),
        second.does("os.fstat(flock('b/two/l', EX)).st_ino"),
    ];
    assert_eq!(inodes[0], inodes[1]);
    waiter.waits("flock('b/two/l', EX)");

    let report = scene.look();
    let [one, two] = ["b/one/l", "b/two/l"].map(|name| report.at(&scene.path(name)).clone());
    assert_eq!(pids(&one["holders"]), [Some(first.pid)]);
    assert_eq!(pids(&two["holders"]), [Some(second.pid)]);
    assert_eq!(pids(&one["waiters"]), []);
    assert_eq!(pids(&two["waiters"]), [Some(waiter.pid)]);
    assert_ne!(one["id"], two["id"]);
    for lock in [&one, &two] {
        assert_eq!(lock["deleted"], false);
        assert_ne!(lock["verdict"], "split");
    }
    let id = two["id"].as_str().unwrap();
    let report = scene.look_as(Viewer::Ourselves, &[id]);
    assert_eq!(pids(&report.at(&scene.path("b/two/l"))["holders"]), [Some(second.pid)]);
    assert_eq!(report.locks().len(), 1);
}

#[test]
fn a_foreign_lock_on_btrfs_is_found_by_the_path_of_its_file() {
    let Some(scene) = btrfs() else { return };
    let holder = scene.actor();
    holder.does("flock('b/one/l', EX)");
    let target = scene.path("b/one/l");
    let report = scene.look_as(Viewer::Nobody, &[target.to_str().unwrap()]);
    let [lock] = &report.locks()[..] else { panic!("{:#}", report.document) };
    assert_eq!(pids(&lock["holders"]), [Some(holder.pid)]);
    // The table does not tell which of the two subvolumes it is in.
    let why = lock["why"].as_str().unwrap();
    assert!(why.contains("subvolume"), "{why}");
}

#[test]
fn overlayfs_shows_the_path_that_was_opened() {
    let Some(scene) = Scene::with(&[Need::Root, Need::FileSystem("overlay")]) else { return };
    scene.has_private_mounts();
    let stage = scene.stage();
    // An overlay cannot lie over another, as in a container.
    stage.does("mount('none', 't', 'tmpfs'); [os.makedirs(f't/{name}') for name in 'luwm']");
    stage.does("write('t/l/below', '')");
    stage.does("mount('none', 't/m', 'overlay', 'lowerdir=t/l,upperdir=t/u,workdir=t/w')");
    let [first, second, waiter] = [(); 3].map(|()| scene.actor());
    first.does("flock(opened('t/m/below', os.O_RDONLY), EX)");
    second.does("flock('t/m/above', EX)");
    waiter.waits("flock('t/m/above', EX)");
    let report = scene.look();
    for (name, holder) in [("t/m/below", &first), ("t/m/above", &second)] {
        let seen = report.at(&scene.path(name));
        assert_eq!(pids(&seen["holders"]), [Some(holder.pid)]);
        assert_eq!(seen["deleted"], false);
        assert_ne!(seen["verdict"], "split");
    }
    assert_eq!(pids(&report.at(&scene.path("t/m/above"))["waiters"]), [Some(waiter.pid)]);
}

#[test]
fn a_copy_up_makes_no_lock_younger() {
    let Some(scene) = Scene::with(&[Need::Root, Need::FileSystem("overlay")]) else { return };
    scene.has_private_mounts();
    let stage = scene.stage();
    stage.does("mount('none', 't', 'tmpfs'); [os.makedirs(f't/{name}') for name in 'luwm']");
    stage.does("write('t/l/below', '')");
    stage.does("mount('none', 't/m', 'overlay', 'lowerdir=t/l,upperdir=t/u,workdir=t/w')");
    let holder = scene.actor();
    holder.does("flock(opened('t/m/below', os.O_RDONLY), EX)");
    let locked = Instant::now();
    wait_until("time has passed", || (locked.elapsed().as_secs_f64() > 0.5).then_some(()));
    // The file is born anew in the upper layer.
    stage.does("write('t/m/below', 'more')");
    let least = locked.elapsed().as_secs_f64();
    let report = scene.look();
    let age = &report.at(&scene.path("t/m/below"))["age"];
    assert!(age["max_s"].as_f64().is_none_or(|most| most >= least), "{age}, in truth {least}");
}

#[test]
fn a_file_system_that_does_not_answer_holds_nobody_up() {
    let needs = [Need::Root, Need::Program("bindfs"), Need::FileSystem("fuse")];
    let Some(scene) = Scene::with(&needs) else { return };
    scene.has_private_mounts();
    let stage = scene.stage();
    stage.does("os.mkdir('below'); os.mkdir('fuse'); write('below/was-here', '')");
    let server = stage.does("spawn('bindfs', '-f', '-o', 'entry_timeout=0', 'below', 'fuse')");
    wait_until("the file system is mounted", || {
        (stage.does("os.path.exists('fuse/was-here')") == json!(true)).then_some(())
    });
    let [holder, bystander, sleeper] = [(); 3].map(|()| scene.actor());
    holder.does("os.chdir('fuse'); flock('l', EX); os.chdir('/')");
    bystander.does("flock('l', EX)");
    // Somebody who is caught in it, by the way.
    stage.does(format!("os.kill({server}, signal.SIGSTOP)"));
    wait_until("nobody answers", || is_stopped(server.as_i64()? as i32).then_some(()));
    sleeper.begins("os.stat('fuse/uncached')");
    wait_until("somebody is caught", || {
        let place = std::fs::read_to_string(format!("/proc/{}/wchan", sleeper.pid)).ok()?;
        (place.contains("fuse") || place.contains("request_wait")).then_some(())
    });

    let lock = scene.path("fuse/l");
    // Somebody who hangs is ended and has failed.
    let report = scene.look();
    let seen = report.at(&lock);
    assert_eq!(pids(&seen["holders"]), [Some(holder.pid)]);
    assert_ne!(seen["verdict"], "split");
    assert_eq!(pids(&report.at(&scene.path("l"))["holders"]), [Some(bystander.pid)]);
    let why = seen["why"].as_str().unwrap();
    assert!(why.contains("does not answer"), "the reader is told what is unknown: {why}");

    // Naming the file asks the file system, which must not hang either.
    let output = scene.locktop(Viewer::Ourselves, &["ls", lock.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    let report = scene.look_as(Viewer::Ourselves, &[seen["id"].as_str().unwrap()]);
    assert_eq!(pids(&report.at(&lock)["holders"]), [Some(holder.pid)]);

    stage.does(format!("os.kill({server}, {})", Signal::CONT.as_raw()));
}

#[test]
fn a_file_on_a_file_system_of_another_mount_namespace_has_the_path_of_its_holder() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let holder = scene.actor();
    holder.does("private_mounts(); mount('none', 'elsewhere', 'tmpfs')");
    holder.does("flock('elsewhere/l', EX)");
    let waiter = holder.forks();
    waiter.waits("flock('elsewhere/l', EX)");
    assert!(!scene.path("elsewhere/l").exists());
    let report = scene.look();
    let seen = report.at(&scene.path("elsewhere/l"));
    assert_eq!(pids(&seen["waiters"]), [Some(waiter.pid)]);
    assert_eq!(seen["deleted"], false, "it is there, where its holder looks");
    assert_eq!(seen["verdict"], "contended");
}

#[test]
fn the_same_path_in_two_mount_namespaces_is_not_split() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let [inside, outside] = [scene.actor(), scene.actor()];
    outside.does("os.mkdir('place'); flock('place/l', EX)");
    inside.does("private_mounts(); mount('none', 'place', 'tmpfs'); flock('place/l', EX)");
    assert_eq!(records(&scene.path("place/l")).len(), 1, "they are different files");
    let report = scene.look();
    let both = report.all_at(&scene.path("place/l"));
    assert_eq!(both.len(), 2);
    for lock in both {
        assert_eq!(lock["verdict"], "held", "{lock:#}");
    }
}

#[test]
fn a_file_that_is_mounted_in_two_places_is_one_lock_under_both_names() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    scene.has_private_mounts();
    let stage = scene.stage();
    stage.does("os.mkdir('here'); os.mkdir('there'); run('mount', '--bind', 'here', 'there')");
    let [one, other] = [scene.actor(), scene.actor()];
    one.does("flock('here/l', SH)");
    other.does("flock('there/l', SH)");
    for name in ["here/l", "there/l"] {
        let target = scene.path(name);
        let report = scene.look_as(Viewer::Ourselves, &[target.to_str().unwrap()]);
        let [lock] = &report.locks()[..] else { panic!("{:#}", report.document) };
        let mut holders = pids(&lock["holders"]);
        holders.sort();
        assert_eq!(holders, [Some(one.pid), Some(other.pid)]);
        assert_eq!(lock["verdict"], "held");
    }
}

#[test]
fn the_path_of_a_holder_in_a_changed_root_is_the_one_from_outside() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let holder = scene.actor();
    holder.does("os.mkdir('jail'); os.chroot('jail'); flock('/l', EX)");
    let report = scene.look();
    let seen = report.at(&scene.path("jail/l"));
    assert_eq!(pids(&seen["holders"]), [Some(holder.pid)]);
    assert_eq!(seen["verdict"], "held");
    assert_eq!(seen["deleted"], false);
}

#[test]
fn ids_on_layered_file_systems_are_the_same_for_those_who_may_read_nothing() {
    let Some(scene) = Scene::with(&[Need::Root, Need::FileSystem("overlay")]) else { return };
    scene.has_private_mounts();
    let stage = scene.stage();
    // Layers on different file systems, whose inode numbers overlayfs cannot simply hand on.
    stage.does("mount('none', 'a', 'tmpfs'); mount('none', 'b', 'tmpfs'); os.mkdir('m')");
    stage.does("os.mkdir('b/u'); os.mkdir('b/w'); write('a/below', '')");
    stage.does("mount('none', 'm', 'overlay', 'lowerdir=a,upperdir=b/u,workdir=b/w')");
    let actors = [scene.actor(), scene.actor()];
    actors[0].does("flock(opened('m/below', os.O_RDONLY), EX)");
    actors[1].does("flock('m/above', EX)");
    let id_of = |viewer, pid: i32| {
        let report = scene.look_as(viewer, &[]);
        let recorded = |lock: &&Value| lock["recorded_pid"] == pid;
        report.locks().iter().find(recorded).expect("it is listed")["id"].clone()
    };
    for actor in &actors {
        assert_eq!(id_of(Viewer::Ourselves, actor.pid), id_of(Viewer::Nobody, actor.pid));
    }
}
