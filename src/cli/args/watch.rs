//! The arguments of `watch`.

use std::ffi::OsString;

use super::TARGETS;

/// `locktop watch`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = EXAMPLES,
    after_long_help = format!("{EVENTS}\n\n{TIMES}\n\n{TARGETS}\n\n{STATUSES}\n\n{EXAMPLES}"),
)]
pub(crate) struct Watch {
    /// Only these locks: PATH, FAMILY:PATH, pid:N or @ID; a folder is all below it; what does not
    /// exist yet may come
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<OsString>,
    /// Print a JSON object for each event, a line each
    #[arg(long)]
    pub(crate) json: bool,
    /// Have the kernel tell each event at its instant; needs root
    #[arg(long)]
    pub(crate) trace: bool,
}

const EVENTS: &str = "\
Events:
  acquired         somebody has taken a lock
  queued           somebody waits for it
  granted          somebody who waited has got it
  released         somebody has let go
  gave-up          somebody waits no longer and has not got it
  forced           it was released by force, as the audit log says
  lost             it was taken from a holder that lives and had done nothing
  verdict-changed  it is judged otherwise: see 'locktop ls' for the verdicts
How it is at the beginning is no event. That a process ends is none either, but
what becomes of its locks and waits is.";

const TIMES: &str = "\
Looks are about a second apart, and follow each other faster for a while when
something happens. What happened between two looks is printed with the time of the
later one, to a second; a time with milliseconds is exact. What began and ended
between two looks is not seen, and nothing is made up: a lock that was released and
retaken by the same process is only told of where that is proven, and of a waiter
that is gone it is said if it may have had the lock in between.
In JSON, not_before and at are the moments between which it happened.
With --trace the kernel's tracepoints tell: times are exact, and what began and ended
between two looks is told too. That takes root and Linux with tracefs, outside of
containers; where it cannot be, that is said, and looks go on. Leases, locks that are
files, verdicts and releases by force are still seen by looks.";

const STATUSES: &str = "\
It ends with Ctrl-C (status 130), SIGTERM (143), or when nobody reads any more (0).
A target that cannot be looked up is 2, 3 or 5 as with 'ls'.";

const EXAMPLES: &str = "\
Examples:
  locktop watch                         all locks of this machine
  locktop watch /var/lib/dpkg pid:4121  those below a folder, and of a process
  locktop watch --trace /run/app.lock   exact times of that lock
  locktop watch --json | jq -c 'select(.event == \"queued\") | [.path, .pid]'";
