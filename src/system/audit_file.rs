//! Where acts are written down: the log's folder, and the system's log.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// Makes the folder that the log is to be in, and sees to it that nobody else can put anything in
/// the place of the log, or write into it.
///
/// # Errors
/// What is wrong, in words; the system's.
pub(crate) fn prepare(log: &Path) -> io::Result<()> {
    if let Some(folder) = log.parent() {
        match fs::symlink_metadata(folder) {
            Ok(found) if found.is_symlink() => is_not_foreign(&found, "its folder")?,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => make_folder(folder)?,
            Err(error) => return Err(error),
        }
        let found = fs::metadata(folder)?;
        if !found.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        is_ours_alone(&found, "its folder")?;
    }
    match fs::symlink_metadata(log) {
        Ok(found) => {
            is_plain(&found)?;
            is_ours_alone(&found, "it")
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Opens a log to read it: never a pipe, which would wait for its other end.
///
/// # Errors
/// The system's.
pub(crate) fn open(log: &Path) -> io::Result<File> {
    is_plain(&fs::symlink_metadata(log)?)?;
    File::open(log)
}

/// Whether what was written last stopped in the middle of a line.
///
/// # Errors
/// The system's.
pub(crate) fn is_cut(mut log: &File, length: u64) -> io::Result<bool> {
    if length == 0 {
        return Ok(false);
    }
    let mut last = [0];
    log.seek(SeekFrom::Start(length - 1))?;
    log.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// Others may not read it.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o750);
    builder.create(folder)
}

fn is_plain(found: &Metadata) -> io::Result<()> {
    if found.is_file() {
        return Ok(());
    }
    let kind = match () {
        () if found.is_symlink() => "a symbolic link",
        () if found.is_dir() => "a folder",
        () => "not a plain file",
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {kind}")))
}

#[cfg(unix)]
fn is_not_foreign(found: &Metadata, what: &str) -> io::Result<()> {
    let owner = std::os::unix::fs::MetadataExt::uid(found);
    if owner == 0 || Some(owner) == super::own_user() {
        return Ok(());
    }
    Err(denied(format!("{what} belongs to another user, uid {owner}")))
}

#[cfg(unix)]
fn is_ours_alone(found: &Metadata, what: &str) -> io::Result<()> {
    is_not_foreign(found, what)?;
    let mode = std::os::unix::fs::MetadataExt::mode(found) & 0o7777;
    if mode & 0o022 == 0 {
        return Ok(());
    }
    Err(denied(format!("others may write to {what}, mode {mode:04o}")))
}

#[cfg(unix)]
fn denied(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, text)
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
fn is_not_foreign(_found: &Metadata, _what: &str) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
fn is_ours_alone(_found: &Metadata, _what: &str) -> io::Result<()> {
    Ok(())
}

/// Where the system's log listens.
pub(crate) const SYSLOG: &str = "/dev/log";

/// Hands a line to the system's log, as `authpriv.notice`, in the words of RFC 3164.
///
/// # Errors
/// When nobody listens there, or he who does is too busy.
#[cfg(unix)]
pub(crate) fn syslog(text: &str) -> io::Result<()> {
    use std::os::unix::net::UnixDatagram;
    use std::time::Duration;

    const AUTHPRIV_NOTICE: u8 = 10 << 3 | 5;
    /// Nobody waits longer for whoever listens.
    const PATIENCE: Duration = Duration::from_secs(2);

    let at = jiff::Zoned::now().strftime("%b %e %H:%M:%S").to_string();
    let line = format!("<{AUTHPRIV_NOTICE}>{at} locktop[{}]: {text}", std::process::id());
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.send_to(line.as_bytes(), SYSLOG).map(drop)
}

/// # Errors
/// There is none here.
#[cfg(not(unix))]
pub(crate) fn syslog(_text: &str) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no such log"))
}
