//! Who holds a lock, and through what.

use serde_json::{Value, json};

use crate::support::{Report, Scene, pids, records, state, wait_until};

/// The grants and descriptors of the holders, in order of their grant.
fn grants(lock: &Value) -> Vec<(i64, i64, Value)> {
    let number = |value: &Value| value.as_i64().unwrap();
    let holders = lock["holders"].as_array().unwrap().iter();
    let mut grants: Vec<_> = holders
        .map(|holder| (number(&holder["grant"]), number(&holder["pid"]), holder["fds"].clone()))
        .collect();
    grants.sort_by_key(|(grant, pid, _)| (*grant, *pid));
    grants
}

#[test]
fn all_who_share_an_open_file_hold_its_grant() {
    let Some(scene) = Scene::with(&[]) else { return };
    let taker = scene.actor();
    let fd = taker.does("flock('l', EX)").as_i64().unwrap();
    let heirs = [taker.forks(), taker.forks()];

    let report = scene.look();
    let seen = report.at(&scene.path("l"));
    let mut all: Vec<i64> = heirs.iter().chain([&taker]).map(|actor| actor.pid.into()).collect();
    all.sort_unstable();
    let expected: Vec<_> = all.into_iter().map(|pid| (1, pid, json!([fd]))).collect();
    assert_eq!(grants(seen), expected);
    for holder in seen["holders"].as_array().unwrap() {
        assert_eq!(holder["certainty"], "proven");
    }
    assert_eq!(seen["recorded_pid"], taker.pid);
    assert_eq!(seen["verdict"], "held");
    assert_eq!(seen["mode"], "exclusive");
}

#[test]
fn one_process_can_have_two_grants() {
    let Some(scene) = Scene::with(&[]) else { return };
    let actor = scene.actor();
    let fds = actor.does("[flock('l', SH), flock('l', SH)]");
    let report = scene.look();
    let seen = report.at(&scene.path("l"));
    assert_eq!(seen["mode"], "shared");
    let found = grants(seen);
    assert_eq!(found.iter().map(|grant| grant.0).collect::<Vec<_>>(), [1, 2], "{found:?}");
    assert!(found.iter().all(|grant| grant.1 == i64::from(actor.pid)), "{found:?}");
    let mut found: Vec<_> = found.iter().map(|grant| grant.2[0].clone()).collect();
    found.sort_by_key(Value::as_i64);
    assert_eq!(json!(found), fds);
}

#[test]
fn a_shared_lock_is_one_lock_with_several_holders() {
    let Some(scene) = Scene::with(&[]) else { return };
    let readers = [scene.actor(), scene.actor(), scene.actor()];
    for reader in &readers {
        reader.does("flock('l', SH)");
    }
    let report = scene.look();
    let found = grants(report.at(&scene.path("l")));
    let numbers: Vec<_> = found.iter().map(|grant| grant.0).collect();
    assert_eq!(numbers, [1, 2, 3]);
    let mut found: Vec<_> = found.iter().map(|grant| grant.1).collect();
    found.sort_unstable();
    let mut expected = readers.map(|reader| i64::from(reader.pid));
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn descriptor_zero_is_a_descriptor() {
    let Some(scene) = Scene::with(&[]) else { return };
    let actor = scene.actor();
    actor.does("os.close(0); assert flock('l', EX) == 0");
    let report = scene.look();
    let seen = report.at(&scene.path("l"));
    assert_eq!(pids(&seen["holders"]), [Some(actor.pid)]);
    assert_eq!(seen["holders"][0]["fds"], json!([0]));
}

#[test]
fn a_lock_on_a_folder_is_a_lock() {
    let Some(scene) = Scene::with(&[]) else { return };
    let actor = scene.actor();
    actor.does("os.mkdir('folder'); flock(os.open('folder', os.O_RDONLY), EX)");
    let report = scene.look();
    let seen = report.at(&scene.path("folder"));
    assert_eq!(pids(&seen["holders"]), [Some(actor.pid)]);
}

#[test]
fn posix_locks_have_ranges() {
    let Some(scene) = Scene::with(&[]) else { return };
    let [first, second] = [scene.actor(), scene.actor()];
    first.does("posix('l', WRITE, 0, 10)");
    second.does("posix('l', READ, 100)");
    let report = scene.look();
    let mut seen = report.all_at(&scene.path("l"));
    seen.sort_by_key(|lock| lock["range"]["start"].as_u64());
    assert_eq!(seen.len(), 2, "{seen:#?}");
    assert_eq!(seen[0]["range"], json!({"start": 0, "end": 9}));
    assert_eq!(seen[1]["range"], json!({"start": 100, "end": null}));
    for (lock, actor, mode) in [(seen[0], &first, "exclusive"), (seen[1], &second, "shared")] {
        assert_eq!(lock["mechanism"], "posix");
        assert_eq!(lock["mode"], mode);
        assert_eq!(lock["recorded_pid"], actor.pid);
        assert_eq!(pids(&lock["holders"]), [Some(actor.pid)]);
        assert_eq!(lock["holders"][0]["certainty"], "proven");
    }
    assert_ne!(seen[0]["id"], seen[1]["id"]);
}

#[test]
fn a_forked_child_does_not_inherit_a_posix_lock() {
    let Some(scene) = Scene::with(&[]) else { return };
    let actor = scene.actor();
    actor.does("posix('l')");
    let _child = actor.forks();
    let report = scene.look();
    assert_eq!(pids(&report.at(&scene.path("l"))["holders"]), [Some(actor.pid)]);
}

#[test]
fn an_open_file_description_lock_has_no_recorded_pid() {
    let Some(scene) = Scene::with(&[]) else { return };
    let actor = scene.actor();
    let fd = actor.does("ofd('l', WRITE, 5, 5)");
    assert_eq!(records(&scene.path("l"))[0].pid, -1);
    let report = scene.look();
    let seen = report.at(&scene.path("l"));
    assert_eq!(seen["mechanism"], "ofd");
    assert_eq!(seen["recorded_pid"], Value::Null);
    assert_eq!(seen["range"], json!({"start": 5, "end": 9}));
    assert_eq!(pids(&seen["holders"]), [Some(actor.pid)]);
    assert_eq!(seen["holders"][0]["certainty"], "proven");
    assert_eq!(seen["holders"][0]["fds"], json!([fd]));
}

#[test]
fn different_mechanisms_on_one_file_are_different_locks() {
    let Some(scene) = Scene::with(&[]) else { return };
    let actor = scene.actor();
    actor.does("flock('l', EX); posix('l', WRITE, 0, 1); ofd('l', WRITE, 8, 1)");
    let report = scene.look();
    let mut found: Vec<_> =
        report.all_at(&scene.path("l")).iter().map(|lock| lock["mechanism"].clone()).collect();
    found.sort_by_key(ToString::to_string);
    assert_eq!(found, ["flock", "ofd", "posix"]);
}

#[test]
fn a_descriptor_in_flight_has_no_holder_and_the_reason_is_told() {
    let Some(scene) = Scene::with(&[]) else { return };
    let actor = scene.actor();
    actor.does("here, there = socket.socketpair(socket.AF_UNIX)");
    actor.does("f = flock('l', EX)");
    actor.does("socket.send_fds(here, [b'x'], [f]); os.close(f)");
    assert_eq!(records(&scene.path("l"))[0].pid, actor.pid);
    let report = scene.look();
    // Nothing names the file any more but its number.
    let inode = std::os::unix::fs::MetadataExt::ino(&scene.path("l").metadata().unwrap());
    let id = format!(":{inode}:~");
    let seen = report.locks().iter().find(|lock| lock["id"].as_str().unwrap().ends_with(&id));
    let seen = seen.expect("the lock is listed");
    assert_eq!(seen["holders"], json!([]));
    assert_eq!(seen["recorded_pid"], actor.pid);
    let why = seen["why"].as_str().unwrap();
    assert!(why.contains("socket"), "{why}");
}

#[test]
fn leases_are_locks_and_their_breakers_disturb_nothing() {
    let Some(scene) = Scene::with(&[]) else { return };
    let [holder, breaker, bystander] = [scene.actor(), scene.actor(), scene.actor()];
    let fd = holder.does("lease('leased')");
    let report = scene.look();
    let seen = report.at(&scene.path("leased"));
    assert_eq!(seen["mechanism"], "lease");
    assert_eq!(pids(&seen["holders"]), [Some(holder.pid)]);
    assert_eq!(seen["holders"][0]["fds"], json!([fd]));

    bystander.does("flock('l', EX)");
    breaker.waits("open('leased')");
    let table = std::fs::read_to_string("/proc/locks").unwrap();
    assert!(table.contains("BREAKER"), "the kernel prints who breaks a lease: {table}");
    let report = scene.look();
    assert_eq!(pids(&report.at(&scene.path("l"))["holders"]), [Some(bystander.pid)]);
    assert_eq!(pids(&report.at(&scene.path("leased"))["holders"]), [Some(holder.pid)]);
}

#[test]
fn facts_about_a_holder_are_true() {
    let Some(scene) = Scene::with(&[]) else { return };
    let before = jiff::Timestamp::now();
    let actor = scene.actor();
    let after = jiff::Timestamp::now();
    actor.does("flock('l', EX); os.chdir('/')");
    actor.does("write('/proc/self/comm', 'two words')");
    let report = scene.look();
    let holder = &report.at(&scene.path("l"))["holders"][0];
    assert_eq!(holder["pid"], actor.pid);
    assert_eq!(holder["command"], "two words");
    assert_eq!(holder["cwd"], "/");
    assert_eq!(holder["state"], "sleeping");
    assert_eq!(holder["uid"], rustix::process::geteuid().as_raw());
    assert_eq!(holder["parent"]["pid"], scene.stage().pid);
    assert_eq!(holder["tty"], Value::Null);
    assert_eq!(holder["host"], report.document["host"]);
    let words = holder["cmdline"].as_array().unwrap();
    assert!(words[0].as_str().unwrap().ends_with("python3"), "{words:?}");
    let started: jiff::Timestamp = holder["started_at"].as_str().unwrap().parse().unwrap();
    // Starts are counted in hundredths of a second, and by another clock.
    let tolerance = jiff::SignedDuration::from_millis(100);
    let truth = before - tolerance..=after + tolerance;
    assert!(truth.contains(&started), "{started} is not in {truth:?}");
}

#[test]
fn a_thread_with_descriptors_of_its_own_holds_what_it_locked() {
    let Some(scene) = Scene::with(&[]) else { return };
    let actor = scene.actor();
    let tid = actor.does("in_thread(lambda: (unshare(FILES), flock('l', EX), signal.pause()))");
    wait_until("the thread has locked", || (!records(&scene.path("l")).is_empty()).then_some(()));
    assert_ne!(tid, actor.pid);
    let report = scene.look();
    let seen = report.at(&scene.path("l"));
    assert_eq!(pids(&seen["holders"]), [Some(actor.pid)]);
    assert_eq!(seen["holders"][0]["certainty"], "proven");
}

#[test]
fn a_process_whose_first_thread_has_ended_holds_its_locks() {
    let Some(scene) = Scene::with(&[]) else { return };
    let actor = scene.actor();
    actor.does("flock('l', EX); posix('m')");
    actor.does("in_thread(signal.pause)");
    actor.begins("libc.syscall(60 if platform.machine() == 'x86_64' else 93, 0)");
    wait_until("the first thread has ended", || (state(actor.pid) == Some('Z')).then_some(()));
    let report = scene.look();
    for name in ["l", "m"] {
        let seen = report.at(&scene.path(name));
        assert_eq!(pids(&seen["holders"]), [Some(actor.pid)], "{seen:#}");
        assert_eq!(seen["holders"][0]["certainty"], "proven");
    }
}

#[test]
fn a_command_name_that_looks_like_a_record_deceives_nobody() {
    let Some(scene) = Scene::with(&[]) else { return };
    let actor = scene.actor();
    actor.does("flock('l', EX); write('/proc/self/comm', 'x) T 1 (y')");
    let report = scene.look();
    let holder = &report.at(&scene.path("l"))["holders"][0];
    assert_eq!(holder["command"], "x) T 1 (y");
    assert_eq!(holder["state"], "sleeping");
    assert_eq!(holder["parent"]["pid"], scene.stage().pid);
}

#[test]
fn who_has_no_descriptors_to_look_with_says_so() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX)");
    let report = Report::of(scene.locktop_through(&["prlimit", "--nofile=4"], &["ls", "--json"]));
    assert_eq!(report.document["complete"], false);
    assert_eq!(report.notes("unreadable_processes").len(), 1);
}
