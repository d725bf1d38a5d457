//! The arguments of `check`.

use std::ffi::OsString;
use std::time::Duration;

use super::TARGETS;
use crate::cli::duration;

/// `locktop check`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = EXAMPLES,
    after_long_help = format!("{NOTES}\n\n{NAGIOS}\n\n{MEMORY}\n\n{TARGETS}\n\n{STATUSES}\n\n{EXAMPLES}"),
)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(crate) struct Check {
    /// Only these locks: PATH, FAMILY:PATH, pid:N or @ID; a folder is all below it
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<OsString>,
    /// Find locks that have been held for longer than this: 90, 0.5, 250ms, 1m30s, 2h
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) max_age: Option<Duration>,
    /// Find locks for which somebody has waited for longer than this
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) max_wait: Option<Duration>,
    /// Find locks for which more than N wait
    #[arg(long, value_name = "N")]
    pub(crate) max_waiters: Option<usize>,
    #[arg(long)]
    #[arg(
        help = "Find what needs a person: deadlock, split, stale, orphaned, stuck, or a wait of over \
                10 minutes [default without a limit]"
    )]
    pub(crate) problems: bool,
    /// Fail with status 5 where not everything could be seen
    #[arg(long)]
    pub(crate) require_complete: bool,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
    /// Print and exit as a monitoring plugin of Nagios, Icinga, Naemon or Checkmk
    #[arg(long, conflicts_with = "json")]
    pub(crate) nagios: bool,
}

const NOTES: &str = "\
Each finding is a line: its word, the lock, and what is wrong, those first that
are worst. The words: deadlock, split, stale, orphaned, stuck, wait, waiters, age.
A limit is exceeded only by what is proven: of 'between 1h and 3h', the 1h counts.
Locks that are held for long by design (such as a running daemon's pid file) are
no age finding unless they are named: a folder above them does not name them.";

const NAGIOS: &str = "\
With --nagios every finding is CRITICAL (2); nothing found is OK (0), also where
not everything could be seen, which is then said; with --require-complete that is
UNKNOWN (3). UNKNOWN is also what cannot be read, is not permitted or is no target.";

const MEMORY: &str = "\
Since when a lock has been seen is remembered from one check to the next, so that
--max-age works from cron: where its holder has not run since, it counts from the
first check. It is kept in 'first-seen' in /run/locktop, or of an ordinary user in
locktop/ in $XDG_RUNTIME_DIR, /run/user/UID or ~/.local/state; LOCKTOP_MEMORY names
another folder, or none if it is empty. 'ls' and 'explain' use it, and write nothing.";

const STATUSES: &str = "\
Exit status:
  0  nothing found
  1  something was found
  2  bad usage, or a target that does not exist
  3  not permitted
  5  something could not be read; with --require-complete: or be seen";

const EXAMPLES: &str = "\
Examples:
  locktop check                               what needs a person
  locktop check --max-age 2h /run/backup.lock a backup that does not end
  locktop check --nagios --problems --max-wait 5m --max-waiters 20";
