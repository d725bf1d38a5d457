use std::collections::BTreeSet;
use std::fs;

use super::samples::{SAMPLES, UNKNOWN};
use super::*;
use crate::model::Form;
use crate::sources::Habitat as _;

fn embedded() -> Catalogue {
    Catalogue::embedded().unwrap()
}

fn all_samples() -> impl Iterator<Item = (&'static str, &'static str)> {
    SAMPLES.iter().flat_map(|(name, paths)| paths.iter().map(|path| (*name, *path)))
}

#[test]
fn every_sample_is_known_by_its_name() {
    let catalogue = embedded();
    for (name, path) in all_samples() {
        let found = catalogue.find(Path::new(path)).map(|entry| &*entry.name);
        assert_eq!(found, Some(name), "{path}");
    }
}

#[test]
fn every_pattern_has_a_sample() {
    for entry in embedded().entries() {
        for pattern in &entry.path {
            let has = all_samples()
                .any(|(name, path)| name == &*entry.name && pattern::matches(pattern, path));
            assert!(has, "{pattern} ({}) has no sample", entry.name);
        }
    }
}

#[test]
fn no_sample_is_two_locks() {
    let catalogue = embedded();
    let one = &catalogue.files[0];
    for (_, path) in all_samples() {
        let last = path.rsplit('/').next().unwrap();
        let meant: BTreeSet<usize> = one
            .index
            .find(path)
            .filter(|at| !one.entries[*at].except.iter().any(|not| pattern::matches(not, last)))
            .collect();
        assert_eq!(meant.len(), 1, "{path}: {meant:?}");
    }
}

#[test]
fn what_is_only_called_a_lock_is_none() {
    let catalogue = embedded();
    for path in UNKNOWN {
        assert_eq!(catalogue.find(Path::new(path)).map(|entry| &*entry.name), None, "{path}");
    }
}

#[test]
fn without_parsing_the_same_is_known() {
    for (_, path) in all_samples() {
        assert!(may_be_embedded(path), "{path}");
    }
    let catalogue = embedded();
    for path in UNKNOWN {
        // What is an exception is found out later.
        let excepted = path.ends_with("~pid.lock");
        assert_eq!(may_be_embedded(path), excepted, "{path}");
        assert!(catalogue.find(Path::new(path)).is_none());
    }
}

#[test]
fn all_that_is_on_disk_tells_how_to_read_it() {
    for entry in embedded().entries().filter(|entry| entry.family.is_on_disk()) {
        assert!(entry.owner.is_some(), "{}", entry.name);
    }
}

#[test]
fn links_lead_to_the_web() {
    let catalogue = embedded();
    let links = catalogue.entries().filter_map(|entry| entry.link.as_deref());
    for link in links.chain(catalogue.ranges().filter_map(|bytes| bytes.link.as_deref())) {
        assert!(link.starts_with("https://"), "{link}");
    }
}

#[test]
fn sentences_have_an_end() {
    for entry in embedded().entries() {
        if let Some(text) = &entry.breaking {
            assert!(text.ends_with('.'), "{text}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_name_that_is_no_text_hides_no_lock() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let path = Path::new(OsStr::from_bytes(b"/srv/\xff/.git/index.lock"));
    assert_eq!(&*embedded().find(path).unwrap().name, "git index");
}

#[test]
fn git_names_its_process_beside_the_lock() {
    let catalogue = embedded();
    let path = Path::new("/srv/x/.git/refs/heads/main.lock");
    let entry = catalogue.find(path).unwrap();
    assert_eq!(entry.beside(path).unwrap(), Path::new("/srv/x/.git/refs/heads/main~pid.lock"));
    assert_eq!(entry.worktree[0].of(path), Some(Path::new("/srv/x")));
}

#[test]
fn bytes_tell_what_sqlite_and_qemu_do() {
    let catalogue = embedded();
    let name = |start, end, path: &str| {
        let range = Range { start, end };
        catalogue.range(range, Some(Path::new(path))).map(|bytes| bytes.name.to_string())
    };
    // As an SQLite 3.40 locks: reading, writing, all for itself.
    assert_eq!(name(1_073_741_826, Some(1_073_742_335), "/a").as_deref(), Some("SQLite database"));
    assert_eq!(name(1_073_741_825, Some(1_073_741_825), "/a").as_deref(), Some("SQLite writer"));
    assert_eq!(name(1_073_741_824, Some(1_073_742_335), "/a").as_deref(), Some("SQLite database"));
    assert_eq!(name(120, Some(120), "/a.db-shm").as_deref(), Some("SQLite writer"));
    assert_eq!(name(120, Some(120), "/a.db"), None);
    assert_eq!(name(1_073_741_826, None, "/a"), None);
    assert_eq!(name(1_073_741_823, Some(1_073_741_824), "/a"), None);
    assert_eq!(name(0, None, "/a.qcow2"), None);
    assert_eq!(name(101, Some(101), "/a.qcow2").as_deref(), Some("QEMU disk image, written to"));
    assert_eq!(name(101, Some(101), "/a.db"), None);
    let anywhere = Range { start: 1_073_741_825, end: Some(1_073_741_825) };
    assert_eq!(&*catalogue.range(anywhere, None).unwrap().name, "SQLite writer");
}

#[test]
fn what_is_looked_for_is_bounded() {
    let catalogue = embedded();
    let patterns = catalogue.patterns();
    assert!(patterns.iter().all(|path| !path.contains("**")));
    let has = |wanted: &str| patterns.iter().any(|path| &**path == wanted);
    assert!(has("/tmp/.X*-lock") && has("/run/lock/LCK..*") && has("/var/lib/pacman/db.lck"));
    assert!(!has("/var/lib/dpkg/lock") && !has("/**/.git/index.lock"));
    let family = |path: &str| catalogue.family_at(Path::new(path));
    assert_eq!(family("/srv/x/.git/index.lock"), Some("lockfile"));
    assert_eq!(family("/tmp/.X0-lock"), Some("pidfile"));
    assert_eq!(family("/var/lib/dpkg/lock"), None);
    assert_eq!(family("/srv/x/.git/index~pid.lock"), None);
    assert!(!catalogue.places().is_empty());
    assert!(catalogue.places().iter().all(|path| !path.to_str().unwrap().contains('*')));
}

#[test]
fn the_user_comes_before_the_machine_and_that_before_us() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let of = |name: &str| {
        format!("[[lock]]\nname = \"{name}\"\npath = [\"/var/lib/dpkg/lock\", \"/x/{name}\"]\n")
    };
    let (users, machines) = (write("users", &of("mine")), write("machines", &of("ours")));
    let (catalogue, notes) =
        Catalogue::load_from(vec![users, machines, folder.path().join("none")]).unwrap();
    assert_eq!(notes, []);
    let name = |path: &str| catalogue.find(Path::new(path)).map(|entry| entry.name.to_string());
    assert_eq!(name("/var/lib/dpkg/lock").as_deref(), Some("mine"));
    assert_eq!(name("/x/ours").as_deref(), Some("ours"));
    assert_eq!(name("/var/lib/dpkg/lock-frontend").as_deref(), Some("dpkg frontend lock"));
    assert_eq!(catalogue.files().count(), 2);
}

#[test]
fn a_catalogue_with_an_error_is_left_out_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad");
    fs::write(&bad, "[[lock]]\npath = 1\nname = \"x\"\n").unwrap();
    let good = folder.path().join("good");
    fs::write(&good, "[[lock]]\npath = \"/x\"\nname = \"x\"\n").unwrap();
    let (catalogue, notes) = Catalogue::load_from(vec![bad, good]).unwrap();
    assert!(catalogue.find(Path::new("/x")).is_some());
    assert_eq!(notes.len(), 1);
    assert!(notes[0].text.contains("/bad, line 2: 'path' has to be"), "{}", notes[0].text);
}

/// What is said of a catalogue that cannot be.
fn complaint(text: &str) -> String {
    let file: Arc<Path> = Path::new("/etc/c.toml").into();
    let error = One::parse(text, Some(file)).unwrap_err();
    assert!(error.is_usage());
    error.to_string()
}

#[test]
fn complaints_name_file_line_and_key() {
    let lock =
        |more: &str| complaint(&format!("\n[[lock]]\nname = \"x\"\npath = \"/x\"\n{more}\n"));
    let range = |more: &str| complaint(&format!("[[range]]\nname = \"x\"\n{more}\n"));
    let complaints = [
        complaint("lock = 1"),
        complaint("[[lock]]\nname = \"x\""),
        complaint("[[lock]]\npath = \"/x\""),
        complaint("[[lock]]\n# x\npath = \"x\"\nname = \"x\""),
        complaint("[[lock]]\npath = [\"/x\",\n\"/**\"]\nname = \"x\""),
        complaint("[[lock]]\npath = \"/x/[a\"\nname = \"x\""),
        complaint("[[lock]]\npath = []\nname = \"x\""),
        complaint("[[lock]]\npath = [\"/x\", 1]\nname = \"x\""),
        complaint("[[lock]]\npath = \"/x\"\nname = \"\""),
        complaint("[[lock]]\npath = \"/x\"\nname = \"x"),
        complaint("[[colour]]\n"),
        lock("colour = 1"),
        lock("\"\\u001b[2J\" = 1"),
        lock("name = \"y\""),
        lock("family = \"borg\""),
        lock("normal = \"yes\""),
        lock("programs = 1"),
        lock("owner = \"pid\""),
        lock("take = \"link\""),
        lock("family = \"lockfile\"\ntake = \"pipe\""),
        lock("family = \"lockfile\"\nowner = \"me\""),
        lock("family = \"lockfile\"\nbeside = \"pid\""),
        lock("worktree = \"/x\""),
        lock("[[lock]]\nname = \"y\"\npath = [\"/y\", \"/x\"]"),
        range("start = 1"),
        range("start = 2\nend = 1"),
        range("start = -1\nend = 1"),
        range("start = 1.5\nend = 2"),
        range("start = 1\nend = 2\nfamily = \"posix\""),
    ];
    insta::assert_snapshot!(complaints.join("\n"));
}

#[test]
fn a_lock_can_say_all_of_itself() {
    let text = r#"
        [[lock]]
        name = "nightly backup"
        path = "/run/backup/*.lock"
        family = "lockfile"
        except = "x.lock"
        owner = "text"
        beside = "*.pid"
        programs = "rsync"
        idle = ["--daemon"]
        stays = ["mend"]
        roams = ["--folder"]
        heirs = true
        worktree = ".."
        normal = true
        take = "folder"
        breaking = "Ask the night shift."
        link = "https://example.org/"

        [[range]]
        start = 0x10
        end = 1_000
        name = "header"
    "#;
    let one = One::parse(text, None).unwrap();
    let entry = one.find("/run/backup/a.lock").unwrap();
    assert_eq!((entry.family, entry.take, entry.normal), (Family::Lockfile, Form::Folder, true));
    assert_eq!(entry.origin.line, 2);
    assert!(one.find("/run/backup/x.lock").is_none());
    insta::assert_snapshot!(serde_json::to_string_pretty(entry).unwrap());
    assert_eq!((one.ranges[0].start, one.ranges[0].end), (16, 1000));
}

proptest::proptest! {
    /// Whatever somebody writes into such a file, we answer.
    #[test]
    fn no_catalogue_can_break_us(text in ".{0,200}", keys in "(path|name|family|owner|[a-z]{1,3})( = )(1|\"/a\\*\\*\"|\\[\\]|\"x\"|true)") {
        let _ = One::parse(&text, None);
        let _ = One::parse(&format!("[[lock]]\n{keys}\n{text}"), None);
    }
}
