//! What an actor does, in a process of its own.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use locktop::{children, console};

use crate::cli::failure::{Failure, Status};

/// What an actor is told when it may go on.
pub(super) const GO: &str = "go";

/// The name of the child that is left behind.
pub(super) const ORPHAN: &str = "orphan";

/// How long one has a lock that goes from hand to hand.
const TURN: Duration = Duration::from_millis(1200);

/// How long the other has time to take it, since whoever lets go could take it again at once.
const BREATH: Duration = Duration::from_millis(10);

/// What an actor can do with its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Take it, and keep it.
    Hold,
    /// Stand in line for it, and keep it once it comes.
    Wait,
    /// Take it and give it back, again and again.
    Alternate,
    /// Take the first, and when told, want the second.
    Cross,
    /// Take it, and stop.
    Stop,
    /// Take it, leave it to a child, and end.
    Leave,
    /// Be that child.
    Keep,
}

impl Role {
    /// As on the command line.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Wait => "wait",
            Self::Alternate => "alternate",
            Self::Cross => "cross",
            Self::Stop => "stop",
            Self::Leave => "leave",
            Self::Keep => "keep",
        }
    }
}

/// Acts until standard input ends or the system kills us.
pub(crate) fn run(name: &str, role: Role, files: &[PathBuf]) -> Result<Status, Failure> {
    act(name, role, files).map_err(|error| {
        Failure::refused(format!("the demo's actor {name} cannot go on: {error}"), error.kind())
    })?;
    Ok(Status::Done)
}

fn act(name: &str, role: Role, files: &[PathBuf]) -> io::Result<()> {
    let [first, rest @ ..] = files else { return Err(io::ErrorKind::InvalidInput.into()) };
    children::call_myself(name)?;
    if role == Role::Keep && !told_to_go()? {
        return Ok(());
    }
    // Whoever tells us to go on is alive, so from then on its end is ours.
    children::end_with_parent()?;
    say(name, &format!("ready {}", std::process::id()))?;
    if !told_to_go()? {
        return Ok(());
    }
    match role {
        Role::Keep => listen_to_the_end(),
        Role::Hold => {
            let _lock = take(name, first)?;
            listen_to_the_end()
        }
        Role::Wait => {
            let _lock = ask_and_take(name, first)?;
            listen_to_the_end()
        }
        Role::Alternate => alternate(name, first),
        Role::Cross => {
            let _first = take(name, first)?;
            if told_to_go()? {
                let _second = rest.first().map(|second| ask_and_take(name, second)).transpose()?;
                listen_to_the_end()?;
            }
            Ok(())
        }
        Role::Stop => {
            let _lock = take(name, first)?;
            console::stop_myself()?;
            listen_to_the_end()
        }
        Role::Leave => leave(first),
    }
}

fn alternate(name: &str, path: &Path) -> io::Result<()> {
    let file = open(path)?;
    say(name, "asks")?;
    fs4::FileExt::lock(&file)?;
    say(name, "took")?;
    loop {
        thread::sleep(TURN);
        fs4::FileExt::unlock(&file)?;
        thread::sleep(BREATH);
        fs4::FileExt::lock(&file)?;
    }
}

fn leave(path: &Path) -> io::Result<()> {
    children::lead_session()?;
    let file = open(path)?;
    fs4::FileExt::lock(&file)?;
    children::hand_down(&file)?;
    children::this_program(["demo-actor", ORPHAN, Role::Keep.word()]).arg(path).spawn()?;
    Ok(())
}

fn take(name: &str, path: &Path) -> io::Result<File> {
    let file = open(path)?;
    fs4::FileExt::lock(&file)?;
    say(name, "took")?;
    Ok(file)
}

fn ask_and_take(name: &str, path: &Path) -> io::Result<File> {
    let file = open(path)?;
    say(name, "asks")?;
    fs4::FileExt::lock(&file)?;
    Ok(file)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

fn say(name: &str, words: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{name} {words}")?;
    stdout.flush()
}

/// Whether the next line says so; nothing more is read than that line. Otherwise it is all over.
fn told_to_go() -> io::Result<bool> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(line.trim_end() == GO)
}

fn listen_to_the_end() -> io::Result<()> {
    let mut stdin = io::stdin().lock();
    io::copy(&mut stdin, &mut io::sink()).map(drop)
}
