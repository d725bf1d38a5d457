//! The arguments of `release` and `audit`.

use std::ffi::OsString;
use std::time::Duration;

use locktop::model::Pid;
use locktop::release::Method;

use super::TARGETS;
use crate::cli::duration;

/// `locktop release`.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "locktop release [OPTIONS] <TARGET>... [-- <COMMAND> [ARG]...]",
    after_help = EXAMPLES,
    after_long_help = format!("{NOTES}\n\n{TARGETS}\n\n{STATUSES}\n\n{EXAMPLES}"),
)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(crate) struct Release {
    /// The locks, each one: PATH, FAMILY:PATH or @ID; or pid:N: the lock that this process has
    #[arg(value_name = "TARGET", required = true)]
    pub(crate) targets: Vec<OsString>,
    /// Run under the lock once its holder has ended, and before it is handed over
    #[arg(value_name = "COMMAND", last = true)]
    pub(crate) command: Vec<OsString>,
    #[arg(long, value_name = "NAME")]
    #[arg(
        help = "How: resume, terminate, escrow, kill, unlock or end-waiter [default: the least \
                  harmful that is possible]"
    )]
    pub(crate) method: Option<Method>,
    /// End this process, which waits for the lock
    #[arg(long, value_name = "PID", value_parser = pid, conflicts_with = "holder")]
    pub(crate) waiter: Option<Pid>,
    /// Only against this one of those who have the lock
    #[arg(long, value_name = "PID", value_parser = pid)]
    pub(crate) holder: Option<Pid>,
    /// Only if the lock is still as it was seen: the fingerprint from 'locktop ls --json'
    #[arg(long, value_name = "X")]
    pub(crate) as_seen: Option<String>,
    /// For how long holders are given to end: 90, 0.5, 250ms, 1m30s [default: 5s]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) grace: Option<Duration>,
    /// Act even where this ends the shell or the session that it runs in
    #[arg(long)]
    pub(crate) insist: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Only show what would be done
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
    /// Write a line to the system's log, too
    #[arg(long)]
    pub(crate) syslog: bool,
}

/// `locktop audit`.
#[derive(Debug, clap::Args)]
pub(crate) struct Audit {
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

fn pid(text: &str) -> Result<Pid, String> {
    let pid = text.parse().ok().filter(|pid| *pid > 0);
    pid.ok_or_else(|| "a process is named by its number".into())
}

const NOTES: &str = "\
Methods, least harm first:
  resume      let a holder go on that is stopped or frozen
  terminate   end the holders with SIGTERM, never with SIGKILL
  escrow      the same, keeping the lock until it is handed over: with Enter, or
              when COMMAND has run (flock and open-file-description locks)
  kill        end them with SIGKILL: nothing is cleaned up
  unlock      take the lock away from holders that live on and do not know: only
              where nothing else is left (not for POSIX locks)
  end-waiter  end the process of --waiter, which waits for the lock
Nothing is touched unless the holders, their descriptors and the file are still
those that were shown. Without a terminal nothing is done unless --yes is said,
and never by 'kill' or 'unlock' unless --method is too. Every act, done, declined
or failed, is written down: see 'locktop audit'.";

const STATUSES: &str = "\
Exit status:
  0      done, or nobody has the lock
  1      declined, or the holder has not ended
  2      bad usage, a target that is not one lock, or a method that it does not have
  3      not permitted
  4      the world changed meanwhile: nothing was touched
  5      something could not be read or written down
A COMMAND that was run gives its own.";

const EXAMPLES: &str = "\
Examples:
  locktop release --dry-run /run/backup.lock   what would be done
  locktop release /run/backup.lock             ask, then do it
  locktop release /run/backup.lock -- fsck-it  end the holder, clean up, then let the next one in";
