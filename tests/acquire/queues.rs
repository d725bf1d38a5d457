//! Standing in the kernel's queue, and leaving it.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use locktop::acquire::Cancel;

use crate::asking::{Wait, is_held, lock, wait_for_queue};
use crate::chance::Chance;
use crate::support::{Scene, blocked_threads, wait_until};

const FAMILIES: [&str; 2] = ["flock", "ofd"];

#[test]
fn a_queue_is_served_in_order() {
    let folder = tempfile::tempdir().unwrap();
    for family in FAMILIES {
        let path = folder.path().join(family);
        let first = lock(family, &path).take().unwrap();
        let served = Arc::new(Mutex::new(Vec::new()));
        let waits: Vec<_> = (0..20)
            .map(|number| {
                let served = Arc::clone(&served);
                let wait = Wait::then(lock(family, &path), move |guard| {
                    served.lock().unwrap().push(number);
                    Ok(guard)
                });
                wait_for_queue(&path, number + 1);
                wait
            })
            .collect();
        drop(first);
        for wait in waits {
            wait.ends().unwrap().release().unwrap();
        }
        assert_eq!(*served.lock().unwrap(), (0..20).collect::<Vec<_>>(), "{family}");
        assert!(!is_held(&path));
    }
}

#[test]
fn we_and_others_stand_in_one_queue() {
    let Some(scene) = Scene::with(&[]) else { return };
    let path = scene.path("l");
    let served = scene.path("served");
    fs::write(&served, "").unwrap();
    let first = lock("flock", &path).take().unwrap();
    let mut ours = Vec::new();
    for number in 0..10 {
        if number % 2 == 0 {
            scene.shell("exec flock l sh -c \"echo $1 >>served\"", &[&number.to_string()]);
        } else {
            let served = served.clone();
            ours.push(Wait::then(lock("flock", &path), move |guard| {
                let mut served = fs::OpenOptions::new().append(true).open(&served).unwrap();
                writeln!(served, "{number}").unwrap();
                Ok(guard)
            }));
        }
        wait_for_queue(&path, number + 1);
    }
    first.release().unwrap();
    for wait in ours {
        wait.ends().unwrap().release().unwrap();
    }
    let order = wait_until("all were served", || {
        let served = fs::read_to_string(&served).unwrap();
        (served.lines().count() == 10).then_some(served)
    });
    assert!(order.split_whitespace().eq((0..10).map(|number| number.to_string())), "{order}");
}

#[test]
fn who_cancels_leaves_the_queue_however_deep_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    for family in FAMILIES {
        let path = folder.path().join(family);
        let first = lock(family, &path).take().unwrap();
        let mut waits: Vec<_> = (0..40)
            .map(|number| {
                let wait = Wait::begin(lock(family, &path).insist());
                wait_for_queue(&path, number + 1);
                wait
            })
            .collect();
        // The last, one in the midst, the first. Whom the kernel had lined up behind that one lines
        // up anew.
        for (left, place) in [(39, 39), (38, 20), (37, 0)] {
            let error = waits.remove(place).leaves().unwrap_err();
            assert!(error.is_cancelled(), "{error}");
            wait_for_queue(&path, left);
        }
        let cancels: Vec<_> = waits.iter().map(Wait::cancel).collect();
        cancels.iter().for_each(Cancel::cancel);
        for wait in waits {
            assert!(wait.ends().unwrap_err().is_cancelled());
        }
        wait_for_queue(&path, 0);
        first.release().unwrap();
        assert!(!is_held(&path));
    }
}

#[test]
fn time_runs_out_for_one_of_many_at_its_time() {
    let folder = tempfile::tempdir().unwrap();
    for family in FAMILIES {
        let path = folder.path().join(family);
        let first = lock(family, &path).take().unwrap();
        let before = Wait::begin(lock(family, &path));
        wait_for_queue(&path, 1);
        let begun = Instant::now();
        let patience = Duration::from_millis(150);
        let error = lock(family, &path).timeout(patience).take().unwrap_err();
        assert!(error.is_timeout(), "{error}");
        assert!(begun.elapsed() >= patience);
        wait_for_queue(&path, 1);
        // None at all is one try.
        assert!(lock(family, &path).timeout(Duration::ZERO).take().unwrap_err().is_timeout());
        assert!(lock(family, &path).no_wait().take().unwrap_err().is_would_block());
        first.release().unwrap();
        before.ends().unwrap().release().unwrap();
        for free in [lock(family, &path).timeout(Duration::ZERO), lock(family, &path).no_wait()] {
            free.take().unwrap().release().unwrap();
        }
        // Years are as good as no limit.
        lock(family, &path).timeout(Duration::MAX).take().unwrap();
    }
}

#[test]
fn what_is_cancelled_before_it_begins_takes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l");
    let cancel = Cancel::new();
    cancel.cancel();
    assert!(lock("flock", &path).cancel(&cancel).take().unwrap_err().is_cancelled());
    assert!(!is_held(&path));
}

#[test]
fn what_comes_in_the_instant_of_an_end_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut chance = Chance::new(Chance::seed());
    for family in FAMILIES {
        let path = folder.path().join(family);
        let mut came = 0;
        for _ in 0..150 {
            let first = lock(family, &path).take().unwrap();
            let wait = Wait::begin(lock(family, &path).insist());
            wait_for_queue(&path, 1);
            let cancel = wait.cancel();
            let together = Arc::new(Barrier::new(2));
            let (other, pause) = (Arc::clone(&together), chance.time(Duration::from_micros(300)));
            let ends = thread::spawn(move || {
                other.wait();
                spin(pause);
                cancel.cancel();
            });
            together.wait();
            spin(Duration::from_micros(50));
            first.release().unwrap();
            match wait.ends() {
                Ok(guard) => {
                    came += 1;
                    guard.release().unwrap();
                }
                Err(error) => assert!(error.is_cancelled(), "{error}"),
            }
            ends.join().unwrap();
            lock(family, &path).no_wait().take().expect("nobody has it");
        }
        println!("{family}: {came} of 150 came");
    }
}

/// Lets time pass without sleeping, which takes too long.
fn spin(time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        std::hint::spin_loop();
    }
}

#[test]
fn nothing_is_left_of_a_wait_that_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l");
    let first = lock("flock", &path).take().unwrap();
    let wait = Wait::begin(lock("flock", &path));
    wait_for_queue(&path, 1);
    assert!(wait.leaves().unwrap_err().is_cancelled());
    assert!(is_open(&path) == 1, "only the holder has it open");
    first.release().unwrap();
    assert!(is_open(&path) == 0);
}

/// Through how many descriptors this process has the file open.
fn is_open(path: &Path) -> usize {
    let links = fs::read_dir("/proc/self/fd").unwrap().flatten();
    links.filter(|link| fs::read_link(link.path()).is_ok_and(|to| to == path)).count()
}

#[test]
fn readers_share_and_writers_do_not() {
    let folder = tempfile::tempdir().unwrap();
    for family in FAMILIES {
        let path = folder.path().join(family);
        let reader = lock(family, &path).shared().take().unwrap();
        let other = lock(family, &path).shared().no_wait().take().unwrap();
        let writer = Wait::begin(lock(family, &path));
        wait_for_queue(&path, 1);
        reader.release().unwrap();
        // One reader is left.
        wait_for_queue(&path, 1);
        other.release().unwrap();
        let writer = writer.ends().unwrap();
        assert!(lock(family, &path).shared().no_wait().take().unwrap_err().is_would_block());
        writer.release().unwrap();
    }
}

#[test]
fn a_wait_that_is_asked_for_by_number_is_seen_as_ours() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l");
    let first = lock("flock", &path).take().unwrap();
    let wait = Wait::begin(lock("flock", &path));
    wait_for_queue(&path, 1);
    let us = std::process::id().cast_signed();
    wait_until("it blocks in the kernel, and polls nothing", || {
        (!blocked_threads(us).is_empty()).then_some(())
    });
    let told = wait_until("our place is told", || {
        wait.told().into_iter().find_map(|progress| match progress {
            locktop::acquire::Progress::Waiting(waiting) => waiting.position.map(|_| waiting),
            _ => None,
        })
    });
    assert_eq!((told.position, told.ahead()), (Some(1), Some(0)));
    let holders = told.lock.expect("the lock was seen").holders;
    // A program that another test starts has it for a moment too.
    assert!(holders.iter().any(|holder| holder.process.pid == Some(us)), "{holders:?}");
    first.release().unwrap();
    wait.ends().unwrap();
}
