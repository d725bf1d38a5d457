//! What locks say, and what is true of it.

use std::fs;

use crate::desk::{ended, is_told_by_all, left_behind, lies, seen, target, told, why};
use crate::support::{Need, Scene, pids, wait_until};

/// Writes it, and returns what is seen.
#[track_caller]
fn says(scene: &Scene, content: &str) -> serde_json::Value {
    lies(scene, "l", content);
    let target = target(scene, "lockfile", "l");
    is_told_by_all(scene, &target);
    seen(scene, &target)
}

fn host() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned()
}

#[test]
fn numbers_that_no_owner_can_have() {
    let Some(scene) = Scene::with(&[]) else { return };
    for content in ["-1", "0", "99999999999", "4194305", "", "\0", "\u{1b}[2J", "word\n"] {
        let lock = says(&scene, content);
        assert_eq!(lock["verdict"], "unknown", "{content:?}");
        assert!(!why(&lock).is_empty() && pids(&lock["holders"]).is_empty(), "{lock:#}");
        fs::write(scene.path("x.pid"), content).unwrap();
    }
    // The first process is anybody's.
    let lock = says(&scene, "1");
    assert_eq!(lock["verdict"], "unknown");
    assert!(why(&lock).contains("the first process"), "{lock:#}");
}

#[test]
fn a_thread_of_the_kernel_takes_no_locks() {
    let Some(scene) = Scene::with(&[]) else { return };
    let is_kernels = |comm: &str| comm.starts_with("kthreadd");
    if !fs::read_to_string("/proc/2/comm").is_ok_and(|comm| is_kernels(&comm)) {
        // In a pid namespace there is none.
        return;
    }
    let lock = says(&scene, "2");
    assert_eq!(lock["verdict"], "unknown");
    assert!(why(&lock).contains("thread of the kernel"), "{lock:#}");
}

#[test]
fn a_thread_stands_for_its_process() {
    let Some(scene) = Scene::with(&[]) else { return };
    let owner = scene.actor();
    let thread = owner.does("in_thread(lambda: threading.Event().wait())").as_i64().unwrap();
    let lock = says(&scene, &thread.to_string());
    assert_eq!(lock["verdict"], "held");
    assert_eq!(pids(&lock["holders"]), [Some(owner.pid)]);
}

#[test]
fn our_own_name_makes_the_dead_no_strangers() {
    let Some(scene) = Scene::with(&[]) else { return };
    let pid = ended(&scene);
    let lock = says(&scene, &format!("pid={pid}\nhost={}\n", host()));
    assert_eq!(lock["verdict"], left_behind());
    let lock = says(&scene, &format!("pid={pid}\nhost=another.example.org\n"));
    assert_eq!(lock["verdict"], "unknown");
    assert_eq!(lock["holders"][0]["host"], "another.example.org");
    assert_eq!(lock["holders"][0]["pid"], pid);
}

#[test]
fn a_number_of_a_container_is_told_by_both_names() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let owner = scene.actor();
    let free = "next(n for n in range(4100000, 4190000) if not os.path.exists(f'/proc/{n}'))";
    let number = scene.stage().does(free).as_i64().unwrap();
    let script = format!(
        "echo {} >/proc/sys/kernel/ns_last_pid; sh -c 'echo $$ >inner; exec sleep 1000' & wait",
        number - 1
    );
    owner.does("unshare(NEWPID)");
    owner.does(format!("subprocess.Popen(['sh', '-c', {script:?}]).pid"));
    let inner: i64 = wait_until("it says its number", || {
        fs::read_to_string(scene.path("inner")).ok()?.trim().parse().ok()
    });
    assert_eq!(inner, number);
    let lock = says(&scene, &number.to_string());
    assert_eq!(lock["verdict"], "unknown", "{lock:#}");
    let lock = wait_until("the shell has become what it executes", || {
        let lock = seen(&scene, &target(&scene, "lockfile", "l"));
        why(&lock).contains("in a container sleep (pid ").then_some(lock)
    });
    assert!(why(&lock).contains(&format!("it names pid {number}")), "{lock:#}");
    // The first process there is a number that everybody has.
    let lock = says(&scene, "1");
    assert_eq!((&lock["verdict"], pids(&lock["holders"]).len()), (&"unknown".into(), 0));
}

#[test]
fn a_number_that_was_given_out_again_proves_nobody_s() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let first = scene.stage().forks();
    let number = first.pid;
    fs::write(scene.path("l"), number.to_string()).unwrap();
    first.ends();
    let other = scene.stage().makes(&format!("fork_as({number})"));
    // Clocks are not exact: of one who starts so soon it could be the first.
    let target = target(&scene, "lockfile", "l");
    let lock = seen(&scene, &target);
    assert!(
        lock["verdict"] == "held" || lock["verdict"] == "stale" || lock["verdict"] == "unknown"
    );
    assert_eq!(lock["recorded_pid"].as_i64().unwrap_or(number.into()), i64::from(number));
    told(&scene, &["release", "--dry-run", &target], &[0, 1]);
    assert_eq!(other.does("1 + 1"), 2);
}

#[test]
fn lines_of_serial_ports_and_displays() {
    let Some(scene) = Scene::with(&[]) else { return };
    let owner = scene.actor();
    let number = owner.pid;
    fs::write(scene.path("catalogue.toml"), "").unwrap();
    let lock = says(&scene, &format!("{number:>10}\n"));
    assert_eq!(pids(&lock["holders"]), [Some(number)]);
    let display = std::path::Path::new("/tmp/.X3719-lock");
    if !display.exists() {
        fs::write(display, format!("{number:>10}\n")).unwrap();
        let lock = seen(&scene, "pidfile:/tmp/.X3719-lock");
        let owner_is_root = pids(&lock["holders"]) == [Some(number)];
        fs::remove_file(display).unwrap();
        assert!(owner_is_root && lock["name"] == "X display", "{lock:#}");
    }
}

#[test]
fn an_x_server_respects_ours() {
    let Some(scene) = Scene::with(&[Need::Program("Xvfb")]) else { return };
    let text = told(
        &scene,
        &[
            "run",
            "pidfile:/tmp/.X3718-lock",
            "--",
            "sh",
            "-c",
            "timeout 300 Xvfb :3718 -screen 0 64x64x8 2>&1 | cat; cat /tmp/.X3718-lock",
        ],
        &[0],
    );
    assert!(text.contains("already active for display 3718"), "{text}");
    let line = "Xvfb :3717 -screen 0 64x64x8 -nolisten tcp";
    let shell = scene.shell(&format!("exec {line} 2>/dev/null"), &[]);
    let lock = wait_until("the display is there", || {
        let report =
            scene.look_as(crate::support::Viewer::Ourselves, &["pidfile:/tmp/.X3717-lock"]);
        report.locks().first().cloned().filter(|lock| lock["verdict"] == "held")
    });
    assert_eq!(pids(&lock["holders"]), [Some(shell.pid)]);
    scene.stage().does(format!("os.kill({}, signal.SIGTERM)", shell.pid));
    told(&scene, &["wait", "pidfile:/tmp/.X3717-lock"], &[0]);
    shell.ends_input();
}
