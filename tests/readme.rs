//! The README's commands, run as they are written: on the demo that its outputs come from.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::path::Path;
use std::process::{Command, Stdio};

use support::{Playground, somebody_is_in_charge, wait_until};

const README: &str = include_str!("../README.md");

/// The folder of the demo whose outputs the README shows, and its user.
const FOLDER: &str = "/tmp/locktop-demo-";
const USER: &str = "root";

/// The insides of the code blocks of a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    let insides = README.split(&*fence).skip(1);
    insides.map(|rest| rest.split("```").next().unwrap()).collect()
}

/// What a command prints on standard output, in a shell that finds `locktop`.
fn run(command: &str) -> String {
    let folder = Path::new(env!("CARGO_BIN_EXE_locktop")).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", command])
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {}: {said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// Numbers, times and layout differ from one demo to the next: what is left when they are taken out.
fn essence(text: &str) -> String {
    let mut words = String::new();
    for word in text.replace("anon_pipe", "pipe").split_whitespace() {
        let mut last = ' ';
        for c in word.chars().map(|c| if c.is_ascii_digit() || c == '.' { '#' } else { c }) {
            if (c, last) != ('#', '#') && !"≤≥".contains(c) {
                words.push(c);
            }
            last = c;
        }
        words.push(' ');
    }
    ["#m#s", "#s–#s", "between #s and #s", "at most #s", "at least #s"]
        .iter()
        .fold(words, |words, span| words.replace(span, "#s"))
}

/// Whether one of the two who take turns has the lock, and the other one waits.
fn rivals_contend(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("contended ") && line.contains("/contention.lock "))
}

/// Which lock has been waited for longest changes, and with it the order.
fn in_any_order(text: &str) -> Vec<String> {
    let mut lines: Vec<_> = text.lines().map(essence).collect();
    lines.sort();
    lines
}

#[test]
fn outputs_are_what_the_commands_print() {
    if somebody_is_in_charge() {
        // The demo's orphan is none here.
        return;
    }
    let playground = Playground::new();
    let (mut demo, unread) = playground.set_demo();
    let folder = playground.folder();
    let user = run("id -un");

    let sessions = blocks("console").into_iter().flat_map(|block| block.split("$ ").skip(1));
    let mut compared = 0;
    for session in sessions.filter(|session| session.starts_with("locktop ")) {
        let (command, shown) = session.split_once('\n').unwrap();
        let start = command.find(FOLDER).unwrap();
        let as_shown = &command[start..start + FOLDER.len() + 6];
        let command_here = command.replace(as_shown, folder.to_str().unwrap());
        let printed = wait_until("a look finds nobody handing over", || {
            let printed = run(&command_here);
            (rivals_contend(&printed) == rivals_contend(shown)).then_some(printed)
        });
        let printed = printed
            .replace(folder.to_str().unwrap(), as_shown)
            .replace(&format!(" {}", user.trim()), &format!(" {USER}"))
            .replace(&format!("({})", user.trim()), &format!("({USER})"));
        if command.starts_with("locktop ls") {
            assert_eq!(in_any_order(&printed), in_any_order(shown), "{command}\n{printed}");
        } else {
            assert_eq!(essence(&printed), essence(shown), "{command}\n{printed}");
        }
        compared += 1;
    }
    assert!(compared >= 3);
    drop(unread);
    demo.wait().unwrap();
    playground.wait_for_nothing();
}

#[test]
fn commands_work() {
    let lines = blocks("sh").into_iter().flat_map(str::lines);
    let (ours, others): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with("locktop "));
    for command in &ours {
        // A lock file that this machine does not have is bad usage.
        if !command.contains("/var/lib/dpkg") || Path::new("/var/lib/dpkg/lock-frontend").exists() {
            run(command);
        }
    }
    assert!(ours.len() >= 4, "{ours:?}");
    // What builds, passes the tests and asks for another user's rights is not run from a test.
    let setcap = "sudo setcap cap_sys_ptrace,cap_dac_read_search+ep target/release/locktop";
    assert_eq!(others, ["cargo run --release", "tests/run", setcap]);
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run").is_file());
}

#[test]
fn every_field_of_the_documents_is_described() {
    let described: Vec<_> = README.split('`').skip(1).step_by(2).collect();
    let playground = Playground::new();
    let (mut demo, unread) = playground.set_demo();
    let folder = playground.folder();
    for command in ["ls --json", "explain --json"] {
        let printed = run(&format!("locktop {command} {}", folder.join("orphan.lock").display()));
        let document = serde_json::from_str(&printed).unwrap();
        let mut names = Vec::new();
        collect_names(&document, &mut names);
        let missing: Vec<_> =
            names.iter().filter(|name| !described.contains(&name.as_str())).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
    drop(unread);
    demo.wait().unwrap();
    playground.wait_for_nothing();
}

fn collect_names(value: &serde_json::Value, names: &mut Vec<String>) {
    use serde_json::Value;
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                names.push(name.clone());
                collect_names(value, names);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect_names(value, names)),
        _ => {}
    }
}
