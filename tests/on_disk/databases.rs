//! The pid file of `PostgreSQL`, the bytes of `SQLite`, the note of Terraform.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::desk::{becomes, is_told_by_all, left_behind, seen, target, told, why};
use crate::support::{Need, Scene, Viewer, pids, state, wait_until};

/// Where Debian has the programs of `PostgreSQL`.
fn programs() -> Option<String> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let mut folders = versions.map(|version| version.path().join("bin"));
    let found = folders.find(|folder| folder.join("postgres").exists());
    found.and_then(|folder| folder.to_str().map(str::to_owned))
}

/// A server in a new data folder, `data`; its process.
fn server(scene: &Scene, programs: &str) -> i32 {
    scene.stage().does("os.mkdir('data'); os.chown('data', NOBODY, NOBODY)");
    scene.stage().does(format!(
        "run('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', \
         '{programs}/initdb', '-D', FOLDER + '/data', '-A', 'trust', '--no-sync')"
    ));
    starts(scene, programs)
}

fn starts(scene: &Scene, programs: &str) -> i32 {
    let pid = scene.stage().does(format!(
        "spawn('{programs}/postgres', '-D', FOLDER + '/data', '-k', FOLDER, '-c', 'listen_addresses=', \
         '-c', 'fsync=off', nobody=True)"
    ));
    let pid = pid.as_i64().unwrap() as i32;
    wait_until("the server is ready", || {
        let text = fs::read_to_string(scene.path("data/postmaster.pid")).ok()?;
        (text.starts_with(&format!("{pid}\n")) && text.contains("ready")).then_some(())
    });
    pid
}

#[test]
fn a_server_has_its_pid_file_until_it_is_killed() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let Some(programs) = programs() else {
        assert!(std::env::var("CI").is_err(), "this test needs PostgreSQL");
        return;
    };
    let postgres = server(&scene, &programs);
    let file = target(&scene, "pidfile", "data/postmaster.pid");
    let lock = seen(&scene, &file);
    assert_eq!((&lock["verdict"], &lock["normal"]), (&json!("held"), &json!(true)));
    assert_eq!(pids(&lock["holders"]), [Some(postgres)]);
    // It tells its start too; where the clock was set since, that proves less.
    assert!(lock["holders"][0]["certainty"] == "proven", "{lock:#}");
    assert_eq!(lock["age"]["evidence"], json!(["content"]));
    let text = is_told_by_all(&scene, &file);
    assert!(text.contains(&format!("postgres (pid {postgres})")), "{text}");
    told(&scene, &["run", "--timeout", "0.2", &file, "--", "true"], &[1]);

    // One of its children is stopped, and so outlives it.
    let children = scene.stage().does(format!(
        "[int(pid) for pid in read('/proc/{postgres}/task/{postgres}/children').split()]"
    ));
    let child = Pid::from_raw(children[0].as_i64().unwrap() as i32).unwrap();
    kill_process(child, Signal::STOP).unwrap();
    kill_process(Pid::from_raw(postgres).unwrap(), Signal::KILL).unwrap();
    wait_until("it has ended", || state(postgres).is_none().then_some(()));
    let lock = seen(&scene, &file);
    assert_ne!(lock["verdict"], "stale", "{lock:#}");
    assert!(pids(&lock["holders"]).contains(&Some(child.as_raw_nonzero().get())), "{lock:#}");
    kill_process(child, Signal::KILL).unwrap();
    let lock = becomes(&scene, &file, left_behind());
    assert!(why(&lock).contains(&format!("pid {postgres}")), "{lock:#}");
    let text = scene.explain(&file);
    assert!(text.contains("PostgreSQL itself passes over"), "{text}");
    if left_behind() == "stale" {
        // Somebody else has the number now: no postgres, so nobody whom it can mean.
        let other = scene.stage().makes(&format!("fork_as({postgres})"));
        let lock = seen(&scene, &file);
        assert_ne!(lock["verdict"], "held", "{lock:#}");
        assert_eq!(pids(&lock["holders"]), []);
        assert!(why(&lock).contains(&postgres.to_string()), "{lock:#}");
        other.ends();
    }
    // The server's own children go by themselves, and the next server takes over.
    let data = scene.path("data");
    let is_backend = |entry: &fs::DirEntry| {
        let path = entry.path();
        // Who has ended meanwhile is none.
        let command = fs::read_to_string(path.join("comm")).unwrap_or_default();
        let is_there = || fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd == data);
        command.starts_with("postgres") && is_there()
    };
    wait_until("no backend is left", || {
        let mut processes = fs::read_dir("/proc").unwrap().flatten();
        (!processes.any(|entry| is_backend(&entry))).then_some(())
    });
    let again = starts(&scene, &programs);
    assert_eq!(pids(&seen(&scene, &file)["holders"]), [Some(again)]);
    kill_process(Pid::from_raw(again).unwrap(), Signal::INT).unwrap();
    told(&scene, &["wait", &file], &[0]);
    // A server starts under nothing that we have; it only asks about those of its own user.
    let start = format!("{programs}/postgres -D data -k {} 2>&1 | cat", scene.folder().display());
    let through =
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", "HOME=/nonexistent"];
    let args = ["run", &file, "--", "timeout", "300", "sh", "-c", &start];
    let output = scene.locktop_through(&through, &args);
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(text.contains("lock file \"postmaster.pid\" already exists"), "{text}");
}

#[test]
fn sqlite_s_bytes_have_names() {
    let Some(scene) = Scene::with(&[Need::Program("sqlite3")]) else { return };
    let sql = "create table t(x); begin immediate; insert into t values(1);\n.shell touch begun\n\
               .shell until test -e go; do sleep 0.02; done\ncommit;\n";
    fs::write(scene.path("sql"), sql).unwrap();
    let shell = scene.shell("exec sqlite3 db <sql", &[]);
    crate::desk::is_there(&scene, "begun");
    let path = scene.path("db");
    let report = scene.look_as(Viewer::Ourselves, &[path.to_str().unwrap()]);
    let mut names: Vec<_> =
        report.locks().iter().map(|lock| lock["name"].as_str().unwrap_or_default()).collect();
    names.sort_unstable();
    assert_eq!(names, ["SQLite database", "SQLite writer"], "{:#}", report.document);
    for lock in report.locks() {
        assert_eq!(pids(&lock["holders"]), [Some(shell.pid)]);
    }
    // We keep out of its way, and it out of ours.
    let writer = format!("posix:{}", path.display());
    told(
        &scene,
        &["run", "--no-wait", "--range", "1073741825-1073741825", &writer, "--", "true"],
        &[1],
    );
    fs::write(scene.path("go"), "").unwrap();
    shell.ends_input();
    let args = [
        "run",
        "--range",
        "1073741825-1073741825",
        &writer,
        "--",
        "sh",
        "-c",
        "sqlite3 db 'insert into t values(2)' 2>&1 | cat",
    ];
    let text = told(&scene, &args, &[0]);
    assert!(text.contains("locked"), "{text}");
}

#[test]
fn terraform_tells_a_user_and_a_machine() {
    let Some(scene) = Scene::with(&[]) else { return };
    let name = ".terraform.tfstate.lock.info";
    let note = |who: &str| {
        json!({"ID": "3d6b", "Operation": "OperationTypeApply", "Info": "", "Who": who,
               "Version": "1.11.4", "Created": "2026-01-02T03:04:05Z", "Path": "terraform.tfstate"})
    };
    fs::write(scene.path(name), note("alice@far").to_string()).unwrap();
    let target = target(&scene, "lockfile", name);
    let lock = seen(&scene, &target);
    assert_eq!(
        (&lock["verdict"], &lock["name"]),
        (&json!("unknown"), &json!("Terraform state (who has it)"))
    );
    assert_eq!(lock["holders"][0]["host"], "far");
    assert_eq!(lock["age"]["evidence"], json!(["content"]));
    assert!(lock["age"]["min_s"].as_f64().unwrap() > 3600.0);
    let text = is_told_by_all(&scene, &target);
    assert!(text.contains("alice on far"), "{text}");
    fs::remove_file(scene.path(name)).unwrap();
    let text = told(&scene, &["run", &target, "--", "true"], &[2]);
    assert!(text.contains("the lock itself lies beside it"), "{text}");
}
