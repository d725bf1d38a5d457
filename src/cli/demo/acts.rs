//! What is played. Each act waits for what it needs to have happened, never for a time.

use std::fs;
use std::io;

use locktop::children;

use super::actor::{ORPHAN, Role};
use super::stage::Stage;

/// Sets all acts.
pub(super) fn play(stage: &mut Stage) -> io::Result<()> {
    contention(stage)?;
    queue(stage)?;
    orphan(stage)?;
    stopped(stage)?;
    deadlock(stage)?;
    split(stage)?;
    left_behind(stage)
}

/// Two take turns.
fn contention(stage: &mut Stage) -> io::Result<()> {
    stage.enter("rival-1", Role::Alternate, &["contention.lock"])?;
    stage.hear("rival-1", "took")?;
    let second = stage.enter("rival-2", Role::Alternate, &["contention.lock"])?;
    stage.hear("rival-2", "asks")?;
    stage.wait_for_sleep(second)
}

/// One has it, five stand in line.
fn queue(stage: &mut Stage) -> io::Result<()> {
    hold(stage, "holder", "queue.lock")?;
    (1..=5).try_for_each(|number| wait(stage, &format!("waiter-{number}"), "queue.lock"))
}

/// The one who took it is gone, a child that it left behind keeps it.
fn orphan(stage: &mut Stage) -> io::Result<()> {
    let taker = stage.enter("taker", Role::Leave, &["orphan.lock"])?;
    stage.bereave(taker, ORPHAN)?;
    wait(stage, "waiter", "orphan.lock")
}

/// The one who has it is stopped.
fn stopped(stage: &mut Stage) -> io::Result<()> {
    let sleeper = stage.enter("stopped", Role::Stop, &["stopped.lock"])?;
    stage.hear("stopped", "took")?;
    stage.wait_for_stop(sleeper)?;
    wait(stage, "waiter", "stopped.lock")
}

/// Each of two has what the other wants.
fn deadlock(stage: &mut Stage) -> io::Result<()> {
    let left = stage.enter("left", Role::Cross, &["deadlock-a.lock", "deadlock-b.lock"])?;
    stage.hear("left", "took")?;
    let right = stage.enter("right", Role::Cross, &["deadlock-b.lock", "deadlock-a.lock"])?;
    stage.hear("right", "took")?;
    for (name, actor) in [("left", left), ("right", right)] {
        stage.go(actor)?;
        stage.hear(name, "asks")?;
        stage.wait_for_sleep(actor)?;
    }
    Ok(())
}

/// The lock file was deleted and made anew: two processes have the lock of one path.
fn split(stage: &mut Stage) -> io::Result<()> {
    hold(stage, "old-holder", "split.lock")?;
    fs::remove_file(stage.path("split.lock"))?;
    hold(stage, "new-holder", "split.lock")
}

/// A file that says who has the repository: a process that has ended without removing it.
fn left_behind(stage: &mut Stage) -> io::Result<()> {
    let repository = stage.path("shop/.git");
    fs::create_dir_all(&repository)?;
    let owner = stage.somebody_who_ended()?;
    let host = children::host_name()?;
    fs::write(repository.join("gc.pid"), format!("{owner} {host}"))
}

fn hold(stage: &mut Stage, name: &str, file: &str) -> io::Result<()> {
    stage.enter(name, Role::Hold, &[file])?;
    stage.hear(name, "took").map(drop)
}

fn wait(stage: &mut Stage, name: &str, file: &str) -> io::Result<()> {
    let waiter = stage.enter(name, Role::Wait, &[file])?;
    stage.hear(name, "asks")?;
    stage.wait_for_sleep(waiter)
}
