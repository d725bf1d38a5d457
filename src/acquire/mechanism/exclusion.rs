//! Exclusive means exclusive, over the whole range, between processes: on whatever system this is run.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use crate::Target;
use crate::acquire::{Acquire, Form, Progress};
use crate::model::{Mode, Range};

/// The variable that tells another process of this program what to lock.
const PART: &str = "LOCKTOP_TEST_EXCLUSION";

/// Longer than anything takes.
const SOON: Duration = Duration::from_mins(5);

/// What can be locked: the family, and whether it is a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Thing {
    family: &'static str,
    is_folder: bool,
}

const fn thing(family: &'static str, is_folder: bool) -> Thing {
    Thing { family, is_folder }
}

/// On systems that number no files there are no folders to be opened, and nothing that locks by
/// existing; record locks of open files are Linux's.
fn things() -> Vec<Thing> {
    let everywhere = [thing("flock", false)];
    let unix = [thing("flock", true), thing("lockfile", false), thing("lockfile", true)];
    let linux = [thing("ofd", false), thing("ofd", true)];
    let mut things = everywhere.to_vec();
    things.extend(unix.into_iter().filter(|_| cfg!(unix)));
    things.extend(linux.into_iter().filter(|_| has_records()));
    things
}

fn has_records() -> bool {
    let file = tempfile::tempfile().unwrap();
    crate::system::locking::record::is_free(&file, Mode::Exclusive, Range::WHOLE).is_ok()
}

impl Thing {
    fn request(self, path: &Path, mode: Mode) -> Acquire {
        let target = Target::Family { family: self.family, path: path.to_owned() };
        let request = target.acquire();
        let request = match mode {
            Mode::Shared => request.shared(),
            Mode::Exclusive => request,
        };
        let is_made = self.family == "lockfile" && self.is_folder;
        if is_made { request.form(Form::Folder) } else { request }
    }

    /// The ways in which it can be locked: a record lock that keeps out others wants a file that can
    /// be written to, and what locks by existing is never shared.
    fn modes(self) -> Vec<Mode> {
        match (self.family, self.is_folder) {
            ("lockfile", _) => vec![Mode::Exclusive],
            ("ofd", true) => vec![Mode::Shared],
            _ => vec![Mode::Exclusive, Mode::Shared],
        }
    }

    /// A place for it.
    fn at(self, folder: &Path) -> PathBuf {
        let path = folder.join("lock");
        if self.family != "lockfile" && self.is_folder {
            fs::create_dir(&path).unwrap();
        }
        path
    }
}

/// Another process that has a lock until it is told to let go.
struct Other {
    process: Child,
    orders: Option<ChildStdin>,
    words: BufReader<ChildStdout>,
}

impl Other {
    /// It tries, and says whether it has it.
    fn tries(thing: Thing, path: &Path, mode: Mode) -> (Self, bool) {
        let part =
            format!("{}\n{}\n{}\n{}", thing.family, thing.is_folder, mode.word(), path.display());
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["--exact", "acquire::mechanism::exclusion::plays", "--ignored", "--nocapture"])
            .env(PART, part)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = process.stdin.take();
        let mut words = BufReader::new(process.stdout.take().unwrap());
        let has = loop {
            let mut line = String::new();
            assert_ne!(words.read_line(&mut line).unwrap(), 0, "{thing:?}: it has ended");
            match line.trim() {
                "has it" => break true,
                "has it not" => break false,
                _ => {}
            }
        };
        (Self { process, orders, words }, has)
    }

    /// It says that it lets go, and then does.
    fn lets_go(&mut self) {
        drop(self.orders.take());
        self.words.read_to_string(&mut String::new()).unwrap();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The part of the other process.
#[test]
#[ignore = "is started by others"]
fn plays() {
    let Ok(part) = env::var(PART) else { return };
    let [family, is_folder, mode, path] = part.split('\n').collect::<Vec<_>>()[..] else { return };
    let known = things()
        .into_iter()
        .find(|thing| thing.family == family && thing.is_folder == (is_folder == "true"));
    let mode = if mode == "shared" { Mode::Shared } else { Mode::Exclusive };
    let taken = known.unwrap().request(path.as_ref(), mode).no_wait().take();
    let mut out = std::io::stdout();
    match taken {
        Ok(guard) => {
            writeln!(out, "\nhas it").unwrap();
            std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
            fs::write(released(path.as_ref()), "").unwrap();
            guard.release().unwrap();
        }
        Err(error) => {
            assert!(error.is_would_block(), "{error}");
            writeln!(out, "\nhas it not").unwrap();
        }
    }
}

/// Is there before anybody is let in.
fn released(path: &Path) -> PathBuf {
    path.with_file_name("released")
}

fn for_each_pair(check: impl Fn(Thing, &Path, [Mode; 2])) {
    for thing in things() {
        for first in thing.modes() {
            for second in thing.modes() {
                let folder = tempfile::tempdir().unwrap();
                check(thing, &thing.at(folder.path()), [first, second]);
            }
        }
    }
}

#[test]
fn who_does_not_wait_is_let_in_only_where_all_share() {
    for_each_pair(|thing, path, [first, second]| {
        let fits = !first.conflicts_with(second);
        let told = format!("{thing:?}: {first:?}, then {second:?}");
        let (mut other, has) = Other::tries(thing, path, first);
        assert!(has, "{told}");
        match thing.request(path, second).no_wait().take() {
            Ok(guard) => {
                assert!(fits, "{told}");
                guard.release().unwrap();
            }
            Err(error) => assert!(!fits && error.is_would_block(), "{told}: {error}"),
        }
        other.lets_go();
        // The other way round.
        let guard = thing.request(path, first).no_wait().take().unwrap();
        let (_other, has) = Other::tries(thing, path, second);
        assert_eq!(has, fits, "{told}, the other way round");
        drop(guard);
    });
}

#[test]
fn who_waits_is_let_in_when_the_other_has_let_go() {
    for_each_pair(|thing, path, [first, second]| {
        if !first.conflicts_with(second) {
            return;
        }
        let (mut other, has) = Other::tries(thing, path, first);
        assert!(has, "{thing:?}");
        let (tell, told) = channel();
        let request = thing.request(path, second).timeout(SOON).on_progress(move |progress| {
            if matches!(progress, Progress::Waiting(_)) {
                // Once is enough.
                let _ = tell.send(());
            }
        });
        let marker = released(path);
        let waits = thread::spawn(move || {
            let guard = request.take().unwrap();
            let was_released = marker.exists();
            guard.release().unwrap();
            was_released
        });
        told.recv_timeout(SOON).unwrap();
        other.lets_go();
        assert!(waits.join().unwrap(), "{thing:?}: {first:?}, then {second:?}");
    });
}

#[test]
fn a_whole_file_is_all_its_bytes() {
    let record = thing("ofd", false);
    if !things().contains(&record) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = record.at(folder.path());
    let (_other, has) = Other::tries(record, &path, Mode::Exclusive);
    assert!(has);
    let last = i64::MAX as u64;
    for start in [0, 1, 1 << 32, 1 << 40, last] {
        let range = Range { start, end: Some(start) };
        let request = record.request(&path, Mode::Shared).range(range);
        let error = request.no_wait().take().unwrap_err();
        assert!(error.is_would_block(), "{range}: {error}");
    }
}
