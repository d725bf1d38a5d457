//! The kernel's tracing folder: an existing mount, or one that nobody else sees; and an instance in
//! it, which is a buffer of our own.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

use super::Reason;
use crate::model::Pid;
use crate::system::System;
use crate::system::procfs::mounts::Mount;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// No file of these that matters is longer,
const LONGEST: usize = 1 << 20;
/// and none that comes in one piece than this.
const AT_ONCE: usize = 1 << 16;

/// How all our instances are called: behind it stand the process and its start.
const NAME: &str = "locktop-";

/// So many of one process at the same time.
const MOST: u32 = 64;

/// A folder of tracefs.
#[derive(Debug)]
pub(super) struct Tracefs(OwnedFd);

impl Tracefs {
    /// The tracing folder: where it is mounted, else mounted for us alone.
    pub(super) fn find(system: &System) -> Result<Self, Reason> {
        let mounts = system.mounts(None);
        let mounted = mounts.iter().filter(|mount| mount.filesystem == "tracefs");
        let opened = mounted.map(open_mounted).next_back();
        if let Some(Ok(folder)) = opened {
            return Ok(Self(folder));
        }
        if !system.is_this_machine() {
            return Err(opened.and_then(Result::err).map_or(Reason::NotMounted, refused));
        }
        mount_for_us().map(Self).map_err(refused)
    }

    /// A folder in it.
    pub(super) fn folder(&self, path: &str) -> io::Result<Self> {
        Ok(Self(openat(&self.0, path, FOLDER, Mode::empty())?))
    }

    /// The names in it.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let entries = Dir::read_from(&self.0)?;
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry?.file_name().to_str().ok().map(str::to_owned));
        }
        Ok(names)
    }

    pub(super) fn open(&self, path: &str, how: OFlags) -> io::Result<File> {
        Ok(openat(&self.0, path, how | OFlags::CLOEXEC, Mode::empty())?.into())
    }

    pub(super) fn read(&self, path: &str) -> io::Result<String> {
        let mut file = self.open(path, OFlags::RDONLY)?;
        // Some of these files give no more than their first read takes.
        let mut text = vec![0; AT_ONCE];
        let mut length = 0;
        loop {
            match file.read(&mut text[length..])? {
                0 => break,
                read => length += read,
            }
            if length == text.len() {
                text.resize(length * 2, 0);
            }
            if length >= LONGEST {
                break;
            }
        }
        text.truncate(length);
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    pub(super) fn write(&self, path: &str, text: &str) -> io::Result<()> {
        self.open(path, OFlags::WRONLY)?.write_all(text.as_bytes())
    }
}

fn open_mounted(mount: &Mount) -> Result<OwnedFd, Errno> {
    openat(CWD, &mount.point, FOLDER, Mode::empty())
}

/// A mount that is in no namespace, and is gone with its descriptor.
fn mount_for_us() -> Result<OwnedFd, Errno> {
    let context = fsopen("tracefs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

fn refused(error: Errno) -> Reason {
    match error {
        Errno::PERM | Errno::ACCESS => Reason::NotPermitted,
        // The kernel cannot mount without a place, or has no such file system.
        Errno::NOSYS => Reason::NotMounted,
        Errno::NODEV | Errno::NOENT => Reason::NoTracing,
        error => Reason::Failed("open the kernel's tracing folder", error.into()),
    }
}

/// A buffer of our own in the kernel. Dropped, it is removed.
#[derive(Debug)]
pub(super) struct Instance {
    instances: Tracefs,
    name: String,
    pub(super) folder: Tracefs,
}

impl Instance {
    /// Makes one; removes what killed runs left behind.
    pub(super) fn new(tracefs: &Tracefs, system: &System) -> Result<Self, Reason> {
        let instances = tracefs.folder("instances").map_err(|error| in_instances(&error))?;
        clean_up(&instances, system);
        let own = std::process::id().cast_signed();
        let start = system.stat(own).map(|stat| stat.start).unwrap_or_default();
        let mut number = 0;
        let name = loop {
            let suffix = if number == 0 { String::new() } else { format!("-{number}") };
            let name = format!("{NAME}{own}-{start}{suffix}");
            match mkdirat(&instances.0, &name, Mode::RWXU) {
                Ok(()) => break name,
                Err(Errno::EXIST) if number < MOST => number += 1,
                Err(error) => return Err(in_instances(&error.into())),
            }
        };
        match instances.folder(&name) {
            Ok(folder) => Ok(Self { instances, name, folder }),
            Err(error) => {
                remove(&instances, &name);
                Err(in_instances(&error))
            }
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        remove(&self.instances, &self.name);
    }
}

fn in_instances(error: &io::Error) -> Reason {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Reason::NotPermitted,
        io::ErrorKind::NotFound => Reason::NoTracing,
        io::ErrorKind::OutOfMemory | io::ErrorKind::ResourceBusy | io::ErrorKind::StorageFull => {
            Reason::Busy
        }
        kind => Reason::Failed("make a trace buffer", kind.into()),
    }
}

/// What cannot be removed since somebody reads it is removed at the next start.
fn remove(instances: &Tracefs, name: &str) {
    let _ = unlinkat(&instances.0, Path::new(name), AtFlags::REMOVEDIR);
}

/// Removes the instances of processes that have ended, whoever has their numbers by now.
fn clean_up(instances: &Tracefs, system: &System) {
    for name in instances.names().unwrap_or_default() {
        let Some((pid, start)) = maker(&name) else { continue };
        let lives = match system.stat(pid) {
            Ok(now) => now.start == start,
            Err(error) => !crate::system::has_ended(&error),
        };
        if !lives {
            remove(instances, &name);
        }
    }
}

/// The process that made the instance of that name, and its start.
fn maker(name: &str) -> Option<(Pid, u64)> {
    let mut numbers = name.strip_prefix(NAME)?.split('-');
    let (pid, start) = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    let is_ours = numbers.next().is_none_or(|number| number.parse::<u32>().is_ok());
    (is_ours && numbers.next().is_none()).then_some((pid, start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_tell_who_made_them() {
        assert_eq!(maker("locktop-12-345"), Some((12, 345)));
        assert_eq!(maker("locktop-12-345-2"), Some((12, 345)));
        for other in
            ["locktop", "locktop-12", "locktop-a-3", "locktop-1-2-x", "locktop-1-2-3-4", "x-1-2"]
        {
            assert_eq!(maker(other), None, "{other}");
        }
    }

    #[test]
    fn refusals_are_told_apart() {
        assert!(matches!(refused(Errno::PERM), Reason::NotPermitted));
        assert!(matches!(refused(Errno::NOSYS), Reason::NotMounted));
        assert!(matches!(refused(Errno::NODEV), Reason::NoTracing));
        assert!(matches!(refused(Errno::IO), Reason::Failed(..)));
        let busy = |error: Errno| matches!(in_instances(&error.into()), Reason::Busy);
        assert!(busy(Errno::NOMEM) && busy(Errno::BUSY) && busy(Errno::NOSPC));
        assert!(!busy(Errno::PERM));
    }
}
