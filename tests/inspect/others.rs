//! What other tools say in the same scenes: the claims that the README makes about them. They are
//! claims about the versions of Debian 12; with another version the tests are skipped.

use std::process::Command;

use crate::support::{Need, Scene, pids, wait_until};

/// Whether it is the `lslocks` that the README speaks of.
fn has_lslocks_of_debian_12() -> bool {
    let version = Command::new("lslocks").arg("--version").output();
    version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(" 2.38"))
}

/// What `lslocks` prints, and whether it succeeded.
fn lslocks() -> (String, bool) {
    let output =
        Command::new("lslocks").args(["--noheadings", "--output", "PID,PATH"]).output().unwrap();
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success())
}

#[test]
fn lslocks_names_a_dead_locker_where_we_name_the_heir() {
    let Some(scene) = Scene::with(&[Need::Program("lslocks")]) else { return };
    if !has_lslocks_of_debian_12() {
        return;
    }
    let locker = scene.actor();
    locker.does("flock('l', EX)");
    let heir = locker.forks();
    let dead = locker.pid;
    locker.ends();
    // It fails as long as a lease is being broken anywhere, as in another test.
    let said = wait_until("lslocks succeeds", || Some(lslocks()).filter(|(_, ok)| *ok)).0;
    let named: Vec<_> = said.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(named.contains(&dead.to_string().as_str()), "{said}");
    assert!(!named.contains(&heir.pid.to_string().as_str()), "{said}");
    assert_eq!(pids(&scene.look().at(&scene.path("l"))["holders"]), [Some(heir.pid)]);
}

#[test]
fn lslocks_says_nothing_while_a_lease_is_being_broken() {
    let Some(scene) = Scene::with(&[Need::Program("lslocks")]) else { return };
    if !has_lslocks_of_debian_12() {
        return;
    }
    let [holder, breaker, bystander] = [(); 3].map(|()| scene.actor());
    holder.does("lease('leased')");
    breaker.waits("open('leased')");
    bystander.does("flock('l', EX)");
    assert_eq!(lslocks(), (String::new(), false));
    assert_eq!(pids(&scene.look().at(&scene.path("l"))["holders"]), [Some(bystander.pid)]);
}
