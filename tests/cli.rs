//! The binary's answers to what cannot be done, and to readers that go away.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::Read as _;
use std::process::{Command, Output, Stdio};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

fn locktop(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_locktop"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn output(arguments: &[&str]) -> Output {
    locktop(arguments).output().unwrap()
}

/// Runs it and expects that status, nothing on standard output, and on standard error a line by
/// which one knows who speaks.
fn refused(arguments: &[&str], status: i32) -> String {
    let output = output(arguments);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {text}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    assert!(text.starts_with("locktop: "), "{arguments:?}: {text}");
    text
}

#[test]
fn bad_usage_is_status_2() {
    for arguments in [
        &["--bogus"][..],
        &["--color", "sometimes", "ls"],
        &["ls", "--json", "--tree"],
        &["ls", "pid:x"],
        &["ls", ""],
        &["ls", "gopher://host/lock"],
        &["explain"],
        &["explain", "/a", "/b"],
    ] {
        refused(arguments, 2);
    }
}

#[test]
fn an_unknown_column_is_refused_with_a_list() {
    let text = refused(&["ls", "-o", "id,colour"], 2);
    assert!(text.contains("'colour'") && text.contains("verdict"), "{text}");
}

#[test]
fn a_promised_command_is_no_target() {
    let folder = tempfile::tempdir().unwrap();
    for word in ["history", "man"] {
        let output = locktop(&[word, "x"]).current_dir(&folder).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{word}");
        assert!(text.contains(&format!("no command '{word}' yet")), "{text}");
    }
}

#[test]
fn a_complaint_gives_a_terminal_no_orders() {
    let text = refused(&["ls", "--\u{1b}[2J\u{202e}"], 2);
    assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
}

#[test]
fn help_and_version_are_results() {
    let help = output(&["--help"]);
    assert!(help.status.success() && help.stderr.is_empty());
    assert!(String::from_utf8(help.stdout).unwrap().contains("Usage: locktop"));
    let version = String::from_utf8(output(&["--version"]).stdout).unwrap();
    assert_eq!(version, format!("locktop {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_path_that_is_not_there_is_status_2_and_the_others_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing").display().to_string();
    let there = folder.path().display().to_string();
    for command in ["ls", "explain"] {
        let text = refused(&[command, &missing], 2);
        assert!(text.contains("missing does not exist"), "{text}");
    }
    let output = output(&["ls", "--json", &missing, &there]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stdout).unwrap().contains("\n  \"locks\":[]"));
}

#[test]
fn a_file_that_nobody_locks_is_no_failure() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let told = output(&["explain", path]);
    assert_eq!(told.status.code(), Some(0));
    let text = String::from_utf8(told.stdout).unwrap();
    assert_eq!(text, format!("nobody holds a lock on {path}\n"));
    let listed = output(&["ls", "-o", "id,path", path]);
    assert_eq!((listed.status.code(), &listed.stdout[..]), (Some(0), &b"ID  PATH\n"[..]));
}

#[test]
fn of_a_folder_that_nobody_locks_it_is_said_who_shows_what_is_below() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let told = output(&["explain", path]);
    let text = String::from_utf8(told.stdout).unwrap();
    let hint = "itself; 'locktop ls' shows those below it";
    assert_eq!(text, format!("nobody holds a lock on the folder {path} {hint}\n"));
    assert_eq!(told.status.code(), Some(0));
}

#[test]
fn without_a_terminal_it_lists() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().lock().unwrap();
    let path = file.path().to_str().unwrap();
    let (plain, listed) = (output(&[path]), output(&["ls", path]));
    let verdicts = |output: &Output| {
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        assert!(text.contains(path) && !text.contains('\u{1b}'), "{text}");
        text.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(verdicts(&plain), ["VERDICT", "held"]);
    assert_eq!(verdicts(&plain), verdicts(&listed));
}

#[test]
fn colours_come_when_they_are_asked_for() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().lock().unwrap();
    let path = file.path().to_str().unwrap();
    let always = output(&["ls", "--color", "always", path]);
    assert!(String::from_utf8(always.stdout).unwrap().contains("\u{1b}[32mheld\u{1b}[0m"));
}

#[test]
fn quiet_and_verbose_are_about_standard_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let stderr = |arguments: &[&str]| String::from_utf8(output(arguments).stderr).unwrap();
    assert_eq!(stderr(&["ls", "-q", path]), "");
    assert!(stderr(&["ls", path]).contains("nobody holds a lock there"));
    let cost = stderr(&["ls", "-qv", "--json", path]);
    assert!(cost.starts_with("locktop: saw ") && cost.ends_with(" ms\n"), "{cost}");
}

/// What it writes to a terminal of that many columns.
fn on_terminal(columns: u16, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let size = PtySize { rows: 5, cols: columns, pixel_width: 0, pixel_height: 0 };
    let terminal = native_pty_system().openpty(size).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_locktop"));
    command.args(arguments);
    command.env("TERM", "xterm");
    command.env_remove("NO_COLOR");
    for (name, value) in environment {
        command.env(name, value);
    }
    let mut child = terminal.slave.spawn_command(command).unwrap();
    drop(terminal.slave);
    let mut written = Vec::new();
    // Linux ends what a terminal reads with an error, when its last user has gone.
    let _ = terminal.master.try_clone_reader().unwrap().read_to_end(&mut written);
    assert!(child.wait().unwrap().success(), "{arguments:?}");
    String::from_utf8(written).unwrap()
}

#[test]
fn a_terminal_gets_colours_and_lines_that_fit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a-rather-long-name-for-a-file-that-is-only-locked.lock");
    let file = std::fs::File::create(&path).unwrap();
    file.lock().unwrap();
    let path = path.to_str().unwrap();
    let colourless: &[(&str, &str)] = &[("NO_COLOR", "1")];

    assert!(on_terminal(80, &["ls", path], &[]).contains("\u{1b}[32mheld\u{1b}[0m"));
    for columns in [1, 2, 20, 80] {
        for arguments in
            [&["ls", "-q", path][..], &["ls", "-q", "--tree", path], &["ls", "-q", "--ascii", path]]
        {
            let text = on_terminal(columns, arguments, colourless);
            assert!(!text.contains('\u{1b}') && !text.contains("panicked"), "{text}");
            for line in text.lines() {
                assert!(line.chars().count() <= columns.into(), "{columns}: {line:?}");
            }
        }
        on_terminal(columns, &["explain", path], colourless);
    }
    assert!(on_terminal(500, &["ls", path], &[]).contains(path));
}

/// Runs it with a reader that went away before the first byte.
fn unread(arguments: &[&str]) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = locktop(arguments).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{arguments:?}: {text}");
    assert_eq!(text, "", "{arguments:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    // On a machine without any lock there is a remark on that.
    let locked = tempfile::tempfile().unwrap();
    locked.lock().unwrap();
    for arguments in
        [&["--help"][..], &["ls"], &["ls", "--json"], &["ls", "--tree"], &["explain", "/"]]
    {
        unread(arguments);
    }
}
