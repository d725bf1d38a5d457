//! What lies where a lock could be: everything is told for what it is, and nobody waits for it.

use std::fs;

use serde_json::json;

use crate::desk::{ended, is_told_by_all, left_behind, lies, seen, target, told, why};
use crate::support::{Need, Scene, Viewer, wait_until};

#[test]
fn what_is_no_lock_file_at_all() {
    let Some(scene) = Scene::with(&[]) else { return };
    scene.stage().does("os.mkfifo('pipe')");
    scene.stage().does("s = socket.socket(socket.AF_UNIX); s.bind('socket')");
    scene
        .stage()
        .does("fd = opened('huge'); os.truncate(fd, 10 << 30); os.close(fd); os.mkdir('folder')");
    scene.stage().does("os.symlink('/nowhere', 'link')");
    for (name, word) in [
        ("pipe", "pipe"),
        ("socket", "socket"),
        ("huge", "longer than any such file"),
        ("folder", ""),
        ("link", ""),
    ] {
        for family in ["lockfile", "pidfile"] {
            let target = target(&scene, family, name);
            let lock = seen(&scene, &target);
            assert_eq!(lock["verdict"], "unknown", "{lock:#}");
            assert!(!why(&lock).is_empty() && why(&lock).contains(word), "{lock:#}");
            is_told_by_all(&scene, &target);
        }
    }
}

#[test]
fn devices_are_not_opened() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    scene.stage().does("os.mknod('device', stat_mode := 0o020666, os.makedev(1, 5))");
    let target = target(&scene, "lockfile", "device");
    let lock = seen(&scene, &target);
    assert!(why(&lock).contains("device"), "{lock:#}");
    is_told_by_all(&scene, &target);
}

#[test]
fn names_that_are_no_text() {
    let Some(scene) = Scene::with(&[]) else { return };
    let pid = ended(&scene);
    scene.stage().does(format!("write(b'\\xff.lock', '{pid}\\n')"));
    let script = "exec \"$1\" ls --json \"lockfile:$(printf '%s/\\377.lock' \"$2\")\" >out";
    let binary = env!("CARGO_BIN_EXE_locktop");
    scene.shell(script, &[binary, scene.folder().to_str().unwrap()]).ends_input();
    let document: serde_json::Value =
        serde_json::from_slice(&fs::read(scene.path("out")).unwrap()).unwrap();
    assert_eq!(document["locks"][0]["verdict"], left_behind(), "{document:#}");
    assert!(document["locks"][0]["path_base64"].is_string());
}

#[test]
fn what_another_user_may_not_read() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let owner = scene.actor();
    owner.does("write('l', f'{os.getpid()}'); os.chmod('l', 0o600)");
    let target = target(&scene, "lockfile", "l");
    let report = scene.look_as(Viewer::Nobody, &[&target]);
    let lock = &report.locks()[0];
    assert_eq!(lock["verdict"], "unknown");
    assert!(why(lock).contains("cannot be read"), "{lock:#}");
    for args in [&["explain", &target][..], &["release", "--dry-run", &target]] {
        let output = scene.locktop(Viewer::Nobody, args);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!text.contains("panicked") && text.contains("cannot be read"), "{text}");
    }
}

#[test]
fn where_proc_hides_processes_nothing_is_proven() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    lies(&scene, "l", &ended(&scene).to_string());
    scene.has_private_mounts();
    scene.stage().does("checked(libc.mount(b'proc', b'/proc', b'proc', 0, b'hidepid=2'))");
    let report = scene.look_as(Viewer::Nobody, &[&target(&scene, "lockfile", "l")]);
    let lock = &report.locks()[0];
    assert_eq!(lock["verdict"], "unknown", "{lock:#}");
    scene.stage().does("libc.umount2(b'/proc', 2)");
}

#[test]
fn from_inside_a_container_nothing_is_proven() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    lies(&scene, "l", "4000000\n");
    let target = target(&scene, "lockfile", "l");
    let through = ["unshare", "--pid", "--fork", "--mount-proc"];
    let output = scene.locktop_through(&through, &["ls", "--json", &target]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["locks"][0]["verdict"], "unknown", "{document:#}");
    let why = document["locks"][0]["why"].as_str().unwrap();
    assert!(why.contains("container"), "{why}");
    for args in [
        &["explain", &target][..],
        &["release", "--dry-run", &target],
        &["wait", "--no-wait", &target],
    ] {
        let output = scene.locktop_through(&through, args);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!text.contains("panicked"), "{text}");
    }
}

#[test]
fn a_file_system_of_a_program_may_be_shared() {
    let needs = [Need::Root, Need::Program("bindfs"), Need::FileSystem("fuse")];
    let Some(scene) = Scene::with(&needs) else { return };
    scene.has_private_mounts();
    let stage = scene.stage();
    stage.does("os.mkdir('below'); os.mkdir('fuse'); write('below/l', '4000000')");
    stage.does("spawn('bindfs', '-f', 'below', 'fuse')");
    wait_until("the file system is mounted", || {
        (stage.does("os.path.exists('fuse/l')") == json!(true)).then_some(())
    });
    let lock = seen(&scene, &target(&scene, "lockfile", "fuse/l"));
    assert_eq!(lock["verdict"], "unknown", "{lock:#}");
    assert!(
        why(&lock).contains("shared with other machines") || left_behind() == "unknown",
        "{lock:#}"
    );
    assert_eq!(lock["details"]["remote"], true);
    assert_eq!(seen(&scene, &target(&scene, "lockfile", "below/l"))["verdict"], left_behind());
}

#[test]
fn a_folder_that_goes_while_somebody_waits() {
    let Some(scene) = Scene::with(&[]) else { return };
    let owner = scene.actor();
    for (family, command) in
        [("lockfile", "wait"), ("pidfile", "wait"), ("lockfile", "run"), ("pidfile", "run")]
    {
        fs::create_dir(scene.path("f")).unwrap();
        fs::write(scene.path("f/l"), owner.pid.to_string()).unwrap();
        let target = target(&scene, family, "f/l");
        let rest = if command == "run" { "-- true" } else { "" };
        let binary = env!("CARGO_BIN_EXE_locktop");
        let script = format!("exec {binary} {command} {target} {rest} 2>said; ");
        let waiter = scene.actor();
        waiter.begins(format!("subprocess.Popen(['sh', '-c', {script:?}]).wait()"));
        wait_until("it is said that it waits", || {
            let said = fs::read_to_string(scene.path("said")).ok()?;
            said.contains(&owner.pid.to_string()).then_some(())
        });
        fs::rename(scene.path("f"), scene.path("gone")).unwrap();
        waiter.answer();
        fs::remove_dir_all(scene.path("gone")).unwrap();
        let said = fs::read_to_string(scene.path("said")).unwrap();
        assert!(!said.contains("panicked"), "{said}");
        assert!(command == "wait" || said.contains("its folder does not exist"), "{said}");
        fs::remove_file(scene.path("said")).unwrap();
    }
    let text = told(&scene, &["ls", &target(&scene, "lockfile", "f/l")], &[2]);
    assert!(text.contains("does not exist"), "{text}");
}
