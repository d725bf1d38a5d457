//! Where acts are written down: the log's folder, and the system's log.

use std::io;
use std::path::Path;

/// Makes the folder that the file is to be in; others may not read it.
pub(crate) fn make_folder(file: &Path) -> io::Result<()> {
    let Some(folder) = file.parent().filter(|folder| !folder.is_dir()) else { return Ok(()) };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o750);
    builder.create(folder)
}

/// Hands a line to the system's log, as `authpriv.notice` (RFC 3164).
///
/// # Errors
/// When nobody listens there.
#[cfg(unix)]
pub(crate) fn syslog(text: &str) -> io::Result<()> {
    const AUTHPRIV_NOTICE: u8 = 10 << 3 | 5;
    let line = format!("<{AUTHPRIV_NOTICE}>locktop[{}]: {text}", std::process::id());
    let socket = std::os::unix::net::UnixDatagram::unbound()?;
    socket.send_to(line.as_bytes(), "/dev/log").map(drop)
}

/// # Errors
/// There is none here.
#[cfg(not(unix))]
pub(crate) fn syslog(_text: &str) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no such log"))
}
