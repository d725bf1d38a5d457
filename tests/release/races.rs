//! Many who release the same lock at once.

use std::process::{Command, Stdio};

use crate::theatre::{Theatre, has_ended, lives};

#[test]
fn a_hundred_at_once_act_once() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let [holder, next] = [(); 2].map(|()| theatre.scene.actor());
    holder.does("flock('l', EX)");
    next.waits("flock('l', EX)");
    let report = theatre.scene.look();
    let as_seen = report.at(&theatre.scene.path("l"))["as_seen"].as_str().unwrap().to_owned();
    // The copy of the program is there from now on.
    assert!(theatre.log().is_empty());
    let through = theatre.through();
    let path = theatre.path("l");
    let release = || {
        Command::new(&through[0])
            .args(&through[1..])
            .arg(theatre.scene.path(".locktop"))
            .args(["release", "--yes", "--as-seen", &as_seen, &path])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let all: Vec<_> = (0..100).map(|_| release()).collect();
    let statuses: Vec<_> = all.into_iter().map(|mut one| one.wait().unwrap().code()).collect();
    let with = |status| statuses.iter().filter(|one| **one == Some(status)).count();
    // Who looks between the end of the one and the turn of the next is told 0, or 3 while the one
    // is on its way out.
    assert!(with(0) >= 1 && with(0) + with(3) + with(4) == 100, "{statuses:?}");
    has_ended(holder.pid);
    next.answer();
    assert!(lives(next.pid), "the next one is not the one that was seen");
    let done = theatre.stages().iter().filter(|stage| *stage == "done").count();
    assert_eq!(done, 1);
}
