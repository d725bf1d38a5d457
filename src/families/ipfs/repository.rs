//! What is where in a repository.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::families::family::IsThere;
use crate::model::harmless_bytes;

const LOCK: &str = "repo.lock";

/// What every repository has, of Kubo or of what it was called before; and what all of the last ten
/// years have besides.
const CONFIG: &str = "config";
const BESIDES: [&str; 2] = ["datastore_spec", "version"];

/// The lock file of a repository, which can be named itself.
pub(super) fn lock_of(path: PathBuf) -> PathBuf {
    if is_lock(&path) { path } else { path.join(LOCK) }
}

/// The repository that a lock file belongs to; `None`: no lock file of one has that name.
pub(super) fn folder_of(lock: &Path) -> Option<&Path> {
    lock.parent().filter(|_| is_lock(lock))
}

/// Where the daemon that serves says how to reach it.
pub(super) fn api_of(folder: &Path) -> PathBuf {
    folder.join("api")
}

fn is_lock(path: &Path) -> bool {
    path.file_name() == Some(OsStr::new(LOCK))
}

/// Whether a folder is a repository and can be nothing else. What may not be seen is none.
pub(super) fn is_surely_one(folder: &Path, is_there: IsThere<'_>) -> bool {
    let mut names = BESIDES.iter().chain([&CONFIG]);
    names.all(|name| is_there(&folder.join(name)).unwrap_or(false))
}

/// Whether a repository, or the lock file of one, is at a path where somebody says that one is.
///
/// # Errors
/// `is_usage` when there is none; when that cannot be looked up.
pub(super) fn check(path: &Path, is_there: IsThere<'_>) -> Result<(), Error> {
    let folder = folder_of(path).unwrap_or(path);
    let has = |name: &str| {
        let file = folder.join(name);
        is_there(&file).map_err(|error| Error::io("look for a repository's", &file, error))
    };
    if has(CONFIG)? && (has(BESIDES[0])? || has(BESIDES[1])?) {
        return Ok(());
    }
    let shown = show(folder);
    Err(Error::usage(if is_there(folder).unwrap_or(false) {
        format!(
            "{shown} is no IPFS repository: it has no '{CONFIG}' with a '{}' beside it; 'ipfs init' \
             makes one, usually in ~/.ipfs",
            BESIDES[0]
        )
    } else {
        format!("{shown} does not exist; an IPFS repository is usually in ~/.ipfs")
    }))
}

/// The same for one that was there.
///
/// # Errors
/// `is_changed` when it is not there any more.
pub(super) fn is_still_there(lock: &Path) -> Result<(), Error> {
    let folder = folder_of(lock).unwrap_or(lock);
    let there = folder.join(CONFIG).try_exists();
    if there.map_err(|error| Error::io("look for the repository", folder, error))? {
        Ok(())
    } else {
        Err(Error::changed(format!("{} is no repository any more", show(folder))))
    }
}

pub(super) fn show(path: &Path) -> String {
    harmless_bytes(path.as_os_str().as_encoded_bytes()).into_owned()
}

/// What there is to say of a lock file with something in it; `None`: it is empty.
///
/// # Errors
/// The system's, but that it is not there.
pub(super) fn poisoned(lock: &Path) -> io::Result<Option<String>> {
    match lock.metadata() {
        Ok(file) if file.is_file() && file.len() > 0 => Ok(Some(poison(file.len()))),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Why nobody can have a lock file of that size: a clause.
pub(super) fn poison(size: u64) -> String {
    let bytes = if size == 1 { "byte" } else { "bytes" };
    format!(
        "it has {size} {bytes} in it, and so Kubo refuses to start ('has non-zero size'): its lock \
         files are empty"
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn is_there(path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    #[test]
    fn a_repository_and_its_lock_file_name_the_same() {
        assert_eq!(lock_of("/r".into()), Path::new("/r/repo.lock"));
        assert_eq!(lock_of("/r/repo.lock".into()), Path::new("/r/repo.lock"));
        assert_eq!(folder_of(Path::new("/r/repo.lock")), Some(Path::new("/r")));
        assert_eq!(folder_of(Path::new("/r/other.lock")), None);
    }

    #[test]
    fn only_a_repository_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let said = |path: &Path| check(path, &is_there).unwrap_err().to_string();
        assert!(said(path).contains("'ipfs init'"));
        assert!(said(&path.join("nowhere")).contains("does not exist"));
        fs::write(path.join("config"), "{}").unwrap();
        assert!(check(path, &is_there).is_err());
        fs::write(path.join("version"), "16").unwrap();
        check(path, &is_there).unwrap();
        check(&path.join("repo.lock"), &is_there).unwrap();
        assert!(!is_surely_one(path, &is_there));
        fs::write(path.join("datastore_spec"), "{}").unwrap();
        assert!(is_surely_one(path, &is_there));
    }
}
