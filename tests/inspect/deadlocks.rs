//! Circles of waiting.

use crate::support::{Need, Record, Scene, pids, records, wait_until};

/// Waits until the circle of that process is certain: when all in it have slept for longer than a
/// look takes. If not everything can be seen, it never is: somebody could share a descriptor.
fn gets_certain(scene: &Scene, pid: i32) {
    wait_until("the circle is certain", || {
        let report = scene.look();
        let circles = report.deadlocks_of(pid);
        (circles[0]["certain"] == report.document["complete"]).then_some(())
    });
}

#[test]
fn a_circle_of_three_is_told_once() {
    let Some(scene) = Scene::with(&[]) else { return };
    let actors = [(); 3].map(|()| scene.actor());
    for (actor, name) in actors.iter().zip(["a", "b", "c"]) {
        actor.does(format!("flock('{name}', EX)"));
    }
    for (actor, name) in actors.iter().zip(["b", "c", "a"]) {
        actor.waits(format!("flock('{name}', EX)"));
    }
    let report = scene.look();
    for actor in &actors {
        let circles = report.deadlocks_of(actor.pid);
        let [circle] = circles[..] else { panic!("{} circles", circles.len()) };
        assert_eq!(circle["locks"].as_array().unwrap().len(), 3);
        let members = circle["members"].as_array().unwrap();
        assert_eq!(members.len(), 3);
        // Each waits for what the next one holds.
        for (member, next) in members.iter().zip(members.iter().cycle().skip(1)) {
            assert_eq!(member["wants"], next["holds"]);
        }
    }
    for (name, actor) in ["a", "b", "c"].into_iter().zip(&actors) {
        let seen = report.at(&scene.path(name));
        assert_eq!(seen["verdict"], "deadlock");
        let member = report.deadlocks_of(actor.pid)[0]["members"].as_array().unwrap();
        let member = member.iter().find(|member| member["pid"] == actor.pid).unwrap();
        assert_eq!(member["holds"], seen["id"]);
    }
    gets_certain(&scene, actors[0].pid);
}

#[test]
fn a_circle_of_open_file_description_locks_is_seen() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let [one, two] = [scene.actor(), scene.actor()];
    one.does("ofd('a')");
    two.does("ofd('b')");
    one.waits("ofd('b', wait=True)");
    two.waits("ofd('a', wait=True)");
    let report = scene.look();
    let circles = report.deadlocks_of(one.pid);
    assert_eq!(circles.len(), 1, "{:#}", report.document);
    assert_eq!(report.at(&scene.path("a"))["verdict"], "deadlock");
}

#[test]
fn a_program_that_waits_for_its_own_inherited_descriptor_is_a_circle_of_one() {
    let Some(scene) = Scene::with(&[]) else { return };
    let lock = scene.path("l");
    std::fs::write(&lock, "").unwrap();
    let script = scene.shell("exec 9>l; flock 9; exec flock l true", &[]);
    wait_until("the script waits for itself", || {
        let waits = |record: &Record| record.waits && record.pid == script.pid;
        records(&lock).iter().any(waits).then_some(())
    });
    let report = scene.look();
    let seen = report.at(&lock);
    assert_eq!(seen["verdict"], "deadlock");
    let circles = report.deadlocks_of(script.pid);
    let [circle] = circles[..] else { panic!("{} circles", circles.len()) };
    assert_eq!(pids(&circle["members"]), [Some(script.pid)]);
    gets_certain(&scene, script.pid);
}

#[test]
fn a_sharer_outside_can_open_a_circle() {
    let Some(scene) = Scene::with(&[]) else { return };
    let outside = scene.actor();
    outside.does("flock('a', EX)");
    let inside = outside.forks();
    let other = scene.actor();
    other.does("flock('b', EX)");
    inside.waits("flock('b', EX)");
    other.waits("flock('a', EX)");
    let report = scene.look();
    assert_eq!(report.deadlocks_of(other.pid).len(), 0, "{:#}", report.document["deadlocks"]);
    assert_eq!(report.at(&scene.path("a"))["verdict"], "contended");

    outside.ends();
    let report = scene.look();
    assert_eq!(report.deadlocks_of(other.pid).len(), 1, "nobody outside is left");
}

#[test]
fn one_reader_that_is_stuck_is_enough_for_a_circle() {
    let Some(scene) = Scene::with(&[]) else { return };
    let [stuck, free, writer] = [(); 3].map(|()| scene.actor());
    stuck.does("flock('a', SH)");
    free.does("flock('a', SH)");
    writer.does("flock('b', EX)");
    stuck.waits("flock('b', EX)");
    writer.waits("flock('a', EX)");
    // The writer needs both readers to go, and one of them never will.
    let report = scene.look();
    assert_eq!(report.deadlocks_of(writer.pid).len(), 1, "{:#}", report.document);
    assert_eq!(report.deadlocks_of(free.pid).len(), 0);
}

#[test]
fn a_chain_is_no_circle() {
    let Some(scene) = Scene::with(&[]) else { return };
    let [first, second, third] = [(); 3].map(|()| scene.actor());
    first.does("flock('a', EX)");
    second.does("flock('b', EX)");
    second.waits("flock('a', EX)");
    third.waits("flock('b', EX)");
    let report = scene.look();
    for actor in [&first, &second, &third] {
        assert_eq!(report.deadlocks_of(actor.pid).len(), 0);
    }
    assert_eq!(report.at(&scene.path("a"))["verdict"], "contended");
}

#[test]
fn a_circle_that_a_time_limit_opens_is_not_certain() {
    let Some(scene) = Scene::with(&[]) else { return };
    let script = "exec 8>a; flock 8; until test -e go; do sleep 0.01; done; exec 9>b; exec flock 9";
    let _first = scene.shell(script, &[]);
    wait_until("the first has its lock", || (!records(&scene.path("a")).is_empty()).then_some(()));
    let limited = scene.shell("exec 8>b; flock 8; exec 9>a; exec flock --wait 6000 9", &[]);
    wait_until("the second waits", || (records(&scene.path("a")).len() == 2).then_some(()));
    std::fs::write(scene.path("go"), "").unwrap();
    wait_until("they wait in a circle", || {
        let report = scene.look();
        let circles = report.deadlocks_of(limited.pid);
        let circle = circles.first()?;
        assert_eq!(circle["certain"], false);
        // By then it is not for the shortness of the sleep.
        let waiters = report.at(&scene.path("a"))["waiters"].as_array().unwrap();
        (waiters[0]["waited"]["min_s"].as_f64().unwrap() > 1.0).then_some(())
    });
}
