//! What is said while somebody waits.

use std::fmt;
use std::time::Duration;

use crate::diagnose::{doing, release_of};
use crate::model::{Certainty, Detail, Lock, Mechanism, Verdict, harmless, short};

/// What happens to a request. Printed, it is one plain sentence without a full stop.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Progress {
    /// Somebody else has the lock: told at once, and then about once a second.
    Waiting(Waiting),
    /// The lock file was replaced while we waited for it: we stand at the end of the new one's queue.
    Replaced {
        /// Path or URL, harmless to print.
        name: String,
    },
    /// The lock is ours; where only its being free was waited for, it is free.
    Taken {
        /// Path or URL, harmless to print.
        name: String,
        /// For how long we waited.
        waited: Duration,
    },
}

/// How a wait stands.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Path or URL, harmless to print.
    pub name: String,
    /// For how long we have waited.
    pub waited: Duration,
    /// The lock as the last look saw it; `None` before the first, and when that saw nobody with it.
    pub lock: Option<Box<Lock>>,
    /// Our place in its queue, from 1, where that is known.
    pub position: Option<u32>,
    /// Why no look was possible.
    pub blind: Option<String>,
    /// Whether another look has been taken since this was last told.
    pub looked: bool,
    /// Whether that look saw other holders, or us at another place.
    pub changed: bool,
}

impl Waiting {
    /// How many stand before us; `None` where our place is not known.
    #[must_use]
    pub fn ahead(&self) -> Option<u32> {
        self.position.map(|position| position.saturating_sub(1))
    }

    /// Whether a look saw other holders than the last one, or us at another place.
    pub(super) fn differs(&self, lock: Option<&Lock>, position: Option<u32>) -> bool {
        let holders = |lock: Option<&Lock>| lock.map(|lock| lock.as_seen);
        self.position != position || holders(self.lock.as_deref()) != holders(lock)
    }

    /// `rsync (pid 3244, backup) has it`; `None` where nobody could be seen.
    pub(super) fn has_it(&self) -> Option<String> {
        let lock = self.lock.as_deref()?;
        match subject(lock) {
            Some((who, has)) => Some(format!("{who} {has} it")),
            None => left_behind(lock),
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting(waiting) => waiting.fmt(f),
            Self::Replaced { name } => {
                write!(f, "{name} was replaced by another file; waiting for that one's lock")
            }
            Self::Taken { name, waited } => {
                write!(f, "the wait for {name} is over, after {}", short(*waited))
            }
        }
    }
}

/// A wait of less than this has only begun.
const BEGINNING: Duration = Duration::from_secs(1);

/// How many stand before us, who has it, since when, and what they do, as far as that is known.
impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.waited < BEGINNING {
            write!(f, "waiting for {}", self.name)?;
        } else {
            write!(f, "waiting {} for {}", short(self.waited), self.name)?;
        }
        match self.ahead() {
            None => {}
            Some(0) => f.write_str(", next in line")?,
            Some(ahead) => write!(f, ", {ahead} ahead of us")?,
        }
        if let Some(lock) = self.lock.as_deref().filter(|lock| !lock.holders.is_empty()) {
            write!(f, ": {}", having(lock))
        } else if let Some(left) = self.lock.as_deref().and_then(left_behind) {
            write!(f, ": {left}")
        } else if let Some(reason) = &self.blind {
            write!(f, "; who has it cannot be seen: {reason}")
        } else {
            Ok(())
        }
    }
}

/// `rsync (pid 3244, backup) and another have had it for at least 12m04s, …`.
fn having(lock: &Lock) -> String {
    let Some((who, has)) = subject(lock) else { return String::new() };
    let since = match lock.age.sentence() {
        Some(age) => format!("{has} had it for {age}"),
        None => format!("{has} it"),
    };
    format!("{who} {since}{}", circumstance(lock))
}

/// What is known of a lock on disk that nobody is seen to have: that, and what can be done, is all
/// that there is to tell.
fn left_behind(lock: &Lock) -> Option<String> {
    let why = lock.why.as_ref().filter(|_| lock.mechanism == Mechanism::Exists)?.text();
    let why = harmless(&why);
    if lock.verdict != Verdict::Stale {
        return Some(format!("who has it cannot be told: {why}"));
    }
    let freed =
        release_of(lock).map(|command| format!("; '{command}' frees it")).unwrap_or_default();
    Some(format!("it was left behind: {why}{freed}"))
}

/// Who has the lock, and `has` or `have`; harmless to print.
fn subject(lock: &Lock) -> Option<(String, &'static str)> {
    let (first, others) = lock.holders.split_first()?;
    let process = &first.process;
    let by_record = match first.certainty {
        Certainty::Recorded => "by the record ",
        Certainty::Likely => "probably ",
        Certainty::Proven => "",
    };
    let command = process.command.as_deref().map_or_else(|| "a process".into(), harmless);
    let user = process.user.as_deref().map(|user| harmless(user).into_owned());
    let user = user.or_else(|| process.uid.map(|uid| format!("user {uid}")));
    let traits = [process.pid.map(|pid| format!("pid {pid}")), user];
    let traits = traits.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let traits = if traits.is_empty() { traits } else { format!(" ({traits})") };
    let (others, has) = match others.len() {
        0 => (String::new(), "has"),
        1 => (" and another".into(), "have"),
        more => (format!(" and {more} others"), "have"),
    };
    Some((format!("{by_record}{command}{traits}{others}"), has))
}

/// What is wrong with the lock; else what its holder does.
fn circumstance(lock: &Lock) -> String {
    if lock.verdict.is_problem() {
        let why = lock.why.as_ref().map(|why| format!(": {}", harmless(&why.text())));
        return format!(", {}{}", lock.verdict.word(), why.unwrap_or_default());
    }
    if let Some(Detail::Text(doing)) = lock.details.get("doing") {
        return format!(" and {}", harmless(doing));
    }
    match &lock.holders[..] {
        [only] => doing(&only.process).map(|doing| format!(" and {doing}")).unwrap_or_default(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{
        AsSeen, Evidence, Holder, LockId, Mechanism, Mode, PathBytes, Process, Range, Span, State,
        Verdict,
    };

    fn holder(pid: i32) -> Holder {
        let process = Process {
            pid: Some(pid),
            command: Some("rsync".into()),
            user: Some("backup".into()),
            state: Some(State::Sleeping),
            wchan: Some("do_select".into()),
            ..Process::default()
        };
        Holder {
            process: Arc::new(process),
            host: None,
            certainty: Certainty::Proven,
            grant: 1,
            fds: vec![9],
            token: None,
        }
    }

    fn lock(holders: Vec<Holder>) -> Lock {
        Lock {
            id: LockId::from_text("@flock:fe:00:7:~"),
            as_seen: AsSeen::of([7]),
            family: "flock".into(),
            mechanism: Mechanism::Flock,
            name: None,
            path: Some(PathBytes::new("/run/x")),
            path_base64: None,
            url: None,
            deleted: false,
            mode: Mode::Exclusive,
            range: Some(Range::WHOLE),
            verdict: Verdict::Contended,
            normal: false,
            why: None,
            age: Span {
                min: Duration::from_secs(724),
                max: None,
                evidence: vec![Evidence::Scheduler],
            },
            recorded_pid: None,
            holders: holders.into(),
            records: Arc::default(),
            waiters: Vec::new(),
            behind: None,
            lease: None,
            fencing: None,
            details: crate::model::Details::default(),
            methods: &[],
            on_disk: None,
            file: None,
            table_file: None,
        }
    }

    fn told(seconds: u64, lock: Option<Lock>, position: Option<u32>) -> String {
        Progress::Waiting(Waiting {
            name: "/run/x".into(),
            waited: Duration::from_secs(seconds),
            lock: lock.map(Box::new),
            position,
            blind: None,
            looked: true,
            changed: false,
        })
        .to_string()
    }

    #[test]
    fn who_is_only_recorded_is_said_to_be() {
        let mut recorded = holder(3244);
        recorded.certainty = Certainty::Recorded;
        let has = |holders| subject(&lock(holders)).map(|(who, has)| format!("{who} {has} it"));
        let of = |holders| has(holders).unwrap();
        assert_eq!(of(vec![recorded]), "by the record rsync (pid 3244, backup) has it");
        assert_eq!(of(vec![holder(1), holder(2)]), "rsync (pid 1, backup) and another have it");
        assert_eq!(has(Vec::new()), None);
    }

    #[test]
    fn a_wait_is_one_sentence() {
        assert_eq!(told(0, None, None), "waiting for /run/x");
        assert_eq!(
            told(0, Some(lock(vec![holder(3244)])), Some(1)),
            "waiting for /run/x, next in line: rsync (pid 3244, backup) has had it for at least 12m04s \
             and sleeps in do_select"
        );
        assert_eq!(
            told(40, Some(lock(vec![holder(3244), holder(2), holder(3)])), Some(3)),
            "waiting 40s for /run/x, 2 ahead of us: rsync (pid 3244, backup) and 2 others have had it \
             for at least 12m04s"
        );
    }

    #[test]
    fn what_is_wrong_with_it_is_told() {
        let mut lock = lock(vec![holder(3244)]);
        lock.verdict = Verdict::Orphaned;
        lock.why = Some("whoever took it (pid 3246) has ended".into());
        lock.age = Span::default();
        assert_eq!(
            told(0, Some(lock), None),
            "waiting for /run/x: rsync (pid 3244, backup) has it, orphaned: whoever took it (pid \
             3246) has ended"
        );
    }

    #[test]
    fn names_give_a_terminal_no_orders() {
        let mut wild = holder(7);
        let process = Process { command: Some("a\x1b[2J".into()), ..Process::default() };
        wild.process = Arc::new(process);
        assert!(!told(0, Some(lock(vec![wild])), None).contains('\x1b'));
    }
}
