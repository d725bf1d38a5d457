//! `locktop hold`.

use std::process::Stdio;

use rustix::process::Signal;

use crate::scene::{Running, Scene};
use crate::support::wait_until;

#[test]
fn a_lock_is_held_under_the_id_that_is_printed() {
    let scene = Scene::new();
    let mut hold = scene.start(&["hold", "lock"]);
    let line = hold.prints("held");
    // The kernel's table can leave out one that is there.
    wait_until("it is listed under its id", || {
        let listed = String::from_utf8(scene.output(&["ls", "-o", "id", "lock"]).stdout).unwrap();
        (line.strip_prefix("held ") == Some(listed.lines().nth(1)?)).then_some(())
    });
    assert!(!scene.is_free("lock"));
}

#[test]
fn it_is_given_back_when_somebody_wants_that() {
    let scene = Scene::new();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        let mut hold = scene.holder(&["lock"]);
        hold.gets(signal);
        assert_eq!(hold.ends().code(), Some(0), "{signal:?}");
        assert!(scene.is_free("lock"));
    }
}

#[test]
fn it_can_be_held_until_the_input_ends() {
    let scene = Scene::new();
    let (input, theirs) = std::io::pipe().unwrap();
    let mut command = scene.locktop(&["hold", "--until-eof", "lock"]);
    let mut hold = Running::start(command.stdin(input));
    drop(command);
    hold.prints("held");
    assert!(!scene.is_free("lock"));
    drop(theirs);
    assert_eq!(hold.ends().code(), Some(0));
    // Else the input does not matter.
    let mut command = scene.locktop(&["hold", "lock"]);
    let mut hold = Running::start(command.stdin(Stdio::null()));
    hold.prints("held");
    assert!(hold.is_running());
}

#[test]
fn what_is_not_free_is_waited_for() {
    let scene = Scene::new();
    let holder = scene.holder(&["lock"]);
    scene.ends(&["hold", "-n", "lock"], 1);
    let mut hold = scene.start(&["hold", "lock"]);
    scene.wait_for_queue("lock", 1);
    drop(holder);
    hold.prints("held");
}

#[test]
fn several_locks_are_not_held_at_once() {
    Scene::new().ends(&["hold", "a", "b"], 2);
}
