//! The arguments of `wait`, `run` and `hold`.

use std::ffi::OsString;
use std::time::Duration;

use clap::ValueEnum;
use locktop::acquire::Pauses;
use locktop::model::Range;

use super::TARGETS;
use crate::cli::duration;

/// The exit status when a wait was given up, unless another is wanted.
const GIVEN_UP: u8 = 1;

/// That when the lock was lost while the command ran.
const LOST: u8 = 5;

/// `locktop wait`.
#[derive(Debug, clap::Args)]
#[command(
    args_override_self = true,
    after_help = WAIT_EXAMPLES,
    after_long_help = format!("{WAIT_NOTES}\n\n{TARGETS}\n\n{STATUSES}\n\n{WAIT_EXAMPLES}"),
)]
pub(crate) struct Wait {
    /// The locks: PATH, FAMILY:PATH or @ID
    #[arg(value_name = "TARGET", required = true)]
    pub(crate) targets: Vec<OsString>,
    /// Return when one of them is free, and print which
    #[arg(long)]
    pub(crate) any: bool,
    /// Return when all of them are free; so it is unless --any is said
    #[arg(long, conflicts_with = "any")]
    pub(crate) all: bool,
    /// Return when the daemon of an IPFS repository has it and answers on its API address
    #[arg(long, conflicts_with_all = ["shared", "range"])]
    pub(crate) ready: bool,
    #[command(flatten)]
    pub(crate) terms: Terms,
}

/// `locktop run`.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
#[command(
    version,
    display_name = "locktop",
    args_override_self = true,
    infer_long_args = true,
    override_usage = "locktop run [OPTIONS] <TARGET>... -- <COMMAND> [ARG]...\n       \
                      locktop run [OPTIONS] <TARGET> <COMMAND> [ARG]...\n       \
                      locktop run [OPTIONS] <TARGET> -c <LINE>",
    after_help = RUN_EXAMPLES,
    after_long_help = format!("{RUN_NOTES}\n\n{TARGETS}\n\n{RUN_STATUSES}\n\n{RUN_EXAMPLES}"),
)]
pub(crate) struct Run {
    /// The lock: PATH, FAMILY:PATH or @ID, and the command. Several locks want a '--' before it;
    /// without one, options behind the target are the command's. '-c LINE' runs a line in the shell
    #[arg(value_name = "TARGET", required = true)]
    #[arg(trailing_var_arg = true)]
    pub(crate) words: Vec<OsString>,
    /// What stood behind '--'.
    #[arg(skip)]
    pub(crate) command: Option<Vec<OsString>>,
    /// Keep the lock's descriptor from the command
    #[arg(short = 'o', long)]
    pub(crate) close: bool,
    /// Leave the lock to what the command left running
    #[arg(long, conflicts_with = "close")]
    pub(crate) keep: bool,
    /// Become the command instead of waiting for it
    #[arg(short = 'F', long, conflicts_with_all = ["close", "keep"])]
    pub(crate) no_fork: bool,
    /// Exit status when the lock was lost while the command ran
    #[arg(long, value_name = "N", default_value_t = LOST)]
    pub(crate) lost_code: u8,
    /// flock(1) has it.
    #[arg(short, long, hide = true)]
    pub(crate) unlock: bool,
    /// flock(1) has it.
    #[arg(long, hide = true)]
    pub(crate) fcntl: bool,
    #[command(flatten)]
    pub(crate) creation: Creation,
    #[command(flatten)]
    pub(crate) terms: Terms,
}

impl Run {
    /// As without any option.
    pub(crate) fn of(words: Vec<OsString>, command: Option<Vec<OsString>>) -> Self {
        Self {
            words,
            command,
            close: false,
            keep: false,
            no_fork: false,
            lost_code: LOST,
            unlock: false,
            fcntl: false,
            creation: Creation { create_mode: None },
            terms: Terms {
                shared: false,
                exclusive: false,
                range: None,
                timeout: None,
                no_wait: false,
                conflict_exit_code: GIVEN_UP,
                insist: false,
                pause: None,
                progress: Telling::Auto,
                notify: false,
            },
        }
    }
}

/// `locktop hold`.
#[derive(Debug, clap::Args)]
#[command(
    args_override_self = true,
    after_help = HOLD_EXAMPLES,
    after_long_help = format!("{HOLD_NOTES}\n\n{TARGETS}\n\n{STATUSES}\n\n{HOLD_EXAMPLES}"),
)]
pub(crate) struct Hold {
    /// The lock: PATH, FAMILY:PATH or @ID
    #[arg(value_name = "TARGET")]
    pub(crate) target: OsString,
    /// Give it back at the end of standard input, too
    #[arg(long)]
    pub(crate) until_eof: bool,
    #[command(flatten)]
    pub(crate) creation: Creation,
    #[command(flatten)]
    pub(crate) terms: Terms,
}

/// What becomes of a lock file that is not there.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Creation {
    /// The mode of a lock file that has to be created, less the umask [default: 0666]
    #[arg(long, value_name = "OCTAL", value_parser = mode)]
    pub(crate) create_mode: Option<u32>,
}

/// What is asked for, and how long and loudly one waits.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "The lock and the wait for it")]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(crate) struct Terms {
    /// Share the lock with others who share it
    #[arg(short, long)]
    pub(crate) shared: bool,
    /// Have it alone; so it is unless --shared is said
    #[arg(short = 'x', visible_short_alias = 'e', long, overrides_with = "shared")]
    pub(crate) exclusive: bool,
    /// Only these bytes of the file: START-END or START-EOF
    #[arg(long, value_name = "RANGE", value_parser = range)]
    pub(crate) range: Option<Range>,
    /// Give up after so long: 90, 0.5, 250ms, 1m30s, 2h
    #[arg(short = 'w', long, alias = "wait", value_name = "TIME", value_parser = duration::parse)]
    pub(crate) timeout: Option<Duration>,
    /// Give up at once if the lock is not free
    #[arg(short, long, visible_aliases = ["nonblock", "nb"], alias = "nonblocking")]
    pub(crate) no_wait: bool,
    /// Exit status when the wait was given up
    #[arg(short = 'E', long, value_name = "N", default_value_t = GIVEN_UP)]
    pub(crate) conflict_exit_code: u8,
    /// Wait even for a lock that this command's own callers hold
    #[arg(long)]
    pub(crate) insist: bool,
    /// Between tries, where there is no queue: the first, its growth, the longest [default:
    /// 50ms,1.5,2s]
    #[arg(long, value_name = "PAUSES", value_parser = pauses)]
    pub(crate) pause: Option<Pauses>,
    #[arg(long, value_name = "HOW", default_value = "auto", hide_possible_values = true)]
    #[arg(help = "What is said meanwhile: auto, plain (whole lines), json or none")]
    pub(crate) progress: Telling,
    /// Ring the terminal's bell and have it notify when the wait is over
    #[arg(long)]
    pub(crate) notify: bool,
}

/// How a wait is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Telling {
    Auto,
    Plain,
    Json,
    None,
}

/// The longest a file can be.
const LAST_BYTE: u64 = i64::MAX as u64;

fn range(text: &str) -> Result<Range, String> {
    let read = || {
        let (start, end) = text.split_once('-')?;
        let number = |text: &str| text.parse().ok().filter(|byte| *byte <= LAST_BYTE);
        let end = if end == "EOF" { None } else { Some(number(end)?) };
        Some(Range { start: number(start)?, end })
    };
    let range = read().filter(|range| range.end.is_none_or(|end| range.start <= end));
    range.ok_or_else(|| "a range is START-END or START-EOF, such as 0-99: numbers of bytes".into())
}

fn mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
    mode.ok_or_else(|| "a mode is an octal number, such as 0660".into())
}

fn pauses(text: &str) -> Result<Pauses, String> {
    let usual = Pauses::default();
    let mut parts = text.split(',');
    let first = duration::parse(parts.next().unwrap_or_default())?;
    let growth = match parts.next() {
        Some(growth) => growth.parse().ok().filter(|growth: &f64| (1.0..=1000.0).contains(growth)),
        None => Some(usual.growth),
    };
    let growth = growth.ok_or("a pause grows by a factor of 1 to 1000")?;
    let longest = match parts.next() {
        Some(longest) => duration::parse(longest)?,
        None => usual.longest.max(first),
    };
    if parts.next().is_some() || first.is_zero() || longest < first {
        return Err("pauses are FIRST[,GROWTH[,LONGEST]], such as 50ms,1.5,2s".into());
    }
    Ok(Pauses { first, growth, longest })
}

const WAIT_NOTES: &str = "\
Nothing is created, and nothing is kept: somebody else may have the lock by the
time this returns; 'locktop run' takes it. A flock lock is taken and given back
in the same instant, since the kernel tells in no other way. With --ready it is
the other way round: it returns when a daemon has the IPFS repository and
answers on its API address, if that is one of this machine.";

const WAIT_EXAMPLES: &str = "\
Examples:
  locktop wait /var/lib/dpkg/lock-frontend && apt-get upgrade
  locktop wait --any --timeout 10m /run/a.lock /run/b.lock
  locktop wait ipfs:$HOME/.ipfs && ipfs add file      no daemon runs
  locktop wait --ready ipfs:$HOME/.ipfs               one does, and answers";

const RUN_NOTES: &str = "\
The command inherits the open lock file: it keeps the lock even if locktop is
killed. When it ends the lock is given back, whatever it left running. In its
environment are LOCKTOP_TARGET, LOCKTOP_FD (the descriptor's number) and, where
the lock has one, LOCKTOP_FENCING_TOKEN, all of the first target.
All options of flock(1) are understood but -u and a descriptor's number.";

const RUN_EXAMPLES: &str = "\
Examples:
  locktop run /run/backup.lock -- rsync -a /srv nas:   one at a time
  locktop run -n /run/job.lock job                     not at all if it still runs
  locktop run --timeout 5m a.lock b.lock -- make       both, never in a deadlock";

const HOLD_NOTES: &str = "\
Prints 'held' and the lock's id when it has it, and keeps it until Ctrl-C,
SIGTERM or SIGHUP.";

const HOLD_EXAMPLES: &str = "\
Examples:
  locktop hold /run/backup.lock               keep a backup from running
  locktop hold --until-eof flock:/srv < pipe  for as long as somebody has the pipe open";

const STATUSES: &str = "\
Exit status:
  0      done
  1      the wait was given up (-E gives another), or would never have ended
  2      bad usage, or a target that does not exist
  3      not permitted
  4      the lock file was replaced all the time
  5      a file could not be read, or the lock was lost
  128+N  ended by signal N; nothing is left locked behind";

const RUN_STATUSES: &str = "\
Exit status, once the command runs: its own, or 128+N if signal N killed it. Else:
  1      the wait was given up (-E gives another), or would never have ended
  2      bad usage, or a target that does not exist
  3      not permitted
  4      the lock file was replaced all the time
  5      a file could not be read, or the lock was lost (--lost-code gives another)
  126    the command cannot be executed
  127    the command cannot be found
  128+N  ended by signal N while waiting; nothing is left locked behind";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        assert_eq!(range("3-9"), Ok(Range { start: 3, end: Some(9) }));
        assert_eq!(range("3-EOF"), Ok(Range { start: 3, end: None }));
        for text in ["", "3", "-9", "9-3", "3-", "a-b", "0-9223372036854775808", "1-2-3"] {
            assert!(range(text).is_err(), "{text}");
        }
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(mode("0640"), Ok(0o640));
        for text in ["", "8", "u=rw", "17777", "-1"] {
            assert!(mode(text).is_err(), "{text}");
        }
    }

    #[test]
    fn pauses_are_read() {
        let told = pauses("100ms,2,5s").unwrap();
        assert_eq!(
            (told.first, told.longest),
            (Duration::from_millis(100), Duration::from_secs(5))
        );
        assert_eq!(pauses("10").unwrap().longest, Duration::from_secs(10));
        for text in ["", "0", "1,0.5", "1,2,0.5", "1,2,3,4", "1,NaN"] {
            assert!(pauses(text).is_err(), "{text}");
        }
    }
}
