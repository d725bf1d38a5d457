//! Who a process is, as far as that helps to find whom to ask.

use std::borrow::Cow;
use std::ffi::OsStr;

use crate::model::{Process, harmless, harmless_bytes};

/// The most characters of a command line that are told.
const COMMAND_LINE: usize = 200;

/// `, run by root (logged in as alice), in the unit cron.service, on the terminal pts/3, …`, with
/// its leading comma; what is unknown is left out.
pub(super) fn circumstances(process: &Process) -> String {
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
    let told = [
        // Makes the leading comma.
        Some(String::new()),
        user(process).map(|user| format!("run by {user}")),
        process.kernel_thread.then(|| acts_for_others.into()),
        named("in the unit", &process.unit),
        named("in the container", &process.container),
        named("on the terminal", &process.tty),
        cwd.map(|cwd| format!("in the folder {}", cwd.display())),
        parent,
        command_line(process).map(|line| format!("as: {line}")),
    ];
    told.into_iter().flatten().collect::<Vec<_>>().join(", ")
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
