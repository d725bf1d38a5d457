//! Linux: what system calls mean, and what the kernel tells of sockets.

use std::io;

use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::sockopt::{Timeout, socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::process::{Pid as RawPid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use super::super::procfs::syscall::Call;
use super::ends::Way;
use crate::model::Pid;

/// The number of `read`.
#[cfg(test)]
pub(crate) const READ_CALL: Option<i64> = Some(libc::SYS_read);

/// What a system call of that number can sleep for. `None`: nothing that is known here.
pub(super) fn call(number: i64) -> Option<Call> {
    if let Some(call) = call_of_this_cpu(number) {
        return Some(call);
    }
    Some(match number {
        libc::SYS_read
        | libc::SYS_pread64
        | libc::SYS_readv
        | libc::SYS_preadv
        | libc::SYS_preadv2
        | libc::SYS_recvfrom
        | libc::SYS_recvmsg => Call::Reads,
        libc::SYS_write
        | libc::SYS_pwrite64
        | libc::SYS_writev
        | libc::SYS_pwritev
        | libc::SYS_pwritev2
        | libc::SYS_sendto
        | libc::SYS_sendmsg
        | libc::SYS_sendmmsg => Call::Writes,
        libc::SYS_accept | libc::SYS_accept4 => Call::Accepts,
        libc::SYS_connect => Call::Connects,
        libc::SYS_fsync
        | libc::SYS_fdatasync
        | libc::SYS_syncfs
        | libc::SYS_fstat
        | libc::SYS_fstatfs
        | libc::SYS_ftruncate
        | libc::SYS_fallocate
        | libc::SYS_getdents64
        | libc::SYS_lseek
        | libc::SYS_close => Call::OnFile,
        libc::SYS_chdir | libc::SYS_execve | libc::SYS_statfs | libc::SYS_truncate => {
            Call::OnPath(0)
        }
        libc::SYS_openat
        | libc::SYS_openat2
        | libc::SYS_newfstatat
        | libc::SYS_statx
        | libc::SYS_faccessat
        | libc::SYS_readlinkat
        | libc::SYS_mkdirat
        | libc::SYS_unlinkat
        | libc::SYS_renameat2 => Call::OnPath(1),
        libc::SYS_ppoll => Call::PollUntil,
        libc::SYS_pselect6 => Call::Select,
        libc::SYS_epoll_pwait => Call::Epoll,
        libc::SYS_epoll_pwait2 => Call::EpollUntil,
        libc::SYS_wait4 => Call::WaitForChild,
        libc::SYS_waitid => Call::WaitForId,
        libc::SYS_clone | libc::SYS_clone3 => Call::Vfork,
        libc::SYS_futex => Call::Futex,
        libc::SYS_nanosleep => Call::Sleep(0),
        libc::SYS_clock_nanosleep => Call::Sleep(2),
        libc::SYS_rt_sigsuspend => Call::Signal(None),
        libc::SYS_rt_sigtimedwait => Call::Signal(Some(2)),
        libc::SYS_flock | libc::SYS_fcntl => Call::Lock,
        _ => return None,
    })
}

/// Those that newer CPUs' interfaces have left out.
#[cfg(target_arch = "x86_64")]
fn call_of_this_cpu(number: i64) -> Option<Call> {
    Some(match number {
        libc::SYS_poll => Call::Poll,
        libc::SYS_select => Call::Select,
        libc::SYS_epoll_wait => Call::Epoll,
        libc::SYS_pause => Call::Signal(None),
        libc::SYS_vfork => Call::Vfork,
        libc::SYS_open
        | libc::SYS_creat
        | libc::SYS_stat
        | libc::SYS_lstat
        | libc::SYS_access
        | libc::SYS_readlink
        | libc::SYS_mkdir
        | libc::SYS_rmdir
        | libc::SYS_unlink
        | libc::SYS_rename => Call::OnPath(0),
        _ => return None,
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn call_of_this_cpu(_number: i64) -> Option<Call> {
    None
}

/// Whether a wait on a socket ends by itself: its owner has set it a limit.
///
/// # Errors
/// `PermissionDenied` without the right to trace the process; `Unsupported` before Linux 5.6.
pub(super) fn has_limit(pid: Pid, fd: i32, way: Way) -> io::Result<bool> {
    let pid = RawPid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
    let process = pidfd_open(pid, PidfdFlags::empty())?;
    let socket = pidfd_getfd(process, fd, PidfdGetfdFlags::empty())?;
    let which = match way {
        Way::In => Timeout::Recv,
        Way::Out => Timeout::Send,
    };
    Ok(socket_timeout(socket, which)?.is_some())
}

/// What is known of a Unix socket of our network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct UnixSocket {
    /// The path that it is bound to.
    pub(super) name: Option<Vec<u8>>,
    /// The socket at its other end.
    pub(super) peer: Option<u32>,
}

/// Asks after one Unix socket; `None` when there is none of that number here. See `sock_diag(7)`.
///
/// # Errors
/// The system's; kernels can be built without telling.
pub(super) fn unix_socket(inode: u32) -> io::Result<Option<UnixSocket>> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(SOCK_DIAG),
    )?;
    let kernel = SocketAddrNetlink::new(0, 0);
    rustix::net::sendto(&socket, &request(inode), SendFlags::empty(), &kernel)?;
    let mut answer = [0; 4096];
    let (length, _) = rustix::net::recv(&socket, &mut answer, RecvFlags::empty())?;
    Ok(parse(&answer[..length]))
}

/// `SOCK_DIAG_BY_FAMILY` of the kernel's `include/uapi/linux/sock_diag.h`.
const BY_FAMILY: u16 = 20;
/// `UDIAG_SHOW_NAME` and `UDIAG_SHOW_PEER`, and the attributes that they bring.
const SHOW: u32 = 1 | 4;
const NAME: u16 = 0;
const PEER: u16 = 2;
/// Lengths of `struct nlmsghdr`, `struct unix_diag_req` and `struct unix_diag_msg`.
const HEADER: usize = 16;
const REQUEST: usize = 24;
const MESSAGE: usize = 16;

fn request(inode: u32) -> Vec<u8> {
    const NLM_F_REQUEST: u16 = 1;
    let mut bytes = Vec::with_capacity(HEADER + REQUEST);
    bytes.extend(((HEADER + REQUEST) as u32).to_ne_bytes());
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend(NLM_F_REQUEST.to_ne_bytes());
    bytes.extend([0; 8]); // Sequence number and port.
    bytes.extend([libc::AF_UNIX as u8, 0, 0, 0]); // Family, protocol, padding.
    bytes.extend(u32::MAX.to_ne_bytes()); // In any state.
    bytes.extend(inode.to_ne_bytes());
    bytes.extend(SHOW.to_ne_bytes());
    bytes.extend([0xff; 8]); // No cookie.
    bytes
}

fn parse(answer: &[u8]) -> Option<UnixSocket> {
    let half = |at: usize| Some(u16::from_ne_bytes(answer.get(at..at + 2)?.try_into().ok()?));
    if half(4)? != BY_FAMILY {
        return None;
    }
    let mut socket = UnixSocket::default();
    let mut at = HEADER + MESSAGE;
    while let (Some(length), Some(kind)) = (half(at), half(at + 2)) {
        let Some(value) = answer.get(at + 4..at + usize::from(length)) else { break };
        match kind {
            NAME if !value.is_empty() => socket.name = Some(value.to_vec()),
            PEER => socket.peer = value.try_into().ok().map(u32::from_ne_bytes),
            _ => {}
        }
        at += usize::from(length).next_multiple_of(4).max(4);
    }
    socket.peer = socket.peer.filter(|peer| *peer != 0);
    Some(socket)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::time::Duration;

    use super::*;

    fn inode(socket: &impl std::os::fd::AsFd) -> u32 {
        rustix::fs::fstat(socket).unwrap().st_ino as u32
    }

    #[test]
    fn the_kernel_tells_the_other_end_of_a_unix_socket() {
        let (one, other) = UnixStream::pair().unwrap();
        let found = unix_socket(inode(&one)).unwrap().unwrap();
        assert_eq!(found, UnixSocket { name: None, peer: Some(inode(&other)) });

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let server = UnixListener::bind(&path).unwrap();
        let client = UnixStream::connect(&path).unwrap();
        let (session, _) = server.accept().unwrap();
        let peer = unix_socket(inode(&client)).unwrap().unwrap().peer.unwrap();
        assert_eq!(peer, inode(&session));
        let name = unix_socket(peer).unwrap().unwrap().name.unwrap();
        assert!(name.starts_with(path.as_os_str().as_encoded_bytes()));
        assert_eq!(unix_socket(u32::MAX - 1).unwrap(), None);
    }

    #[test]
    fn a_limit_on_a_socket_is_seen() {
        let ours = std::process::id().cast_signed();
        let (one, _other) = UnixStream::pair().unwrap();
        let has_limit = |way| has_limit(ours, one.as_raw_fd(), way).unwrap();
        assert!(!has_limit(Way::In) && !has_limit(Way::Out));
        one.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        assert!(has_limit(Way::In) && !has_limit(Way::Out));
    }

    #[test]
    fn calls_are_known_by_their_numbers() {
        assert_eq!(call(libc::SYS_read), Some(Call::Reads));
        assert_eq!(call(libc::SYS_clock_nanosleep), Some(Call::Sleep(2)));
        assert_eq!(call(libc::SYS_getpid), None);
    }

    #[test]
    fn answers_that_make_no_sense_are_none() {
        assert_eq!(parse(b""), None);
        assert_eq!(parse(&[0; 64]), None);
    }
}
