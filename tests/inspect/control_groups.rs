//! Units and containers, from the names of control groups.

use serde_json::Value;

use crate::support::{Need, Scene};

const CONTAINER: &str = "5f0c1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7";

/// What is said of a holder in that control group, and of the lock when it has left it to a child.
fn seen_in(names: &[&str]) -> Option<(Value, Value)> {
    let scene = Scene::with(&[Need::Root])?;
    scene.leaves_services();
    let top = format!("locktop{}.slice", scene.stage().pid);
    let names: Vec<_> = [&[top.as_str()], names].concat();
    let group = scene.stage().does(format!("control_group(None, *{names:?})"));
    let holder = scene.actor();
    holder.does(format!("write({group} + '/cgroup.procs', str(os.getpid()))"));
    holder.does("flock('l', EX)");
    let report = scene.look();
    let seen = report.at(&scene.path("l"))["holders"][0].clone();

    let _heir = holder.forks();
    holder.ends();
    Some((seen, scene.look().at(&scene.path("l")).clone()))
}

#[test]
fn a_unit_is_named_and_what_it_left_behind_is_no_orphan() {
    let Some((holder, left)) = seen_in(&["backup@home.service"]) else { return };
    assert_eq!(holder["unit"], "backup@home.service");
    assert_eq!(holder["container"], Value::Null);
    assert_eq!(left["verdict"], "held", "the service is in charge of it: {left:#}");
}

#[test]
fn a_container_is_named_and_what_is_left_in_it_is_no_orphan() {
    let name = format!("docker-{CONTAINER}.scope");
    let Some((holder, left)) = seen_in(&[&name]) else { return };
    let container = holder["container"].as_str().expect("the container is told");
    assert!(
        CONTAINER.starts_with(container) || container.contains(&CONTAINER[..12]),
        "{container}"
    );
    assert_eq!(left["verdict"], "held", "the container is in charge of it: {left:#}");
}

#[test]
fn a_session_is_not_in_charge() {
    let Some((holder, left)) = seen_in(&["session-3.scope"]) else { return };
    assert_eq!(holder["container"], Value::Null);
    assert_eq!(left["verdict"], "orphaned", "{left:#}");
}
