//! Locks as nerdctl takes them: flock(2) of folders that are opened for reading only, waiting without
//! a limit.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;
use support::{Actor, Need, Report, Scene, Viewer, pids, records, wait_until};

const DATA: &str = ".local/share/nerdctl/1935db59";
const ID: &str = "3f2a9c0d11ab7e4455d01b3c6b7a8f90112233445566778899aabbccddeeff00";
const NETWORKS: &str = ".config/cni/net.d";

/// A user's home with a data folder of nerdctl's, one container in it.
struct Home(Scene);

impl Home {
    fn with(needs: &[Need]) -> Option<Self> {
        let home = Self(Scene::with(needs)?);
        for folder in ["volumes/default", "names/default", "etchosts/default"] {
            fs::create_dir_all(home.data(folder)).unwrap();
        }
        let container = home.container("");
        fs::create_dir_all(container.join("oplock")).unwrap();
        fs::write(container.join("logger-lock"), "").unwrap();
        let notes = home.data("etchosts/default").join(ID);
        fs::create_dir(&notes).unwrap();
        let meta = format!(r#"{{"ID":"{ID}","Networks":{{}},"Hostname":"web","Name":"web"}}"#);
        fs::write(notes.join("meta.json"), meta).unwrap();
        fs::write(home.data("names/default/web"), ID).unwrap();
        fs::create_dir_all(home.0.path(NETWORKS)).unwrap();
        fs::write(home.0.path(NETWORKS).join(".nerdctl.lock"), "").unwrap();
        Some(home)
    }

    fn data(&self, below: &str) -> PathBuf {
        let data = self.0.path(DATA);
        if below.is_empty() { data } else { data.join(below) }
    }

    fn container(&self, below: &str) -> PathBuf {
        let container = self.data(&format!("containers/default/{ID}"));
        if below.is_empty() { container } else { container.join(below) }
    }

    /// Somebody who is called so.
    fn program(&self, name: &str) -> Actor {
        let actor = self.0.actor();
        actor.does(format!("libc.prctl(15, b'{name}', 0, 0, 0)"));
        actor
    }

    fn target(&self, below: &str) -> String {
        format!("nerdctl:{}", self.data(below).display())
    }
}

/// As nerdctl locks.
fn locks(path: &Path) -> String {
    format!("flock(os.open('{}', os.O_RDONLY), EX)", path.display())
}

fn ids(report: &Report) -> Vec<String> {
    let id = |lock: &Value| lock["id"].as_str().unwrap().to_owned();
    let mut ids: Vec<_> = report.locks().iter().map(id).collect();
    ids.sort();
    ids
}

#[test]
fn each_lock_is_told_for_what_it_is() {
    let Some(home) = Home::with(&[]) else { return };
    let holder = home.program("nerdctl");
    let all = [
        (home.data(""), "compose", "nerdctl compose"),
        (home.data("volumes/default"), "volumes", "nerdctl volumes of namespace default"),
        (home.data("names/default"), "names", "nerdctl names of namespace default"),
        (home.data("etchosts/default"), "hosts", "nerdctl hosts of namespace default"),
        (
            home.container(""),
            "container",
            "nerdctl container 3f2a9c0d11ab… (web) of namespace default",
        ),
        (
            home.container("oplock"),
            "operation",
            "nerdctl operation on container 3f2a9c0d11ab… (web) of namespace default",
        ),
        (
            home.container("logger-lock"),
            "logger",
            "nerdctl logger of container 3f2a9c0d11ab… (web) of namespace default",
        ),
        (home.0.path(NETWORKS).join(".nerdctl.lock"), "networks", "nerdctl networks"),
        (home.0.path(NETWORKS), "network-folder", "container networks"),
    ];
    for (path, ..) in &all {
        holder.does(locks(path));
    }
    let below = home.target("");
    let report = home.0.look_as(Viewer::Ourselves, &[&below]);
    assert_eq!(report.locks().len(), all.len(), "{:#}", report.document);
    for (path, kind, name) in &all {
        let lock = report.at(path);
        assert_eq!(lock["name"], *name);
        assert_eq!(lock["details"]["kind"], *kind);
        assert_eq!((&lock["family"], &lock["mechanism"]), (&"nerdctl".into(), &"flock".into()));
        assert!(lock["id"].as_str().unwrap().starts_with("@nerdctl:"), "{lock:#}");
        assert_eq!(lock["normal"], *kind == "logger", "{kind}");
        assert_eq!(
            (&lock["verdict"], pids(&lock["holders"])),
            (&"held".into(), vec![Some(holder.pid)])
        );
    }
    let details = &report.at(&home.container("logger-lock"))["details"];
    assert_eq!(details["namespace"], "default");
    assert_eq!((&details["container"], &details["container_name"]), (&ID.into(), &"web".into()));

    // The same whatever was asked for.
    let everything = home.0.look();
    for (path, ..) in &all {
        assert_eq!(everything.at(path)["id"], report.at(path)["id"]);
    }
    let folder = home.data("");
    let bare = ids(&home.0.look_as(Viewer::Ourselves, &[folder.to_str().unwrap()]));
    assert_eq!(bare.len(), all.len() - 2, "networks are elsewhere");
    assert!(bare.iter().all(|id| ids(&report).contains(id)));
    let root = home.target("").replace("/1935db59", "");
    assert_eq!(ids(&home.0.look_as(Viewer::Ourselves, &[&root])), ids(&report));
    let names = home.target("names/default");
    let one = home.0.look_as(Viewer::Ourselves, &[&names]);
    assert_eq!(ids(&one), [report.at(&home.data("names/default"))["id"].as_str().unwrap()]);
    // And both ways in which it can be called.
    let id = ids(&one).remove(0);
    for id in [id.clone(), id.replace("@nerdctl", "@flock")] {
        assert_eq!(home.0.look_as(Viewer::Ourselves, &[&id]).locks().len(), 1, "{id}");
    }
}

#[test]
fn a_hanging_compose_and_its_queue_are_told_as_a_colleague_would() {
    let Some(home) = Home::with(&[]) else { return };
    let compose = home.program("nerdctl");
    compose.does(locks(&home.data("")));
    let queue: Vec<Actor> = (0..3).map(|_| home.program("nerdctl")).collect();
    for waiter in &queue {
        waiter.waits(locks(&home.data("")));
    }
    let below = home.target("");
    let report = home.0.look_as(Viewer::Ourselves, &[&below]);
    let lock = report.at(&home.data(""));
    assert_eq!(lock["verdict"], "contended");
    let expected: Vec<_> = queue.iter().map(|waiter| Some(waiter.pid)).collect();
    assert_eq!(pids(&lock["waiters"]), expected);

    let table = home.0.locktop(Viewer::Ourselves, &["ls", &below]);
    let table = String::from_utf8(table.stdout).unwrap();
    let row = table.lines().nth(1).unwrap();
    let holder = format!("nerdctl {}", compose.pid);
    for words in ["contended", "(nerdctl compose)", "nerdctl X", &holder, "3 · "] {
        assert!(row.contains(words), "{words}: {row}");
    }
    let said = home.0.explain(&below);
    for words in [
        "Every 'nerdctl compose' command takes it when it starts, for all projects at once, and keeps",
        "nothing is wrong with them.",
        &format!("nerdctl {}", queue[0].pid),
        "locktop wait nerdctl:",
        "run it again, 'up' with '-d'",
    ] {
        assert!(words.split(' ').all(|word| said.contains(word)), "{words}: {said}");
    }
    assert!(!said.contains("is not nerdctl"), "{said}");

    // Killed, it is the next one's.
    compose.ends();
    queue[0].answer();
    let report = home.0.look_as(Viewer::Ourselves, &[&below]);
    let lock = report.at(&home.data(""));
    assert_eq!(
        (pids(&lock["holders"]), pids(&lock["waiters"]).len()),
        (vec![Some(queue[0].pid)], 2)
    );
}

#[test]
fn who_locks_the_networks_and_is_not_nerdctl_is_told() {
    let Some(home) = Home::with(&[]) else { return };
    let stranger = home.program("cilium-agent");
    stranger.does(locks(&home.0.path(NETWORKS)));
    let waiter = home.program("nerdctl");
    waiter.waits(locks(&home.0.path(NETWORKS)));
    let said = home.0.explain(home.0.path(NETWORKS).to_str().unwrap());
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("Whoever has it now, cilium-agent, is not nerdctl."), "{said}");
    assert!(words.contains("such as Cilium"), "{said}");
}

#[test]
fn what_has_no_name_of_a_container_is_told_without() {
    let Some(home) = Home::with(&[]) else { return };
    let notes = home.data("etchosts/default").join(ID).join("meta.json");
    let holder = home.program("nerdctl");
    holder.does(locks(&home.container("logger-lock")));
    let name = || {
        let report = home.0.look();
        report.at(&home.container("logger-lock"))["name"].as_str().unwrap().to_owned()
    };
    let plain = "nerdctl logger of container 3f2a9c0d11ab… of namespace default";
    for text in ["", "{", "{\"Name\": [1]}", &"x".repeat(100_000)] {
        fs::write(&notes, text).unwrap();
        assert_eq!(name(), plain);
    }
    fs::remove_file(&notes).unwrap();
    assert_eq!(name(), plain);
    rustix::fs::mkfifoat(rustix::fs::CWD, &notes, 0o600.into()).unwrap();
    assert_eq!(name(), plain);
}

/// `locktop` that is ended with the test.
struct Running(Child);

impl Running {
    fn start(home: &Home, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_locktop"));
        command.args(arguments).current_dir(home.0.folder()).stdin(Stdio::null());
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn pid(&self) -> i32 {
        self.0.id() as i32
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn both_sides_respect_each_other_and_outlive_each_other() {
    let Some(home) = Home::with(&[]) else { return };
    let (path, target) = (home.data("names/default"), home.target("names/default"));
    let waits = |pid: i32| {
        let of = |record: &support::Record| record.pid == pid && record.waits;
        wait_until("it stands in the queue", || records(&path).iter().any(of).then_some(()));
    };
    let has = |pid: i32| {
        let of = |record: &support::Record| record.pid == pid && !record.waits;
        wait_until("it has the lock", || records(&path).iter().any(of).then_some(()));
    };
    // They have it: ours waits, or goes away; killed, they leave it to ours.
    let nerdctl = home.program("nerdctl");
    nerdctl.does(locks(&path));
    for command in ["wait", "hold"] {
        let output = home.0.locktop(Viewer::Ourselves, &[command, "--no-wait", &target]);
        assert_eq!(output.status.code(), Some(1), "{command}");
    }
    let ours = Running::start(&home, &["hold", &target]);
    waits(ours.pid());
    nerdctl.ends();
    has(ours.pid());
    // Ours has it, as one of its family; killed, it leaves it to them.
    let report = home.0.look();
    assert_eq!(report.at(&path)["family"], "nerdctl");
    let next = home.program("nerdctl");
    next.waits(locks(&path));
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(ours.pid()).unwrap(),
        Signal::KILL,
    )
    .unwrap();
    next.answer();
    has(next.pid);
    // A command runs under it as soon as they let go.
    let script = format!("flock -n {} true && touch not-locked; touch done", path.display());
    let ran = Running::start(&home, &["run", &target, "--", "sh", "-c", &script]);
    waits(ran.pid());
    next.ends();
    wait_until("the command has run", || home.0.path("done").exists().then_some(()));
    assert!(!home.0.path("not-locked").exists());
}

#[test]
fn nothing_is_made_and_one_lock_is_meant() {
    let Some(home) = Home::with(&[]) else { return };
    let missing = home.target("names/elsewhere");
    for command in ["wait", "hold", "run"] {
        let arguments: &[&str] = if command == "run" {
            &[command, &missing, "--", "true"]
        } else {
            &[command, &missing]
        };
        let output = home.0.locktop(Viewer::Ourselves, arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{command}: {said}");
        assert!(said.contains("does not exist, and only nerdctl makes it"), "{said}");
    }
    assert!(!home.data("names/elsewhere").exists());
    let root = home.target("").replace("/1935db59", "");
    let several = home.0.locktop(Viewer::Ourselves, &["run", &root, "--", "true"]);
    let said = String::from_utf8(several.stderr).unwrap();
    assert_eq!(several.status.code(), Some(2), "{said}");
    assert!(said.contains("is no lock of nerdctl's"), "{said}");
    // A data folder's own is that of compose, under which what it says of itself leads to it again.
    let again = "test \"$LOCKTOP_TARGET\" = \"$1\" && ! flock -n \"${1#nerdctl:}\" true";
    let data = home.target("");
    let arguments = ["run", &data, "--", "sh", "-c", again, "sh", &data];
    assert_eq!(home.0.locktop(Viewer::Ourselves, &arguments).status.code(), Some(0));
    let folder = home.data("");
    let arguments = ["run", folder.to_str().unwrap(), "--", "true"];
    let own = home.0.locktop(Viewer::Ourselves, &arguments);
    let said = String::from_utf8(own.stderr).unwrap();
    assert_eq!(own.status.code(), Some(0), "{said}");
    assert!(said.contains("is locked as 'nerdctl:'"), "{said}");
}

#[test]
fn the_administrators_are_known_too() {
    let Some(home) = Home::with(&[Need::Root, Need::Program("nsenter")]) else { return };
    home.0.has_private_mounts();
    let stage = home.0.stage();
    stage.does("mount('none', '/var/lib', 'tmpfs'); mount('none', '/etc/cni', 'tmpfs')");
    let data = "/var/lib/nerdctl/1935db59";
    stage.does(format!("os.makedirs('{data}/volumes/default'); os.makedirs('/etc/cni/net.d')"));
    stage.does("write('/etc/cni/net.d/.cni-concurrency.lock', '')");
    let holder = home.program("nerdctl");
    let paths = [data, "/var/lib/nerdctl/1935db59/volumes/default"];
    let networks = "/etc/cni/net.d/.cni-concurrency.lock";
    for path in paths.iter().chain([&networks]) {
        holder.does(locks(path.as_ref()));
    }
    for target in [format!("nerdctl:{data}"), "nerdctl:/var/lib/nerdctl".into()] {
        let report = home.0.look_as(Viewer::Ourselves, &[&target]);
        assert_eq!(report.locks().len(), 3, "{:#}", report.document);
        assert_eq!(report.at(networks.as_ref())["details"]["kind"], "network-hooks");
        assert_eq!(report.at(data.as_ref())["details"]["kind"], "compose");
    }
}
