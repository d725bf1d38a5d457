//! Waits that would never end are refused, and no others.

use std::fs;

use crate::asking::{is_held, wait_for_queue, wait_until_held};
use crate::script::{Script, run};
use crate::support::{Scene, wait_until};

/// Runs a script whose wait closes a circle; returns what is said of that.
#[track_caller]
fn refused(scene: &Scene, script: &str) -> String {
    let (status, said) = run(scene, script);
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("would never end"), "{said}");
    assert!(said.contains("--insist"), "{said}");
    said
}

#[test]
fn what_the_shell_has_locked_and_handed_down() {
    let Some(scene) = Scene::with(&[]) else { return };
    let said = refused(&scene, "exec 9>l; flock 9; locktop run l -- true");
    let words = "which started this, has it through descriptor 9 and waits for this to end";
    assert!(said.contains(words), "{said}");
    assert!(said.contains(&scene.path("l").display().to_string()), "{said}");
}

#[test]
fn what_the_shell_has_locked_and_kept() {
    let Some(scene) = Scene::with(&[]) else { return };
    let said = refused(&scene, "exec 9>l; flock 9; locktop run l -- true 9>&-");
    assert!(said.contains("sh (pid "), "{said}");
    // However far above.
    refused(&scene, "exec 9>l; flock 9; sh -c 'locktop run l -- true; exit $?' 9>&-");
}

#[test]
fn what_flock_has_locked_for_its_command() {
    let Some(scene) = Scene::with(&[]) else { return };
    refused(&scene, "flock l locktop run l -- true");
    refused(&scene, "flock -o l locktop run l -- true");
}

#[test]
fn what_was_inherited_from_nobody_who_is_left() {
    let Some(scene) = Scene::with(&[]) else { return };
    let said = refused(
        &scene,
        "exec 9>l; flock 9; (exec locktop run l -- true)\nexit_status=$?; \
                                flock -u 9; (exit $exit_status)",
    );
    assert!(said.contains("which started this"), "{said}");
    // A shell that becomes it.
    let (status, _) = run(&scene, "sh -c 'exec 9>l; flock 9; exec locktop run l -- true' 2>mine");
    let said = fs::read_to_string(scene.path("mine")).unwrap();
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("this process has it itself through descriptor 9"), "{said}");
}

#[test]
fn one_of_ours_within_another() {
    let Some(scene) = Scene::with(&[]) else { return };
    for script in [
        "locktop run l -- locktop run l -- true",
        "locktop run --close l -- locktop run l -- true",
        "locktop run l -- sh -c 'locktop run l -- true; exit $?'",
        "locktop run ofd:l -- locktop run ofd:l -- true",
        "locktop run a b -- locktop run b -- true",
        "locktop run -s l -- locktop run l -- true",
    ] {
        refused(&scene, script);
        assert!(!is_held(&scene.path("l")), "{script}");
    }
}

#[test]
fn who_insists_waits() {
    let Some(scene) = Scene::with(&[]) else { return };
    Script::begin(&scene, "exec 9>l; flock 9; locktop run --insist l -- true 9>&-");
    wait_for_queue(&scene.path("l"), 1);
    // The kernel's table can leave out one that is there.
    wait_until("it is seen to wait", || {
        let report = scene.look();
        let [lock] = report.all_at(&scene.path("l"))[..] else { return None };
        (lock["waiters"].as_array()?.len() == 1).then_some(())
    });
}

#[test]
fn the_later_of_two_who_cross() {
    let Some(scene) = Scene::with(&[]) else { return };
    let first = "locktop run a -- sh -c 'until test -e go; do sleep 0.01; done; \
                 locktop run b -- touch done'";
    let first = Script::begin(&scene, first);
    wait_until_held(&scene.path("a"));
    let second = "locktop run b -- sh -c 'touch go; until test -e waits; do sleep 0.01; done; \
                  locktop run a -- true; exit $?'";
    let second = Script::begin(&scene, second);
    // Of two who began within the same second, both give way.
    wait_until("the first has waited for longer", || {
        let report = scene.look();
        let [lock] = report.all_at(&scene.path("b"))[..] else { return None };
        let waiter = lock["waiters"].as_array()?.first()?;
        (waiter["waited"]["min_s"].as_f64()? > 1.5).then_some(())
    });
    fs::write(scene.path("waits"), "").unwrap();
    let (status, said) = second.ends();
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("would never end"), "{said}");
    assert!(said.contains("which started this"), "{said}");
    // It has given way.
    let (status, said) = first.ends();
    assert_eq!(status, 0, "{said}");
    assert!(scene.path("done").exists());
}

#[test]
fn a_lock_that_is_merely_contended_is_waited_for() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX)");
    let script = Script::begin(&scene, "locktop run l -- true");
    wait_until("it is told who has it", || {
        script.said().contains(&holder.pid.to_string()).then_some(())
    });
    holder.ends();
    let (status, said) = script.ends();
    assert_eq!(status, 0, "{said}");
}

#[test]
fn what_can_be_shared_is_shared() {
    let Some(scene) = Scene::with(&[]) else { return };
    for script in [
        "exec 9>l; flock -s 9; locktop run -s l -- true",
        "locktop run -s l -- locktop run -s l -- true",
        "locktop run a -- locktop run b -- true",
    ] {
        let (status, said) = run(&scene, script);
        assert_eq!((status, said.as_str()), (0, ""), "{script}");
    }
}

#[test]
fn a_shell_that_goes_on_can_let_go() {
    let Some(scene) = Scene::with(&[]) else { return };
    let script = "exec 9>l; flock 9; locktop run l -- true 9>&- & \
                  until test -e go; do sleep 0.01; done; exec 9>&-; wait $!";
    let script = Script::begin(&scene, script);
    wait_until("it is told who has it", || {
        script.said().contains(&script.pid.to_string()).then_some(())
    });
    fs::write(scene.path("go"), "").unwrap();
    let (status, said) = script.ends();
    assert_eq!(status, 0, "{said}");
}
