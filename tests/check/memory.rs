//! What one run knows of the runs before it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::desk::{Run, check, document, locktop, memory, sees_all, target, with};
use crate::support::{Actor, Need, Scene, Viewer, wait_until};

const SECOND: Duration = Duration::from_secs(1);

/// Looks at one lock, and finds nothing.
const QUIET: [&str; 3] = ["--max-waiters", "9", "l"];

/// A lock whose taker is gone: one look alone tells nothing of when that was.
fn left_to_an_heir(scene: &Scene, name: &str) -> Actor {
    let taker = scene.actor();
    taker.does(format!("flock('{name}', EX)"));
    let heir = taker.forks();
    taker.ends();
    heir
}

fn passes(time: Duration) {
    let began = Instant::now();
    wait_until("time has passed", || (began.elapsed() > time).then_some(()));
}

/// How many processes and threads there have been.
fn births() -> u64 {
    let text = fs::read_to_string("/proc/stat").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("processes "));
    line.unwrap().trim().parse().unwrap()
}

/// Whether it can be known that nobody else has had the number of one who was gone `then`.
fn numbers_stand(then: u64) -> bool {
    let most: u64 = fs::read_to_string("/proc/sys/kernel/pid_max").unwrap().trim().parse().unwrap();
    sees_all() && births() - then < (most - 300) / 2
}

/// The age of the one lock below the scene's folder, by `check --json`.
#[track_caller]
fn age(scene: &Scene, name: &str) -> Value {
    let found = document(scene, &["--max-age", "0", "--max-waiters", "0", name]);
    let found = found["findings"].as_array().unwrap();
    let age = found.iter().find(|finding| finding["finding"] == "age");
    // Where nothing is proven, there is no finding, but `ls` has read the same.
    age.map_or_else(|| listed(scene, name), |age| age["lock"]["age"].clone())
}

#[track_caller]
fn listed(scene: &Scene, name: &str) -> Value {
    let run = locktop(scene, Viewer::Ourselves, &["ls", "--json", name]);
    let document: Value = serde_json::from_str(&run.printed).unwrap();
    let [lock] = &document["locks"].as_array().unwrap()[..] else { panic!("{document:#}") };
    lock["age"].clone()
}

fn seconds(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number but {value}"))
}

#[test]
fn since_when_it_was_seen_is_known_from_run_to_run() {
    let Some(scene) = Scene::with(&[]) else { return };
    let heir = left_to_an_heir(&scene, "l");
    let limit = ["--max-age", "1", "l"];
    let (before, born) = (Instant::now(), births());
    assert_eq!(check(&scene, &limit).status, 0);
    let seen = Instant::now();
    // It may run as it likes: only whoever took it can have retaken it, and he is gone.
    wait_until("time has passed", || {
        heir.does("1 + 1");
        (seen.elapsed() > SECOND + SECOND / 2).then_some(())
    });
    let least = seen.elapsed().as_secs_f64();
    let age = age(&scene, "l");
    let found = check(&scene, &limit);
    if !numbers_stand(born) {
        return;
    }
    let most = before.elapsed().as_secs_f64();
    let proven = seconds(&age["min_s"]);
    assert!(proven >= least && proven <= most, "{proven} is not in {least}..{most}");
    assert!(age["evidence"].to_string().contains("observed"), "{age}");
    assert_eq!((found.status, found.findings().len()), (1, 1), "{found:?}");
    let forgetful =
        with(&scene, Viewer::Ourselves, &["LOCKTOP_MEMORY="], &[&["check"], &limit[..]].concat());
    assert_eq!((forgetful.status, &*forgetful.printed), (0, ""), "{forgetful:?}");
}

#[test]
fn a_holder_that_slept_has_kept_it_from_run_to_run() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    // Of such a lock the kernel does not say who took it.
    holder.does("ofd('l')");
    holder.rests();
    let first = document(&scene, &["l"]);
    let seen = Instant::now();
    passes(SECOND);
    let least = seen.elapsed().as_secs_f64();
    let second = document(&scene, &["--max-age", "0", "l"]);
    // Else somebody who was not seen may share it.
    if first["complete"] == true && second["complete"] == true {
        let age = &second["findings"][0]["lock"]["age"];
        assert!(seconds(&age["min_s"]) >= least, "{second:#}");
        assert!(age["evidence"].to_string().contains("observed"), "{age}");
    }
}

#[test]
fn a_holder_that_ran_meanwhile_is_not_claimed_to_have_kept_it() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("fd = flock('l', EX)");
    assert_eq!(check(&scene, &["l"]).status, 0);
    let seen = Instant::now();
    passes(SECOND);
    let before = Instant::now();
    holder.does("fcntl.flock(fd, UN); fcntl.flock(fd, EX)");
    let age = age(&scene, "l");
    let longest = before.elapsed().as_secs_f64();
    assert!(seconds(&age["min_s"]) <= longest, "{age} is not at most {longest}");
    // While it runs all the time it is counted how often it was seen.
    holder.does("in_thread(lambda: exec('while True: pass'))");
    wait_until("it was seen several times", || {
        let evidence = listed_after_check(&scene)["evidence"].to_string();
        evidence.contains("seen ").then_some(())
    });
    let limit = seen.elapsed().as_secs_f64();
    let run = check(&scene, &["--max-age", &format!("{limit:.3}"), "l"]);
    assert_eq!((run.status, &*run.printed), (0, ""), "{run:?}");
}

/// The age of the lock `l`, when one more run has seen it.
fn listed_after_check(scene: &Scene) -> Value {
    check(scene, &["l"]);
    listed(scene, "l")
}

#[test]
fn what_was_not_there_at_the_run_before_is_newer() {
    let Some(scene) = Scene::with(&[]) else { return };
    // A table that does not come in one piece, as on a machine with many locks, proves no absence.
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        fs::write(scene.path(name), "").unwrap();
        passes(SECOND / 2);
        let before = Instant::now();
        check(&scene, &[name]);
        let remembered = fs::read_to_string(memory(&scene).join("first-seen")).unwrap();
        let _heir = left_to_an_heir(&scene, name);
        let age = age(&scene, name);
        let longest = before.elapsed().as_secs_f64();
        if remembered.contains("\"absence_is_proof\":true") && sees_all() {
            let most = seconds(&age["max_s"]);
            assert!(most <= longest, "{most} is not at most {longest}");
            assert!(age["evidence"].to_string().contains("observed"), "{age}");
            return;
        }
    }
}

#[test]
fn whoever_waits_is_told_since_when() {
    let Some(scene) = Scene::with(&[]) else { return };
    // It cannot be older than its file, which alone would tell too much.
    fs::write(scene.path("l"), "").unwrap();
    passes(SECOND);
    let _heir = left_to_an_heir(&scene, "l");
    let born = births();
    check(&scene, &["l"]);
    passes(SECOND);
    let mut wait = Command::new(env!("CARGO_BIN_EXE_locktop"))
        .args(["wait", "--timeout", "5m", &target(&scene, "l")])
        .env("LOCKTOP_MEMORY", memory(&scene))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(wait.stderr.take().unwrap()).lines().map_while(Result::ok);
    let told = said.into_iter().find(|line| line.contains(" had it for "));
    wait.kill().unwrap();
    wait.wait().unwrap();
    let told = told.expect("since when it is held is said");
    // Whoever remembers nothing knows only how old the file is.
    assert!(!told.contains(" had it for at most ") || !numbers_stand(born), "{told}");
}

#[test]
fn whoever_lists_or_explains_uses_it_and_writes_nothing() {
    let Some(scene) = Scene::with(&[]) else { return };
    let _heir = left_to_an_heir(&scene, "l");
    let looks = || {
        for args in [&["ls"][..], &["ls", "--json", "l"], &["explain", "l"]] {
            assert_eq!(locktop(&scene, Viewer::Ourselves, args).status, 0, "{args:?}");
        }
    };
    looks();
    assert!(!memory(&scene).exists());
    let born = births();
    check(&scene, &["l"]);
    let seen = Instant::now();
    let file = memory(&scene).join("first-seen");
    let state = || {
        let found = file.metadata().unwrap();
        (fs::read(&file).unwrap(), found.ino(), found.mtime_nsec(), found.ctime_nsec())
    };
    let before = state();
    passes(SECOND);
    let least = seen.elapsed().as_secs_f64();
    let proven = seconds(&listed(&scene, "l")["min_s"]);
    assert!(proven >= least || !numbers_stand(born), "{proven} is not at least {least}");
    looks();
    assert_eq!(state(), before);
    let names = fs::read_dir(memory(&scene)).unwrap().count();
    assert_eq!((names, fs::metadata(&file).unwrap().mode() & 0o777), (1, 0o600));
}

/// That nothing earlier is used, and why not.
#[track_caller]
fn doubts(scene: &Scene, word: &str) -> Run {
    let run = check(scene, &QUIET);
    assert_eq!((run.status, &*run.printed), (0, ""), "{run:?}");
    assert!(run.said.contains("what was seen earlier is not used"), "{run:?}");
    assert!(run.said.contains(word), "{run:?}");
    run
}

#[test]
fn what_is_damaged_is_said_and_replaced() {
    let Some(scene) = Scene::with(&[]) else { return };
    let _heir = left_to_an_heir(&scene, "l");
    check(&scene, &["l"]);
    passes(SECOND / 2);
    let file = memory(&scene).join("first-seen");
    let whole = fs::read(&file).unwrap();
    let first_seen = whole.windows(4).rposition(|bytes| bytes.iter().all(u8::is_ascii_digit));
    let mut altered = whole.clone();
    altered[first_seen.unwrap()] ^= 1;
    let long = vec![b'x'; 4 << 20];
    for damaged in [&altered[..], &whole[..whole.len() / 2], b"", b"\xff\n", &long] {
        fs::write(&file, damaged).unwrap();
        let listed = locktop(&scene, Viewer::Ourselves, &["ls", "--json", "l"]);
        assert_eq!(listed.status, 0, "{listed:?}");
        assert!(listed.printed.contains("memory_damaged"), "{listed:?}");
        doubts(&scene, "damaged");
        let again = check(&scene, &["l"]);
        assert!(!again.said.contains("not used"), "{again:?}");
    }
}

#[test]
fn what_somebody_else_can_write_is_neither_read_nor_written() {
    let Some(scene) = Scene::with(&[]) else { return };
    let _heir = left_to_an_heir(&scene, "l");
    check(&scene, &["l"]);
    let folder = memory(&scene);
    let file = folder.join("first-seen");
    let whole = fs::read(&file).unwrap();
    let permit = |path, mode| fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();

    permit(&file, 0o666);
    assert!(doubts(&scene, "others may write to it").said.contains("cannot be remembered"));
    permit(&file, 0o600);
    permit(&folder, 0o770);
    doubts(&scene, "others may write to its folder");
    permit(&folder, 0o700);
    assert_eq!(fs::read(&file).unwrap(), whole);

    // A link to somebody's file, where ours should be: it is replaced, and what it names is not.
    let precious = scene.path("precious");
    fs::write(&precious, "precious").unwrap();
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(&precious, &file).unwrap();
    doubts(&scene, "damaged");
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    assert!(fs::symlink_metadata(&file).unwrap().is_file());

    // A folder that is a link could be anybody's.
    fs::rename(&folder, scene.path(".elsewhere")).unwrap();
    std::os::unix::fs::symlink(scene.path(".elsewhere"), &folder).unwrap();
    doubts(&scene, "it is no folder");
}

#[test]
fn what_another_user_has_planted_is_not_believed() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let stranger = scene.nobody();
    let _heir = left_to_an_heir(&scene, "l");
    stranger.does("os.mkdir('.memory'); write('.memory/first-seen', 'planted')");
    doubts(&scene, "its folder belongs to another user, uid 65534");
    let file = memory(&scene).join("first-seen");
    assert_eq!(fs::read_to_string(&file).unwrap(), "planted");
    // Nor does he have us make it his way: each user has a folder of his own.
    let environment =
        ["-u", "LOCKTOP_MEMORY", &format!("XDG_RUNTIME_DIR={}", target(&scene, "run"))];
    stranger.does("os.mkdir('run', 0o700)");
    let args = [&["check"], &QUIET[..]].concat();
    let run = with(&scene, Viewer::Nobody, &environment, &args);
    assert_eq!((run.status, &*run.printed), (0, ""), "{run:?}");
    let file = scene.path("run/locktop/first-seen");
    let found = fs::metadata(&file).unwrap();
    assert_eq!((found.uid(), found.mode() & 0o777), (65534, 0o600));
}

#[test]
fn where_we_may_not_look_there_is_nothing_of_ours() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let root = scene.actor();
    root.does("os.mkdir('private', 0o700); flock('l', EX)");
    let environment = [&*format!("LOCKTOP_MEMORY={}", target(&scene, "private/memory"))];
    let listed = with(&scene, Viewer::Nobody, &environment, &["ls", "--json", "l"]);
    assert_eq!(listed.status, 0, "{listed:?}");
    assert!(!listed.printed.contains("memory_"), "{listed:?}");
    let args = [&["check"], &QUIET[..]].concat();
    let run = with(&scene, Viewer::Nobody, &environment, &args);
    assert_eq!((run.status, &*run.printed), (0, ""), "{run:?}");
    assert!(run.said.contains("cannot be remembered for the next run"), "{run:?}");
}

#[test]
fn runs_at_once_do_not_disturb_each_other() {
    let Some(scene) = Scene::with(&[]) else { return };
    let _heir = left_to_an_heir(&scene, "l");
    let folder = memory(&scene);
    for _ in 0..3 {
        let runs: Vec<_> = (0..6)
            .map(|_| {
                Command::new(env!("CARGO_BIN_EXE_locktop"))
                    .args(["check", "--max-waiters", "9", &target(&scene, "l")])
                    .env("LOCKTOP_MEMORY", &folder)
                    .stdin(Stdio::null())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        for run in runs {
            let output = run.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!((output.status.code(), output.stdout), (Some(0), Vec::new()), "{said}");
            assert!(!said.contains("not used") && !said.contains("remembered"), "{said}");
        }
    }
    let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(names.len(), 1, "{names:?}");
    let run = check(&scene, &["l"]);
    assert!(!run.said.contains("not used"), "{run:?}");
}
