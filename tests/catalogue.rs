//! The catalogue that people add to, as the commands use it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Somebody with a catalogue of his own, and a lock.
struct Somebody {
    home: TempDir,
}

impl Somebody {
    fn with(catalogue: &str) -> Self {
        let somebody = Self { home: tempfile::tempdir().unwrap() };
        let file = somebody.file();
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, catalogue).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        somebody
    }

    fn file(&self) -> PathBuf {
        self.home.path().join("config/locktop/catalogue.toml")
    }

    fn lock(&self) -> PathBuf {
        self.home.path().canonicalize().unwrap().join("backup.lock")
    }

    fn locktop(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_locktop"));
        command.args(arguments).stdin(Stdio::null());
        command.env("XDG_CONFIG_HOME", self.home.path().join("config"));
        command
    }

    fn output(&self, arguments: &[&str]) -> Output {
        self.locktop(arguments).output().unwrap()
    }

    /// Status, standard output, standard error.
    fn says(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = self.output(arguments);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }
}

const BAD: &str = "[[lock]]\nname = \"backup\"\npath = 7\n";

fn entry(path: &Path, family: &str) -> String {
    format!(
        "[[lock]]\nname = \"nightly backup\"\npath = \"{}\"\nfamily = \"{family}\"\n",
        path.display()
    )
}

#[test]
fn an_entry_of_ones_own_names_the_lock() {
    let somebody = Somebody::with("");
    let lock = somebody.lock();
    fs::write(somebody.file(), entry(&lock, "posix")).unwrap();
    let lock = lock.to_str().unwrap();
    let (status, told, _) = somebody.says(&["catalogue", lock]);
    assert_eq!(status, Some(0));
    assert!(told.starts_with(&format!("{lock}: nightly backup\n")), "{told}");
    assert!(told.contains("catalogue.toml, line 1"), "{told}");
    let (_, all, said) = somebody.says(&["catalogue"]);
    assert!(all.contains(lock) && all.contains("/var/lib/dpkg/lock-frontend"), "{all}");
    assert!(said.contains("catalogue.toml adds"), "{said}");
    // It is locked as it says, and called so.
    let program = env!("CARGO_BIN_EXE_locktop");
    let (status, listed, said) =
        somebody.says(&["run", lock, "--", program, "ls", "-o", "mechanism,name", lock]);
    assert_eq!(status, Some(0), "{said}");
    assert!(listed.contains("ofd") && listed.contains("nightly backup"), "{listed}");
}

#[test]
fn a_mistake_is_told_with_its_place_and_nobody_is_held_up() {
    let somebody = Somebody::with(BAD);
    let place = "config/locktop/catalogue.toml, line 3: 'path' has to be a text";
    let (status, told, said) = somebody.says(&["catalogue"]);
    assert_eq!((status, &*told), (Some(2), ""), "{said}");
    assert!(said.contains(place), "{said}");
    for arguments in [&["ls", "/"][..], &["ls", "--json"]] {
        let (status, told, said) = somebody.says(arguments);
        assert_eq!(status, Some(0), "{said}");
        // Once, with the notes.
        assert_eq!((told + &said).matches(place).count(), 1, "{arguments:?}: {said}");
    }
}

#[test]
fn with_a_mistake_in_it_nothing_is_locked_by_guess() {
    let somebody = Somebody::with(BAD);
    let lock = somebody.lock();
    let lock = lock.to_str().unwrap();
    let (status, _, said) = somebody.says(&["run", lock, "--", "true"]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("line 3: 'path'") && said.contains("flock:PATH"), "{said}");
    let (status, _, said) = somebody.says(&["run", &format!("flock:{lock}"), "--", "true"]);
    assert_eq!(status, Some(0), "{said}");
}

#[test]
fn what_others_may_write_is_not_followed() {
    let somebody = Somebody::with("");
    fs::set_permissions(somebody.file(), fs::Permissions::from_mode(0o666)).unwrap();
    let (status, _, said) = somebody.says(&["catalogue"]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("others may write to it; 'chmod go-w'"), "{said}");
    assert!(somebody.output(&["ls", "/"]).status.success());
}

#[test]
fn a_path_that_nobody_knows_is_no() {
    let somebody = Somebody::with("");
    let (status, told, said) =
        somebody.says(&["catalogue", "/nowhere/Cargo.lock", "/etc/.pwd.lock"]);
    assert_eq!(status, Some(1));
    assert!(told.starts_with("/etc/.pwd.lock: user database\n"), "{told}");
    assert_eq!(said, "locktop: /nowhere/Cargo.lock is no well-known lock\n");
}

#[test]
fn the_readme_shows_what_is_printed() {
    let somebody = Somebody::with("");
    let (_, told, _) = somebody.says(&["catalogue", "/var/lib/dpkg/lock-frontend"]);
    assert!(include_str!("../README.md").contains(&format!("```text\n{told}```")), "{told}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let somebody = Somebody::with("");
    for arguments in [&["catalogue"][..], &["catalogue", "--json"]] {
        let mut child = somebody.locktop(arguments).stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{arguments:?}");
    }
}
