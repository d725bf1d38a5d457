//! Looking while processes come and go and locks are taken and given back without a pause. Apart from
//! the other scenarios, whose looks it would disturb.

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use support::{Scene, Viewer, pids};

#[test]
fn in_a_bustle_only_true_holders_are_named() {
    let Some(scene) = Scene::with(&[]) else { return };
    let steady: BTreeMap<_, _> = (0..20)
        .map(|number| {
            let actor = scene.actor();
            actor.does(format!("flock('steady-{number}', EX)"));
            (scene.path(&format!("steady-{number}")), actor)
        })
        .collect();
    let bustle = scene.actor();
    bustle.does("births = bustle(3)");
    let births = || bustle.does("births()").as_u64().expect("a number");

    let mut looks = 0;
    while looks < 20 || births() < 2000 {
        let report = scene.look_as(Viewer::Ourselves, &["."]);
        for (path, actor) in &steady {
            assert_eq!(pids(&report.at(path)["holders"]), [Some(actor.pid)]);
        }
        for lock in report.locks() {
            let name = Path::new(lock["path"].as_str().expect("our locks have paths"));
            let name = name.file_name().and_then(|name| name.to_str()).expect("a name");
            let Some(pid) = name.strip_prefix("bustle-") else { continue };
            let holders = pids(&lock["holders"]);
            let only = holders.iter().flatten().all(|holder| holder.to_string() == pid);
            assert!(only, "{lock:#}");
            assert_ne!(lock["verdict"], "deadlock");
            assert_ne!(lock["verdict"], "split");
        }
        looks += 1;
    }
}
