//! What follows from which evidence.

use jiff::SignedDuration;

use super::*;
use crate::model::{Certainty, Content, Device, Excerpt, FileId};

const LOCK: &str = "2026-11-21T12:00:00Z";

fn moment(seconds: i64) -> Timestamp {
    LOCK.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

/// Made and last changed at [`LOCK`], by user 1000.
fn lock() -> OnDisk {
    OnDisk {
        file: FileId { device: Device { major: 8, minor: 1 }, inode: 12 },
        content: Content::File(Excerpt { bytes: Vec::new(), cut: false }),
        birth: Some(moment(0)),
        modified: moment(0),
        changed: moment(0),
        size: 0,
        uid: 1000,
        shared_with_others: false,
    }
}

/// Somebody of user 1000 who started so many seconds after the lock was made.
fn somebody(pid: Pid, command: &str, started: i64) -> Suspect {
    let process = Process {
        pid: Some(pid),
        command: Some(command.into()),
        started_at: Some(moment(started)),
        ..Process::default()
    };
    Suspect { pid, process: Arc::new(process), users: Some([1000; 4]) }
}

fn heard(named: Named) -> Testimony {
    Testimony {
        named,
        writers: Vec::new(),
        at_work: Vec::new(),
        strays: Vec::new(),
        blind: None,
        half_blind: None,
        is_fresh: false,
        clock: Clock(Some(SignedDuration::ZERO)),
    }
}

fn alive(suspect: Suspect) -> Testimony {
    let number = suspect.pid;
    heard(Named::Alive { suspect, number, start: Start::Untold, inside: Vec::new() })
}

fn nobody() -> Testimony {
    heard(Named::Nobody("it is empty".into()))
}

fn gone() -> Testimony {
    heard(Named::Gone { number: 7, inside: Vec::new() })
}

/// Whose it is where nothing is known of who makes such locks.
fn of(testimony: Testimony) -> Finding {
    weigh(&lock(), &Manners::default(), testimony)
}

/// Whose it is where only git makes such locks.
fn of_git(testimony: Testimony) -> Finding {
    let programs = ["git".into()];
    let manners = Manners { programs: &programs, ..Manners::default() };
    weigh(&lock(), &manners, testimony)
}

fn is_held(finding: &Finding, certainty: Certainty) -> bool {
    finding.abandoned.is_none() && finding.holders.iter().any(|by| by.certainty == certainty)
}

fn is_stale(finding: &Finding) -> bool {
    finding.abandoned.is_some() && finding.holders.is_empty()
}

/// With a reason.
fn is_unknown(finding: &Finding) -> bool {
    finding.abandoned.is_none() && finding.holders.is_empty() && finding.remark.is_some()
}

#[test]
fn who_is_named_and_older_probably_has_it() {
    let finding = of(alive(somebody(7, "backup", -60)));
    assert!(is_held(&finding, Certainty::Likely), "{finding:?}");
    assert_eq!(finding.recorded, Some(7));
    assert!(is_held(&of_git(alive(somebody(7, "git-remote-http", -60))), Certainty::Likely));
}

#[test]
fn who_is_named_with_its_start_has_it() {
    let named = |start| {
        let suspect = somebody(7, "postgres", -60);
        heard(Named::Alive { suspect, number: 7, start, inside: Vec::new() })
    };
    assert!(is_held(&of(named(Start::Same)), Certainty::Proven));
    assert!(is_unknown(&of_git(named(Start::Same))), "another program of the same start");
    assert!(is_unknown(&of(named(Start::Another))));
}

#[test]
fn a_number_that_was_given_out_again_is_told() {
    let finding = of(alive(somebody(7, "cron", 60)));
    assert!(is_stale(&finding), "{finding:?}");
    assert_eq!(
        finding.abandoned.as_deref(),
        Some(
            "it names pid 7, which has ended: cron (pid 7), who has that number now, started after \
             the file was last changed"
        )
    );
    // Clocks are not that exact.
    assert!(is_held(&of(alive(somebody(7, "cron", 1))), Certainty::Likely));
    // What makes such locks may be it, by another clock.
    assert!(is_unknown(&of_git(alive(somebody(7, "git", 60)))));
    // It may have been there before, by the clock of then.
    for clock in [Clock(None), Clock(Some(SignedDuration::from_secs(57)))] {
        assert!(is_unknown(&of(Testimony { clock, ..alive(somebody(7, "cron", 60)) })));
    }
    let clock = Clock(Some(SignedDuration::from_secs(30)));
    assert!(is_stale(&of(Testimony { clock, ..alive(somebody(7, "cron", 60)) })));
}

#[test]
fn nobody_is_taken_for_the_owner_by_his_number_alone() {
    assert!(is_unknown(&of_git(alive(somebody(7, "bash", -60)))), "another program");
    assert!(is_unknown(&of(alive(somebody(1, "init", -60)))), "the first process");
    let mut other_user = somebody(7, "sshd", -60);
    other_user.users = Some([0; 4]);
    assert!(is_unknown(&of(alive(other_user.clone()))), "a planted lock");
    let by_root = OnDisk { uid: 0, ..lock() };
    assert!(is_held(&weigh(&by_root, &Manners::default(), alive(other_user)), Certainty::Likely));
    let mut kernel = somebody(7, "kworker", -60);
    kernel.process = Arc::new(Process { kernel_thread: true, ..(*kernel.process).clone() });
    assert!(is_unknown(&of(alive(kernel))), "a thread of the kernel");
    let suspect = somebody(7, "backup", -60);
    let inside = vec![somebody(4007, "backup", -60)];
    let both = heard(Named::Alive { suspect, number: 7, start: Start::Untold, inside });
    assert!(is_unknown(&of(both)), "in a container too");
}

#[test]
fn a_thread_stands_for_its_process() {
    let suspect = somebody(7, "java", -60);
    let thread = Named::Alive { suspect, number: 9, start: Start::Untold, inside: Vec::new() };
    let finding = of(heard(thread));
    assert_eq!(finding.recorded, Some(7));
    assert!(is_held(&finding, Certainty::Likely));
}

#[test]
fn who_has_ended_left_it_behind() {
    assert!(is_stale(&of(gone())));
    let blind = || Some("inside a container".to_owned());
    assert!(is_unknown(&of(Testimony { blind: blind(), ..gone() })));
    let inside =
        |started| heard(Named::Gone { number: 7, inside: vec![somebody(4007, "backup", started)] });
    assert!(is_unknown(&of(inside(-60))));
    assert!(is_stale(&of(inside(60))), "who came later did not make it");
    let writer = vec![(somebody(8, "heir", -60), vec![3])];
    let finding = of(Testimony { writers: writer, ..gone() });
    assert!(is_held(&finding, Certainty::Likely));
    assert_eq!(finding.holders[0].fds, [3]);
    // Other machines name their own.
    let elsewhere = Elsewhere { host: "nas".into(), pid: Some(7), user: None };
    let finding = of(heard(Named::Elsewhere(elsewhere)));
    assert!(is_unknown(&finding) && finding.elsewhere.is_some());
}

#[test]
fn a_lock_that_names_nobody_is_judged_by_who_makes_such_locks() {
    assert!(is_unknown(&of(nobody())), "anybody could have made it");
    assert!(is_stale(&of_git(nobody())));
    assert!(is_unknown(&of_git(Testimony { is_fresh: true, ..nobody() })));
    let strays = vec![somebody(8, "git", -60)];
    assert!(is_unknown(&of_git(Testimony { strays, ..nobody() })));
    let at_work = vec![somebody(8, "git", -60)];
    assert!(is_held(&of_git(Testimony { at_work, ..nobody() }), Certainty::Likely));
    let writers = vec![(somebody(8, "jgit", -60), vec![3])];
    assert!(is_held(&of_git(Testimony { writers, ..nobody() }), Certainty::Likely));
    for blind in [
        Testimony { blind: Some("nothing is seen".into()), ..nobody() },
        Testimony { half_blind: Some("not all is seen".into()), ..nobody() },
    ] {
        assert!(is_unknown(&of_git(blind)));
    }
    assert!(is_unknown(&of(heard(Named::Impossible(-1)))));
}

#[test]
fn hosts_have_short_names_and_long_ones() {
    assert!(is_same_host("web-01", "web-01"));
    assert!(is_same_host("Web-01.example.org", "web-01"));
    assert!(!is_same_host("web-01.a.org", "web-01.b.org"));
    assert!(!is_same_host("web-01", "web-02"));
}

#[test]
fn only_a_command_makes_a_program_idle() {
    let idle = ["log".into(), "cat-file".into()];
    let runs = |line: &[&str]| {
        let mut suspect = somebody(8, "git", -60);
        let cmdline = line.iter().map(Into::into).collect();
        suspect.process =
            Arc::new(Process { cmdline: Some(cmdline), ..(*suspect.process).clone() });
        suspect.has_command(&idle)
    };
    for line in [
        &["git", "log"][..],
        &["/usr/bin/git", "-C", "commit", "-c", "color.ui=1", "--git-dir=x", "cat-file", "--batch"],
    ] {
        assert!(runs(line), "{line:?}");
    }
    for line in [
        &["git", "commit", "-m", "log"][..],
        &["git", "--no-pager", "log"],
        &["git", "--git-dir", "commit", "log"],
        &["git"],
        &[],
    ] {
        assert!(!runs(line), "{line:?}");
    }
}

#[test]
fn what_the_owner_left_at_work_still_needs_it() {
    let programs = ["postgres".into()];
    let manners = Manners { programs: &programs, heirs: true, ..Manners::default() };
    let backend = || Testimony { at_work: vec![somebody(8, "postgres", 60)], ..gone() };
    let finding = weigh(&lock(), &manners, backend());
    assert!(is_held(&finding, Certainty::Likely), "{finding:?}");
    assert!(is_stale(&weigh(&lock(), &manners, gone())));
    assert!(is_stale(&of(backend())), "nobody else's children do");
}
