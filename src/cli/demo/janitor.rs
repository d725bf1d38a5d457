//! The process that owns the scene: it sets it up, and clears it away whatever ends the demo.

use std::io::{self, Write as _};
use std::path::Path;

use locktop::children;

use super::stage::Stage;
use super::{READY, acts, refused};
use crate::cli::failure::{Failure, Status};

/// Keeps the scene in `folder`, which it creates, until standard input ends.
pub(crate) fn run(folder: &Path) -> Result<Status, Failure> {
    keep(folder).map_err(|error| refused("cannot play the demo in", folder, &error))?;
    Ok(Status::Done)
}

fn keep(folder: &Path) -> io::Result<()> {
    // Before there is anything to clear away: from here on, no key and no hang-up ends us.
    children::lead_session()?;
    children::call_myself("janitor")?;
    children::adopt_orphans()?;
    let mut stage = Stage::build(folder)?;
    let played =
        acts::play(&mut stage).and_then(|()| announce()).and_then(|()| stage.wait_for_end());
    let cleared = stage.clear();
    played.and(cleared)
}

fn announce() -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{READY}")?;
    stdout.flush()
}
