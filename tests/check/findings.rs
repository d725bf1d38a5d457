//! Each finding, and limits at both sides.

use std::fs;

use crate::desk::{check, document, finds, memory, sees_all, target, with};
use crate::support::{Need, Scene, Viewer, wait_until};

/// A word and the lock of a scene that it is of.
fn of(scene: &Scene, word: &str, name: &str) -> (String, String) {
    (word.into(), target(scene, name))
}

#[test]
fn without_a_limit_it_finds_what_needs_a_person() {
    let Some(scene) = Scene::with(&[]) else { return };
    scene.leaves_services();
    let [one, other, stopped, replaced, busy] = [(); 5].map(|()| scene.actor());
    busy.does("flock('held', EX)");
    let quiet = check(&scene, &["."]);
    assert_eq!((quiet.status, &*quiet.printed), (0, ""), "{quiet:?}");

    one.does("flock('a', EX)");
    other.does("flock('b', EX)");
    one.waits("flock('b', EX)");
    other.waits("flock('a', EX)");
    replaced.does("flock('split', EX)");
    busy.does("os.unlink('split'); flock('split', EX)");
    stopped.does("flock('stuck', EX)");
    stopped.stops();
    // Whoever took it is gone, and so is the group that its heir is left in.
    let taker = scene.actor();
    taker.does("flock('orphaned', EX)");
    let _heir = taker.forks();
    taker.ends();
    let gone = scene.actor();
    fs::write(scene.path("stale"), format!("{}\n", gone.pid)).unwrap();
    gone.ends();

    let found = check(&scene, &[".", "pidfile:stale"]);
    assert_eq!(found.status, 1, "{found:?}");
    let findings = found.findings();
    let mut words: Vec<&str> = findings.iter().map(|(word, _)| word.as_str()).collect();
    words.dedup();
    for expected in [
        of(&scene, "deadlock", "a"),
        of(&scene, "deadlock", "b"),
        of(&scene, "split", "split"),
        of(&scene, "stuck", "stuck"),
    ] {
        assert!(findings.contains(&expected), "{expected:?} is not in {found:?}");
    }
    if sees_all() {
        assert_eq!(words, ["deadlock", "split", "stale", "orphaned", "stuck"], "worst first");
        assert!(findings.contains(&of(&scene, "stale", "stale")), "{found:?}");
        assert!(findings.contains(&of(&scene, "orphaned", "orphaned")), "{found:?}");
    }
    assert!(!findings.contains(&of(&scene, "split", "held")), "{found:?}");
    // A limit alone asks for nothing else.
    let limit = check(&scene, &["--max-waiters", "100", "."]);
    assert_eq!((limit.status, &*limit.printed), (0, ""), "{limit:?}");
    let both = check(&scene, &["--max-waiters", "100", "--problems", "."]);
    assert_eq!(both.findings().len(), findings.len() - usize::from(sees_all()), "{both:?}");
}

#[test]
fn more_than_so_many_waiters_are_too_many() {
    let Some(scene) = Scene::with(&[]) else { return };
    let [holder, first, second] = [(); 3].map(|()| scene.actor());
    holder.does("flock('l', EX)");
    first.waits("flock('l', EX)");
    second.waits("flock('l', EX)");
    let found = check(&scene, &["--max-waiters", "1", "."]);
    assert_eq!((found.status, found.findings()), (1, vec![of(&scene, "waiters", "l")]));
    assert!(found.printed.contains("2 wait for it, more than 1"), "{found:?}");
    assert!(found.printed.contains(&format!("(pid {}) has it", holder.pid)), "{found:?}");
    assert_eq!(check(&scene, &["--max-waiters", "2", "."]).status, 0);
}

#[test]
fn a_wait_and_an_age_count_by_what_is_proven() {
    let Some(scene) = Scene::with(&[]) else { return };
    let [holder, waiter] = [(); 2].map(|()| scene.actor());
    holder.does("flock('l', EX)");
    waiter.waits("flock('l', EX)");
    // Both sleep, so that it is known at first sight since when.
    for (limit, word) in [("--max-wait", "wait"), ("--max-age", "age")] {
        let found = finds(&scene, &[limit, "100ms", "."]);
        assert_eq!(found.findings(), [of(&scene, word, "l")]);
        let quiet = check(&scene, &[limit, "1d", "."]);
        assert_eq!((quiet.status, &*quiet.printed), (0, ""), "{quiet:?}");
    }
    let found = finds(&scene, &["--max-wait", "0", "."]);
    assert!(found.printed.contains(&format!("(pid {}) has waited", waiter.pid)), "{found:?}");
    // Several for one lock, each with a line, worst first.
    let all = ["--max-wait", "0", "--max-age", "0", "--max-waiters", "0", "--problems", "."];
    let words: Vec<_> = finds(&scene, &all).findings().into_iter().map(|found| found.0).collect();
    assert_eq!(words, ["wait", "waiters", "age"]);
}

#[test]
fn what_may_be_too_old_is_counted_and_not_claimed() {
    let Some(scene) = Scene::with(&[]) else { return };
    let taker = scene.actor();
    fs::write(scene.path("l"), "").unwrap();
    taker.does("flock('l', EX)");
    let _heir = taker.forks();
    taker.ends();
    // Nobody can tell when a taker took it who is gone; its file is older than that.
    wait_until("its file is old enough", || {
        let born = scene.path("l").metadata().unwrap().created().unwrap();
        (born.elapsed().unwrap().as_millis() > 300).then_some(())
    });
    let limit = ["-v", "--max-age", "200ms", "."];
    let nothing = format!("LOCKTOP_MEMORY={}", "");
    let args = [&["check"], &limit[..]].concat();
    let run = with(&scene, Viewer::Ourselves, &[&nothing], &args);
    assert_eq!((run.status, &*run.printed), (0, ""), "{run:?}");
    assert!(run.said.contains("1 lock may have been held for longer than 0.2s"), "{run:?}");
}

#[test]
fn what_is_long_by_design_must_be_named_to_be_too_old() {
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("flock('daemon', EX); flock('job', EX)");
    let entry = format!(
        "[[lock]]\nname = \"the daemon\"\npath = {:?}\nfamily = \"flock\"\nnormal = true\n",
        target(&scene, "daemon")
    );
    fs::create_dir_all(scene.path("config/locktop")).unwrap();
    fs::write(scene.path("config/locktop/catalogue.toml"), entry).unwrap();
    let environment = [
        &*format!("XDG_CONFIG_HOME={}", target(&scene, "config")),
        &format!("LOCKTOP_MEMORY={}", memory(&scene).display()),
    ];
    let age = |name: &str| {
        wait_until("it is old enough", || {
            let args = ["check", "--max-age", "50ms", name];
            let run = with(&scene, Viewer::Ourselves, &environment, &args);
            (run.status == 1).then(|| run.findings())
        })
    };
    assert_eq!(age("."), [of(&scene, "age", "job")]);
    let named = ("age".into(), format!("{} (the daemon)", target(&scene, "daemon")));
    for name in ["daemon", "flock:daemon"] {
        assert_eq!(age(name), std::slice::from_ref(&named));
    }
    let pid = format!("pid:{}", holder.pid);
    assert_eq!(age(&pid), [of(&scene, "age", "job")], "a process names none of its locks");
}

#[test]
fn what_lies_on_disk_is_as_old_as_its_file() {
    let Some(scene) = Scene::with(&[]) else { return };
    let owner = scene.actor();
    fs::write(scene.path("l"), format!("{}\n", owner.pid)).unwrap();
    let found = finds(&scene, &["--max-age", "100ms", "pidfile:l"]);
    assert_eq!(found.findings(), [of(&scene, "age", "l")]);
    assert_eq!(check(&scene, &["--max-age", "1d", "pidfile:l"]).status, 0);
}

#[test]
fn the_document_says_what_was_looked_for_and_found() {
    let Some(scene) = Scene::with(&[]) else { return };
    let [holder, waiter] = [(); 2].map(|()| scene.actor());
    holder.does("flock('l', EX); flock('free', EX)");
    waiter.waits("flock('l', EX)");
    let args = ["--max-waiters", "0", "--max-age", "1d", "l", "free"];
    let found = document(&scene, &args);
    assert_eq!((&found["schema"], found["locks"].as_u64()), (&1.into(), Some(2)));
    assert_eq!(found["waiting"], 1);
    assert_eq!(found["longest_queue"], 1);
    assert!(found["longest_wait_s"].is_number() && found["oldest_s"].is_number());
    let limits = &found["limits"];
    assert_eq!(limits["problems"], false);
    assert_eq!((&limits["max_waiters"], limits["max_age_s"].as_f64()), (&0.into(), Some(86400.0)));
    assert!(limits["max_wait_s"].is_null());
    for key in ["host", "boot_id", "looked_at", "complete", "notes", "uncertain_ages"] {
        assert!(found.as_object().unwrap().contains_key(key), "{key}");
    }
    let [finding] = &found["findings"].as_array().unwrap()[..] else { panic!("{found:#}") };
    assert_eq!(finding["finding"], "waiters");
    assert_eq!(finding["lock"]["path"], target(&scene, "l"));
    assert_eq!(finding["lock"]["waiters"][0]["pid"], waiter.pid);
    assert!(finding["text"].as_str().unwrap().contains("1 waits for it"), "{finding}");
    let status = check(&scene, &[&["--json"], &args[..]].concat());
    assert_eq!((status.status, &*status.said), (1, ""));
}

#[test]
fn names_give_a_terminal_no_orders_and_make_no_lines() {
    let Some(scene) = Scene::with(&[]) else { return };
    let [holder, waiter] = [(); 2].map(|()| scene.actor());
    let orders = r"a\n\x1b[2J\r\u202e|b";
    holder.does(format!("write('/proc/self/comm', '{orders}'); flock('{orders}', EX)"));
    waiter.waits(format!("flock('{orders}', EX)"));
    for format in ["--nagios", "--json", "--problems"] {
        let run = check(&scene, &[format, "--max-waiters", "0", "."]);
        let harmful = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!run.printed.contains(harmful), "{run:?}");
        if format == "--problems" {
            assert_eq!(run.printed.lines().count(), 1, "{run:?}");
        }
    }
}

#[test]
fn what_cannot_be_seen_is_part_of_every_answer() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let [root, waiter] = [(); 2].map(|()| scene.actor());
    root.does("flock('l', EX)");
    waiter.waits("flock('l', EX)");
    let target = target(&scene, "l");
    let as_nobody = |args: &[&str]| {
        let args = [&["check"], args, &[&*target]].concat();
        crate::desk::locktop(&scene, Viewer::Nobody, &args)
    };
    let found = as_nobody(&["--max-waiters", "0"]);
    assert_eq!(found.status, 1, "{found:?}");
    let [line] = &found.printed.lines().collect::<Vec<_>>()[..] else { panic!("{found:?}") };
    assert!(line.starts_with("waiters: "), "{line}");
    assert!(line.contains("of other users could not be read"), "{line}");
    let quiet = as_nobody(&["--max-waiters", "1"]);
    assert_eq!((quiet.status, &*quiet.printed), (0, ""), "{quiet:?}");
    assert!(quiet.said.contains("could not be read"), "{quiet:?}");
    for limit in ["0", "1"] {
        let run = as_nobody(&["--require-complete", "--max-waiters", limit]);
        assert_eq!((run.status, run.printed.lines().count()), (5, usize::from(limit == "0")));
    }
    let document = as_nobody(&["--json", "--require-complete"]);
    assert_eq!(document.status, 5, "{document:?}");
    assert!(document.printed.contains("\"unreadable_processes\""), "{document:?}");
}
