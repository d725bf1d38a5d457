//! From the words behind `run` to locks and a command: our way, with `--` before the command, and
//! flock(1)'s way, where one target is followed by the command.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::error::ErrorKind;
use clap::{Arg, Parser};
use locktop::model::harmless_bytes;
use locktop::{Target, command};

use crate::cli::args::{Args, Command, Global, Run, RunLine, is_option};
use crate::cli::failure::Failure;

/// The shell where `SHELL` names none, as flock(1) has it.
const SHELL: &str = "/bin/sh";

/// What is to be run, and under which locks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) targets: Vec<OsString>,
    pub(super) program: OsString,
    pub(super) arguments: Vec<OsString>,
}

/// Reads a line of arguments whose command, at `at`, is `run`.
pub(crate) fn parse(arguments: &[OsString], at: usize) -> Result<Args, clap::Error> {
    let dashes = arguments[at..].iter().position(|word| word == "--");
    if let Some(args) = parse_plain(arguments, at, dashes) {
        return args;
    }
    let Some(dashes) = dashes else {
        return read(arguments, |words| words);
    };
    let (ours, command) = arguments.split_at(at + dashes);
    let command = command[1..].to_vec();
    // Before '--' everything is ours, wherever it stands.
    let parsed = read(ours, |words| words.required(false).trailing_var_arg(false));
    let words = match &parsed {
        Ok(Args { command: Some(Command::Run(run)), .. }) => &run.words[..],
        Ok(_) => return parsed,
        Err(error) if !error.use_stderr() => return parsed,
        // A command's own option would be one of ours that is wrong.
        Err(_) => &ours[at + 1..],
    };
    if let Some(program) = program_among(words) {
        return Err(refused(program, words));
    }
    let mut args = parsed?;
    if let Some(Command::Run(run)) = &mut args.command {
        if run.words.is_empty() {
            // flock(1)'s: the options end here.
            run.words = command;
        } else {
            run.command = Some(command);
        }
    }
    Ok(args)
}

/// Reads a line without options, for which none need be defined: that would be most of what it
/// costs to run a command under a free lock.
fn parse_plain(
    arguments: &[OsString],
    at: usize,
    dashes: Option<usize>,
) -> Option<Result<Args, clap::Error>> {
    let words = &arguments[at + 1..];
    let (words, command) = match dashes {
        Some(dashes) => (&words[..dashes - 1], Some(words[dashes..].to_vec())),
        None => (words, None),
    };
    let ours = if command.is_some() { words } else { words.get(..1)? };
    let is_plain = at == 1 && !ours.is_empty() && !ours.iter().any(|word| is_option(word));
    is_plain.then(|| match program_among(ours) {
        Some(program) => Err(refused(program, words)),
        None => Ok(Args::of_run(Run::of(words.to_vec(), command), Global::default())),
    })
}

/// Reads arguments, with the words behind `run` taken so. By the short definition, which is quick;
/// what that refuses, the whole one judges.
fn read(arguments: &[OsString], taken: fn(Arg) -> Arg) -> Result<Args, clap::Error> {
    read_as::<RunLine>(arguments, taken)
        .map(Args::from)
        .or_else(|_| read_as::<Args>(arguments, taken))
}

fn read_as<T: Parser>(arguments: &[OsString], taken: fn(Arg) -> Arg) -> Result<T, clap::Error> {
    let mut definition = T::command().mut_subcommand("run", |run| run.mut_arg("words", taken));
    let matches = definition.try_get_matches_from_mut(arguments)?;
    let args = T::from_arg_matches(&matches).map_err(|error| error.format(&mut definition))?;
    // They are read once in the life of a process, and to take them apart costs a tenth of that.
    std::mem::forget((definition, matches));
    Ok(args)
}

/// The first word behind a target that is rather the command: it names a program, and no file here.
/// Else `run LOCK git log -- PATH` would lock `git` and `log`.
fn program_among(words: &[OsString]) -> Option<&OsString> {
    let mut later = words.iter().filter(|word| !is_option(word)).skip(1);
    later.find(|word| {
        let is_path = matches!(Target::parse(word), Ok(Target::Path(_)));
        let is_named = word.as_encoded_bytes().contains(&b'/') || !Path::new(word).exists();
        is_path && is_named && command::find(word).is_some()
    })
}

fn refused(program: &OsStr, words: &[OsString]) -> clap::Error {
    let program = harmless_bytes(program.as_encoded_bytes());
    let first = words.iter().find(|word| !is_option(word));
    let first = first.map_or_else(|| "LOCK".into(), |word| harmless_bytes(word.as_encoded_bytes()));
    let text = format!(
        "is '{program}' a lock or the command? For the command write 'locktop run {first} -- \
         {program} …'; for a lock write 'flock:{program}'\n"
    );
    clap::Error::raw(ErrorKind::ArgumentConflict, text)
}

/// What the words mean.
pub(super) fn plan(run: &Run) -> Result<Plan, Failure> {
    if run.unlock {
        return Err(Failure::usage(
            "'run' has no --unlock: it gives the lock back when the command ends. Before that, the \
             command can: flock -u \"$LOCKTOP_FD\"",
        ));
    }
    if run.fcntl {
        return Err(Failure::usage("'run' has no --fcntl: write ofd:FILE for a record lock"));
    }
    let (targets, command) = match (&run.command, &run.words[..]) {
        (Some(command), targets) => (targets, &command[..]),
        (None, [target, command @ ..]) => (std::slice::from_ref(target), command),
        (None, []) => (&[][..], &[][..]),
    };
    let targets = targets.to_vec();
    match command {
        [flag, line] if run.command.is_none() && is_shell_flag(flag) => {
            let shell = std::env::var_os("SHELL").filter(|shell| !shell.is_empty());
            let arguments = vec!["-c".into(), line.clone()];
            Ok(Plan { targets, program: shell.unwrap_or_else(|| SHELL.into()), arguments })
        }
        [flag, ..] if run.command.is_none() && is_shell_flag(flag) => {
            Err(Failure::usage("'-c' wants exactly one argument behind it, the line for the shell"))
        }
        [program, arguments @ ..] => {
            let (program, arguments) = (program.clone(), arguments.to_vec());
            Ok(Plan { targets, program, arguments })
        }
        [] => Err(no_command(&targets)),
    }
}

fn is_shell_flag(word: &OsStr) -> bool {
    word == "-c" || word == "--command"
}

fn no_command(targets: &[OsString]) -> Failure {
    let is_number = |target: &OsString| target.as_encoded_bytes().iter().all(u8::is_ascii_digit);
    Failure::usage(match targets {
        [target] if is_number(target) => {
            "cannot lock a descriptor of the shell: 'run' wants a lock and a command, as in \
             'locktop run /run/x.lock -- COMMAND'; for a lock of the shell itself use flock(1)"
        }
        _ => "there is no command to run: write 'locktop run TARGET -- COMMAND'",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(line: &str) -> Result<Plan, String> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let args = parse(&words, 1).map_err(|error| error.to_string())?;
        let Some(Command::Run(run)) = args.command else { panic!("not run: {line}") };
        plan(&run).map_err(|failure| format!("{failure:?}"))
    }

    #[track_caller]
    fn assert_plan(line: &str, targets: &str, command: &str) {
        let plan = planned(line).unwrap();
        let told = std::iter::once(&plan.program).chain(&plan.arguments);
        let told: Vec<_> = told.map(|word| word.to_str().unwrap()).collect();
        assert_eq!(
            (plan.targets.join(" ".as_ref()).to_str().unwrap(), &*told.join(" ")),
            (targets, command)
        );
    }

    #[test]
    fn behind_two_dashes_everything_is_the_command() {
        assert_plan("locktop run /a -- b -n", "/a", "b -n");
        assert_plan("locktop run -n /a /b --shared -- b -- c", "/a /b", "b -- c");
        assert_plan("locktop run /a -w 3 -- b", "/a", "b");
    }

    #[test]
    fn without_them_it_is_flock() {
        assert_plan("locktop run /a b -n --shared", "/a", "b -n --shared");
        assert_plan("locktop run -xn -w 3 /a b -w 4", "/a", "b -w 4");
        assert_plan("locktop run -n -- /a b -n", "/a", "b -n");
        assert_plan("locktop run --nonb --exc --time 3 /a b", "/a", "b");
        let plan = planned("locktop run /a -c b").unwrap();
        assert_eq!(plan.arguments, ["-c", "b"]);
        assert!(planned("locktop run /a -c b c").is_err());
        assert!(planned("locktop run /a -c").is_err());
    }

    #[test]
    fn lines_without_options_are_read_as_all_others() {
        for line in ["locktop run /a b -n c", "locktop run /a /b -- c", "locktop run /a -c b"] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let quick = parse(&words, 1).unwrap();
            // An option changes the way that it is read.
            let with_option = [&words[..1], &["--color=auto".into()], &words[1..]].concat();
            let whole = parse(&with_option, 2).unwrap();
            assert_eq!(format!("{quick:?}"), format!("{whole:?}"), "{line}");
        }
    }

    #[test]
    fn a_command_is_never_a_lock() {
        for line in [
            "locktop run /a sh x -- y",
            "locktop run -n /a sh -- y",
            "locktop run /a sh -p -- y",
            "locktop run /a /bin/sh -- y",
        ] {
            let text = planned(line).unwrap_err();
            assert!(text.contains("a lock or the command?"), "{line}: {text}");
        }
        assert_plan("locktop run /a flock:sh -- y", "/a flock:sh", "y");
        assert_plan("locktop run sh -- y", "sh", "y");
    }

    #[test]
    fn there_must_be_a_command() {
        for line in ["locktop run /a", "locktop run /a --", "locktop run 9", "locktop run --"] {
            assert!(planned(line).is_err(), "{line}");
        }
    }
}
