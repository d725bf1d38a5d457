//! The binary's answers to what cannot be done, and to readers that go away.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::Read as _;
use std::process::{Command, Output, Stdio};

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
    for word in ["hold", "run", "wait", "release", "watch", "check", "audit"] {
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
    unread(&["--help"]);
}
