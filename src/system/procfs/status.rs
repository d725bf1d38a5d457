//! `/proc/PID/status`, after `proc_pid_status(5)`.

use crate::model::Pid;

/// The lines that are used here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    /// The process that a thread belongs to: the same number for its first.
    pub(crate) process: Pid,
    /// Real, effective, saved and file system user.
    pub(crate) users: [u32; 4],
    /// Its number in our pid namespace and in each one below that it is in. Empty on kernels that do
    /// not tell.
    pub(crate) numbers: Vec<Pid>,
    /// The debugger that has attached to it, where that is in our pid namespace.
    pub(crate) tracer: Option<Pid>,
}

impl Status {
    /// Reads the file; `None` where a line is missing that every kernel prints.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let line = |name: &[u8]| {
            let mut lines = text.split(|byte| *byte == b'\n');
            let line = lines.find_map(|line| line.strip_prefix(name))?;
            str::from_utf8(line).ok()
        };
        let mut users = line(b"Uid:")?.split_ascii_whitespace().map(str::parse);
        let mut user = || users.next()?.ok();
        let tracer = line(b"TracerPid:").and_then(|tracer| tracer.trim().parse().ok());
        Some(Self {
            tracer: tracer.filter(|tracer| *tracer != 0),
            process: line(b"Tgid:")?.trim().parse().ok()?,
            users: [user()?, user()?, user()?, user()?],
            numbers: line(b"NSpid:")
                .unwrap_or_default()
                .split_ascii_whitespace()
                .map_while(|number| number.parse().ok())
                .collect(),
        })
    }

    /// Its number in the innermost pid namespace that it is in, if that is not ours.
    pub(crate) fn inner_number(&self) -> Option<Pid> {
        self.numbers.get(1..)?.last().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Captured on Linux 6.18, shortened.
    const INSIDE: &[u8] =
        b"Name:\tsleep\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t4242\nNgid:\t0\n\
        Pid:\t4243\nPPid:\t1\nTracerPid:\t0\nUid:\t1000\t0\t1000\t1000\nGid:\t0\t0\t0\t0\n\
        NStgid:\t4242\t7\nNSpid:\t4243\t8\nNSpgid:\t4242\t7\n";

    #[test]
    fn numbers_and_users_are_read() {
        let status = Status::parse(INSIDE).unwrap();
        assert_eq!(status.process, 4242);
        assert_eq!(status.users, [1000, 0, 1000, 1000]);
        assert_eq!(status.inner_number(), Some(8));
        assert_eq!(status.tracer, None);
        let traced = b"Tgid:\t7\nTracerPid:\t99\nUid:\t0\t0\t0\t0\n";
        assert_eq!(Status::parse(traced).unwrap().tracer, Some(99));
    }

    #[test]
    fn what_is_missing_is_not_made_up() {
        assert_eq!(Status::parse(b""), None);
        assert_eq!(Status::parse(b"Tgid:\t1\nUid:\t0\t0\n"), None);
        let old = Status::parse(b"Tgid:\t1\nUid:\t0\t0\t0\t0\n").unwrap();
        assert_eq!(old.inner_number(), None);
    }
}
