use std::time::Duration;

use crate::diagnose::sketch::{NOW, Sketch, flock, ofd, posix};
use crate::diagnose::{Explanation, explain, explain_process};
use crate::model::{
    Evidence, Mechanism, Mode, Naming, Note, Parent, PathBytes, Pid, Process, Span, State, Taker,
    harmless,
};

/// The whole explanation, a line for each thing that it says.
fn text(told: &Explanation) -> String {
    let queue = told.queue.iter();
    let queue = queue.map(|line| format!("{}{}", "> ".repeat(line.depth as usize), line.text));
    let next = told.next.iter().map(|advice| match &advice.command {
        Some(command) => format!("* {}\n$ {command}", advice.text),
        None => format!("* {}", advice.text),
    });
    let unseen = told.unseen.iter().map(|unseen| format!("? {unseen}"));
    let lines = [told.headline.clone()].into_iter().chain(told.sentences.iter().cloned());
    lines.chain(queue).chain(next).chain(unseen).collect::<Vec<_>>().join("\n")
}

/// What is said of the lock at `/a`.
fn told(sketch: Sketch) -> String {
    let snapshot = sketch.judged();
    let lock = snapshot.locks.iter().find(|lock| lock.label() == "/a").unwrap();
    text(&explain(lock, &snapshot))
}

/// What is said of a process.
fn told_process(sketch: Sketch, pid: Pid) -> String {
    text(&explain_process(pid, &sketch.judged()))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn stopped(process: &mut Process) {
    process.state = Some(State::Stopped);
}

/// A lock that somebody left to rsync, with a queue of two.
fn backup() -> Sketch {
    let lock = flock("/a")
        .held_by(&[3244])
        .grant(|grant| {
            grant.recorded_pid = Some(3246);
            grant.taker = Taker::Gone;
        })
        .wanted_by(3247)
        .request(|request| {
            request.waited = Span { min: seconds(62), max: Some(seconds(63)), evidence: vec![] };
        })
        .wanted_by(3260)
        .request(|request| {
            request.depth = 2;
            request.waited = Span::default();
            request.mode = Mode::Shared;
        })
        .with(|lock| {
            lock.name = Some("nightly backup".into());
            let evidence = vec![Evidence::Observed, Evidence::Seen(4)];
            lock.age = Span { min: seconds(63), max: None, evidence };
        });
    Sketch::new()
        .lock(lock)
        .process(3244, |process| {
            let words = ["rsync", "-a", "/srv", "nas:\x1b[2J"];
            *process = Process {
                command: Some("rsync".into()),
                cmdline: Some(words.map(Into::into).into()),
                user: Some("backup".into()),
                login_user: Some("alice".into()),
                wchan: Some("do_select".into()),
                cwd: Some(PathBytes::new("/srv")),
                tty: Some("pts/3".into()),
                parent: Some(Parent { pid: 1, command: Some("systemd".into()) }),
                group_leader_alive: Some(false),
                ran_at: NOW.checked_sub(seconds(2)),
                ..process.clone()
            };
        })
        .process(3247, |process| {
            process.command = Some("flock".into());
            process.user = Some("root".into());
        })
}

/// A circle of two.
fn circle() -> Sketch {
    Sketch::new()
        .lock(flock("/a").held_by(&[1]).wanted_by(2))
        .lock(flock("/b").held_by(&[2]).wanted_by(1))
}

/// As somebody who may not read everybody's descriptors.
fn unprivileged(facts: &mut crate::model::Facts) {
    facts.complete = false;
    facts.notes.push(Note {
        code: "unreadable_processes",
        text: "14 processes of other users could not be read".into(),
        would_help: Some("run as root".into()),
    });
}

#[test]
fn an_orphan_with_all_that_is_known() {
    let told = told(backup());
    insta::assert_snapshot!(told, @r"
    /a (nightly backup): orphaned (flock lock, exclusive)
    Whoever took it (pid 3246) has ended; rsync (pid 3244), left behind, keeps it through descriptor 9.
    Held for at least 1m03s (seen 4 times: it may have been released and retaken in between).
    2 processes wait for it, the longest for 1m03s.
    rsync sleeps in do_select, last ran 2.0s ago.
    rsync: run by backup (logged in as alice), on the terminal pts/3, in the folder /srv, a child of systemd (pid 1), as: rsync -a /srv nas:\x1b[2J.
    > flock (pid 3247, root) has waited 1m03s to have it exclusively
    > > p3260 (pid 3260) waits to have it shared
    * Wait your turn: this queues, takes the lock for an instant, and returns.
    $ locktop wait flock:/a
    * Ask alice, in whose session it was started.
    * End rsync (pid 3244) with SIGTERM: it can clean up, but what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
    $ locktop release /a --method terminate
    * Do not remove the lock's file: that frees nothing, and lets a second holder in beside the first.
    ");
}

#[test]
fn a_holder_as_a_process() {
    let told = told_process(backup(), 3244);
    insta::assert_snapshot!(told, @r"
    rsync (pid 3244) holds 1 lock and waits for none
    /a is orphaned: whoever took it (pid 3246) has ended; rsync (pid 3244), left behind, keeps it through descriptor 9.
    It has /a (nightly backup) exclusively through descriptor 9, for at least 1m03s; 2 processes wait for that.
    rsync sleeps in do_select, last ran 2.0s ago.
    rsync: run by backup (logged in as alice), on the terminal pts/3, in the folder /srv, a child of systemd (pid 1), as: rsync -a /srv nas:\x1b[2J.
    > flock (pid 3247, root) has waited 1m03s to have /a exclusively
    > > p3260 (pid 3260) waits to have /a shared
    * Wait until it is done.
    * End rsync (pid 3244) with SIGTERM: it can clean up, but what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
    $ kill 3244
    ");
}

#[test]
fn a_waiter_as_a_process() {
    let told = told_process(backup(), 3247);
    insta::assert_snapshot!(told, @"
    flock (pid 3247) waits for 1 lock and holds none
    It has waited 1m03s to have /a exclusively, at place 1 of its queue, behind rsync (pid 3244).
    flock: run by root.
    * Look first at /a, for which it waits.
    $ locktop explain @flock:fe:00:101:~
    ");
}

#[test]
fn a_process_without_locks() {
    let told = told_process(backup(), 9);
    insta::assert_snapshot!(told, @"pid 9 holds no lock and waits for none, as far as could be seen");
}

#[test]
fn a_lock_that_nobody_wants() {
    let told = told(Sketch::new().lock(flock("/a").held_by(&[1])));
    insta::assert_snapshot!(told, @"
    /a: held (flock lock, exclusive)
    Held by p1 (pid 1) through descriptor 9.
    For how long could not be told.
    p1 sleeps.
    * Nothing needs to be done: nobody waits for it.
    ");
}

#[test]
fn a_stopped_holder() {
    let told = told(Sketch::new().lock(flock("/a").held_by(&[1]).wanted_by(2)).process(1, stopped));
    insta::assert_snapshot!(told, @"
    /a: stuck (flock lock, exclusive)
    p1 (pid 1) is stopped by a signal.
    Held by p1 through descriptor 9.
    For how long could not be told.
    1 process waits for it.
    > p2 (pid 2) has waited at least 1m00s to have it exclusively
    * Let p1 (pid 1) go on from where a signal stopped it.
    $ kill -CONT 1
    * End p1 (pid 1) with SIGTERM: it can clean up, but what was under way stays unfinished. A stopped process takes the signal when it is continued. SIGKILL only if that is ignored: then nothing is cleaned up.
    $ locktop release /a --method terminate
    * Do not remove the lock's file: that frees nothing, and lets a second holder in beside the first.
    ");
}

#[test]
fn a_stopped_process() {
    let told = told_process(
        Sketch::new().lock(flock("/a").held_by(&[1]).wanted_by(2)).process(1, stopped),
        1,
    );
    insta::assert_snapshot!(told, @"
    p1 (pid 1) holds 1 lock and waits for none
    /a is stuck: p1 (pid 1) is stopped by a signal.
    It has /a exclusively through descriptor 9; 1 process waits for that.
    > p2 (pid 2) has waited at least 1m00s to have /a exclusively
    * Let p1 (pid 1) go on from where a signal stopped it.
    $ kill -CONT 1
    * End p1 (pid 1) with SIGTERM: it can clean up, but what was under way stays unfinished. A stopped process takes the signal when it is continued. SIGKILL only if that is ignored: then nothing is cleaned up.
    $ kill 1; kill -CONT 1
    ");
}

#[test]
fn a_frozen_holder_in_a_unit() {
    let told = told(Sketch::new().lock(flock("/a").held_by(&[1])).process(1, |process| {
        process.state = Some(State::Frozen);
        process.unit = Some("cron.service".into());
    }));
    insta::assert_snapshot!(told, @"
    /a: stuck (flock lock, exclusive)
    p1 (pid 1) is frozen (its control group).
    Held by p1 through descriptor 9.
    For how long could not be told.
    p1: in the unit cron.service.
    * Thaw the control group of p1 (pid 1), or the one above it that was frozen.
    $ systemctl thaw cron.service
    * End p1 (pid 1) with SIGTERM: it can clean up, but what was under way stays unfinished. A frozen process takes the signal when it is thawed. The unit cron.service may start it again. SIGKILL only if that is ignored: then nothing is cleaned up.
    $ kill 1
    * Do not remove the lock's file: that frees nothing, and lets a second holder in beside the first.
    ");
}

#[test]
fn a_frozen_holder_elsewhere() {
    let told = told(Sketch::new().lock(flock("/a").held_by(&[1])).process(1, |process| {
        process.state = Some(State::Frozen);
    }));
    insta::assert_snapshot!(told, @"
    /a: stuck (flock lock, exclusive)
    p1 (pid 1) is frozen (its control group).
    Held by p1 through descriptor 9.
    For how long could not be told.
    * Thaw the control group of p1 (pid 1), or the one above it that was frozen.
    $ locktop release /a --method resume
    * End p1 (pid 1) with SIGTERM: it can clean up, but what was under way stays unfinished. A frozen process takes the signal when it is thawed. SIGKILL only if that is ignored: then nothing is cleaned up.
    $ kill 1
    * Do not remove the lock's file: that frees nothing, and lets a second holder in beside the first.
    ");
}

#[test]
fn a_holder_that_no_signal_reaches() {
    let told = told(Sketch::new().lock(flock("/a").held_by(&[1])).process(1, |process| {
        process.state = Some(State::Uninterruptible);
        process.wchan = Some("nfs_wait".into());
        process.ran_at = Some(Duration::ZERO);
    }));
    insta::assert_snapshot!(told, @"
    /a: stuck (flock lock, exclusive)
    p1 (pid 1) is in uninterruptible sleep in nfs_wait, waiting for an NFS server for 1h06m.
    Held by p1 through descriptor 9.
    For how long could not be told.
    * See to what p1 (pid 1) waits for, such as a device or a file system: until that answers, no signal reaches it.
    $ sudo cat /proc/1/stack
    * End p1 (pid 1) with SIGTERM: it can clean up, but what was under way stays unfinished. In uninterruptible sleep it takes the signal when that sleep ends. SIGKILL only if that is ignored: then nothing is cleaned up.
    $ locktop release /a --method terminate
    * Do not remove the lock's file: that frees nothing, and lets a second holder in beside the first.
    ");
}

#[test]
fn a_holder_that_waits_for_the_stuck() {
    let told = told(
        Sketch::new()
            .lock(flock("/a").held_by(&[1]).wanted_by(3))
            .lock(flock("/b").held_by(&[2]).wanted_by(1))
            .process(2, stopped),
    );
    insta::assert_snapshot!(told, @"
    /a: stuck (flock lock, exclusive)
    p1 (pid 1) itself waits for /b, held by p2 (pid 2), which is stopped by a signal.
    Held by p1 through descriptor 9.
    For how long could not be told.
    1 process waits for it.
    > p3 (pid 3) has waited at least 1m00s to have it exclusively
    * Look first at /b, for which it waits.
    $ locktop explain @flock:fe:00:102:~
    * Let p2 (pid 2) go on from where a signal stopped it.
    $ kill -CONT 2
    * End p1 (pid 1) with SIGTERM: it can clean up, but what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
    $ locktop release /a --method terminate
    * Do not remove the lock's file: that frees nothing, and lets a second holder in beside the first.
    ");
}

#[test]
fn a_holder_that_waits_for_one_at_work() {
    let told = told(
        Sketch::new()
            .lock(flock("/a").held_by(&[1]).wanted_by(3))
            .lock(flock("/b").held_by(&[2]).wanted_by(1)),
    );
    insta::assert_snapshot!(told, @"
    /a: contended (flock lock, exclusive)
    Held by p1 (pid 1) through descriptor 9.
    For how long could not be told.
    1 process waits for it.
    p1 itself waits for /b.
    /b is held by p2 (pid 2), which sleeps.
    > p3 (pid 3) has waited at least 1m00s to have it exclusively
    * Look first at /b, for which it waits.
    $ locktop explain @flock:fe:00:102:~
    * Wait your turn: this queues, takes the lock for an instant, and returns.
    $ locktop wait flock:/a
    * End p1 (pid 1) with SIGTERM: it can clean up, but what was under way stays unfinished. SIGKILL only if that is ignored: then nothing is cleaned up.
    $ locktop release /a --method terminate
    ");
}

#[test]
fn a_deadlock() {
    let told = told(circle());
    insta::assert_snapshot!(told, @"
    /a: deadlock (flock lock, exclusive)
    p1 (pid 1) has /a and waits for /b; p2 (pid 2) has /b and waits for /a.
    Held by p1 through descriptor 9.
    For how long could not be told.
    1 process waits for it.
    > p2 (pid 2) has waited at least 1m00s to have it exclusively
    * End p2 (pid 2) with SIGTERM: that opens the circle. It is the youngest in it, so it is likely to lose the least.
    $ kill 2
    * So that it does not come back: let all programs take these locks in the same order.
    * Do not remove the lock's file: that frees nothing, and lets a second holder in beside the first.
    ");
}

#[test]
fn an_uncertain_deadlock_of_a_process() {
    let told = told_process(circle().process(1, |process| process.threads = Some(8)), 1);
    insta::assert_snapshot!(told, @"
    p1 (pid 1) holds 1 lock and waits for 1
    In a circle: p1 (pid 1) waits for /b, which p2 (pid 2) keeps; p2 (pid 2) waits for /a, which p1 (pid 1) keeps; whether a thread or process that was not seen waiting can open this circle is not certain.
    It has waited at least 1m00s to have /b exclusively, at place 1 of its queue, behind p2 (pid 2).
    It has /a exclusively through descriptor 9; 1 process waits for that.
    > p2 (pid 2) has waited at least 1m00s to have /a exclusively
    * Look again before anybody is ended: it is not certain that this lasts.
    * End p2 (pid 2) with SIGTERM: that opens the circle. It is the youngest in it, so it is likely to lose the least.
    $ kill 2
    * Look first at /b, for which it waits.
    $ locktop explain @flock:fe:00:102:~
    ");
}

#[test]
fn a_deadlock_with_oneself() {
    let told = told(Sketch::new().lock(flock("/a").held_by(&[1]).wanted_by(1)));
    insta::assert_snapshot!(told, @"
    /a: deadlock (flock lock, exclusive)
    p1 (pid 1) waits for /a, which it keeps itself.
    Held by p1 through descriptor 9.
    For how long could not be told.
    > p1 (pid 1) has waited at least 1m00s to have it exclusively
    * End p1 (pid 1) with SIGTERM: it waits for what it keeps itself.
    $ kill 1
    * So that it does not come back: close the inherited descriptor before the program runs that takes the lock again, as flock -o does.
    * Do not remove the lock's file: that frees nothing, and lets a second holder in beside the first.
    ");
}

#[test]
fn a_deadlock_of_sharers() {
    let told = told(
        Sketch::new()
            .lock(flock("/a").held_by(&[1, 3]).wanted_by(2))
            .lock(flock("/b").held_by(&[2, 4]).wanted_by(1).wanted_by(3))
            .lock(flock("/c").held_by(&[2]).wanted_by(4)),
    );
    insta::assert_snapshot!(told, @"
    /a: deadlock (flock lock, exclusive)
    p1 (pid 1) has /a and waits for /b; p2 (pid 2) has /b and waits for /a; it is part of 2 more circles.
    Held by p1 (pid 1) and p3 (pid 3), each through descriptor 9.
    For how long could not be told.
    1 process waits for it.
    In a circle: p2 (pid 2) waits for /a, which p3 (pid 3) keeps; p3 (pid 3) waits for /b, which p2 (pid 2) keeps; by themselves they never go on.
    In a circle: p1 (pid 1) waits for /b, which p4 (pid 4) keeps; p4 (pid 4) waits for /c, which p2 (pid 2) keeps; p2 (pid 2) waits for /a, which p1 (pid 1) keeps; by themselves they never go on.
    > p2 (pid 2) has waited at least 1m00s to have it exclusively
    * End p2 (pid 2) with SIGTERM: that opens the circle.
    $ kill 2
    * End p2 (pid 2) and p4 (pid 4) together: they keep one open file, and the lock goes with the last.
    $ kill 2 4
    * So that it does not come back: let all programs take these locks in the same order.
    * Do not remove the lock's file: that frees nothing, and lets a second holder in beside the first.
    ");
}

#[test]
fn a_deadlock_around_one() {
    let told = told(
        Sketch::new()
            .lock(flock("/a").read_by(&[2]).read_by(&[3]).wanted_by(1))
            .lock(flock("/b").held_by(&[1]).wanted_by(2).wanted_by(3))
            .with(|facts| {
                unprivileged(facts);
                facts.complete = true;
            }),
    );
    insta::assert_snapshot!(told, @"
    /a: deadlock (flock lock, shared)
    p1 (pid 1) has /b and waits for /a; p2 (pid 2) has /a and waits for /b; it is part of 1 more circle.
    Held by p2 (pid 2) and p3 (pid 3), each through descriptor 9.
    For how long could not be told.
    1 process waits for it.
    In a circle: p1 (pid 1) waits for /a, which p3 (pid 3) keeps; p3 (pid 3) waits for /b, which p1 (pid 1) keeps; by themselves they never go on.
    > p1 (pid 1) has waited at least 1m00s to have it exclusively
    * End p1 (pid 1) with SIGTERM: that opens the circle.
    $ kill 1
    * So that it does not come back: let all programs take these locks in the same order.
    * Do not remove the lock's file: that frees nothing, and lets a second holder in beside the first.
    ");
}

#[test]
fn a_long_circle_is_cut() {
    let ring = (1..=30).fold(Sketch::new(), |sketch, pid| {
        let path = if pid == 1 { "/a".into() } else { format!("/{pid}") };
        sketch.lock(flock(&path).held_by(&[pid]).wanted_by(if pid == 1 { 30 } else { pid - 1 }))
    });
    let told = told(ring);
    assert!(
        told.contains("p20 (pid 20) waits for /21, which p21 (pid 21) keeps; and so on, 10 more;")
    );
    assert!(told.contains("$ kill 30\n"), "{told}");
}

#[test]
fn a_waiter_that_cannot_run_is_told() {
    let sketch = Sketch::new().lock(flock("/a").held_by(&[1]).wanted_by(2)).process(2, stopped);
    let told = told(sketch);
    assert!(told.contains("to have it exclusively, but is stopped by a signal\n"), "{told}");
}

#[test]
fn nothing_that_is_told_gives_orders_to_a_terminal() {
    let evil = "\x1b[2J\n\u{202e}";
    let hostile = |process: &mut Process| {
        *process = Process {
            command: Some(evil.into()),
            cmdline: Some(vec![evil.into()]),
            user: Some(evil.into()),
            login_user: Some(format!("{evil}2")),
            wchan: Some(evil.into()),
            cwd: Some(PathBytes::new(format!("/{evil}"))),
            tty: Some(evil.into()),
            parent: Some(Parent { pid: 1, command: Some(evil.into()) }),
            unit: Some(format!("{evil}.service")),
            container: Some(evil.into()),
            ..process.clone()
        };
    };
    let path = format!("/{evil}");
    let a = flock(&path)
        .held_by(&[1])
        .wanted_by(2)
        .grant(|grant| grant.remark = Some(evil.into()))
        .with(|lock| lock.name = Some(evil.into()));
    for state in [State::Sleeping, State::Stopped, State::Frozen, State::Traced] {
        let b = flock("/b").held_by(&[2]).wanted_by(if state == State::Sleeping { 1 } else { 3 });
        let sketch = Sketch::new().lock(a.clone()).lock(b).with(unprivileged);
        let sketch = sketch.process(1, hostile).process(2, hostile);
        let snapshot = sketch.process(1, |process| process.state = Some(state)).judged();
        let told = snapshot.locks.iter().map(|lock| explain(lock, &snapshot));
        for told in told.chain([1, 2].map(|pid| explain_process(pid, &snapshot))) {
            let queue = told.queue.iter().map(|line| &line.text);
            let next = told.next.iter().flat_map(|by| by.command.iter().chain([&by.text]));
            let texts = told.sentences.iter().chain(&told.unseen).chain([&told.headline]);
            for text in texts.chain(queue).chain(next) {
                assert_eq!(harmless(text), *text);
            }
        }
        for lock in &snapshot.locks {
            let why = lock.why.as_ref().unwrap().to_string();
            assert_eq!(harmless(&why), why);
        }
    }
}

#[test]
fn members_of_the_same_age_are_not_told_apart() {
    let twins = circle().process(1, |process| process.start = Some(1002));
    let told = told(twins);
    assert!(told.contains("\n* End p1 (pid 1) with SIGTERM: that opens the circle.\n"), "{told}");
}

#[test]
fn a_child_that_waits_for_what_it_inherited_is_ended_before_others() {
    let told = told(Sketch::new().lock(flock("/a").held_by(&[1, 2]).wanted_by(2)));
    insta::assert_snapshot!(told, @"
    /a: contended (flock lock, exclusive)
    Held by p1 (pid 1) and p2 (pid 2), each through descriptor 9.
    For how long could not be told.
    p2 (pid 2), which waits, itself keeps it through descriptor 9.
    1 process waits for it.
    p1 sleeps.
    > p2 (pid 2) has waited at least 1m00s to have it exclusively
    * Wait your turn: this queues, takes the lock for an instant, and returns.
    $ locktop wait flock:/a
    * End p2 (pid 2) with SIGTERM: it waits for what it keeps itself, and if the others who keep it wait for its end, nothing moves before.
    $ kill 2
    * End p1 (pid 1) and p2 (pid 2) with SIGTERM: they can clean up, but what was under way stays unfinished. The lock is free once all of them have ended. SIGKILL only if that is ignored: then nothing is cleaned up.
    $ locktop release /a --method terminate
    ");
}

#[test]
fn a_split_lock() {
    let told = told(
        Sketch::new()
            .lock(flock("/a").held_by(&[1]).wanted_by(2).with(|lock| lock.naming = Naming::Another))
            .process(1, |process| process.state = Some(State::Uninterruptible)),
    );
    insta::assert_snapshot!(told, @"
    /a: split (flock lock, exclusive)
    The path names another file by now, so whoever opens it does not see this lock.
    Held by p1 (pid 1) through descriptor 9.
    For how long could not be told.
    1 process waits for it.
    p1 is in uninterruptible sleep.
    > p2 (pid 2) has waited at least 1m00s to have it exclusively
    * See who holds the file that is at the path now: the two do not keep each other out.
    $ locktop explain /a
    * Let those who keep the old file finish.
    * End p1 (pid 1) with SIGTERM: it can clean up, but what was under way stays unfinished. In uninterruptible sleep it takes the signal when that sleep ends. SIGKILL only if that is ignored: then nothing is cleaned up.
    $ locktop release @flock:fe:00:101:~ --method terminate
    * Do not remove the file at the path: that frees nothing, and is how a lock is split.
    ");
}

#[test]
fn a_holder_nobody_could_see() {
    let told = told(
        Sketch::new()
            .lock(
                ofd("/a", 0, 9)
                    .held_by(&[])
                    .wanted_by(2)
                    .with(|lock| lock.naming = Naming::Nothing),
            )
            .with(unprivileged),
    );
    insta::assert_snapshot!(told, @"
    /a bytes 0-9: unknown (ofd lock, exclusive)
    Who keeps it could not be seen.
    For how long could not be told.
    1 process waits for it.
    Its file has been removed from that path, but is still locked: whoever makes it anew is not kept out.
    > p2 (pid 2) has waited at least 1m00s to have bytes 0-9 exclusively, behind somebody unseen
    * See who holds it: look with the right to read every process's descriptors.
    $ sudo locktop explain @ofd:fe:00:101:0-9
    ? 14 processes of other users could not be read (run as root)
    ");
}

#[test]
fn a_holder_by_the_record() {
    let told = told(
        Sketch::new()
            .lock(posix("/a", 0, 9).held_by(&[]).wanted_by(2).grant(|grant| {
                grant.recorded_pid = Some(1);
                grant.taker = Taker::Unreadable;
            }))
            .with(unprivileged),
    );
    insta::assert_snapshot!(told, @"
    /a bytes 0-9: contended (posix lock, exclusive)
    The kernel names pid 1, whose descriptors could not be read.
    For how long could not be told.
    1 process waits for it.
    > p2 (pid 2) has waited at least 1m00s to have bytes 0-9 exclusively
    * Wait: this returns when the lock is free, and takes nothing.
    $ locktop wait --range 0-9 posix:/a
    * Before anybody is ended, make sure who holds it: look with the right to read every process's descriptors.
    $ sudo locktop explain @posix:fe:00:101:0-9
    ? 14 processes of other users could not be read (run as root)
    ");
}

#[test]
fn a_thread_of_the_kernel_with_a_lease() {
    let told = told(
        Sketch::new()
            .lock(
                flock("/a")
                    .with(|lock| lock.mechanism = Mechanism::Lease)
                    .held_by(&[1])
                    .wanted_by(2),
            )
            .process(1, |process| process.kernel_thread = true),
    );
    insta::assert_snapshot!(told, @"
    /a: contended (flock lock, exclusive)
    Held by p1 (pid 1) through descriptor 9.
    For how long could not be told.
    1 process waits for it.
    p1 sleeps.
    p1: a thread of the kernel that acts for others, such as clients of a file server.
    > p2 (pid 2) has waited at least 1m00s to have it exclusively
    * Wait: the kernel takes a lease away by itself, this many seconds after somebody else opens the file.
    $ cat /proc/sys/fs/lease-break-time
    * A thread of the kernel cannot be ended: see to those for whom it acts, such as the clients of a file server.
    ");
}

#[test]
fn many_readers_and_a_cut_queue() {
    let told = told(
        Sketch::new().lock(
            (1..=12)
                .fold(flock("/a"), |lock, pid| lock.read_by(&[pid]))
                .wanted_by(90)
                .with(|lock| lock.queue_cut = true),
        ),
    );
    insta::assert_snapshot!(told, @"
    /a: contended (flock lock, shared)
    Held by p1 (pid 1), p2 (pid 2), p3 (pid 3), p4 (pid 4), p5 (pid 5) and 7 more, each through descriptor 9.
    For how long could not be told.
    At least 1 process waits for it.
    p1, p2, p3, p4 and p5: each sleeps.
    > p90 (pid 90) has waited at least 1m00s to have it exclusively
    > more wait: the queue was too long to be read to its end
    * Wait your turn: this queues, takes the lock for an instant, and returns.
    $ locktop wait flock:/a
    * End p1 (pid 1), p2 (pid 2), p3 (pid 3), p4 (pid 4), p5 (pid 5), p6 (pid 6), p7 (pid 7), p8 (pid 8) and 4 more with SIGTERM: they can clean up, but what was under way stays unfinished. The lock is free once all of them have ended. SIGKILL only if that is ignored: then nothing is cleaned up.
    ");
}
