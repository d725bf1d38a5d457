//! What each thread of a process sleeps for: its system call, and what its descriptors are.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::procfs::mounts::Mount;
use super::super::procfs::stat::Stat;
use super::super::procfs::syscall::{Blocked, Call};
use super::super::{System, read_record};
use super::ends::{Ends, Those, Way};
use super::sample::field;
use super::{addresses, platform};
use crate::model::{Mounted, PathBytes, Peer, Pid, Wait, Wake, What, short};

/// So many threads of a process are asked.
const THREADS: usize = 64;

/// So many descriptors of one wait are told.
const DESCRIPTORS: usize = 32;

/// The longest path of a system call that is read.
const PATH: usize = 4096;

/// One process, while its threads are asked.
pub(super) struct Asking<'a> {
    system: &'a System,
    pid: Pid,
    stat: &'a Stat,
    ends: &'a Ends<'a>,
    mounts: OnceCell<Vec<Mount>>,
}

impl<'a> Asking<'a> {
    pub(super) fn new(system: &'a System, pid: Pid, stat: &'a Stat, ends: &'a Ends<'a>) -> Self {
        Self { system, pid, stat, ends, mounts: OnceCell::new() }
    }

    /// What each thread waits for that sleeps; `None` where that may not be known.
    pub(super) fn waits(&self) -> Option<Vec<Wait>> {
        let tids = match self.stat.threads {
            1 => vec![self.pid],
            _ => self.system.tids(self.pid).ok()?,
        };
        let mut waits = Vec::new();
        for tid in tids.into_iter().take(THREADS) {
            if self.ends.is_late() {
                break;
            }
            // Where one thread may not be asked, none of them may.
            let text = read_record(&self.system.thread_path(self.pid, tid, "syscall")).ok()?;
            let blocked = Blocked::parse(&text);
            waits.extend(blocked.and_then(|blocked| self.wait(tid, blocked)));
        }
        Some(waits)
    }

    fn wait(&self, tid: Pid, Blocked { number, args }: Blocked) -> Option<Wait> {
        let fd = args[0] as i32;
        let timespec = |at: u64| self.timespec(tid, at);
        // A negative number of milliseconds is no limit.
        let is_limit = |arg: u64| !(arg as i32).is_negative();
        let one = |thing: Wake| Wait { tid, any_of: vec![thing], complete: true, timed: false };
        Some(match platform::call(number)? {
            Call::Reads => self.through(tid, fd, Way::In),
            Call::Writes => self.through(tid, fd, Way::Out),
            Call::Accepts => one(Wake { fd: Some(fd), ..self.listening(tid, fd) }),
            // Times out by itself.
            Call::Connects => Wait { timed: true, ..self.through(tid, fd, Way::Out) },
            Call::OnFile => one(self.on_file(tid, fd)),
            Call::OnPath(arg) => one(self.on_path(tid, args[arg])?),
            Call::Poll => {
                let timed = is_limit(args[2]);
                Wait { timed, ..self.polled(tid, args[0], args[1]) }
            }
            Call::PollUntil => Wait { timed: args[2] != 0, ..self.polled(tid, args[0], args[1]) },
            Call::Select => Wait { timed: args[4] != 0, ..self.selected(tid, args) },
            Call::Epoll => {
                let timed = is_limit(args[3]);
                Wait { timed, ..self.watched(tid, fd) }
            }
            Call::EpollUntil => Wait { timed: args[3] != 0, ..self.watched(tid, fd) },
            Call::WaitForChild => one(self.child(args[0] as i32)),
            Call::WaitForId => match args[0] {
                1 => one(self.child(args[1] as i32)),
                3 => one(self.file(tid, args[1] as i32, Way::In)),
                _ => one(self.child(-1)),
            },
            Call::Vfork => one(Wake { what: What::Vfork, ..self.child(-1) }),
            Call::Futex => {
                const PRIVATE: u64 = 128;
                // Memory that is shared can be another process's, too.
                let by_all = args[1] & PRIVATE != 0;
                Wait { timed: args[3] != 0, ..one(Wake { by_all, ..Wake::of(What::Thread) }) }
            }
            Call::Sleep(arg) => {
                let name = timespec(args[arg]).filter(|_| args[1] & 1 == 0 || arg == 0).map(short);
                Wait { timed: true, ..one(Wake { name, ..Wake::of(What::Timer) }) }
            }
            Call::Signal(limit) => {
                let timed = limit.is_some_and(|arg| args[arg] != 0);
                Wait { timed, ..one(Wake::of(What::Signal)) }
            }
            Call::Lock => one(Wake { fd: Some(fd), ..Wake::of(What::Lock) }),
        })
    }

    /// A wait for what goes through one descriptor.
    fn through(&self, tid: Pid, fd: i32, way: Way) -> Wait {
        let thing = self.file(tid, fd, way);
        let is_socket = matches!(thing.what, What::Socket | What::FullSocket);
        // Whether it has a limit may not be known: then it may.
        let timed = is_socket && platform::has_limit(self.pid, fd, way).unwrap_or(true);
        Wait { tid, any_of: vec![thing], complete: !self.ends.is_late(), timed }
    }

    /// What a thread waits for that reads from a descriptor, or writes to it.
    fn file(&self, tid: Pid, fd: i32, way: Way) -> Wake {
        let thing = self.named(tid, fd, way).unwrap_or_else(|| Wake::of(What::File));
        Wake { fd: Some(fd), ..thing }
    }

    fn named(&self, tid: Pid, fd: i32, way: Way) -> Option<Wake> {
        let link = std::fs::read_link(self.system.thread_path(self.pid, tid, &format!("fd/{fd}")));
        let path = link.ok()?;
        let link = path.as_os_str().as_encoded_bytes();
        if link.starts_with(b"pipe:[") {
            return Some(self.pipe(self.ends.of_pipe(link, way), way));
        }
        if let Some(inode) = number_in(link, b"socket:[") {
            return Some(self.socket(inode, way));
        }
        if let Some(kind) = link.strip_prefix(b"anon_inode:") {
            return Some(match kind.trim_ascii() {
                b"[eventfd]" => Wake::of(What::Call),
                b"[signalfd]" => Wake::of(What::Signal),
                b"[timerfd]" => Wake::of(What::Timer),
                b"[pidfd]" => self.process_behind(tid, fd),
                b"inotify" | b"[fanotify]" => Wake::of(What::Changes),
                _ => Wake {
                    name: Some(String::from_utf8_lossy(kind).into_owned()),
                    ..Wake::of(What::File)
                },
            });
        }
        let shown = || Some(PathBytes::new(path.clone()).display());
        if link.starts_with(b"/dev/") {
            let (what, name) = match &link[5..] {
                b"fuse" => (What::Requests, shown()),
                b"ptmx" | b"pts/ptmx" => (What::Screen, None),
                b"tty" => (What::Terminal, self.stat.tty_name()),
                name if name.starts_with(b"pts/")
                    || name.starts_with(b"tty")
                    || name == b"console" =>
                {
                    (What::Terminal, Some(String::from_utf8_lossy(name).into_owned()))
                }
                _ => (What::File, shown()),
            };
            return Some(Wake { name, ..Wake::of(what) });
        }
        if !path.is_absolute() {
            return Some(Wake { name: shown(), ..Wake::of(What::File) });
        }
        if self.system.descriptor(self.pid, tid, fd).is_ok_and(|stat| stat.is_fifo) {
            let pipe = self.pipe(self.ends.of_named_pipe(&path, way), way);
            return Some(Wake { name: shown(), ..pipe });
        }
        Some(Wake { name: shown(), ..self.on_mount(&path) })
    }

    fn pipe(&self, mut others: Those, way: Way) -> Wake {
        // Whoever sleeps in its only thread does nothing to the other end.
        if self.stat.threads == 1 {
            others.pids.remove(&self.pid);
        }
        // Nobody has it, unless it is on its way to somebody.
        others.are_all &= !others.pids.is_empty() || !self.ends.are_any_in_flight();
        let what = if way == Way::In { What::Pipe } else { What::FullPipe };
        done_by(Wake::of(what), others)
    }

    fn socket(&self, inode: u64, way: Way) -> Wake {
        let thing = Wake::of(if way == Way::In { What::Socket } else { What::FullSocket });
        let unix = u32::try_from(inode).ok().map(platform::unix_socket);
        if let Some(Ok(Some(socket))) = unix {
            let Some(peer) = socket.peer else { return thing };
            let far = platform::unix_socket(peer).ok().flatten();
            let name = far.and_then(|far| far.name).or(socket.name).map(printable);
            return done_by(Wake { name, ..thing }, self.ends.of_socket(peer.into()));
        }
        let Some(found) = self.connection(inode) else { return thing };
        let name = found.remote.map(|remote| remote.to_string());
        match found.peer {
            Some(peer) => done_by(Wake { name, ..thing }, self.ends.of_socket(peer)),
            None => Wake { name, ..thing },
        }
    }

    fn listening(&self, tid: Pid, fd: i32) -> Wake {
        let link = std::fs::read_link(self.system.thread_path(self.pid, tid, &format!("fd/{fd}")));
        let inode =
            link.ok().and_then(|link| number_in(link.as_os_str().as_encoded_bytes(), b"socket:["));
        let name = inode.and_then(|inode| {
            let unix = platform::unix_socket(u32::try_from(inode).ok()?).ok().flatten();
            let bound = unix.and_then(|unix| unix.name).map(printable);
            bound.or_else(|| Some(self.connection(inode)?.local.to_string()))
        });
        Wake { name, ..Wake::of(What::Connection) }
    }

    /// The connection of a socket, in the process's own network namespace.
    fn connection(&self, inode: u64) -> Option<addresses::Connection> {
        let tables = self.ends.connections(self.pid);
        let tables: Vec<&[u8]> = tables.iter().map(Vec::as_slice).collect();
        addresses::connection(&tables, inode)
    }

    /// The process that a descriptor stands for.
    fn process_behind(&self, tid: Pid, fd: i32) -> Wake {
        let path = self.system.thread_path(self.pid, tid, &format!("fdinfo/{fd}"));
        let pid = read_record(&path).ok().and_then(|text| field(&text, b"Pid:"));
        let by = pid.and_then(|pid| Pid::try_from(pid).ok()).map(Peer::unknown);
        Wake { by_all: by.is_some(), by: by.into_iter().collect(), ..Wake::of(What::Process) }
    }

    /// The child of that number, or any of all.
    fn child(&self, number: Pid) -> Wake {
        let thing = Wake::of(What::Child);
        // Numbers of another pid namespace are not ours.
        if number > 0 && self.system.inner_number(self.pid).is_none() {
            return Wake { by: vec![Peer::unknown(number)], by_all: true, ..thing };
        }
        // Where they are not told, nobody is named.
        let by = self.system.children_of_all(self.pid).unwrap_or_default();
        Wake { by_all: !by.is_empty(), by: by.into_iter().map(Peer::unknown).collect(), ..thing }
    }

    fn on_file(&self, tid: Pid, fd: i32) -> Wake {
        let thing = self.file(tid, fd, Way::In);
        if thing.mounted.is_some() { thing } else { Wake { fd: Some(fd), ..Wake::of(What::File) } }
    }

    /// What a thread waits for that does something to a path; `None` where that cannot be read.
    fn on_path(&self, tid: Pid, at: u64) -> Option<Wake> {
        let mut bytes = self.memory(tid, at, PATH)?;
        bytes.truncate(bytes.iter().position(|byte| *byte == 0)?);
        let named = super::super::path_from_bytes(bytes);
        let folder = std::fs::read_link(self.system.path(self.pid, "cwd")).unwrap_or_default();
        let path: PathBuf = folder.join(named);
        let name = Some(PathBytes::new(path.clone()).display());
        Some(Wake { name, ..self.on_mount(&path) })
    }

    /// The file system that a path of the process lies on.
    fn on_mount(&self, path: &Path) -> Wake {
        let mounts = self.mounts.get_or_init(|| self.system.mounts(Some(self.pid)));
        let Some(mount) = Mount::of_path(mounts, path) else { return Wake::of(What::File) };
        let mounted = Some(Mounted {
            filesystem: mount.filesystem.clone(),
            source: PathBytes::new(mount.source.clone()).display(),
            point: PathBytes::new(mount.point.clone()).display(),
        });
        let thing = Wake { mounted, ..Wake::of(What::FileSystem) };
        let is_fuse = mount.filesystem == "fuse" || mount.filesystem.starts_with("fuse.");
        if is_fuse { done_by(thing, self.ends.of_fuse(mount.device.minor)) } else { thing }
    }

    /// `poll`: an array of `struct pollfd`.
    fn polled(&self, tid: Pid, at: u64, count: u64) -> Wait {
        const IN: u16 = 1 | 2;
        const OUT: u16 = 4;
        if count == 0 {
            return self.any(tid, vec![Wake::of(What::Timer)], true);
        }
        let told = (count as usize).min(DESCRIPTORS);
        let Some(bytes) = self.memory_exactly(tid, at, told * 8) else {
            return self.any(tid, Vec::new(), false);
        };
        let mut things = Vec::new();
        for entry in bytes.chunks_exact(8) {
            if self.ends.is_late() {
                break;
            }
            let fd = i32::from_ne_bytes([entry[0], entry[1], entry[2], entry[3]]);
            let events = u16::from_ne_bytes([entry[4], entry[5]]);
            if fd < 0 {
                continue;
            }
            things.extend((events & IN != 0).then(|| self.file(tid, fd, Way::In)));
            things.extend((events & OUT != 0).then(|| self.file(tid, fd, Way::Out)));
        }
        self.any(tid, things, count as usize <= DESCRIPTORS)
    }

    /// `select`: sets of bits.
    fn selected(&self, tid: Pid, args: [u64; 6]) -> Wait {
        let count = (args[0] as usize).min(1024);
        let set = |at: u64| match at {
            0 => Some(Vec::new()),
            at => self.memory_exactly(tid, at, count.div_ceil(64) * 8),
        };
        let sets = set(args[1]).zip(set(args[2]));
        let Some((read, write)) = sets else { return self.any(tid, Vec::new(), false) };
        let members = |set: &[u8]| -> Vec<i32> {
            let has = |fd: &i32| {
                let word = set.chunks_exact(8).nth(*fd as usize / 64);
                let word = word.and_then(|word| Some(u64::from_ne_bytes(word.try_into().ok()?)));
                word.is_some_and(|word| word >> (*fd as usize % 64) & 1 == 1)
            };
            (0..count as i32).filter(has).collect()
        };
        let (read, write) = (members(&read), members(&write));
        let complete = read.len() + write.len() <= DESCRIPTORS;
        let things = read.iter().map(|fd| (*fd, Way::In));
        let things = things.chain(write.iter().map(|fd| (*fd, Way::Out))).take(DESCRIPTORS);
        let in_time = things.take_while(|_| !self.ends.is_late());
        let mut things: Vec<_> = in_time.map(|(fd, way)| self.file(tid, fd, way)).collect();
        if read.is_empty() && write.is_empty() {
            things.push(Wake::of(What::Timer));
        }
        self.any(tid, things, complete)
    }

    /// `epoll`: what its descriptor's information lists.
    fn watched(&self, tid: Pid, epoll: i32) -> Wait {
        let mut buffer = Vec::new();
        // Of the thread: its leader can have ended.
        let descriptors = self.system.descriptors(tid).ok();
        let text = descriptors.as_ref().and_then(|of| of.information(epoll, &mut buffer).ok());
        let Some(text) = text else { return self.any(tid, Vec::new(), false) };
        let mut entries = Vec::new();
        let mut complete = true;
        for line in String::from_utf8_lossy(text).lines() {
            let Some(entry) = line.strip_prefix("tfd:") else { continue };
            match Watched::parse(entry) {
                Some(entry) => entries.push(entry),
                None => complete = false,
            }
        }
        complete &= entries.len() <= DESCRIPTORS;
        let mut things = Vec::new();
        for entry in entries.iter().take(DESCRIPTORS) {
            if self.ends.is_late() {
                break;
            }
            // Another file can have got that number since.
            let now = self.system.descriptor(self.pid, tid, entry.fd);
            if !now.is_ok_and(|stat| stat.file.inode == entry.inode) {
                complete = false;
                continue;
            }
            things.push(self.file(tid, entry.fd, entry.way));
        }
        self.any(tid, things, complete)
    }

    fn any(&self, tid: Pid, any_of: Vec<Wake>, complete: bool) -> Wait {
        Wait { tid, any_of, complete: complete && !self.ends.is_late(), timed: false }
    }

    /// Bytes of a thread's memory; fewer where it ends.
    fn memory(&self, tid: Pid, at: u64, length: usize) -> Option<Vec<u8>> {
        // The first page alone, where the next one is not there.
        const PAGE: u64 = 4096;
        let within = (PAGE - at % PAGE) as usize;
        self.memory_exactly(tid, at, length)
            .or_else(|| self.memory_exactly(tid, at, length.min(within)))
    }

    fn memory_exactly(&self, tid: Pid, at: u64, length: usize) -> Option<Vec<u8>> {
        self.system.read_memory(self.pid, tid, at, length).ok()
    }

    /// A `timespec` in a thread's memory.
    fn timespec(&self, tid: Pid, at: u64) -> Option<Duration> {
        let bytes = self.memory_exactly(tid, at, 16)?;
        let word = |at: usize| Some(i64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let (seconds, nanos) = (u64::try_from(word(0)?).ok()?, u32::try_from(word(8)?).ok()?);
        (nanos < 1_000_000_000).then(|| Duration::new(seconds, nanos))
    }
}

/// What an epoll descriptor watches: `        0 events:       19 data:  …  pos:0 ino:f7d148 sdev:f`.
struct Watched {
    fd: i32,
    way: Way,
    inode: u64,
}

impl Watched {
    fn parse(text: &str) -> Option<Self> {
        const IN: u32 = 1 | 2;
        let mut words = text.split_ascii_whitespace();
        let fd = words.next()?.parse().ok()?;
        let events = words.by_ref().skip_while(|word| *word != "events:").nth(1)?;
        let events = u32::from_str_radix(events, 16).ok()?;
        let inode = words.find_map(|word| word.strip_prefix("ino:"))?;
        let way = if events & IN != 0 { Way::In } else { Way::Out };
        Some(Self { fd, way, inode: u64::from_str_radix(inode, 16).ok()? })
    }
}

/// What the others can bring about, whose processes those are.
fn done_by(thing: Wake, those: Those) -> Wake {
    let by = those.pids.into_iter().map(Peer::unknown).collect();
    Wake { by, by_all: those.are_all, ..thing }
}

/// `socket:[123]`: the number.
fn number_in(link: &[u8], prefix: &[u8]) -> Option<u64> {
    let digits = link.strip_prefix(prefix)?.strip_suffix(b"]")?;
    str::from_utf8(digits).ok()?.parse().ok()
}

/// The path of a socket; one without a file begins with a NUL, as people write it with an `@`.
fn printable(mut name: Vec<u8>) -> String {
    if let Some(first) = name.first_mut().filter(|first| **first == 0) {
        *first = b'@';
    }
    while name.last() == Some(&0) {
        name.pop();
    }
    String::from_utf8_lossy(&name).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_epoll_watches_is_read() {
        let text = "        7 events:       19 data:                0  pos:0 ino:f7d148 sdev:f";
        let entry = Watched::parse(text).unwrap();
        assert_eq!((entry.fd, entry.way, entry.inode), (7, Way::In, 0xf7_d148));
        let out = Watched::parse("3 events: 4 data: 0 pos:0 ino:1 sdev:f").unwrap();
        assert_eq!(out.way, Way::Out);
        assert!(Watched::parse("3 events:").is_none());
        assert!(Watched::parse("").is_none());
    }

    #[test]
    fn links_and_names_of_sockets_are_understood() {
        assert_eq!(number_in(b"socket:[123]", b"socket:["), Some(123));
        assert_eq!(number_in(b"socket:[x]", b"socket:["), None);
        assert_eq!(number_in(b"pipe:[1]", b"socket:["), None);
        assert_eq!(printable(b"/run/x\0".to_vec()), "/run/x");
        assert_eq!(printable(b"\0abstract".to_vec()), "@abstract");
    }
}
