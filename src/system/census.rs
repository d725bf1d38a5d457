//! Questions to all processes at once: who has a number inside a container, who runs a program, who
//! has files open, who works in a folder.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::procfs::mounts::Mount;
use super::procfs::stat::Stat;
use super::procfs::status::Status;
use super::{System, has_ended, platform, read_record};
use crate::model::{FileId, Moment, Pid, State};

/// How many folders up it is looked for one: deeper than any that people make.
const MOST_FOLDERS: usize = 64;

/// Those who have files open.
#[derive(Debug, Default)]
pub(crate) struct Openers {
    /// Who can write to a file through which of its descriptors.
    pub(crate) writers: HashMap<FileId, Vec<(Pid, Vec<i32>)>>,
    /// Of whom that may not be known.
    pub(crate) unreadable: Vec<Pid>,
}

impl System {
    /// What `/proc` says of a number: of a process, or of a thread of one. `None`: it is nobody's.
    pub(crate) fn status(&self, pid: Pid) -> Option<Status> {
        Status::parse(&read_record(&self.path(pid, "status")).ok()?)
    }

    /// The processes that have that number in a pid namespace below ours.
    pub(crate) fn numbered_inside(&self, number: Pid) -> io::Result<Vec<Pid>> {
        let has_it = |pid: &Pid| {
            self.status(*pid).is_some_and(|status| status.inner_number() == Some(number))
        };
        Ok(self.pids()?.into_iter().filter(has_it).collect())
    }

    /// The living processes whose command is one of these, or begins with one and a hyphen.
    pub(crate) fn running(&self, programs: &[Arc<str>]) -> io::Result<Vec<(Pid, Stat)>> {
        let stats = self.pids()?.into_iter().filter_map(|pid| Some((pid, self.stat(pid).ok()?)));
        let lives = |stat: &Stat| {
            !matches!(stat.state, Some(State::Zombie | State::Dead)) && !stat.kernel_thread
        };
        Ok(stats.filter(|(_, stat)| lives(stat) && is_one_of(programs, &stat.command)).collect())
    }

    /// Whether the working folder of a process is that folder or below it, whatever its file tree
    /// calls it.
    ///
    /// # Errors
    /// The system's, above all `PermissionDenied`.
    pub(crate) fn works_in(&self, pid: Pid, folder: FileId) -> io::Result<bool> {
        let mut path = self.path(pid, "cwd");
        let mut below = None;
        for _ in 0..MOST_FOLDERS {
            let here = platform::stat_following(&path)?.file;
            if here == folder {
                return Ok(true);
            }
            // The root's parent is the root.
            if below == Some(here) {
                break;
            }
            below = Some(here);
            path.push("..");
        }
        Ok(false)
    }

    /// Whether a process was started with one of these variables or options: `NAME`, `NAME=…`.
    ///
    /// # Errors
    /// The system's, above all `PermissionDenied`.
    pub(crate) fn was_started_with(&self, pid: Pid, words: &[Arc<str>]) -> io::Result<bool> {
        let is_one = |text: &[u8]| {
            words.iter().any(|word| {
                let rest = text.strip_prefix(word.as_bytes());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"="))
            })
        };
        let pieces = ["cmdline", "environ"].map(|name| self.text_piece(pid, name));
        let texts = self.read_memories(&pieces).into_iter().collect::<io::Result<Vec<_>>>()?;
        Ok(texts.iter().any(|text| text.split(|byte| *byte == 0).any(is_one)))
    }

    /// Whether the nearest thing of that name, in the working folder of a process or above it, is a
    /// folder: no file that says where the folder is.
    ///
    /// # Errors
    /// The system's, above all `PermissionDenied`; `NotFound` where there is nothing of that name.
    pub(crate) fn is_anchored(&self, pid: Pid, name: &str) -> io::Result<bool> {
        let mut folder = self.path(pid, "cwd");
        for _ in 0..MOST_FOLDERS {
            platform::stat_following(&folder)?;
            match std::fs::symlink_metadata(folder.join(name)) {
                Ok(there) => return Ok(there.is_dir()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => folder.push(".."),
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::NotFound.into())
    }

    /// Who has these files open for writing.
    ///
    /// # Errors
    /// When the processes cannot be listed.
    pub(crate) fn writers_of(&self, files: &HashSet<FileId>) -> io::Result<Openers> {
        let mut openers = Openers::default();
        for pid in self.pids()? {
            match self.written_by(pid, files) {
                Ok(written) => {
                    for (file, fds) in written {
                        openers.writers.entry(file).or_default().push((pid, fds));
                    }
                }
                Err(error) if has_ended(&error) => {}
                Err(_) => openers.unreadable.push(pid),
            }
        }
        Ok(openers)
    }

    /// Which of these files a process has open for writing, or only to keep hold of them, as
    /// whoever made a folder or a link can; through which descriptors.
    pub(crate) fn written_by(
        &self,
        pid: Pid,
        files: &HashSet<FileId>,
    ) -> io::Result<HashMap<FileId, Vec<i32>>> {
        let mut written: HashMap<FileId, Vec<i32>> = HashMap::new();
        let descriptors = self.descriptors(pid)?;
        let mut text = Vec::new();
        for fd in descriptors.numbers()? {
            // It can have been closed meanwhile.
            let Ok(stat) = descriptors.stat(fd) else { continue };
            if !files.contains(&stat.file) {
                continue;
            }
            let information = descriptors.information_of(fd, &mut text)?;
            if information.is_for_writing || information.is_a_hold {
                written.entry(stat.file).or_default().push(fd);
            }
        }
        Ok(written)
    }

    /// Whether `/proc` may hide processes from us.
    pub(crate) fn hides_processes(&self) -> bool {
        Mount::hide_processes(&self.mounts(None)) && self.stat(1).is_err()
    }
}

/// Whether a command is one of these programs, or begins with one and a hyphen.
pub(crate) fn is_one_of(programs: &[Arc<str>], command: &[u8]) -> bool {
    programs.iter().any(|program| {
        // The kernel keeps 15 bytes of a name.
        let program = program.as_bytes();
        let program = &program[..program.len().min(15)];
        command.strip_prefix(program).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"-"))
    })
}

/// When the machine started, by today's clock.
fn booted_at(at: Moment) -> Option<Timestamp> {
    at.wall.checked_sub(SignedDuration::try_from(at.uptime).ok()?).ok()
}

impl System {
    /// How far the clock was set forward, in all, since the machine started: the kernel made its
    /// folder of devices by the clock of then. `None` where that is not known.
    pub(crate) fn clock_was_set(&self, at: Moment) -> Option<SignedDuration> {
        let devices = Path::new("/dev");
        // A container's is as old as the container.
        let mounts = self.mounts(None);
        let is_kernels = |mount: &Mount| mount.filesystem == "devtmpfs" && mount.point == devices;
        Mount::of_path(&mounts, devices).filter(|mount| is_kernels(mount))?;
        let made = platform::stat_path(devices).ok()?.birth?;
        Some(booted_at(at)?.duration_since(made).max(SignedDuration::ZERO))
    }
}

/// What a folder is numbered.
pub(crate) fn number_of_folder(folder: &Path) -> io::Result<FileId> {
    Ok(platform::stat_path(folder)?.file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_by_their_names() {
        let programs = ["git".into(), "a-very-long-name-indeed".into()];
        for command in ["git", "git-remote-http", "a-very-long-nam"] {
            assert!(is_one_of(&programs, command.as_bytes()), "{command}");
        }
        for command in ["gitk", "gi", "", "a-very-long-na"] {
            assert!(!is_one_of(&programs, command.as_bytes()), "{command}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn we_are_found_where_we_are() {
        let system = System::new();
        let folder = tempfile::tempdir().unwrap();
        let ours = std::process::id().cast_signed();
        let here = number_of_folder(&std::env::current_dir().unwrap()).unwrap();
        assert!(system.works_in(ours, here).unwrap());
        assert!(!system.works_in(ours, number_of_folder(folder.path()).unwrap()).unwrap());

        let path = folder.path().join("lock");
        let file = std::fs::File::create(&path).unwrap();
        let read = std::fs::File::open(&path).unwrap();
        let number = platform::stat_path(&path).unwrap().file;
        let fd = platform::number_of(&file).unwrap();
        let found = system.written_by(ours, &HashSet::from([number])).unwrap();
        assert_eq!(found[&number], [fd], "and not the one for reading");
        drop((file, read));
        assert!(system.written_by(ours, &HashSet::from([number])).unwrap().is_empty());
        let with = |words: [&str; 1]| system.was_started_with(ours, &words.map(Arc::from)).unwrap();
        assert!(with(["PATH"]) && !with(["PAT"]) && !with(["NO_SUCH_VARIABLE"]));
        let status = system.status(ours).unwrap();
        assert_eq!(status.process, ours);
    }
}
