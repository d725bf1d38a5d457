//! What stands in the cells of the table. All texts are harmless to print.

use std::time::Duration;

use locktop::model::{
    Certainty, Holder, Lock, Mechanism, Mode, Pid, Process, Range, Span, Verdict, harmless,
};

use super::text;
use super::theme::Theme;

/// The lock's path, with its range if that is not the whole file.
pub(super) fn place(lock: &Lock) -> String {
    let label = lock.label();
    let gone = if lock.deleted { " (deleted)" } else { "" };
    match lock.range {
        None | Some(Range::WHOLE) => format!("{label}{gone}"),
        Some(range) => format!("{label} [{range}]{gone}"),
    }
}

/// What people call it, or else the name of its file, with the range.
pub(super) fn name(lock: &Lock) -> String {
    if let Some(name) = &lock.name {
        return harmless(name).into_owned();
    }
    let place = place(lock);
    match place.trim_end_matches('/').rsplit_once('/') {
        Some((_, name)) => name.to_owned(),
        None => place,
    }
}

/// `flock X`, `posix S`.
pub(super) fn kind(lock: &Lock) -> String {
    let mode = match lock.mode {
        Mode::Exclusive => " X",
        Mode::Shared => " S",
    };
    // What is held by existing has no modes.
    let mode = if lock.mechanism == Mechanism::Exists { "" } else { mode };
    format!("{}{mode}", harmless(&lock.family))
}

/// `apt-get 991 root`, with a count of the others; `me` is our own number.
pub(super) fn holder(lock: &Lock, me: Option<Pid>) -> String {
    let Some(first) = lock.holders.first() else {
        return match lock.recorded_pid {
            _ if lock.verdict == Verdict::Stale => "nobody".into(),
            Some(pid) if pid > 0 => format!("nobody seen (by {pid})"),
            _ => "nobody seen".into(),
        };
    };
    if let Some(host) = lock.elsewhere(first) {
        return format!("{}{} on {}", person(&first.process, None), doubt(first), harmless(host));
    }
    let more = match lock.holders.len() - 1 {
        0 => String::new(),
        more => format!(" +{more}"),
    };
    format!("{}{}{more}", person(&first.process, me), doubt(first))
}

fn doubt(holder: &Holder) -> &'static str {
    if holder.certainty == Certainty::Proven { "" } else { " ?" }
}

/// `apt-get 991 root`, as far as known; `you (locktop 4242)` where it is this dashboard.
pub(super) fn person(process: &Process, me: Option<Pid>) -> String {
    if is_me(process, me) {
        let known: Vec<_> = process.command.as_deref().map(harmless).into_iter().collect();
        let pid = process.pid.map(|pid| pid.to_string()).unwrap_or_default();
        return format!("you ({} {pid})", known.concat());
    }
    let command = process.command.as_deref().map(|command| harmless(command).into_owned());
    let user = process.user.as_deref().map(|user| harmless(user).into_owned());
    let user = user.or_else(|| process.uid.map(|uid| format!("uid {uid}")));
    let pid = process.pid.map(|pid| pid.to_string());
    let known: Vec<_> = [command, pid, user].into_iter().flatten().collect();
    if known.is_empty() { "somebody unseen".into() } else { known.join(" ") }
}

/// Whether it is this dashboard.
pub(super) fn is_me(process: &Process, me: Option<Pid>) -> bool {
    me.is_some() && process.pid == me
}

/// For how long it is held, `later` than it was seen.
pub(super) fn held(lock: &Lock, later: Duration, room: u16, theme: &Theme) -> String {
    span(&lock.age.after(later), room.into(), theme)
}

/// How many wait, and the longest for how long.
pub(super) fn queue(lock: &Lock, later: Duration, room: u16, theme: &Theme) -> String {
    match lock.longest_wait() {
        None => theme.glyphs.none.into(),
        Some(longest) => {
            let count = format!("{} {} ", lock.waiters.len(), theme.glyphs.dot);
            let room = usize::from(room).saturating_sub(text::width(&count));
            count + &span(&longest.after(later), room, theme)
        }
    }
}

/// An interval, or only its lower bound where there is no room for both.
fn span(span: &Span, room: usize, theme: &Theme) -> String {
    let whole = span.short(theme.is_ascii());
    if text::width(&whole) <= room || span.min < Duration::from_secs(1) {
        return whole;
    }
    Span { max: None, ..span.clone() }.short(theme.is_ascii())
}

/// The lock as it is `later`, with all ages grown.
pub(super) fn aged(lock: &Lock, later: Duration) -> Lock {
    let mut lock = lock.clone();
    lock.age = lock.age.after(later);
    for waiter in &mut lock.waiters {
        waiter.waited = waiter.waited.after(later);
    }
    lock
}
