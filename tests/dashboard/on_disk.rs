//! Locks on disk in the dashboard, beside the kernel's.

use std::fs;

use crate::terminal::{Held, Terminal};

#[test]
fn locks_on_disk_come_and_go_beside_the_kernels() {
    let held = Held::new();
    let lock = |name: &str| held.folder().join("r/.git").join(name);
    fs::create_dir_all(lock("")).unwrap();
    fs::write(lock("index.lock"), "").unwrap();
    let mut terminal = Terminal::start(&[held.folder()]);
    let screen = terminal.shows("/index.lock");
    assert!(screen.contains("nightly.lock"), "{screen}");
    let row = screen.lines().find(|line| line.contains("/index.lock")).unwrap();
    assert!(row.contains("lockfi"), "{row}");
    fs::write(lock("config.lock"), "").unwrap();
    let screen = terminal.shows("/config.lock");
    assert!(screen.contains("/index.lock"), "{screen}");
    fs::remove_file(lock("index.lock")).unwrap();
    terminal.hides("/index.lock");
    terminal.shows("/config.lock");
    terminal.press("q");
    assert!(terminal.ends().success());
}
