//! Looks at a machine that is made up, with real files: when a glance is enough, and when it is not.

mod machine;
mod on_disk;
mod reasons;

use std::fs;
use std::os::unix::fs::symlink;

use machine::Machine;

use super::*;
use crate::model::{Holder, Pid, Verdict};

/// A machine on which process 10 has taken and keeps the lock of a file, through descriptor 3.
fn held() -> Machine {
    let mut machine = Machine::new();
    machine.process(10, 1, 10);
    machine.keeps(10, 3, "a", 10);
    machine.locks(10, "a");
    machine.settles();
    machine
}

fn keepers(snapshot: &Snapshot) -> Vec<(Pid, Vec<i32>)> {
    let holder = |holder: &Holder| (holder.process.pid.unwrap(), holder.fds.clone());
    snapshot.locks.iter().flat_map(|lock| lock.holders.iter().map(holder)).collect()
}

#[test]
fn where_nobody_has_run_a_glance_tells_the_same_but_for_the_time() {
    let mut machine = held();
    let before = machine.settles();
    let after = machine.settles();
    let passed = after.at.uptime.saturating_sub(before.at.uptime);
    assert!(passed > Duration::ZERO);
    let mut aged = (*before).clone();
    (aged.at, aged.cost) = (after.at, after.cost);
    aged.locks[0].age.min += passed;
    aged.locks[0].age.max = aged.locks[0].age.max.map(|max| max + passed);
    assert_eq!(aged, *after);
    // As a look in full would.
    machine.inspector.last = None;
    let anew = machine.looks_anew();
    assert!(anew.locks[0].age.min >= after.locks[0].age.min);
    assert_eq!(keepers(&anew), [(10, vec![3])]);
}

#[test]
fn a_line_that_comes_twice_while_the_table_is_read_in_pieces_is_one_lock() {
    let mut machine = held();
    machine.locks(10, "a");
    let others = 3..2000;
    machine.locks.extend(
        others.map(|number| format!("{number}: POSIX  ADVISORY  WRITE 10 00:01:{number} 0 EOF\n")),
    );
    machine.write("locks", &machine.locks);
    let seen = machine.look();
    let is_it = |lock: &&Lock| lock.file.is_some() && lock.mechanism == Mechanism::Flock;
    let [lock] = seen.locks.iter().filter(is_it).collect::<Vec<_>>()[..] else {
        panic!("{seen:#?}")
    };
    assert_eq!((lock.holders.len(), lock.verdict), (1, Verdict::Held), "{:?}", lock.why);
}

/// A machine as [`held`], on which somebody else takes and gives back a lock all the time.
struct Bustle(Machine);

impl Bustle {
    fn new() -> Self {
        Self::on(held())
    }

    fn on(machine: Machine) -> Self {
        machine.process(20, 1, 20);
        let mut bustle = Self(machine);
        // Who is met for the first time is not told from others yet.
        for times in 0..3 {
            bustle.look(times);
        }
        bustle
    }

    /// The next look, and how many locks it has told as the last one did.
    fn look(&mut self, times: u32) -> (Arc<Snapshot>, u64) {
        let machine = &mut self.0;
        machine.runs(20, 100 + times);
        // The newest lock stands first.
        let quiet = std::mem::take(&mut machine.locks);
        if times.is_multiple_of(2) {
            machine.keeps(20, 4, "busy", 20);
            machine.locks(20, "busy");
        } else {
            machine.opens(20, 4, "busy");
        }
        machine.locks += &quiet;
        machine.write("locks", &machine.locks);
        machine.locks = quiet;
        let before = machine.inspector.kept();
        let seen = machine.looks_anew();
        (seen, machine.inspector.kept() - before)
    }
}

#[test]
fn what_rests_is_kept_while_others_come_and_go() {
    let mut bustle = Bustle::new();
    let (before, kept) = bustle.look(4);
    assert_eq!((before.locks.len(), kept), (2, 1));
    let (after, kept) = bustle.look(5);
    assert_eq!((after.locks.len(), kept), (1, 1));
    let path = bustle.0.file("a");
    let find = |seen: &Snapshot| {
        let at = |lock: &&Lock| lock.path.as_ref().is_some_and(|of| of.as_path() == path);
        seen.locks.iter().find(at).unwrap().clone()
    };
    let (mut before, after, passed) =
        (find(&before), find(&after), after.at.uptime.saturating_sub(before.at.uptime));
    before.age.pass(passed);
    assert_eq!(before, after);
}

#[test]
fn what_is_kept_stays_in_its_family() {
    let mut machine = Machine::new();
    let name = ".local/share/nerdctl/1935db59/names/default";
    fs::create_dir_all(machine.file(name).parent().unwrap()).unwrap();
    machine.process(10, 1, 10);
    machine.keeps(10, 3, name, 10);
    machine.locks(10, name);
    machine.settles();
    let mut bustle = Bustle::on(machine);
    let id = |seen: &Snapshot| {
        let mut locks = seen.locks.iter().filter(|lock| lock.family == "nerdctl");
        locks.next().unwrap().id.clone()
    };
    for times in 4..8 {
        let (seen, kept) = bustle.look(times);
        assert_eq!(kept, 1);
        assert!(id(&seen).as_str().starts_with("@nerdctl:"), "{}", id(&seen));
        assert!(seen.locks.iter().all(|lock| lock.age.times_seen().is_none()));
        // To whoever sees less, it has another id.
        let plain = LockId::from_text(&id(&seen).as_str().replace("nerdctl", "flock"));
        let other = LockId::from_text(&id(&seen).as_str().replace("nerdctl", "posix"));
        assert_eq!(seen.lock(&plain).map(|lock| &lock.id), Some(&id(&seen)));
        assert_eq!(seen.lock(&other).map(|lock| &lock.id), None);
        let mut unseen = seen.lock(&id(&seen)).unwrap().clone();
        unseen.id = plain;
        assert!(!unseen.is_called(&id(&seen)));
        unseen.path = None;
        assert!(unseen.is_called(&id(&seen)) && !unseen.is_called(&other));
    }
}

#[test]
fn a_keeper_that_has_run_is_not_kept() {
    let mut bustle = Bustle::new();
    bustle.0.closes(10, 3);
    bustle.0.keeps(10, 4, "a", 10);
    bustle.0.opens(10, 3, "b");
    bustle.0.runs(10, 11);
    let (seen, kept) = bustle.look(5);
    assert_eq!((keepers(&seen), kept), (vec![(10, vec![4])], 0));
}

#[test]
fn a_lock_that_a_child_has_inherited_is_not_kept() {
    let mut bustle = Bustle::new();
    bustle.0.process(11, 10, 10);
    bustle.0.keeps(11, 3, "a", 10);
    let (seen, kept) = bustle.look(5);
    assert_eq!((keepers(&seen), kept), (vec![(10, vec![3]), (11, vec![3])], 0));
}

#[test]
fn a_lock_that_somebody_waits_for_is_not_kept() {
    let mut bustle = Bustle::new();
    bustle.0.process(11, 1, 11);
    let request = bustle.0.record(11, "a");
    bustle.0.locks.extend(["1: -> ", &request, "\n"]);
    let (seen, kept) = bustle.look(5);
    assert_eq!((seen.locks[0].waiters.len(), kept), (1, 0));
}

#[test]
fn a_lock_that_is_shared_by_now_is_not_kept() {
    let mut machine = Machine::new();
    for pid in [10, 11, 12] {
        machine.process(pid, 1, pid);
    }
    machine.opens(11, 3, "a");
    machine.keeps(10, 3, "a", 10);
    machine.locks(10, "a");
    machine.locks = machine.locks.replace("WRITE", "READ");
    machine.write("locks", &machine.locks);
    machine.write("10/fdinfo/3", &format!("lock:\t{}", machine.locks));
    machine.settles();
    let second = machine.record(11, "a").replace("WRITE", "READ");
    machine.locks.extend(["2: ", &second, "\n"]);
    machine.write("locks", &machine.locks);
    machine.write("11/fdinfo/3", &format!("lock:\t1: {second}\n"));
    machine.runs(11, 11);
    let seen = machine.looks_anew();
    assert_eq!((seen.locks.len(), seen.locks[0].holders.len()), (1, 2));
}

#[test]
fn a_lock_that_is_gone_is_not_kept() {
    let mut bustle = Bustle::new();
    bustle.0.locks.clear();
    bustle.0.opens(10, 3, "a");
    let (seen, kept) = bustle.look(5);
    assert_eq!((seen.locks.len(), kept), (0, 0));
}

/// Lets a process keep the lock of a file that had the name of another one.
fn keeps_what_was_called(machine: &mut Machine, pid: Pid, name: &str) {
    machine.process(pid, 1, pid);
    machine.keeps(pid, 3, "old", pid);
    machine.locks(pid, "old");
    let link = machine.proc(&format!("{pid}/fd/3"));
    fs::remove_file(&link).unwrap();
    // Not a file of that name.
    let gone = machine.file(&format!("{name} (deleted)"));
    symlink(machine.file("old"), &gone).unwrap();
    symlink(gone, link).unwrap();
}

fn lock_of(pid: Pid, snapshot: &Snapshot) -> &Lock {
    let held = |lock: &&Lock| lock.holders.iter().any(|by| by.process.pid == Some(pid));
    snapshot.locks.iter().find(held).unwrap()
}

#[test]
fn a_lock_of_a_path_that_another_file_had_is_not_kept() {
    let mut bustle = Bustle::new();
    let quiet = bustle.0.locks.clone();
    keeps_what_was_called(&mut bustle.0, 11, "a");
    let (seen, kept) = bustle.look(5);
    assert_eq!((kept, lock_of(11, &seen).verdict), (0, Verdict::Split));
    let both = lock_of(10, &seen).why.clone();
    for times in 4..8 {
        bustle.look(times);
    }
    // That one is given back.
    bustle.0.locks = quiet;
    bustle.0.opens(11, 3, "b");
    bustle.0.runs(11, 11);
    for times in 5..9 {
        let (seen, kept) = bustle.look(times);
        if kept > 0 {
            assert_ne!(lock_of(10, &seen).why, both);
            return;
        }
    }
    panic!("it is never kept again");
}

#[test]
fn a_lock_whose_file_has_no_name_is_not_kept() {
    let mut bustle = Bustle::new();
    keeps_what_was_called(&mut bustle.0, 11, "c");
    for times in 4..8 {
        let (seen, kept) = bustle.look(times);
        assert!(kept <= 1 && lock_of(11, &seen).verdict == Verdict::Held);
    }
    fs::write(bustle.0.file("c"), "").unwrap();
    assert_eq!(lock_of(11, &bustle.look(4).0).verdict, Verdict::Split);
}

#[test]
fn a_name_that_another_file_gets_is_seen_at_a_glance() {
    let mut machine = held();
    keeps_what_was_called(&mut machine, 11, "c");
    assert_eq!(lock_of(11, &machine.settles()).verdict, Verdict::Held);
    fs::write(machine.file("c"), "").unwrap();
    assert_eq!(lock_of(11, &machine.looks_anew()).verdict, Verdict::Split);
}

#[test]
fn a_lock_that_fewer_keep_by_now_is_not_kept() {
    let mut bustle = Bustle::new();
    bustle.0.process(11, 10, 10);
    bustle.0.keeps(11, 3, "a", 10);
    for times in 4..8 {
        assert_eq!(lock_of(10, &bustle.look(times).0).holders.len(), 2);
    }
    bustle.0.ends(11);
    assert_eq!(keepers(&bustle.look(5).0), [(10, vec![3])]);
}

#[test]
fn a_lock_of_somebody_who_waits_is_not_kept() {
    let mut bustle = Bustle::new();
    bustle.0.process(11, 1, 11);
    bustle.0.keeps(11, 3, "c", 11);
    bustle.0.locks(11, "c");
    let request = bustle.0.record(10, "c");
    bustle.0.locks.extend(["2: -> ", &request, "\n"]);
    bustle.0.runs(10, 11);
    for times in 4..8 {
        assert_eq!(lock_of(10, &bustle.look(times).0).verdict, Verdict::Held);
    }
    // For somebody who is stopped.
    bustle.0.stat(11, 1, 11, 'T');
    bustle.0.runs(11, 11);
    let seen = bustle.look(4).0;

    assert_eq!(lock_of(10, &seen).verdict, Verdict::Stuck);
}

#[test]
fn where_something_has_been_mounted_nothing_is_kept() {
    let mut bustle = Bustle::new();
    assert_eq!(bustle.look(4).1, 1);
    let mounts = fs::read_to_string(bustle.0.proc("self/mountinfo")).unwrap();
    bustle.0.write("self/mountinfo", &format!("{mounts}9999 1 0:99 / /new rw - tmpfs none rw\n"));
    assert_eq!(bustle.look(5).1, 0);
}

#[test]
fn where_others_can_change_names_they_are_looked_up_each_time() {
    let mut machine = Machine::new();
    let mounts = fs::read_to_string(machine.proc("self/mountinfo")).unwrap();
    let remote = |line: &str| {
        let (mount, kind) = line.split_once(" - ").unwrap();
        format!("{mount} - nfs {}\n", kind.split_once(' ').unwrap().1)
    };
    machine.write("self/mountinfo", &mounts.lines().map(remote).collect::<String>());
    machine.process(10, 1, 10);
    machine.keeps(10, 3, "a", 10);
    machine.locks(10, "a");
    let mut bustle = Bustle::on(machine);
    assert_eq!(bustle.look(4).1, 0);
}

#[test]
fn now_and_then_nothing_is_kept() {
    let mut bustle = Bustle::new();
    let kept: u64 = (0..100).map(|times| bustle.look(times).1).sum();
    assert!((80..100).contains(&kept), "{kept}");
}

#[test]
fn now_and_then_everything_is_looked_at_all_the_same() {
    let mut machine = held();
    let before = machine.inspector.glances();
    for _ in 0..100 {
        machine.look();
    }
    assert!((80..100).contains(&(machine.inspector.glances() - before)));
}

#[test]
fn who_has_run_is_asked_again() {
    let mut machine = held();
    machine.closes(10, 3);
    machine.keeps(10, 4, "a", 10);
    machine.opens(10, 3, "b");
    machine.runs(10, 11);
    assert_eq!(keepers(&machine.looks_anew()), [(10, vec![4])]);
}

#[test]
fn a_lock_that_comes_is_seen() {
    let mut machine = held();
    machine.process(11, 1, 11);
    machine.keeps(11, 3, "b", 11);
    machine.locks(11, "b");
    assert_eq!(machine.looks_anew().locks.len(), 2);
}

#[test]
fn a_child_that_inherits_a_lock_is_seen() {
    let mut machine = held();
    machine.process(11, 10, 10);
    machine.keeps(11, 3, "a", 10);
    assert_eq!(keepers(&machine.looks_anew()), [(10, vec![3]), (11, vec![3])]);
}

#[test]
fn a_new_process_that_keeps_nothing_changes_nothing() {
    let mut machine = held();
    machine.process(11, 1, 11);
    machine.opens(11, 3, "b");
    machine.settles();
}

#[test]
fn a_lock_that_is_left_behind_is_orphaned_once_nobody_is_in_charge() {
    let mut machine = Machine::new();
    machine.process(9, 1, 9);
    machine.process(10, 9, 9);
    machine.keeps(10, 3, "a", 8);
    machine.locks(8, "a");
    assert_eq!(machine.settles().locks[0].verdict, Verdict::Held);
    // Its parent and the leader of its group. It does not have to run for that.
    machine.ends(9);
    machine.stat(10, 1, 9, 'S');
    let seen = machine.looks_anew();
    assert_eq!(seen.locks[0].verdict, Verdict::Orphaned);
    assert_eq!(seen.locks[0].holders[0].process.parent.as_ref().map(|parent| parent.pid), Some(1));
}

#[test]
fn a_stranger_that_gets_the_number_of_the_taker_is_told_from_it() {
    let mut machine = Machine::new();
    machine.process(10, 1, 10);
    machine.keeps(10, 3, "a", 8);
    machine.locks(8, "a");
    let why = |seen: &Snapshot| seen.locks[0].why.as_ref().unwrap().to_string();
    let before = why(&machine.settles());
    machine.process(8, 1, 8);
    assert_ne!(why(&machine.looks_anew()), before);
}

#[test]
fn a_name_that_goes_is_missed() {
    let mut machine = held();
    let gone = machine.folder.path().join("files/a (deleted)");
    fs::rename(machine.file("a"), &gone).unwrap();
    let link = machine.proc("10/fd/3");
    fs::remove_file(&link).unwrap();
    symlink(&gone, link).unwrap();
    let seen = machine.looks_anew();
    assert_eq!(seen.locks[0].path, Some(PathBytes::new(gone)));
}

#[test]
fn who_cannot_be_watched_is_looked_at() {
    let mut machine = held();
    // The kernel counts nothing of it.
    machine.process(11, 1, 11);
    machine.runs(11, 0);
    machine.keeps(11, 3, "b", 11);
    machine.locks(11, "b");
    for _ in 0..5 {
        machine.looks_anew();
    }
}

#[test]
fn uninterruptible_sleep_can_become_a_finding_with_time() {
    let mut machine = held();
    machine.process(11, 1, 11);
    machine.stat(11, 1, 11, 'D');
    machine.keeps(11, 3, "b", 11);
    machine.locks(11, "b");
    for _ in 0..5 {
        machine.looks_anew();
    }
}
