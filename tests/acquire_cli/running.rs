//! `locktop run` and its command.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;

use crate::scene::Scene;
use crate::support::{send, wait_until};

#[test]
fn the_command_is_told_of_its_first_lock() {
    let scene = Scene::new();
    let line = "echo $LOCKTOP_TARGET; readlink /proc/$$/fd/$LOCKTOP_FD; echo ${LOCKTOP_FENCING_TOKEN-none}";
    let output = scene.output(&["run", "first", "second", "--", "sh", "-c", line]);
    let first = scene.path("first").display().to_string();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(told, format!("flock:{first}\n{first}\nnone\n"));
    let line = "echo ${LOCKTOP_FD-none}";
    let output = scene.output(&["run", "--close", "first", "--", "sh", "-c", line]);
    assert_eq!(output.stdout, b"none\n");
}

#[test]
fn nothing_else_is_handed_down() {
    let scene = Scene::new();
    let signals = "grep -e SigBlk -e SigIgn /proc/self/status; ls /proc/$$/fd";
    // By one shell, which may have inherited what another test had open for a moment.
    let line = "sh -c \"$0\"; echo; \"$1\" run -o lock -- sh -c \"$0\"; echo";
    let mut both = std::process::Command::new("sh");
    both.args(["-c", line, signals, env!("CARGO_BIN_EXE_locktop")]).current_dir(scene.folder());
    let told = String::from_utf8(both.output().unwrap().stdout).unwrap();
    let [direct, under, ""] = told.split("\n\n").collect::<Vec<_>>()[..] else { panic!("{told}") };
    assert_eq!(under, direct);
}

#[test]
fn the_lock_outlives_a_killed_locktop_with_the_command() {
    let scene = Scene::new();
    let mut run = scene.start(&["run", "lock", "--", "sh", "-c", "echo $$; exec sleep 1000"]);
    let command = run.prints("").parse().unwrap();
    run.gets(Signal::KILL);
    run.dies_of(Signal::KILL);
    assert!(!scene.is_free("lock"));
    send(Signal::KILL, command);
    wait_until("the lock is free", || scene.is_free("lock").then_some(()));
}

#[test]
fn several_locks_are_all_kept_and_all_given_back() {
    let scene = Scene::new();
    let line = "flock -n a true; echo $?; flock -n b true; echo $?";
    let output = scene.output(&["run", "b", "a", "--", "sh", "-c", line]);
    assert_eq!(output.stdout, b"1\n1\n");
    assert!(scene.is_free("a") && scene.is_free("b"));
    assert!(scene.ends(&["run", "a", "./a", "--", "true"], 2).contains("name it once"));
}

#[test]
fn the_order_of_several_locks_does_not_matter() {
    let scene = Scene::new();
    let rounds = |locks: &str| {
        let line = format!(
            "for i in $(seq 50); do {} run {locks} -- true || exit 1; done",
            env!("CARGO_BIN_EXE_locktop")
        );
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &line]).current_dir(scene.folder()).spawn().unwrap()
    };
    let mut both = [rounds("a b"), rounds("b a")];
    for child in &mut both {
        assert!(wait_until("all rounds are over", || child.try_wait().unwrap()).success());
    }
}

#[test]
fn a_command_that_cannot_be_started_costs_nobody_a_lock() {
    let scene = Scene::new();
    for (command, status) in [("no-such-program", 127), ("./missing", 127), (".", 126)] {
        for options in [&[][..], &["--keep"], &["-F"]] {
            scene.ends(&[&["run"], options, &["lock", "--", command]].concat(), status);
            assert!(scene.is_free("lock"));
        }
    }
}

#[test]
fn without_a_fork_the_command_is_us() {
    let scene = Scene::new();
    let mut run = scene.start(&["run", "-F", "lock", "--", "sh", "-c", "echo $$; exec sleep 1000"]);
    assert_eq!(run.prints(""), run.pid().to_string());
    assert!(!scene.is_free("lock"));
    run.gets(Signal::TERM);
    run.dies_of(Signal::TERM);
    assert!(scene.is_free("lock"));
}

#[test]
fn a_lock_file_is_created_with_the_mode_that_was_said() {
    let scene = Scene::new();
    for (option, mode) in [(&[][..], "644"), (&["--create-mode", "0600"], "600")] {
        let run = [&["run"], option, &[mode, "--", "true"]].concat();
        let words: Vec<_> = run.iter().map(|word| format!("'{word}'")).collect();
        let line = format!("umask 022; '{}' {}", env!("CARGO_BIN_EXE_locktop"), words.join(" "));
        let mut shell = std::process::Command::new("sh");
        assert!(shell.args(["-c", &line]).current_dir(scene.folder()).status().unwrap().success());
        let found = fs::metadata(scene.path(mode)).unwrap().permissions().mode();
        assert_eq!(format!("{:o}", found & 0o777), mode);
    }
    scene.ends(&["run", "--create-mode", "rw", "lock", "true"], 2);
}

#[test]
fn bytes_of_a_file_are_a_lock_of_their_own() {
    let scene = Scene::new();
    File::create(scene.path("lock")).unwrap();
    let _holder = scene.holder(&["--range", "0-9", "ofd:lock"]);
    scene.ends(&["run", "-n", "--range", "10-EOF", "ofd:lock", "--", "true"], 0);
    scene.ends(&["run", "-n", "--range", "9-10", "ofd:lock", "--", "true"], 1);
    scene.ends(&["run", "--range", "9", "ofd:lock", "--", "true"], 2);
    scene.ends(&["run", "--range", "0-9", "flock:lock", "--", "true"], 2);
}

#[test]
fn a_path_is_locked_as_others_lock_it_and_that_is_said() {
    let scene = Scene::new();
    File::create(scene.path("lock")).unwrap();
    let _holder = scene.holder(&["--shared", "ofd:lock"]);
    let said = scene.ends(&["run", "-n", "lock", "--", "true"], 1);
    assert!(said.contains("not free"), "{said}");
    let said = scene.ends(&["run", "--shared", "lock", "--", "true"], 0);
    assert!(said.contains("ofd:"), "{said}");
    assert_eq!(scene.ends(&["run", "--shared", "ofd:lock", "--", "true"], 0), "");
}

#[test]
fn bad_usage_takes_nothing() {
    let scene = Scene::new();
    for arguments in [
        &["run"][..],
        &["run", "lock"],
        &["run", "lock", "--"],
        &["run", "--timeout", "1x", "lock", "--", "true"],
        &["run", "--pause", "0", "lock", "--", "true"],
        &["run", "--keep", "--close", "lock", "--", "true"],
        &["run", "pid:1", "--", "true"],
        &["run", "gopher://x/y", "--", "true"],
        &["run", "missing/lock", "--", "true"],
        &["run", "", "--", "true"],
    ] {
        scene.ends(arguments, 2);
    }
    assert_eq!(fs::read_dir(scene.folder()).unwrap().count(), 0);
    for time in ["0", "100y", "99999999999999999999"] {
        scene.ends(&["run", "--timeout", time, "lock", "--", "true"], 0);
    }
}

#[test]
fn a_lock_that_a_caller_has_is_not_waited_for() {
    let scene = Scene::new();
    let binary = env!("CARGO_BIN_EXE_locktop");
    let said = scene.ends(&["run", "lock", "--", binary, "run", "lock", "--", "true"], 1);
    assert!(said.contains("/lock"), "{said}");
    let insisted = [
        "run",
        "lock",
        "--",
        binary,
        "run",
        "--insist",
        "--timeout",
        "0.1",
        "-E",
        "9",
        "lock",
        "--",
        "true",
    ];
    scene.ends(&insisted, 9);
}

#[test]
fn a_lock_that_belongs_to_no_open_file_ends_with_the_command() {
    let scene = Scene::new();
    let line = "echo ${LOCKTOP_FD-none} $LOCKTOP_TARGET; ls; sleep 1000 >/dev/null 2>&1 & echo $!";
    let output = scene.output(&["run", "lockfile:lock", "--", "sh", "-c", line]);
    let told = String::from_utf8(output.stdout).unwrap();
    let path = scene.path("lock").display().to_string();
    let left = told.strip_prefix(&format!("none lockfile:{path}\nlock\n")).unwrap();
    assert!(!scene.path("lock").exists());
    send(Signal::KILL, left.trim().parse().unwrap());

    scene.ends(&["run", "-F", "lockfile:lock", "--", "true"], 2);
    scene.ends(&["run", "lockfile:lock", "--", "./missing"], 127);
    assert!(!scene.path("lock").exists());
    scene.ends(&["run", "--keep", "lockfile:lock", "--", "true"], 0);
    assert!(scene.path("lock").exists());
}

#[test]
fn a_command_without_a_descriptor_is_told_when_we_are_killed() {
    let scene = Scene::new();
    let line = "trap 'echo told; exit' TERM; echo ready; while :; do sleep 0.01; done";
    let mut run = scene.start(&["run", "lockfile:lock", "--", "sh", "-c", line]);
    run.prints("ready");
    run.gets(Signal::KILL);
    run.prints("told");
}

#[test]
fn a_wait_for_a_lock_file_leaves_none_behind() {
    let scene = Scene::new();
    let holder = scene.holder(&["lockfile:lock"]);
    let mut run = scene.start(&["run", "lockfile:lock", "--", "true"]);
    run.says("waiting");
    run.gets(Signal::INT);
    run.dies_of(Signal::INT);
    assert!(scene.path("lock").exists());
    holder.gets(Signal::TERM);
    wait_until("the lock file is gone", || (!scene.path("lock").exists()).then_some(()));
}
