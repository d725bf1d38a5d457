//! What a target selects, and what happens with those that cannot be.

use std::fs;

use serde_json::Value;

use crate::support::{Report, Scene, Viewer, pids};

/// The pids of all holders of all locks, sorted.
fn holders(report: &Report) -> Vec<i32> {
    let mut all: Vec<_> =
        report.locks().iter().flat_map(|lock| pids(&lock["holders"])).flatten().collect();
    all.sort_unstable();
    all
}

#[test]
fn every_form_of_target_selects_what_it_names() {
    let Some(scene) = Scene::with(&[]) else { return };
    let [flock, posix, below, elsewhere] = [(); 4].map(|()| scene.actor());
    flock.does("os.makedirs('folder/deep'); flock('folder/l', EX)");
    posix.does("posix('folder/l')");
    below.does("flock('folder/deep/m', EX); flock(os.open('folder/deep', os.O_RDONLY), SH)");
    elsewhere.does("flock('folder2', EX)");
    let everything = scene.look();
    let id = everything.locks().iter().find(|lock| pids(&lock["holders"]) == [Some(posix.pid)]);
    let id = id.unwrap()["id"].as_str().unwrap();
    let [file, folder] = ["folder/l", "folder"].map(|name| scene.path(name));
    let [file, folder] = [&file, &folder].map(|path| path.to_str().unwrap());
    let deep = scene.path("folder/deep");

    let cases: [(&[&str], &[i32]); 13] = [
        (&[file], &[flock.pid, posix.pid]),
        (&["folder/l"], &[flock.pid, posix.pid]),
        (&["./folder/../folder/l"], &[flock.pid, posix.pid]),
        (&[folder], &[flock.pid, posix.pid, below.pid, below.pid]),
        (&["folder/"], &[flock.pid, posix.pid, below.pid, below.pid]),
        (&[&format!("flock:{file}")], &[flock.pid]),
        (&[&format!("posix:{file}")], &[posix.pid]),
        (&[&format!("ofd:{file}")], &[]),
        (&[&format!("flock:{}", deep.display())], &[below.pid]),
        (&[id], &[posix.pid]),
        (&[&format!("pid:{}", below.pid)], &[below.pid, below.pid]),
        (&[id, &format!("pid:{}", elsewhere.pid)], &[posix.pid, elsewhere.pid]),
        (&[file, "folder/l", id], &[flock.pid, posix.pid]),
    ];
    for (targets, expected) in cases {
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        let report = scene.look_as(Viewer::Ourselves, targets);
        assert_eq!(holders(&report), expected, "{targets:?}");
    }
}

#[test]
fn a_process_is_also_named_by_what_it_waits_for() {
    let Some(scene) = Scene::with(&[]) else { return };
    let [holder, waiter] = [scene.actor(), scene.actor()];
    holder.does("flock('l', EX)");
    waiter.does("flock('m', EX)");
    waiter.waits("flock('l', EX)");
    let target = format!("pid:{}", waiter.pid);
    let report = scene.look_as(Viewer::Ourselves, &[&target]);
    assert_eq!(report.locks().len(), 2);
    report.at(&scene.path("l"));
    report.at(&scene.path("m"));
    let told = scene.explain(&target);
    for name in ["l", "m"] {
        assert!(told.contains(scene.path(name).to_str().unwrap()), "{told}");
    }
}

#[test]
fn a_file_that_nobody_locks_is_an_empty_list() {
    let Some(scene) = Scene::with(&[]) else { return };
    fs::write(scene.path("l"), "").unwrap();
    let report = scene.look_as(Viewer::Ourselves, &["l"]);
    assert_eq!(report.document["locks"], Value::Array(vec![]));
}

#[test]
fn a_path_that_is_gone_still_names_the_lock_whose_last_name_it_is() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX); os.unlink('l')");
    let report = scene.look_as(Viewer::Ourselves, &[scene.path("l").to_str().unwrap()]);
    assert_eq!(holders(&report), [holder.pid]);
}

#[test]
fn bad_targets_are_status_2_with_a_message_and_nothing_on_standard_output() {
    let Some(scene) = Scene::with(&[]) else { return };
    fs::write(scene.path("file"), "").unwrap();
    for target in [
        "missing",
        "missing/deeper",
        "file/below",
        "gopher://host/key",
        "redis://host/key",
        "pid:x",
        "pid:0",
        "@",
        "",
        "flock:",
        "flock:missing",
    ] {
        for command in ["ls", "explain"] {
            let output = scene.locktop(Viewer::Ourselves, &[command, target]);
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{command} {target:?}: {said}");
            assert_eq!(output.stdout, b"", "{command} {target:?}");
            assert!(!said.trim().is_empty() && !said.contains("panicked"), "{target:?}: {said}");
        }
    }
}

#[test]
fn a_folder_with_very_many_files_holds_nobody_up() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("os.mkdir('many'); [os.close(opened(f'many/{n}')) for n in range(50_000)]");
    holder.does("flock('many/77', EX)");
    // One that asked for every file again and again would be ended.
    let report = scene.look_as(Viewer::Ourselves, &["many"]);
    assert_eq!(holders(&report), [holder.pid]);
}
