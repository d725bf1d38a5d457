//! The command line as types. What is listed here works.

mod acquire;
mod catalogue;
mod check;
mod release;
mod watch;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{ArgGroup, Parser, Subcommand, ValueEnum};

use super::columns::Column;
use super::demo::Role;
pub(crate) use acquire::{Creation, Hold, Run, Telling, Terms, Wait};
pub(crate) use catalogue::Catalogue;
pub(crate) use check::Check;
pub(crate) use release::{Audit, Release};
pub(crate) use watch::Watch;

/// Who really holds a lock, for how long, who waits, and what to do about it.
///
/// Without a command: the dashboard; where the output is no terminal, as 'locktop ls'.
#[derive(Debug, Parser)]
#[command(
    version,
    override_usage = "locktop [OPTIONS] [TARGET]...\n       locktop [OPTIONS] <COMMAND>",
    after_help = EXAMPLES,
    after_long_help = format!("{TARGETS}\n\n{STATUSES}\n\n{EXAMPLES}"),
    max_term_width = 100
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Only these locks: PATH, FAMILY:PATH, pid:N or @ID; a folder is all below it
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<OsString>,
    #[command(flatten)]
    pub(crate) board: Board,
    #[command(flatten)]
    pub(crate) global: Global,
}

/// What the dashboard may do.
#[derive(Debug, Default, Clone, Copy, clap::Args)]
pub(crate) struct Board {
    /// In the dashboard, wait for no lock, take none and free none
    #[arg(long)]
    pub(crate) read_only: bool,
    /// In the dashboard, have the kernel tell what happens at its instant; needs root
    #[arg(long)]
    pub(crate) trace: bool,
}

/// A line whose command is `run`, and nothing else: to define all the commands takes longer than to
/// take a lock.
#[derive(Debug, Parser)]
#[command(name = "locktop", max_term_width = 100)]
pub(crate) struct RunLine {
    #[command(subcommand)]
    command: RunAlone,
    #[command(flatten)]
    global: Global,
}

#[derive(Debug, Subcommand)]
enum RunAlone {
    Run(Run),
}

impl From<RunLine> for Args {
    fn from(line: RunLine) -> Self {
        let RunAlone::Run(run) = line.command;
        Self::of_run(run, line.global)
    }
}

impl Args {
    /// A line whose command is that.
    pub(crate) fn of_run(run: Run, global: Global) -> Self {
        let command = Some(Command::Run(run));
        Self { command, targets: Vec::new(), board: Board::default(), global }
    }
}

/// What can be asked for.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the locks, those first that need a person most
    Ls(Ls),
    /// Tell in sentences who has a lock, who waits, why it does not move, and what can be done
    Explain(Explain),
    /// Wait until locks are free
    Wait(Wait),
    /// Run a command under a lock, or under several
    Run(Run),
    /// Have a lock until Ctrl-C
    Hold(Hold),
    /// Free a lock that somebody else has, with the least harm: shows what it would do, and asks
    Release(Release),
    /// Tell what happens to locks, a line each, until Ctrl-C
    Watch(Watch),
    /// Say what is wrong, for monitoring: limits that are exceeded, and what needs a person
    Check(Check),
    /// Tell what was force-released, by whom, on what grounds, and what came of it
    Audit(Audit),
    /// Print the well-known locks that are called by name, or what is known of some paths
    Catalogue(Catalogue),
    /// Watch real processes contend for real locks in a temporary folder; leaves nothing behind
    Demo,
    /// Owns the folder and the processes of the demo.
    #[command(hide = true)]
    DemoJanitor { folder: PathBuf },
    /// One of those processes.
    #[command(hide = true)]
    DemoActor { name: String, role: Role, files: Vec<PathBuf> },
}

/// `locktop ls`.
#[derive(Debug, clap::Args)]
#[command(
    group(ArgGroup::new("form").args(["json", "columns", "tree"])),
    after_help = LS_EXAMPLES,
    after_long_help = format!("{LS_NOTES}\n\n{TARGETS}\n\n{LS_EXAMPLES}"),
)]
pub(crate) struct Ls {
    /// Only these locks: PATH, FAMILY:PATH, pid:N or @ID; a folder is all below it
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<OsString>,
    /// Print one JSON document, with a line for each lock
    #[arg(long)]
    pub(crate) json: bool,
    /// Columns to print, in this order, separated by commas
    #[arg(short = 'o', long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(crate) columns: Vec<Column>,
    /// Show who blocks whom: under each lock those who wait for it
    #[arg(long)]
    pub(crate) tree: bool,
    /// Only what needs a person: deadlock, split, stale, orphaned, stuck, or a wait of over 10 minutes
    #[arg(long)]
    pub(crate) problems: bool,
}

/// `locktop explain`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = EXPLAIN_EXAMPLES,
    after_long_help = format!("{TARGETS}\n\n{EXPLAIN_EXAMPLES}"),
)]
pub(crate) struct Explain {
    /// The lock: PATH, FAMILY:PATH or @ID; or pid:N: what that process holds and waits for
    #[arg(value_name = "TARGET")]
    pub(crate) target: OsString,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

/// What every command knows.
#[derive(Debug, Default, Clone, Copy, clap::Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    #[arg(hide_possible_values = true)]
    #[arg(help = "Colour the output: auto, always or never; auto heeds NO_COLOR")]
    pub(crate) color: When,
    /// Draw with ASCII characters only
    #[arg(long, global = true)]
    pub(crate) ascii: bool,
    /// Print no notes, only results and errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Say more: what a look cost, what it saw, how long a lock took
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

/// When to colour.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    #[default]
    Auto,
    Always,
    Never,
}

/// Where the first word stands that is no option: a command or a target.
pub(crate) fn first_word(arguments: &[OsString]) -> Option<usize> {
    let mut words = arguments.iter().enumerate().skip(1);
    loop {
        match words.next()? {
            // The one global option with a value of its own.
            (_, option) if option == "--color" => drop(words.next()),
            (_, option) if is_option(option) => {}
            (at, _) => return Some(at),
        }
    }
}

pub(crate) fn is_option(word: &OsStr) -> bool {
    word.as_encoded_bytes().starts_with(b"-")
}

const TARGETS: &str = "\
Targets:
  PATH         the file that is there now, and locks whose last name that was
  FAMILY:PATH  only its locks of one kind: flock, posix or ofd; a folder itself;
               lockfile: what locks by existing; pidfile: by naming a process;
               ipfs: the lock of an IPFS repository; or nerdctl: a data folder
               of nerdctl, or one lock in it
  pid:N        what that process holds or waits for
  @ID          one lock, by the id that 'locktop ls -o id' prints
A file whose name looks like one of these is written ./NAME.";

const STATUSES: &str = "\
Exit status ('run' has its own):
  0  done
  1  the answer is no: waiting was given up, or a release was declined
  2  bad usage, or a target that does not exist
  3  not permitted
  4  the world changed meanwhile
  5  something could not be read";

const EXAMPLES: &str = "\
Examples:
  locktop ls                                   all locks that can be seen
  locktop ls --problems                        only those that need a person
  locktop explain /var/lib/dpkg/lock-frontend  why apt does not go on
  locktop run /run/backup.lock -- backup       one backup at a time";

const LS_NOTES: &str = "\
In the table a '?' behind a pid says that the kernel names this process and
nothing could be checked. HELD and QUEUE (how many wait, and the longest wait)
are marked where they are bounds: >= is 'at least', <= is 'at most'.
Tables are cut to fit a terminal and never in a pipe.";

const LS_EXAMPLES: &str = "\
Examples:
  locktop ls /var/lib /run/backup.lock  locks below a folder, and of a file
  locktop ls --tree                     who blocks whom
  locktop ls -o verdict,path,pid,wait   for a script or a ticket
  locktop ls --json | jq '.locks[].holders[].pid'";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  locktop explain /var/lib/dpkg/lock-frontend
  locktop explain pid:4121";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// What is printed for a line of arguments that does not parse, at a fixed width.
    fn answer(line: &str) -> String {
        let command = Args::command().term_width(90);
        let answer = command.try_get_matches_from(line.split(' ')).unwrap_err();
        answer.render().to_string()
    }

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn only_the_first_word_is_a_command() {
        let first = |line: &str| {
            let arguments: Vec<_> = line.split(' ').map(OsString::from).collect();
            first_word(&arguments).map(|at| arguments[at].to_str().unwrap().to_owned())
        };
        assert_eq!(first("locktop hold /run/x").as_deref(), Some("hold"));
        assert_eq!(first("locktop -q --color never run -x").as_deref(), Some("run"));
        assert_eq!(first("locktop --color hold"), None);
        assert_eq!(first("locktop"), None);
    }

    #[test]
    fn help_is_short_and_has_examples() {
        insta::assert_snapshot!("help", answer("locktop -h"));
        insta::assert_snapshot!("help_ls", answer("locktop ls -h"));
        insta::assert_snapshot!("help_explain", answer("locktop explain -h"));
        insta::assert_snapshot!("help_wait", answer("locktop wait -h"));
        insta::assert_snapshot!("help_run", answer("locktop run -h"));
        insta::assert_snapshot!("help_hold", answer("locktop hold -h"));
        insta::assert_snapshot!("help_release", answer("locktop release -h"));
        insta::assert_snapshot!("help_watch", answer("locktop watch -h"));
        insta::assert_snapshot!("help_audit", answer("locktop audit -h"));
        insta::assert_snapshot!("help_check", answer("locktop check -h"));
        insta::assert_snapshot!("help_catalogue", answer("locktop catalogue -h"));
    }

    #[test]
    fn long_help_documents_everything() {
        insta::assert_snapshot!("long_help", answer("locktop --help"));
        insta::assert_snapshot!("long_help_ls", answer("locktop ls --help"));
        insta::assert_snapshot!("long_help_check", answer("locktop check --help"));
        insta::assert_snapshot!("long_help_run", answer("locktop run --help"));
        insta::assert_snapshot!("long_help_watch", answer("locktop watch --help"));
        insta::assert_snapshot!("long_help_release", answer("locktop release --help"));
    }

    #[test]
    fn an_unknown_column_lists_those_there_are() {
        let answer = answer("locktop ls -o id,colour");
        assert!(answer.contains("'colour'"), "{answer}");
        for column in Column::value_variants() {
            assert!(answer.contains(&column.heading().to_lowercase()), "{answer}");
        }
    }

    #[test]
    fn targets_and_commands_are_told_apart() {
        let parse = |line: &str| Args::try_parse_from(line.split(' '));
        let plain = parse("locktop --ascii /a ls -q").unwrap();
        assert!(plain.command.is_none() && plain.global.quiet && plain.global.ascii);
        assert_eq!(plain.targets, ["/a", "ls"]);
        let Some(Command::Ls(ls)) = parse("locktop -q ls -o id,pid /a -- -b").unwrap().command
        else {
            panic!("not ls")
        };
        assert_eq!(ls.columns, [Column::Id, Column::Pid]);
        assert_eq!(ls.targets, ["/a", "-b"]);
        assert!(parse("locktop --read-only /a").unwrap().board.read_only);
        for line in ["ls --json --tree", "ls --json -o id", "ls --tree -o id", "explain a b"] {
            assert!(parse(&format!("locktop {line}")).is_err(), "{line}");
        }
    }
}
