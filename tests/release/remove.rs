//! Locks that lie on disk: what was left behind goes, and nothing else does.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, TryRecvError};

use locktop::release::{self, AuditLog, Cause, Method, Plan};
use locktop::{Error, Folders, Inspector, Target};

use crate::support::{Need, Scene, wait_until};
use crate::theatre::{Theatre, has_ended, lives, somebody_who_ended};

/// Whether it can be proven that a process has ended: nobody is out of sight.
fn sees_all() -> bool {
    fs::read_link("/proc/self/ns/pid").is_ok_and(|link| link == Path::new("pid:[4026531836]"))
}

/// Releases what was left behind; where nothing can be proven, by insisting.
#[track_caller]
fn releases(theatre: &Theatre, target: &str) -> String {
    let insist: &[&str] = if sees_all() { &[] } else { &["--insist"] };
    theatre.release(&[insist, &[target]].concat(), 0)
}

/// The plan to remove the lock of that name.
#[track_caller]
fn plan(scene: &Scene, name: &str) -> Plan {
    let target = Target::Family { family: "lockfile", path: scene.path(name) };
    let mut inspector = Inspector::new().unwrap();
    inspector.expect_at(std::slice::from_ref(&target), Folders::Themselves);
    let snapshot = inspector.snapshot().unwrap();
    let selection = inspector.select(&snapshot, &[target], Folders::Themselves).unwrap();
    let lock = snapshot.locks.iter().find(|lock| selection.contains(lock)).unwrap();
    let plans = release::plans(lock, &snapshot);
    let plan = plans.into_iter().find(|plan| plan.method == Method::Remove).unwrap();
    if sees_all() || plan.unproven.as_ref().is_some_and(|why| !why.contains("container")) {
        plan
    } else {
        plan.insist()
    }
}

fn perform(scene: &Scene, plan: Plan) -> Result<release::Outcome, Error> {
    plan.perform(&AuditLog::at(scene.path("log/audit.jsonl")), &mut |_| {})
}

/// Carries it out, and expects that nothing was touched.
#[track_caller]
fn is_refused(scene: &Scene, plan: Plan) {
    let error = perform(scene, plan).expect_err("the world has changed");
    assert!(error.is_changed(), "{error}");
    assert!(error.to_string().contains("nothing was touched"), "{error}");
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_was_left_behind_goes_and_what_somebody_has_does_not() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let scene = &theatre.scene;
    fs::write(scene.path("stale"), somebody_who_ended(scene)).unwrap();
    let owner = scene.actor();
    owner.does("open('live', 'w').write(str(os.getpid()))");
    let (stale, live) = (theatre.path("stale"), theatre.path("live"));

    let text = releases(&theatre, &format!("lockfile:{stale}"));
    assert!(text.contains("The lock is free"), "{text}");
    assert!(!Path::new(&stale).exists());
    let text = theatre.release(&["--method", "remove", &format!("lockfile:{live}")], 1);
    assert!(text.contains("not proven to be left behind"), "{text}");
    assert!(Path::new(&live).exists() && lives(owner.pid));
    assert_eq!(theatre.stages(), ["begun", "done", "failed"]);
    assert_eq!(theatre.log()[0]["plan"]["grounds"]["on_disk"]["form"], "file");
    // Absent is free.
    assert!(theatre.release(&[&format!("lockfile:{stale}")], 0).contains("nobody"));
}

#[test]
fn whoever_is_named_can_be_ended_and_what_he_leaves_removed() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let owner = theatre.scene.actor();
    owner.does("open('l', 'w').write(str(os.getpid()))");
    let target = format!("lockfile:{}", theatre.path("l"));
    let text = theatre.release(&[&target], 1);
    has_ended(owner.pid);
    assert!(text.contains("left the file behind"), "{text}");
    assert!(text.contains("--method remove"), "{text}");
    releases(&theatre, &target);
    assert!(!theatre.scene.path("l").exists());
}

#[test]
fn links_and_folders_go_too() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let scene = &theatre.scene;
    let pid = somebody_who_ended(scene);
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    symlink(format!("{}:{}", host.trim(), pid.trim()), scene.path("link")).unwrap();
    releases(&theatre, &format!("lockfile:{}", theatre.path("link")));
    fs::create_dir(scene.path("folder")).unwrap();
    fs::write(scene.path("folder/note"), "").unwrap();
    let folder = format!("lockfile:{}", theatre.path("folder"));
    let text = theatre.release(&[&folder], 1);
    assert!(text.contains("--insist"), "{text}");
    let plan = theatre.document(&["--dry-run", "--insist", &folder])["releases"][0]["plan"].take();
    assert_eq!(plan["steps"].as_array().unwrap().len(), 2);
    theatre.release(&["--insist", &folder], 0);
    assert!(!scene.path("link").exists() && !scene.path("folder").exists());
}

#[test]
fn what_is_another_by_now_stays() {
    let Some(scene) = Scene::with(&[]) else { return };
    let pid = somebody_who_ended(&scene);
    let path = scene.path("l");

    fs::write(&path, &pid).unwrap();
    let gone = plan(&scene, "l");
    fs::remove_file(&path).unwrap();
    is_refused(&scene, gone);

    fs::write(&path, &pid).unwrap();
    let rewritten = plan(&scene, "l");
    let owner = scene.actor();
    fs::write(&path, owner.pid.to_string()).unwrap();
    is_refused(&scene, rewritten);
    assert_eq!(fs::read_to_string(&path).unwrap(), owner.pid.to_string());

    // The same text and, as many file systems do, the same number.
    fs::write(&path, &pid).unwrap();
    let reused = plan(&scene, "l");
    let made = || fs::metadata(&path).unwrap().created().unwrap();
    let made_first = made();
    wait_until("it is made at another tick of the clock", || {
        fs::remove_file(&path).unwrap();
        fs::write(&path, &pid).unwrap();
        (made() != made_first).then_some(())
    });
    is_refused(&scene, reused);

    let linked = plan(&scene, "l");
    fs::rename(&path, scene.path("elsewhere")).unwrap();
    symlink(scene.path("elsewhere"), &path).unwrap();
    is_refused(&scene, linked);
    assert!(scene.path("elsewhere").exists());
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
}

#[test]
fn a_folder_that_became_a_link_leads_nowhere() {
    let Some(scene) = Scene::with(&[]) else { return };
    let pid = somebody_who_ended(&scene);
    for folder in ["a", "victim"] {
        fs::create_dir(scene.path(folder)).unwrap();
        fs::write(scene.path(folder).join("l"), &pid).unwrap();
    }
    let plan = plan(&scene, "a/l");
    fs::rename(scene.path("a"), scene.path("old")).unwrap();
    symlink(scene.path("victim"), scene.path("a")).unwrap();
    is_refused(&scene, plan);
    assert_eq!(names(&scene.path("victim")), ["l"]);
    assert_eq!(names(&scene.path("old")), ["l"]);
}

#[test]
fn an_owner_who_is_back_keeps_it() {
    let Some(scene) = Scene::with(&[Need::Root]) else { return };
    let actor = scene.stage().forks();
    let number = actor.pid;
    fs::write(scene.path("l"), number.to_string()).unwrap();
    actor.ends();
    let plan = plan(&scene, "l");
    assert!(plan.is_possible(), "{:?}", plan.obstacle);
    // Of another start: it is proven all the same, and nobody is touched.
    let innocent = scene.stage().makes(&format!("fork_as({number})"));
    let done = perform(&scene, plan);
    assert!(lives(innocent.pid));
    // As seen before, or by other grounds, which is a change.
    assert!(done.is_ok() || done.is_err_and(|error| error.is_changed()));
}

#[test]
fn the_file_of_a_kernel_lock_is_never_removed() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let scene = &theatre.scene;
    let pid = somebody_who_ended(scene);
    fs::write(scene.path("l"), pid).unwrap();
    let holder = scene.actor();
    holder.does("flock('l', EX)");
    let path = theatre.path("l");
    let text = theatre.release(&["--method", "remove", &path], 2);
    assert!(text.contains("cannot be released by 'remove'"), "{text}");
    let text = theatre.release(&["--method", "remove", "--insist", &format!("lockfile:{path}")], 2);
    assert!(text.contains("flock lock is held on that very file"), "{text}");
    assert!(scene.path("l").exists() && lives(holder.pid));
}

#[test]
fn another_users_lock_is_his() {
    let Some(theatre) = Theatre::with(&[Need::Root]) else { return };
    let scene = &theatre.scene;
    fs::create_dir(scene.path("his")).unwrap();
    fs::write(scene.path("his/l"), somebody_who_ended(scene)).unwrap();
    let user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let args = ["release", "--yes", &format!("lockfile:{}", theatre.path("his/l"))];
    let output = theatre.locktop_through(&user, &args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("run as root, or as the user whose it is"), "{said}");
    assert!(scene.path("his/l").exists());
}

/// Whoever plants a lock that names somebody else's process gets nobody ended.
#[test]
fn a_planted_name_harms_nobody() {
    let Some(theatre) = Theatre::with(&[Need::Root]) else { return };
    let scene = &theatre.scene;
    let innocent = scene.actor();
    fs::write(scene.path("l"), innocent.pid.to_string()).unwrap();
    std::os::unix::fs::chown(scene.path("l"), Some(65534), None).unwrap();
    let text = theatre.release(&[&format!("lockfile:{}", theatre.path("l"))], 1);
    assert!(text.contains("runs as another user"), "{text}");
    assert!(lives(innocent.pid) && scene.path("l").exists());
}

#[test]
fn what_comes_in_between_is_never_removed() {
    const ROUNDS: usize = 50;
    let Some(scene) = Scene::with(&[]) else { return };
    let pid = somebody_who_ended(&scene);
    let path = scene.path("l");
    let taken = AtomicUsize::new(0);
    let (on, goes_on) = mpsc::channel::<()>();
    std::thread::scope(|threads| {
        // Dropped when anything in here fails.
        let on = on;
        let (path, taken) = (&path, &taken);
        // Takes the lock whenever it can, and removes it again only if it is still there.
        threads.spawn(move || {
            let own = std::process::id().to_string();
            while goes_on.try_recv() != Err(TryRecvError::Disconnected) {
                let made = fs::File::options().write(true).create_new(true).open(path);
                let Ok(mut made) = made else { continue };
                std::io::Write::write_all(&mut made, own.as_bytes()).unwrap();
                for _ in 0..50 {
                    // It may be taken aside for a moment, but it comes back.
                    std::thread::yield_now();
                }
                wait_until("our lock is there", || {
                    fs::read_to_string(path).ok().filter(|text| *text == own).map(drop)
                });
                taken.fetch_add(1, Ordering::Relaxed);
                fs::remove_file(path).unwrap();
            }
        });
        for round in 0..ROUNDS {
            let stale = scene.path(&format!("stale-{round}"));
            fs::write(&stale, &pid).unwrap();
            // Only where nobody has it.
            wait_until("nobody has it", || rename_to_nothing(&stale, path).then_some(()));
            perform(&scene, plan(&scene, "l")).unwrap();
        }
        wait_until("it was taken, too", || (taken.load(Ordering::Relaxed) > 0).then_some(()));
        drop(on);
    });
    let left = names(scene.folder());
    assert!(!left.iter().any(|name| name.starts_with(".locktop")), "{left:?}");
}

fn rename_to_nothing(from: &Path, to: &Path) -> bool {
    let flags = rustix::fs::RenameFlags::NOREPLACE;
    rustix::fs::renameat_with(rustix::fs::CWD, from, rustix::fs::CWD, to, flags).is_ok()
}

#[test]
fn a_hundred_at_once_remove_it_once() {
    let Some(scene) = Scene::with(&[]) else { return };
    fs::write(scene.path("l"), somebody_who_ended(&scene)).unwrap();
    let plan = plan(&scene, "l");
    assert!(plan.unproven.is_none() || !sees_all(), "{:?}", plan.unproven);
    let done = AtomicUsize::new(0);
    let log = AuditLog::at(scene.path("log/audit.jsonl"));
    std::thread::scope(|threads| {
        for _ in 0..100 {
            threads.spawn(|| match plan.clone().perform(&log, &mut |_| {}) {
                Ok(_) => _ = done.fetch_add(1, Ordering::Relaxed),
                Err(error) => assert!(error.is_changed(), "{error}"),
            });
        }
    });
    assert_eq!(done.into_inner(), 1);
}

#[test]
fn only_insisting_helps_where_nothing_is_proven() {
    let Some(scene) = Scene::with(&[]) else { return };
    fs::write(scene.path("l"), "").unwrap();
    let plan = plan(&scene, "l");
    assert_eq!(plan.obstacle.as_ref().map(|obstacle| obstacle.cause), Some(Cause::Unproven));
    assert!(plan.wants_word());
    let error = perform(&scene, plan.clone()).unwrap_err();
    assert!(error.is_would_block(), "{error}");
    assert!(scene.path("l").exists());
    perform(&scene, plan.insist()).unwrap();
    assert!(!scene.path("l").exists());
}
