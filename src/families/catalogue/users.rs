//! The catalogues that people write themselves.

use std::env;
use std::io;
use std::path::{Path, PathBuf};

use super::One;
use crate::error::Error;
use crate::model::harmless_bytes;
use crate::system::config_file;

const MACHINES: &str = "/etc/locktop/catalogue.toml";

/// Where they can be, the user's first.
pub(super) fn files() -> Vec<PathBuf> {
    let folder = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")));
    let users = config.map(|config| config.join("locktop/catalogue.toml"));
    users.into_iter().chain([PathBuf::from(MACHINES)]).collect()
}

/// Whether there is one.
pub(super) fn are_there() -> bool {
    files().iter().any(|path| path.symlink_metadata().is_ok())
}

/// The catalogue in a file, if there is one.
pub(super) fn read(path: &Path) -> Result<Option<One>, Error> {
    let text = config_file::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => {
            let path = harmless_bytes(path.as_os_str().as_encoded_bytes());
            Error::usage(format!("{path} is not used: {error}"))
        }
        _ => Error::io("read", path, error),
    })?;
    text.map(|text| One::parse(&text, Some(path.into()))).transpose()
}
