//! What a scene cannot do without.

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::Path;

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
    let _ = writeln!(std::io::stderr(), "{name}: skipped: needs {missing}");
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
