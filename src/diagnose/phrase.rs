//! Names and lists as they stand in sentences; harmless to print.

use crate::model::{Facts, LockFacts, Mode, PathBytes, Peer, Pid, Process, Range, State, harmless};

use super::waits;

/// `rsync (pid 3244)`, as far as it is known.
pub(crate) fn who(facts: &Facts, pid: Pid) -> String {
    facts.processes.get(&pid).map_or_else(|| format!("pid {pid}"), |process| process.label())
}

/// Where the file of a lock is; its id where that is unknown.
pub(crate) fn label(lock: &LockFacts) -> String {
    lock.path.as_ref().map_or_else(|| lock.id.to_string(), PathBytes::display)
}

/// `a`, `a and b`, `a, b and c`; at most `most` by name, then `a, b and 7 more`.
pub(crate) fn list(items: impl ExactSizeIterator<Item = String>, most: usize) -> String {
    let count = items.len();
    let mut named: Vec<_> = items.take(most).collect();
    if count > named.len() {
        named.push(format!("{} more", count - named.len()));
    }
    match named.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// ` through descriptor 9`, with its leading space, or nothing.
pub(crate) fn through(fds: &[i32]) -> String {
    let numbers = list(fds.iter().map(ToString::to_string), 5);
    match fds {
        [] => numbers,
        [_] => format!(" through descriptor {numbers}"),
        _ => format!(" through descriptors {numbers}"),
    }
}

/// `1 process waits`, `3 processes wait`: the words for one or for many.
pub(crate) fn plural<T>(count: usize, one: T, many: T) -> T {
    if count == 1 { one } else { many }
}

/// ` in do_select`, with its leading space, or nothing.
pub(crate) fn place(process: &Process) -> String {
    let wchan = process.wchan.as_deref().filter(|wchan| !matches!(*wchan, "" | "0"));
    wchan.map_or_else(String::new, |wchan| format!(" in {}", harmless(wchan)))
}

/// What a process does: `is at work: …`, `waits for the end of its child cc (pid 7)`, `is running`,
/// `sleeps in do_select`.
pub(crate) fn doing(process: &Process) -> Option<String> {
    let place = place(process);
    let told = waits::told(process);
    Some(match process.state? {
        State::Running | State::Sleeping | State::Uninterruptible
            if let Some(work) = process.progress.as_ref().and_then(waits::at_work) =>
        {
            work
        }
        State::Running => "is running".into(),
        State::Sleeping => told.unwrap_or_else(|| format!("sleeps{place}{}", at(process))),
        State::Uninterruptible => asleep(process, None),
        State::Stopped => "is stopped by a signal".into(),
        State::Traced => format!("is stopped by {}", debugger(process)),
        State::Frozen => "is frozen (its control group)".into(),
        State::Zombie => "has ended, and its parent has not noticed yet".into(),
        State::Dead => "is being removed".into(),
        State::Idle => "is a kernel thread with nothing to do".into(),
    })
}

/// `is in uninterruptible sleep in request_wait_answer: it waits for …, and has for 12s`.
pub(super) fn asleep(process: &Process, slept: Option<&str>) -> String {
    let (words, and_has) = match waits::told(process) {
        Some(told) => (format!(": it {told}"), ", and has"),
        None => (at(process), ""),
    };
    let slept = slept.map_or_else(String::new, |slept| format!("{and_has} for {slept}"));
    format!("is in uninterruptible sleep{}{words}{slept}", place(process))
}

/// What the kernel function that it sleeps in tells: `, waiting for an NFS server`, or nothing.
fn at(process: &Process) -> String {
    let words = process.wchan.as_deref().and_then(waits::place);
    words.map_or_else(String::new, |words| format!(", waiting for {words}"))
}

/// `the debugger gdb (pid 7)`.
pub(super) fn debugger(process: &Process) -> String {
    match &process.tracer {
        Some(Peer { pid, command: Some(command), .. }) => {
            format!("the debugger {} (pid {pid})", harmless(command))
        }
        Some(Peer { pid, .. }) => format!("the debugger pid {pid}"),
        None => "a debugger".into(),
    }
}

/// `exclusively` or `shared`.
pub(crate) fn manner(mode: Mode) -> &'static str {
    match mode {
        Mode::Shared => "shared",
        Mode::Exclusive => "exclusively",
    }
}

/// ` bytes 0-9`, with its leading space, or nothing for the whole file.
pub(crate) fn bytes(range: Option<Range>) -> String {
    range
        .filter(|range| *range != Range::WHOLE)
        .map_or_else(String::new, |range| format!(" bytes {range}"))
}

/// The word as a shell reads it, quoted where it has to be; `None` if it cannot be printed as it is.
pub(crate) fn quoted(word: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./_-".contains(c);
    if harmless(word) != word || word.is_empty() {
        None
    } else if word.chars().all(plain) && !word.starts_with('-') {
        Some(word.into())
    } else {
        Some(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

/// `the end of flock (pid 9), which waits for `, before what somebody waits for only through that
/// child.
pub(super) fn through_a_child(asker: Option<&str>) -> String {
    asker.map_or_else(String::new, |asker| format!("the end of {asker}, which waits for "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_well_and_end() {
        let list = |count: usize| list((0..count).map(|n| n.to_string()), 3);
        assert_eq!([list(0), list(1), list(2)], ["", "0", "0 and 1"]);
        assert_eq!([list(3), list(9)], ["0, 1 and 2", "0, 1, 2 and 6 more"]);
        assert_eq!(through(&[0]), " through descriptor 0");
        assert_eq!(through(&[3, 9]), " through descriptors 3 and 9");
    }

    #[test]
    fn words_for_a_shell_are_one_word() {
        assert_eq!(quoted("cron.service").unwrap(), "cron.service");
        assert_eq!(quoted("a;b $(c)'d").unwrap(), r"'a;b $(c)'\''d'");
        assert_eq!(quoted("a\nb"), None);
    }

    #[test]
    fn names_are_harmless() {
        let process =
            Process { pid: Some(7), command: Some("a\x1b[2J".into()), ..Process::default() };
        assert_eq!(process.label(), r"a\x1b[2J (pid 7)");
    }
}
