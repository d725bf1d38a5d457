//! What a scene cannot do without.

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The capability that mounts and namespaces take.
const SYS_ADMIN: u64 = 1 << 21;

/// A requirement of a test.
#[derive(Debug, Clone, Copy)]
pub enum Need {
    /// All capabilities of the superuser in the first user namespace.
    Root,
    /// A program.
    Program(&'static str),
    /// What a package puts somewhere.
    File(&'static str),
    /// A file system that the kernel can mount.
    FileSystem(&'static str),
    /// That the kernel's tracepoints of locks can be used: root, in the first pid namespace.
    Tracing,
}

impl Need {
    /// What is missing, if it is.
    pub fn missing(self) -> Option<String> {
        match self {
            Self::Root => (!is_root()).then(|| "root".into()),
            Self::Program(name) => program(name).is_none().then(|| format!("the program {name}")),
            Self::File(path) => (!Path::new(path).exists()).then(|| path.into()),
            Self::FileSystem(name) => {
                (!is_file_system(name)).then(|| format!("the file system {name}"))
            }
            Self::Tracing => {
                let events = tracefs().map(|folder| folder.join("events/filelock"));
                let there = events.as_ref().is_ok_and(|events| events.exists());
                let first = fs::read_link("/proc/self/ns/pid")
                    .is_ok_and(|link| link == Path::new("pid:[4026531836]"));
                (!there || !first).then(|| "the kernel's tracepoints of locks".into())
            }
        }
    }
}

/// Whether all needs are met. If not: says so at a desk, and panics in CI, where nothing may be left
/// out.
#[track_caller]
pub fn all_met(needs: &[Need]) -> bool {
    let missing: Vec<_> = needs.iter().filter_map(|need| need.missing()).collect();
    if missing.is_empty() {
        return true;
    }
    let missing = missing.join(", ");
    assert!(env::var_os("CI").is_none_or(|ci| ci != "true"), "this test needs {missing}");
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    // Not `eprintln!`, which the test harness would hide.
    let _ = writeln!(io::stderr(), "{name}: skipped: needs {missing}");
    false
}

/// Where a program is.
pub fn program(name: &str) -> Option<String> {
    let path = env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/sbin", "/sbin"])
        .map(|folder| format!("{folder}/{name}"))
        .find(|file| Path::new(file).is_file())
}

/// The kernel's tracing folder, mounted for this process alone.
pub fn tracefs() -> io::Result<PathBuf> {
    use std::os::fd::AsRawFd as _;

    use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};
    use rustix::mount::{fsconfig_create, fsmount, fsopen};
    static MOUNT: OnceLock<io::Result<OwnedFd>> = OnceLock::new();
    let mount = MOUNT.get_or_init(|| {
        let context = fsopen("tracefs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_create(&context)?;
        Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?)
    });
    match mount {
        Ok(mount) => Ok(PathBuf::from(format!("/proc/self/fd/{}", mount.as_raw_fd()))),
        Err(error) => Err(error.kind().into()),
    }
}

fn is_root() -> bool {
    let all = |status: String| {
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
        let capabilities = u64::from_str_radix(line.trim(), 16).ok()?;
        Some(capabilities & SYS_ADMIN != 0)
    };
    rustix::process::geteuid().is_root()
        && fs::read_to_string("/proc/self/status").ok().and_then(all).unwrap_or(false)
}

fn is_file_system(name: &str) -> bool {
    // Asking for one that is a module loads it.
    let _ = std::process::Command::new("modprobe").arg("-q").arg(name).status();
    fs::read_to_string("/proc/filesystems")
        .is_ok_and(|list| list.lines().any(|line| line.split('\t').next_back() == Some(name)))
}
