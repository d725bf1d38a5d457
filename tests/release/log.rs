//! The log: who may not write to it, what is left of a crash, and the system's own.

use std::fs;
use std::thread;

use locktop::Inspector;
use locktop::release::{self, AuditLog, Stage};

use crate::support::{Need, Scene, wait_until};
use crate::theatre::{Theatre, has_ended, lives};

/// Makes an empty `/dev` of the stage's own; whatever its folder is.
const OWN_DEV: &str = "
def own_dev():
    mount('none', f'{FOLDER}/.dev', 'tmpfs')
    for name in ('null', 'zero', 'full', 'random', 'urandom', 'tty'):
        write(f'{FOLDER}/.dev/{name}', '')
        checked(libc.mount(f'/dev/{name}'.encode(), f'{FOLDER}/.dev/{name}'.encode(), None, 0x1000, None))
    checked(libc.mount(f'{FOLDER}/.dev'.encode(), b'/dev', None, 0x5000, None))

def listen():
    global daemon
    daemon = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    daemon.bind('/dev/log')
    os.chmod('/dev/log', 0o666)

def heard():
    lines = []
    daemon.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            lines.append(daemon.recv(65536).decode())
    return lines

def fill():
    full = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    full.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            full.sendto(b'noise', '/dev/log')
";

/// A theatre whose system log is its own.
#[track_caller]
fn with_own_dev() -> Option<Theatre> {
    let theatre = Theatre::with(&[Need::Root])?;
    theatre.scene.stage().does(OWN_DEV);
    theatre.scene.stage().does("own_dev()");
    Some(theatre)
}

#[test]
fn the_systems_log_has_a_line_before_and_after() {
    let Some(theatre) = with_own_dev() else { return };
    let stage = theatre.scene.stage();
    stage.does("listen()");
    let holder = theatre.scene.actor();
    // Neither the name of a file nor that of a process can forge a line.
    holder.does("flock('a\\n<85>b', EX); write('/proc/self/comm', 'x\\x1b\\ny')");
    let path = theatre.path("a\n<85>b");
    theatre.release(&[&path, "--syslog"], 0);
    has_ended(holder.pid);
    let lines = stage.does("heard()");
    let lines: Vec<&str> =
        lines.as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    let [begun, done] = lines[..] else { panic!("{lines:#?}") };
    let act = theatre.log()[0]["act"].as_str().unwrap().to_owned();
    let shown = theatre.path("a\\n<85>b");
    // As RFC 3164 has it: authpriv.notice, when, and who.
    for (line, words) in [
        (begun, format!(": begun terminate {shown} (act {act})")),
        (done, format!(": done terminate {shown} (act {act}): The lock is free.")),
    ] {
        let (head, rest) = line.split_once(" locktop[").unwrap();
        let (pid, text) = rest.split_once(']').unwrap();
        assert_eq!(head.len(), "<85>Nov 21 06:40:12".len(), "{line:?}");
        assert!(head.starts_with("<85>") && pid.parse::<u32>().is_ok(), "{line:?}");
        assert_eq!(text, words);
        assert!(!line.contains(char::is_control), "{line:?}");
    }
}

#[test]
fn where_the_systems_log_does_not_listen_nothing_is_done() {
    for silence in ["None", "(listen(), fill())"] {
        let Some(theatre) = with_own_dev() else { return };
        theatre.scene.stage().does(silence);
        let holder = theatre.scene.actor();
        holder.does("flock('l', EX)");
        let output = theatre.locktop(&["release", "--yes", "--syslog", &theatre.path("l")]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(5), "{said}");
        let begins = "locktop: nothing was touched: the system's log at /dev/log cannot be written";
        assert!(said.starts_with(begins) && said.contains("leave --syslog out"), "{said}");
        assert_eq!(holder.does("1 + 1"), 2);
        // It is told that it has failed, and not that nobody knows what came of it.
        assert_eq!(theatre.stages(), ["begun", "failed"]);
        theatre.release(&[&theatre.path("l")], 0);
        has_ended(holder.pid);
    }
}

/// What somebody can plant where the log is, in the words of the stage; what is said; whether it
/// takes root to plant it.
const TRAPS: [(&str, &str, bool); 8] = [
    ("os.symlink(f'{FOLDER}/precious', f'{log}/audit.jsonl')", "it is a symbolic link", false),
    ("os.mkfifo(f'{log}/audit.jsonl')", "it is not a plain file", false),
    ("os.mkdir(f'{log}/audit.jsonl')", "it is a folder", false),
    (
        "write(f'{log}/audit.jsonl', ''); os.chmod(f'{log}/audit.jsonl', 0o666)",
        "others may write to it, mode 0666",
        false,
    ),
    ("os.chmod(log, 0o777)", "others may write to its folder, mode 0777", false),
    (
        "write(f'{log}/audit.jsonl', ''); os.chown(f'{log}/audit.jsonl', NOBODY, NOBODY)",
        "it belongs to another user, uid 65534",
        true,
    ),
    ("os.chown(log, NOBODY, NOBODY)", "its folder belongs to another user, uid 65534", true),
    (
        "os.rename(log, f'{log}2'); os.symlink(f'{log}2', log); os.lchown(log, NOBODY, NOBODY)",
        "its folder belongs to another user, uid 65534",
        true,
    ),
];

#[test]
fn what_is_planted_where_the_log_is_keeps_everybody_alive() {
    for (trap, said, by_root) in TRAPS {
        let needs = if by_root { &[Need::Root][..] } else { &[] };
        let Some(theatre) = Theatre::with(needs) else { return };
        let stage = theatre.scene.stage();
        stage.does("write('precious', 'as it was')");
        stage.does(format!("log = {:?}; os.makedirs(log, 0o750)", theatre.log_folder()));
        stage.does(trap);
        let holder = theatre.scene.actor();
        holder.does("flock('l', EX)");
        let output = theatre.locktop(&["release", "--yes", &theatre.path("l")]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(matches!(output.status.code(), Some(3 | 5)), "{trap}: {text}");
        let log = theatre.log_folder();
        let begins = format!(
            "locktop: nothing was touched: the audit log {log}/audit.jsonl cannot be written ({said})"
        );
        assert!(text.starts_with(&begins), "{trap}: {text}");
        assert_eq!(holder.does("1 + 1"), 2);
        assert_eq!(fs::read(theatre.scene.path("precious")).unwrap(), b"as it was");
        // Reading it does not hang either.
        theatre.locktop(&["audit"]);
    }
}

#[test]
fn a_log_in_the_home_of_somebody_else_is_told_with_what_to_do() {
    let Some(theatre) = Theatre::with(&[Need::Root]) else { return };
    let holder = theatre.scene.nobody();
    holder.does("flock('l', EX)");
    theatre.scene.stage().does("os.mkdir('home', 0o700)");
    let home = format!("HOME={}", theatre.path("home"));
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let through = [&nobody[..], &["env", "-u", "XDG_STATE_HOME", &home]].concat();
    let output = theatre.locktop_through(&through, &["release", "--yes", &theatre.path("l")]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        format!(
            "locktop: nothing was touched: the audit log {}/.local/state/locktop/audit.jsonl \
             cannot be written (permission denied); mend that first, or set XDG_STATE_HOME to a \
             folder of yours\n",
            theatre.path("home")
        )
    );
    assert!(lives(holder.pid));
}

#[test]
fn half_a_line_of_a_crash_spoils_no_other() {
    let Some(theatre) = Theatre::with(&[]) else { return };
    let stage = theatre.scene.stage();
    let holder = theatre.scene.actor();
    holder.does("flock('l', EX)");
    theatre.locktop(&["release", &theatre.path("l")]);
    assert_eq!(theatre.stages(), ["declined"]);
    // Half a character, too.
    let log = theatre.log_folder();
    stage.does(format!(
        "open('{log}/audit.jsonl', 'ab').write(b'{{\"schema\":1,\"a\\xc3') and None"
    ));
    theatre.release(&[&theatre.path("l")], 0);
    let output = theatre.locktop(&["audit"]);
    let said = String::from_utf8(output.stderr).unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(5), "{said}");
    let words = format!("1 line of {log}/audit.jsonl makes no sense: left out here");
    assert!(said.contains(&words), "{said}");
    assert!(told.contains("declined: ") && told.contains("done: The lock is free."), "{told}");
    let output = theatre.locktop(&["audit", "--json"]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let entries = document["entries"].as_array().unwrap();
    let stages: Vec<_> = entries.iter().map(|entry| &entry["stage"]).collect();
    assert_eq!(stages, ["declined", "begun", "done"], "{document:#}");
    assert_eq!(document["unreadable_lines"], 1);
}

#[test]
fn nothing_is_lost_while_many_write_and_it_is_moved_aside() {
    const WRITERS: usize = 8;
    const LINES: usize = 12;
    let Some(scene) = Scene::with(&[]) else { return };
    let holder = scene.actor();
    holder.does("flock('l', EX)");
    let has_it = |lock: &&locktop::model::Lock| {
        lock.holders.iter().any(|by| by.process.pid == Some(holder.pid))
    };
    let snapshot = wait_until("it is seen", || {
        let snapshot = Inspector::new().unwrap().snapshot().unwrap();
        snapshot.locks.iter().any(|lock| has_it(&lock)).then_some(snapshot)
    });
    let lock = snapshot.locks.iter().find(has_it).unwrap();
    let plan = &release::plans(lock, &snapshot)[0];
    let log = AuditLog::at(scene.path("log/audit.jsonl"));
    // Full after a third of them.
    log.declined(plan, "the first").unwrap();
    let file = fs::OpenOptions::new().append(true).open(log.path()).unwrap();
    let line = fs::metadata(log.path()).unwrap().len();
    let noise = (4 << 20) - line * (WRITERS * LINES / 3) as u64;
    std::io::Write::write_all(&mut &file, &vec![b'\n'; noise as usize]).unwrap();
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let log = &log;
            scope.spawn(move || {
                for line in 0..LINES {
                    log.declined(plan, &format!("{writer} {line}")).unwrap();
                }
            });
        }
    });
    assert!(scene.path("log/audit.jsonl.1").exists());
    let (entries, _) = log.entries().unwrap();
    assert!(entries.iter().all(|entry| entry.stage == Stage::Declined));
    let mut reasons: Vec<String> = entries.into_iter().filter_map(|entry| entry.reason).collect();
    reasons.sort_unstable();
    reasons.dedup();
    assert_eq!(reasons.len(), 1 + WRITERS * LINES);
}
