//! What this process may do to others.

use std::collections::{HashMap, HashSet};
use std::io;

use super::control_groups::Freezer;
use super::{System, grip};
use crate::model::Pid;

/// Whether the open files of other processes may be shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tracing {
    /// Those of everybody.
    Allowed,
    /// Those of our own user.
    OwnOnly,
    /// None without the capability: Yama wants it.
    WithCapability,
    /// None at all, until the next start of the machine: so Yama was told.
    Forbidden,
}

/// What we may do to some processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rights {
    /// Our effective user.
    pub(crate) uid: Option<u32>,
    /// Those that we may not send signals.
    pub(crate) may_not_signal: HashSet<Pid>,
    pub(crate) tracing: Tracing,
    /// We and those that we run in.
    pub(crate) ours: HashSet<Pid>,
    /// What keeps those frozen that are.
    pub(crate) freezers: HashMap<Pid, Vec<Freezer>>,
}

/// Of the kernel's `include/uapi/linux/capability.h`.
const CAP_SYS_PTRACE: u64 = 1 << 19;

impl Rights {
    /// Over these processes, some of which are frozen.
    pub(crate) fn over(pids: &[Pid], frozen: impl Iterator<Item = Pid>) -> Self {
        let system = System::new();
        let denied = |pid: &Pid| {
            grip::may_signal(*pid)
                .is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
        };
        Self {
            uid: super::own_user(),
            may_not_signal: pids.iter().copied().filter(denied).collect(),
            tracing: tracing(system.own_capabilities(), system.yama()),
            ours: ancestors(&system),
            freezers: frozen.map(|pid| (pid, system.freezers(pid))).collect(),
        }
    }
}

/// By our effective capabilities and `kernel.yama.ptrace_scope`, after the kernel's
/// `security/yama/yama_lsm.c`: from 1 on only children may be traced without the capability, from 3
/// on nobody may be at all.
fn tracing(capabilities: Option<u64>, yama: Option<u32>) -> Tracing {
    let capable = capabilities.is_some_and(|set| set & CAP_SYS_PTRACE != 0);
    match yama.unwrap_or(0) {
        3.. => Tracing::Forbidden,
        _ if capable => Tracing::Allowed,
        0 => Tracing::OwnOnly,
        _ => Tracing::WithCapability,
    }
}

/// This process and all above it, but not the first of all, which is no session of ours.
fn ancestors(system: &System) -> HashSet<Pid> {
    let mut ours = HashSet::new();
    let mut next = std::process::id().cast_signed();
    while next > 1 && ours.insert(next) {
        next = system.stat(next).map_or(0, |stat| stat.parent);
    }
    ours
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn yama_wants_the_capability_and_then_nothing_helps() {
        let some = Some(CAP_SYS_PTRACE);
        assert_eq!(tracing(some, None), Tracing::Allowed);
        assert_eq!(tracing(Some(0), None), Tracing::OwnOnly);
        assert_eq!(tracing(Some(0), Some(0)), Tracing::OwnOnly);
        assert_eq!(tracing(Some(0), Some(1)), Tracing::WithCapability);
        assert_eq!(tracing(some, Some(2)), Tracing::Allowed);
        assert_eq!(tracing(some, Some(3)), Tracing::Forbidden);
        assert_eq!(tracing(None, None), Tracing::OwnOnly);
    }

    /// The kernel that these tests run on has no Yama.
    #[test]
    fn capabilities_and_yama_are_read_where_the_kernel_tells_them() {
        let proc = tempfile::tempdir().unwrap();
        fs::create_dir_all(proc.path().join("self")).unwrap();
        fs::write(proc.path().join("self/status"), "Name:\tx\nCapEff:\t0000000000080000\n")
            .unwrap();
        let system = System::with_proc(proc.path());
        assert_eq!((system.own_capabilities(), system.yama()), (Some(CAP_SYS_PTRACE), None));
        let yama = proc.path().join("sys/kernel/yama");
        fs::create_dir_all(&yama).unwrap();
        fs::write(yama.join("ptrace_scope"), "2\n").unwrap();
        assert_eq!(system.yama(), Some(2));
    }
}
