//! Who a process is, as far as that helps to find whom to ask.

use std::borrow::Cow;
use std::ffi::OsStr;

use crate::model::{Process, harmless, harmless_bytes};

/// The most characters of a command line that are told.
const COMMAND_LINE: usize = 200;

/// `rsync: run by root (logged in as alice), in the unit cron.service, on the terminal pts/3, …`, a
/// sentence for each by the name that it is given. What several have in common is told once, before;
/// what is unknown is left out.
pub(super) fn of_all(processes: &[&Process], name: impl Fn(&Process) -> String) -> Vec<String> {
    let traits: Vec<Vec<String>> = processes.iter().map(|process| traits(process)).collect();
    let (first, others) = match &traits[..] {
        [first, others @ ..] if !others.is_empty() => (&first[..], others),
        _ => (&[][..], &[][..]),
    };
    let common: Vec<&String> =
        first.iter().filter(|one| others.iter().all(|other| other.contains(one))).collect();
    let all = if processes.len() == 2 { "Both" } else { "All of them" };
    let together = (!common.is_empty()).then(|| {
        format!("{all}: {}.", common.iter().map(|one| &***one).collect::<Vec<_>>().join(", "))
    });
    let apart = processes.iter().zip(&traits).filter_map(|(process, traits)| {
        let own: Vec<&str> =
            traits.iter().filter(|one| !common.contains(one)).map(String::as_str).collect();
        (!own.is_empty()).then(|| format!("{}: {}.", name(process), own.join(", ")))
    });
    together.into_iter().chain(apart).collect()
}

/// `run by root`, `in the unit cron.service`, `as: rsync -a`.
fn traits(process: &Process) -> Vec<String> {
    let named = |what: &str, name: &Option<String>| {
        name.as_deref().map(|name| format!("{what} {}", harmless(name)))
    };
    let acts_for_others =
        "a thread of the kernel that acts for others, such as clients of a file server";
    // Daemons all work in `/`.
    let cwd = process.cwd.as_ref().filter(|cwd| cwd.as_path().parent().is_some());
    let parent = process.parent.as_ref().map(|parent| match &parent.command {
        Some(command) => format!("a child of {} (pid {})", harmless(command), parent.pid),
        None => format!("a child of pid {}", parent.pid),
    });
    let container = process.container.as_deref();
    // An engine names the unit of a container after it.
    let unit =
        process.unit.as_deref().filter(|unit| !container.is_some_and(|id| unit.contains(id)));
    let told = [
        user(process).map(|user| format!("run by {user}")),
        process.kernel_thread.then(|| acts_for_others.into()),
        unit.map(|unit| format!("in the unit {}", harmless(unit))),
        container.map(|id| format!("in the container {}", harmless(short(id)))),
        named("on the terminal", &process.tty),
        cwd.map(|cwd| format!("in the folder {}", cwd.display())),
        parent,
        command_line(process).map(|line| format!("as: {line}")),
    ];
    told.into_iter().flatten().collect()
}

/// As much of a container's number as engines show of it.
pub(super) fn short(container: &str) -> &str {
    let is_number = container.len() == 64 && container.bytes().all(|c| c.is_ascii_hexdigit());
    if is_number { &container[..12] } else { container }
}

/// `root (logged in as alice)`.
pub(super) fn user(process: &Process) -> Option<String> {
    let user = match (&process.user, process.uid) {
        (Some(user), _) => harmless(user).into_owned(),
        (None, Some(uid)) => format!("user {uid}"),
        (None, None) => return None,
    };
    Some(match &process.login_user {
        Some(login) if process.user.as_ref() != Some(login) => {
            format!("{user} (logged in as {})", harmless(login))
        }
        _ => user,
    })
}

/// An argument, quoted where its end could not be seen.
fn argument(word: &OsStr) -> Cow<'_, str> {
    let word = harmless_bytes(word.as_encoded_bytes());
    if word.is_empty() || word.contains(char::is_whitespace) {
        return format!("'{}'", word.replace('\'', r"'\''")).into();
    }
    word
}

fn command_line(process: &Process) -> Option<String> {
    let words = process.cmdline.as_ref().filter(|words| !words.is_empty())?;
    let words: Vec<_> = words.iter().map(|word| argument(word)).collect();
    let line = words.join(" ");
    Some(match line.char_indices().nth(COMMAND_LINE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    })
}
