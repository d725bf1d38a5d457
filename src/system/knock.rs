//! Whether a server of this machine answers: a bounded question, in a thread that can be left behind.
//!
//! All that is asked for is the first line of an answer to an HTTP request that changes nothing.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::System;
use super::aside::Questions;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Door {
    Tcp(SocketAddr),
    /// A socket with a name, if it belongs to this user.
    Unix {
        path: PathBuf,
        owner: u32,
    },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A server of HTTP does.
    Answers,
    /// Nobody has said anything in time.
    Silent,
    /// Why there is nobody.
    Fails(String),
    /// The socket is another user's, or none: nobody was asked.
    Foreign,
}

/// Questions that have not been answered yet.
#[derive(Debug, Default)]
pub(super) struct Knocks(Questions<Reply>);

/// Any server has something to say to that, and none does anything.
const REQUEST: &[u8] = b"GET / HTTP/1.0\r\nUser-Agent: locktop\r\n\r\n";

/// What all answers begin with.
const ANSWER: &[u8] = b"HTTP/";

impl System {
    /// Whether a server answers. Who did not answer in time is not waited for again before it has.
    pub(crate) fn knock(&self, door: &Door, patience: Duration) -> Reply {
        let about = match door {
            Door::Tcp(address) => PathBuf::from(address.to_string()),
            Door::Unix { path, .. } => path.clone(),
        };
        let asked = door.clone();
        // The thread gives up first, unless it hangs in the system.
        let question = move || knock_now(&asked, patience / 2);
        match self.knocks.0.ask(&about, patience, question) {
            Ok(Some(reply)) => reply,
            Ok(None) => Reply::Silent,
            Err(error) => Reply::Fails(format!("no thread can be had to ask: {error}")),
        }
    }
}

fn knock_now(door: &Door, patience: Duration) -> Reply {
    let by = Instant::now() + patience;
    let spoken = match door {
        Door::Tcp(address) => TcpStream::connect_timeout(address, patience)
            .and_then(|stream| speak(&stream, |left| limit_tcp(&stream, left), by)),
        Door::Unix { path, owner } => match platform::connect(path, *owner) {
            Ok(None) => return Reply::Foreign,
            Ok(Some(stream)) => platform::speak_on(&stream, by),
            Err(error) => Err(error),
        },
    };
    match spoken {
        Ok(true) => Reply::Answers,
        Ok(false) => Reply::Fails("what listens there is no server of HTTP".into()),
        Err(error) if is_late(&error) => Reply::Silent,
        Err(error) => Reply::Fails(error.to_string()),
    }
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

fn limit_tcp(stream: &TcpStream, left: Duration) -> io::Result<()> {
    stream.set_read_timeout(Some(left))?;
    stream.set_write_timeout(Some(left))
}

/// Whether it answers as a server of HTTP does; a drop at a time, too.
fn speak<S>(
    mut stream: S,
    limit: impl Fn(Duration) -> io::Result<()>,
    by: Instant,
) -> io::Result<bool>
where
    S: Read + Write,
{
    let left = || {
        let left = by.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::Error::from(io::ErrorKind::TimedOut)) } else { limit(left) }
    };
    left()?;
    stream.write_all(REQUEST)?;
    let mut heard = [0; ANSWER.len()];
    let mut length = 0;
    while length < heard.len() {
        left()?;
        match stream.read(&mut heard[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(heard[..length] == *ANSWER)
}

#[cfg(unix)]
mod platform {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::path::{Path, PathBuf};
    use std::time::{Duration, Instant};

    use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};

    /// The socket, if it is that user's; else it is another's, who may have more rights than he who
    /// wrote its name.
    pub(super) fn connect(path: &Path, owner: u32) -> io::Result<Option<UnixStream>> {
        let socket = hold(path)?;
        let stat = fstat(&socket)?;
        let is_socket = FileType::from_raw_mode(stat.st_mode) == FileType::Socket;
        if !is_socket || stat.st_uid != owner {
            return Ok(None);
        }
        UnixStream::connect(path_of(&socket, path)).map(Some)
    }

    pub(super) fn speak_on(stream: &UnixStream, by: Instant) -> io::Result<bool> {
        let limit = |left: Duration| {
            stream.set_read_timeout(Some(left))?;
            stream.set_write_timeout(Some(left))
        };
        super::speak(stream, limit, by)
    }

    /// The very file, whatever takes its place.
    #[cfg(target_os = "linux")]
    fn hold(path: &Path) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(CWD, path, flags, Mode::empty())?)
    }

    #[cfg(target_os = "linux")]
    fn path_of(socket: &OwnedFd, _path: &Path) -> PathBuf {
        use std::os::fd::AsRawFd as _;
        PathBuf::from(format!("/proc/self/fd/{}", socket.as_raw_fd()))
    }

    /// Sockets cannot be held by a descriptor there: they are not called.
    #[cfg(not(target_os = "linux"))]
    fn hold(path: &Path) -> io::Result<OwnedFd> {
        Ok(openat(CWD, path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?)
    }

    #[cfg(not(target_os = "linux"))]
    fn path_of(_socket: &OwnedFd, path: &Path) -> PathBuf {
        path.to_owned()
    }
}

#[cfg(not(unix))]
mod platform {
    use std::io;
    use std::net::TcpStream;
    use std::path::Path;
    use std::time::Instant;

    pub(super) fn connect(_path: &Path, _owner: u32) -> io::Result<Option<TcpStream>> {
        Ok(None)
    }

    pub(super) fn speak_on(stream: &TcpStream, by: Instant) -> io::Result<bool> {
        super::speak(stream, |left| super::limit_tcp(stream, left), by)
    }
}

#[cfg(all(test, unix))]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::fs::{MetadataExt as _, symlink};
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    const PATIENCE: Duration = Duration::from_mins(5);

    fn answer(mut stream: impl Read + Write, with: &[u8]) {
        let mut request = [0; REQUEST.len()];
        stream.read_exact(&mut request).unwrap();
        stream.write_all(with).unwrap();
    }

    #[test]
    fn servers_answer_and_others_do_not() {
        let system = System::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let door = Door::Tcp(listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            answer(listener.accept().unwrap().0, b"HTTP/1.0 404 Not Found\r\n\r\n");
            answer(listener.accept().unwrap().0, b"220 mail\r\n");
        });
        assert_eq!(system.knock(&door, PATIENCE), Reply::Answers);
        assert!(matches!(system.knock(&door, PATIENCE), Reply::Fails(_)));
        server.join().unwrap();
        assert!(matches!(system.knock(&door, PATIENCE), Reply::Fails(_)));
    }

    #[test]
    fn the_silent_are_left_alone() {
        let system = System::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let door = Door::Tcp(listener.local_addr().unwrap());
        assert_eq!(system.knock(&door, Duration::from_millis(20)), Reply::Silent);
    }

    #[test]
    fn sockets_of_others_are_not_called() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let owner = path.metadata().unwrap().uid();
        let server = thread::spawn(move || answer(listener.accept().unwrap().0, b"HTTP/1.1 200"));
        let system = System::new();
        let knock = |path: &PathBuf, owner| {
            system.knock(&Door::Unix { path: path.clone(), owner }, PATIENCE)
        };
        assert_eq!(knock(&path, owner + 1), Reply::Foreign);
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        assert_eq!(knock(&link, owner), Reply::Foreign);
        assert_eq!(knock(&path, owner), Reply::Answers);
        server.join().unwrap();
        assert_eq!(knock(&folder.path().into(), owner), Reply::Foreign);
    }
}
