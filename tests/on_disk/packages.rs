//! apt's and cargo's locks, which the kernel keeps.

use std::fs;

use crate::desk::{is_there, told};
use crate::support::{Need, Scene, Viewer, pids};

/// apt in a root of its own.
fn apt(scene: &Scene) -> String {
    for folder in [
        "state/lists/partial",
        "cache/archives/partial",
        "etc/apt.conf.d",
        "etc/preferences.d",
        "var/lib/dpkg",
    ] {
        fs::create_dir_all(scene.path(folder)).unwrap();
    }
    fs::write(scene.path("var/lib/dpkg/status"), "").unwrap();
    fs::write(scene.path("etc/sources.list"), "").unwrap();
    let at = scene.folder().display();
    format!(
        "apt-get -o Dir::State={at}/state -o Dir::State::status={at}/var/lib/dpkg/status \
         -o Dir::Cache={at}/cache -o Dir::Etc={at}/etc -o Debug::NoLocking=0 \
         -o APT::Update::Pre-Invoke::=\"sh {at}/wait\" -o APT::Sandbox::User=root"
    )
}

#[test]
fn apt_get_has_its_lists() {
    let Some(scene) = Scene::with(&[Need::Root, Need::Program("apt-get")]) else { return };
    let apt = apt(&scene);
    // A source that does not answer before it is told to.
    let pipe = scene.path("source");
    scene.stage().does("os.mkfifo('source')");
    fs::write(
        scene.path("etc/sources.list"),
        format!("deb [trusted=yes] copy:{} ./\n", scene.path("repo").display()),
    )
    .unwrap();
    fs::create_dir_all(scene.path("repo")).unwrap();
    scene.stage().does("os.mkfifo('repo/Packages')");
    let lock = scene.path("state/lists/lock");
    let shell = scene.shell(&format!("exec {apt} update >out 2>&1"), &[]);
    let held = crate::support::wait_until("apt has its lock", || {
        let report = scene.look_as(Viewer::Ourselves, &[scene.folder().to_str().unwrap()]);
        report.all_at(&lock).first().map(|lock| (*lock).clone())
    });
    assert_eq!(held["mechanism"], "posix");
    assert_eq!(pids(&held["holders"]), [Some(shell.pid)]);
    let target = format!("posix:{}", lock.display());
    told(&scene, &["run", "--no-wait", &target, "--", "true"], &[1]);
    scene.stage().does(format!("os.kill({}, signal.SIGTERM)", shell.pid));
    shell.ends_input();
    let text = told(
        &scene,
        &["run", &target, "--", "sh", "-c", &format!("{apt} update 2>&1 | cat")],
        &[0],
    );
    assert!(text.contains("Could not get lock"), "{text}");
    drop(pipe);
}

#[test]
fn cargo_has_its_build_folder() {
    let Some(scene) = Scene::with(&[Need::Program("cargo")]) else { return };
    fs::create_dir_all(scene.path("p/src")).unwrap();
    fs::write(
        scene.path("p/Cargo.toml"),
        "[package]\nname = \"p\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n",
    )
    .unwrap();
    fs::write(scene.path("p/src/lib.rs"), "").unwrap();
    let at = scene.folder().display();
    fs::write(
        scene.path("p/build.rs"),
        format!("fn main() {{ std::fs::write(\"{at}/begun\", \"\").unwrap(); while !std::path::Path::new(\"{at}/go\").exists() {{ std::thread::sleep(std::time::Duration::from_millis(20)); }} }}\n"),
    )
    .unwrap();
    let shell = scene.shell("cd p && unset CARGO_TARGET_DIR && exec cargo build --offline -q", &[]);
    is_there(&scene, "begun");
    let report = scene.look_as(Viewer::Ourselves, &[scene.path("p").to_str().unwrap()]);
    let lock = report.at(&scene.path("p/target/debug/.cargo-lock"));
    assert_eq!(lock["name"], "cargo build folder");
    assert_eq!(lock["holders"][0]["command"], "cargo");
    let path = scene.path("p/target/debug/.cargo-lock");
    let target = path.to_str().unwrap();
    let text = told(&scene, &["run", "--timeout", "5", target, "--", "true"], &[1]);
    assert!(text.contains("cargo (pid "), "{text}");
    fs::write(scene.path("go"), "").unwrap();
    told(&scene, &["run", target, "--", "true"], &[0]);
    shell.ends_input();
    let line = "cd p && unset CARGO_TARGET_DIR; cargo build --offline 2>said & \
                until grep -q 'waiting for file lock on' said; do sleep 0.05; done; kill $!";
    told(&scene, &["run", target, "--", "sh", "-c", line], &[0]);
}
