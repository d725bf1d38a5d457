//! What processes have in their memory: their command lines, what they ask the kernel for.
//!
//! A process can map a file there whose server never answers, or have the kernel hold its memory
//! for ever: who reads it then sleeps, and no signal ends that. So a process of our own reads it,
//! which can be left behind.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as platform;
#[cfg(not(target_os = "linux"))]
mod without;
#[cfg(not(target_os = "linux"))]
use without as platform;

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{System, path_from_bytes};
use crate::model::{Pid, ProcessId};
use platform::Reader;

/// Whether command lines are read here, and not by those who tell what all systems have.
pub(super) const HAS_COMMAND_LINES: bool = platform::HAS_COMMAND_LINES;

/// So many readers are left behind at most: then no memory is read until one of them comes back.
const MOST_LEFT: usize = 4;

/// So much of a command line, or of an environment, is read.
const LONGEST: usize = 1 << 20;

/// What is to be read of a process.
#[derive(Debug)]
pub(super) struct Piece {
    pid: Pid,
    path: PathBuf,
    at: u64,
    most: usize,
}

impl Piece {
    /// What a reader has to know: where it is, from where on, and how much.
    fn order(&self) -> (&Path, u64, usize) {
        (&self.path, self.at, self.most)
    }
}

/// Readers that were left behind, and whose memory does not answer.
#[derive(Debug, Default)]
pub(super) struct Memories(Mutex<Left>);

#[derive(Debug, Default)]
struct Left {
    readers: Vec<Reader>,
    silent: HashSet<ProcessId>,
}

impl System {
    /// The beginning of a file of a process that lies in its memory.
    pub(super) fn text_piece(&self, pid: Pid, name: &str) -> Piece {
        Piece { pid, path: self.path(pid, name), at: 0, most: LONGEST }
    }

    /// Bytes of a thread's memory: the first thread can have ended, and left it to the others.
    pub(super) fn memory_piece(&self, pid: Pid, tid: Pid, at: u64, most: usize) -> Piece {
        Piece { pid, path: self.thread_path(pid, tid, "mem"), at, most }
    }

    /// Reads each; what ends early is what there is. `TimedOut`: the memory does not answer.
    pub(super) fn read_memories(&self, pieces: &[Piece]) -> Vec<io::Result<Vec<u8>>> {
        let mut left = self.memories.0.lock().unwrap_or_else(PoisonError::into_inner);
        left.readers.retain(|reader| !reader.has_ended());
        let mut answers: Vec<_> = pieces.iter().map(|_| Err(does_not_answer())).collect();
        let mut asked: Vec<usize> = (0..pieces.len()).collect();
        // One call leaves no more of them behind either.
        for _ in 0..MOST_LEFT {
            asked.retain(|&index| !left.is_silent(self, pieces[index].pid));
            if asked.is_empty() || left.readers.len() >= MOST_LEFT {
                break;
            }
            let mut reader = match Reader::start(asked.iter().map(|&index| pieces[index].order())) {
                Ok(reader) => reader,
                Err(error) => {
                    for index in asked {
                        answers[index] = Err(error.kind().into());
                    }
                    break;
                }
            };
            let Some(unanswered) = asked.iter().position(|&index| match reader.next() {
                Some(answer) => {
                    answers[index] = answer;
                    false
                }
                None => true,
            }) else {
                reader.end();
                break;
            };
            left.leave(self, reader, pieces[asked[unanswered]].pid);
            asked.drain(..=unanswered);
        }
        answers
    }

    /// The same of one, all of it.
    pub(super) fn read_memory(
        &self,
        pid: Pid,
        tid: Pid,
        at: u64,
        length: usize,
    ) -> io::Result<Vec<u8>> {
        let answer = self.read_memories(&[self.memory_piece(pid, tid, at, length)]).pop();
        answer.unwrap_or_else(|| Err(does_not_answer())).and_then(|bytes| {
            if bytes.len() == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
        })
    }

    /// The command lines of processes; none of one that tells none.
    pub(super) fn command_lines(&self, pids: &[Pid]) -> HashMap<Pid, Vec<OsString>> {
        let pieces: Vec<_> = pids.iter().map(|&pid| self.text_piece(pid, "cmdline")).collect();
        let words = |text: Vec<u8>| -> Vec<OsString> {
            let words = text.split(|byte| *byte == 0).filter(|word| !word.is_empty());
            words.map(|word| path_from_bytes(word.to_vec()).into_os_string()).collect()
        };
        let lines = pids.iter().zip(self.read_memories(&pieces));
        lines.filter_map(|(&pid, line)| Some((pid, words(line.ok()?)))).collect()
    }

    /// The living processes whose memory does not answer.
    pub(crate) fn silent_memories(&self) -> Vec<Pid> {
        let mut left = self.memories.0.lock().unwrap_or_else(PoisonError::into_inner);
        left.forget_ended(self);
        let mut pids: Vec<Pid> = left.silent.iter().map(|id| id.pid).collect();
        pids.sort_unstable();
        pids
    }
}

impl Left {
    fn is_silent(&self, system: &System, pid: Pid) -> bool {
        !self.silent.is_empty() && id(system, pid).is_some_and(|id| self.silent.contains(&id))
    }

    /// Leaves a reader behind, with what it sleeps over: that is not read again.
    fn leave(&mut self, system: &System, reader: Reader, pid: Pid) {
        reader.kill();
        self.readers.push(reader);
        self.forget_ended(system);
        self.silent.extend(id(system, pid));
    }

    fn forget_ended(&mut self, system: &System) {
        self.silent.retain(|known| id(system, known.pid) == Some(*known));
    }
}

fn id(system: &System, pid: Pid) -> Option<ProcessId> {
    Some(ProcessId { pid, start: system.stat(pid).ok()?.start })
}

fn does_not_answer() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "its memory does not answer")
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_the_order_in_which_it_is_asked_for() {
        let system = System::new();
        let ours = std::process::id().cast_signed();
        let word = *b"remember";
        let at = std::ptr::from_ref(&word) as u64;
        let nobody = system.text_piece(0, "cmdline");
        let pieces = [
            system.memory_piece(ours, ours, at, word.len()),
            nobody,
            system.text_piece(ours, "cmdline"),
            system.memory_piece(ours, ours, 0, 8),
        ];
        let [found, nobody, line, nothing] = &system.read_memories(&pieces)[..] else {
            panic!("an answer for each")
        };
        assert_eq!(found.as_ref().unwrap(), &word);
        assert_eq!(nobody.as_ref().unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(line.as_ref().unwrap().ends_with(b"\0"));
        assert!(nothing.is_err());
        let words: Vec<OsString> = std::env::args_os().collect();
        assert_eq!(system.command_lines(&[ours])[&ours], words);
        assert_eq!(system.silent_memories(), [0; 0]);
    }

    /// Whoever opens a pipe with a name waits for somebody at its other end.
    #[test]
    fn whoever_does_not_answer_is_left_behind_and_not_asked_again() {
        let ours = std::process::id().cast_signed();
        let proc = tempfile::tempdir().unwrap();
        let folder = |pid: Pid| proc.path().join(pid.to_string());
        for pid in 1..=6 {
            std::fs::create_dir(folder(pid)).unwrap();
            std::fs::copy(format!("/proc/{ours}/stat"), folder(pid).join("stat")).unwrap();
            std::fs::write(folder(pid).join("cmdline"), format!("sleep\0{pid}\0")).unwrap();
        }
        let system = System::with_proc(proc.path());
        let pipe = |pid| {
            let path = folder(pid).join("cmdline");
            std::fs::remove_file(&path).unwrap();
            assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        };
        let told = || {
            let lines = system.command_lines(&[1, 2, 3, 4, 5, 6]);
            let mut pids: Vec<Pid> = lines.into_keys().collect();
            pids.sort_unstable();
            pids
        };
        pipe(2);
        assert_eq!(told(), [1, 3, 4, 5, 6]);
        assert_eq!(system.silent_memories(), [2]);
        std::fs::remove_file(folder(2).join("cmdline")).unwrap();
        std::fs::write(folder(2).join("cmdline"), "sleep").unwrap();
        assert_eq!(told(), [1, 3, 4, 5, 6], "it has had its chance");
        std::fs::remove_dir_all(folder(2)).unwrap();
        assert_eq!(system.silent_memories(), [0; 0]);
        for pid in [1, 3, 4, 5] {
            pipe(pid);
        }
        assert_eq!(told(), [0; 0], "enough were waited for");
        // Once one of those who were left behind has ended.
        while told() != [6] {
            std::thread::yield_now();
        }
    }
}
