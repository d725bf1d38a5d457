//! From what a user names to a request for its lock.

use crate::acquire::mechanism::flock::Flock;
use crate::acquire::{Pending, Want};
use crate::error::Error;
use crate::model::Target;

/// A request for the lock that a target names.
///
/// # Errors
/// When it names none that can be taken; when the lock file cannot be opened.
pub(crate) fn open(target: &Target, want: Want) -> Result<Box<dyn Pending>, Error> {
    let path = match target {
        Target::Path(path) | Target::Family { family: "flock", path } => path,
        _ => return Err(Error::usage("this kind of target cannot be taken yet")),
    };
    let path = std::path::absolute(path).map_err(|error| Error::io("look up", path, error))?;
    Ok(Box::new(Flock::open(path, want)?))
}
