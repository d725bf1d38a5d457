//! When what was remembered is believed: with another root of `/proc`, and a file that was tampered
//! with.

use std::collections::HashSet;
use std::fs;

use tempfile::TempDir;

use super::*;
use crate::ledger::LastLook;
use crate::model::Host;

const DAY: SignedDuration = SignedDuration::from_hours(24);

struct Machine {
    proc: TempDir,
    desk: TempDir,
    system: System,
}

impl Machine {
    fn new() -> Self {
        let proc = tempfile::tempdir().unwrap();
        for folder in ["self/ns", "sys/kernel/random"] {
            fs::create_dir_all(proc.path().join(folder)).unwrap();
        }
        let system = System::with_proc(proc.path());
        let machine = Self { system, proc, desk: tempfile::tempdir().unwrap() };
        machine.says("sys/kernel/random/boot_id", "one\n");
        machine.says("sys/kernel/pid_max", "32768\n");
        machine.says("stat", "cpu 1 2 3\nprocesses 1000\n");
        machine.has_namespace("pid", "pid:[1]");
        machine.has_namespace("time", "time:[2]");
        machine
    }

    fn says(&self, name: &str, text: &str) {
        fs::write(self.proc.path().join(name), text).unwrap();
    }

    fn has_namespace(&self, name: &str, link: &str) {
        let path = self.proc.path().join("self/ns").join(name);
        let _ = fs::remove_file(&path);
        std::os::unix::fs::symlink(link, path).unwrap();
    }

    fn folder(&self) -> PathBuf {
        self.desk.path().join("locktop")
    }

    fn file(&self) -> PathBuf {
        self.folder().join(FILE)
    }

    fn memory(&self) -> Memory {
        Memory::in_folder(self.folder())
    }

    /// A ledger that has looked at so many seconds after boot.
    fn ledger(&self, began: u64) -> Ledger {
        let mut ledger = Ledger::new(self.system.host());
        ledger.last = Some(LastLook {
            began: Duration::from_secs(began),
            absence_is_proof: true,
            complete: true,
            nameless_waits: HashSet::new(),
        });
        ledger
    }

    fn keeps(&self, memory: &Memory, began: u64) -> Option<&'static str> {
        let note = memory.keep(&self.ledger(began), self.system.now(), &self.system);
        note.map(|note| note.code)
    }

    /// When the look was that another process knows of, and the note that it gets.
    fn recalls(&self, memory: &mut Memory) -> (Option<u64>, Option<Note>) {
        let mut ledger = Ledger::new(self.system.host());
        let note = memory.recall(&mut ledger, &self.system);
        (ledger.last.map(|last| last.began.as_secs()), note)
    }

    /// That it is not believed, and why.
    #[track_caller]
    fn doubts(&self) -> Note {
        match self.recalls(&mut self.memory()) {
            (None, Some(note)) => note,
            believed => panic!("{believed:?}"),
        }
    }

    /// As if it had been written on other ground.
    fn tampers(&self, change: impl FnOnce(&mut Ground)) {
        let text = fs::read_to_string(self.file()).unwrap();
        let mut lines = text.lines().skip(1);
        let mut ground: Ground = serde_json::from_str(lines.next().unwrap()).unwrap();
        change(&mut ground);
        let rest: Vec<_> = lines.collect();
        let rest = format!("{}\n{}\n", serde_json::to_string(&ground).unwrap(), rest.join("\n"));
        fs::write(self.file(), format!("{}\n{rest}", first_line(&rest))).unwrap();
    }
}

#[test]
fn the_next_process_goes_on() {
    let machine = Machine::new();
    assert_eq!(machine.recalls(&mut machine.memory()), (None, None));
    assert_eq!(machine.keeps(&machine.memory(), 7), None);
    assert_eq!(machine.recalls(&mut machine.memory()), (Some(7), None));
    machine.tampers(|_| {});
    assert_eq!(machine.recalls(&mut machine.memory()), (Some(7), None));
}

#[test]
fn of_two_at_once_the_first_is_kept() {
    let machine = Machine::new();
    machine.keeps(&machine.memory(), 7);
    let [mut one, mut other] = [machine.memory(), machine.memory()];
    machine.recalls(&mut one);
    machine.recalls(&mut other);
    assert_eq!(machine.keeps(&one, 8), None);
    assert_eq!(machine.keeps(&other, 9), None);
    assert_eq!(machine.recalls(&mut other), (Some(8), None));
    assert_eq!(machine.keeps(&other, 10), None);
    assert_eq!(machine.recalls(&mut machine.memory()), (Some(10), None));
}

#[test]
fn what_is_from_before_a_restart_is_not_believed_and_replaced() {
    let machine = Machine::new();
    machine.keeps(&machine.memory(), 7);
    machine.says("sys/kernel/random/boot_id", "two\n");
    assert_eq!(machine.doubts().code, "memory_outdated");
    let mut memory = machine.memory();
    machine.recalls(&mut memory);
    assert_eq!(machine.keeps(&memory, 3), None);
    assert_eq!(machine.recalls(&mut machine.memory()), (Some(3), None));
}

#[test]
fn numbers_of_another_namespace_are_not_believed() {
    for name in ["pid", "time"] {
        let machine = Machine::new();
        machine.keeps(&machine.memory(), 7);
        machine.has_namespace(name, "other:[3]");
        assert!(machine.doubts().text.contains("namespace"), "{name}");
    }
}

#[test]
fn clocks_that_jumped_are_not_believed() {
    let machine = Machine::new();
    machine.keeps(&machine.memory(), 7);
    // Restored from an image: less time since boot than there was.
    let day = Duration::try_from(DAY).unwrap();
    machine.tampers(|ground| {
        (ground.uptime, ground.wall) = (ground.uptime + day, ground.wall + DAY);
    });
    assert!(machine.doubts().text.contains("gone back in time"));
    for jump in [DAY, -DAY] {
        let machine = Machine::new();
        machine.keeps(&machine.memory(), 7);
        machine.tampers(|ground| ground.wall += jump);
        assert!(machine.doubts().text.contains("the clock was set"), "{jump}");
    }
}

#[test]
fn whatever_is_damaged_is_not_believed() {
    let machine = Machine::new();
    machine.keeps(&machine.memory(), 7);
    let whole = fs::read(machine.file()).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(machine.file(), &damaged).unwrap();
        assert_eq!(machine.doubts().code, "memory_damaged", "byte {at}");
        fs::write(machine.file(), &whole[..at]).unwrap();
        assert_eq!(machine.doubts().code, "memory_damaged", "cut at {at}");
    }
    // And does not stand in the way.
    let mut memory = machine.memory();
    machine.recalls(&mut memory);
    assert_eq!(machine.keeps(&memory, 8), None);
    assert_eq!(machine.recalls(&mut machine.memory()), (Some(8), None));
}

#[test]
fn where_it_cannot_be_kept_a_note_says_so() {
    let machine = Machine::new();
    fs::write(machine.folder(), "").unwrap();
    assert_eq!(machine.keeps(&machine.memory(), 7), Some("memory_not_kept"));
    assert_eq!(machine.keeps(&Memory::of(Place::Nowhere("nowhere")), 7), Some("memory_not_kept"));
    assert_eq!(machine.keeps(&Memory::of(Place::named("".into())), 7), None);
    assert_eq!(fs::read(machine.folder()).unwrap(), b"");
    let unknown = Host { name: "x".into(), boot_id: None };
    let ledger = Ledger { host: unknown, ..machine.ledger(7) };
    fs::remove_file(machine.folder()).unwrap();
    let note = machine.memory().keep(&ledger, machine.system.now(), &machine.system);
    assert_eq!(note.unwrap().code, "memory_not_kept");
    assert!(!machine.folder().exists());
}

#[test]
fn what_could_hang_is_not_asked() {
    let machine = Machine::new();
    let folder = machine.desk.path().display();
    let mount = format!("30 1 0:30 / {folder} rw - nfs4 server:/ rw\n");
    machine.says("self/mountinfo", &mount);
    assert_eq!(machine.keeps(&machine.memory(), 7), Some("memory_not_kept"));
    assert_eq!(machine.doubts().code, "memory_unusable");
    assert!(!machine.folder().exists());
}
