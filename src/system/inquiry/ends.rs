//! Who has the other end of a pipe or socket: the descriptors of all processes.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use super::super::procfs::fdinfo::FdInfo;
use super::super::{System, has_ended};
use super::sample::field;
use crate::model::Pid;

/// Which way something flows through a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Way {
    In,
    Out,
}

/// Processes, and whether they are all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Those {
    pub(super) pids: BTreeSet<Pid>,
    /// Whether nobody else has it: all processes could be read.
    pub(super) are_all: bool,
    /// Whether time was up before all were read that may be.
    pub(super) cut: bool,
}

/// The open descriptors of everybody, read when somebody asks first.
#[derive(Debug)]
pub(super) struct Ends<'a> {
    system: &'a System,
    deadline: Instant,
    index: OnceCell<Index>,
    in_flight: OnceCell<bool>,
    /// What was answered already.
    answers: RefCell<HashMap<Question, Those>>,
    /// The tables of connections by network namespace.
    connections: RefCell<HashMap<PathBuf, Rc<[Vec<u8>]>>>,
}

/// A link, and which way somebody waits; at sockets it does not matter.
type Question = (Vec<u8>, Option<Way>);

/// Descriptors by what their links say.
#[derive(Debug, Default)]
struct Index {
    by_link: HashMap<Vec<u8>, Vec<(Pid, i32)>>,
    unreadable: bool,
    cut: bool,
}

/// What a server of file systems has open.
const FUSE: &[u8] = b"/dev/fuse";

/// No longer table of connections is read.
const TABLE: u64 = 8 << 20;

impl<'a> Ends<'a> {
    pub(super) fn new(system: &'a System, deadline: Instant) -> Self {
        Self {
            system,
            deadline,
            index: OnceCell::new(),
            in_flight: OnceCell::new(),
            answers: RefCell::default(),
            connections: RefCell::default(),
        }
    }

    pub(super) fn is_late(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Who could put something into a pipe that somebody reads, or take something out of one that
    /// is full.
    pub(super) fn of_pipe(&self, link: &[u8], waits: Way) -> Those {
        self.once(link, Some(waits), || self.openers(self.index(), link, Some(waits)))
    }

    /// The same of a pipe with a name.
    pub(super) fn of_named_pipe(&self, path: &Path, waits: Way) -> Those {
        let name = path.as_os_str().as_encoded_bytes();
        self.once(name, Some(waits), || {
            let index = Index::read(self.system, self.deadline, |link| link == name);
            self.openers(&index, name, Some(waits))
        })
    }

    /// Who has a socket.
    pub(super) fn of_socket(&self, inode: u64) -> Those {
        let link = format!("socket:[{inode}]").into_bytes();
        self.once(&link, None, || self.openers(self.index(), &link, None))
    }

    fn once(&self, link: &[u8], waits: Option<Way>, ask: impl FnOnce() -> Those) -> Those {
        let key = (link.to_vec(), waits);
        if let Some(those) = self.answers.borrow().get(&key) {
            return those.clone();
        }
        let those = ask();
        self.answers.borrow_mut().insert(key, those.clone());
        those
    }

    /// The tables of connections in the network namespace of a process; none when it is late.
    pub(super) fn connections(&self, pid: Pid) -> Rc<[Vec<u8>]> {
        let namespace = std::fs::read_link(self.system.path(pid, "ns/net"));
        let namespace = namespace.unwrap_or_else(|_| self.system.path(pid, "net"));
        if let Some(tables) = self.connections.borrow().get(&namespace) {
            return Rc::clone(tables);
        }
        if self.is_late() {
            return Rc::default();
        }
        let read = |name: &str| {
            let mut text = Vec::new();
            let file = File::open(self.system.path(pid, name)).ok()?;
            file.take(TABLE).read_to_end(&mut text).ok()?;
            Some(text)
        };
        // Kernels without IPv6 have one of them.
        let tables: Rc<[_]> = ["net/tcp", "net/tcp6"].into_iter().filter_map(read).collect();
        self.connections.borrow_mut().insert(namespace, Rc::clone(&tables));
        tables
    }

    /// Who serves a FUSE file system. Older kernels do not tell which connection a server has: there it
    /// is the only server, if there is only one.
    pub(super) fn of_fuse(&self, connection: u32) -> Those {
        let index = self.index();
        let mut those = index.those();
        let openers = index.by_link.get(FUSE).map(Vec::as_slice).unwrap_or_default();
        let told: Vec<(Pid, Option<u64>)> = openers
            .iter()
            .take_while(|_| {
                those.cut |= self.is_late();
                !those.cut
            })
            .filter_map(|&(pid, fd)| {
                let mut text = Vec::new();
                let descriptors = self.system.descriptors(pid).ok()?;
                let text = descriptors.information(fd, &mut text).ok()?;
                Some((pid, field(text, b"fuse_connection:")))
            })
            .collect();
        those.are_all &= !those.cut;
        if told.iter().any(|(_, number)| number.is_some()) {
            let serve = told.iter().filter(|(_, number)| *number == Some(connection.into()));
            those.pids = serve.map(|(pid, _)| *pid).collect();
        } else {
            let all: BTreeSet<Pid> = told.into_iter().map(|(pid, _)| pid).collect();
            those.are_all = false;
            those.pids = if all.len() == 1 { all } else { BTreeSet::new() };
        }
        those
    }

    /// Whether any descriptors are on their way from process to process over a Unix socket, or may be.
    pub(super) fn are_any_in_flight(&self) -> bool {
        *self.in_flight.get_or_init(|| {
            let index = self.index();
            let is_socket = |(link, _): &(&Vec<u8>, _)| link.starts_with(b"socket:[");
            let sockets = index.by_link.iter().filter(is_socket);
            let mut text = Vec::new();
            let mut carries = |&(pid, fd): &(Pid, i32)| {
                let descriptors = self.system.descriptors(pid).ok();
                let info = descriptors.and_then(|of| of.information_of(fd, &mut text).ok());
                info.is_some_and(|info| info.in_flight > 0) || self.is_late()
            };
            index.cut || sockets.filter_map(|(_, openers)| openers.first()).any(&mut carries)
        })
    }

    /// Those who have the end that somebody waits for; without a way, any.
    fn openers(&self, index: &Index, link: &[u8], waits: Option<Way>) -> Those {
        let fits = |info: &FdInfo| match waits {
            Some(Way::In) => info.is_for_writing,
            Some(Way::Out) => info.is_for_reading,
            None => true,
        };
        let mut those = index.those();
        let mut text = Vec::new();
        let openers = index.by_link.get(link).map(Vec::as_slice).unwrap_or_default();
        for of_one in openers.chunk_by(|one, next| one.0 == next.0) {
            let pid = of_one[0].0;
            // One that was closed meanwhile has no such end.
            let Ok(descriptors) = self.system.descriptors(pid) else { continue };
            for &(_, fd) in of_one {
                if self.is_late() {
                    (those.cut, those.are_all) = (true, false);
                    return those;
                }
                if descriptors.information_of(fd, &mut text).is_ok_and(|info| fits(&info)) {
                    those.pids.insert(pid);
                    break;
                }
            }
        }
        those
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            let is_end = |link: &[u8]| link.starts_with(b"pipe:[") || link.starts_with(b"socket:[");
            Index::read(self.system, self.deadline, |link| is_end(link) || link == FUSE)
        })
    }
}

impl Index {
    fn read(system: &System, deadline: Instant, keep: impl Fn(&[u8]) -> bool) -> Self {
        let mut index = Self::default();
        let Ok(pids) = system.pids() else { return Self { cut: true, ..index } };
        for pid in pids {
            if Instant::now() >= deadline {
                index.cut = true;
            }
            if index.cut {
                break;
            }
            index.enter(system, pid, deadline, &keep);
        }
        index
    }

    fn enter(
        &mut self,
        system: &System,
        pid: Pid,
        deadline: Instant,
        keep: impl Fn(&[u8]) -> bool,
    ) {
        let numbers = system.descriptors(pid).and_then(|all| Ok((all.numbers()?, all)));
        let (numbers, descriptors) = match numbers {
            Ok(numbers) => numbers,
            Err(error) if has_ended(&error) => return,
            Err(_) => {
                // A thread of the kernel has none.
                let has_some = |pid| system.stat(pid).is_ok_and(|stat| !stat.kernel_thread);
                self.unreadable |= has_some(pid);
                return;
            }
        };
        for fd in numbers {
            if Instant::now() >= deadline {
                self.cut = true;
                return;
            }
            let Ok(link) = descriptors.path(fd) else { continue };
            let link = link.into_os_string().into_encoded_bytes();
            if keep(&link) {
                self.by_link.entry(link).or_default().push((pid, fd));
            }
        }
    }

    fn those(&self) -> Those {
        let are_all = !self.unreadable && !self.cut;
        Those { pids: BTreeSet::new(), are_all, cut: self.cut }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::pipe;
    use std::os::fd::AsRawFd as _;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_ends_of_a_pipe_are_told_apart() {
        let system = System::new();
        let ours = std::process::id().cast_signed();
        let (reader, writer) = pipe().unwrap();
        let link = system.descriptors(ours).unwrap().path(reader.as_raw_fd()).unwrap();
        let link = link.into_os_string().into_encoded_bytes();
        let soon = || Instant::now() + Duration::from_mins(5);
        let ends = Ends::new(&system, soon());
        assert!(ends.of_pipe(&link, Way::In).pids.contains(&ours));
        assert!(ends.of_pipe(&link, Way::Out).pids.contains(&ours));
        drop(writer);
        let ends = Ends::new(&system, soon());
        assert!(!ends.of_pipe(&link, Way::In).pids.contains(&ours), "nobody writes any more");
        assert!(ends.of_pipe(&link, Way::Out).pids.contains(&ours));
        let late = Ends::new(&system, Instant::now());
        assert!(late.of_pipe(&link, Way::In).cut);
    }

    #[test]
    fn time_is_up_in_the_midst_of_one_process_too() {
        let system = System::new();
        let ours = std::process::id().cast_signed();
        let (reader, _writer) = pipe().unwrap();
        let mut index = Index::default();
        index.enter(&system, ours, Instant::now(), |_| true);
        assert!(index.cut && index.by_link.is_empty());

        let link = b"pipe:[x]".to_vec();
        let by_link = HashMap::from([(link.clone(), vec![(ours, reader.as_raw_fd()); 3])]);
        let index = Index { by_link, ..Index::default() };
        let late = Ends::new(&system, Instant::now()).openers(&index, &link, Some(Way::Out));
        assert!(late.cut && !late.are_all && late.pids.is_empty());
        let ends = Ends::new(&system, Instant::now() + Duration::from_mins(5));
        let all = ends.openers(&index, &link, Some(Way::Out));
        assert!(!all.cut && all.are_all && all.pids.contains(&ours));
    }

    #[test]
    fn nothing_is_asked_twice() {
        let system = System::new();
        let ours = std::process::id().cast_signed();
        let ends = Ends::new(&system, Instant::now() + Duration::from_mins(5));
        let known = Those { pids: BTreeSet::from([ours]), are_all: true, cut: false };
        assert_eq!(ends.once(b"pipe:[x]", Some(Way::In), || known.clone()), known);
        assert_eq!(ends.of_pipe(b"pipe:[x]", Way::In), known);
        assert_ne!(ends.of_pipe(b"pipe:[x]", Way::Out), known);
        assert!(Rc::ptr_eq(&ends.connections(ours), &ends.connections(ours)));
    }
}
