//! The commands of the command line. A thin user of the locking core: everything that is printed
//! comes from a [`Snapshot`](locktop::Snapshot).

mod args;
mod audit;
mod catalogue;
mod cell;
mod check;
mod chronicle;
mod columns;
mod demo;
mod duration;
mod explain;
mod failure;
mod future;
mod hold;
mod interrupt;
mod json;
mod loss;
mod ls;
mod page;
mod pick;
mod release;
mod request;
mod run;
#[cfg(test)]
mod sample;
mod stderr;
mod table;
mod tree;
mod voice;
mod wait;
mod watch;
mod wrap;

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use locktop::model::harmless;

use crate::tui;
use args::{Args, Board, Command, Ls};
use failure::{Failure, Status};

/// Parses, does what was asked, and tells the exit status.
pub(crate) fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    obey(&arguments).unwrap_or_else(|failure| failure.tell()).end()
}

fn obey(arguments: &[OsString]) -> Result<Status, Failure> {
    let word = args::first_word(arguments);
    if let Some(word) = word.and_then(|at| future::command(&arguments[at])) {
        return Err(Failure::usage(format!(
            "this version has no command '{word}' yet; 'locktop --help' lists those it has"
        )));
    }
    let parsed = match word {
        Some(at) if arguments[at] == "run" => run::parse(arguments, at),
        _ => Args::try_parse_from(arguments),
    };
    let args = match parsed {
        Ok(args) => args,
        // For a plugin, 2 means something else.
        Err(answer) if is_plugin(arguments, word) && answer.use_stderr() => {
            return refuse(&answer).or_else(check::unknown);
        }
        Err(answer) => return refuse(&answer),
    };
    match args.command {
        Some(Command::Demo) => {
            demo::run(|folder| show(vec![folder.into()], args.board, args.global))
        }
        Some(_) if args.board.read_only => {
            Err(Failure::usage("--read-only is for the dashboard: leave it out, or the command"))
        }
        Some(_) if args.board.trace => Err(Failure::usage(
            "--trace before a command is for the dashboard: 'watch' takes it behind its name",
        )),
        Some(Command::Ls(ls)) => ls::run(&ls, args.global),
        Some(Command::Explain(explain)) => explain::run(&explain, args.global),
        Some(Command::Wait(wait)) => wait::run(&wait, args.global),
        Some(Command::Run(run)) => run::run(&run, args.global),
        Some(Command::Hold(hold)) => hold::run(&hold, args.global),
        Some(Command::Release(release)) => release::run(&release, args.global),
        Some(Command::Watch(watch)) => watch::run(&watch, args.global),
        Some(Command::Check(check)) => check::run(&check, args.global),
        Some(Command::Audit(audit)) => audit::run(&audit, args.global),
        Some(Command::Catalogue(catalogue)) => catalogue::run(&catalogue, args.global),
        Some(Command::DemoJanitor { folder }) => demo::keep_house(&folder),
        Some(Command::DemoActor { name, role, files }) => demo::act(&name, role, &files),
        None => show(args.targets, args.board, args.global),
    }
}

/// Whether the line is that of a monitoring plugin.
fn is_plugin(arguments: &[OsString], word: Option<usize>) -> bool {
    word.is_some_and(|at| arguments[at] == "check")
        && arguments.iter().any(|argument| argument == "--nagios")
}

/// The dashboard, where there is a terminal for it; else as `ls`.
fn show(targets: Vec<OsString>, board: Board, global: args::Global) -> Result<Status, Failure> {
    if std::io::stdout().is_terminal() {
        dashboard(&targets, board, global)
    } else {
        ls::run(&Ls::of(targets), global)
    }
}

/// Shows the locks until somebody leaves.
fn dashboard(targets: &[OsString], board: Board, global: args::Global) -> Result<Status, Failure> {
    let targets = pick::parse(targets)?;
    let colour = page::Page::stdout(global).colour;
    let Board { read_only, trace } = board;
    tui::run(tui::Options { targets, colour, ascii: global.ascii, read_only, trace })?;
    Ok(Status::Done)
}

/// Prints the help or the version if that was asked for; else the complaint about the arguments.
fn refuse(answer: &clap::Error) -> Result<Status, Failure> {
    let text = answer.render().to_string();
    if !answer.use_stderr() {
        std::io::stdout().write_all(text.as_bytes())?;
        return Ok(Status::Done);
    }
    // The complaint quotes arguments as they came.
    let text: Vec<_> = text.trim_end().split('\n').map(harmless).collect();
    let text = text.join("\n");
    Err(Failure::usage(text.strip_prefix("error: ").unwrap_or(&text)))
}
