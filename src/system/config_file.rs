//! Files by which people tell the program what to do: only read where nobody else can have written
//! them.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::locking::{Access, is_absent, open};

/// The largest that is read.
const LARGEST: u64 = 1 << 20;

/// What it says; `None` where there is none.
///
/// # Errors
/// When it cannot be read; when it is no plain file, is larger than a mebibyte, is not UTF-8; or
/// when somebody else could have written it, since then it could make us act for him.
pub(crate) fn read(path: &Path) -> io::Result<Option<String>> {
    let file = match open(path, Access::Read, None) {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Err(refused("it is no plain file"));
    }
    refuse_others(&file)?;
    let mut text = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(refused("it is larger than 1 MiB"));
    }
    String::from_utf8(text).map(Some).map_err(|_| refused("it is not UTF-8"))
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(unix)]
fn refuse_others(file: &File) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;

    let stat = file.metadata()?;
    let ours = super::own_user();
    if stat.uid() != 0 && Some(stat.uid()) != ours {
        let who = if ours == Some(0) { "is not root" } else { "is neither root nor you" };
        return Err(refused(&format!("it belongs to user {}, who {who}", stat.uid())));
    }
    if may_be_written_by_others(stat.mode(), stat.gid(), ours) {
        return Err(refused("others may write to it; 'chmod go-w' on it changes that"));
    }
    Ok(())
}

/// Whether somebody else than its owner may. Of a group, only root is suspicious: many systems give
/// each user a group of his own, which may write to all that is his.
#[cfg(unix)]
fn may_be_written_by_others(mode: u32, group: u32, ours: Option<u32>) -> bool {
    mode & 0o002 != 0 || mode & 0o020 != 0 && group != 0 && ours == Some(0)
}

#[cfg(not(unix))]
fn refuse_others(_file: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    use super::*;

    fn why(path: &Path) -> String {
        read(path).unwrap_err().to_string()
    }

    #[test]
    fn only_a_plain_file_of_ours_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        assert_eq!(read(&path).unwrap(), None);
        assert_eq!(read(&path.join("in/it")).unwrap(), None);
        fs::write(&path, "a = 1\n").unwrap();
        let set = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        set(0o644);
        assert_eq!(read(&path).unwrap().unwrap(), "a = 1\n");
        set(0o646);
        assert!(why(&path).contains("others may write to it"));
        set(0o600);
        fs::write(&path, b"\xff").unwrap();
        assert_eq!(why(&path), "it is not UTF-8");
        fs::write(&path, vec![b'#'; LARGEST as usize + 1]).unwrap();
        assert_eq!(why(&path), "it is larger than 1 MiB");
        assert_eq!(why(folder.path()), "it is no plain file");
    }

    #[test]
    fn a_pipe_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert_eq!(why(&path), "it is no plain file");
    }

    #[test]
    fn a_link_to_a_file_of_ours_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(read(&link).unwrap().unwrap(), "");
    }

    #[test]
    fn root_trusts_no_group_but_its_own() {
        let others = may_be_written_by_others;
        assert!(others(0o602, 0, Some(0)) && others(0o602, 7, Some(7)));
        assert!(others(0o660, 7, Some(0)));
        assert!(!others(0o660, 0, Some(0)) && !others(0o660, 7, Some(7)));
        assert!(!others(0o644, 7, Some(0)));
    }

    #[test]
    fn somebody_elses_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        fs::write(&path, "").unwrap();
        // Only root can give a file away.
        if std::os::unix::fs::chown(&path, Some(12_345), None).is_ok() {
            assert_eq!(why(&path), "it belongs to user 12345, who is not root");
        }
    }
}
