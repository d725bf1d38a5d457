//! The locks of apt, dpkg and cargo, which the kernel keeps.

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::desk::{begins, is_there, says, says_while_it_waits, told};
use crate::support::{Need, Report, Scene, Shell, Viewer, pids, send, wait_until};

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
    let held = wait_until("apt has its lock", || {
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
    says_while_it_waits(&scene, &format!("run {target} -- true"), "cargo (pid ");
    told(&scene, &["run", "--timeout", "0.2", target, "--", "true"], &[1]);
    fs::write(scene.path("go"), "").unwrap();
    told(&scene, &["run", target, "--", "true"], &[0]);
    shell.ends_input();
    let line = "cd p && unset CARGO_TARGET_DIR; cargo build --offline 2>said & \
                until grep -q 'waiting for file lock on' said; do sleep 0.05; done; kill $!";
    told(&scene, &["run", target, "--", "sh", "-c", line], &[0]);
}

const FRONTEND: &str = "/var/lib/dpkg/lock-frontend";
const DATABASE: &str = "/var/lib/dpkg/lock";
const DOWNLOADS: &str = "/var/cache/apt/archives/lock";

/// A machine without packages in the places where they are really kept, and `locktop-test.deb`,
/// whose installation stands at the gate until that [is opened](opens).
fn machine() -> Option<Scene> {
    let needs = [Need::Root, Need::Program("apt-get"), Need::Program("dpkg-deb")];
    let scene = Scene::with(&needs)?;
    scene.has_private_mounts();
    for folder in ["/var/lib/dpkg", "/var/lib/apt", "/var/cache/apt", "/var/log"] {
        scene.stage().does(format!("mount('none', '{folder}', 'tmpfs')"));
    }
    scene.stage().does(
        "for name in ('info', 'updates', 'triggers'): os.mkdir('/var/lib/dpkg/' + name)\n\
         write('/var/lib/dpkg/status', '')\n\
         os.makedirs('/var/lib/apt/lists/partial')\n\
         os.makedirs('/var/cache/apt/archives/partial')\n\
         os.mkfifo('gate')\n\
         gate = os.open('gate', os.O_RDWR)",
    );
    for folder in ["etc/apt.conf.d", "etc/preferences.d", "etc/sources.list.d", "deb/DEBIAN"] {
        fs::create_dir_all(scene.path(folder)).unwrap();
    }
    let at = scene.folder().display();
    // The machine's own settings may have programs run that know nothing of all this.
    let settings = format!("Dir::Etc \"{at}/etc\";\nAPT::Sandbox::User \"root\";\n");
    fs::write(scene.path("apt.conf"), settings).unwrap();
    fs::write(scene.path("etc/sources.list"), "").unwrap();
    fs::write(
        scene.path("deb/DEBIAN/control"),
        "Package: locktop-test\nVersion: 1\nArchitecture: all\n\
         Maintainer: nobody <nobody@localhost>\nDescription: waits at a gate\n",
    )
    .unwrap();
    let script = format!("#!/bin/sh\ntouch {at}/begun\nread -r line <{at}/gate\n");
    fs::write(scene.path("deb/DEBIAN/preinst"), script).unwrap();
    scene.stage().does(
        "os.chmod('deb/DEBIAN', 0o755)\nos.chmod('deb/DEBIAN/preinst', 0o755)\n\
         run('dpkg-deb', '--root-owner-group', '-Znone', '--build', 'deb', 'locktop-test.deb')",
    );
    Some(scene)
}

/// The lock of that path in that scene. In their own mounts others have locks of the same name.
fn lock_at(scene: &Scene, report: &Report, path: &Path) -> Option<Value> {
    let device = scene.stage().does(format!(
        "'{{:02x}}:{{:02x}}'.format(*(part(os.stat('{}').st_dev) for part in (os.major, os.minor)))",
        path.display()
    ));
    let locks = report.all_at(path);
    let mut own = locks.iter().filter(|lock| lock["details"]["device"] == device);
    let found = own.next().map(|lock| (*lock).clone());
    assert!(own.next().is_none(), "more than one: {:#}", report.document);
    found
}

/// Lets so many scripts pass.
fn opens(scene: &Scene, count: usize) {
    scene.stage().does(format!("os.write(gate, b'\\n' * {count})"));
}

/// The command that installs the package.
fn installs(scene: &Scene, options: &str) -> String {
    let at = scene.folder().display();
    format!(
        "env LC_ALL=C DEBIAN_FRONTEND=noninteractive APT_CONFIG={at}/apt.conf \
         apt-get -y {options} install {at}/locktop-test.deb"
    )
}

/// An `apt-get` whose `dpkg` stands at the gate, and the pid of that.
fn install(scene: &Scene) -> (Shell<'_>, i32) {
    let apt = scene.shell(&format!("exec {} >first 2>&1", installs(scene, "")), &[]);
    is_there(scene, "begun");
    let report = scene.look_as(Viewer::Ourselves, &[DATABASE]);
    let lock = lock_at(scene, &report, Path::new(DATABASE)).unwrap();
    let dpkg = &lock["holders"][0];
    assert_eq!(dpkg["parent"]["pid"], apt.pid, "{:#}", report.document);
    (apt, dpkg["pid"].as_i64().unwrap() as i32)
}

/// What an `apt-get` says that tries now.
#[track_caller]
fn tries(scene: &Scene) -> String {
    let line = format!("{} 2>&1 || true", installs(scene, ""));
    scene.stage().does(format!("run('sh', '-c', {line:?})")).as_str().unwrap().to_owned()
}

/// Waits until the lock has those in its queue; the lock.
#[track_caller]
fn queue(scene: &Scene, path: &Path, expected: &[i32]) -> Value {
    let mut expected: Vec<_> = expected.iter().map(|pid| Some(*pid)).collect();
    expected.sort_unstable();
    wait_until("they wait", || {
        let report = scene.look_as(Viewer::Ourselves, &[path.to_str().unwrap()]);
        let lock = lock_at(scene, &report, path)?;
        let mut waiters = pids(&lock["waiters"]);
        waiters.sort_unstable();
        (waiters == expected).then_some(lock)
    })
}

#[test]
fn apt_get_has_dpkg_s_locks_while_it_installs() {
    let Some(scene) = machine() else { return };
    let (apt, dpkg) = install(&scene);
    let report = scene.look_as(Viewer::Ourselves, &["/var/lib/dpkg", "/var/cache/apt"]);
    for (path, name, command, pid) in [
        (FRONTEND, "dpkg frontend lock", "apt-get", apt.pid),
        (DATABASE, "dpkg database lock", "dpkg", dpkg),
        (DOWNLOADS, "apt download lock", "apt-get", apt.pid),
    ] {
        let lock = lock_at(&scene, &report, Path::new(path)).unwrap();
        let holder = &lock["holders"][0];
        assert_eq!((&lock["family"], &lock["name"]), (&json!("posix"), &json!(name)));
        assert_eq!(lock["verdict"], "held", "{lock:#}");
        assert_eq!(pids(&lock["holders"]), [Some(pid)]);
        assert_eq!((&holder["command"], &holder["certainty"]), (&json!(command), &json!("proven")));
        let text = scene.explain(path);
        assert!(text.contains(&format!("Held by {command} (pid {pid})")), "{text}");
        assert_eq!(text.contains("then run 'dpkg --configure -a'"), path != DOWNLOADS, "{text}");
    }

    // Another one tries once a second: it stands in no queue, and nothing is made up.
    let kept_out =
        format!("Could not get lock {FRONTEND}. It is held by process {} (apt-get)", apt.pid);
    assert!(tries(&scene).contains(&kept_out));
    let polls = installs(&scene, "-o DPkg::Lock::Timeout=600");
    let other = scene.shell(&format!("exec {polls} >other 2>&1"), &[]);
    says(&scene, "other", &format!("Waiting for cache lock: {kept_out}"));
    let lock = queue(&scene, Path::new(FRONTEND), &[]);
    assert_eq!(lock["verdict"], "held", "{lock:#}");

    // Who wants it with us does; who only waits until it is free looks on, and takes nothing.
    let target = format!("posix:{FRONTEND}");
    told(&scene, &["wait", "--no-wait", &target], &[1]);
    let waits = begins(&scene, &format!("wait {target}"), "waits");
    let runs = begins(&scene, &format!("run {target} -- touch ours"), "runs");
    let lock = queue(&scene, Path::new(FRONTEND), &[runs.pid]);
    assert_eq!(lock["verdict"], "contended", "{lock:#}");
    assert_eq!(lock["waiters"][0]["how"], "kernel");
    for file in ["waits", "runs"] {
        says(&scene, file, &format!("apt-get (pid {}, root)", apt.pid));
    }
    assert!(!scene.path("ours").exists());
    opens(&scene, 1);
    is_there(&scene, "ours");
    for shell in [waits, runs, apt, other] {
        shell.ends_input();
    }
    says(&scene, "first", "Setting up locktop-test");
    says(&scene, "other", "already the newest version");
}

#[test]
fn apt_get_keeps_out_while_we_have_dpkg_s_lock() {
    let Some(scene) = machine() else { return };
    // There is nobody yet who would have made the file.
    scene.stage().does(format!("write('{FRONTEND}', '')"));
    let ours = begins(&scene, &format!("hold posix:{FRONTEND}"), "hold");
    says(&scene, "hold", "held ");
    // The kernel names nobody for an open-file-description lock, so apt-get does not either.
    let text = tries(&scene);
    let kept_out = format!("Could not get lock {FRONTEND}");
    assert!(text.contains(&format!("{kept_out} - open (11: Resource")), "{text}");
    assert!(!text.contains("held by process"), "{text}");
    let polls = installs(&scene, "-o DPkg::Lock::Timeout=600");
    let apt = scene.shell(&format!("exec {polls} >first 2>&1"), &[]);
    says(&scene, "first", &format!("Waiting for cache lock: {kept_out}"));
    let lock = queue(&scene, Path::new(FRONTEND), &[]);
    assert_eq!(pids(&lock["holders"]), [Some(ours.pid)]);
    assert!(!scene.path("begun").exists());
    send(Signal::TERM, ours.pid);
    ours.ends_input();
    is_there(&scene, "begun");
    opens(&scene, 1);
    apt.ends_input();
    says(&scene, "first", "Setting up locktop-test");
}

#[test]
fn dpkg_goes_on_when_apt_get_is_killed() {
    let Some(scene) = machine() else { return };
    let (apt, dpkg) = install(&scene);
    send(Signal::KILL, apt.pid);
    apt.ends_input();
    // The frontend lock went with apt-get, and dpkg has its own still.
    let report = scene.look_as(Viewer::Ourselves, &["/var/lib/dpkg", "/var/cache/apt"]);
    let lock = |path| lock_at(&scene, &report, Path::new(path));
    assert_eq!((lock(FRONTEND), lock(DOWNLOADS)), (None, None));
    let lock = lock(DATABASE).unwrap();
    assert_eq!((&lock["verdict"], pids(&lock["holders"])), (&json!("held"), vec![Some(dpkg)]));
    assert_eq!(lock["holders"][0]["certainty"], "proven");
    told(&scene, &["wait", "--no-wait", &format!("posix:{FRONTEND}")], &[0]);
    let database = format!("posix:{DATABASE}");
    let has_it = format!("dpkg (pid {dpkg}, root)");
    says_while_it_waits(&scene, &format!("wait {database}"), &has_it);
    told(&scene, &["wait", "--timeout", "0.2", &database], &[1]);
    let text = tries(&scene);
    let kept_out = format!("Could not get lock {DATABASE}. It is held by process {dpkg} (dpkg)");
    assert!(text.contains(&kept_out), "{text}");

    // What is advised is what apt-get itself asks for then, and it can go on.
    let advice = "dpkg --configure -a";
    assert!(scene.explain(DATABASE).contains(&format!("End the holder, then run '{advice}'")));
    let waits = begins(&scene, &format!("wait {database}"), "waits");
    says(&scene, "waits", &has_it);
    send(Signal::KILL, dpkg);
    waits.ends_input();
    let text = tries(&scene);
    assert!(text.contains(&format!("you must manually run '{advice}'")), "{text}");
    scene.stage().does("run('dpkg', '--configure', '-a')");
    opens(&scene, 2); // The script of the one that was killed stands there too.
    let text = tries(&scene);
    assert!(!text.contains("manually run"), "{text}");
}

/// A cargo that wants what a registry does not tell, in a home of its own.
fn fetches<'a>(scene: &'a Scene, file: &str) -> Shell<'a> {
    let line = "cd p && export CARGO_HOME=../home no_proxy=127.0.0.1 && \
                exec cargo generate-lockfile >../$1 2>&1";
    scene.shell(line, &[file])
}

#[test]
fn cargo_has_its_package_cache() {
    let Some(scene) = Scene::with(&[Need::Program("cargo")]) else { return };
    for folder in ["p/src", "home"] {
        fs::create_dir_all(scene.path(folder)).unwrap();
    }
    fs::write(
        scene.path("p/Cargo.toml"),
        "[package]\nname = \"p\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
         [dependencies]\nq = \"1\"\n[workspace]\n",
    )
    .unwrap();
    fs::write(scene.path("p/src/lib.rs"), "").unwrap();
    scene.stage().does("mute = socket.create_server(('127.0.0.1', 0))");
    let port = scene.stage().does("mute.getsockname()[1]");
    fs::write(
        scene.path("home/config.toml"),
        format!(
            "[source.crates-io]\nreplace-with = \"mute\"\n\
             [source.mute]\nregistry = \"sparse+http://127.0.0.1:{port}/\"\n\
             [http]\ntimeout = 3600\n"
        ),
    )
    .unwrap();

    let path = scene.path("home/.package-cache");
    let target = path.to_str().unwrap();
    let first = fetches(&scene, "first");
    let held = wait_until("cargo has its lock", || {
        let report = scene.look_as(Viewer::Ourselves, &[scene.path("home").to_str().unwrap()]);
        report.all_at(&path).first().map(|lock| (*lock).clone())
    });
    assert_eq!((&held["family"], &held["name"]), (&json!("flock"), &json!("cargo package cache")));
    assert_eq!(pids(&held["holders"]), [Some(first.pid)]);
    let holder = &held["holders"][0];
    assert_eq!((&holder["command"], &holder["certainty"]), (&json!("cargo"), &json!("proven")));
    let has_it = format!("cargo (pid {}", first.pid);
    says_while_it_waits(&scene, &format!("run {target} -- true"), &has_it);
    told(&scene, &["run", "--timeout", "0.2", target, "--", "true"], &[1]);

    // Another one and we wait for it.
    let waits_for_it = "Blocking waiting for file lock on package cache";
    let second = fetches(&scene, "second");
    says(&scene, "second", waits_for_it);
    let lock = queue(&scene, &path, &[second.pid]);
    let waiter = &lock["waiters"][0];
    assert_eq!((&lock["verdict"], &waiter["how"]), (&json!("contended"), &json!("kernel")));
    assert!(waiter["waited"]["min_s"].is_number(), "{lock:#}");
    let text = scene.explain(target);
    assert!(text.contains(&format!("Held by cargo (pid {})", first.pid)), "{text}");
    assert!(text.contains(&format!("cargo (pid {}, ", second.pid)), "{text}");
    let waits = begins(&scene, &format!("wait {target}"), "waits");
    let runs = begins(&scene, &format!("run {target} -- touch ours"), "runs");
    queue(&scene, &path, &[second.pid, waits.pid, runs.pid]);
    assert!(!scene.path("ours").exists());
    for cargo in [second, first] {
        send(Signal::KILL, cargo.pid);
        cargo.ends_input();
    }
    waits.ends_input();
    runs.ends_input();
    is_there(&scene, "ours");

    // It waits for us.
    let ours = begins(&scene, &format!("hold {target}"), "hold");
    says(&scene, "hold", "held ");
    let third = fetches(&scene, "third");
    says(&scene, "third", waits_for_it);
    let lock = queue(&scene, &path, &[third.pid]);
    assert_eq!(pids(&lock["holders"]), [Some(ours.pid)]);
    send(Signal::TERM, ours.pid);
    ours.ends_input();
    let lock = queue(&scene, &path, &[]);
    assert_eq!(pids(&lock["holders"]), [Some(third.pid)]);
    send(Signal::KILL, third.pid);
    third.ends_input();
}
