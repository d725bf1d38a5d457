//! Locks that are taken away.

use crate::listener::{Listener, rests, story};
use crate::support::{Need, Scene};

/// A scene in which the administrator's log is not the machine's.
fn with_log() -> Option<(Scene, Vec<String>)> {
    let scene = Scene::with(&[Need::Root, Need::Program("nsenter")])?;
    scene.has_private_mounts();
    scene.stage().does("mount('none', '/var/log', 'tmpfs')");
    let through = vec![
        "nsenter".to_owned(),
        format!("--mount=/proc/{}/ns/mnt", scene.stage().pid),
        format!("--wd={}", scene.folder().display()),
    ];
    Some((scene, through))
}

#[test]
fn what_is_released_by_force_is_told_as_that() {
    let Some((scene, through)) = with_log() else { return };
    let through: Vec<&str> = through.iter().map(String::as_str).collect();
    let (holder, waiter) = (scene.actor(), scene.actor());
    holder.does("fd = flock('lock', EX)");
    waiter.waits("fd = flock('lock', EX)");
    let mut listener = Listener::start_through(&scene, &through, &["--json", "lock"]);
    let freed = scene.locktop_through(&through, &["release", "--yes", "--method", "kill", "lock"]);
    assert!(freed.status.success(), "{}", String::from_utf8_lossy(&freed.stderr));
    let event = listener.hears("forced", holder.pid);
    assert_eq!(event["remark"], "released by force: kill, by uid 0");
    assert!(event["duration"].is_object(), "{event:#}");
    listener.hears("granted", waiter.pid);
    // Who comes next is nobody's victim.
    waiter.does("os.close(fd)");
    listener.hears("released", waiter.pid);
    let told = [("forced", holder.pid), ("granted", waiter.pid), ("released", waiter.pid)];
    assert_eq!(listener.story(), story(told));
}

#[test]
fn a_waiter_that_is_ended_by_force_is_told_so() {
    let Some((scene, through)) = with_log() else { return };
    let through: Vec<&str> = through.iter().map(String::as_str).collect();
    let (holder, waiter) = (scene.actor(), scene.actor());
    holder.does("fd = flock('lock', EX)");
    waiter.waits("fd = flock('lock', EX)");
    let mut listener = Listener::start_through(&scene, &through, &["--json", "lock"]);
    let pid = waiter.pid.to_string();
    let ended = scene.locktop_through(
        &through,
        &["release", "--yes", "--method", "end-waiter", "--waiter", &pid, "lock"],
    );
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let event = listener.hears("gave-up", waiter.pid);
    assert_eq!(event["remark"], "it was ended by force");
}

#[test]
fn a_lock_that_somebody_else_unlocks_is_lost() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let (holder, thief) = (scene.actor(), scene.actor());
    let fd = holder.does("flock('lock', EX)");
    holder.stops();
    rests(&scene, "lock");
    let mut listener = Listener::start(&scene, &["--json", "lock"]);
    thief.does(format!(
        "flock(checked(libc.syscall(438, os.pidfd_open({}), {fd}, 0)), UN)",
        holder.pid
    ));
    let event = listener.hears("lost", holder.pid);
    assert_eq!(event["remark"], "it was unlocked while its holder slept");
}
