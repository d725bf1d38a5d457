//! What is told of holders and their file systems, on a machine that is made up.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use super::machine::Machine;
use crate::model::{LockId, Verdict, What};
use crate::system::READ_CALL;

/// What is said of a lock on a file system that is mounted so.
fn on(filesystem: &str, options: &str) -> String {
    let mut machine = Machine::new();
    machine.process(7, 1, 7);
    machine.opens(7, 3, "lock");
    let folder = machine.file("");
    let device = fs::metadata(&folder).unwrap().dev();
    let line = format!(
        "27 1 {}:{} / {} rw - {filesystem} nas:/srv rw,{options}\n",
        rustix::fs::major(device),
        rustix::fs::minor(device),
        folder.display()
    );
    machine.write("self/mountinfo", &line);
    machine.keeps(7, 3, "lock", 7);
    machine.locks(7, "lock");
    let snapshot = machine.look();
    let [lock] = &snapshot.locks[..] else { panic!("{snapshot:#?}") };
    assert_eq!(lock.verdict, Verdict::Held);
    lock.why.as_ref().unwrap().to_string()
}

#[test]
fn locks_on_the_file_systems_of_other_machines_say_what_cannot_be_known() {
    let told = on("nfs4", "vers=4.2,local_lock=none,addr=10.0.0.5");
    let unseen = "its file is on nfs4 (nas:/srv): those on other machines who hold it or wait for \
                  it cannot be seen from here";
    assert!(told.contains(unseen), "{told}");
    let told = on("nfs", "vers=3,nolock,local_lock=all");
    assert!(told.contains("mounted so that locks stay on this machine"), "{told}");
    let told = on("fuse.thing", "user_id=0");
    assert!(told.contains("whether it keeps out other machines cannot be told"), "{told}");
    let told = on("ext4", "discard");
    assert!(!told.contains("machine"), "{told}");
}

/// What the holder of the only lock was seen to wait for, if it was asked.
fn waits_for(machine: &mut Machine) -> (LockId, Option<What>) {
    let snapshot = machine.look();
    let [lock] = &snapshot.locks[..] else { panic!("{snapshot:#?}") };
    let waits = lock.holders[0].process.waits_for.as_deref();
    (lock.id.clone(), waits.map(|waits| waits[0].any_of[0].what))
}

#[test]
fn of_a_chosen_lock_more_is_found_out_and_kept_while_its_holder_sleeps() {
    // Elsewhere nothing is told of system calls.
    let Some(read) = READ_CALL else { return };
    let mut machine = Machine::new();
    machine.process(7, 1, 7);
    let call = format!("{read} 0x0 0x0 0x0 0x0 0x0 0x0 0x0 0x0\n");
    machine.write("7/task/7/syscall", &call);
    fs::create_dir_all(machine.proc("7/task/7/fd")).unwrap();
    std::os::unix::fs::symlink("/dev/pts/3", machine.proc("7/task/7/fd/0")).unwrap();
    machine.keeps(7, 3, "lock", 7);
    machine.locks(7, "lock");
    let (id, waits) = waits_for(&mut machine);
    assert_eq!(waits, None, "nobody waits for it");
    machine.settles();
    machine.inspector.wonder_about(Some(id));
    assert_eq!(waits_for(&mut machine).1, Some(What::Terminal));
    machine.settles();
    assert_eq!(waits_for(&mut machine).1, Some(What::Terminal), "it has not run");
    machine.inspector.wonder_about(None);
    assert_eq!(waits_for(&mut machine).1, None);
}
